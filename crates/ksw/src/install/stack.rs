//! Packages, services and device stacks as they are.

use std::fmt;

use kswrite_inf::Inf;
use kswrite_wire::names::{FILTER_SERVICE, SINK_SERVICE};
use serde::{Deserialize, Serialize};

use super::package::driver_ver;
use crate::table::{Align, Table};

/// Provider of this project's INF files.
const PROVIDER: &str = "kswrite project";

/// An INF of this project in the folder of published INF files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedInf {
    /// `oem3.inf`.
    pub published: String,
    /// The service that it makes: `ksink` or `kswrite`.
    pub service: String,
    /// `DriverVer`.
    pub version: String,
}

impl PublishedInf {
    /// Reads a published INF; `None` if it is not of this project.
    pub fn read(published: &str, text: &str) -> Option<Self> {
        let inf = Inf::parse(text).ok()?;
        let ours = |name: &str| [SINK_SERVICE, FILTER_SERVICE].contains(&name);
        let service = inf
            .services()
            .iter()
            .map(|service| service.name)
            .find(|name| ours(name))?
            .to_owned();
        (inf.value("Version", "Provider")? == PROVIDER).then(|| Self {
            published: published.to_owned(),
            service,
            version: driver_ver(&inf),
        })
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// Its name.
    pub name: String,
    /// `running`, `stopped`, ...; `None` when there is no such service.
    pub state: Option<String>,
    /// Path of the image, as the service has it.
    pub image: Option<String>,
    /// What the image's version resource says.
    pub file_version: Option<String>,
    /// SHA-256 of the image, in hexadecimal.
    pub sha256: Option<String>,
}

/// A device that the project has made, with its stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Device instance ID.
    pub instance: String,
    /// Hardware ID.
    pub hardware_id: String,
    /// Problem code of Plug and Play; 0 for none, `None` when the system does not tell.
    pub problem: Option<u32>,
    /// Service of the function driver.
    pub service: Option<String>,
    /// `oem3.inf`.
    pub inf: Option<String>,
    /// Version of the driver package.
    pub version: Option<String>,
    /// Who made the driver package.
    pub provider: Option<String>,
    /// Filters of the value `UpperFilters`.
    pub upper_filters: Vec<String>,
    /// Driver objects from the top down, as the system knows them.
    pub stack: Vec<String>,
}

/// What Plug and Play's problem codes mean that these devices can have.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/install/device-manager-error-messages>
const PROBLEMS: [(u32, &str); 15] = [
    (10, "CM_PROB_FAILED_START: the device did not start"),
    (14, "CM_PROB_NEED_RESTART: restart the system"),
    (18, "CM_PROB_REINSTALL: install the driver again"),
    (
        19,
        "CM_PROB_REGISTRY: the registry values of the device are damaged",
    ),
    (
        21,
        "CM_PROB_WILL_BE_REMOVED: it is being removed; close what has it open",
    ),
    (22, "CM_PROB_DISABLED: it was disabled"),
    (24, "CM_PROB_DEVICE_NOT_THERE: it is not there"),
    (28, "CM_PROB_FAILED_INSTALL: no driver is installed"),
    (31, "CM_PROB_FAILED_ADD: a driver's AddDevice failed"),
    (32, "CM_PROB_DISABLED_SERVICE: the service is disabled"),
    (37, "CM_PROB_FAILED_DRIVER_ENTRY: DriverEntry failed"),
    (
        38,
        "CM_PROB_DRIVER_FAILED_PRIOR_UNLOAD: an older instance is still loaded",
    ),
    (39, "CM_PROB_DRIVER_FAILED_LOAD: the driver could not be loaded"),
    (
        48,
        "CM_PROB_DRIVER_BLOCKED: the system does not allow this driver",
    ),
    (
        52,
        "CM_PROB_UNSIGNED_DRIVER: turn test signing on, or sign the driver",
    ),
];

/// A problem code in words.
pub fn problem_words(code: u32) -> String {
    if code == 0 {
        return "started".to_owned();
    }
    let known = PROBLEMS.iter().find(|(number, _)| *number == code);
    known.map_or_else(
        || format!("problem {code}"),
        |(_, words)| format!("problem {code}, {words}"),
    )
}

