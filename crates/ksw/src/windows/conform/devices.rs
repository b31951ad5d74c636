//! Sinks, and what the Wine host can make fail.

use kswrite_client::{Access, File, Win32Error};
use kswrite_conform::Venue;
use kswrite_conform::win32::{Handle, Resource};
use kswrite_wire::ControlCode;
use kswrite_wire::sink::{GET_STATE, RELEASE, Released, SET_SCRIPT, Script, State};
use kswrite_wire::wine_host::{CONTROL_PATH, Fault, SET_FAULT, Service};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::request;

fn ask<I, O>(what: &str, sink: Handle, code: ControlCode, input: &I) -> Result<O, String>
where
    I: IntoBytes + Immutable,
    O: FromBytes,
{
    request::control(sink, code.0, input.as_bytes(), size_of::<O>())
        .and_then(|answer| O::read_from_bytes(&answer).map_err(|_| Win32Error::INVALID_DATA))
        .map_err(|error| format!("{what}: {error}"))
}

pub(super) fn set_script(sink: Handle, script: &Script) -> Result<(), String> {
    ask("set the script of the sink", sink, SET_SCRIPT, script)
}

pub(super) fn release(sink: Handle) -> Result<u32, String> {
    let released: Released = ask("release the held writes of the sink", sink, RELEASE, &())?;
    Ok(released.count)
}

pub(super) fn state(sink: Handle) -> Result<State, String> {
    ask("read the state of the sink", sink, GET_STATE, &())
}

/// Arms a fault of the Wine host, or disarms all.
pub(super) fn fault(service: Option<Service>) -> Result<(), String> {
    let fault = service.map_or_else(Fault::default, |service| Fault {
        service: service as u32,
        times: 1,
        ..Fault::default()
    });
    let host = File::open(CONTROL_PATH, Access::ReadWrite).map_err(|error| error.to_string())?;
    kswrite_client::control(&host, SET_FAULT, &fault)
        .map_err(|error| format!("set a fault of the Wine host: {error}"))
}

/// `filtered`: whether the filter is above the target.
pub(super) fn exhaust(venue: Venue, filtered: bool, resource: Resource) -> Result<(), String> {
    if venue != Venue::Wine {
        return Err("only the model and the Wine host can make a resource run out".to_owned());
    }
    if !filtered {
        return Err(
            "the Wine host makes services of drivers fail, and without the filter none is on the way"
                .to_owned(),
        );
    }
    match resource {
        Resource::Irp => fault(Some(Service::AllocateIrp)),
        Resource::Mdl => fault(Some(Service::AllocateMdl)),
        Resource::Quota | Resource::WorkingSet => {
            Err("Wine charges neither pool nor locked pages to a process".to_owned())
        }
    }
}
