//! What a benchmark found. Text, JSON and HTML show the same structure, so they cannot disagree.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::plan::{BenchPlan, Setting};
use super::round::Round;
use super::text::{ratio_text, size};
use crate::digest::Verdict;
use crate::exit::Exit;
use crate::face::Face;
use crate::install::system::System;
use crate::measure::Distribution;
use crate::plan::Engine;
use crate::report::FilterCounters;
use crate::run::Times;

/// The result of `ksw bench`; with `--json`, this is the one object that is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// What was asked for.
    pub plan: BenchPlan,
    /// Where it was measured.
    pub environment: Environment,
    /// What was measured.
    pub measured: Measured,
}

/// Where something was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// When it began, in UTC.
    pub time: String,
    /// The command line.
    pub command: String,
    /// Version of this program.
    pub ksw: String,
    /// The system.
    pub system: System,
    /// What the processor calls itself. `None`: the system does not tell.
    pub processor: Option<String>,
    /// Version of the filter, and of the protocol that it speaks. `None`: no filter answers.
    pub filter: Option<String>,
    /// Versions of the drivers' images, by the names of their services, where the system tells.
    pub images: Vec<(String, String)>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Each setting and side.
    pub points: Vec<Point>,
    /// Of each setting, every side but the last against the last one.
    pub comparisons: Vec<Comparison>,
    /// Engines that were asked for and that the system does not have.
    pub unavailable: Vec<Unavailable>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// An engine that the system does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable {
    /// Which.
    pub engine: Engine,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not available here: {}", self.engine, self.reason)
    }
}

/// A figure over several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the rounds are at most this; between two rounds, their mean.
    pub median: f64,
    /// The lowest round.
    pub lowest: f64,
    /// The highest round.
    pub highest: f64,
}

impl Spread {
    /// Of these rounds; `None` without one.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = (*values.first()?, *values.last()?);
        let (upper, lower) = (values.len() / 2, (values.len() - 1) / 2);
        let median = f64::midpoint(*values.get(lower)?, *values.get(upper)?);
        Some(Self {
            median,
            lowest,
            highest,
        })
    }

    /// Half the range, as a share of the median.
    pub(super) fn half_range(&self) -> f64 {
        if self.median == 0.0 {
            0.0
        } else {
            (self.highest - self.lowest) / 2.0 / self.median
        }
    }
}

/// One side of one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The side; empty when nothing is compared.
    pub variant: String,
    /// Win32 path of the device.
    pub device: String,
    /// What was used.
    pub setting: Setting,
    /// Offsets stayed below this.
    pub span_bytes: u64,
    /// Each run.
    pub rounds: Vec<Round>,
    /// Writes per second, over the rounds.
    pub writes_per_second: Option<Spread>,
    /// MiB per second, over the rounds.
    pub mib_per_second: Option<Spread>,
    /// From before the call until the completion was seen, of all rounds together.
    pub total: Option<Distribution>,
    /// The call alone.
    pub submission: Option<Distribution>,
    /// From the end of the call until the completion was seen, of writes that were pending.
    pub completion: Option<Distribution>,
    /// For drawing: shares of the writes, and the nanoseconds that they took at most.
    pub total_curve: Vec<(f64, u64)>,
    /// The same of `submission`.
    pub submission_curve: Vec<(f64, u64)>,
    /// The same of `completion`.
    pub completion_curve: Vec<(f64, u64)>,
}

impl Point {
    /// From the rounds and the times of all of them.
    pub fn new(
        variant: String,
        device: String,
        setting: Setting,
        span_bytes: u64,
        rounds: Vec<Round>,
        times: &Times,
    ) -> Self {
        Self {
            writes_per_second: Spread::of(rounds.iter().map(|round| round.writes_per_second)),
            mib_per_second: Spread::of(rounds.iter().map(|round| round.mib_per_second)),
            variant,
            device,
            setting,
            span_bytes,
            rounds,
            total: times.total.distribution(),
            submission: times.submission.distribution(),
            completion: times.completion.distribution(),
            total_curve: times.total.curve(),
            submission_curve: times.submission.curve(),
            completion_curve: times.completion.curve(),
        }
    }

    pub(super) fn sum(&self, count: impl Fn(&Round) -> u64) -> u64 {
        self.rounds.iter().map(count).sum()
    }

    /// Writes of all rounds.
    pub fn writes(&self) -> u64 {
        self.sum(|round| round.writes)
    }

    /// The filter's counters over all rounds.
    pub fn filter(&self) -> Option<FilterCounters> {
        let mut counted = self.rounds.iter().filter_map(|round| round.filter);
        let first = counted.next()?;
        Some(counted.fold(first, |sum, next| sum.plus(&next)))
    }

