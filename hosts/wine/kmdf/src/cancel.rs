//! Cancellation: whoever takes the IRP's cancel routine away decides what becomes of the request.
//!
//! An IRP's cancel routine is set while its request waits in a queue, and while the driver has marked it
//! cancelable. `IoCancelIrp` takes the routine away and calls it; the framework takes it away to give the
//! request to the driver, or to complete it. The exchange is atomic, so that only one of them succeeds.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/canceling-i-o-requests>
#![expect(unsafe_code, reason = "the system calls the cancel routine with raw pointers")]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use wdk_sys::{
    BOOLEAN, NTSTATUS, PDEVICE_OBJECT, PFN_WDF_REQUEST_CANCEL, PIRP, PWDF_DRIVER_GLOBALS, STATUS_CANCELLED,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, WDFREQUEST,
};
use wine_nt::irp::Irp;
use wine_nt::lock::Lock;
use wine_nt::{report, sys};

use crate::client::Client;
use crate::object::{self, Body, Object};
use crate::queue::Queue;
use crate::request::{self, Request};

/// How far the cancellation of a request at the driver is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cancel {
    /// `EvtRequestCancel`, while the request is marked cancelable or being cancelled.
    callback: PFN_WDF_REQUEST_CANCEL,
    /// The callback was called, or is about to be.
    called: bool,
}

/// Requests whose IRP has the cancel routine, by address of the IRP.
static ARMED: Lock<BTreeMap<usize, Arc<Object>>> = Lock::new(BTreeMap::new());

fn arm(object: &Arc<Object>, irp: Irp) -> bool {
    ARMED.lock().insert(irp.address(), object.clone());
    irp.exchange_cancel_routine(Some(routine));
    // A cancellation before that found no routine; one after it takes the routine away.
    !(irp.is_cancelled() && disarm(irp))
}

/// Takes the cancel routine away. `false` when a cancellation has done so.
pub(crate) fn disarm(irp: Irp) -> bool {
    if irp.exchange_cancel_routine(None).is_none() {
        return false;
    }
    let armed = ARMED.lock().remove(&irp.address());
    drop(armed);
    true
}

/// Makes a waiting request cancelable. `false` when its IRP is cancelled already.
pub(crate) fn arm_queued(object: &Arc<Object>) -> bool {
    match &object.body {
        Body::Request(request) => arm(object, request.irp),
        _ => false,
    }
}

/// Whether the driver marked the request cancelable.
pub(crate) fn is_armed(request: &Request) -> bool {
    let cancel = request.cancel.lock();
    cancel.callback.is_some() && !cancel.called
}

/// The cancel routine of every IRP that the framework makes cancelable.
unsafe extern "C" fn routine(_device: PDEVICE_OBJECT, irp: PIRP) {
    // SAFETY: the system calls with the IRP that is being cancelled.
    let Some(irp) = (unsafe { Irp::from_raw(irp) }) else {
        return;
    };
    let armed = ARMED.lock().remove(&irp.address());
    // SAFETY: the routine is called with the cancel spin lock held, at this level.
    unsafe { sys::IoReleaseCancelSpinLock(irp.cancel_irql()) };
    if let Some(object) = armed {
        object::with::<Request, _>(object.handle, "cancellation", cancelled);
    }
}

/// The routine was taken away by a cancellation.
fn cancelled(object: &Arc<Object>, request: &Request) {
    if let Some(queue) = request::claim_cancelled(request) {
        object::with::<Queue, _>(queue, "cancellation", |queue_object, queue| {
            queue.cancelled(queue_object, object);
        });
        return;
    }
    call(object, request);
}

/// Calls the driver's callback, with a reference held.
fn call(object: &Arc<Object>, request: &Request) {
    let callback = {
        let mut cancel = request.cancel.lock();
        cancel.called = true;
        cancel.callback
    };
    let Some(callback) = callback else {
        return;
    };
    object.reference();
    // SAFETY: the driver marked the request with this callback, and has not completed it.
    unsafe { callback(object.as_handle()) };
    object.dereference();
}

