//! `ksw stress`.

use std::time::Duration;

use clap::Args;

use super::JsonArg;
use crate::exit;
use crate::stress::plan::StressOptions;

const EXAMPLES: &str = r"Examples:
  ksw stress                                        100,000 operations on all three sinks
  ksw stress --seed 7 --operations 1000000 --json
  ksw stress --duration 8h --threads 16 --seed 0xC0FFEE
  ksw stress --device direct --no-victims           one sink, and no process is ended
  ksw stress --replay 0x5bd1e995 --operations 10000 --threads 4     as a failure says

The operations of a round follow from its seed alone; when they meet in the kernel does not. So a replay repeats
what was done, and not what happened: repeat it some times.";

/// Options of `ksw stress`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct StressArgs {
    /// Seed of the run, decimal or 0x...; the default is 1, so that runs can be compared
    #[arg(long, value_name = "N", value_parser = seed)]
    pub seed: Option<u64>,
    /// Repeat the operations of one round, whose seed a failure has printed
    #[arg(long, value_name = "SEED", value_parser = seed, conflicts_with_all = ["seed", "duration"])]
    pub replay: Option<u64>,
    /// Operations, over all threads: 100000 unless a duration is given
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    pub operations: Option<u64>,
    /// End after the round in which this time is over: 90s, 15m, 8h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Operations of a round, after which everything is closed and accounted for
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub round: u64,
    /// Threads with three handles each, 1 to 64; every fourth has synchronous handles
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub threads: usize,
    /// A sink: buffered, direct or neither, or its path; again for more; all three when left out
    #[arg(long = "device", visible_alias = "target", value_name = "D")]
    pub devices: Vec<String>,
    /// No thread that cancels and releases what others have pending; then there are no synchronous handles
    #[arg(long)]
    pub no_storm: bool,
    /// No processes that are ended with writes pending; the filter's counters are then compared exactly
    #[arg(long)]
    pub no_victims: bool,
    /// No changes of the filter's policy
    #[arg(long)]
    pub no_policy: bool,
    /// Be such a process.
    #[arg(long, hide = true)]
    pub victim: bool,
    /// Form of the output.
    #[command(flatten)]
    pub json: JsonArg,
}

impl StressArgs {
    /// The options to check, whether JSON is wanted, and whether this is a process that is to be ended.
    pub fn into_options(self) -> (StressOptions, bool, bool) {
        let options = StressOptions {
            seed: self.seed,
            replay: self.replay,
            operations: self.operations,
            duration: self.duration,
            round: self.round,
            threads: self.threads,
            devices: self.devices,
            no_storm: self.no_storm || self.victim,
            no_victims: self.no_victims || self.victim,
            no_policy: self.no_policy || self.victim,
        };
        (options, self.json.json, self.victim)
    }
}

/// Reads a seed as reports print it.
fn seed(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| "a seed is a whole number below 2^64, decimal or with 0x".to_owned())
}

/// Reads a time with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a whole number with s, m or h, such as 90s".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds: u64 = match text.get(digits.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_times_are_read_as_they_are_printed() {
        assert_eq!(seed("0xff"), Ok(255));
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("8h"), Ok(Duration::from_hours(8)));
        for wrong in ["", "x", "-1", "0x", "1.5"] {
            assert!(seed(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "90", "s", "1d", "-1s", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
