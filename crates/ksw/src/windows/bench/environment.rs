//! Where a benchmark runs.

use std::env;
use std::time::SystemTime;

use ksw::bench::report::Environment;
use kswrite_wire::filter::{GET_VERSION, Version};
use windows_registry::LOCAL_MACHINE;

use super::super::device::Device;
use super::super::install::{stack, system};

/// Asks for all of it. What cannot be known is left unknown.
pub(super) fn read() -> Environment {
    Environment {
        time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        command: env::args().collect::<Vec<_>>().join(" "),
        ksw: env!("CARGO_PKG_VERSION").to_owned(),
        system: system::read(),
        processor: processor(),
        filter: filter(),
        images: images(),
    }
}

fn processor() -> Option<String> {
    let key = LOCAL_MACHINE.open(r"HARDWARE\DESCRIPTION\System\CentralProcessor\0");
    let name = key.ok()?.get_string("ProcessorNameString").ok()?;
    Some(name.trim().to_owned())
}

fn filter() -> Option<String> {
    let device = Device::filter().ok()?;
    let version: Version = device.ask("read the version of", GET_VERSION, &()).ok()?;
    let Version {
        wire,
        major,
        minor,
        patch,
    } = version;
    Some(format!("{major}.{minor}.{patch}, protocol {wire}"))
}

fn images() -> Vec<(String, String)> {
    let services = stack::installed().map(|installed| installed.services);
    let known = services.into_iter().flatten().filter_map(|service| {
        let version = service.file_version.unwrap_or_else(|| "no version".to_owned());
        let digest = service.sha256?;
        let short = digest.get(..16).unwrap_or(&digest);
        Some((service.name, format!("{version}, sha256 {short}...")))
    });
    known.collect()
}
