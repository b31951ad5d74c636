//! What a stress run is asked to do, checked once.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::program::Role;
use crate::plan::{device_path, is_sink};

/// The most threads.
pub const MAX_THREADS: usize = 64;
/// The seed of a run that is given none: every run without options is the same program.
pub const DEFAULT_SEED: u64 = 1;

/// A stress run whose numbers make sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StressPlan {
    /// Seed of the run; of its one round, if that is repeated.
    pub seed: u64,
    /// Where it ends.
    pub limit: Limit,
    /// Operations of one round, over all threads.
    pub round: u64,
    /// Threads with handles.
    pub threads: usize,
    /// Win32 paths of the sinks.
    pub targets: Vec<String>,
    /// Whether a thread cancels what others have pending.
    pub storm: bool,
    /// Whether processes are ended with writes pending.
    pub victims: bool,
    /// Whether the policy of the filter changes meanwhile.
    pub policies: bool,
}

/// Where a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// After so many operations.
    Operations(u64),
    /// After the round in which this time is over.
    Duration(Duration),
    /// After one round of so many operations, whose seed is that of the run.
    Replay(u64),
}

/// The options of `ksw stress` as they were given.
#[derive(Clone, Debug, Default)]
pub struct StressOptions {
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--replay`.
    pub replay: Option<u64>,
    /// `--operations`.
    pub operations: Option<u64>,
    /// `--duration`.
    pub duration: Option<Duration>,
    /// `--round`.
    pub round: u64,
    /// `--threads`.
    pub threads: usize,
    /// `--device`, each; none: all sinks.
    pub devices: Vec<String>,
    /// `--no-storm`.
    pub no_storm: bool,
    /// `--no-victims`.
    pub no_victims: bool,
    /// `--no-policy`.
    pub no_policy: bool,
}

/// Why a plan makes no sense. The text names the option, the cause and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// `--operations`, `--duration` or `--round` is 0.
    Nothing(&'static str),
    /// `--threads` is out of bounds.
    Threads(usize),
    /// `--device` is no sink.
    NoSink(String),
}

impl std::error::Error for PlanError {}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(option) => write!(f, "{option} 0: nothing would be done; give 1 or more"),
            Self::Threads(threads) => write!(
                f,
                "--threads {threads}: 1 to {MAX_THREADS} threads can be had; give a number between them"
            ),
            Self::NoSink(device) => write!(
                f,
                "--device {device}: only a sink can say what it was given; give buffered, direct or neither"
            ),
        }
    }
}

/// Operations of a run that is given neither a number nor a time.
const DEFAULT_OPERATIONS: u64 = 100_000;

impl StressOptions {
    /// Checks every number and resolves the short words of devices.
    ///
    /// # Errors
    ///
    /// The first option that makes no sense.
    pub fn check(self) -> Result<StressPlan, PlanError> {
        if self.round == 0 {
            return Err(PlanError::Nothing("--round"));
        }
        if !(1..=MAX_THREADS).contains(&self.threads) {
            return Err(PlanError::Threads(self.threads));
        }
        let limit = match (self.operations, self.duration) {
            (Some(0), _) => return Err(PlanError::Nothing("--operations")),
            (_, Some(Duration::ZERO)) => return Err(PlanError::Nothing("--duration")),
            (operations, _) if self.replay.is_some() => Limit::Replay(operations.unwrap_or(self.round)),
            (Some(operations), _) => Limit::Operations(operations),
            (None, Some(duration)) => Limit::Duration(duration),
            (None, None) => Limit::Operations(DEFAULT_OPERATIONS),
        };
        let words = if self.devices.is_empty() {
            ["buffered", "direct", "neither"].map(str::to_owned).to_vec()
        } else {
            self.devices
        };
        let targets: Vec<String> = words.iter().map(|word| device_path(word)).collect();
        if let Some(stranger) = targets.iter().find(|path| !is_sink(path)) {
            return Err(PlanError::NoSink(stranger.clone()));
        }
        Ok(StressPlan {
            seed: self.replay.or(self.seed).unwrap_or(DEFAULT_SEED),
            limit,
            round: self.round,
            threads: self.threads,
            targets,
            storm: !self.no_storm,
            victims: !self.no_victims,
            policies: !self.no_policy,
        })
    }
}

impl StressPlan {
    /// What thread `index` does: one in four has synchronous handles, if somebody cancels what is held there.
    pub fn role(&self, index: usize) -> Role {
        if self.storm && index % 4 == 3 {
            Role::Synchronous
        } else {
            Role::Overlapped
        }
    }

    /// The command that repeats a round of `operations` with this seed.
    pub fn replay_command(&self, seed: u64, operations: u64) -> String {
        let mut command = format!(
            "ksw stress --replay {seed:#x} --operations {operations} --threads {}",
            self.threads
        );
        for target in &self.targets {
            command.push_str(" --device ");
            command.push_str(target);
        }
        for (wanted, option) in [
            (self.storm, " --no-storm"),
            (self.victims, " --no-victims"),
            (self.policies, " --no-policy"),
        ] {
            if !wanted {
                command.push_str(option);
            }
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> StressOptions {
        StressOptions {
            round: 10_000,
            threads: 4,
            ..StressOptions::default()
        }
    }

    #[test]
    fn defaults_are_all_sinks_and_one_seed() {
        let plan = options().check().unwrap();
        assert_eq!(plan.targets.len(), 3);
        assert_eq!(plan.seed, DEFAULT_SEED);
        assert_eq!(plan.limit, Limit::Operations(DEFAULT_OPERATIONS));
        assert!(plan.storm && plan.victims && plan.policies);
    }

    #[test]
    fn a_replay_is_one_round() {
        let replay = StressOptions {
            replay: Some(77),
            ..options()
        };
        let plan = replay.check().unwrap();
        assert_eq!((plan.seed, plan.limit), (77, Limit::Replay(10_000)));
    }

    #[test]
    fn nonsense_is_refused_with_the_option_named() {
        let wrong = [
            (
                StressOptions {
                    round: 0,
                    ..options()
                },
                "--round",
            ),
            (
                StressOptions {
                    threads: 0,
                    ..options()
                },
                "--threads",
            ),
            (
                StressOptions {
                    threads: 65,
                    ..options()
                },
                "--threads",
            ),
            (
                StressOptions {
                    operations: Some(0),
                    ..options()
                },
                "--operations",
            ),
            (
                StressOptions {
                    duration: Some(Duration::ZERO),
                    ..options()
                },
                "--duration",
            ),
            (
                StressOptions {
                    devices: vec!["x.bin".to_owned()],
                    ..options()
                },
                "--device",
            ),
        ];
        for (options, named) in wrong {
            let error = options.check().unwrap_err().to_string();
            assert!(error.starts_with(named), "{error}");
        }
    }

    #[test]
    fn synchronous_handles_need_somebody_who_cancels() {
        let roles = |plan: &StressPlan| (0..8).filter(|i| plan.role(*i) == Role::Synchronous).count();
        let mut plan = options().check().unwrap();
        assert_eq!(roles(&plan), 2);
        plan.storm = false;
        assert_eq!(roles(&plan), 0);
        let command = plan.replay_command(0xAB, 500);
        assert_eq!(
            command,
            r"ksw stress --replay 0xab --operations 500 --threads 4 --device \\.\KsSinkBuffered --device \\.\KsSinkDirect --device \\.\KsSinkNeither --no-storm"
        );
    }
}
