//! One run of one setting: threads warm up, begin together, measure, and verify.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::{Load, derive_seed};
use super::plan::{BenchPlan, Limit, Setting};
use super::venue::{Session, Venue, verify};
use crate::buffer::Pool;
use crate::digest::Verdict;
use crate::exit::Failure;
use crate::report::{FilterCounters, WriteFailure};
use crate::run::{Manner, Outcome, RunError, Stopwatch, Times, drive};

/// What one run found, over all its threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Writes issued.
    pub writes: u64,
    /// Bytes that the device took.
    pub bytes: u64,
    /// Writes that failed.
    pub failed: u64,
    /// Writes that succeeded with fewer bytes.
    pub short: u64,
    /// One of the failures that were issued first.
    pub first_failure: Option<WriteFailure>,
    /// Until the last completion of the slowest thread, without warm-up and verification.
    pub elapsed_ns: u64,
    /// `bytes` per second of `elapsed_ns`, in MiB.
    pub mib_per_second: f64,
    /// `writes` per second of `elapsed_ns`.
    pub writes_per_second: f64,
    /// Half of the writes took at most this from call to completion. `None`: no write.
    pub p50_ns: Option<u64>,
    /// 99 % of the writes took at most this.
    pub p99_ns: Option<u64>,
    /// Writes that were complete when the call returned.
    pub immediate: u64,
    /// Writes that completed later.
    pub pending: u64,
    /// Writes outstanding, as a mean over time, of all threads together.
    pub mean_depth: f64,
    /// The most writes that one thread had outstanding.
    pub highest_depth: u32,
    /// Processor time of this process for each write. `None`: the system does not tell, or no write.
    pub cpu_ns_per_write: Option<f64>,
    /// What the filter counted during the run, over all devices that it filters. `None`: no filter answers.
    pub filter: Option<FilterCounters>,
    /// The worst of the threads' comparisons. `None`: not asked for, or writes were abandoned.
    pub verdict: Option<Verdict>,
    /// Writes that were cancelled because the run was stopped.
    pub abandoned: u64,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
}

/// What a run is given.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The options.
    pub plan: &'a BenchPlan,
    /// Win32 path of the device.
    pub device: &'a str,
    /// What is swept.
    pub setting: Setting,
    /// Offsets stay below this.
    pub span_bytes: u64,
    /// For the bytes; another one in each run, so that what an earlier one left behind does not agree.
    pub seed: u64,
}

/// What all threads share.
struct Shared<'a, V> {
    venue: &'a V,
    job: Job<'a>,
    stop: &'a AtomicBool,
    failed: AtomicBool,
    /// Everybody is warm, or has failed.
    warm: Barrier,
    /// The counters were read.
    go: Barrier,
    /// Everybody has measured.
    done: Barrier,
}

/// What one thread found.
struct Part {
    outcome: Outcome,
    verdict: Option<Verdict>,
}

/// Runs one setting. Returns what was found, and how long the writes took.
///
/// # Errors
///
/// Why a thread could not write. Writes that fail are counted.
pub fn run_round<V: Venue>(venue: &V, job: Job<'_>, stop: &AtomicBool) -> Result<(Round, Times), Failure> {
    let threads = job.setting.threads;
    let count = threads as usize + 1;
    let shared = Shared {
        venue,
        job,
        stop,
        failed: AtomicBool::new(false),
        warm: Barrier::new(count),
        go: Barrier::new(count),
        done: Barrier::new(count),
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                let shared = &shared;
                scope.spawn(move || worker(shared, number))
            })
            .collect();
        shared.warm.wait();
        let before = (venue.counters(), venue.cpu_time());
        shared.go.wait();
        if !shared.failed.load(Ordering::SeqCst) {
            shared.done.wait();
        }
        let after = (venue.counters(), venue.cpu_time());
        let mut parts = Vec::new();
        let mut failure = None;
        for worker in workers {
            match worker.join() {
                Ok(Ok(part)) => parts.extend(part),
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        let filter = after.0.zip(before.0).map(|(after, before)| after.since(&before));
        let cpu = after
            .1
            .zip(before.1)
            .map(|(after, before)| after.saturating_sub(before));
        merge(parts, filter, cpu)
    })
}

