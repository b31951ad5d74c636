//! `ksw trace` and `ksw policy`.

use clap::{Args, ValueEnum};
use kswrite_wire::filter::DeviceSelector;
use kswrite_wire::{policy, trace};

use super::JsonArg;
use crate::exit;
use crate::trace::Whose;

const TRACE_EXAMPLES: &str = r"Examples:
  ksw trace --follow                       show writes as they come, until Ctrl-C
  ksw trace --follow --count 100 --json    the next 100 writes, one JSON object per line
  ksw trace --on                           keep records from now on ...
  ksw trace                                ... and look at them when something hangs: it is shown as outstanding
  ksw trace --off";

/// Options of `ksw trace`.
#[derive(Debug, Args)]
#[command(after_help = TRACE_EXAMPLES, after_long_help = format!("{TRACE_EXAMPLES}\n\n{}", exit::HELP))]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct TraceArgs {
    /// Show writes as they come. The trace is switched on, and off again at the end, unless it was on
    #[arg(long)]
    pub follow: bool,
    /// The last N writes that are kept; with --follow, end after N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// The writes of one filtered device, by its number (see `ksw policy`); all when left out
    #[arg(long, value_name = "N")]
    pub device_index: Option<u32>,
    /// The writes to file objects that the control device was asked for
    #[arg(long, conflicts_with = "device_index")]
    pub file_objects: bool,
    /// How many records the driver keeps, 64 to 65536, when the trace is switched on
    #[arg(long, value_name = "N", default_value_t = 4096,
        value_parser = clap::value_parser!(u32).range(i64::from(trace::MIN_RECORDS)..=i64::from(trace::MAX_RECORDS)))]
    pub records: u32,
    /// Switch the trace on, and leave it on
    #[arg(long, conflicts_with_all = ["follow", "count", "device_index", "file_objects"])]
    pub on: bool,
    /// Switch the trace off; what was kept is gone
    #[arg(long, conflicts_with_all = ["on", "follow", "count", "device_index", "file_objects", "records"])]
    pub off: bool,
    /// Show the events of the filter's ETW provider. In Wine only: on Windows, use `tracelog` or WPR
    #[arg(long, requires = "follow", conflicts_with_all = ["device_index", "file_objects", "records"])]
    pub etw: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

impl TraceArgs {
    /// Whose writes to show.
    pub fn whose(&self) -> Whose {
        if self.file_objects {
            Whose::Device(DeviceSelector::FILE_OBJECTS)
        } else {
            self.device_index.map_or(Whose::Any, Whose::Device)
        }
    }
}

const POLICY_EXAMPLES: &str = r"Examples:
  ksw policy
  ksw policy --set bypass                  as if the filter were not there
  ksw policy --set irp --device-index 0    no fast I/O on the first device
  ksw policy --set fast --json";

/// Options of `ksw policy`.
#[derive(Debug, Args)]
#[command(after_help = POLICY_EXAMPLES, after_long_help = format!("{POLICY_EXAMPLES}\n\n{}", exit::HELP))]
pub struct PolicyArgs {
    /// The new policy, for the writes that come from now on
    #[arg(long, value_enum, value_name = "POLICY")]
    pub set: Option<PolicyWord>,
    /// One filtered device, by its number; all when left out
    #[arg(long, value_name = "N")]
    pub device_index: Option<u32>,
    /// Form of the output.
    #[command(flatten)]
    pub json: JsonArg,
}

/// A policy, by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyWord {
    /// Attempt fast I/O, and go on by IRP
    Fast,
    /// Never attempt fast I/O
    Irp,
    /// Pass writes down untouched
    Bypass,
}

impl From<PolicyWord> for policy::Policy {
    fn from(word: PolicyWord) -> Self {
        match word {
            PolicyWord::Fast => Self::Fast,
            PolicyWord::Irp => Self::Irp,
            PolicyWord::Bypass => Self::Bypass,
        }
    }
}
