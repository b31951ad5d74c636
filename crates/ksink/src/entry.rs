//! Where the system enters the driver.
#![expect(unsafe_code, reason = "called by the system with pointers")]

use kmdf::{Driver, NtStatus, ObjectAttributes};
use wdk_sys::{NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT};

use crate::{driver::Sink, fast};

/// Pool tag of the framework's allocations for this driver: `KsSk`.
const POOL_TAG: u32 = u32::from_le_bytes(*b"KsSk");

/// `DRIVER_INITIALIZE`, called by the framework's entry point.
///
/// IRQL: `PASSIVE_LEVEL`, in a system thread.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/wdf/driverentry-for-kmdf-drivers>
///
/// # Safety
///
/// Called once, by the system, with the driver object and registry path of this driver.
#[unsafe(export_name = "DriverEntry")] // the name that the framework's entry point looks for
unsafe extern "system" fn driver_entry(driver: PDRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> NTSTATUS {
    let attributes = ObjectAttributes::new();
    // SAFETY: the arguments are those of DriverEntry, which runs once.
    let created = unsafe { Driver::create::<Sink>(driver, registry_path, POOL_TAG, attributes) };
    if let Err(status) = created {
        return status.0;
    }
    // SAFETY: as above.
    unsafe { fast::TABLE.publish(driver) };
    NtStatus::SUCCESS.0
}