/// One thread. It passes every barrier that the others wait at, whatever happens. `None`: another thread failed.
fn worker<V: Venue>(shared: &Shared<'_, V>, number: u32) -> Result<Option<Part>, Failure> {
    let prepared = prepare(shared, number);
    if prepared.is_err() {
        shared.failed.store(true, Ordering::SeqCst);
    }
    shared.warm.wait();
    shared.go.wait();
    let (mut session, mut pool) = match prepared {
        Ok(prepared) if !shared.failed.load(Ordering::SeqCst) => prepared,
        Ok(_) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let load = measured_load(&shared.job, number);
    let outcome = write(&mut session, &mut pool, load, shared);
    shared.done.wait();
    let outcome = outcome?;
    let verdict = if shared.job.plan.verify && outcome.writes > 0 && outcome.abandoned == 0 {
        let form = shared.job.setting.face.form();
        Some(verify(session.arrived()?, load, &outcome, form)?)
    } else {
        None
    };
    Ok(Some(Part { outcome, verdict }))
}

/// Opens, makes the buffers, and warms up.
fn prepare<V: Venue>(shared: &Shared<'_, V>, number: u32) -> Result<(V::Session, Pool), Failure> {
    /// A page: enough for every sector.
    const ALIGNMENT: usize = 4096;
    let Job {
        plan,
        device,
        setting,
        ..
    } = shared.job;
    let mut session = shared.venue.open(device, setting)?;
    let load = measured_load(&shared.job, number);
    let mut pool = Pool::new(setting.block_bytes, ALIGNMENT);
    pool.prepare(setting.depth as usize, |data| load.fill(data))
        .map_err(|error| Failure::io(&error))?;
    if plan.warm_up_ns > 0 {
        let warm_up = Load {
            stream: derive_seed(load.stream, 1),
            end: Some(Duration::from_nanos(plan.warm_up_ns)),
            writes: None,
            ..load
        };
        write(&mut session, &mut pool, warm_up, shared)?;
    }
    // After a stop writes of the warm-up may be outstanding, and nothing will be measured.
    if !shared.stop.load(Ordering::Relaxed) {
        session.begin()?;
    }
    Ok((session, pool))
}

fn write<V: Venue>(
    session: &mut V::Session,
    pool: &mut Pool,
    load: Load,
    shared: &Shared<'_, V>,
) -> Result<Outcome, Failure> {
    let manner = Manner {
        exceptions: shared.job.plan.verify,
        clock: &Stopwatch::start(),
        stop: shared.stop,
    };
    let slots = shared.job.setting.depth;
    drive(
        &mut load.begin(),
        slots,
        pool,
        session.engine(),
        manner,
        &mut |_| (),
    )
    .map_err(|error| match error {
        RunError::Engine(error) => error.into(),
        error => Failure::io(&error),
    })
}

/// The writes of one thread.
fn measured_load(job: &Job<'_>, number: u32) -> Load {
    let Job {
        plan,
        setting,
        span_bytes,
        seed,
        ..
    } = *job;
    let (number, threads) = (u64::from(number), u64::from(setting.threads));
    let blocks = span_bytes / u64::from(setting.block_bytes.max(1));
    let (first_block, blocks) = match plan.offsets {
        super::plan::Offsets::Sequential => (blocks / threads * number, blocks / threads),
        super::plan::Offsets::Random => (0, blocks),
    };
    let (end, writes) = match plan.limit {
        Limit::DurationNs(nanoseconds) => (Some(Duration::from_nanos(nanoseconds)), None),
        Limit::Writes(count) => (None, Some(count / threads + u64::from(number < count % threads))),
    };
    Load {
        offsets: plan.offsets,
        block_bytes: setting.block_bytes,
        first_block,
        blocks,
        seed,
        stream: derive_seed(seed, number + 2),
        stamped: plan.verify,
        end,
        writes,
        interval: plan
            .rate
            .map(|rate| Duration::from_nanos(1_000_000_000 * threads / rate.max(1))),
    }
}

fn merge(
    parts: Vec<Part>,
    filter: Option<FilterCounters>,
    cpu: Option<Duration>,
) -> Result<(Round, Times), Failure> {
    let mut times = Times::new().map_err(|error| Failure::io(&error))?;
    let mut all = Round::nothing(filter);
    let mut elapsed = Duration::ZERO;
    for Part { outcome, verdict } in parts {
        times.add(&outcome.times);
        elapsed = elapsed.max(outcome.elapsed);
        all.take(outcome, verdict);
    }
    all.elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    all.mib_per_second = per_second(all.bytes, elapsed) / f64::from(1 << 20);
    all.writes_per_second = per_second(all.writes, elapsed);
    all.cpu_ns_per_write = cpu.filter(|_| all.writes > 0).map(|cpu| share(cpu, all.writes));
    let total = times.total.distribution();
    all.p50_ns = total.map(|total| total.p50_ns);
    all.p99_ns = total.map(|total| total.p99_ns);
    Ok((all, times))
}

impl Round {
    fn nothing(filter: Option<FilterCounters>) -> Self {
        Self {
            writes: 0,
            bytes: 0,
            failed: 0,
            short: 0,
            first_failure: None,
            elapsed_ns: 0,
            mib_per_second: 0.0,
            writes_per_second: 0.0,
            p50_ns: None,
            p99_ns: None,
            immediate: 0,
            pending: 0,
            mean_depth: 0.0,
            highest_depth: 0,
            cpu_ns_per_write: None,
            filter,
            verdict: None,
            abandoned: 0,
            stopped: false,
        }
    }

    fn take(&mut self, outcome: Outcome, verdict: Option<Verdict>) {
        self.writes += outcome.writes;
        self.bytes += outcome.bytes;
        self.failed += outcome.failed;
        self.short += outcome.short;
        self.immediate += outcome.immediate;
        self.pending += outcome.pending;
        self.abandoned += outcome.abandoned;
        self.stopped |= outcome.stopped;
        self.mean_depth += outcome.depth.mean;
        self.highest_depth = self.highest_depth.max(outcome.depth.max);
        if self.first_failure.is_none() {
            self.first_failure = outcome.first_failure;
        }
        self.verdict = worst(self.verdict, verdict);
    }

    /// Whether every write was done whole, and what was compared agrees.
    pub fn clean(&self) -> bool {
        self.failed == 0 && self.short == 0 && self.verdict.is_none_or(|verdict| verdict == Verdict::Agree)
    }
}

fn worst(one: Option<Verdict>, other: Option<Verdict>) -> Option<Verdict> {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Agree => 0,
        Verdict::Reordered => 1,
        Verdict::Differ => 2,
    };
    one.into_iter().chain(other).max_by_key(rank)
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown with few digits")]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        0.0
    } else {
        count as f64 / elapsed.as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean is shown with few digits")]
fn share(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count as f64
}
