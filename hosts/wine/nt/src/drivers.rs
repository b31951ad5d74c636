//! The drivers that are bound to the host.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::lock::Lock;

/// A bound driver. Addresses are kept as numbers: nothing here dereferences them.
pub struct Driver {
    name: String,
    file: String,
    object: usize,
    base: usize,
    bytes: usize,
}

impl Driver {
    /// The service name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file name, as findings show it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Address of the `DRIVER_OBJECT`.
    pub const fn object(&self) -> usize {
        self.object
    }

    /// Base of the image.
    pub const fn base(&self) -> usize {
        self.base
    }
}

static DRIVERS: Lock<Vec<Arc<Driver>>> = Lock::new(Vec::new());

/// Notes a driver that was bound.
pub fn add(name: &str, object: usize, base: usize, bytes: usize) -> Arc<Driver> {
    let driver = Arc::new(Driver {
        name: String::from(name),
        file: alloc::format!("{name}.sys"),
        object,
        base,
        bytes,
    });
    DRIVERS.lock().push(driver.clone());
    driver
}

/// Forgets a driver that is unbound.
pub fn remove(driver: &Arc<Driver>) {
    DRIVERS.lock().retain(|other| !Arc::ptr_eq(other, driver));
}

/// The driver whose image holds `address`.
pub fn by_address(address: usize) -> Option<Arc<Driver>> {
    DRIVERS
        .lock()
        .iter()
        .find(|driver| address.wrapping_sub(driver.base) < driver.bytes)
        .cloned()
}

/// The driver of that service name.
pub fn by_name(name: &str) -> Option<Arc<Driver>> {
    DRIVERS
        .lock()
        .iter()
        .find(|driver| driver.name.eq_ignore_ascii_case(name))
        .cloned()
}

/// Name of the driver whose image holds `address`.
pub fn name_at(address: usize) -> String {
    by_address(address).map_or_else(|| String::from("?"), |driver| driver.name.clone())
}

/// Name of the driver with that `DRIVER_OBJECT`.
pub fn name_of_object(object: usize) -> String {
    DRIVERS
        .lock()
        .iter()
        .find(|driver| driver.object == object)
        .map_or_else(|| String::from("?"), |driver| driver.name.clone())
}
