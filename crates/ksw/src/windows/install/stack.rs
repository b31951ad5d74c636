//! Packages, services and devices as they are, and the filters of a device.

use std::path::{Path, PathBuf};

use ksw::digest::hex;
use ksw::install::package;
use ksw::install::stack::{
    DeviceReport, Installed, PublishedInf, ServiceReport, with_filter, without_filter,
};
use kswrite_client::{Error, Win32Error};
use kswrite_wire::names::{FILTER_SERVICE, SINK_SERVICE, SinkKind};
use sha2::{Digest, Sha256};

use super::super::devices::{DeviceData, DeviceSet};
use super::super::service;
use super::super::version::file_version;
use super::{files, registry};

/// All of it.
pub(in super::super) fn installed() -> Result<Installed, Error> {
    let mut services = Vec::new();
    for name in [FILTER_SERVICE, SINK_SERVICE] {
        services.push(service_report(name)?);
    }
    let set = DeviceSet::root_enumerated()?;
    let mut devices = Vec::new();
    for (device, id) in sinks(&set)? {
        devices.push(device_report(&set, &device, id)?);
    }
    Ok(Installed {
        packages: packages()?,
        services,
        devices,
    })
}

/// The published INF files of this project.
pub(super) fn packages() -> Result<Vec<PublishedInf>, Error> {
    let folder = files::windows().join("INF");
    let failure =
        |error: &std::io::Error| Error::new(format!("list {}", folder.display()), Win32Error::from_io(error));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| failure(&error))? {
        let entry = entry.map_err(|error| failure(&error))?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        // Windows publishes under a number, Wine under the package's own name.
        let own = [FILTER_SERVICE, SINK_SERVICE]
            .iter()
            .any(|service| name == format!("{service}.inf"));
        let numbered =
            name.starts_with("oem") && Path::new(&name).extension().is_some_and(|end| end == "inf");
        if !(own || numbered) {
            continue;
        }
        // One that cannot be read is not ours: ours can be.
        if let Ok(bytes) = std::fs::read(entry.path()) {
            found.extend(PublishedInf::read(&name, &package::text(&bytes)));
        }
    }
    found.sort_by(|a, b| a.published.cmp(&b.published));
    Ok(found)
}

fn service_report(name: &str) -> Result<ServiceReport, Error> {
    let state = service::state(name)?;
    let image = state
        .as_ref()
        .and_then(|_| registry::text(&format!(r"SYSTEM\CurrentControlSet\Services\{name}"), "ImagePath"));
    let path = image.as_deref().map(image_path);
    let bytes = path.as_deref().and_then(|path| std::fs::read(path).ok());
    Ok(ServiceReport {
        name: name.to_owned(),
        state: state.map(str::to_owned),
        file_version: path.as_deref().and_then(file_version),
        sha256: bytes.map(|bytes| hex(&Sha256::digest(bytes))),
        image,
    })
}

/// `\SystemRoot\...`, `\??\C:\...` or `System32\...` as a path that programs can open.
fn image_path(image: &str) -> PathBuf {
    let windows = files::windows();
    if let Some(rest) = image.strip_prefix(r"\??\") {
        return rest.into();
    }
    let lower = image.to_ascii_lowercase();
    if lower.starts_with(r"\systemroot\") {
        return windows.join(image.get(12..).unwrap_or_default());
    }
    if lower.starts_with(r"system32\") {
        return windows.join(image);
    }
    image.into()
}

/// The project's devices in a set, with their hardware IDs.
pub(super) fn sinks(set: &DeviceSet) -> Result<Vec<(DeviceData, &'static str)>, Error> {
    let mut found = Vec::new();
    for device in set.devices()? {
        for kind in SinkKind::ALL {
            if set.has_hardware_id(&device, kind.hardware_id())? {
                found.push((device, kind.hardware_id()));
            }
        }
    }
    Ok(found)
}

fn device_report(set: &DeviceSet, device: &DeviceData, id: &str) -> Result<DeviceReport, Error> {
    let one = |values: Vec<String>| values.into_iter().next();
    let instance = set.instance_id(device)?;
    let driver_key = one(set.driver_key(device)?);
    let of_driver = |value: &str| {
        let key = format!(r"SYSTEM\CurrentControlSet\Control\Class\{}", driver_key.as_ref()?);
        registry::text(&key, value)
    };
    Ok(DeviceReport {
        hardware_id: id.to_owned(),
        problem: set.problem(device),
        service: one(set.service(device)?),
        inf: of_driver("InfPath"),
        version: of_driver("DriverVersion"),
        provider: of_driver("ProviderName"),
        upper_filters: set.upper_filters(device)?,
        stack: set.stack(device),
        instance,
    })
}

/// Appends the filter to the device's list. Returns whether it was not there.
pub(super) fn add_filter(set: &DeviceSet, device: &DeviceData, name: &str) -> Result<bool, Error> {
    match with_filter(&set.upper_filters(device)?, name) {
        Some(filters) => set.set_upper_filters(device, &filters).map(|()| true),
        None => Ok(false),
    }
}

/// Takes the filter out of the device's list. Returns whether it was there.
pub(super) fn remove_filter(set: &DeviceSet, device: &DeviceData, name: &str) -> Result<bool, Error> {
    match without_filter(&set.upper_filters(device)?, name) {
        Some(filters) => set.set_upper_filters(device, &filters).map(|()| true),
        None => Ok(false),
    }
}
