//! Who finishes a write.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Decides which of three parties finishes a write that was sent down: the thread that dispatched it, the
/// completion of the lower IRP, or a cancel. Each leaves once; whoever leaves last finishes. Until then
/// nothing of the write is freed, so a cancel never meets a freed IRP and a completion never overtakes the
/// thread that still has to mark the request pending.
///
/// # Invariants
///
/// The low byte is the number of parties that have not left, and never grows. `ASKED` is set once and stays.
#[derive(Debug)]
#[repr(transparent)]
pub struct Handoff(AtomicUsize);

/// A cancel was asked for.
const ASKED: usize = 0x100;
const PARTIES_MASK: usize = 0xFF;

/// Who is still in after somebody left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Remaining {
    /// Nobody: the party that just left finishes the write.
    Nobody,
    /// One party.
    One,
    /// Two parties.
    Two,
}

impl Remaining {
    /// Whether the party that left was the last one.
    #[must_use]
    pub fn was_last(self) -> bool {
        self == Self::Nobody
    }
}

impl Handoff {
    /// The dispatching thread, the completion, and the cancel.
    pub const PARTIES: usize = 3;

    /// A write that is about to be sent.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicUsize::new(Self::PARTIES))
    }

    /// The dispatching thread or the completion leaves.
    ///
    /// Release on the way out and acquire for the last one: what each party did happens before the finish.
    pub fn leave(&self) -> Remaining {
        self.leave_for(1)
    }

    /// The completion leaves for itself and for a cancel that will not come any more.
    pub fn leave_with_cancel(&self) -> Remaining {
        self.leave_for(2)
    }

    /// Whether the others have left. Only the party that is still in may ask.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.0.load(Ordering::Acquire) & PARTIES_MASK == 1
    }

    /// Remembers that a cancel was asked for.
    pub fn ask_cancel(&self) {
        self.0.fetch_or(ASKED, Ordering::Relaxed);
    }

    /// Whether a cancel was asked for.
    #[must_use]
    pub fn was_cancel_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) & ASKED != 0
    }

    fn leave_for(&self, parties: usize) -> Remaining {
        let before = self.0.fetch_sub(parties, Ordering::AcqRel) & PARTIES_MASK;
        match before.wrapping_sub(parties) {
            0 => Remaining::Nobody,
            1 => Remaining::One,
            _ => Remaining::Two,
        }
    }
}

impl Default for Handoff {
    fn default() -> Self {
        Self::new()
    }
}