/// A device goes while the driver has the request: as if its IRP were cancelled.
pub(crate) fn for_removal(handle: u64) {
    if object::find(handle).is_none() {
        return;
    }
    object::with::<Request, _>(handle, "removal", |object, request| {
        if is_armed(request) && disarm(request.irp) {
            call(object, request);
        }
    });
}

/// A request is being completed: it must not be cancelable any more.
pub(crate) fn check_ended(client: &Client, object: &Object, request: &Request) {
    let marked = is_armed(request);
    let disarmed = disarm(request.irp);
    if marked {
        let what = format_args!(
            "WDFREQUEST {:#x} completed while it is marked cancelable: call WdfRequestUnmarkCancelable first{}",
            object.handle,
            if disarmed {
                ""
            } else {
                "; its cancellation is under way"
            }
        );
        report::finding(client.name(), None, what);
    }
}

fn mark(request: WDFREQUEST, callback: PFN_WDF_REQUEST_CANCEL, function: &str) -> Option<Marked> {
    request::with_owned(request, function, |object, request| {
        {
            let mut cancel = request.cancel.lock();
            if cancel.callback.is_some() {
                let what = format_args!("{function}: WDFREQUEST {:#x} is marked already", object.handle);
                report::finding(object.client.name(), None, what);
                return Marked::Refused;
            }
            cancel.callback = callback;
        }
        if arm(object, request.irp) {
            Marked::Yes
        } else {
            Marked::Cancelled(object.clone())
        }
    })
}

enum Marked {
    Yes,
    Refused,
    /// The IRP was cancelled before.
    Cancelled(Arc<Object>),
}

/// `WdfRequestMarkCancelable`. Calls the callback when the IRP is cancelled already.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestmarkcancelable>
pub(crate) extern "C" fn mark_cancelable(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    callback: PFN_WDF_REQUEST_CANCEL,
) {
    const NAME: &str = "WdfRequestMarkCancelable";
    if let Some(Marked::Cancelled(object)) = mark(request, callback, NAME) {
        object::with::<Request, _>(object.handle, NAME, call);
    }
}

/// `WdfRequestMarkCancelableEx`. Answers `STATUS_CANCELLED` when the IRP is cancelled already; the callback
/// is not called then.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestmarkcancelableex>
pub(crate) extern "C" fn mark_cancelable_ex(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    callback: PFN_WDF_REQUEST_CANCEL,
) -> NTSTATUS {
    const NAME: &str = "WdfRequestMarkCancelableEx";
    match mark(request, callback, NAME) {
        Some(Marked::Yes) => STATUS_SUCCESS,
        Some(Marked::Cancelled(object)) => {
            object::with::<Request, _>(object.handle, NAME, |_, request| {
                *request.cancel.lock() = Cancel::default();
            });
            STATUS_CANCELLED
        }
        Some(Marked::Refused) | None => STATUS_INVALID_DEVICE_REQUEST,
    }
}

/// `WdfRequestUnmarkCancelable`. `STATUS_CANCELLED` means that the callback was called or will be, and that
/// the request is its to complete.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestunmarkcancelable>
pub(crate) extern "C" fn unmark_cancelable(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> NTSTATUS {
    const NAME: &str = "WdfRequestUnmarkCancelable";
    object::with::<Request, _>(object::number(request), NAME, |object, request| {
        if request.cancel.lock().callback.is_none() {
            let what = format_args!("{NAME}: WDFREQUEST {:#x} is not marked cancelable", object.handle);
            report::finding(object.client.name(), None, what);
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if disarm(request.irp) {
            *request.cancel.lock() = Cancel::default();
            STATUS_SUCCESS
        } else {
            STATUS_CANCELLED
        }
    })
    .unwrap_or(STATUS_INVALID_DEVICE_REQUEST)
}

/// `WdfRequestIsCanceled`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestiscanceled>
pub(crate) extern "C" fn is_cancelled(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> BOOLEAN {
    request::with_owned(request, "WdfRequestIsCanceled", |_, request| {
        BOOLEAN::from(request.irp.is_cancelled())
    })
    .unwrap_or_default()
}
