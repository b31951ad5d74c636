//! One filter device per stack.

use kmdf::{DeviceInit, Driver, NtStatus, Object, ObjectAttributes, context_type, irp, write_irp::Write};

use crate::{
    control,
    ffi::{driver_ref::DriverRef, target::Target},
    slots::{Slot, Taken},
    write::Writes,
};

/// What the filter knows of one stack.
pub struct FilterDevice {
    /// The device below.
    target: Target,
    place: Taken,
    driver: DriverRef,
}

context_type!(FilterDevice, |device| { control::release(&device.driver) });

impl FilterDevice {
    /// The device below, to which writes go.
    pub const fn target(&self) -> Target {
        self.target
    }

    /// What is kept of this device.
    pub const fn slot(&self) -> &'static Slot {
        self.place.slot()
    }
}

/// `EvtDriverDeviceAdd`: puts a filter on the stack.
///
/// The framework forwards what has no handler here: the filter sees writes and nothing else.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// # Errors
///
/// What the framework says. The stack then works without the filter.
pub fn add(driver: &Driver, mut init: DeviceInit<'_>) -> Result<(), NtStatus> {
    init.set_filter();
    irp::set_preprocess::<Write, Writes>(&mut init)?;
    let device = init.create(ObjectAttributes::new().with_context::<FilterDevice>())?;
    let target = Target::below(device).ok_or(NtStatus::UNSUCCESSFUL)?;
    device.set_context(FilterDevice {
        target,
        place: Taken::acquire(),
        driver: DriverRef::for_device_context(driver),
    })?;
    control::share(driver);
    Ok(())
}
