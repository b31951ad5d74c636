//! Completion by events: waits for the oldest 64, for no more can be waited for at once, and then looks at the others.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use ksw::buffer::Buffer;
use ksw::run::{Completion, Issued, WriteEngine};
use kswrite_client::{ByEvent, Error, File, Finished, Operation, Pending, Started, Win32Error, wait_any};

/// How writes are started that complete by an event each.
pub(in crate::windows) trait Way {
    /// What is needed, beside the operation, to have the buffer again.
    type Kept;

    /// Starts a write of the data at a byte offset.
    fn start(
        &self,
        operation: Operation<ByEvent>,
        offset: u64,
        buffer: Buffer,
    ) -> (Started<ByEvent>, Self::Kept);

    /// What became of it.
    fn over(finished: Finished<ByEvent>, kept: Self::Kept) -> Over;
}

/// A write that is over.
pub(in crate::windows) struct Over {
    pub(in crate::windows) operation: Operation<ByEvent>,
    pub(in crate::windows) buffer: Buffer,
    pub(in crate::windows) result: Result<u32, Win32Error>,
}

impl Over {
    /// Of an operation that had the buffer itself.
    pub(in crate::windows) fn of(finished: Finished<ByEvent>, part: Range<usize>) -> Self {
        Self {
            operation: finished.operation,
            buffer: Buffer::from_parts(finished.buffer, part),
            result: finished.result,
        }
    }
}

/// WriteFile.
impl Way for File {
    type Kept = Range<usize>;

    fn start(
        &self,
        operation: Operation<ByEvent>,
        offset: u64,
        buffer: Buffer,
    ) -> (Started<ByEvent>, Range<usize>) {
        let (bytes, part) = buffer.into_parts();
        (operation.write_part_at(self, offset, bytes, part.clone()), part)
    }

    fn over(finished: Finished<ByEvent>, part: Range<usize>) -> Over {
        Over::of(finished, part)
    }
}

/// A write that the system has.
struct Flight<K> {
    slot: usize,
    kept: K,
    pending: Pending<ByEvent>,
}

/// The engine.
pub(in crate::windows) struct EventEngine<W: Way> {
    idle: Vec<Operation<ByEvent>>,
    /// In the order of their issue.
    pending: VecDeque<Flight<W::Kept>>,
    /// After `pending`, so that writes are cancelled before their interface goes.
    way: W,
}

/// How many can be waited for at once.
const AT_ONCE: usize = 64;
/// How long to wait for the oldest ones before the others are looked at.
const PATIENCE: Duration = Duration::from_millis(10);

impl<W: Way> EventEngine<W> {
    pub(in crate::windows) fn new(way: W) -> Self {
        Self {
            idle: Vec::new(),
            pending: VecDeque::new(),
            way,
        }
    }

    fn wait_from(&self, first: usize, timeout: Duration) -> Result<Option<usize>, Error> {
        let pending = self.pending.iter().skip(first).map(|flight| &flight.pending);
        wait_any(pending, Some(timeout))
            .map(|found| found.map(|index| first + index))
            .map_err(|error| Error::new("wait for events", error))
    }

    /// Takes note of a write that is over.
    fn complete(
        &mut self,
        slot: usize,
        finished: Finished<ByEvent>,
        kept: W::Kept,
        immediate: bool,
    ) -> Completion {
        let Over {
            operation,
            buffer,
            result,
        } = W::over(finished, kept);
        self.idle.push(operation);
        Completion {
            slot,
            buffer,
            result,
            immediate,
        }
    }

    fn finish(&mut self, index: usize, done: &mut Vec<Completion>) {
        let Some(Flight { slot, kept, pending }) = self.pending.remove(index) else {
            return;
        };
        match pending.try_finish() {
            Ok(finished) => done.push(self.complete(slot, finished, kept, false)),
            Err(pending) => self.pending.insert(index, Flight { slot, kept, pending }),
        }
    }
}

impl<W: Way> WriteEngine for EventEngine<W> {
    fn issue(&mut self, slot: usize, offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        let operation = match self.idle.pop() {
            Some(operation) => operation,
            None => Operation::by_event()?,
        };
        match self.way.start(operation, offset, buffer) {
            (Started::Finished(finished), kept) => {
                Ok(Issued::Done(self.complete(slot, finished, kept, true)))
            }
            (Started::Pending(pending), kept) => {
                self.pending.push_back(Flight { slot, kept, pending });
                Ok(Issued::Pending)
            }
        }
    }

    fn wait(&mut self, timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        let mut patience = if self.pending.len() > AT_ONCE {
            timeout.min(PATIENCE)
        } else {
            timeout
        };
        let mut from = 0;
        while from < self.pending.len() {
            if let Some(index) = self.wait_from(from, patience)? {
                self.finish(index, done);
                from = index;
            } else {
                from += AT_ONCE;
            }
            // Only the first look waits.
            patience = Duration::ZERO;
        }
        Ok(())
    }
}
