//! `ksw stress`.

mod drivers;
mod registry;
mod round;
mod storm;
mod venue;
mod victim;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use ksw::cli::StressArgs;
use ksw::exit::Exit;
use ksw::report::FilterCounters;
use ksw::stress::account;
use ksw::stress::plan::{Limit, StressPlan};
use ksw::stress::program::derive;
use ksw::stress::report::{Disturbances, Failure as Wrong, Located, StressReport};
use ksw::stress::tally::Tally;
use kswrite_client::{Access, Error};

use self::drivers::Drivers;
use self::round::{Outcome, Round};
use super::device::Device;
use super::{Failure, interrupt, print};

/// Operations of a victim after which its parent may end it.
const AT_WORK: u64 = 200;

/// Runs the command.
pub(super) fn command(args: StressArgs) -> Result<Exit, Failure> {
    let (options, json, is_victim) = args.into_options();
    let plan = options
        .check()
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    for target in &plan.targets {
        drop(Device::open(target, Access::ReadWrite)?);
    }
    if is_victim {
        return be_victim(&plan);
    }
    interrupt::install()?;
    let report = run(plan, json)?;
    print(&report, json)?;
    Ok(report.exit())
}

/// Writes until the parent ends this process.
fn be_victim(plan: &StressPlan) -> Result<Exit, Failure> {
    let told = Cell::new(false);
    let outcome = Round {
        plan,
        seed: plan.seed,
        operations: u64::MAX,
        drivers: None,
        lent_for_good: 0,
        progress: &|done| {
            if done > AT_WORK && !told.replace(true) {
                println!("{}", victim::READY);
            }
        },
    }
    .run()?;
    for Located { by, finding } in outcome.findings {
        println!("{by}: {finding}");
    }
    Ok(Exit::Verification)
}

/// A run in progress.
struct Run {
    plan: StressPlan,
    drivers: Arc<Drivers>,
    start: Instant,
    rounds: u64,
    tally: Tally,
    disturbances: Disturbances,
    memory: Vec<u64>,
}

fn run(plan: StressPlan, quiet: bool) -> Result<StressReport, Error> {
    let bar = bar(&plan, quiet);
    let mut run = Run {
        plan,
        drivers: Arc::new(Drivers::open()?),
        start: Instant::now(),
        rounds: 0,
        tally: Tally::default(),
        disturbances: Disturbances::default(),
        memory: Vec::new(),
    };
    let mut failure = None;
    while let Some(operations) = run.next_round() {
        failure = run.round(operations, &bar)?;
        if failure.is_some() || interrupt::asked() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(run.report(failure))
}

impl Run {
    /// Operations of the round that follows; `None`: the run is over.
    fn next_round(&self) -> Option<u64> {
        let left = match self.plan.limit {
            Limit::Operations(operations) => operations.saturating_sub(self.tally.operations),
            Limit::Duration(time) if self.start.elapsed() >= time => 0,
            Limit::Duration(_) => self.plan.round,
            Limit::Replay(operations) if self.rounds == 0 => return Some(operations),
            Limit::Replay(_) => 0,
        };
        (left > 0).then_some(left.min(self.plan.round))
    }

    fn round(&mut self, operations: u64, bar: &ProgressBar) -> Result<Option<Wrong>, Error> {
        let seed = match self.plan.limit {
            Limit::Replay(_) => self.plan.seed,
            Limit::Operations(_) | Limit::Duration(_) => derive(self.plan.seed, self.rounds),
        };
        let before = self.tally.operations;
        let Outcome {
            tally,
            disturbances,
            mut findings,
            logs,
        } = Round {
            plan: &self.plan,
            seed,
            operations,
            drivers: Some(Arc::clone(&self.drivers)),
            lent_for_good: self.disturbances.lent_for_good,
            progress: &|done| bar.set_position(before + done),
        }
        .run()?;
        self.tally.add(&tally);
        self.disturbances.add(&disturbances);
        self.memory.extend(drivers::memory());
        if let Err(finding) = account::memory(&self.memory) {
            let by = "the run".to_owned();
            findings.push(Located { by, finding });
        }
        let round = self.rounds;
        self.rounds += 1;
        if findings.is_empty() {
            return Ok(None);
        }
        Ok(Some(Wrong {
            round,
            seed,
            findings,
            logs,
            replay: self.plan.replay_command(seed, operations),
        }))
    }

    fn report(self, failure: Option<Wrong>) -> StressReport {
        let elapsed = self.start.elapsed();
        let filter = self.drivers.start().zip(self.drivers.statistics());
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown without decimals")]
        let operations = self.tally.operations as f64;
        StressReport {
            filter: filter
                .map(|(before, after)| FilterCounters::from(after).since(&FilterCounters::from(before))),
            host: self.drivers.host_counters(),
            plan: self.plan,
            rounds: self.rounds,
            interrupted: interrupt::asked(),
            elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
            operations_per_second: operations / elapsed.as_secs_f64().max(1e-9),
            tally: self.tally,
            disturbances: self.disturbances,
            memory: self.memory,
            failure,
        }
    }
}

/// A bar on standard error, hidden with `--json` and where nobody watches.
fn bar(plan: &StressPlan, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let (bar, template) = match plan.limit {
        Limit::Operations(operations) | Limit::Replay(operations) => (
            ProgressBar::new(operations),
            "{bar:40} {pos}/{len} operations, {per_sec}, {eta} left",
        ),
        Limit::Duration(_) => (
            ProgressBar::no_length(),
            "{spinner} {pos} operations, {per_sec}, {elapsed}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        // The template is a constant; should it be refused, the plain bar does.
        Err(_) => bar,
    }
}
