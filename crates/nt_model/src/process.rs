//! The process: its quota and its I/O counters.

use kswrite_core::NtStatus;

use crate::state::State;

/// What a process and the system count; of reads, nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// `WriteOperationCount`.
    pub write_operations: u64,
    /// `WriteTransferCount`, in bytes.
    pub write_bytes: u64,
    /// `OtherTransferCount`, in bytes.
    pub other_bytes: u64,
}

/// The process.
pub(crate) struct Process {
    pub(crate) counters: Counters,
    /// `IoCountOperations`.
    pub(crate) counts: bool,
    /// Bytes of non-paged pool that may be charged.
    pub(crate) quota: u64,
    pub(crate) charged: u64,
    /// Pool of drivers that is not charged to anybody.
    pub(crate) pool: u64,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            counts: true,
            quota: u64::MAX,
            charged: 0,
            pool: 0,
        }
    }
}

impl Process {
    /// Charges bytes to the quota.
    pub(crate) fn charge(&mut self, bytes: u64) -> Result<(), NtStatus> {
        let charged = self.charged.saturating_add(bytes);
        if charged > self.quota {
            return Err(NtStatus::QUOTA_EXCEEDED);
        }
        self.charged = charged;
        Ok(())
    }
}

impl State {
    pub(crate) fn count(&mut self, add: impl FnOnce(&mut Counters)) {
        if self.process.counts {
            add(&mut self.process.counters);
        }
    }
}
