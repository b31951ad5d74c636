//! The driver.

use kmdf::{DeviceInit, Driver, DriverEvents, NtStatus};

use crate::device;

/// The callbacks of this driver.
pub(crate) struct Sink;

impl DriverEvents for Sink {
    fn device_add(_driver: &Driver, init: DeviceInit<'_>) -> Result<(), NtStatus> {
        device::add(init)
    }
}
