//! Options of `ksw conform`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kswrite_conform::suite::Selection;
use kswrite_conform::target::Target;

const EXAMPLES: &str = r"Examples:
  ksw conform
  ksw conform --target filtered-direct --target file --only WF-2x
  ksw conform --target device:\\.\MyDevice --json results.json
  ksw conform --venue model --seed 7
  ksw conform --against results.json      (the rows must agree with an earlier run, here or elsewhere)
  ksw conform --only SA-xx --only DV-xx   (streams and dynamic channels)
  ksw conform --list --only WF-4x";

const EXITS: &str = "Exit codes:\n  \
    0  no rule is broken but for known differences, and the runs agree\n  \
    1  a rule is broken, a known difference did not show, or two runs disagree\n  \
    2  the command line makes no sense; nothing was done\n  \
    3  a file could not be read or written\n  \
    4  nothing could be run: none of the targets is here";

/// Options of `ksw conform`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXITS}"))]
pub struct ConformArgs {
    /// What is written to; all that need no path when left out
    ///
    /// filtered-buffered, filtered-direct, filtered-neither: a sink through the filter. bare-buffered, bare-direct,
    /// bare-neither: a sink without it. file, pipe, named-pipe, message-pipe, socket, mailslot, console. device:PATH:
    /// any device. serial:PATH: a serial port. volume:PATH: a volume, whose contents may be lost.
    #[arg(long = "target", value_name = "T")]
    pub targets: Vec<Target>,
    /// Rules, such as WF-20, or WF-2x for WF-20 to WF-29; all when left out
    ///
    /// WF-xx: WriteFile. SA-xx: IStreamAsync. WV-xx: the functions `WTSVirtualChannel*`, as `kswrite_client.dll` has them.
    /// DV-xx: IWTSVirtualChannel.
    #[arg(long, value_name = "RULE")]
    pub only: Vec<String>,
    /// Show the rules and the targets on which each can be seen, and run nothing
    #[arg(long)]
    pub list: bool,
    /// Where the calls go
    #[arg(long, value_enum, default_value_t = VenueArg::HERE)]
    pub venue: VenueArg,
    /// The seed of the model's scheduler
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Write the results as JSON; `-` writes them to standard output instead of the table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the results as JUnit's XML; `-` as above
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the results as a page that is read without network; `-` as above
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Compare with the results of an earlier run, which `--json` wrote
    #[arg(long, value_name = "RESULTS.json")]
    pub against: Option<PathBuf>,
}

/// Where the calls go, by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VenueArg {
    /// The model of the I/O manager, in this process
    Model,
    /// This system: Windows or Wine
    Native,
}

impl VenueArg {
    /// What there is here.
    const HERE: Self = if cfg!(windows) { Self::Native } else { Self::Model };
}

impl ConformArgs {
    /// The selected targets and rules.
    pub fn selection(&self) -> Selection {
        Selection {
            targets: self.targets.clone(),
            only: self.only.clone(),
        }
    }
}

/// The hidden command by which a case has another process.
pub const PLAY: &str = "play-role";

/// Arguments of the hidden command.
#[derive(Clone, Debug, Args)]
pub struct PlayArgs {
    /// The role
    pub role: String,
    /// The handles that were inherited
    pub handles: Vec<u64>,
}
