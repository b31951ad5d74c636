//! Pool memory that may not be there.
//!
//! `Vec` gets non-paged pool too, by the driver's global allocator. This is for buffers that the kernel fills
//! or frees by address.
//!
//! `ExAllocatePool2` needs Windows 10, version 2004, or later.
#![expect(unsafe_code, reason = "pool memory comes as a raw pointer")]

use core::{mem::ManuallyDrop, ptr::NonNull};

use wdk_sys::{
    POOL_FLAG_NON_PAGED, POOL_FLAG_UNINITIALIZED,
    ntddk::{ExAllocatePool2, ExFreePool},
};

use crate::NtStatus;

/// Non-paged bytes, freed when dropped. They are not initialised, so they can be reached by address only.
///
/// # Invariants
///
/// The address is of a pool allocation that is this value's alone.
pub struct NonPagedBuffer(NonNull<u8>);

// SAFETY: pool memory has no thread.
unsafe impl Send for NonPagedBuffer {}
// SAFETY: a shared borrow gives no access to the bytes.
unsafe impl Sync for NonPagedBuffer {}

impl NonPagedBuffer {
    /// `ExAllocatePool2`. `tag` names the owner in a debugger.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepool2>
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; `STATUS_INVALID_PARAMETER` for no bytes.
    pub fn new(length: usize, tag: u32) -> Result<Self, NtStatus> {
        if length == 0 {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        // SAFETY: the flags are valid and the length is not zero.
        let start =
            unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, length as u64, tag) };
        // INVARIANT: the allocation is fresh.
        NonNull::new(start.cast())
            .map(Self)
            .ok_or(NtStatus::INSUFFICIENT_RESOURCES)
    }

    /// The address.
    pub const fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_ptr()
    }

    /// Gives the allocation away; [`from_raw`](Self::from_raw) takes it back.
    pub fn into_raw(self) -> NonNull<u8> {
        ManuallyDrop::new(self).0
    }

    /// Takes an allocation.
    ///
    /// # Safety
    ///
    /// It came from [`into_raw`](Self::into_raw) and was not taken since.
    pub const unsafe fn from_raw(start: NonNull<u8>) -> Self {
        // INVARIANT: the caller's promise.
        Self(start)
    }
}

impl Drop for NonPagedBuffer {
    fn drop(&mut self) {
        // SAFETY: by the invariant the allocation is ours.
        unsafe { ExFreePool(self.0.as_ptr().cast()) }
    }
}
