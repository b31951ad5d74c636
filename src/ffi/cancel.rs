//! The cancel routine of the caller's request.
#![expect(
    unsafe_code,
    reason = "exchanges the cancel routine of an IRP and implements one"
)]

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering},
};

use wdk_sys::{DEVICE_OBJECT, IRP, PIRP, ntddk::IoReleaseCancelSpinLock};

use super::sent::SentWrite;
use crate::write;

/// `IoSetCancelRoutine`: an exchange of the field, as the macro of the WDK does it.
fn exchange(sent: SentWrite, routine: *mut core::ffi::c_void) -> *mut core::ffi::c_void {
    // SAFETY: the request is held. The field is an optional function pointer: one word, NULL for none.
    let field = unsafe { &raw mut (*sent.as_ptr()).CancelRoutine };
    // SAFETY: the I/O manager exchanges the same word atomically.
    unsafe { AtomicPtr::from_ptr(field.cast::<*mut core::ffi::c_void>()) }.swap(routine, Ordering::SeqCst)
}

/// Sets the cancel routine. FALSE: the request was cancelled before, and the routine will not run.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub fn arm(sent: SentWrite) -> bool {
    let routine: unsafe extern "C" fn(*mut DEVICE_OBJECT, *mut IRP) = on_cancel;
    exchange(sent, routine as *mut core::ffi::c_void);
    // A cancel that came before the routine was set has not called it. If the routine is gone by now, the
    // cancel came after all, and runs it.
    !(sent.is_cancelled() && disarm(sent))
}

/// Clears the cancel routine. FALSE: the routine runs, or is about to.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub fn disarm(sent: SentWrite) -> bool {
    !exchange(sent, core::ptr::null_mut()).is_null()
}

/// `DRIVER_CANCEL`: called once, by `IoCancelIrp`, with the cancel spin lock held.
///
/// IRQL: `DISPATCH_LEVEL`.
unsafe extern "C" fn on_cancel(_device: *mut DEVICE_OBJECT, irp: PIRP) {
    // SAFETY: the I/O manager passes the IRP being cancelled.
    let irql = unsafe { (*irp).CancelIrql };
    // SAFETY: the lock is held, and CancelIrql is the level to go back to.
    unsafe { IoReleaseCancelSpinLock(irql) };
    // SAFETY: the I/O manager passes a valid IRP.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // SAFETY: `arm` set this routine on a sent write, and whoever finishes it waits for this party.
    let sent = unsafe { SentWrite::from_raw(irp) };
    write::cancelled(sent);
}
