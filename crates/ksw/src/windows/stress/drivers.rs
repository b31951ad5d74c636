//! The drivers' own view: the filter's counters and policies, and the Wine host's.
#![expect(unsafe_code, reason = "asks the system for the memory of this process")]

use std::thread;
use std::time::{Duration, Instant};

use ksw::status::HostCounters;
use ksw::stress::account;
use ksw::stress::finding::{Finding, Invariant};
use ksw::stress::tally::Tally;
use kswrite_client::{Access, Devices, Error, Filter, cells_alive};
use kswrite_wire::filter::{DeviceSelector, Statistics};
use kswrite_wire::policy::Policy;
use kswrite_wire::wine_host;
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use crate::windows::device::Device;
use crate::windows::host;

/// How often to look while something has to come to rest.
const LOOK: Duration = Duration::from_millis(5);

/// The drivers, as far as they answer.
pub(super) struct Drivers {
    /// The filter's control device; `None`: no filter is loaded.
    pub(super) filter: Option<Filter>,
    counters: Option<Device>,
    host: Option<Device>,
    policies: Vec<(u32, Policy)>,
    start: Option<Statistics>,
    /// What the host counted while nothing of this run was open.
    quiet: Option<HostCounters>,
}

/// `None` for what is not there.
fn present<T>(opened: Result<T, Error>) -> Result<Option<T>, Error> {
    match opened {
        Ok(device) => Ok(Some(device)),
        Err(error) if error.code().is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Drivers {
    pub(super) fn open() -> Result<Self, Error> {
        let filter = present(Filter::open())?;
        let counters = present(Device::filter())?;
        let host = present(Device::open(wine_host::CONTROL_PATH, Access::ReadWrite))?;
        let policies = filter.as_ref().map_or_else(|| Ok(Vec::new()), Filter::policies)?;
        let mut drivers = Self {
            filter,
            counters,
            host,
            policies,
            start: None,
            quiet: None,
        };
        drivers.start = drivers.statistics();
        drivers.quiet = drivers.host_counters();
        Ok(drivers)
    }

    /// The filter's counters, over all devices.
    pub(super) fn statistics(&self) -> Option<Statistics> {
        self.counters.as_ref()?.statistics(DeviceSelector::ALL).ok()
    }

    /// Whether there is a Wine host.
    pub(super) fn is_wine(&self) -> bool {
        self.host.is_some()
    }

    /// The filter's counters when this was opened.
    pub(super) fn start(&self) -> Option<Statistics> {
        self.start
    }

    /// What the Wine host counts.
    pub(super) fn host_counters(&self) -> Option<HostCounters> {
        host::counters(self.host.as_ref()?).ok()
    }

    /// The number of the n-th filtered device, modulo their number.
    pub(super) fn device(&self, n: usize) -> Option<u32> {
        let index = n.checked_rem(self.policies.len())?;
        self.policies.get(index).map(|(number, _)| *number)
    }

    /// Gives every device the policy that it had at first.
    pub(super) fn restore_policies(&self) {
        let Some(filter) = &self.filter else { return };
        for (number, policy) in &self.policies {
            // A device that is gone needs none.
            let _ = filter.set_policy(Devices::Number(*number), *policy);
        }
    }

    /// Waits until nothing is in flight and the host is as it was, and judges what is so then.
    pub(super) fn account(
        &self,
        before: Option<&Statistics>,
        tally: &Tally,
        strangers: bool,
        patience: Duration,
    ) -> Result<(), Finding> {
        let deadline = Instant::now() + patience;
        loop {
            let judged = self.judge(before, tally, strangers);
            if judged.is_ok() || Instant::now() > deadline {
                return judged;
            }
            thread::sleep(LOOK);
        }
    }

    fn judge(&self, before: Option<&Statistics>, tally: &Tally, strangers: bool) -> Result<(), Finding> {
        if let (Some(before), Some(after)) = (before, self.statistics()) {
            account::filter(before, &after, tally, strangers)?;
        }
        match (&self.quiet, self.host_counters()) {
            (Some(before), Some(after)) => account::host(before, &after),
            _ => Ok(()),
        }
    }
}

/// Waits until the memory that was lent to the system is back, but for `lent_for_good`.
pub(super) fn memory_is_back(lent_for_good: u64, patience: Duration) -> Result<(), Finding> {
    let deadline = Instant::now() + patience;
    while cells_alive() as u64 > lent_for_good {
        if Instant::now() > deadline {
            let text = format!(
                "the system has the memory of {} writes, and {lent_for_good} of them are those of ended threads",
                cells_alive()
            );
            return Err(Finding::new(Invariant::CompletesOnce, text));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Bytes that this process has committed.
pub(super) fn memory() -> Option<u64> {
    let size = u32::try_from(size_of::<PROCESS_MEMORY_COUNTERS>()).ok()?;
    let mut counters = PROCESS_MEMORY_COUNTERS {
        cb: size,
        ..PROCESS_MEMORY_COUNTERS::default()
    };
    // SAFETY: no preconditions.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the structure is ours, and its size is given.
    let known = unsafe { K32GetProcessMemoryInfo(process, &raw mut counters, size) };
    (known != 0).then_some(counters.PagefileUsage as u64)
}
