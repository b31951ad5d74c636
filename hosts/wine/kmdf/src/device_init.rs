//! `WDFDEVICE_INIT`: what a driver says of a device before it exists.
#![expect(unsafe_code, reason = "the driver holds the structure by pointer")]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use wdk_sys::{
    _WDF_DEVICE_IO_TYPE, _WDF_FILEOBJECT_CLASS, _WDF_TRI_STATE, BOOLEAN, DEVICE_REGISTRY_PROPERTY,
    FILE_DEVICE_SECURE_OPEN, FILE_DEVICE_UNKNOWN, IRP_MJ_MAXIMUM_FUNCTION, NTSTATUS, PCUNICODE_STRING,
    PDEVICE_OBJECT, PFN_WDF_DEVICE_FILE_CREATE, PFN_WDF_FILE_CLEANUP, PFN_WDF_FILE_CLOSE,
    PFN_WDF_IO_IN_CALLER_CONTEXT, PFN_WDFDEVICE_WDM_IRP_PREPROCESS, PUCHAR, PULONG, PVOID,
    PWDF_DRIVER_GLOBALS, PWDF_FILEOBJECT_CONFIG, PWDF_OBJECT_ATTRIBUTES, PWDF_PNPPOWER_EVENT_CALLBACKS,
    PWDFDEVICE_INIT, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, UCHAR, ULONG, WDF_DEVICE_IO_TYPE,
    WDF_PNPPOWER_EVENT_CALLBACKS, WDFDRIVER,
};
use wine_nt::lock::Lock;
use wine_nt::strings::Wide;
use wine_nt::{report, sys};
use wine_state::sizes::Sized as Structure;

use crate::attributes::{self, Attributes, Parent};
use crate::client::{self, Client};
use crate::driver::Driver;
use crate::object;

/// A callback that sees IRPs before the framework does.
#[derive(Clone)]
pub(crate) struct Preprocess {
    /// The major function.
    pub(crate) major: u8,
    /// The minor functions, or none for all.
    pub(crate) minors: Vec<u8>,
    /// The callback.
    pub(crate) callback: PFN_WDFDEVICE_WDM_IRP_PREPROCESS,
}

/// `WDF_FILEOBJECT_CONFIG` and the attributes of file objects.
#[derive(Clone, Copy)]
pub(crate) struct FileConfig {
    /// `EvtDeviceFileCreate`.
    pub(crate) create: PFN_WDF_DEVICE_FILE_CREATE,
    /// `EvtFileClose`.
    pub(crate) close: PFN_WDF_FILE_CLOSE,
    /// `EvtFileCleanup`.
    pub(crate) cleanup: PFN_WDF_FILE_CLEANUP,
    /// Whether create, cleanup and close go on to the device below.
    pub(crate) forward: Option<bool>,
    /// Whether there are `WDFFILEOBJECT`s.
    pub(crate) objects: bool,
    /// Their attributes.
    pub(crate) attributes: Attributes,
}

/// What a driver said so far.
pub(crate) struct DeviceInit {
    /// Whose device it will be.
    pub(crate) client: Arc<Client>,
    /// The device at the bottom of the stack; NULL for a control device.
    pub(crate) physical_device: PDEVICE_OBJECT,
    /// `WdfFdoInitSetFilter`.
    pub(crate) filter: bool,
    /// `WdfDeviceInitSetIoType`.
    pub(crate) io_type: WDF_DEVICE_IO_TYPE,
    /// `WdfDeviceInitSetDeviceType`.
    pub(crate) device_type: u32,
    /// `WdfDeviceInitSetCharacteristics`.
    pub(crate) characteristics: u32,
    /// `WdfDeviceInitAssignName`.
    pub(crate) name: Wide,
    /// `WdfDeviceInitAssignSDDLString` or the one of the control device: kept, and not enforced.
    pub(crate) sddl: Wide,
    /// `WdfDeviceInitSetFileObjectConfig`.
    pub(crate) file: Option<FileConfig>,
    /// `WdfDeviceInitSetRequestAttributes`.
    pub(crate) request_attributes: Attributes,
    /// `WdfDeviceInitAssignWdmIrpPreprocessCallback`.
    pub(crate) preprocess: Vec<Preprocess>,
    /// `WdfDeviceInitSetPnpPowerEventCallbacks`.
    pub(crate) pnp: WDF_PNPPOWER_EVENT_CALLBACKS,
    /// `WdfDeviceInitSetIoInCallerContextCallback`.
    pub(crate) in_caller_context: PFN_WDF_IO_IN_CALLER_CONTEXT,
}

