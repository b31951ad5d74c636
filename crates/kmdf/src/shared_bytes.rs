//! Bytes that somebody else may be changing.
//!
//! The buffer of a read or write is the program's memory, and its other threads may write to it while the
//! driver looks. So it is never seen as a slice: bytes are copied out once, and what is decided is decided on
//! the copy.
#![expect(unsafe_code, reason = "copies through raw pointers")]

use core::{marker::PhantomData, ptr};

/// Bytes to read from.
#[derive(Clone, Copy)]
pub struct SharedBytes<'a> {
    start: *const u8,
    length: usize,
    memory: PhantomData<&'a [u8]>,
}

impl SharedBytes<'_> {
    /// No bytes.
    pub const EMPTY: Self = Self {
        start: ptr::null(),
        length: 0,
        memory: PhantomData,
    };

    /// `length` bytes at `start`.
    ///
    /// # Safety
    ///
    /// They can be read without a fault for all of `'a`, if there are any.
    pub const unsafe fn new(start: *const u8, length: usize) -> Self {
        Self {
            start,
            length,
            memory: PhantomData,
        }
    }

    /// The number of bytes.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The first `length` bytes, or all if there are fewer.
    #[must_use]
    pub fn truncated(self, length: usize) -> Self {
        Self {
            length: self.length.min(length),
            ..self
        }
    }

    /// Takes the first bytes away into `into`, as many as fit, and returns what was copied.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn take<'b>(&mut self, into: &'b mut [u8]) -> &'b [u8] {
        let count = self.length.min(into.len());
        let Some(copied) = into.get_mut(..count) else {
            return &[];
        };
        if count > 0 {
            // SAFETY: `count` bytes can be read at `start`, and `copied` is as long and is ours alone.
            unsafe { ptr::copy_nonoverlapping(self.start, copied.as_mut_ptr(), count) };
            self.start = self.start.wrapping_add(count);
            self.length -= count;
        }
        copied
    }
}

/// Bytes to write to.
pub struct SharedBytesMut<'a> {
    start: *mut u8,
    length: usize,
    memory: PhantomData<&'a mut [u8]>,
}

impl SharedBytesMut<'_> {
    /// No bytes.
    pub const EMPTY: Self = Self {
        start: ptr::null_mut(),
        length: 0,
        memory: PhantomData,
    };

    /// `length` bytes at `start`.
    ///
    /// # Safety
    ///
    /// They can be written without a fault for all of the lifetime, if there are any.
    pub const unsafe fn new(start: *mut u8, length: usize) -> Self {
        Self {
            start,
            length,
            memory: PhantomData,
        }
    }

    /// The number of bytes.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies `from` to the front, as much as fits, goes on behind it, and returns the number of bytes.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn put(&mut self, from: &[u8]) -> usize {
        let count = self.length.min(from.len());
        if count > 0 {
            // SAFETY: `count` bytes can be written at `start`, and `from` has as many.
            unsafe { ptr::copy_nonoverlapping(from.as_ptr(), self.start, count) };
            self.start = self.start.wrapping_add(count);
            self.length -= count;
        }
        count
    }
}
