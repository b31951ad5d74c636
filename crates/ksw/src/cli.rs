//! The command line.

pub mod bench;
pub mod conform;
pub mod install;
pub mod stress;
pub mod trace;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kswrite_wire::{file_write, wine_host::Service};

pub use self::install::{DiagArgs, InstallCommand, UninstallCommand};
pub use self::stress::StressArgs;
use crate::exit;
use crate::face::Face;
use crate::plan::{Access, Engine, WriteOptions};
use crate::script::ScriptText;
use crate::size::ByteSize;

/// Writes a file to a device with overlapped WriteFile, measures, and verifies that every byte arrived.
#[derive(Debug, Parser)]
#[command(name = "ksw", version, after_help = exit::HELP, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a file to a device, with many writes outstanding
    Write(WriteArgs),
    /// Write a file to a file object, as KsWriteFile does, and show what was decided
    Ks(KsArgs),
    /// Tell which rules of WriteFile a device, file or pipe keeps, and which of the stream and channel interfaces
    Conform(conform::ConformArgs),
    /// Measure how fast a device takes writes, and compare with and without the filter
    Bench(Box<bench::BenchArgs>),
    /// Write at random, cancel, close and end at random, and check every write
    Stress(StressArgs),
    /// Show what the filter counted, per path
    Stats(StatsArgs),
    /// Show what was decided for each write, and how it ended
    Trace(trace::TraceArgs),
    /// Show or set what the filter may do with the writes of its devices
    Policy(trace::PolicyArgs),
    /// Talk to a sink, the scripted target
    #[command(subcommand)]
    Sink(SinkCommand),
    /// Show which drivers answer, what is installed, and the stack of each sink
    Status(JsonArg),
    /// Talk to the Wine host, which exists in Wine only
    #[command(subcommand)]
    Host(HostCommand),
    /// Install the drivers: package, sinks, filter
    #[command(subcommand)]
    Install(InstallCommand),
    /// Remove what `install` has made
    #[command(subcommand)]
    Uninstall(UninstallCommand),
    /// Gather versions, stacks, counters and logs in one file, to attach to a report
    Diag(DiagArgs),
    /// What another process of a case does
    #[command(name = conform::PLAY, hide = true)]
    PlayRole(conform::PlayArgs),
}

const WRITE_EXAMPLES: &str = r"Examples:
  ksw write --device direct --file big.bin --verify
  ksw write --device \\.\KsSinkNeither --file big.bin --block 4KiB --depth 4096 --engine apc --json
  ksw write --device buffered --file big.bin --script fast=decline,completion=pended,delay-us=100 --verify
  ksw write --device direct --file big.bin --face ks --verify       (KsWriteFile in place of WriteFile)
  ksw write --device direct --file big.bin --face wts --block 1MiB  (each block a message, in chunks of 1600 bytes)
  ksw write --device copy.bin --file big.bin --verify      (a plain file, which must exist, is read back)";

