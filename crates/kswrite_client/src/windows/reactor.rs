//! One thread that learns of all completions, for futures, callbacks and time limits.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::file::File;
use super::operation::{Finished, Operation, Pending, Started};
use super::port::{ByPort, CompletionPort};
use super::write_at::WriteAt;
use crate::{Error, Win32Error};

/// A write that is over.
#[derive(Debug)]
#[must_use]
pub struct Written {
    /// Bytes written, or why not. A write that its time limit ended failed with `ERROR_TIMEOUT`.
    pub result: Result<u32, Win32Error>,
    /// Bytes that were transferred, of a write that failed too: what its device says it took.
    pub bytes: u32,
    /// The buffer that was lent.
    pub buffer: Vec<u8>,
}

impl Written {
    /// Of a future that was ready before.
    pub(super) fn nothing() -> Self {
        Self {
            result: Err(Win32Error::OPERATION_ABORTED),
            bytes: 0,
            buffer: Vec::new(),
        }
    }
}

/// Told of a write that is over, in the thread of the reactor or, if the write was complete at once, in the caller's.
pub type Done = Box<dyn FnOnce(Written) + Send>;

/// A completion port with a thread that waits for it.
///
/// The thread ends when the reactor, its files and their writes are dropped.
#[derive(Clone, Debug)]
pub struct Reactor(Arc<Owner>);

/// Its drop ends the thread.
#[derive(Debug)]
pub(super) struct Owner(Arc<Core>);

/// What the thread and the writes share.
pub(super) struct Core {
    port: CompletionPort,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    free: Vec<usize>,
    idle: Vec<Operation<ByPort>>,
    deadlines: BTreeSet<(Instant, Ticket)>,
    stopping: bool,
}

/// A place for a write, used by one after the other.
#[derive(Default)]
struct Slot {
    /// How many writes had this place before.
    generation: u64,
    flight: Option<Flight>,
}

/// A write that was started.
#[derive(Default)]
struct Flight {
    /// `None` until the call has returned, and once it is over.
    pending: Option<Pending<ByPort>>,
    over: Option<Written>,
    whom: Whom,
    timed_out: bool,
    deadline: Option<Instant>,
}

/// Who is told.
#[derive(Default)]
enum Whom {
    #[default]
    Nobody,
    Task(Waker),
    Callback(Done),
}

/// The name of a write in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    slot: usize,
    generation: u64,
}

/// What became of a call.
pub(super) enum Call {
    /// It is over.
    Over(Written),
    /// It is over, and its callback was told.
    Told,
    /// The completion will come.
    Waits(Ticket),
}

/// Cancels a write from anywhere, or nothing if it is over.
#[derive(Clone, Debug)]
pub struct Canceller {
    core: Weak<Core>,
    ticket: Option<Ticket>,
}

impl Canceller {
    pub(super) fn new(owner: &Arc<Owner>, ticket: Option<Ticket>) -> Self {
        let core = Arc::downgrade(&owner.0);
        Self { core, ticket }
    }

    /// Asks that the write be cancelled. It ends all the same, most often with `ERROR_OPERATION_ABORTED`.
    pub fn cancel(&self) {
        if let (Some(core), Some(ticket)) = (self.core.upgrade(), self.ticket) {
            core.cancel(ticket);
        }
    }
}

impl Reactor {
    /// A new port and its thread.
    ///
    /// # Errors
    ///
    /// The system has no more ports or threads.
    pub fn new() -> Result<Self, Error> {
        let core = Arc::new(Core {
            port: CompletionPort::new()?,
            table: Mutex::default(),
        });
        let runs = Arc::clone(&core);
        let started = thread::Builder::new()
            .name("kswrite reactor".to_owned())
            .spawn(move || runs.run());
        started.map_err(|error| Error::new("start the thread of a reactor", Win32Error::from_io(&error)))?;
        Ok(Self(Arc::new(Owner(core))))
    }

    /// Makes the completions of a file go to this reactor, for good.
    ///
    /// # Errors
    ///
    /// Those of [`CompletionPort::associate`].
    pub fn attach(&self, file: File) -> Result<AsyncFile, Error> {
        self.0.0.port.associate(&file)?;
        Ok(AsyncFile {
            file,
            owner: Arc::clone(&self.0),
        })
    }
}

