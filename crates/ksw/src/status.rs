//! What the drivers say of themselves: `ksw status`, `ksw stats`, `ksw host counters`.

use std::fmt;

use kswrite_wire::filter::Version;
use kswrite_wire::wine_host::Counters;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::install::stack::Installed;
use crate::report::FilterCounters;
use crate::table::{Align, Table, grouped};

/// The result of `ksw status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The filter's control device.
    pub filter: Answer<FilterVersion>,
    /// The Wine host's control device; exists in Wine only.
    pub wine_host: Answer<HostCounters>,
    /// The sinks, by their names.
    pub sinks: Vec<SinkAnswer>,
    /// Paths that the device interface class of the sinks enumerates.
    pub interfaces: Vec<String>,
    /// Packages, services and device stacks.
    #[serde(default)]
    pub installed: Installed,
}

/// What came of asking a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// It answered.
    Present(T),
    /// There is no such device.
    Absent,
    /// It is there, or something is, but it did not answer properly.
    Failed(String),
}

/// Which filter answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterVersion {
    /// Version of the protocol that the driver speaks.
    pub wire: u32,
    /// Version of the protocol that this program speaks.
    pub expected_wire: u32,
    /// Version of the driver package.
    pub version: String,
}

impl From<Version> for FilterVersion {
    fn from(version: Version) -> Self {
        Self {
            wire: version.wire,
            expected_wire: kswrite_wire::filter::WIRE_VERSION,
            version: format!("{}.{}.{}", version.major, version.minor, version.patch),
        }
    }
}

/// Whether a sink answered under its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkAnswer {
    /// `buffered`, `direct` or `neither`.
    pub kind: String,
    /// Win32 name.
    pub path: String,
    /// What came of asking it.
    pub answer: Answer<()>,
}

impl StatusReport {
    /// Success when the filter, in the version that this program speaks, and all sinks answer.
    pub fn exit(&self) -> Exit {
        let filter = match &self.filter {
            Answer::Present(version) if version.wire == version.expected_wire => Exit::Success,
            Answer::Absent => Exit::Absent,
            Answer::Present(_) | Answer::Failed(_) => Exit::Io,
        };
        let sinks = self.sinks.iter().map(|sink| match sink.answer {
            Answer::Present(()) => Exit::Success,
            Answer::Absent => Exit::Absent,
            Answer::Failed(_) => Exit::Io,
        });
        sinks.chain([filter]).max().unwrap_or(Exit::Success)
    }
}

fn words<T>(answer: &Answer<T>, present: impl FnOnce(&T) -> String) -> String {
    match answer {
        Answer::Present(value) => present(value),
        Answer::Absent => "not there".to_owned(),
        Answer::Failed(message) => message.clone(),
    }
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Left)]);
        let filter = words(&self.filter, |version| {
            let FilterVersion {
                wire,
                expected_wire,
                version,
            } = version;
            if wire == expected_wire {
                return format!("version {version}");
            }
            format!(
                "version {version} speaks protocol {wire}, this program {expected_wire}: install both from one \
                 build"
            )
        });
        table.row(["filter", kswrite_wire::names::CONTROL_PATH, &filter]);
        for sink in &self.sinks {
            let answer = words(&sink.answer, |()| "answers".to_owned());
            table.row([&format!("sink {}", sink.kind), &sink.path, &answer]);
        }
        for path in &self.interfaces {
            table.row(["sink interface", path, "enumerated"]);
        }
        let host = words(&self.wine_host, HostCounters::to_string);
        table.row(["wine host", kswrite_wire::wine_host::CONTROL_PATH, &host]);
        table.fmt(f)?;
        write!(f, "\n{}", self.installed)
    }
}

/// The result of `ksw stats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsReport {
    /// The filtered device that the numbers are of; `None`: all.
    pub device_index: Option<u32>,
    /// Whether they are of the writes to file objects instead.
    #[serde(default)]
    pub file_objects: bool,
    /// The counters.
    pub counters: FilterCounters,
    /// Whether they were set to zero after they were read.
    pub reset: bool,
}

impl fmt::Display for StatsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([("counter", Align::Left), ("value", Align::Right)]);
        for (name, value) in self.counters.rows() {
            table.row([name.to_owned(), grouped(value)]);
        }
        table.fmt(f)
    }
}

