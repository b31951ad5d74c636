//! Where the system enters the driver: `DriverEntry`, and the bare IRPs of `IRP_MJ_WRITE`.
#![expect(unsafe_code, reason = "called by the system with pointers")]

use core::ptr::NonNull;

use kmdf::{Device, DeviceInit, Driver, IoStatus, NtStatus, Object, ObjectAttributes, device::Preprocess};
use wdk_sys::{IRP, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT};

use super::{irp::WriteRequest, narrow::MAJOR_WRITE};
use crate::{
    device::FilterDevice,
    driver::{self, DriverContext, Events},
    fast_io, write,
};

/// Pool tag of the driver: `KsWr`.
const POOL_TAG: u32 = u32::from_le_bytes(*b"KsWr");

/// `DRIVER_INITIALIZE`, called by the framework's entry point.
///
/// IRQL: `PASSIVE_LEVEL`, in a system thread.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/wdf/driverentry-for-kmdf-drivers>
///
/// # Safety
///
/// Called once, by the system, with the driver object and registry path of this driver.
// The framework's entry point looks for this name, and nothing else in the image has it.
#[unsafe(export_name = "DriverEntry")]
unsafe extern "system" fn driver_entry(driver: PDRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> NTSTATUS {
    // SAFETY: the arguments are those of DriverEntry, which runs once.
    match unsafe { load(driver, registry_path) } {
        Ok(()) => NtStatus::SUCCESS.0,
        Err(status) => status.0,
    }
}

/// # Safety
///
/// As [`driver_entry`].
unsafe fn load(driver_object: PDRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> Result<(), NtStatus> {
    let attributes = ObjectAttributes::new().with_context::<DriverContext>();
    // SAFETY: the caller's promise.
    let driver = unsafe { Driver::create::<Events>(driver_object, registry_path, POOL_TAG, attributes) }?;
    driver::initialize(driver)?;
    // SAFETY: the driver object is this driver's.
    unsafe { fast_io::TABLE.publish(driver_object) };
    Ok(())
}

/// Lets the writes of a device come to this driver before the framework looks at them.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub fn take_writes(init: &mut DeviceInit<'_>) -> Result<(), NtStatus> {
    init.set_preprocess::<Writes>(MAJOR_WRITE)
}

struct Writes;

impl Preprocess for Writes {
    fn preprocess(device: &Device, irp: NonNull<IRP>) -> NtStatus {
        // SAFETY: the framework hands an IRP_MJ_WRITE to this driver, which completes it or marks it pending.
        let request = unsafe { WriteRequest::from_raw(irp) };
        if !request.is_plain() {
            return request.pass_on(device);
        }
        match device.context::<FilterDevice>() {
            Some(device) => write::dispatch(device, request),
            None => request.complete(IoStatus::failed(NtStatus::DEVICE_NOT_READY)),
        }
    }
}
