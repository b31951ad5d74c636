//! PnP: start, removal, and everything else on its way to the bus driver.
//!
//! Wine sends PnP IRPs from the one thread that dispatches, waits for none that is pended, and knows no
//! power IRPs; a device is in D0 from its start to its removal.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/pnp-and-power-management-scenarios>
#![expect(unsafe_code, reason = "calls the driver's callbacks")]

use alloc::sync::Arc;

use wdk_sys::{
    _WDF_POWER_DEVICE_STATE, IRP_MN_QUERY_REMOVE_DEVICE, IRP_MN_QUERY_STOP_DEVICE, IRP_MN_REMOVE_DEVICE,
    IRP_MN_START_DEVICE, IRP_MN_STOP_DEVICE, IRP_MN_SURPRISE_REMOVAL, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_MORE_PROCESSING_REQUIRED, STATUS_PENDING, STATUS_SUCCESS,
    WDFDEVICE,
};
use wine_nt::irp::Irp;
use wine_nt::thread::{Event, Kind};
use wine_nt::{files, report};

use crate::device::{self, Device};
use crate::dispatch::forward;
use crate::object::Object;
use crate::queue;

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// `AddDevice` is over.
    Added,
    /// It is in D0.
    Started,
    /// It was taken out of D0, and waits for its removal.
    Stopped,
    /// It is gone.
    Removed,
}

/// `IRP_MJ_PNP`.
pub(crate) fn dispatch(object: &Arc<Object>, device: &Device, irp: Irp) -> NTSTATUS {
    if device.is_control() {
        return irp.complete_with(object.client.name(), STATUS_INVALID_DEVICE_REQUEST, 0);
    }
    match u32::from(irp.current().minor()) {
        IRP_MN_START_DEVICE => {
            let mut status = send_and_wait(device, irp);
            if status >= 0 {
                status = start(object, device);
            }
            irp.complete_with(object.client.name(), status, irp.information())
        }
        IRP_MN_QUERY_REMOVE_DEVICE => query(object, device, irp, device.init.pnp.EvtDeviceQueryRemove),
        IRP_MN_QUERY_STOP_DEVICE => query(object, device, irp, device.init.pnp.EvtDeviceQueryStop),
        IRP_MN_STOP_DEVICE => {
            stop(object, device);
            irp.set_status(STATUS_SUCCESS);
            forward(device, irp)
        }
        IRP_MN_SURPRISE_REMOVAL => {
            surprise(object, device);
            irp.set_status(STATUS_SUCCESS);
            forward(device, irp)
        }
        IRP_MN_REMOVE_DEVICE => {
            if is_top(device) {
                files::run_down(device.wdm);
            }
            stop(object, device);
            irp.set_status(STATUS_SUCCESS);
            let status = forward(device, irp);
            device::tear_down(object, device);
            status
        }
        _ => forward(device, irp),
    }
}

/// Whether no device is on top of this one.
fn is_top(device: &Device) -> bool {
    // SAFETY: the device is live.
    unsafe { (*device.wdm).AttachedDevice }.is_null()
}

/// Sends an IRP down and waits until it comes back.
fn send_and_wait(device: &Device, irp: Irp) -> NTSTATUS {
    unsafe extern "C" fn signal(_device: PDEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
        // SAFETY: the context is the event of the frame that waits for it.
        unsafe { (*context.cast::<Event>()).set() };
        STATUS_MORE_PROCESSING_REQUIRED
    }
    let done = Event::new(Kind::Notification);
    irp.copy_current_to_next();
    irp.next()
        .set_completion(Some(signal), (&raw const done).cast_mut().cast());
    // SAFETY: the device below is referenced while this one is attached to it.
    if unsafe { irp.call(device.lower) } == STATUS_PENDING {
        done.wait();
    }
    irp.status()
}

type Query = Option<unsafe extern "C" fn(WDFDEVICE) -> NTSTATUS>;

fn query(object: &Arc<Object>, device: &Device, irp: Irp, callback: Query) -> NTSTATUS {
    // SAFETY: the driver registered the callback for this device.
    let status = callback.map_or(STATUS_SUCCESS, |callback| unsafe { callback(object.as_handle()) });
    if status < 0 {
        return irp.complete_with(object.client.name(), status, 0);
    }
    irp.set_status(STATUS_SUCCESS);
    forward(device, irp)
}

/// Brings a device to D0: its callbacks in the documented order, then its interfaces.
pub(crate) fn start(object: &Arc<Object>, device: &Device) -> NTSTATUS {
    let pnp = &device.init.pnp;
    let handle: WDFDEVICE = object.as_handle();
    let mut status = STATUS_SUCCESS;
    if let Some(callback) = pnp.EvtDevicePrepareHardware {
        // SAFETY: the driver registered the callback; a root-enumerated device has no resources.
        status = unsafe { callback(handle, core::ptr::null_mut(), core::ptr::null_mut()) };
    }
    let previous = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3Final;
    if let (true, Some(callback)) = (status >= 0, pnp.EvtDeviceD0Entry) {
        // SAFETY: the driver registered the callback for this device.
        status = unsafe { callback(handle, previous) };
    }
    if let (true, Some(callback)) = (status >= 0, pnp.EvtDeviceD0EntryPostInterruptsEnabled) {
        // SAFETY: as above.
        status = unsafe { callback(handle, previous) };
    }
    if let (true, Some(callback)) = (status >= 0, pnp.EvtDeviceSelfManagedIoInit) {
        // SAFETY: as above.
        status = unsafe { callback(handle) };
    }
    if status < 0 {
        report::line(format_args!(
            "{}: start failed with {status:#x}",
            object.client.name()
        ));
        return status;
    }
    *device.state.lock() = State::Started;
    device.set_interfaces(true);
    queue::resume_all(device);
    STATUS_SUCCESS
}

fn surprise(object: &Arc<Object>, device: &Device) {
    if let Some(callback) = device.init.pnp.EvtDeviceSurpriseRemoval {
        // SAFETY: the driver registered the callback for this device.
        unsafe { callback(object.as_handle()) };
    }
    stop(object, device);
}

/// Takes a device out of D0 for good: interfaces, requests, then its callbacks in the documented order.
pub(crate) fn stop(object: &Arc<Object>, device: &Device) {
    let before = core::mem::replace(&mut *device.state.lock(), State::Stopped);
    if before != State::Started {
        return;
    }
    let pnp = &device.init.pnp;
    let handle: WDFDEVICE = object.as_handle();
    device.set_interfaces(false);
    if let Some(callback) = pnp.EvtDeviceSelfManagedIoSuspend {
        // SAFETY: the driver registered the callback for this device.
        unsafe { callback(handle) };
    }
    queue::purge_all(device);
    let target = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3Final;
    if let Some(callback) = pnp.EvtDeviceD0ExitPreInterruptsDisabled {
        // SAFETY: as above.
        unsafe { callback(handle, target) };
    }
    if let Some(callback) = pnp.EvtDeviceD0Exit {
        // SAFETY: as above.
        unsafe { callback(handle, target) };
    }
    if let Some(callback) = pnp.EvtDeviceReleaseHardware {
        // SAFETY: as above.
        unsafe { callback(handle, core::ptr::null_mut()) };
    }
    if let Some(callback) = pnp.EvtDeviceSelfManagedIoFlush {
        // SAFETY: as above.
        unsafe { callback(handle) };
    }
    if let Some(callback) = pnp.EvtDeviceSelfManagedIoCleanup {
        // SAFETY: as above.
        unsafe { callback(handle) };
    }
}
