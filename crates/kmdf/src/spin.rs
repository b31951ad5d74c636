//! A spin lock that may be a static.
//!
//! [`SpinLock`](crate::sync::SpinLock) is an object of the framework, and is made when the driver runs. This one
//! is there before the driver is, and after.
#![expect(unsafe_code, reason = "guards by convention")]

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use wdk_sys::{
    KIRQL, KSPIN_LOCK,
    ntddk::{KeAcquireSpinLockRaiseToDpc, KeReleaseSpinLock},
};

/// `KSPIN_LOCK` with what it guards. Holding it raises the IRQL to `DISPATCH_LEVEL`.
///
/// # Invariants
///
/// The lock was set up by being zero, as `KeInitializeSpinLock` does, and the value is touched under it alone.
pub struct StaticSpinLock<T> {
    lock: UnsafeCell<KSPIN_LOCK>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time to the value.
unsafe impl<T: Send> Sync for StaticSpinLock<T> {}

impl<T> StaticSpinLock<T> {
    /// A lock that nobody holds.
    pub const fn new(value: T) -> Self {
        // INVARIANT: the lock is zero.
        Self {
            lock: UnsafeCell::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// `KeAcquireSpinLock`. Not for a thread that has this lock already.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keacquirespinlock>
    pub fn lock(&self) -> StaticSpinGuard<'_, T> {
        // SAFETY: by the invariant it is a spin lock, and it stays where it is while it is borrowed.
        let found = unsafe { KeAcquireSpinLockRaiseToDpc(self.lock.get()) };
        StaticSpinGuard {
            lock: self,
            found,
            thread: PhantomData,
        }
    }
}

/// The right to the value of a [`StaticSpinLock`].
pub struct StaticSpinGuard<'a, T> {
    lock: &'a StaticSpinLock<T>,
    /// The IRQL to go back to.
    found: KIRQL,
    /// The thread that acquires is the one that releases.
    thread: PhantomData<*const ()>,
}

impl<T> Deref for StaticSpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for StaticSpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and this guard is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for StaticSpinGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread acquired it.
        unsafe { KeReleaseSpinLock(self.lock.lock.get(), self.found) }
    }
}
