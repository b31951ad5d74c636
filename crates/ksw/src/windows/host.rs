//! `ksw host`: the control device of the Wine host.

use ksw::cli::HostCommand;
use ksw::exit::Exit;
use ksw::status::HostCounters;
use kswrite_client::Access;
use kswrite_wire::wine_host::{
    ATTACH_FILTER, CONTROL_PATH, Counters, DETACH_FILTER, Fault, GET_COUNTERS, SET_FAULT, Service, Stacks,
};
use serde::Serialize;

use super::device::Device;
use super::{Failure, print};

/// What attaching and detaching changed.
#[derive(Serialize)]
struct Changed {
    changed: u32,
    filtered: u32,
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} stacks changed, {} have a filter now",
            self.changed, self.filtered
        )
    }
}

/// The host's control device.
pub(super) fn open() -> Result<Device, Failure> {
    Device::open(CONTROL_PATH, Access::ReadWrite).map_err(|error| {
        let mut failure = Failure::from(error);
        if failure.exit == Exit::Absent {
            failure
                .message
                .push_str(" (the Wine host exists in Wine only, while a driver is loaded)");
        }
        failure
    })
}

/// What the host counts.
pub(super) fn counters(host: &Device) -> Result<HostCounters, kswrite_client::Error> {
    let counters: Counters = host.ask("read the counters of", GET_COUNTERS, &())?;
    Ok(counters.into())
}

/// Runs the command.
pub(super) fn command(command: &HostCommand) -> Result<Exit, Failure> {
    let host = open()?;
    let change = |what, code, json| {
        let Stacks { changed, filtered } = host.ask(what, code, &())?;
        print(&Changed { changed, filtered }, json)
    };
    match command {
        HostCommand::Attach(json) => change("attach the filter by", ATTACH_FILTER, json.json)?,
        HostCommand::Detach(json) => change("detach the filter by", DETACH_FILTER, json.json)?,
        HostCommand::Counters { expect_clean, json } => {
            let counters = counters(&host)?;
            print(&counters, json.json)?;
            if !json.json {
                println!();
            }
            if *expect_clean && !counters.clean() {
                return Err(Failure::new(
                    Exit::Verification,
                    "the host is not clean: something is outstanding or was found wrong; the findings are in the \
                     drivers' log",
                ));
            }
        }
        HostCommand::Fault {
            service,
            after,
            times,
            ..
        } => {
            // Without a service, `--clear` was given: all zero disarms.
            let fault = service.map_or_else(Fault::default, |service| Fault {
                service: Service::from(service) as u32,
                after: *after,
                times: *times,
                reserved: 0,
            });
            let () = host.ask("arm a fault by", SET_FAULT, &fault)?;
            println!("{}", if service.is_some() { "armed" } else { "disarmed" });
        }
    }
    Ok(Exit::Success)
}
