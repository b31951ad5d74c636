//! Who finishes a write.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Decides which of three parties finishes a write that was sent down: the thread that dispatched it, the
/// completion of the lower IRP, or a cancel of the caller's request. Each leaves once; whoever leaves last
/// finishes. Until then nothing of the write is freed, so a cancel never meets a freed IRP and a completion
/// never overtakes the thread that still has to mark the request pending.
///
/// # Invariants
///
/// The value is the number of parties that have not left. It never grows.
#[derive(Debug)]
#[repr(transparent)]
pub struct Handoff(AtomicUsize);

impl Handoff {
    /// The dispatching thread, the completion, and the cancel routine.
    pub const PARTIES: usize = 3;

    /// A write that is about to be sent.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicUsize::new(Self::PARTIES))
    }

    /// Leaves. TRUE tells the caller to finish the write.
    ///
    /// Release on the way out and acquire for the last one: what each party did happens before the finish.
    #[must_use]
    pub fn leave(&self) -> bool {
        self.leave_for(1)
    }

    /// Leaves for oneself and for a cancel routine that will not run any more.
    #[must_use]
    pub fn leave_with_cancel(&self) -> bool {
        self.leave_for(2)
    }

    /// Whether the others have left. Only the party that is still in may ask.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.0.load(Ordering::Acquire) == 1
    }

    fn leave_for(&self, parties: usize) -> bool {
        self.0.fetch_sub(parties, Ordering::AcqRel) == parties
    }
}

impl Default for Handoff {
    fn default() -> Self {
        Self::new()
    }
}