    pub(super) fn cpu(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|round| round.cpu_ns_per_write))
    }

    pub(super) fn depth(&self) -> (f64, u32) {
        let mean = Spread::of(self.rounds.iter().map(|round| round.mean_depth));
        let highest = self.rounds.iter().map(|round| round.highest_depth).max();
        (mean.map_or(0.0, |mean| mean.median), highest.unwrap_or_default())
    }

    /// `agree`, `differ`, or what else the worst round says.
    pub fn verified(&self) -> &'static str {
        let rank = |verdict: Verdict| (verdict != Verdict::Agree, verdict == Verdict::Differ);
        let verdicts = self.rounds.iter().filter_map(|round| round.verdict);
        verdicts
            .max_by_key(|verdict| rank(*verdict))
            .map_or("no", Verdict::word)
    }

    /// What distinguishes it from the other points, in words: `filter on, iocp, 4KiB, depth 32`.
    pub fn name(&self) -> String {
        let Setting {
            face: _,
            engine,
            block_bytes,
            depth,
            threads,
        } = self.setting;
        let side = if self.variant.is_empty() {
            String::new()
        } else {
            format!("{}, ", self.variant)
        };
        let face = self
            .face_word()
            .map_or_else(String::new, |face| format!("{face}, "));
        let threads = if threads == 1 {
            String::new()
        } else {
            format!(", {threads} threads")
        };
        format!(
            "{side}{face}{engine}, {}, depth {depth}{threads}",
            size(block_bytes)
        )
    }

    /// The face, where it is not WriteFile and not what the side is called.
    pub(super) fn face_word(&self) -> Option<&'static str> {
        face_word(&self.variant, self.setting.face)
    }
}

/// The face, where it is not WriteFile and not what the side is called.
pub(super) fn face_word(side: &str, face: Face) -> Option<&'static str> {
    (face != Face::File && side != face.word()).then(|| face.word())
}

/// Two sides of one setting, round by round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The sides; each ratio is the first over the second.
    pub sides: [String; 2],
    /// The setting of the first side.
    pub setting: Setting,
    /// How many rounds.
    pub rounds: usize,
    /// Ratio of the writes per second.
    pub writes_per_second: Spread,
    /// Ratio of the median latencies.
    pub p50: Option<Spread>,
    /// Ratio of the 99th percentiles of the latencies.
    pub p99: Option<Spread>,
    /// Ratio of the processor time of this process for each write.
    pub cpu: Option<Spread>,
}

impl Comparison {
    /// Of the rounds that both sides have; `None` when there is none.
    pub fn new(sides: [String; 2], setting: Setting, first: &[Round], second: &[Round]) -> Option<Self> {
        let pairs = || first.iter().zip(second);
        // A figure of 0 was too small to be measured, so it has no ratio.
        let told = |value: fn(&Round) -> Option<f64>, round| value(round).filter(|value| *value > 0.0);
        let ratio = |value: fn(&Round) -> Option<f64>| {
            Spread::of(pairs().filter_map(move |(one, other)| Some(told(value, one)? / told(value, other)?)))
        };
        Some(Self {
            sides,
            setting,
            rounds: pairs().count(),
            writes_per_second: ratio(|round| Some(round.writes_per_second))?,
            p50: ratio(|round| round.p50_ns.map(to_float)),
            p99: ratio(|round| round.p99_ns.map(to_float)),
            cpu: ratio(|round| round.cpu_ns_per_write),
        })
    }

    /// `filter on does 0.93 (0.90 to 0.95) times the writes per second of filter off`.
    pub fn sentence(&self) -> String {
        let [first, second] = &self.sides;
        let Setting {
            block_bytes, depth, ..
        } = self.setting;
        format!(
            "{first}: {} times the writes per second of {second}, at {} and depth {depth}, over {} rounds",
            ratio_text(Some(self.writes_per_second)),
            size(block_bytes),
            self.rounds
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is shown with few digits")]
pub(super) fn to_float(nanoseconds: u64) -> f64 {
    nanoseconds as f64
}

impl BenchReport {
    /// The exit code that this result deserves. Bytes that differ outrank writes that failed.
    pub fn exit(&self) -> Exit {
        let rounds = || self.measured.points.iter().flat_map(|point| &point.rounds);
        let wrong = |round: &Round| round.verdict.is_some_and(|verdict| verdict != Verdict::Agree);
        if rounds().any(wrong) {
            Exit::Verification
        } else if rounds().any(|round| !round.clean() || round.abandoned > 0) {
            Exit::Io
        } else {
            Exit::Success
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_and_the_ends() {
        assert_eq!(Spread::of([]), None);
        let spread = |values: &[f64]| {
            let spread = Spread::of(values.iter().copied()).unwrap();
            (spread.lowest, spread.median, spread.highest, spread.half_range())
        };
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (1.0, 2.0, 3.0, 0.5));
        assert_eq!(spread(&[4.0, 1.0]), (1.0, 2.5, 4.0, 0.6));
        assert_eq!(spread(&[1.0, f64::NAN, f64::INFINITY]), (1.0, 1.0, 1.0, 0.0));
        assert_eq!(spread(&[0.0]), (0.0, 0.0, 0.0, 0.0));
    }
}
