//! What the Wine host counts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `ksw host counters --json`: [`kswrite_wire::wine_host::Counters`] with names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostCounters {
    objects: u32,
    requests: u32,
    irps: u32,
    mdls: u32,
    locked_mdls: u32,
    references: u32,
    pool_allocations: u32,
    findings: u32,
    pool_bytes: u64,
    open_files: u64,
}

impl HostCounters {
    /// Nothing of a write is left, and nothing was found wrong. Objects and pool are not judged: a loaded
    /// driver has some, and the host reports what is left of them when it unloads.
    pub(crate) fn clean(&self) -> bool {
        self.outstanding() == 0 && self.findings == 0
    }

    fn outstanding(&self) -> u64 {
        let small = [
            self.requests,
            self.irps,
            self.mdls,
            self.locked_mdls,
            self.references,
        ];
        small.into_iter().map(u64::from).sum::<u64>() + self.open_files
    }
}

impl fmt::Display for HostCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "requests {}, IRPs {}, MDLs {} ({} locked), references {}, open files {}, findings {}; \
             the loaded drivers hold {} objects, {} pool bytes",
            self.requests,
            self.irps,
            self.mdls,
            self.locked_mdls,
            self.references,
            self.open_files,
            self.findings,
            self.objects,
            self.pool_bytes,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_write_leaves_is_not_clean() {
        let loaded = HostCounters {
            objects: 9,
            pool_bytes: 4096,
            pool_allocations: 3,
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
