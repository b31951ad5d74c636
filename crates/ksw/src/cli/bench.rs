//! The command line of `ksw bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::bench::plan::{BenchOptions, Offsets};
use crate::bench::sweep::{Compare, Sweep, counts, sizes};
use crate::exit;
use crate::face::Face;
use crate::plan::Engine;
use crate::script::ScriptText;
use crate::size::ByteSize;

const EXAMPLES: &str = r"Examples:
  ksw bench --device direct
  ksw bench --device direct --block 512..1MiB --depth 1..256 --duration 1s --html bench.html
  ksw bench --device buffered --block 4KiB --depth 1,32 --compare filter=on,off --rounds 9
  ksw bench --device x.bin --create 1GiB --block 64KiB --offsets random --no-buffering --write-through
  ksw bench --device direct --block 512,64KiB --compare faces   (each interface against WriteFile, in one table)
  ksw bench --device direct --face file,ks,stream,dvc --depth 1..32
  ksw bench --device neither --engine sync --threads 4 --count 100000 --verify --json -
  ksw bench --device \\.\pipe\feed --block 4KiB --rate 1000   (somebody must read at the other end)";

/// Options of `ksw bench`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub struct BenchArgs {
    /// The device: buffered, direct or neither for a sink, a file, whose bytes are written over, or a pipe by its path
    #[arg(long, value_name = "D")]
    pub device: String,
    /// Bytes of one write: 64KiB, a list 4KiB,64KiB, or a range of powers of two 512..1MiB
    #[arg(long, value_name = "SIZES", value_parser = sizes, default_value = "64KiB")]
    pub block: Sweep,
    /// Writes that each thread keeps outstanding: 32, a list 1,32, or a range of powers of two 1..256
    /// [default: 32; 1 for the engine sync and the face wts, and where one of them is compared]
    #[arg(long, value_name = "COUNTS", value_parser = counts)]
    pub depth: Option<Sweep>,
    /// Threads, each with a handle of its own; a list or a range as well
    #[arg(long, value_name = "COUNTS", value_parser = counts, default_value = "1")]
    pub threads: Sweep,
    /// The interface that takes the writes, or several joined by commas [default: file]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub face: Vec<Face>,
    /// How completions are learnt, or several joined by commas; for the face file, for each of the others has one way
    /// [default: iocp]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub engine: Vec<Engine>,
    /// The order of the offsets
    #[arg(long, value_enum, default_value_t = Offsets::Sequential)]
    pub offsets: Offsets,
    /// Decides random offsets and the bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Offsets stay below this [default: the length of a file, 1GiB for what has none]
    #[arg(long, value_name = "SIZE")]
    pub span: Option<ByteSize>,
    /// How long each run measures, e.g. 500ms or 1m [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// How many writes each run measures, in place of a duration
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// How long each run writes before it measures
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "200ms")]
    pub warm_up: Duration,
    /// Open with FILE_FLAG_WRITE_THROUGH
    #[arg(long)]
    pub write_through: bool,
    /// Open with FILE_FLAG_NO_BUFFERING
    #[arg(long)]
    pub no_buffering: bool,
    /// At most so many writes per second, over all threads
    #[arg(long, value_name = "N")]
    pub rate: Option<u64>,
    /// Compare what arrived: with the sink's digests, or with what is read back from a file
    #[arg(long)]
    pub verify: bool,
    /// What the sink does with the writes, as in `ksw write --script`
    #[arg(long, value_name = "SCRIPT")]
    pub script: Option<ScriptText>,
    /// Make the file, of this size, filled with zeroes; it must not exist, and stays
    #[arg(long, value_name = "SIZE")]
    pub create: Option<ByteSize>,
    /// Measure sides in turns, each against the last: filter=on,off  policy=fast,bypass  device=A,B  engine=A,B
    /// face=A,B  faces
    ///
    /// faces stands for face=ks,stream,wts,dvc,file: all interfaces against WriteFile, at depth 1.
    ///
    /// filter= takes the filter off the stacks and puts it back, which only the Wine host can do while they are in
    /// use; on Windows policy=fast,bypass keeps it in the stack and has it pass the writes on untouched.
    #[arg(long, value_name = "WHAT=A,B")]
    pub compare: Option<Compare>,
    /// Runs of each setting and side [default: 1; 5 in a comparison]
    #[arg(long, value_name = "N")]
    pub rounds: Option<u32>,
    /// Write the result as JSON to a file, or to standard output in place of the text: -
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the result as a page with charts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

impl BenchArgs {
    /// The options to check.
    pub fn options(&self) -> BenchOptions {
        BenchOptions {
            device: self.device.clone(),
            block: self.block.clone(),
            depth: self.depth.clone(),
            threads: self.threads.clone(),
            faces: self.face.clone(),
            engines: self.engine.clone(),
            offsets: self.offsets,
            seed: self.seed,
            span: self.span,
            duration: self.duration,
            count: self.count,
            warm_up: self.warm_up,
            write_through: self.write_through,
            no_buffering: self.no_buffering,
            rate: self.rate,
            verify: self.verify,
            script: self.script.clone(),
            create: self.create,
            compare: self.compare.clone(),
            rounds: self.rounds,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn parse(line: &str) -> Result<BenchArgs, clap::Error> {
        Line::try_parse_from(line.split_whitespace()).map(|line| line.bench)
    }

    #[test]
    fn sweeps_lists_and_times_are_read() {
        let line = "bench --device direct --block 512..2KiB --depth 1,4 --engine sync,apc --duration 1500ms \
                    --compare device=direct,buffered --rate 10";
        let options = parse(line).unwrap().options();
        assert_eq!(options.block, Sweep(vec![512, 1024, 2048]));
        assert_eq!(options.depth, Some(Sweep(vec![1, 4])));
        assert_eq!(options.engines, [Engine::Sync, Engine::Apc]);
        assert_eq!(options.duration, Some(Duration::from_millis(1500)));
        assert!(options.compare.is_some() && options.rate == Some(10));
        let faces = parse("bench --device direct --face ks,dvc")
            .unwrap()
            .options()
            .faces;
        assert_eq!(faces, [Face::Ks, Face::Dvc]);
    }

    #[test]
    fn nonsense_is_refused_with_the_option_named() {
        for (rest, named) in [
            ("--block 3..24", "--block"),
            ("--depth many", "--depth"),
            ("--engine fibre", "--engine"),
            ("--face file,pipe", "--face"),
            ("--duration soon", "--duration"),
            ("--compare filter=on", "--compare"),
            ("--rate -1", "-1"),
            ("--seed x", "--seed"),
        ] {
            let error = parse(&format!("bench --device direct {rest}")).unwrap_err();
            assert!(error.to_string().contains(named), "{rest}: {error}");
        }
    }

    #[test]
    fn help_has_examples_and_exit_codes() {
        let help = parse("bench --help").unwrap_err();
        assert_eq!(help.kind(), ErrorKind::DisplayHelp);
        let help = help.to_string();
        assert!(
            help.contains("Examples:") && help.contains("Exit codes:"),
            "{help}"
        );
    }
}