/// What is outstanding in the drivers, and what was found wrong: [`Counters`] with names in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCounters {
    /// Framework objects, of any kind but requests.
    pub objects: u32,
    /// Framework requests not complete.
    pub requests: u32,
    /// IRPs allocated and not freed.
    pub irps: u32,
    /// MDLs allocated and not freed.
    pub mdls: u32,
    /// MDLs whose pages are locked.
    pub locked_mdls: u32,
    /// References taken and not given back.
    pub references: u32,
    /// Pool allocations not freed.
    pub pool_allocations: u32,
    /// Findings: each is in the drivers' log.
    pub findings: u32,
    /// Bytes of the pool allocations.
    pub pool_bytes: u64,
    /// Open handles on devices of the drivers.
    pub open_files: u64,
}

impl From<Counters> for HostCounters {
    fn from(c: Counters) -> Self {
        Self {
            objects: c.objects,
            requests: c.requests,
            irps: c.irps,
            mdls: c.mdls,
            locked_mdls: c.locked_mdls,
            references: c.references,
            pool_allocations: c.pool_allocations,
            findings: c.findings,
            pool_bytes: c.pool_bytes,
            open_files: c.open_files,
        }
    }
}

impl HostCounters {
    /// Nothing of a write is outstanding, no handle is open, and nothing was found wrong. Objects and pool
    /// are not judged: a loaded driver has some, and what is left of them at unload is a finding.
    pub fn clean(&self) -> bool {
        let outstanding = [
            self.requests,
            self.irps,
            self.mdls,
            self.locked_mdls,
            self.references,
        ];
        outstanding.iter().all(|count| *count == 0) && self.open_files == 0 && self.findings == 0
    }
}

impl fmt::Display for HostCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "requests {}, IRPs {}, MDLs {} ({} locked), references {}, open files {}, findings {}, objects {}, \
             pool {} bytes in {} allocations",
            self.requests,
            self.irps,
            self.mdls,
            self.locked_mdls,
            self.references,
            self.open_files,
            self.findings,
            self.objects,
            grouped(self.pool_bytes),
            self.pool_allocations
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> StatusReport {
        let version = Version {
            wire: kswrite_wire::filter::WIRE_VERSION,
            major: 0,
            minor: 1,
            patch: 0,
        };
        StatusReport {
            filter: Answer::Present(version.into()),
            wine_host: Answer::Absent,
            sinks: vec![SinkAnswer {
                kind: "direct".to_owned(),
                path: r"\\.\KsSinkDirect".to_owned(),
                answer: Answer::Present(()),
            }],
            interfaces: Vec::new(),
            installed: Installed::default(),
        }
    }

    #[test]
    fn the_exit_code_tells_absent_from_broken() {
        assert_eq!(status().exit(), Exit::Success);
        assert_eq!(
            StatusReport {
                filter: Answer::Absent,
                ..status()
            }
            .exit(),
            Exit::Absent
        );
        let mut broken = status();
        broken.sinks[0].answer = Answer::Failed("x".to_owned());
        assert_eq!(broken.exit(), Exit::Io);
        let other = Answer::Present(
            Version {
                wire: 99,
                ..Version::default()
            }
            .into(),
        );
        let other = StatusReport {
            filter: other,
            ..status()
        };
        assert_eq!(other.exit(), Exit::Io);
        assert!(other.to_string().contains("speaks protocol 99"), "{other}");
    }

    #[test]
    fn json_is_read_back_unchanged() {
        let json = serde_json::to_string(&status()).unwrap();
        assert_eq!(serde_json::from_str::<StatusReport>(&json).unwrap(), status());
    }

    #[test]
    fn whatever_is_outstanding_is_not_clean() {
        let loaded = HostCounters {
            objects: 7,
            pool_allocations: 2,
            pool_bytes: 99,
            ..HostCounters::default()
        };
        assert!(loaded.clean());
        for left in [
            HostCounters {
                requests: 1,
                ..loaded
            },
            HostCounters { irps: 1, ..loaded },
            HostCounters { mdls: 1, ..loaded },
            HostCounters {
                locked_mdls: 1,
                ..loaded
            },
            HostCounters {
                references: 1,
                ..loaded
            },
            HostCounters {
                open_files: 1,
                ..loaded
            },
            HostCounters {
                findings: 1,
                ..loaded
            },
        ] {
            assert!(!left.clean(), "{left:?}");
        }
    }
}