impl DeviceInit {
    fn new(client: Arc<Client>, physical_device: PDEVICE_OBJECT, sddl: Wide) -> Self {
        Self {
            client,
            physical_device,
            filter: false,
            io_type: _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered,
            device_type: FILE_DEVICE_UNKNOWN,
            characteristics: FILE_DEVICE_SECURE_OPEN,
            name: Wide::default(),
            sddl,
            file: None,
            request_attributes: Attributes::default(),
            preprocess: Vec::new(),
            pnp: WDF_PNPPOWER_EVENT_CALLBACKS::default(),
            in_caller_context: None,
        }
    }

    /// For a device on the stack of `physical_device`.
    pub(crate) fn for_stack(client: Arc<Client>, physical_device: PDEVICE_OBJECT) -> Self {
        Self::new(client, physical_device, Wide::default())
    }

    /// Whether the driver called `WdfFdoInitSetFilter`.
    pub(crate) const fn is_filter(&self) -> bool {
        self.filter
    }
}

/// Structures that drivers hold, by address.
static HANDED_OUT: Lock<Vec<usize>> = Lock::new(Vec::new());

/// A structure that a driver holds.
#[derive(Clone, Copy)]
pub(crate) struct HandedOut(*mut DeviceInit);

/// Gives a structure to a driver.
pub(crate) fn hand_out(init: DeviceInit) -> HandedOut {
    let raw = Box::into_raw(Box::new(init));
    HANDED_OUT.lock().push(raw.addr());
    HandedOut(raw)
}

impl HandedOut {
    /// The pointer that a driver knows it by.
    pub(crate) fn as_ptr(self) -> PWDFDEVICE_INIT {
        self.0.cast()
    }

    /// Takes the structure back, unless it is taken already.
    pub(crate) fn take_back(self) -> Option<Box<DeviceInit>> {
        take(self.0.cast())
    }
}

/// Takes a structure back from a driver. `None` when the pointer is none that is handed out.
pub(crate) fn take(init: PWDFDEVICE_INIT) -> Option<Box<DeviceInit>> {
    let mut handed_out = HANDED_OUT.lock();
    let at = handed_out.iter().position(|address| *address == init.addr())?;
    handed_out.swap_remove(at);
    // SAFETY: the list says that the pointer came from `hand_out` and was not taken since.
    Some(unsafe { Box::from_raw(init.cast()) })
}

/// Calls `change` with the structure; a pointer that is none is reported.
fn with<R>(init: PWDFDEVICE_INIT, function: &str, change: impl FnOnce(&mut DeviceInit) -> R) -> Option<R> {
    let known = HANDED_OUT.lock().contains(&init.addr());
    if !known {
        report::finding(
            "?",
            None,
            format_args!("{function}: {init:p} is no WDFDEVICE_INIT"),
        );
        return None;
    }
    // SAFETY: the list says that the pointer came from `hand_out`; a driver uses it in one thread.
    let init = unsafe { &mut *init.cast::<DeviceInit>() };
    Some(change(init))
}

/// `WdfControlDeviceInitAllocate`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfcontrol/nf-wdfcontrol-wdfcontroldeviceinitallocate>
pub(crate) extern "C" fn allocate_control(
    _globals: PWDF_DRIVER_GLOBALS,
    driver: WDFDRIVER,
    sddl: PCUNICODE_STRING,
) -> PWDFDEVICE_INIT {
    // SAFETY: the driver passes a counted string or NULL.
    let sddl = unsafe { Wide::from_counted(sddl) };
    object::with::<Driver, _>(
        object::number(driver),
        "WdfControlDeviceInitAllocate",
        |object, _| {
            let init = DeviceInit::new(object.client.clone(), core::ptr::null_mut(), sddl);
            hand_out(init).as_ptr()
        },
    )
    .unwrap_or(core::ptr::null_mut())
}

