//! One round: threads and a disturber, from their start until nothing is left of them.

use std::os::windows::io::{AsHandle, OwnedHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ksw::stress::finding::{Finding, Invariant};
use ksw::stress::log::Log;
use ksw::stress::plan::StressPlan;
use ksw::stress::program::{Program, Role, derive};
use ksw::stress::report::{Disturbances, Located, ThreadLog};
use ksw::stress::tally::Tally;
use ksw::stress::worker::Worker;
use kswrite_client::{Error, Win32Error};
use kswrite_wire::filter::Statistics;

use super::drivers::{self, Drivers};
use super::registry::Registry;
use super::storm::{self, Disturber};
use super::venue::Native;
use super::victim;
use crate::windows::interrupt;

/// How long a write may take that nothing holds back. Generous: it only turns a hang into a finding.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a thread may do nothing at all.
const STALL: Duration = Duration::from_mins(3);
/// How often the threads are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Numbers that tell the seeds of a round's parts apart.
const STORM: u64 = 1 << 32;
const VICTIM: u64 = 2 << 32;
const ENDS: u64 = 3 << 32;

/// What a round is to do.
pub(super) struct Round<'a> {
    pub(super) plan: &'a StressPlan,
    pub(super) seed: u64,
    pub(super) operations: u64,
    /// `None`: this process is a victim, and the drivers' counters are its parent's affair.
    pub(super) drivers: Option<Arc<Drivers>>,
    /// Operations whose memory stays lent because of earlier rounds.
    pub(super) lent_for_good: u64,
    /// Told the operations that were done, now and then.
    pub(super) progress: &'a dyn Fn(u64),
}

/// What came of it.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    pub(super) disturbances: Disturbances,
    pub(super) findings: Vec<Located>,
    pub(super) logs: Vec<ThreadLog>,
}

/// A thread that has ended.
struct Ended {
    worker: Worker<Native>,
    result: Result<(), Finding>,
    abruptly: bool,
}

/// What the threads share.
struct Shared {
    registry: Arc<Registry>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

type Writer = (String, Log, JoinHandle<Ended>);
type Disturbing = JoinHandle<(Disturbances, Option<Finding>)>;

impl Round<'_> {
    pub(super) fn run(&self) -> Result<Outcome, Error> {
        let before = self.drivers.as_ref().and_then(|drivers| drivers.statistics());
        let shared = Shared {
            registry: Arc::new(Registry::new(self.plan.threads)),
            stop: Arc::default(),
            done: Arc::default(),
        };
        let writers = self.start_writers(&shared)?;
        let victim = self.start_victim();
        let calm = Arc::new(AtomicBool::new(false));
        let disturber = self.start_disturber(&writers, &shared, &calm)?;
        let mut outcome = Outcome::default();
        let stuck = self.watch(&writers, &shared, disturber.as_ref());
        calm.store(true, Ordering::Release);
        outcome.logs = logs(&writers);
        if let Some(stuck) = stuck {
            // Its memory is lent to the system, so it cannot be ended; the process will.
            outcome.findings.push(stuck);
            return Ok(outcome);
        }
        outcome
            .findings
            .extend(join(disturber, &mut outcome.disturbances));
        if let Some(victim) = victim {
            outcome.disturbances.processes_ended += 1;
            outcome
                .findings
                .extend(victim.join().ok().and_then(Result::err).map(by("victim")));
        }
        let is_wine = self.drivers.as_ref().is_some_and(|drivers| drivers.is_wine());
        for (name, _, writer) in writers {
            let Ok(ended) = writer.join() else {
                let finding = Finding::new(Invariant::Progress, "the thread panicked");
                outcome.findings.push(by(&name)(finding));
                continue;
            };
            let found = bury(ended, is_wine, &mut outcome);
            outcome.findings.extend(found.err().map(by(&name)));
        }
        if let Some(drivers) = &self.drivers {
            drivers.restore_policies();
            if outcome.findings.is_empty() {
                let judged = self.account(drivers, before.as_ref(), &outcome);
                outcome.findings.extend(judged.err().map(by("the round")));
            }
        }
        Ok(outcome)
    }

    fn start_writers(&self, shared: &Shared) -> Result<Vec<Writer>, Error> {
        let start = Instant::now();
        let targets: Arc<[String]> = self.plan.targets.clone().into();
        (0..self.plan.threads)
            .map(|index| {
                let name = format!("thread {index}");
                let log = Log::new(start);
                let native = Native::new(index, Arc::clone(&targets), Arc::clone(&shared.registry))?;
                let seed = derive(self.seed, index as u64);
                let worker = Worker::new(native, seed, log.clone(), PATIENCE);
                let role = self.plan.role(index);
                let steps = share(self.operations, self.plan.threads, index);
                let program = Program::new(seed, role, self.plan.targets.len());
                let abruptly = role == Role::Overlapped && derive(seed, ENDS).is_multiple_of(4);
                let (stop, done) = (Arc::clone(&shared.stop), Arc::clone(&shared.done));
                let body = move || write(worker, program.take(steps), abruptly, &stop, &done);
                Ok((name.clone(), log, spawn(name, body)?))
            })
            .collect()
    }

    fn start_victim(&self) -> Option<JoinHandle<Result<(), Finding>>> {
        let seed = derive(self.seed, VICTIM);
        if !self.plan.victims || self.drivers.is_none() {
            return None;
        }
        let plan = self.plan.clone();
        spawn("victim".to_owned(), move || victim::end_one(&plan, seed)).ok()
    }

