//! A write as a future, for any executor, and for none.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::reactor::{AsyncFile, Call, Canceller, Owner, Ticket, Written};

/// A write under way. Dropping it cancels the write, and does not wait for its end.
#[derive(Debug)]
#[must_use = "dropping it cancels the write"]
pub struct WriteAt {
    owner: Arc<Owner>,
    state: State,
}

#[derive(Debug)]
enum State {
    Over(Written),
    Waits(Ticket),
    Taken,
}

impl WriteAt {
    pub(super) fn new(owner: Arc<Owner>, call: Call) -> Self {
        let state = match call {
            Call::Over(written) => State::Over(written),
            Call::Waits(ticket) => State::Waits(ticket),
            Call::Told => State::Taken,
        };
        Self { owner, state }
    }

    fn ticket(&self) -> Option<Ticket> {
        match &self.state {
            State::Waits(ticket) => Some(*ticket),
            State::Over(_) | State::Taken => None,
        }
    }

    /// Cancels the write once this much time is over, from now. It then fails with `ERROR_TIMEOUT`, unless its device
    /// completes it all the same.
    pub fn time_limit(self, limit: Duration) -> Self {
        if let Some(ticket) = self.ticket() {
            self.owner.core().limit(ticket, limit);
        }
        self
    }

    /// How to cancel it from elsewhere.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(&self.owner, self.ticket())
    }

    /// Waits for the end, in this thread.
    pub fn wait(self) -> Written {
        wait(self)
    }
}

impl Future for WriteAt {
    type Output = Written;

    /// Ready once; after that it is ready for ever with `ERROR_OPERATION_ABORTED`.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Written> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Over(written) => Poll::Ready(written),
            State::Waits(ticket) => {
                let polled = self.owner.core().poll(ticket, context);
                if polled.is_pending() {
                    self.state = State::Waits(ticket);
                }
                polled
            }
            State::Taken => Poll::Ready(Written::nothing()),
        }
    }
}

impl Drop for WriteAt {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket() {
            self.owner.core().forget(ticket);
        }
    }
}

/// Writes that are submitted together and ready together. Dropping it cancels those that are not over.
#[derive(Debug)]
#[must_use = "dropping it cancels the writes"]
pub struct Batch {
    writes: Vec<WriteAt>,
    over: Vec<Written>,
}

impl AsyncFile {
    /// Starts all writes, each at its offset in bytes. The results are in the same order.
    pub fn write_batch(&self, writes: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Batch {
        let start = |(offset, buffer)| self.write_at(offset, buffer);
        let writes: Vec<WriteAt> = writes.into_iter().map(start).collect();
        Batch {
            over: Vec::with_capacity(writes.len()),
            writes,
        }
    }
}

impl Batch {
    /// Waits for the end of all, in this thread.
    pub fn wait(self) -> Vec<Written> {
        wait(self)
    }
}

impl Future for Batch {
    type Output = Vec<Written>;

    /// All have to be over, so it is enough to look at the first that is not.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<Written>> {
        let Self { writes, over } = &mut *self;
        while let Some(write) = writes.get_mut(over.len()) {
            match Pin::new(write).poll(context) {
                Poll::Ready(written) => over.push(written),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(std::mem::take(over))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future in this thread.
fn wait<F: Future + Unpin>(mut future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match Pin::new(&mut future).poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
