//! Several writes, one drain.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::{
    FileObjects, FileWrite, NtStatus, Statistics,
    owned::{self, Request},
};

/// Counts the writes of a batch that are not over, so that one event tells that all are.
///
/// Every request of a batch joins before it is submitted, and leaves when it is completed or refused. The
/// submitter is in from the start and leaves last in [`submit`], so that the drain cannot come early.
#[derive(Debug)]
pub struct Batch(AtomicU32);

impl Batch {
    /// A batch with nothing in it but its submitter.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(1))
    }

    /// A write of this batch is over. TRUE: it was the last; the caller signals the drain.
    #[must_use]
    pub fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Writes that are not over, and 1 for a submitter that is not done.
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    fn join(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of a batch when all of it was submitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Writes that are over with success, information or a warning.
    pub done: u32,
    /// Writes that are over with an error.
    pub failed: u32,
    /// Writes that are pending, or were at this time.
    pub pending: u32,
    /// Everything was over when the last write was submitted: no drain will be signalled.
    pub drained: bool,
}

/// Submits every write as [`owned::write`] does. One that fails does not keep the next from being submitted.
///
/// Each request must leave the batch in its [`complete`](Request::complete) and
/// [`refuse`](Request::refuse), and signal the drain when [`Batch::leave`] tells it to.
///
/// IRQL: `PASSIVE_LEVEL`, in the context of the buffers.
pub fn submit<K: FileObjects, R: Request<K>>(
    kernel: &K,
    statistics: &Statistics,
    batch: &Batch,
    writes: impl IntoIterator<Item = (FileWrite<K>, R)>,
) -> Submission {
    let mut submission = Submission::default();
    for (write, request) in writes {
        batch.join();
        match owned::write(kernel, statistics, &write, request) {
            NtStatus::PENDING => submission.pending += 1,
            status if status.is_error() => submission.failed += 1,
            _ => submission.done += 1,
        }
    }
    submission.drained = batch.leave();
    submission
}
