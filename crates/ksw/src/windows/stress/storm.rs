//! The thread that disturbs all others.

use std::os::windows::io::{AsHandle, OwnedHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ksw::stress::account;
use ksw::stress::finding::Finding;
use ksw::stress::program::{Gust, LANES, Storm};
use ksw::stress::report::Disturbances;
use kswrite_client::{Devices, cancel_synchronous, control};
use kswrite_wire::sink::{RELEASE, Released};

use super::drivers::Drivers;
use super::registry::Registry;

/// More than all threads and the victim together can have in flight.
const MOST_IN_FLIGHT: u32 = 1 << 20;

/// What the disturbing thread needs.
pub(super) struct Disturber {
    pub(super) seed: u64,
    pub(super) workers: usize,
    /// The threads with synchronous handles.
    pub(super) synchronous: Vec<OwnedHandle>,
    pub(super) registry: Arc<Registry>,
    pub(super) drivers: Arc<Drivers>,
    pub(super) policies: bool,
    pub(super) stop: Arc<AtomicBool>,
}

impl Disturber {
    /// Goes on until it is told to stop.
    pub(super) fn run(self) -> (Disturbances, Option<Finding>) {
        let mut done = Disturbances::default();
        let mut last = self.drivers.statistics();
        for gust in Storm::new(self.seed, self.workers) {
            if self.stop.load(Ordering::Acquire) {
                break;
            }
            if gust == Gust::Look {
                let now = self.drivers.statistics();
                if let (Some(last), Some(now)) = (&last, &now)
                    && let Err(finding) = account::while_running(last, now, MOST_IN_FLIGHT)
                {
                    return (done, Some(finding));
                }
                last = now;
                done.looks += 1;
            } else {
                self.blow(gust, &mut done);
            }
        }
        (done, None)
    }

    /// What fails here has found nothing to disturb.
    fn blow(&self, gust: Gust, done: &mut Disturbances) {
        match gust {
            Gust::CancelAll { worker, lane } => {
                let asked = self.registry.with(worker, lane, kswrite_client::File::cancel_all);
                done.cancel_all += u64::from(asked == Some(Ok(())));
            }
            Gust::CancelSynchronous => {
                for thread in &self.synchronous {
                    let asked = cancel_synchronous(thread.as_handle());
                    done.cancel_synchronous += u64::from(asked.is_ok());
                }
            }
            Gust::Release { worker, lane } => {
                // A request on a synchronous handle would wait for the write that it is to release.
                let released = self.registry.with(worker, lane, |file| {
                    (!file.is_synchronous()).then(|| control::<(), Released>(file, RELEASE, &()))
                });
                done.releases += u64::from(matches!(released, Some(Some(Ok(_)))));
            }
            Gust::Policy { device, policy } => {
                if self.policies
                    && let Some(filter) = &self.drivers.filter
                    && let Some(number) = self.drivers.device(device)
                {
                    let set = filter.set_policy(Devices::Number(number), policy);
                    done.policies += u64::from(set.is_ok());
                }
            }
            Gust::Look => {}
            Gust::Pause(microseconds) => thread::sleep(Duration::from_micros(microseconds.into())),
        }
    }
}

/// Cancels whatever a thread with synchronous handles may wait in: where the disturbing thread has stopped,
/// a held write would wait for ever.
pub(super) fn let_go(registry: &Registry, workers: usize) {
    for worker in 0..workers {
        for lane in 0..LANES {
            registry.with(worker, lane, |file| {
                if file.is_synchronous() {
                    // Nothing to cancel is as good.
                    let _ = file.cancel_all();
                }
            });
        }
    }
}
