//! What was decided for one write, and why.

use crate::{Handoff, IoStatus, NtStatus, fast::Outcome};

/// The record of one write. It is filled in as the write goes on; what did not happen is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// What came of fast I/O, and why it was not taken.
    pub attempt: Outcome,
    /// How an IRP carried the bytes. `None`: no IRP was needed, or none could be made.
    pub carrier: Option<Carrier>,
    /// How the write came to its end. `None`: it failed before anything was sent.
    pub completion: Option<Completion>,
    /// What a cancel did to it.
    pub cancel: CancelOutcome,
}

impl Decision {
    /// The record of a write whose fast attempt came to this.
    pub const fn new(attempt: Outcome) -> Self {
        Self {
            attempt,
            carrier: None,
            completion: None,
            cancel: CancelOutcome::NotAsked,
        }
    }
}

/// The buffer fields of an IRP that carry the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// None: a zero-length write to a buffered or direct device.
    Nothing,
    /// A system buffer that belongs to the caller of the write.
    BorrowedSystemBuffer,
    /// A system buffer with a copy, made for this write.
    SystemBuffer,
    /// An MDL, made for this write.
    Mdl,
    /// The raw address.
    UserBuffer,
}

/// How a write came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// By the fast-I/O routine.
    Fast,
    /// By an IRP that was complete when the device returned.
    Inline {
        /// What the dispatch routine of the device returned.
        returned: NtStatus,
    },
    /// By an IRP that the device completed later.
    Pended,
}

/// What a cancel did to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Nobody asked.
    NotAsked,
    /// Asked before the IRP was sent; it was not sent.
    BeforeSend,
    /// Asked, and the device ended the write with `STATUS_CANCELLED`.
    Cancelled,
    /// Asked, but the device ended the write in another way.
    TooLate,
}

impl CancelOutcome {
    /// Of a write that was sent.
    pub(crate) fn of_sent(handoff: &Handoff, io: IoStatus) -> Self {
        match (handoff.was_cancel_asked(), io.status) {
            (false, _) => Self::NotAsked,
            (true, NtStatus::CANCELLED) => Self::Cancelled,
            (true, _) => Self::TooLate,
        }
    }
}

/// How a write ended, for whoever it was done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ended {
    /// The final status and the bytes written.
    pub io: IoStatus,
    /// How it came to its end.
    pub completion: Completion,
    /// What a cancel did to it.
    pub cancel: CancelOutcome,
}
