//! What becomes of an IRP that reaches a device.
#![expect(unsafe_code, reason = "the system calls with raw device and IRP pointers")]

use alloc::sync::Arc;

use wdk_sys::{
    DO_DEVICE_INITIALIZING, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_PNP, IRP_MJ_READ, IRP_MJ_WRITE, NTSTATUS, PDEVICE_OBJECT, PIRP,
    PWDF_DRIVER_GLOBALS, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_NO_SUCH_DEVICE,
    STATUS_SUCCESS, WDFDEVICE,
};
use wine_nt::irp::Irp;
use wine_nt::{report, user_irp};

use crate::device::{self, Device};
use crate::object::{self, Object};
use crate::{file, pnp, request};

/// `DriverObject->MajorFunction` of every bound driver.
pub(crate) unsafe extern "C" fn dispatch(device: PDEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
    // SAFETY: the system calls with a live IRP.
    let Some(irp) = (unsafe { Irp::from_raw(irp) }) else {
        return STATUS_INVALID_PARAMETER;
    };
    if user_irp::is_fresh(irp) {
        user_irp::enter(device, irp, arrive)
    } else {
        arrive(device, irp)
    }
}

/// An IRP as Windows would have sent it.
pub(crate) fn arrive(wdm: PDEVICE_OBJECT, irp: Irp) -> NTSTATUS {
    let Some(object) = device::of_wdm(wdm) else {
        // A handle that outlived its device.
        let status = if irp.current().major() == IRP_MJ_CLOSE as u8 {
            STATUS_SUCCESS
        } else {
            STATUS_NO_SUCH_DEVICE
        };
        return irp.complete_with("", status, 0);
    };
    object::with::<Device, _>(object.handle, "dispatch", |object, device| {
        // SAFETY: the device is live.
        let flags = unsafe { (*device.wdm).Flags };
        if device.is_control() && flags & DO_DEVICE_INITIALIZING != 0 {
            return irp.complete_with(object.client.name(), STATUS_NO_SUCH_DEVICE, 0);
        }
        preprocess(object, device, irp).unwrap_or_else(|| process(object, device, irp))
    })
    .unwrap_or_else(|| irp.complete_with("", STATUS_NO_SUCH_DEVICE, 0))
}

/// Gives the IRP to the driver's own callback, if there is one for it.
fn preprocess(object: &Arc<Object>, device: &Device, irp: Irp) -> Option<NTSTATUS> {
    let stack = irp.current();
    let wanted = device.init.preprocess.iter().find(|wanted| {
        wanted.major == stack.major() && (wanted.minors.is_empty() || wanted.minors.contains(&stack.minor()))
    })?;
    let callback = wanted.callback?;
    // SAFETY: the driver registered the callback for this device; it owns the IRP now.
    Some(unsafe { callback(object.as_handle(), irp.as_ptr()) })
}

/// What the framework does with an IRP.
fn process(object: &Arc<Object>, device: &Device, irp: Irp) -> NTSTATUS {
    match u32::from(irp.current().major()) {
        IRP_MJ_CREATE => file::create(object, device, irp),
        IRP_MJ_CLEANUP => file::cleanup(object, device, irp),
        IRP_MJ_CLOSE => file::close(object, device, irp),
        IRP_MJ_PNP => pnp::dispatch(object, device, irp),
        IRP_MJ_READ | IRP_MJ_WRITE | IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
            request::dispatch(object, device, irp)
        }
        _ if device.is_filter() => forward(device, irp),
        _ => irp.complete_with(object.client.name(), STATUS_INVALID_DEVICE_REQUEST, 0),
    }
}

/// Sends an IRP to the device below, with the stack location as it is.
pub(crate) fn forward(device: &Device, irp: Irp) -> NTSTATUS {
    irp.skip_current();
    // SAFETY: the device below is referenced while this one is attached to it.
    unsafe { irp.call(device.lower) }
}

/// `WdfDeviceWdmDispatchPreprocessedIrp`. The driver skipped or copied its stack location before.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicewdmdispatchpreprocessedirp>
pub(crate) extern "C" fn dispatch_preprocessed(
    _globals: PWDF_DRIVER_GLOBALS,
    device: WDFDEVICE,
    irp: PIRP,
) -> NTSTATUS {
    const NAME: &str = "WdfDeviceWdmDispatchPreprocessedIrp";
    // SAFETY: the driver passes the IRP that its callback got.
    let Some(irp) = (unsafe { Irp::from_raw(irp) }) else {
        return STATUS_INVALID_PARAMETER;
    };
    object::with::<Device, _>(object::number(device), NAME, |object, device| {
        if irp.location() < 2 {
            let what = format_args!("{NAME}: the IRP has no stack location left: skip or copy it first");
            report::finding(object.client.name(), None, what);
            return STATUS_INVALID_PARAMETER;
        }
        irp.set_next();
        process(object, device, irp)
    })
    .unwrap_or(STATUS_INVALID_PARAMETER)
}
