//! The driver object, for contexts of its devices.
#![expect(
    unsafe_code,
    reason = "a reference whose life the framework guarantees and the compiler cannot see"
)]

use core::{ops::Deref, ptr::NonNull};

use kmdf::Driver;

/// The driver object, held by the context of a device.
///
/// # Invariants
///
/// The value is in the context of a device of that driver. The framework deletes devices, and cleans up their
/// contexts, before the driver object.
#[derive(Clone, Copy)]
pub struct DriverRef(NonNull<Driver>);

// SAFETY: handles of the framework may be used from any thread.
unsafe impl Send for DriverRef {}
// SAFETY: as above.
unsafe impl Sync for DriverRef {}

impl DriverRef {
    /// For the context of a device that is being added.
    pub const fn for_device_context(driver: &Driver) -> Self {
        Self(NonNull::from_ref(driver))
    }
}

impl Deref for DriverRef {
    type Target = Driver;

    fn deref(&self) -> &Driver {
        // SAFETY: INVARIANT: the driver object outlives the context that holds this.
        unsafe { self.0.as_ref() }
    }
}