/// Everything that is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Published INF files.
    pub packages: Vec<PublishedInf>,
    /// The services of both drivers.
    pub services: Vec<ServiceReport>,
    /// The devices with their stacks.
    pub devices: Vec<DeviceReport>,
}

impl Installed {
    /// Whether nothing is left of the project: no package, service or device.
    pub fn nothing(&self) -> bool {
        self.packages.is_empty()
            && self.devices.is_empty()
            && self.services.iter().all(|service| service.state.is_none())
    }
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Left)]);
        for package in &self.packages {
            table.row([
                format!("package {}", package.service),
                package.published.clone(),
                package.version.clone(),
            ]);
        }
        for service in &self.services {
            let state = service.state.as_deref().unwrap_or("not there");
            let mut detail = service.image.clone().unwrap_or_default();
            for (name, value) in [("version", &service.file_version), ("SHA-256", &service.sha256)] {
                if let Some(value) = value {
                    detail = format!("{detail}, {name} {value}");
                }
            }
            table.row([format!("service {}", service.name), state.to_owned(), detail]);
        }
        for device in &self.devices {
            let state = device
                .problem
                .map_or_else(|| "state unknown".to_owned(), problem_words);
            let driver: Vec<&str> = [&device.service, &device.inf, &device.version, &device.provider]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            table.row([format!("device {}", device.instance), state, driver.join(", ")]);
            if !device.upper_filters.is_empty() {
                table.row([
                    String::new(),
                    "UpperFilters".to_owned(),
                    device.upper_filters.join(", "),
                ]);
            }
            if !device.stack.is_empty() {
                table.row([String::new(), "stack".to_owned(), device.stack.join(" > ")]);
            }
        }
        table.fmt(f)
    }
}

/// A list of filters with `name` at its end; `None` if it is there already, in whatever case.
pub fn with_filter(filters: &[String], name: &str) -> Option<Vec<String>> {
    let there = filters.iter().any(|filter| filter.eq_ignore_ascii_case(name));
    (!there).then(|| filters.iter().cloned().chain([name.to_owned()]).collect())
}

/// A list of filters without `name`; `None` if it is not there. Those of others keep their order.
pub fn without_filter(filters: &[String], name: &str) -> Option<Vec<String>> {
    let rest: Vec<String> = filters
        .iter()
        .filter(|filter| !filter.eq_ignore_ascii_case(name))
        .cloned()
        .collect();
    (rest.len() != filters.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn filters_of_others_keep_their_place() {
        let others = list(&["one", "two"]);
        let with = with_filter(&others, "kswrite").unwrap();
        assert_eq!(with, list(&["one", "two", "kswrite"]));
        assert_eq!(with_filter(&with, "KSWRITE"), None);
        assert_eq!(without_filter(&with, "KsWrite"), Some(others.clone()));
        assert_eq!(without_filter(&others, "kswrite"), None);
    }

    #[test]
    fn only_this_projects_inf_files_are_ours() {
        let text = |provider: &str, service: &str| {
            format!(
                "[Version]\nProvider=%P%\nDriverVer=11/20/2025,0.1.0.0\n[Manufacturer]\n%P%=D,NTamd64\n[D.NTamd64]\n\
                 %P%=Go,X\n[Go.NT]\n[Go.NT.Services]\nAddService={service},2,S\n[S]\n[Strings]\nP=\"{provider}\"\n"
            )
        };
        let ours = PublishedInf::read("oem1.inf", &text(PROVIDER, "ksink")).unwrap();
        assert_eq!(
            (ours.service.as_str(), ours.version.as_str()),
            ("ksink", "11/20/2025,0.1.0.0")
        );
        assert_eq!(PublishedInf::read("oem1.inf", &text("Somebody", "ksink")), None);
        assert_eq!(PublishedInf::read("oem1.inf", &text(PROVIDER, "other")), None);
        assert_eq!(PublishedInf::read("oem1.inf", "[x"), None);
    }

    #[test]
    fn a_problem_is_named() {
        assert_eq!(problem_words(0), "started");
        assert!(problem_words(52).contains("UNSIGNED"));
        assert_eq!(problem_words(99), "problem 99");
    }

    #[test]
    fn nothing_is_left_only_when_all_is_gone() {
        let mut installed = Installed::default();
        assert!(installed.nothing());
        installed.devices.push(DeviceReport::default());
        assert!(!installed.nothing());
    }
}
