//! Load and unload.

use kmdf::{DeviceInit, Driver, DriverEvents, NtStatus, Object, context_type};

use crate::{control::Control, device, ffi::etw};

/// What lives as long as the driver.
pub struct DriverContext {
    /// The control device, there as long as there is a filtered device.
    pub control: Control,
    /// The ETW provider.
    pub etw: etw::Registration,
}

context_type!(DriverContext);

/// The callbacks of the driver.
pub struct Events;

impl DriverEvents for Events {
    fn device_add(driver: &Driver, init: DeviceInit<'_>) -> Result<(), NtStatus> {
        device::add(driver, init)
    }
}

/// Fills the driver's context. Called once, in `DriverEntry`.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub fn initialize(driver: &Driver) -> Result<(), NtStatus> {
    driver
        .set_context(DriverContext {
            control: Control::new()?,
            etw: etw::Registration::register(),
        })
        .map(|_| ())
}
