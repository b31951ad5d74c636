//! The driver object.
#![expect(unsafe_code, reason = "called from and calls into the framework")]

use core::ptr;

use wdk_sys::{
    NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT, PWDFDEVICE_INIT, WDF_DRIVER_CONFIG, WDFDRIVER,
    call_unsafe_wdf_function_binding as unsafe_wdf,
};

use crate::{
    DeviceInit, NtStatus, ObjectAttributes,
    object::{handle, size_of_u32},
    status::{check, to_raw},
};

handle! {
    /// `WDFDRIVER`.
    Driver, WDFDRIVER
}

/// What the framework calls a PnP driver for.
pub trait DriverEvents: 'static {
    /// A device was found that the driver is to serve: makes a device object for it, or returns an error.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in a system thread.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdriver/nc-wdfdriver-evt_wdf_driver_device_add>
    ///
    /// # Errors
    ///
    /// The status that the PnP manager gets.
    fn device_add(driver: &Driver, init: DeviceInit<'_>) -> Result<(), NtStatus>;

    /// The driver is about to be unloaded: gives back what is not an object of the framework.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in a system thread.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdriver/nc-wdfdriver-evt_wdf_driver_unload>
    fn unload(_driver: &Driver) {}
}

impl Driver {
    /// `WdfDriverCreate`, for a PnP driver.
    ///
    /// The attributes say which context the driver object has room for. The borrow is `'static` because the
    /// code that could use it is unloaded with the object.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in `DriverEntry`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdriver/nf-wdfdriver-wdfdrivercreate>
    ///
    /// # Errors
    ///
    /// What the framework says, for example `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// # Safety
    ///
    /// The arguments are those that `DriverEntry` got, and this is called once.
    pub unsafe fn create<E: DriverEvents>(
        driver_object: PDRIVER_OBJECT,
        registry_path: PCUNICODE_STRING,
        pool_tag: u32,
        mut attributes: ObjectAttributes,
    ) -> Result<&'static Self, NtStatus> {
        let mut config = WDF_DRIVER_CONFIG {
            Size: size_of_u32::<WDF_DRIVER_CONFIG>(),
            EvtDriverDeviceAdd: Some(evt_device_add::<E>),
            EvtDriverUnload: Some(evt_unload::<E>),
            DriverPoolTag: pool_tag,
            ..WDF_DRIVER_CONFIG::default()
        };
        let mut driver: WDFDRIVER = ptr::null_mut();
        // SAFETY: the caller vouches for the first two; the others are valid for the call.
        let status = unsafe {
            unsafe_wdf!(
                WdfDriverCreate,
                driver_object,
                registry_path,
                attributes.as_mut_ptr(),
                &raw mut config,
                &raw mut driver
            )
        };
        check(status)?;
        // SAFETY: the handle is the driver's until it is unloaded.
        unsafe { Self::from_raw(driver) }.ok_or(NtStatus::UNSUCCESSFUL)
    }
}

unsafe extern "C" fn evt_device_add<E: DriverEvents>(driver: WDFDRIVER, init: PWDFDEVICE_INIT) -> NTSTATUS {
    // SAFETY: the handle is valid for the length of the callback.
    let Some(driver) = (unsafe { Driver::from_raw(driver) }) else {
        return NtStatus::INVALID_PARAMETER.0;
    };
    // SAFETY: the framework gives the structure to this callback, and frees it afterwards if it is unused.
    let init = unsafe { DeviceInit::from_framework(init) };
    to_raw(E::device_add(driver, init))
}

unsafe extern "C" fn evt_unload<E: DriverEvents>(driver: WDFDRIVER) {
    // SAFETY: the handle is valid for the length of the callback.
    if let Some(driver) = unsafe { Driver::from_raw(driver) } {
        E::unload(driver);
    }
}
