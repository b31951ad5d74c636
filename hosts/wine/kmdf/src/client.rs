//! Bound drivers: what the framework keeps for each.
#![expect(
    unsafe_code,
    reason = "the driver and the framework share the globals by pointer"
)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use wdk_sys::{
    PDRIVER_OBJECT, PFN_WDF_DRIVER_DEVICE_ADD, PFN_WDF_DRIVER_UNLOAD, PWDF_DRIVER_GLOBALS,
    WDF_DRIVER_GLOBALS, WDFDRIVER,
};
use wine_nt::drivers::Driver;
use wine_nt::lock::Lock;
use wine_nt::report;

/// Callbacks of `WdfDriverCreate`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Callbacks {
    /// `EvtDriverDeviceAdd`.
    pub(crate) device_add: PFN_WDF_DRIVER_DEVICE_ADD,
    /// `EvtDriverUnload`.
    pub(crate) unload: PFN_WDF_DRIVER_UNLOAD,
}

/// A bound driver.
pub(crate) struct Client {
    globals: Box<UnsafeCell<WDF_DRIVER_GLOBALS>>,
    object: PDRIVER_OBJECT,
    /// What the verifier knows of it.
    pub(crate) record: Arc<Driver>,
    /// Handle of its `WDFDRIVER`, 0 before and after.
    pub(crate) driver: Lock<u64>,
    /// Its callbacks.
    pub(crate) callbacks: Lock<Callbacks>,
}

// SAFETY: the pointers are to objects that live as long as the driver is loaded; the framework writes the
// globals only in bind, WdfDriverCreate and unload, which do not overlap.
unsafe impl Send for Client {}
// SAFETY: as above; everything else that changes is behind a lock.
unsafe impl Sync for Client {}

static CLIENTS: Lock<Vec<Arc<Client>>> = Lock::new(Vec::new());

impl Client {
    /// Notes a driver that binds.
    pub(crate) fn add(object: PDRIVER_OBJECT, record: Arc<Driver>) -> Arc<Self> {
        let mut globals = WDF_DRIVER_GLOBALS {
            DriverTag: tag_of(record.name()),
            ..WDF_DRIVER_GLOBALS::default()
        };
        // The last byte stays NUL.
        let room = globals.DriverName.len() - 1;
        for (to, from) in globals
            .DriverName
            .iter_mut()
            .take(room)
            .zip(record.name().bytes())
        {
            *to = from.cast_signed();
        }
        let client = Arc::new(Self {
            globals: Box::new(UnsafeCell::new(globals)),
            object,
            record,
            driver: Lock::new(0),
            callbacks: Lock::new(Callbacks::default()),
        });
        CLIENTS.lock().push(client.clone());
        client
    }

    /// Forgets a driver that is unbound; its globals go with the last use of it.
    pub(crate) fn remove(self: &Arc<Self>) {
        CLIENTS.lock().retain(|other| !Arc::ptr_eq(other, self));
    }

    /// Its service name.
    pub(crate) fn name(&self) -> &str {
        self.record.name()
    }

    /// Its driver object.
    pub(crate) const fn object(&self) -> PDRIVER_OBJECT {
        self.object
    }

    /// What the driver has as `WdfDriverGlobals`.
    pub(crate) fn globals(&self) -> PWDF_DRIVER_GLOBALS {
        self.globals.get()
    }

    /// Sets `WdfDriverGlobals->Driver`.
    pub(crate) fn set_driver(&self, handle: u64) {
        *self.driver.lock() = handle;
        let driver: WDFDRIVER = core::ptr::without_provenance_mut(handle as usize);
        // SAFETY: only bind, WdfDriverCreate and unload write the globals, one at a time.
        unsafe { (*self.globals.get()).Driver = driver };
    }

    /// Sets `WdfDriverGlobals->DriverFlags` and `DriverTag`, and asks the stub to stand before the unload
    /// routine.
    pub(crate) fn set_flags(&self, flags: u32, tag: u32, displace_unload: bool) {
        // SAFETY: as in `set_driver`.
        let globals = unsafe { &mut *self.globals.get() };
        globals.DriverFlags |= flags;
        if tag != 0 {
            globals.DriverTag = tag;
        }
        globals.DisplaceDriverUnload = u8::from(displace_unload);
    }

    /// The driver's handle as the driver knows it.
    pub(crate) fn driver_handle(&self) -> WDFDRIVER {
        core::ptr::without_provenance_mut(*self.driver.lock() as usize)
    }
}

/// The first four characters of the name.
fn tag_of(name: &str) -> u32 {
    let mut tag = *b"Fx  ";
    for (to, from) in tag.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    u32::from_le_bytes(tag)
}

/// The driver whose globals these are; anything else is reported.
pub(crate) fn by_globals(globals: PWDF_DRIVER_GLOBALS, function: &str) -> Option<Arc<Client>> {
    let found = CLIENTS
        .lock()
        .iter()
        .find(|client| client.globals() == globals)
        .cloned();
    if found.is_none() {
        report::finding(
            "?",
            None,
            format_args!("{function}: {globals:p} are no driver's globals"),
        );
    }
    found
}

/// The driver with that driver object.
pub(crate) fn by_object(object: PDRIVER_OBJECT) -> Option<Arc<Client>> {
    CLIENTS
        .lock()
        .iter()
        .find(|client| client.object == object)
        .cloned()
}

/// The driver of that service name.
pub(crate) fn by_name(name: &str) -> Option<Arc<Client>> {
    CLIENTS
        .lock()
        .iter()
        .find(|client| client.name().eq_ignore_ascii_case(name))
        .cloned()
}