/// `WdfDeviceInitFree`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitfree>
pub(crate) extern "C" fn free(_globals: PWDF_DRIVER_GLOBALS, init: PWDFDEVICE_INIT) {
    if take(init).is_none() {
        report::finding(
            "?",
            None,
            format_args!("WdfDeviceInitFree: {init:p} is no WDFDEVICE_INIT"),
        );
    }
}

/// `WdfFdoInitSetFilter`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffdo/nf-wdffdo-wdffdoinitsetfilter>
pub(crate) extern "C" fn set_filter(_globals: PWDF_DRIVER_GLOBALS, init: PWDFDEVICE_INIT) {
    with(init, "WdfFdoInitSetFilter", |init| init.filter = true);
}

/// `WdfDeviceInitSetPnpPowerEventCallbacks`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetpnppowereventcallbacks>
pub(crate) extern "C" fn set_pnp_callbacks(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    callbacks: PWDF_PNPPOWER_EVENT_CALLBACKS,
) {
    const NAME: &str = "WdfDeviceInitSetPnpPowerEventCallbacks";
    with(init, NAME, |init| {
        // SAFETY: the driver passes its structure, whose first field is its size.
        let size = unsafe { (*callbacks).Size };
        if attributes::check_size(&init.client, NAME, Structure::PnpPowerCallbacks, size).is_err() {
            return;
        }
        // SAFETY: the structure is as long as it says, which was checked, and the target at least as long.
        unsafe {
            core::ptr::copy_nonoverlapping(
                callbacks.cast::<u8>(),
                (&raw mut init.pnp).cast::<u8>(),
                size as usize,
            );
        }
    });
}

/// `WdfDeviceInitSetIoType`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetiotype>
pub(crate) extern "C" fn set_io_type(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    io_type: WDF_DEVICE_IO_TYPE,
) {
    with(init, "WdfDeviceInitSetIoType", |init| init.io_type = io_type);
}

/// `WdfDeviceInitSetDeviceType`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetdevicetype>
pub(crate) extern "C" fn set_device_type(_globals: PWDF_DRIVER_GLOBALS, init: PWDFDEVICE_INIT, kind: ULONG) {
    with(init, "WdfDeviceInitSetDeviceType", |init| init.device_type = kind);
}

/// `WdfDeviceInitAssignName`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitassignname>
pub(crate) extern "C" fn assign_name(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    name: PCUNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the driver passes a counted string or NULL.
    let name = unsafe { Wide::from_counted(name) };
    with(init, "WdfDeviceInitAssignName", |init| init.name = name)
        .map_or(STATUS_INVALID_PARAMETER, |()| STATUS_SUCCESS)
}

/// `WdfDeviceInitAssignSDDLString`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitassignsddlstring>
pub(crate) extern "C" fn assign_sddl(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    sddl: PCUNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the driver passes a counted string or NULL.
    let sddl = unsafe { Wide::from_counted(sddl) };
    with(init, "WdfDeviceInitAssignSDDLString", |init| init.sddl = sddl)
        .map_or(STATUS_INVALID_PARAMETER, |()| STATUS_SUCCESS)
}

/// `WdfDeviceInitSetCharacteristics`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetcharacteristics>
pub(crate) extern "C" fn set_characteristics(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    characteristics: ULONG,
    or_in: BOOLEAN,
) {
    with(init, "WdfDeviceInitSetCharacteristics", |init| {
        let kept = if or_in == 0 { 0 } else { init.characteristics };
        init.characteristics = kept | characteristics;
    });
}

