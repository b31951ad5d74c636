//! The cancel routine of an IRP that is held.
#![expect(
    unsafe_code,
    reason = "exchanges the cancel routine of an IRP and implements it"
)]

use core::{
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering},
};

use wdk_sys::{DEVICE_OBJECT, IRP, PIRP, ntddk::IoReleaseCancelSpinLock};

/// What is done with an IRP that is being cancelled.
pub trait Cancelled {
    /// Called once, by `IoCancelIrp`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, in any context, with the cancel spin lock released.
    ///
    /// # Safety
    ///
    /// The IRP is held, and was [armed](HeldCancel::arm) with this type.
    unsafe fn cancelled(irp: NonNull<IRP>);
}

/// The right to cancel an IRP that this driver holds.
///
/// # Invariants
///
/// The IRP is held for as long as this value is used.
pub struct HeldCancel<C>(NonNull<IRP>, PhantomData<fn() -> C>);

impl<C: Cancelled> HeldCancel<C> {
    /// # Safety
    ///
    /// This driver holds the IRP for as long as the value is used.
    pub const unsafe fn of(irp: NonNull<IRP>) -> Self {
        Self(irp, PhantomData)
    }

    /// `IoSetCancelRoutine`: an exchange of the field, as the macro of the WDK does it.
    fn exchange(&self, routine: *mut core::ffi::c_void) -> *mut core::ffi::c_void {
        // SAFETY: INVARIANT: the IRP is held. The field is an optional function pointer: one word, NULL for
        // none.
        let field = unsafe { &raw mut (*self.0.as_ptr()).CancelRoutine };
        // SAFETY: the I/O manager exchanges the same word atomically.
        unsafe { AtomicPtr::from_ptr(field.cast::<*mut core::ffi::c_void>()) }.swap(routine, Ordering::SeqCst)
    }

    /// Sets the cancel routine. FALSE: the IRP was cancelled before, and the routine will not run.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn arm(&self) -> bool {
        let routine: unsafe extern "C" fn(*mut DEVICE_OBJECT, *mut IRP) = on_cancel::<C>;
        self.exchange(routine as *mut core::ffi::c_void);
        // A cancel that came before the routine was set has not called it. If the routine is gone by now, the
        // cancel came after all, and runs it.
        !(self.is_cancelled() && self.disarm())
    }

    /// Clears the cancel routine. FALSE: the routine runs, or is about to.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn disarm(&self) -> bool {
        !self.exchange(core::ptr::null_mut()).is_null()
    }

    /// Whether the IRP was cancelled: its `Cancel` field.
    ///
    /// IRQL: any.
    pub fn is_cancelled(&self) -> bool {
        // SAFETY: INVARIANT: the IRP is held.
        let cancel = unsafe { &raw mut (*self.0.as_ptr()).Cancel };
        // SAFETY: the byte lives as long as the IRP; the I/O manager sets it from another thread.
        unsafe { AtomicU8::from_ptr(cancel) }.load(Ordering::SeqCst) != 0
    }
}

/// `DRIVER_CANCEL`: called once, by `IoCancelIrp`, with the cancel spin lock held.
///
/// IRQL: `DISPATCH_LEVEL`.
unsafe extern "C" fn on_cancel<C: Cancelled>(_device: *mut DEVICE_OBJECT, irp: PIRP) {
    // SAFETY: the I/O manager passes the IRP being cancelled.
    let irql = unsafe { (*irp).CancelIrql };
    // SAFETY: the lock is held, and CancelIrql is the level to go back to.
    unsafe { IoReleaseCancelSpinLock(irql) };
    // SAFETY: the I/O manager passes a valid IRP.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // SAFETY: `arm` set this routine on an IRP that is held until this party has left.
    unsafe { C::cancelled(irp) };
}