/// Options of `ksw write`.
#[derive(Debug, Args)]
#[command(after_help = WRITE_EXAMPLES, after_long_help = format!("{WRITE_EXAMPLES}\n\n{}", exit::HELP))]
pub struct WriteArgs {
    /// The device: buffered, direct or neither for a sink, or any path such as \\.\KsSinkDirect
    #[arg(long, value_name = "D")]
    pub device: String,
    /// The file whose bytes are written, from offset 0
    #[arg(long, value_name = "F")]
    pub file: PathBuf,
    /// The interface that takes the writes. By wts and dvc each block is a message, and the device gets chunks with
    /// headers
    #[arg(long, value_enum, default_value_t = Face::File)]
    pub face: Face,
    /// Bytes of one write, 1 to 4GiB-1, by --face ks to 64MiB: a number with B, KiB, MiB, GiB or no unit
    #[arg(long, value_name = "SIZE", default_value = "64KiB")]
    pub block: ByteSize,
    /// Writes kept outstanding, 1 to 65536 [default: 32; 1 for --face wts, which waits in each call]
    #[arg(long, value_name = "N")]
    pub depth: Option<u32>,
    /// How completions are learnt: completion port, one event for each write, or WriteFileEx. For --face file only:
    /// the others have one way each [default: iocp]
    #[arg(long, value_enum)]
    pub engine: Option<Engine>,
    /// What the handle is opened for; with `read` every write fails
    #[arg(long, value_enum, default_value_t = Access::ReadWrite)]
    pub access: Access,
    /// Compare digests: with what the sink kept, or with what is read back from a plain file
    #[arg(long)]
    pub verify: bool,
    /// What the sink does with the writes of this run: parts joined by commas
    ///
    /// fast=accept|decline|absent|other-status, fast-status=STATUS, completion=inline|pended|held, delay-us=N,
    /// status=STATUS, short-by=N, every=N. Held writes are released when the depth is reached. STATUS is an
    /// NTSTATUS such as 0xC000009A.
    #[arg(long, value_name = "SCRIPT")]
    pub script: Option<ScriptText>,
    /// Print the result as one JSON object; no progress bar
    #[arg(long)]
    pub json: bool,
}

impl WriteArgs {
    /// The options to check, and whether JSON is wanted.
    pub fn into_options(self) -> (WriteOptions, bool) {
        let options = WriteOptions {
            device: self.device,
            file: self.file,
            face: self.face,
            block: self.block,
            depth: self.depth,
            engine: self.engine,
            access: self.access,
            verify: self.verify,
            script: self.script,
        };
        (options, self.json)
    }
}

/// Options of `ksw ks`.
#[derive(Debug, Args)]
#[command(after_help = KS_EXAMPLES, after_long_help = format!("{KS_EXAMPLES}\n\n{}", exit::HELP))]
pub struct KsArgs {
    /// The device: buffered, direct or neither for a sink, or any path such as \\.\KsSinkDirect
    #[arg(long, value_name = "D")]
    pub device: String,
    /// The file whose bytes are written, all in one write of at most 64 MiB
    #[arg(long, value_name = "F")]
    pub file: PathBuf,
    /// Byte offset; -1 appends; the position of the file object when left out
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub offset: Option<i64>,
    /// The byte-lock key, 0 for none
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub key: u32,
    /// Whose the bytes are: the driver's copy, or this program's at their address
    #[arg(long, value_enum, default_value_t = KsMode::Kernel)]
    pub mode: KsMode,
    /// Who completes the IRP
    #[arg(long, value_enum, default_value_t = KsCompleter::Driver)]
    pub completer: KsCompleter,
    /// Pass an event, and show whether it was signalled
    #[arg(long)]
    pub event: bool,
    /// Move the position of a synchronous file object
    #[arg(long)]
    pub advance: bool,
    /// Cancel a synchronous write after so many microseconds
    #[arg(long, value_name = "N")]
    pub time_limit_us: Option<u64>,
    /// What the sink does with the write, as in `ksw write --script`; a held write never ends
    #[arg(long, value_name = "SCRIPT")]
    pub script: Option<ScriptText>,
    /// Form of the output.
    #[command(flatten)]
    pub json: JsonArg,
}

const KS_EXAMPLES: &str = r"Examples:
  ksw ks --device direct --file small.bin --event
  ksw ks --device neither --file small.bin --mode user --offset 4096 --json
  ksw ks --device buffered --file small.bin --script fast=decline,completion=pended,delay-us=100";

/// `RequestorMode`, by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KsMode {
    /// The driver takes the bytes along
    Kernel,
    /// The driver probes the address of the bytes
    User,
}

impl From<KsMode> for file_write::Mode {
    fn from(mode: KsMode) -> Self {
        match mode {
            KsMode::Kernel => Self::Kernel,
            KsMode::User => Self::User,
        }
    }
}

/// Who completes the IRP, by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KsCompleter {
    /// The driver, with an IRP of its own
    Driver,
    /// The I/O manager, with an IRP of the calling thread
    IoManager,
}

