//! Locks that hold what they guard.
#![expect(
    unsafe_code,
    reason = "locks of the framework are raw handles, and guard by convention"
)]

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr,
};

use wdk_sys::{WDFSPINLOCK, WDFWAITLOCK, call_unsafe_wdf_function_binding as unsafe_wdf};

use crate::{NtStatus, ObjectAttributes, object, status::check};

/// `WDFSPINLOCK` with what it guards. Holding it raises the IRQL to `DISPATCH_LEVEL`.
///
/// Locks are released in the reverse order of acquiring, because each gives back the IRQL that it found. A
/// lock is dropped before the driver is unloaded, so not by the unloading of statics.
///
/// # Invariants
///
/// The handle is live until this is dropped; the value is touched under the lock alone.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/wdf/using-framework-locks>
pub struct SpinLock<T> {
    raw: WDFSPINLOCK,
    value: UnsafeCell<T>,
}

// SAFETY: the handle may be used from any thread, and so may a `T` that is `Send`.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: the lock lets one thread at a time to the value.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// `WdfSpinLockCreate`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfspinlockcreate>
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(value: T) -> Result<Self, NtStatus> {
        let mut raw: WDFSPINLOCK = ptr::null_mut();
        let mut attributes = ObjectAttributes::new();
        // SAFETY: the structures are valid for the call. Without a parent the driver object is the parent.
        check(unsafe { unsafe_wdf!(WdfSpinLockCreate, attributes.as_mut_ptr(), &raw mut raw) })?;
        Ok(Self {
            raw,
            value: UnsafeCell::new(value),
        })
    }

    /// `WdfSpinLockAcquire`. Not for a thread that has this lock already.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfspinlockacquire>
    pub fn lock(&self) -> SpinGuard<'_, T> {
        // SAFETY: by the invariant the handle is live.
        unsafe { unsafe_wdf!(WdfSpinLockAcquire, self.raw) };
        SpinGuard {
            lock: self,
            thread: PhantomData,
        }
    }
}

impl<T> Drop for SpinLock<T> {
    fn drop(&mut self) {
        // SAFETY: the lock is this value's, and nobody holds or waits for a lock that is being dropped.
        unsafe { object::delete(self.raw.cast()) }
    }
}

/// The right to the value of a [`SpinLock`].
pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    /// The thread that acquires is the one that releases.
    thread: PhantomData<*const ()>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and this guard is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread acquired it.
        unsafe { unsafe_wdf!(WdfSpinLockRelease, self.lock.raw) }
    }
}

/// `WDFWAITLOCK` with what it guards. Holding it keeps the IRQL and disables normal kernel APCs.
///
/// # Invariants
///
/// As [`SpinLock`].
///
/// <https://learn.microsoft.com/windows-hardware/drivers/wdf/using-framework-locks>
pub struct WaitLock<T> {
    raw: WDFWAITLOCK,
    value: UnsafeCell<T>,
}

// SAFETY: as for `SpinLock`.
unsafe impl<T: Send> Send for WaitLock<T> {}
// SAFETY: as for `SpinLock`.
unsafe impl<T: Send> Sync for WaitLock<T> {}

impl<T> WaitLock<T> {
    /// `WdfWaitLockCreate`.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfwaitlockcreate>
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(value: T) -> Result<Self, NtStatus> {
        let mut raw: WDFWAITLOCK = ptr::null_mut();
        let mut attributes = ObjectAttributes::new();
        // SAFETY: the structures are valid for the call. Without a parent the driver object is the parent.
        check(unsafe { unsafe_wdf!(WdfWaitLockCreate, attributes.as_mut_ptr(), &raw mut raw) })?;
        Ok(Self {
            raw,
            value: UnsafeCell::new(value),
        })
    }

    /// `WdfWaitLockAcquire`, waiting as long as it takes. Not for a thread that has this lock already.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfwaitlockacquire>
    pub fn lock(&self) -> WaitGuard<'_, T> {
        // SAFETY: by the invariant the handle is live; without a timeout the call returns with the lock.
        let _success = unsafe { unsafe_wdf!(WdfWaitLockAcquire, self.raw, ptr::null_mut()) };
        WaitGuard {
            lock: self,
            thread: PhantomData,
        }
    }

    /// `WdfWaitLockAcquire`, if it is free now.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn try_lock(&self) -> Option<WaitGuard<'_, T>> {
        let mut at_once = 0;
        // SAFETY: by the invariant the handle is live, and the timeout is valid for the call.
        let status = unsafe { unsafe_wdf!(WdfWaitLockAcquire, self.raw, &raw mut at_once) };
        // STATUS_TIMEOUT is a success code: only this one means that the lock was acquired.
        (status == NtStatus::SUCCESS.0).then_some(WaitGuard {
            lock: self,
            thread: PhantomData,
        })
    }
}

impl<T> Drop for WaitLock<T> {
    fn drop(&mut self) {
        // SAFETY: the lock is this value's, and nobody holds or waits for a lock that is being dropped.
        unsafe { object::delete(self.raw.cast()) }
    }
}

/// The right to the value of a [`WaitLock`].
pub struct WaitGuard<'a, T> {
    lock: &'a WaitLock<T>,
    /// The thread that acquires is the one that releases.
    thread: PhantomData<*const ()>,
}

impl<T> Deref for WaitGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for WaitGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and this guard is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for WaitGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread acquired it.
        unsafe { unsafe_wdf!(WdfWaitLockRelease, self.lock.raw) }
    }
}
