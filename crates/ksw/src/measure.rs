//! Latency percentiles and the queue depth that was achieved. No clock in here: times are arguments.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Percentiles of a set of durations, in nanoseconds, with three significant digits; `max_ns` is exact to
/// the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the values are at most this.
    pub p50_ns: u64,
    /// 90 % of the values are at most this.
    pub p90_ns: u64,
    /// 99 % of the values are at most this.
    pub p99_ns: u64,
    /// The largest value.
    pub max_ns: u64,
}

/// A set of durations in figures, with three significant digits, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many durations.
    pub count: u64,
    /// The shortest.
    pub min_ns: u64,
    /// The mean.
    pub mean_ns: f64,
    /// The standard deviation.
    pub deviation_ns: f64,
    /// Half of the values are at most this.
    pub p50_ns: u64,
    /// 90 % of the values are at most this.
    pub p90_ns: u64,
    /// 99 % of the values are at most this.
    pub p99_ns: u64,
    /// 99.9 % of the values are at most this.
    pub p999_ns: u64,
    /// 99.99 % of the values are at most this.
    pub p9999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// Collects durations.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyRecorder(Histogram<u64>);

/// Longest duration told apart: one hour. A longer one counts as this.
const MAX_NS: u64 = 3_600_000_000_000;
/// Three digits are kept, so a figure is within 0.1 % of the truth.
const DIGITS: u8 = 3;

impl LatencyRecorder {
    /// An empty set. Memory is taken here, so that recording takes none.
    ///
    /// # Errors
    ///
    /// The bounds are constants, so only the histogram's own limits could refuse them.
    pub fn new() -> Result<Self, hdrhistogram::CreationError> {
        Histogram::new_with_max(MAX_NS, DIGITS).map(Self)
    }

    /// Adds one duration.
    pub fn record(&mut self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanoseconds);
    }

    /// The percentiles, or `None` when nothing was recorded: not measured is not zero.
    pub fn finish(&self) -> Option<Latency> {
        (!self.0.is_empty()).then(|| Latency {
            p50_ns: self.0.value_at_quantile(0.50),
            p90_ns: self.0.value_at_quantile(0.90),
            p99_ns: self.0.value_at_quantile(0.99),
            max_ns: self.0.max(),
        })
    }

    /// Takes in what another one has collected.
    pub fn add(&mut self, other: &Self) {
        // Only bounds that differ could be refused, and all are made with the same.
        let _same_bounds = self.0.add(&other.0);
    }

    /// The figures, or `None` when nothing was recorded.
    pub fn distribution(&self) -> Option<Distribution> {
        (!self.0.is_empty()).then(|| Distribution {
            count: self.0.len(),
            min_ns: self.0.min(),
            mean_ns: self.0.mean(),
            deviation_ns: self.0.stdev(),
            p50_ns: self.0.value_at_quantile(0.50),
            p90_ns: self.0.value_at_quantile(0.90),
            p99_ns: self.0.value_at_quantile(0.99),
            p999_ns: self.0.value_at_quantile(0.999),
            p9999_ns: self.0.value_at_quantile(0.9999),
            max_ns: self.0.max(),
        })
    }

    /// The duration that each share of the values does not exceed: eight shares for each nine, up to the last one that
    /// the number of values can tell from all.
    #[expect(clippy::cast_precision_loss, reason = "a share is drawn, not counted")]
    pub fn curve(&self) -> Vec<(f64, u64)> {
        let count = self.0.len() as f64;
        let shares = (0..80_u8).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 8.0));
        let told_apart = shares.take_while(|share| (1.0 - share) * count >= 1.0);
        told_apart
            .map(|share| (share, self.0.value_at_quantile(share)))
            .collect()
    }
}

/// The queue depth over a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AchievedDepth {
    /// What was asked for.
    pub asked: u32,
    /// Mean over time, from the first issue to the last completion.
    pub mean: f64,
    /// The largest number outstanding at once.
    pub max: u32,
}

/// Follows the number of writes outstanding over time.
#[derive(Debug, Default)]
pub struct DepthTracker {
    now: u32,
    max: u32,
    first: Option<Duration>,
    last: Duration,
    /// Sum of depth times duration, in nanoseconds.
    area: u128,
}

impl DepthTracker {
    /// Nothing outstanding, no time passed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes outstanding now.
    pub fn now(&self) -> u32 {
        self.now
    }