/// A file whose completions go to a [`Reactor`].
#[derive(Clone, Debug)]
pub struct AsyncFile {
    file: File,
    owner: Arc<Owner>,
}

impl AsyncFile {
    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Starts to write the whole buffer at `offset`, which is in bytes. The device may take fewer bytes. The write is
    /// under way whether the future is polled or not; dropping the future cancels it.
    pub fn write_at(&self, offset: u64, buffer: Vec<u8>) -> WriteAt {
        let call = self.owner.0.start(&self.file, offset, buffer, Whom::Nobody);
        WriteAt::new(Arc::clone(&self.owner), call)
    }

    /// As [`write_at`](Self::write_at); `done` is told. Returns how to cancel it.
    pub fn write_then(&self, offset: u64, buffer: Vec<u8>, done: Done) -> Canceller {
        let call = self
            .owner
            .0
            .start(&self.file, offset, buffer, Whom::Callback(done));
        Canceller::new(
            &self.owner,
            match call {
                Call::Waits(ticket) => Some(ticket),
                Call::Over(_) | Call::Told => None,
            },
        )
    }

    /// Asks that every operation of this process on the file be cancelled, whoever began it.
    ///
    /// # Errors
    ///
    /// `ERROR_NOT_FOUND`: there is none.
    pub fn cancel_all(&self) -> Result<(), Win32Error> {
        self.file.cancel_all()
    }
}

impl Core {
    /// Nothing is called while the lock is held, so the table is whole whatever happened to its holder.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, file: &File, offset: u64, buffer: Vec<u8>, whom: Whom) -> Call {
        let (ticket, operation) = {
            let mut table = self.lock();
            let ticket = table.enter(Flight {
                whom,
                ..Flight::default()
            });
            (ticket, table.idle.pop())
        };
        let operation = operation.unwrap_or_else(|| self.port.operation());
        let finished = match operation.with_token(ticket.slot).write_at(file, offset, buffer) {
            Started::Finished(finished) => finished,
            Started::Pending(pending) => match self.lock().keep(ticket, pending) {
                // The packet was faster than this call.
                Some(finished) => finished,
                None => return Call::Waits(ticket),
            },
        };
        let mut table = self.lock();
        let written = table.written(ticket, finished);
        let whom = table.leave(ticket).map(|flight| flight.whom);
        drop(table);
        match whom {
            Some(Whom::Callback(done)) => {
                done(written);
                Call::Told
            }
            _ => Call::Over(written),
        }
    }

    /// The thread of the reactor.
    fn run(&self) {
        let mut tokens = Vec::new();
        let mut tell = Vec::new();
        loop {
            let patience = self.lock().expire();
            // A port whose wait fails is of no use, and there is nobody to tell: the writes stay pending.
            if self.port.wait(patience, &mut tokens).is_err() {
                return;
            }
            let mut table = self.lock();
            for slot in tokens.drain(..) {
                table.arrived(slot, &mut tell);
            }
            let stop = table.stopping && table.is_empty();
            drop(table);
            for tell in tell.drain(..) {
                tell();
            }
            if stop {
                return;
            }
        }
    }

    pub(super) fn poll(&self, ticket: Ticket, context: &Context<'_>) -> Poll<Written> {
        let mut table = self.lock();
        if let Some(flight) = table.flight(ticket)
            && flight.over.is_none()
        {
            flight.whom = Whom::Task(context.waker().clone());
            return Poll::Pending;
        }
        let over = table.leave(ticket).and_then(|flight| flight.over);
        Poll::Ready(over.unwrap_or_else(Written::nothing))
    }

    fn cancel(&self, ticket: Ticket) {
        if let Some(pending) = self
            .lock()
            .flight(ticket)
            .and_then(|flight| flight.pending.as_ref())
        {
            // Refused: the completion is on its way.
            let _refused = pending.cancel();
        }
    }

    pub(super) fn limit(&self, ticket: Ticket, limit: Duration) {
        // A limit beyond what the clock can say is none.
        let Some(deadline) = Instant::now().checked_add(limit) else {
            return;
        };
        let mut table = self.lock();
        if let Some(flight) = table.flight(ticket) {
            let before = flight.deadline.replace(deadline);
            if let Some(before) = before {
                table.deadlines.remove(&(before, ticket));
            }
            table.deadlines.insert((deadline, ticket));
            drop(table);
            self.port.wake();
        }
    }

    /// Nobody waits any more: the write is cancelled, and its memory stays until it is over.
    pub(super) fn forget(&self, ticket: Ticket) {
        let flight = self.lock().leave(ticket);
        // Dropped without the lock: that makes a system call.
        drop(flight);
    }
}

