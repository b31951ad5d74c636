//! `WDFFILEOBJECT`: create, cleanup, close.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/framework-file-objects>
#![expect(
    unsafe_code,
    reason = "calls the driver's callbacks and follows its file objects"
)]

use alloc::sync::Arc;

use wdk_sys::{
    NTSTATUS, PFILE_OBJECT, PWDF_DRIVER_GLOBALS, STATUS_PENDING, STATUS_SUCCESS, WDFDEVICE, WDFFILEOBJECT,
};
use wine_nt::irp::Irp;

use crate::device::Device;
use crate::dispatch::forward;
use crate::object::{self, Body, Object};
use crate::{queue, request};

/// `WDFFILEOBJECT`.
pub(crate) struct File {
    device: u64,
    wdm: PFILE_OBJECT,
}

// SAFETY: the file object lives until its close, which deletes this structure.
unsafe impl Send for File {}
// SAFETY: as above; nothing here changes.
unsafe impl Sync for File {}

/// The handle of a file object, or 0.
pub(crate) fn of_wdm(device: &Device, file: PFILE_OBJECT) -> u64 {
    device.files.lock().get(&file.addr()).copied().unwrap_or_default()
}

/// `IRP_MJ_CREATE`.
pub(crate) fn create(object: &Arc<Object>, device: &Device, irp: Irp) -> NTSTATUS {
    let name = object.client.name();
    let file = irp.current().file_object();
    let config = device.init.file;
    if let Some(config) = config.filter(|config| config.objects && !file.is_null()) {
        let body = Body::File(File {
            device: object.handle,
            wdm: file,
        });
        match object::create(&object.client, Some(object), &config.attributes, body) {
            Ok(made) => {
                device.files.lock().insert(file.addr(), made.handle);
            }
            Err(status) => return irp.complete_with(name, status, 0),
        }
    }
    let callback = config.and_then(|config| config.create);
    let Some(callback) = callback else {
        if device.forwards_files() && !device.lower.is_null() {
            return forward(device, irp);
        }
        return irp.complete_with(name, STATUS_SUCCESS, 0);
    };
    let made = match request::make(object, device, irp) {
        Ok(made) => made,
        Err(status) => {
            forget(device, file);
            return irp.complete_with(name, status, 0);
        }
    };
    irp.mark_pending();
    let handle: WDFFILEOBJECT = core::ptr::without_provenance_mut(of_wdm(device, file) as usize);
    // SAFETY: the driver registered the callback; it owns the request now.
    unsafe { callback(object.as_handle(), made.as_handle(), handle) };
    STATUS_PENDING
}

/// A create request failed: its file object goes.
pub(crate) fn forget(device: &Device, file: PFILE_OBJECT) {
    let handle = device.files.lock().remove(&file.addr());
    if let Some(object) = handle.and_then(object::find) {
        object.delete();
    }
}

/// `IRP_MJ_CLEANUP`: the callback, then the file's queued requests are cancelled.
pub(crate) fn cleanup(object: &Arc<Object>, device: &Device, irp: Irp) -> NTSTATUS {
    let file = irp.current().file_object();
    if let Some(callback) = device.init.file.and_then(|config| config.cleanup) {
        // SAFETY: the driver registered the callback.
        unsafe { callback(core::ptr::without_provenance_mut(of_wdm(device, file) as usize)) };
    }
    queue::cancel_file(device, file);
    finish(object, device, irp)
}

/// `IRP_MJ_CLOSE`: the callback, then the file object goes.
pub(crate) fn close(object: &Arc<Object>, device: &Device, irp: Irp) -> NTSTATUS {
    let file = irp.current().file_object();
    if let Some(callback) = device.init.file.and_then(|config| config.close) {
        // SAFETY: the driver registered the callback.
        unsafe { callback(core::ptr::without_provenance_mut(of_wdm(device, file) as usize)) };
    }
    forget(device, file);
    finish(object, device, irp)
}

fn finish(object: &Arc<Object>, device: &Device, irp: Irp) -> NTSTATUS {
    if device.forwards_files() && !device.lower.is_null() {
        forward(device, irp)
    } else {
        irp.complete_with(object.client.name(), STATUS_SUCCESS, 0)
    }
}

/// `WdfDeviceGetFileObject`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicegetfileobject>
pub(crate) extern "C" fn get(
    _globals: PWDF_DRIVER_GLOBALS,
    device: WDFDEVICE,
    file: PFILE_OBJECT,
) -> WDFFILEOBJECT {
    object::with::<Device, _>(object::number(device), "WdfDeviceGetFileObject", |_, device| {
        core::ptr::without_provenance_mut(of_wdm(device, file) as usize)
    })
    .unwrap_or(core::ptr::null_mut())
}

/// `WdfFileObjectGetDevice`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffileobject/nf-wdffileobject-wdffileobjectgetdevice>
pub(crate) extern "C" fn get_device(_globals: PWDF_DRIVER_GLOBALS, file: WDFFILEOBJECT) -> WDFDEVICE {
    object::with::<File, _>(object::number(file), "WdfFileObjectGetDevice", |_, file| {
        core::ptr::without_provenance_mut(file.device as usize)
    })
    .unwrap_or(core::ptr::null_mut())
}

/// `WdfFileObjectWdmGetFileObject`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffileobject/nf-wdffileobject-wdffileobjectwdmgetfileobject>
pub(crate) extern "C" fn get_wdm(_globals: PWDF_DRIVER_GLOBALS, file: WDFFILEOBJECT) -> PFILE_OBJECT {
    object::with::<File, _>(
        object::number(file),
        "WdfFileObjectWdmGetFileObject",
        |_, file| file.wdm,
    )
    .unwrap_or(core::ptr::null_mut())
}
