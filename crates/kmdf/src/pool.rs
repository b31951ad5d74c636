//! Pool memory that may not be there.
//!
//! `Vec` gets non-paged pool too, by the driver's global allocator. This is for buffers that the kernel fills
//! or frees by address.
//!
//! `ExAllocatePool2` needs Windows 10, version 2004, or later.
#![expect(unsafe_code, reason = "pool memory comes as a raw pointer")]

use core::{
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use wdk_sys::{
    POOL_FLAG_NON_PAGED, POOL_FLAG_UNINITIALIZED,
    ntddk::{ExAllocatePool2, ExFreePool},
};

use crate::{NtStatus, seh};

/// `POOL_FLAG_USE_QUOTA`: the current process is charged.
const USE_QUOTA: u64 = 0x1;
/// `POOL_FLAG_RAISE_ON_FAILURE`: the exception says why.
const RAISE_ON_FAILURE: u64 = 0x20;

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

    /// As [`new`](Self::new), charged to the pool quota of the current process.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_QUOTA_EXCEEDED`; otherwise as `new`.
    pub fn charged(length: usize, tag: u32) -> Result<Self, NtStatus> {
        if length == 0 {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let flags = POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED | USE_QUOTA | RAISE_ON_FAILURE;
        let start = seh::guarded_allocate(flags, length, tag)?;
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

/// A value in non-paged memory, which stays where it is.
///
/// # Invariants
///
/// The address is of a pool allocation that is this value's alone, with a `T` in it.
pub struct NonPagedBox<T>(NonNull<T>);

// SAFETY: as a `Box<T>`: pool memory has no thread.
unsafe impl<T: Send> Send for NonPagedBox<T> {}
// SAFETY: as a `Box<T>`.
unsafe impl<T: Sync> Sync for NonPagedBox<T> {}

impl<T> NonPagedBox<T> {
    /// `ExAllocatePool2`, charged to the pool quota of the current process.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// The value, with the status of [`NonPagedBuffer::charged`].
    pub fn charged(value: T, tag: u32) -> Result<Self, (T, NtStatus)> {
        const {
            assert!(align_of::<T>() <= POOL_ALIGNMENT && size_of::<T>() > 0);
        }
        let place = match NonPagedBuffer::charged(size_of::<T>(), tag) {
            Ok(buffer) => buffer.into_raw().cast::<T>(),
            Err(status) => return Err((value, status)),
        };
        // SAFETY: the allocation is fresh, as long as a `T` and as well aligned.
        unsafe { place.write(value) };
        // INVARIANT: the value was just put there.
        Ok(Self(place))
    }

    /// The address of the value.
    pub const fn address(&self) -> NonNull<T> {
        self.0
    }

    /// The value, out of its memory.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn into_inner(self) -> T {
        let place = self.into_raw();
        // SAFETY: INVARIANT: there is a `T`, which is this value's to give.
        let value = unsafe { place.read() };
        // SAFETY: INVARIANT: the allocation was this value's, and is empty now.
        drop(unsafe { NonPagedBuffer::from_raw(place.cast()) });
        value
    }

    /// Gives the value away; [`from_raw`](Self::from_raw) takes it back.
    pub fn into_raw(self) -> NonNull<T> {
        ManuallyDrop::new(self).0
    }

    /// Takes a value.
    ///
    /// # Safety
    ///
    /// It came from [`into_raw`](Self::into_raw) and was not taken since; nobody uses it otherwise.
    pub const unsafe fn from_raw(value: NonNull<T>) -> Self {
        // INVARIANT: the caller's promise.
        Self(value)
    }
}

/// What `MEMORY_ALLOCATION_ALIGNMENT` is on 64-bit systems.
const POOL_ALIGNMENT: usize = 16;

impl<T> Deref for NonPagedBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: INVARIANT: there is a `T`, and it is this value's.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for NonPagedBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for NonPagedBox<T> {
    fn drop(&mut self) {
        // SAFETY: INVARIANT: there is a `T`, which nobody uses after this.
        unsafe { self.0.drop_in_place() };
        // SAFETY: INVARIANT: the allocation is this value's.
        drop(unsafe { NonPagedBuffer::from_raw(self.0.cast()) });
    }
}