impl Owner {
    pub(super) fn core(&self) -> &Core {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().stopping = true;
        self.0.port.wake();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Table {
    fn enter(&mut self, flight: Flight) -> Ticket {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let generation = self.slots.get_mut(slot).map_or(0, |place| {
            place.flight = Some(flight);
            place.generation
        });
        Ticket { slot, generation }
    }

    fn flight(&mut self, ticket: Ticket) -> Option<&mut Flight> {
        let slot = self.slots.get_mut(ticket.slot)?;
        slot.flight
            .as_mut()
            .filter(|_| slot.generation == ticket.generation)
    }

    fn leave(&mut self, ticket: Ticket) -> Option<Flight> {
        let slot = self.slots.get_mut(ticket.slot)?;
        if slot.generation != ticket.generation {
            return None;
        }
        let flight = slot.flight.take()?;
        slot.generation += 1;
        self.free.push(ticket.slot);
        if let Some(deadline) = flight.deadline {
            self.deadlines.remove(&(deadline, ticket));
        }
        Some(flight)
    }

    fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// Keeps a write that is pending, unless it is over by now.
    fn keep(&mut self, ticket: Ticket, pending: Pending<ByPort>) -> Option<Finished<ByPort>> {
        match pending.try_finish() {
            Ok(finished) => Some(finished),
            Err(pending) => {
                if let Some(flight) = self.flight(ticket) {
                    flight.pending = Some(pending);
                }
                None
            }
        }
    }

    fn written(&mut self, ticket: Ticket, finished: Finished<ByPort>) -> Written {
        let timed_out = self.flight(ticket).is_some_and(|flight| flight.timed_out);
        self.idle.push(finished.operation);
        Written {
            result: finished.result.map_err(|error| match error {
                Win32Error::OPERATION_ABORTED if timed_out => Win32Error::TIMEOUT,
                error => error,
            }),
            bytes: finished.bytes,
            buffer: finished.buffer,
        }
    }

    /// A packet came for a write in this slot, or for one that had the slot before.
    fn arrived(&mut self, slot: usize, tell: &mut Vec<Box<dyn FnOnce()>>) {
        let Some(place) = self.slots.get_mut(slot) else {
            return;
        };
        let ticket = Ticket {
            slot,
            generation: place.generation,
        };
        let Some(pending) = place.flight.as_mut().and_then(|flight| flight.pending.take()) else {
            return;
        };
        let Some(finished) = self.keep(ticket, pending) else {
            return;
        };
        let written = self.written(ticket, finished);
        let Some(flight) = self.flight(ticket) else {
            return;
        };
        match std::mem::take(&mut flight.whom) {
            Whom::Nobody => flight.over = Some(written),
            Whom::Task(waker) => {
                flight.over = Some(written);
                tell.push(Box::new(move || waker.wake()));
            }
            Whom::Callback(done) => {
                self.leave(ticket);
                tell.push(Box::new(move || done(written)));
            }
        }
    }

    /// Cancels what is over its time limit. Returns how long to wait for the next.
    fn expire(&mut self) -> Option<Duration> {
        loop {
            let (deadline, ticket) = *self.deadlines.first()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Some(left);
            }
            self.deadlines.pop_first();
            if let Some(flight) = self.flight(ticket) {
                flight.deadline = None;
                if let Some(pending) = &flight.pending {
                    flight.timed_out = pending.cancel().is_ok();
                }
            }
        }
    }
}
