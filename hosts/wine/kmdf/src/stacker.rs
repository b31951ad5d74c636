//! The part of the PnP manager that Wine lacks: filters.
//!
//! Wine loads a filter's service like any driver and never calls its `AddDevice`. Here it is called for
//! every stack that has a sink in it, as `UpperFilters` or an `AddFilter` directive would have it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kswrite_wire::names::{FILTER_SERVICE, SINK_SERVICE};
use kswrite_wire::wine_host::Stacks;
use wdk_sys::{NTSTATUS, PDEVICE_OBJECT, STATUS_DEVICE_BUSY, STATUS_DEVICE_NOT_READY};
use wine_nt::{files, report};

use crate::client::{self, Client};
use crate::device::{self, Device};
use crate::driver;
use crate::object::{self, Body, Object};
use crate::pnp::{self, State};

/// Physical devices of the stacks that have a started sink.
fn sink_stacks() -> Vec<PDEVICE_OBJECT> {
    let Some(sink) = client::by_name(SINK_SERVICE) else {
        return Vec::new();
    };
    let devices = object::all::<Device>(&sink);
    devices
        .iter()
        .filter_map(|object| match &object.body {
            Body::Device(device) if !device.is_control() && device.state() == State::Started => {
                Some(device.init.physical_device)
            }
            _ => None,
        })
        .collect()
}

fn filter() -> Result<Arc<Client>, NTSTATUS> {
    client::by_name(FILTER_SERVICE).ok_or(STATUS_DEVICE_NOT_READY)
}

/// The filter's devices, the one that was added last at the end.
fn filter_devices(filter: &Arc<Client>) -> Vec<Arc<Object>> {
    object::all::<Device>(filter)
        .into_iter()
        .filter(|object| matches!(&object.body, Body::Device(device) if !device.is_control()))
        .collect()
}

/// Puts the filter on every sink's stack that has none, or `another` one on every stack.
///
/// # Errors
///
/// `STATUS_DEVICE_NOT_READY` when no filter is loaded, or what `AddDevice` answered.
pub(crate) fn attach(another: bool) -> Result<Stacks, NTSTATUS> {
    let filter = filter()?;
    let mut stacks = Stacks::default();
    for physical_device in sink_stacks() {
        if another || device::on_stack(&filter, physical_device).is_none() {
            let before = filter_devices(&filter);
            driver::add_on_stack(&filter, physical_device)?;
            let is_new = |object: &Arc<Object>| !before.iter().any(|known| known.handle == object.handle);
            let Some(object) = filter_devices(&filter).into_iter().find(is_new) else {
                continue;
            };
            // The stack was started before; only the filter has not heard of it.
            object::with::<Device, _>(object.handle, "attach", pnp::start);
            stacks.changed += 1;
        }
        stacks.filtered += 1;
    }
    report::line(format_args!(
        "filter attached to {} stack(s), on {} now",
        stacks.changed, stacks.filtered
    ));
    Ok(stacks)
}

/// Takes the filter off every stack.
///
/// # Errors
///
/// `STATUS_DEVICE_BUSY` while a handle is open on one of them.
pub(crate) fn detach() -> Result<Stacks, NTSTATUS> {
    let filter = filter()?;
    let devices = filter_devices(&filter);
    let busy = devices.iter().any(|object| match &object.body {
        Body::Device(device) => files::count_on_stack(device.wdm) > 0,
        _ => false,
    });
    if busy {
        return Err(STATUS_DEVICE_BUSY);
    }
    let mut stacks = Stacks::default();
    // What was attached last is on top, and goes first.
    for object in devices.into_iter().rev() {
        object::with::<Device, _>(object.handle, "detach", |object, device| {
            pnp::stop(object, device);
            device::tear_down(object, device);
        });
        stacks.changed += 1;
    }
    report::line(format_args!("filter detached from {} stack(s)", stacks.changed));
    Ok(stacks)
}
