//! The loader's exports: bind, unbind, and the three that a client may import and never needs here.
#![expect(unsafe_code, reason = "exports that a driver calls with its own structures")]

use core::sync::atomic::{AtomicBool, Ordering};

use wdk_sys::{
    GUID, NTSTATUS, PDRIVER_OBJECT, PUNICODE_STRING, PVOID, PWDF_DRIVER_GLOBALS, STATUS_INVALID_PARAMETER,
    STATUS_NOINTERFACE, STATUS_NOT_SUPPORTED, STATUS_SUCCESS, ULONG,
};
use wine_nt::strings::Wide;
use wine_nt::{
    drivers, etw, files, hooks, image, mdl, objects, own_irps, pool, quarantine, report, user_irp,
};
use wine_state::bind as rules;

use crate::client::{self, Client};
use crate::{control, dispatch, driver, object, table, timer, worker};

/// Bug check code of the framework.
pub(crate) const WDF_VIOLATION: u32 = 0x10D;

/// `WDF_BIND_INFO`.
#[repr(C)]
pub(crate) struct BindInfo {
    size: ULONG,
    component: *const u16,
    major: ULONG,
    minor: ULONG,
    build: ULONG,
    functions: ULONG,
    table: *mut *const table::Slot,
    module: *const Client,
}

const _: () = assert!(size_of::<BindInfo>() == rules::INFO_BYTES as usize);
const _: () = assert!(table::TABLE_LENGTH == rules::FUNCTION_COUNT as usize);

static READY: AtomicBool = AtomicBool::new(false);

/// Gets the host ready, at the first bind. Wine calls no entry of this image.
fn start_host() {
    if READY.swap(true, Ordering::AcqRel) {
        return;
    }
    files::set_deferral(|device, irp| {
        let (device, irp) = (device.expose_provenance(), irp.expose_provenance());
        worker::submit(alloc::boxed::Box::new(move || {
            let device = core::ptr::with_exposed_provenance_mut(device);
            let irp = core::ptr::with_exposed_provenance_mut(irp);
            // SAFETY: both come from the deferral.
            unsafe { user_irp::run_deferred(device, irp, dispatch::arrive) };
        }));
    });
    if !image::pin_host() {
        report::line(format_args!("WDFLDR.SYS could not be kept loaded"));
    }
    if !quarantine::install() {
        report::line(format_args!("the IRP quarantine is not in place"));
    }
    for status in [worker::start(), timer::start_thread()]
        .into_iter()
        .filter_map(Result::err)
    {
        report::line(format_args!("a thread of the host did not start: {status:#x}"));
    }
    let status = control::start();
    if status != STATUS_SUCCESS {
        report::line(format_args!("the control device was not created: {status:#x}"));
    }
}

/// `WdfVersionBind`: gives the driver its globals and the function table.
#[unsafe(export_name = "WdfVersionBind")]
extern "system" fn version_bind(
    driver_object: PDRIVER_OBJECT,
    registry_path: PUNICODE_STRING,
    info: *mut BindInfo,
    globals: *mut PWDF_DRIVER_GLOBALS,
) -> NTSTATUS {
    if driver_object.is_null() || registry_path.is_null() || info.is_null() || globals.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: the client passes its bind information, which lives as long as it is loaded.
    let info = unsafe { &mut *info };
    let asked = rules::Client {
        size: info.size,
        major: info.major,
        minor: info.minor,
        functions: info.functions,
    };
    // SAFETY: the client passes its registry path.
    let name = unsafe { Wide::from_counted(registry_path) }.last_component();
    if let Err(refusal) = rules::check(&asked) {
        report::line(format_args!("refused {name}: {refusal:?}, {asked:?}"));
        return STATUS_INVALID_PARAMETER;
    }
    if info.table.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    start_host();
    // SAFETY: the system passes a driver object whose image is loaded.
    let base = unsafe { (*driver_object).DriverStart }.expose_provenance();
    let record = drivers::add(&name, driver_object.expose_provenance(), base, image::size(base));
    let patched = hooks::install(&name, base);
    let client = Client::add(driver_object, record);
    // SAFETY: a client of 1.15 passes the address of its pointer to the table.
    unsafe { info.table.write(table::TABLE.as_ptr()) };
    info.module = &raw const *client;
    // SAFETY: the client passes the address of its pointer to the globals.
    unsafe { globals.write(client.globals()) };
    report::line(format_args!(
        "bound {name} to KMDF 1.{}: {} functions, {patched} imports replaced",
        rules::MINOR,
        info.functions
    ));
    STATUS_SUCCESS
}

/// `WdfVersionUnbind`: deletes what is left of the driver's objects, and says what it did not give back.
#[unsafe(export_name = "WdfVersionUnbind")]
extern "system" fn version_unbind(
    _registry_path: PUNICODE_STRING,
    info: *mut BindInfo,
    globals: PWDF_DRIVER_GLOBALS,
) -> NTSTATUS {
    let Some(client) = client::by_globals(globals, "WdfVersionUnbind") else {
        return STATUS_INVALID_PARAMETER;
    };
    driver::delete_driver(&client);
    // SAFETY: the client passes what it was bound with, or NULL.
    if let Some(info) = unsafe { info.as_mut() } {
        info.module = core::ptr::null();
    }
    let (name, base) = (client.name(), client.record.base());
    pool::report_leaks(name, base);
    mdl::report_leaks(name, base);
    own_irps::report_leaks(name, base);
    objects::report_leaks(name, base);
    etw::report_leaks(name, base);
    object::report_leaks(&client);
    report::line(format_args!("unbound {name}"));
    drivers::remove(&client.record);
    client.remove();
    STATUS_SUCCESS
}

/// `WdfVersionBindClass`: there are no class extensions here.
#[unsafe(export_name = "WdfVersionBindClass")]
extern "system" fn version_bind_class(
    _info: *mut BindInfo,
    _globals: PWDF_DRIVER_GLOBALS,
    _class: PVOID,
) -> NTSTATUS {
    report::finding(
        "?",
        None,
        format_args!("WdfVersionBindClass: class extensions are not emulated"),
    );
    STATUS_NOT_SUPPORTED
}

/// `WdfVersionUnbindClass`.
#[unsafe(export_name = "WdfVersionUnbindClass")]
const extern "system" fn version_unbind_class(
    _info: *mut BindInfo,
    _globals: PWDF_DRIVER_GLOBALS,
    _class: PVOID,
) {
}

/// `WdfLdrQueryInterface`: there is none.
#[unsafe(export_name = "WdfLdrQueryInterface")]
const extern "system" fn query_interface(_header: *const GUID) -> NTSTATUS {
    STATUS_NOINTERFACE
}
