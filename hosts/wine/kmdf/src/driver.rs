//! `WDFDRIVER`: creation, `AddDevice`, unload.
#![expect(unsafe_code, reason = "fills in the driver object and calls the driver")]

use alloc::sync::Arc;

use wdk_sys::{
    _WDF_DRIVER_INIT_FLAGS, NTSTATUS, PCUNICODE_STRING, PDEVICE_OBJECT, PDRIVER_OBJECT, PWDF_DRIVER_CONFIG,
    PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES, STATUS_DRIVER_INTERNAL_ERROR, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS, STATUS_UNSUCCESSFUL, WDFDRIVER,
};
use wine_nt::report;
use wine_state::sizes::Sized as Structure;

use crate::attributes::{self, Parent};
use crate::client::{self, Callbacks, Client};
use crate::device::Device;
use crate::device_init::{self, DeviceInit};
use crate::object::{self, Body};
use crate::{device, dispatch, pnp};

/// `WDFDRIVER`; what it knows is in its [`Client`].
pub(crate) struct Driver;

/// `WdfDriverCreate`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdriver/nf-wdfdriver-wdfdrivercreate>
pub(crate) extern "C" fn create(
    globals: PWDF_DRIVER_GLOBALS,
    driver_object: PDRIVER_OBJECT,
    _registry_path: PCUNICODE_STRING,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    config: PWDF_DRIVER_CONFIG,
    driver: *mut WDFDRIVER,
) -> NTSTATUS {
    const NAME: &str = "WdfDriverCreate";
    let Some(client) = client::by_globals(globals, NAME) else {
        return STATUS_INVALID_PARAMETER;
    };
    // SAFETY: the driver passes its configuration or NULL.
    let Some(config) = (unsafe { config.as_ref() }) else {
        return STATUS_INVALID_PARAMETER;
    };
    let made = attributes::check_size(&client, NAME, Structure::DriverConfig, config.Size).and_then(|()| {
        if *client.driver.lock() != 0 {
            report::finding(client.name(), None, format_args!("{NAME} called twice"));
            return Err(STATUS_DRIVER_INTERNAL_ERROR);
        }
        let attributes = attributes::read(&client, NAME, attributes, Parent::NotAllowed)?;
        object::create(&client, None, &attributes, Body::Driver(Driver))
    });
    let object = match made {
        Ok(object) => object,
        Err(status) => return status,
    };
    client.set_driver(object.handle);
    *client.callbacks.lock() = Callbacks {
        device_add: config.EvtDriverDeviceAdd,
        unload: config.EvtDriverUnload,
    };
    let flags = config.DriverInitFlags;
    let pnp = flags & _WDF_DRIVER_INIT_FLAGS::WdfDriverInitNonPnpDriver == 0;
    install(driver_object, pnp, flags, config.EvtDriverUnload.is_some());
    client.set_flags(
        flags,
        config.DriverPoolTag,
        pnp || config.EvtDriverUnload.is_some(),
    );
    // SAFETY: the driver passes NULL or a place for the handle.
    if let Some(driver) = unsafe { driver.as_mut() } {
        *driver = object.as_handle();
    }
    STATUS_SUCCESS
}

/// Fills in the driver object as the framework does.
fn install(driver_object: PDRIVER_OBJECT, pnp: bool, flags: u32, has_unload: bool) {
    /// `IO_TYPE_DRIVER`, which Wine leaves 0.
    const IO_TYPE_DRIVER: i16 = 4;
    // SAFETY: the driver passes its own driver object, and runs in DriverEntry.
    let object = unsafe { &mut *driver_object };
    object.Type = IO_TYPE_DRIVER;
    if flags & _WDF_DRIVER_INIT_FLAGS::WdfDriverInitNoDispatchOverride != 0 {
        return;
    }
    for slot in &mut object.MajorFunction {
        *slot = Some(dispatch::dispatch);
    }
    object.DriverUnload = (pnp || has_unload).then_some(unload);
    if pnp {
        // SAFETY: every driver object has its extension.
        unsafe { (*object.DriverExtension).AddDevice = Some(add_device) };
    }
}

/// `AddDevice` of every PnP driver.
unsafe extern "C" fn add_device(driver_object: PDRIVER_OBJECT, physical_device: PDEVICE_OBJECT) -> NTSTATUS {
    client::by_object(driver_object).map_or(STATUS_UNSUCCESSFUL, |client| add(&client, physical_device))
}

/// Asks a driver to add its device to a stack.
///
/// # Errors
///
/// What its callback answered.
pub(crate) fn add_on_stack(client: &Arc<Client>, physical_device: PDEVICE_OBJECT) -> Result<(), NTSTATUS> {
    let status = add(client, physical_device);
    if status < 0 { Err(status) } else { Ok(()) }
}

fn add(client: &Arc<Client>, physical_device: PDEVICE_OBJECT) -> NTSTATUS {
    let callbacks = *client.callbacks.lock();
    let Some(callback) = callbacks.device_add else {
        return STATUS_SUCCESS;
    };
    let init = device_init::hand_out(DeviceInit::for_stack(client.clone(), physical_device));
    // SAFETY: the driver registered the callback, and `init` stays until it is taken back below or by
    // WdfDeviceCreate.
    let status = unsafe { callback(client.driver_handle(), init.as_ptr()) };
    let left = init.take_back();
    match (&left, status) {
        // The driver did not want the device.
        (Some(left), _) if left.is_filter() => STATUS_SUCCESS,
        (Some(_), STATUS_SUCCESS..) => {
            let what = format_args!("EvtDriverDeviceAdd returned {status:#x} without a device");
            report::finding(client.name(), None, what);
            STATUS_UNSUCCESSFUL
        }
        (None, STATUS_SUCCESS..) => {
            device::finish_add(client, physical_device);
            status
        }
        (None, _) => {
            device::undo_add(client, physical_device);
            status
        }
        (Some(_), _) => status,
    }
}

/// `DriverUnload` of every PnP driver: the driver's callback, then everything it made.
unsafe extern "C" fn unload(driver_object: PDRIVER_OBJECT) {
    let Some(client) = client::by_object(driver_object) else {
        return;
    };
    remove_devices(&client);
    let callbacks = *client.callbacks.lock();
    if let Some(callback) = callbacks.unload {
        // SAFETY: the driver registered the callback, and its WDFDRIVER is live.
        unsafe { callback(client.driver_handle()) };
    }
    delete_driver(&client);
}

/// Deletes the `WDFDRIVER` and all devices. Nothing happens when it is gone already.
pub(crate) fn delete_driver(client: &Arc<Client>) {
    let handle = *client.driver.lock();
    let Some(object) = object::find(handle) else {
        return;
    };
    remove_devices(client);
    for device in object::all::<Device>(client) {
        object::with::<Device, _>(device.handle, "unload", device::tear_down);
    }
    object.delete();
    client.set_driver(0);
}

/// Removes the devices on stacks: those of a filter may still be there, since Wine does not know of them.
/// Windows unloads a driver after its last device was removed.
fn remove_devices(client: &Arc<Client>) {
    for device in object::all::<Device>(client) {
        object::with::<Device, _>(device.handle, "unload", |object, device| {
            if !device.is_control() {
                pnp::stop(object, device);
                device::tear_down(object, device);
            }
        });
    }
}