/// `WdfDeviceInitSetFileObjectConfig`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetfileobjectconfig>
pub(crate) extern "C" fn set_file_config(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    config: PWDF_FILEOBJECT_CONFIG,
    attributes: PWDF_OBJECT_ATTRIBUTES,
) {
    const NAME: &str = "WdfDeviceInitSetFileObjectConfig";
    with(init, NAME, |init| {
        // SAFETY: the driver passes its structure.
        let config = unsafe { &*config };
        if attributes::check_size(&init.client, NAME, Structure::FileObjectConfig, config.Size).is_err() {
            return;
        }
        let Ok(attributes) = attributes::read(&init.client, NAME, attributes, Parent::NotAllowed) else {
            return;
        };
        let class = config.FileObjectClass & !_WDF_FILEOBJECT_CLASS::WdfFileObjectCanBeOptional;
        if !(_WDF_FILEOBJECT_CLASS::WdfFileObjectNotRequired
            ..=_WDF_FILEOBJECT_CLASS::WdfFileObjectWdfCannotUseFsContexts)
            .contains(&class)
        {
            report::finding(
                init.client.name(),
                None,
                format_args!("{NAME}: FileObjectClass is {class}"),
            );
            return;
        }
        init.file = Some(FileConfig {
            create: config.EvtDeviceFileCreate,
            close: config.EvtFileClose,
            cleanup: config.EvtFileCleanup,
            forward: match config.AutoForwardCleanupClose {
                _WDF_TRI_STATE::WdfTrue => Some(true),
                _WDF_TRI_STATE::WdfFalse => Some(false),
                _ => None,
            },
            objects: class != _WDF_FILEOBJECT_CLASS::WdfFileObjectNotRequired,
            attributes,
        });
    });
}

/// `WdfDeviceInitSetRequestAttributes`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetrequestattributes>
pub(crate) extern "C" fn set_request_attributes(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    attributes: PWDF_OBJECT_ATTRIBUTES,
) {
    const NAME: &str = "WdfDeviceInitSetRequestAttributes";
    with(init, NAME, |init| {
        if let Ok(attributes) = attributes::read(&init.client, NAME, attributes, Parent::NotAllowed) {
            init.request_attributes = attributes;
        }
    });
}

/// `WdfDeviceInitAssignWdmIrpPreprocessCallback`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitassignwdmirppreprocesscallback>
pub(crate) extern "C" fn assign_preprocess(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    callback: PFN_WDFDEVICE_WDM_IRP_PREPROCESS,
    major: UCHAR,
    minors: PUCHAR,
    minor_count: ULONG,
) -> NTSTATUS {
    const NAME: &str = "WdfDeviceInitAssignWdmIrpPreprocessCallback";
    if u32::from(major) > IRP_MJ_MAXIMUM_FUNCTION || callback.is_none() {
        return STATUS_INVALID_PARAMETER;
    }
    let minors = if minors.is_null() {
        Vec::new()
    } else {
        // SAFETY: the driver says how many there are.
        unsafe { core::slice::from_raw_parts(minors, minor_count as usize) }.to_vec()
    };
    with(init, NAME, |init| {
        if init.preprocess.iter().any(|other| other.major == major) {
            return wdk_sys::STATUS_INVALID_DEVICE_REQUEST;
        }
        init.preprocess.push(Preprocess {
            major,
            minors,
            callback,
        });
        STATUS_SUCCESS
    })
    .unwrap_or(STATUS_INVALID_PARAMETER)
}

/// `WdfDeviceInitSetIoInCallerContextCallback`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetioincallercontextcallback>
pub(crate) extern "C" fn set_in_caller_context(
    _globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    callback: PFN_WDF_IO_IN_CALLER_CONTEXT,
) {
    with(init, "WdfDeviceInitSetIoInCallerContextCallback", |init| {
        init.in_caller_context = callback;
    });
}

/// `WdfFdoInitQueryProperty`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffdo/nf-wdffdo-wdffdoinitqueryproperty>
pub(crate) extern "C" fn query_property(
    globals: PWDF_DRIVER_GLOBALS,
    init: PWDFDEVICE_INIT,
    property: DEVICE_REGISTRY_PROPERTY::Type,
    length: ULONG,
    buffer: PVOID,
    result_length: PULONG,
) -> NTSTATUS {
    const NAME: &str = "WdfFdoInitQueryProperty";
    if client::by_globals(globals, NAME).is_none() {
        return STATUS_INVALID_PARAMETER;
    }
    with(init, NAME, |init| {
        if init.physical_device.is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the physical device lives during AddDevice; the driver passes a buffer of that length.
        unsafe { sys::IoGetDeviceProperty(init.physical_device, property, length, buffer, result_length) }
    })
    .unwrap_or(STATUS_INVALID_PARAMETER)
}
