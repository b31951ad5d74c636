//! File objects.
#![expect(unsafe_code, reason = "called from and calls into the framework")]

use core::ptr::NonNull;

use wdk_sys::{
    _WDF_FILEOBJECT_CLASS, _WDF_TRI_STATE, PFILE_OBJECT, WDF_FILEOBJECT_CONFIG, WDFDEVICE, WDFFILEOBJECT,
    WDFREQUEST, call_unsafe_wdf_function_binding as unsafe_wdf,
};

use crate::{
    Device, IoStatus, NtStatus, Request,
    object::{handle, size_of_u32},
};

handle! {
    /// `WDFFILEOBJECT`: one open of a device. Its own objects are deleted with it after the last request of
    /// the open is complete.
    FileObject, WDFFILEOBJECT
}

/// What the framework calls a driver for when a handle is opened and closed.
///
/// All at `PASSIVE_LEVEL`.
pub trait FileEvents: 'static {
    /// Whether [`create`](Self::create) is called. If not, the framework completes an open of a function
    /// driver with success, and passes one of a filter on.
    const HANDLES_CREATE: bool;

    /// An open. The request is completed by this call, with success if the open succeeds.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in the thread of the caller.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nc-wdfdevice-evt_wdf_device_file_create>
    fn create(_device: &Device, request: Request, _file: &FileObject) {
        request.complete(IoStatus::failed(NtStatus::INVALID_DEVICE_REQUEST));
    }

    /// The last handle is closed; requests of this open may still be outstanding, and are to be completed.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nc-wdfdevice-evt_wdf_file_cleanup>
    fn cleanup(_file: &FileObject) {}

    /// The last request of the open is complete.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nc-wdfdevice-evt_wdf_file_close>
    fn close(_file: &FileObject) {}
}

/// `WDF_FILEOBJECT_CONFIG` with the defaults of `WDF_FILEOBJECT_CONFIG_INIT`.
///
/// The class keeps the framework's data out of `FsContext`, so that file objects of other drivers, which a
/// fast-I/O routine may be given, are told apart without looking into them. And it says that there may be
/// none: otherwise the framework's verifier stops at a file object that it does not know.
pub(crate) fn config<E: FileEvents>() -> WDF_FILEOBJECT_CONFIG {
    WDF_FILEOBJECT_CONFIG {
        Size: size_of_u32::<WDF_FILEOBJECT_CONFIG>(),
        EvtDeviceFileCreate: if E::HANDLES_CREATE {
            Some(evt_create::<E>)
        } else {
            None
        },
        EvtFileClose: Some(evt_close::<E>),
        EvtFileCleanup: Some(evt_cleanup::<E>),
        AutoForwardCleanupClose: _WDF_TRI_STATE::WdfUseDefault,
        FileObjectClass: _WDF_FILEOBJECT_CLASS::WdfFileObjectWdfCannotUseFsContexts
            | _WDF_FILEOBJECT_CLASS::WdfFileObjectCanBeOptional,
    }
}

impl FileObject {
    /// `WdfFileObjectGetDevice`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffileobject/nf-wdffileobject-wdffileobjectgetdevice>
    pub fn device(&self) -> Option<&Device> {
        // SAFETY: the handle is live.
        let device = unsafe { unsafe_wdf!(WdfFileObjectGetDevice, self.as_raw()) };
        // SAFETY: a device outlives its file objects.
        unsafe { Device::from_raw(device) }
    }

    /// `WdfFileObjectWdmGetFileObject`: the file object of the I/O manager, which lives as long as this one.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffileobject/nf-wdffileobject-wdffileobjectwdmgetfileobject>
    pub fn wdm(&self) -> Option<NonNull<wdk_sys::FILE_OBJECT>> {
        // SAFETY: the handle is live.
        let file: PFILE_OBJECT = unsafe { unsafe_wdf!(WdfFileObjectWdmGetFileObject, self.as_raw()) };
        NonNull::new(file)
    }
}

unsafe extern "C" fn evt_create<E: FileEvents>(device: WDFDEVICE, request: WDFREQUEST, file: WDFFILEOBJECT) {
    // SAFETY: the framework hands the request over with this call.
    let request = unsafe { Request::from_raw(request) };
    // SAFETY: the handle is valid for the length of the callback.
    let device = unsafe { Device::from_raw(device) };
    // SAFETY: as above.
    let file = unsafe { FileObject::from_raw(file) };
    if let (Some(device), Some(file)) = (device, file) {
        E::create(device, request, file);
    } else {
        request.complete(IoStatus::failed(NtStatus::INVALID_PARAMETER));
    }
}

unsafe extern "C" fn evt_cleanup<E: FileEvents>(file: WDFFILEOBJECT) {
    // SAFETY: the handle is valid for the length of the callback.
    if let Some(file) = unsafe { FileObject::from_raw(file) } {
        E::cleanup(file);
    }
}

unsafe extern "C" fn evt_close<E: FileEvents>(file: WDFFILEOBJECT) {
    // SAFETY: the handle is valid for the length of the callback.
    if let Some(file) = unsafe { FileObject::from_raw(file) } {
        E::close(file);
    }
}