impl From<KsCompleter> for file_write::Completer {
    fn from(completer: KsCompleter) -> Self {
        match completer {
            KsCompleter::Driver => Self::Driver,
            KsCompleter::IoManager => Self::IoManager,
        }
    }
}

/// `--json`.
#[derive(Clone, Copy, Debug, Args)]
pub struct JsonArg {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `ksw stats`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ksw stats\n  ksw stats --device-index 0 --json\n  ksw stats --reset")]
pub struct StatsArgs {
    /// One filtered device, in order of attachment from 0; all when left out
    #[arg(long, value_name = "N")]
    pub device_index: Option<u32>,
    /// The writes to file objects that the control device was asked for
    #[arg(long, conflicts_with = "device_index")]
    pub file_objects: bool,
    /// Set every counter to zero after reading
    #[arg(long)]
    pub reset: bool,
    /// Form of the output.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `--device` of `ksw sink`.
#[derive(Debug, Args)]
pub struct SinkDevice {
    /// The sink: buffered, direct or neither, or its path
    #[arg(long, value_name = "D")]
    pub device: String,
}

/// Subcommands of `ksw sink`.
///
/// Script, state and window belong to one handle. Each of these opens a handle of its own, so they show
/// what the driver accepts and how a new handle begins; `ksw write --script ... --verify` is the way to
/// script writes and see what became of them.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  ksw sink script --device direct --script completion=held\n  ksw sink state --device direct --json"
)]
pub enum SinkCommand {
    /// Send a script, to see whether the driver accepts it; it ends with this command
    Script {
        /// The sink.
        #[command(flatten)]
        sink: SinkDevice,
        /// The script, as in `ksw write --script`
        #[arg(long, value_name = "SCRIPT")]
        script: ScriptText,
    },
    /// Show the state of a new handle
    State {
        /// The sink.
        #[command(flatten)]
        sink: SinkDevice,
        /// Form of the output.
        #[command(flatten)]
        json: JsonArg,
    },
    /// Release the held writes of a new handle: always none
    Release {
        /// The sink.
        #[command(flatten)]
        sink: SinkDevice,
    },
    /// Reset the state of a new handle
    Reset {
        /// The sink.
        #[command(flatten)]
        sink: SinkDevice,
    },
    /// Read the window of a new handle
    Read {
        /// The sink.
        #[command(flatten)]
        sink: SinkDevice,
        /// Byte offset
        #[arg(long, value_name = "N", default_value_t = 0)]
        offset: u64,
        /// Bytes to read
        #[arg(long, value_name = "SIZE", default_value = "1MiB")]
        length: ByteSize,
    },
}

/// Subcommands of `ksw host`.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// Put the filter above every sink that has none
    Attach(JsonArg),
    /// Take the filter from every sink; fails while a handle is open
    Detach(JsonArg),
    /// Show what is outstanding in the drivers and what was found wrong
    Counters {
        /// Exit with 1 unless requests, IRPs, MDLs, references, open files and findings are all 0
        #[arg(long)]
        expect_clean: bool,
        /// Form of the output.
        #[command(flatten)]
        json: JsonArg,
    },
    /// Make a kernel service fail, or disarm all faults
    #[command(
        after_help = "Examples:\n  ksw host fault --service allocate-irp --after 10 --times 1\n  ksw host fault --clear"
    )]
    Fault {
        /// The service
        #[arg(long, value_enum, required_unless_present = "clear")]
        service: Option<FaultService>,
        /// Calls that succeed first
        #[arg(long, value_name = "N", default_value_t = 0)]
        after: u32,
        /// Calls that then fail
        #[arg(long, value_name = "N", default_value_t = 1)]
        times: u32,
        /// Disarm all faults
        #[arg(long, conflicts_with_all = ["service", "after", "times"])]
        clear: bool,
    },
}

