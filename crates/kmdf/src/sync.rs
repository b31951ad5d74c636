//! Locks that hold what they guard.
//!
//! A lock object of the framework is the driver object's child, and goes with it at the latest. So a lock may
//! be kept anywhere, the context of the driver object included: a reference keeps the lock object, and a mark
//! on it says whether the framework has deleted it meanwhile.
#![expect(
    unsafe_code,
    reason = "locks of the framework are raw handles, and guard by convention"
)]

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use wdk_sys::{WDFSPINLOCK, WDFWAITLOCK, call_unsafe_wdf_function_binding as unsafe_wdf};

use crate::{
    NtStatus, Object, ObjectAttributes, Reference, context_type,
    object::{self, handle},
    status::check,
};

/// On a lock object: whether the framework has deleted it.
struct Deleted(AtomicBool);

context_type!(Deleted, |deleted| {
    deleted.0.store(true, Ordering::Release);
});

/// A lock object of the framework.
///
/// # Invariants
///
/// The object has a reference that is this value's, and a [`Deleted`] mark.
struct LockObject<T: Object>(Reference<T>);

impl<T: Object> LockObject<T> {
    /// Takes over a lock object.
    ///
    /// # Errors
    ///
    /// As [`Object::set_context`].
    ///
    /// # Safety
    ///
    /// The object was just made, with room for the mark, and is the caller's.
    unsafe fn new(object: &T) -> Result<Self, NtStatus> {
        if let Err(status) = object.set_context(Deleted(AtomicBool::new(false))) {
            // SAFETY: the caller's promise.
            unsafe { object::delete(object.as_object()) };
            return Err(status);
        }
        // INVARIANT: the mark is there.
        Ok(Self(Reference::new(object)))
    }
}

impl<T: Object> Drop for LockObject<T> {
    fn drop(&mut self) {
        let deleted = self
            .0
            .context::<Deleted>()
            .is_none_or(|deleted| deleted.0.load(Ordering::Acquire));
        if !deleted {
            // SAFETY: the object is this value's, nobody else deletes it but the framework with the driver
            // object, and that has not happened.
            unsafe { object::delete(self.0.as_object()) }
        }
    }
}

handle! {
    /// `WDFSPINLOCK`.
    SpinLockObject, WDFSPINLOCK
}

handle! {
    /// `WDFWAITLOCK`.
    WaitLockObject, WDFWAITLOCK
}

/// `WDFSPINLOCK` with what it guards. Holding it raises the IRQL to `DISPATCH_LEVEL`.
///
/// Locks are released in the reverse order of acquiring, because each gives back the IRQL that it found.
///
/// # Invariants
///
/// The value is touched under the lock alone.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/wdf/using-framework-locks>
pub struct SpinLock<T> {
    object: LockObject<SpinLockObject>,
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
        let mut attributes = ObjectAttributes::new().with_context::<Deleted>();
        // SAFETY: the structures are valid for the call. Without a parent the driver object is the parent.
        check(unsafe { unsafe_wdf!(WdfSpinLockCreate, attributes.as_mut_ptr(), &raw mut raw) })?;
        // SAFETY: the object was just made.
        let object = unsafe { SpinLockObject::from_raw(raw) }.ok_or(NtStatus::UNSUCCESSFUL)?;
        // SAFETY: as above.
        let object = unsafe { LockObject::new(object) }?;
        Ok(Self {
            object,
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
        unsafe { unsafe_wdf!(WdfSpinLockAcquire, self.object.0.as_raw()) };
        SpinGuard {
            lock: self,
            thread: PhantomData,
        }
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
        unsafe { unsafe_wdf!(WdfSpinLockRelease, self.lock.object.0.as_raw()) }
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
    object: LockObject<WaitLockObject>,
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
        let mut attributes = ObjectAttributes::new().with_context::<Deleted>();
        // SAFETY: the structures are valid for the call. Without a parent the driver object is the parent.
        check(unsafe { unsafe_wdf!(WdfWaitLockCreate, attributes.as_mut_ptr(), &raw mut raw) })?;
        // SAFETY: the object was just made.
        let object = unsafe { WaitLockObject::from_raw(raw) }.ok_or(NtStatus::UNSUCCESSFUL)?;
        // SAFETY: as above.
        let object = unsafe { LockObject::new(object) }?;
        Ok(Self {
            object,
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
        let _success = unsafe { unsafe_wdf!(WdfWaitLockAcquire, self.object.0.as_raw(), ptr::null_mut()) };
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
        let status = unsafe { unsafe_wdf!(WdfWaitLockAcquire, self.object.0.as_raw(), &raw mut at_once) };
        // STATUS_TIMEOUT is a success code: only this one means that the lock was acquired.
        // The guard is made only then: a dropped one releases the lock.
        (status == NtStatus::SUCCESS.0).then(|| WaitGuard {
            lock: self,
            thread: PhantomData,
        })
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
        unsafe { unsafe_wdf!(WdfWaitLockRelease, self.lock.object.0.as_raw()) }
    }
}
