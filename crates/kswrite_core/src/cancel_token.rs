//! The right to cancel one write.

use core::sync::atomic::{AtomicU8, Ordering};

/// Decides between a cancel and a completion, as the exchange of an IRP's cancel routine does: at most one
/// [`cancel`](Self::cancel) is told to go on, and none after the completion took the token back.
///
/// The token knows nothing of the write; whoever keeps it keeps the write beside it, and calls
/// [`owned::on_cancel`](crate::owned::on_cancel) when it is told to.
///
/// ```text
/// Idle ── arm ──► Armed ── disarm ──► Idle
///  └─ cancel ──► Cancelled ◄── cancel ─┘ (the caller goes on)
/// ```
#[derive(Debug)]
#[repr(transparent)]
pub struct CancelToken(AtomicU8);

const IDLE: u8 = 0;
const ARMED: u8 = 1;
const CANCELLED: u8 = 2;

impl CancelToken {
    /// A token that has not been cancelled.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU8::new(IDLE))
    }

    /// A write is about to be sent. FALSE: the token was cancelled before, and the write must not be sent.
    #[must_use]
    pub fn arm(&self) -> bool {
        self.exchange(IDLE, ARMED)
    }

    /// The write is complete. FALSE: a cancel goes on, or is about to.
    #[must_use]
    pub fn disarm(&self) -> bool {
        self.exchange(ARMED, IDLE)
    }

    /// Asks for the cancel. TRUE, once: the caller cancels the write.
    #[must_use]
    pub fn cancel(&self) -> bool {
        self.0.swap(CANCELLED, Ordering::AcqRel) == ARMED
    }

    /// Whether the token was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire) == CANCELLED
    }

    fn exchange(&self, from: u8, to: u8) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cancel_goes_on() {
        let token = CancelToken::new();
        assert!(token.arm());
        assert!(token.cancel());
        assert!(!token.cancel());
        assert!(!token.disarm());
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_cancel_before_the_write_keeps_it_from_being_sent() {
        let token = CancelToken::new();
        assert!(!token.cancel());
        assert!(!token.arm());
    }

    #[test]
    fn a_cancel_after_the_completion_does_nothing() {
        let token = CancelToken::new();
        assert!(token.arm());
        assert!(token.disarm());
        assert!(!token.cancel());
    }
}
