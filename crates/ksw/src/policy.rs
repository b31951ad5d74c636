//! What the filter may do with the writes of its devices: `ksw policy`.

use std::fmt;

use kswrite_wire::policy::Policy;
use serde::{Deserialize, Serialize};

use crate::table::{Align, Table};

/// The result of `ksw policy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyReport {
    /// By device.
    pub devices: Vec<DevicePolicy>,
}

/// The policy of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicePolicy {
    /// The number of the device.
    pub device: u32,
    /// Its policy.
    pub policy: String,
}

impl PolicyReport {
    /// Of these devices.
    pub fn new(devices: impl IntoIterator<Item = (u32, Policy)>) -> Self {
        let devices = devices.into_iter().map(|(device, policy)| DevicePolicy {
            device,
            policy: policy.word().to_owned(),
        });
        Self {
            devices: devices.collect(),
        }
    }
}

impl fmt::Display for PolicyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.devices.is_empty() {
            return writeln!(f, "the filter is on no device");
        }
        let mut table = Table::new([("device", Align::Right), ("policy", Align::Left)]);
        for DevicePolicy { device, policy } in &self.devices {
            table.row([&device.to_string(), policy]);
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_a_row() {
        let report = PolicyReport::new([(0, Policy::Fast), (12, Policy::Bypass)]);
        let text = report.to_string();
        assert_eq!(
            text,
            "device  policy\n------  ------\n     0  fast\n    12  bypass\n"
        );
        let none = PolicyReport::new([]);
        assert_eq!(none.to_string(), "the filter is on no device\n");
    }
}
