//! `ksw uninstall all`: everything goes, or, while something is in use, nothing.

use ksw::exit::Exit;
use ksw::install::judge;
use ksw::install::steps::Steps;
use kswrite_client::Error;
use kswrite_wire::names::{FILTER_SERVICE, SINK_SERVICE};
use kswrite_wire::wine_host::{DETACH_FILTER, Stacks};

use super::super::devices::{DeviceData, DeviceSet};
use super::super::{Failure, print, service};
use super::{files, open_files, stack, store, system, wine_host};

/// Runs the command.
pub(in super::super) fn uninstall_all(json: bool) -> Result<Exit, Failure> {
    let system = system::read();
    if let Some(said) = judge::rights(&system, "removing drivers") {
        return Err(Failure::new(Exit::Refused, said));
    }
    let wine = system.wine.is_some();
    in_use(wine)?;
    let mut steps = Steps::default();
    if wine {
        detach(&mut steps)?;
    }
    // Filters first: a stack that is built anew meanwhile must not ask for a service that is gone.
    attempt(&mut steps, "UpperFilters", upper_filters);
    attempt(&mut steps, "package kswrite.inf", |steps| {
        package(steps, FILTER_SERVICE, wine)
    });
    attempt(&mut steps, "devices", devices);
    attempt(&mut steps, "package ksink.inf", |steps| {
        package(steps, SINK_SERVICE, wine)
    });
    for name in [FILTER_SERVICE, SINK_SERVICE] {
        let what = format!("service {name}");
        attempt(&mut steps, &what, |steps| {
            let removed = service::stop_and_delete(name)?;
            steps.changed(removed, what.clone(), "deleted", "was not there");
            Ok(())
        });
    }
    attempt(&mut steps, "files", |steps| {
        for name in [FILTER_SERVICE, SINK_SERVICE] {
            let (file, removed) = files::remove_driver(name)?;
            steps.changed(
                removed,
                format!("file {}", file.display()),
                "deleted",
                "was not there",
            );
        }
        Ok(())
    });
    print(&steps, json)?;
    left_over(&steps)
}

/// Runs one step; its failure is reported and does not keep the others from being tried.
fn attempt(steps: &mut Steps, what: &str, step: impl FnOnce(&mut Steps) -> Result<(), Error>) {
    if let Err(error) = step(steps) {
        steps.failed(what, &error);
    }
}

/// Refuses while a sink is open: on Windows the devices are asked, in Wine the host knows.
fn in_use(wine: bool) -> Result<(), Failure> {
    if wine {
        let open = open_files()?;
        if open == 0 {
            return Ok(());
        }
        return Err(busy(&format!("{open} handles are open on the drivers' devices")));
    }
    let set = DeviceSet::root_enumerated()?;
    let mut stopped: Vec<DeviceData> = Vec::new();
    for (device, id) in stack::sinks(&set)? {
        if let Some(veto) = device.ask_to_stop(id)? {
            for device in &stopped {
                device.start_again();
            }
            return Err(busy(&format!("{id}: {veto}")));
        }
        stopped.push(device);
    }
    Ok(())
}

fn busy(what: &str) -> Failure {
    Failure::new(
        Exit::Io,
        format!("nothing was removed: {what}; close the programs that use the sinks, and try again"),
    )
}

/// Takes the filter off the sinks, where the Wine host has put it there.
fn detach(steps: &mut Steps) -> Result<(), Failure> {
    let Some(host) = wine_host()? else {
        steps.kept("filter, by the Wine host", "no driver is loaded");
        return Ok(());
    };
    let Stacks { changed, .. } = host.ask("detach the filter by", DETACH_FILTER, &())?;
    let detail = format!("taken off {changed} sinks");
    steps.changed(
        changed != 0,
        "filter, by the Wine host",
        &detail,
        "was above no sink",
    );
    Ok(())
}

fn upper_filters(steps: &mut Steps) -> Result<(), Error> {
    let set = DeviceSet::root_enumerated()?;
    for (device, id) in stack::sinks(&set)? {
        if stack::remove_filter(&set, &device, FILTER_SERVICE)? {
            steps.done(format!("UpperFilters of {id}"), "kswrite taken out");
        }
    }
    Ok(())
}

fn devices(steps: &mut Steps) -> Result<(), Error> {
    let set = DeviceSet::root_enumerated()?;
    let sinks = stack::sinks(&set)?;
    if sinks.is_empty() {
        steps.kept("devices", "there were none");
    }
    for (device, id) in sinks {
        steps.restart |= set.remove_and_ask(&device, id)?;
        steps.done(format!("device {id}"), "removed");
    }
    Ok(())
}

/// All versions of one package, from the devices and from the driver store.
fn package(steps: &mut Steps, service: &str, wine: bool) -> Result<(), Error> {
    let mut found = false;
    for package in stack::packages()?
        .into_iter()
        .filter(|package| package.service == service)
    {
        steps.restart |= store::remove(&package.published, wine)?;
        steps.done(
            format!("package {service}.inf"),
            format!("{} deleted", package.published),
        );
        found = true;
    }
    if !found {
        steps.kept(format!("package {service}.inf"), "was not there");
    }
    Ok(())
}

/// Success only if nothing of the project is left.
fn left_over(steps: &Steps) -> Result<Exit, Failure> {
    if steps.restart || steps.exit() != Exit::Success {
        return Ok(steps.exit());
    }
    let left = stack::installed()?;
    if left.nothing() {
        return Ok(Exit::Success);
    }
    Err(Failure::new(
        Exit::Io,
        format!("something is left after all steps:\n{left}"),
    ))
}
