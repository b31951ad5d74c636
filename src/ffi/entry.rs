//! Where the system enters the driver.
#![expect(unsafe_code, reason = "called by the system with pointers")]

use kmdf::{Driver, NtStatus, ObjectAttributes};
use wdk_sys::{NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT};

use crate::{
    driver::{self, DriverContext, Events},
    fast_io,
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