/// A kernel service, by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FaultService {
    /// ExAllocatePool2 returns NULL
    Pool,
    /// IoAllocateIrp returns NULL
    AllocateIrp,
    /// IoAllocateMdl returns NULL
    AllocateMdl,
    /// MmProbeAndLockPages raises STATUS_ACCESS_VIOLATION
    ProbeAndLock,
    /// MmMapLockedPagesSpecifyCache returns NULL
    MapLockedPages,
    /// Creating a framework object returns STATUS_INSUFFICIENT_RESOURCES
    ObjectCreate,
    /// ExAllocatePool2 that charges quota raises STATUS_QUOTA_EXCEEDED
    Quota,
    /// IoSetCompletionRoutineEx returns STATUS_INSUFFICIENT_RESOURCES
    CompletionRoutine,
}

impl From<FaultService> for Service {
    fn from(service: FaultService) -> Self {
        match service {
            FaultService::Pool => Self::Pool,
            FaultService::AllocateIrp => Self::AllocateIrp,
            FaultService::AllocateMdl => Self::AllocateMdl,
            FaultService::ProbeAndLock => Self::ProbeAndLock,
            FaultService::MapLockedPages => Self::MapLockedPages,
            FaultService::ObjectCreate => Self::ObjectCreate,
            FaultService::Quota => Self::Quota,
            FaultService::CompletionRoutine => Self::CompletionRoutine,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let Command::Write(args) = parse(r"ksw write --device direct --file f").unwrap().command else {
            panic!("not a write");
        };
        let (options, json) = args.into_options();
        assert_eq!(
            (options.block, options.depth, options.engine, options.face),
            (ByteSize(65536), None, None, Face::File)
        );
        assert_eq!(
            (options.access, options.verify, json),
            (Access::ReadWrite, false, false)
        );
    }

    #[test]
    fn nonsense_is_refused_with_the_option_named() {
        for (line, named) in [
            ("ksw write --device direct --file f --engine fibre", "--engine"),
            ("ksw write --device direct --file f --face pipe", "--face"),
            ("ksw write --device direct --file f --block 64KB", "--block"),
            ("ksw write --device direct --file f --depth -1", "-1"),
            ("ksw write --device direct --file f --depth 4294967296", "--depth"),
            (
                "ksw write --device direct --file f --script fast=maybe",
                "--script",
            ),
            ("ksw write --device direct", "--file"),
            ("ksw ks --device direct", "--file"),
            ("ksw ks --device direct --file f --mode both", "--mode"),
            ("ksw stats --device-index 0 --file-objects", "--file-objects"),
            ("ksw trace --follow --count 0", "--count"),
            ("ksw trace --on --records 63", "--records"),
            ("ksw trace --on --records 65537", "--records"),
            ("ksw trace --on --follow", "--follow"),
            ("ksw trace --off --on", "--off"),
            ("ksw trace --device-index 0 --file-objects", "--file-objects"),
            ("ksw policy --set slow", "--set"),
            ("ksw host fault", "--service"),
            ("ksw host fault --clear --times 2", "--clear"),
            ("ksw frobnicate", "frobnicate"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), exit::Exit::Usage as i32, "{line}");
            assert!(error.to_string().contains(named), "{line}: {error}");
        }
    }

    #[test]
    fn every_command_has_help() {
        for line in [
            "ksw --help",
            "ksw write --help",
            "ksw ks --help",
            "ksw bench --help",
            "ksw stress --help",
            "ksw stats --help",
            "ksw sink --help",
            "ksw sink script --help",
            "ksw host fault --help",
            "ksw install filter --help",
            "ksw install all --help",
            "ksw diag --help",
            "ksw uninstall sink --help",
        ] {
            let help = parse(line).unwrap_err();
            assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{line}");
            assert!(help.to_string().contains("Usage: ksw"), "{line}: {help}");
        }
        let help = parse("ksw write --help").unwrap_err().to_string();
        assert!(
            help.contains("Exit codes:") && help.contains("Examples:"),
            "{help}"
        );
    }
}
