//! How much was done.

use serde::Serialize;

/// Counts of a thread, a round or a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Steps of the program.
    pub operations: u64,
    /// Writes issued.
    pub writes: u64,
    /// Of these, those that were pending when the call returned.
    pub pending: u64,
    /// Writes that ended well, or as a warning of the script.
    pub done: u64,
    /// Writes that the script failed.
    pub failed: u64,
    /// Writes that were cancelled after the sink had taken something.
    pub cancelled_taken: u64,
    /// Writes that were cancelled with a count of 0.
    pub cancelled_untaken: u64,
    /// Writes that were dropped while pending.
    pub forgotten: u64,
    /// Bytes that the sinks took, by the results.
    pub bytes: u64,
    /// The most bytes that writes of unknown outcome can have added.
    pub unknown_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Cancels asked for.
    pub cancels: u64,
    /// Handles opened.
    pub opens: u64,
    /// Handles closed with writes pending.
    pub closes_pending: u64,
    /// Accounts that agreed.
    pub accounts: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        let Self {
            operations,
            writes,
            pending,
            done,
            failed,
            cancelled_taken,
            cancelled_untaken,
            forgotten,
            bytes,
            unknown_bytes,
            reads,
            cancels,
            opens,
            closes_pending,
            accounts,
        } = self;
        for (sum, part) in [
            (operations, other.operations),
            (writes, other.writes),
            (pending, other.pending),
            (done, other.done),
            (failed, other.failed),
            (cancelled_taken, other.cancelled_taken),
            (cancelled_untaken, other.cancelled_untaken),
            (forgotten, other.forgotten),
            (bytes, other.bytes),
            (unknown_bytes, other.unknown_bytes),
            (reads, other.reads),
            (cancels, other.cancels),
            (opens, other.opens),
            (closes_pending, other.closes_pending),
            (accounts, other.accounts),
        ] {
            *sum += part;
        }
    }

    /// Every count with its name.
    pub fn rows(&self) -> [(&'static str, u64); 15] {
        [
            ("operations", self.operations),
            ("writes", self.writes),
            ("  pending", self.pending),
            ("  done", self.done),
            ("  failed by script", self.failed),
            ("  cancelled, taken", self.cancelled_taken),
            ("  cancelled, count 0", self.cancelled_untaken),
            ("  dropped while pending", self.forgotten),
            ("bytes", self.bytes),
            ("bytes of unknown outcome, at most", self.unknown_bytes),
            ("reads", self.reads),
            ("cancels", self.cancels),
            ("opens", self.opens),
            ("closed with writes pending", self.closes_pending),
            ("accounts that agreed", self.accounts),
        ]
    }
}