    fn start_disturber(
        &self,
        writers: &[Writer],
        shared: &Shared,
        calm: &Arc<AtomicBool>,
    ) -> Result<Option<Disturbing>, Error> {
        let Some(drivers) = self.drivers.as_ref().filter(|_| self.plan.storm) else {
            return Ok(None);
        };
        let is_synchronous = |(index, _): &(usize, &Writer)| self.plan.role(*index) == Role::Synchronous;
        let synchronous: Result<Vec<OwnedHandle>, _> = writers
            .iter()
            .enumerate()
            .filter(is_synchronous)
            .map(|(_, (_, _, writer))| writer.as_handle().try_clone_to_owned())
            .collect();
        let disturber = Disturber {
            seed: derive(self.seed, STORM),
            workers: self.plan.threads,
            synchronous: synchronous
                .map_err(|error| Error::new("keep a thread's handle", Win32Error::from_io(&error)))?,
            registry: Arc::clone(&shared.registry),
            drivers: Arc::clone(drivers),
            policies: self.plan.policies,
            stop: Arc::clone(calm),
        };
        spawn("storm".to_owned(), || disturber.run()).map(Some)
    }

    /// Waits for the writers to end. Returns the first one that does not go on.
    fn watch<T>(
        &self,
        writers: &[Writer],
        shared: &Shared,
        disturber: Option<&JoinHandle<T>>,
    ) -> Option<Located> {
        let mut seen: Vec<(u64, Instant)> = writers.iter().map(|_| (0, Instant::now())).collect();
        loop {
            if writers.iter().all(|(_, _, writer)| writer.is_finished()) {
                return None;
            }
            if interrupt::asked() {
                shared.stop.store(true, Ordering::Release);
            }
            if disturber.is_none_or(JoinHandle::is_finished) {
                storm::let_go(&shared.registry, self.plan.threads);
            }
            (self.progress)(shared.done.load(Ordering::Relaxed));
            for ((name, log, writer), (total, since)) in writers.iter().zip(&mut seen) {
                if log.total() != *total {
                    (*total, *since) = (log.total(), Instant::now());
                } else if !writer.is_finished() && since.elapsed() > STALL {
                    let text = format!("nothing has happened here for {} s", STALL.as_secs());
                    return Some(by(name)(Finding::new(Invariant::Progress, text)));
                }
            }
            thread::sleep(LOOK);
        }
    }

    fn account(
        &self,
        drivers: &Drivers,
        before: Option<&Statistics>,
        outcome: &Outcome,
    ) -> Result<(), Finding> {
        let lent = self.lent_for_good + outcome.disturbances.lent_for_good;
        drivers::memory_is_back(lent, PATIENCE)?;
        drivers.account(before, &outcome.tally, self.plan.victims, PATIENCE)
    }
}

/// The part of thread `index` in so many operations.
fn share(operations: u64, threads: usize, index: usize) -> usize {
    let threads = threads.max(1) as u64;
    let extra = u64::from((index as u64) < operations % threads);
    usize::try_from(operations / threads + extra).unwrap_or(usize::MAX)
}

fn spawn<T: Send + 'static>(
    name: String,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    let spawned = thread::Builder::new().name(name).spawn(body);
    spawned.map_err(|error| Error::new("start a thread", Win32Error::from_io(&error)))
}

fn by(name: &str) -> impl FnOnce(Finding) -> Located {
    let by = name.to_owned();
    |finding| Located { by, finding }
}

/// What a writer does.
fn write(
    mut worker: Worker<Native>,
    program: impl Iterator<Item = ksw::stress::program::Step>,
    abruptly: bool,
    stop: &AtomicBool,
    done: &AtomicU64,
) -> Ended {
    let run = || {
        for step in program {
            if stop.load(Ordering::Acquire) {
                break;
            }
            worker.step(step)?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        if abruptly {
            worker.leave_few()
        } else {
            worker.finish()
        }
    };
    let result = run();
    if result.is_err() {
        stop.store(true, Ordering::Release);
    }
    Ended {
        worker,
        result,
        abruptly,
    }
}

/// Settles what a thread has left, and adds up.
fn bury(ended: Ended, is_wine: bool, outcome: &mut Outcome) -> Result<(), Finding> {
    let Ended {
        mut worker,
        mut result,
        abruptly,
    } = ended;
    if abruptly && result.is_ok() {
        outcome.disturbances.threads_ended += u64::from(worker.venue.pending() > 0);
        let unheard = worker.venue.adopt(is_wine);
        outcome.disturbances.lent_for_good += unheard.len() as u64;
        worker.will_not_hear_of(&unheard);
        result = worker.finish();
    }
    outcome.disturbances.lent_for_good += worker.venue.warned();
    outcome.tally.add(&worker.tally());
    result
}

fn join(disturber: Option<Disturbing>, disturbances: &mut Disturbances) -> Option<Located> {
    let (done, finding) = disturber?.join().ok()?;
    *disturbances = done;
    finding.map(by("storm"))
}

fn logs(writers: &[Writer]) -> Vec<ThreadLog> {
    let log = |(name, log, _): &Writer| ThreadLog {
        thread: name.clone(),
        lines: log.lines(),
    };
    writers.iter().map(log).collect()
}
