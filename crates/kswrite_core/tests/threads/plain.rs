//! A number in plain memory.

#![expect(
    unsafe_code,
    reason = "plain memory that threads share: whether they may is what is tested"
)]

use std::cell::UnsafeCell;

/// A number that several threads use, and only the core's ordering keeps them apart. ThreadSanitizer reports it if
/// that does not.
pub(crate) struct Plain(UnsafeCell<u32>);

// SAFETY: each party writes its own before it leaves, and only the last one reads.
unsafe impl Sync for Plain {}

impl Plain {
    pub(crate) fn new(number: u32) -> Self {
        Self(UnsafeCell::new(number))
    }

    pub(crate) fn set(&self, number: u32) {
        // SAFETY: as the type says.
        unsafe { *self.0.get() = number }
    }

    pub(crate) fn get(&self) -> u32 {
        // SAFETY: as the type says.
        unsafe { *self.0.get() }
    }
}