    /// One write more, at `time` since the start of the run. Times do not go back.
    pub fn issued(&mut self, time: Duration) {
        self.advance(time);
        self.now += 1;
        self.max = self.max.max(self.now);
    }

    /// One write less, at `time`.
    pub fn completed(&mut self, time: Duration) {
        self.advance(time);
        self.now = self.now.saturating_sub(1);
    }

    fn advance(&mut self, time: Duration) {
        if self.first.is_none() {
            self.first = Some(time);
            self.last = time;
        }
        self.area += time.saturating_sub(self.last).as_nanos() * u128::from(self.now);
        self.last = self.last.max(time);
    }

    /// The figures.
    #[expect(clippy::cast_precision_loss, reason = "a mean is shown with two decimals")]
    pub fn finish(&self, asked: u32) -> AchievedDepth {
        let span = self
            .last
            .saturating_sub(self.first.unwrap_or_default())
            .as_nanos();
        let mean = if span == 0 {
            0.0
        } else {
            self.area as f64 / span as f64
        };
        AchievedDepth {
            asked,
            mean,
            max: self.max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(value: u64) -> Duration {
        Duration::from_micros(value)
    }

    #[test]
    fn percentiles_of_one_to_a_thousand() {
        let mut recorder = LatencyRecorder::new().unwrap();
        assert_eq!(recorder.finish(), None);
        for value in 1..=1000 {
            recorder.record(us(value));
        }
        let latency = recorder.finish().unwrap();
        for (found, expected) in [
            (latency.p50_ns, 500_000),
            (latency.p90_ns, 900_000),
            (latency.p99_ns, 990_000),
            (latency.max_ns, 1_000_000),
        ] {
            let found = Duration::from_nanos(found);
            let expected = Duration::from_nanos(expected);
            assert!(
                found.abs_diff(expected) <= expected / 1000,
                "{found:?} {expected:?}"
            );
        }
    }

    #[test]
    fn two_sets_together_are_one() {
        let (mut low, mut high) = (LatencyRecorder::new().unwrap(), LatencyRecorder::new().unwrap());
        for value in 1..=500 {
            low.record(us(value));
            high.record(us(500 + value));
        }
        low.add(&high);
        let all = low.distribution().unwrap();
        assert_eq!(all.count, 1000);
        for (found, expected) in [
            (all.min_ns, 1_000.0),
            (all.p50_ns, 500_000.0),
            (all.p999_ns, 999_000.0),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let off = (found as f64 / expected - 1.0).abs();
            assert!(off < 0.001, "{found} {expected}");
        }
        assert!((all.mean_ns / 500_500.0 - 1.0).abs() < 0.001, "{all:?}");
    }

    #[test]
    fn the_curve_ascends_and_ends_where_values_do() {
        let mut recorder = LatencyRecorder::new().unwrap();
        assert_eq!(recorder.curve(), []);
        for value in 1..=1000 {
            recorder.record(us(value));
        }
        let curve = recorder.curve();
        assert!(curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{curve:?}");
        let (share, _) = *curve.last().unwrap();
        assert!(share > 0.998 && share < 0.9991, "{share}");
    }

    #[test]
    fn absurd_durations_saturate() {
        let mut recorder = LatencyRecorder::new().unwrap();
        recorder.record(Duration::MAX);
        assert!(recorder.finish().unwrap().max_ns >= MAX_NS);
    }

    #[test]
    fn depth_is_weighted_by_time() {
        let mut tracker = DepthTracker::new();
        tracker.issued(us(10)); // 1 for 10 us
        tracker.issued(us(20)); // 2 for 30 us
        tracker.completed(us(50)); // 1 for 20 us
        tracker.completed(us(70)); // 0 for 30 us
        tracker.issued(us(100)); // 1 for 10 us
        tracker.completed(us(110));
        let depth = tracker.finish(8);
        assert_eq!((depth.asked, depth.max, tracker.now()), (8, 2, 0));
        assert!((depth.mean - 1.0).abs() < 1e-9, "{depth:?}");
    }

    #[test]
    fn no_write_is_no_depth() {
        let depth = DepthTracker::new().finish(4);
        assert_eq!(
            depth,
            AchievedDepth {
                asked: 4,
                mean: 0.0,
                max: 0
            }
        );
    }
}
