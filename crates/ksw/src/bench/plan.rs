//! What a benchmark is asked to do, checked once.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::faces;
use super::sweep::{Change, Compare, Sweep, Variant};
use crate::face::Face;
use crate::plan::{DEFAULT_DEPTH, Engine, MAX_DEPTH, PlanError, device_path, is_sink, waiting_option};
use crate::script::ScriptText;
use crate::size::ByteSize;

/// In which order the offsets come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Offsets {
    /// One block after the other, from the beginning again at the end; each thread in a part of its own.
    #[default]
    Sequential,
    /// Any block, as the seed decides.
    Random,
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// After so many nanoseconds.
    DurationNs(u64),
    /// After so many writes, over all threads.
    Writes(u64),
}

/// The options as they were given. `None`: not given.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// A path, or a sink's short word.
    pub device: String,
    /// Bytes of one write.
    pub block: Sweep,
    /// Writes kept outstanding by each thread.
    pub depth: Option<Sweep>,
    /// Threads, each with a handle of its own.
    pub threads: Sweep,
    /// The interfaces that take the writes; none: files.
    pub faces: Vec<Face>,
    /// How completions are learnt.
    pub engines: Vec<Engine>,
    /// The order of the offsets.
    pub offsets: Offsets,
    /// For the offsets and the bytes.
    pub seed: u64,
    /// Offsets stay below this many bytes.
    pub span: Option<ByteSize>,
    /// How long each run takes.
    pub duration: Option<Duration>,
    /// Or how many writes.
    pub count: Option<u64>,
    /// How long each run writes before it measures.
    pub warm_up: Duration,
    /// `FILE_FLAG_WRITE_THROUGH`.
    pub write_through: bool,
    /// `FILE_FLAG_NO_BUFFERING`.
    pub no_buffering: bool,
    /// Writes per second, over all threads.
    pub rate: Option<u64>,
    /// Whether what arrived is compared.
    pub verify: bool,
    /// What the sink is told to do.
    pub script: Option<ScriptText>,
    /// Make the file, of this size.
    pub create: Option<ByteSize>,
    /// Two sides, or more.
    pub compare: Option<Compare>,
    /// Runs of each setting.
    pub rounds: Option<u32>,
}

/// One combination of what is swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The interface that takes the writes.
    #[serde(default)]
    pub face: Face,
    /// How completions are learnt.
    pub engine: Engine,
    /// Bytes of one write.
    pub block_bytes: u32,
    /// Writes kept outstanding by each thread.
    pub depth: u32,
    /// Threads, each with a handle of its own.
    pub threads: u32,
}

/// A benchmark whose numbers make sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchPlan {
    /// Win32 path of the device.
    pub device: String,
    /// What is compared; one side when nothing is.
    pub variants: Vec<Variant>,
    /// What is swept, in order.
    pub settings: Vec<Setting>,
    /// The order of the offsets.
    pub offsets: Offsets,
    /// For the offsets and the bytes.
    pub seed: u64,
    /// Offsets stay below this many bytes. `None`: as the device says, or [`DEFAULT_SPAN`].
    pub span_bytes: Option<u64>,
    /// When a run ends.
    pub limit: Limit,
    /// How long each run writes before it measures.
    pub warm_up_ns: u64,
    /// `FILE_FLAG_WRITE_THROUGH`.
    pub write_through: bool,
    /// `FILE_FLAG_NO_BUFFERING`.
    pub no_buffering: bool,
    /// Writes per second, over all threads.
    pub rate: Option<u64>,
    /// Whether what arrived is compared.
    pub verify: bool,
    /// What the sink is told to do.
    pub script: Option<ScriptText>,
    /// Make the file, of this size.
    pub create_bytes: Option<u64>,
    /// Runs of each setting and side.
    pub rounds: u32,
}

/// Where offsets end when neither the device nor `--span` says.
pub const DEFAULT_SPAN: u64 = 1 << 30;
/// How long a run takes unless it is said.
pub const DEFAULT_DURATION: Duration = Duration::from_secs(2);
/// Rounds of a comparison unless it is said.
pub const COMPARED_ROUNDS: u32 = 5;
/// Addresses, offsets and lengths of unbuffered writes are multiples of this at least.
pub const LEAST_SECTOR: u32 = 512;
/// The most threads.
pub const MAX_THREADS: u64 = 256;
/// The most memory for buffers.
pub const MAX_MEMORY: u64 = 4 << 30;
/// The most settings of one benchmark.
pub const MAX_SETTINGS: usize = 1000;

/// Why a plan makes no sense. The text names the option, the cause and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchPlanError(String);

impl std::error::Error for BenchPlanError {}

impl fmt::Display for BenchPlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn refuse<T>(sentence: impl Into<String>) -> Result<T, BenchPlanError> {
    Err(BenchPlanError(sentence.into()))
}

impl BenchOptions {
    /// Checks every number, and multiplies the sweeps out.
    ///
    /// # Errors
    ///
    /// The first option that makes no sense.
    pub fn check(self) -> Result<BenchPlan, BenchPlanError> {
        let device = device_path(&self.device);
        let variants = self.variants()?;
        self.check_targets(&device, &variants)?;
        let limit = self.limit()?;
        let settings = self.settings(&variants)?;
        faces::check(&self, &variants, &settings)?;
        if self.rate == Some(0) {
            return refuse("--rate 0: nothing would ever be written; give 1 write per second or more");
        }
        let compared = variants.len() > 1;
        let rounds = self.rounds.unwrap_or(if compared { COMPARED_ROUNDS } else { 1 });
        if rounds == 0 {
            return refuse("--rounds 0: nothing would be measured; give 1 or more");
        }
        Ok(BenchPlan {
            device,
            variants,
            settings,
            offsets: self.offsets,
            seed: self.seed,
            span_bytes: self.span.map(|ByteSize(bytes)| bytes),
            limit,
            warm_up_ns: nanoseconds(self.warm_up),
            write_through: self.write_through,
            no_buffering: self.no_buffering,
            rate: self.rate,
            verify: self.verify,
            script: self.script,
            create_bytes: self.create.map(|ByteSize(bytes)| bytes),
            rounds,
        })
    }

    fn variants(&self) -> Result<Vec<Variant>, BenchPlanError> {
        let Some(Compare(sides)) = &self.compare else {
            return Ok(vec![Variant {
                label: String::new(),
                change: Change::None,
            }]);
        };
        let engines = sides.iter().any(|side| matches!(side.change, Change::Engine(_)));
        if engines && self.engines.len() > 1 {
            return refuse("--compare engine=...: the engines are named there; leave --engine out");
        }
        Ok(sides.clone())
    }

    fn check_targets(&self, device: &str, variants: &[Variant]) -> Result<(), BenchPlanError> {
        let compared = variants.iter().filter_map(|variant| match &variant.change {
            Change::Device(path) => Some(path.as_str()),
            _ => None,
        });
        let mut targets: Vec<&str> = compared.collect();
        if targets.is_empty() {
            targets.push(device);
        }
        for target in targets {
            if is_disk(target) {
                return refuse(format!(
                    "--device {target}: a benchmark writes over what is there, and this is a whole disk or volume; \
                     name a file on it, with --create to make it"
                ));
            }
            if self.script.is_some() && !is_sink(target) {
                return refuse(format!(
                    "--script: {target} is not a sink, and only sinks understand scripts; give --device buffered, \
                     direct or neither, or leave --script out"
                ));
            }
            let pipe = is_pipe(target);
            if self.verify && pipe {
                return refuse(format!(
                    "--verify: {target} is a pipe, whose reader alone knows what arrived; leave --verify out"
                ));
            }
            if self.create.is_some() && (pipe || is_sink(target)) {
                return refuse(format!("--create: {target} is not a file; leave --create out"));
            }
        }
        if self.create == Some(ByteSize(0)) {
            return refuse("--create 0: the file would have no place for a write; give e.g. 1GiB");
        }
        Ok(())
    }

    fn limit(&self) -> Result<Limit, BenchPlanError> {
        match (self.duration, self.count) {
            (Some(_), Some(_)) => {
                refuse("--duration and --count: a run ends by one of them; leave the other out")
            }
            (_, Some(0)) => refuse("--count 0: nothing would be written; give 1 or more"),
            (Some(Duration::ZERO), None) => refuse("--duration 0: nothing would be written; give e.g. 2s"),
            (_, Some(count)) => Ok(Limit::Writes(count)),
            (duration, None) => Ok(Limit::DurationNs(nanoseconds(
                duration.unwrap_or(DEFAULT_DURATION),
            ))),
        }
    }

    fn settings(&self, variants: &[Variant]) -> Result<Vec<Setting>, BenchPlanError> {
        let faces = if self.faces.is_empty() {
            &[Face::File]
        } else {
            self.faces.as_slice()
        };
        let mut settings = Vec::new();
        for face in faces {
            for engine in faces::engines(*face, &self.engines)? {
                let first = Setting {
                    face: *face,
                    engine,
                    block_bytes: 0,
                    depth: 0,
                    threads: 0,
                };
                let sides: Vec<Setting> = variants.iter().map(|side| side.setting(first)).collect();
                for depth in self.depths(&sides)? {
                    for threads in &self.threads.0 {
                        for block in &self.block.0 {
                            settings.push(self.setting(first, *block, depth, *threads)?);
                        }
                    }
                }
                let waits = sides.iter().find(|side| side.engine == Engine::Sync);
                if let Some(side) = waits
                    && self.script.as_ref().is_some_and(ScriptText::holds)
                {
                    return refuse(PlanError::HeldForEver(waiting_option(side.face)).to_string());
                }
            }
        }
        if settings.len() > MAX_SETTINGS {
            return refuse(format!(
                "--block, --depth, --threads, --engine, --face: {} combinations; give fewer than {MAX_SETTINGS}",
                settings.len()
            ));
        }
        Ok(settings)
    }

    /// The depths for these sides: what waits in each call keeps one write outstanding.
    fn depths(&self, sides: &[Setting]) -> Result<Vec<u64>, BenchPlanError> {
        let waits = sides.iter().find(|side| side.engine == Engine::Sync);
        let Some(Sweep(given)) = &self.depth else {
            return Ok(vec![if waits.is_some() {
                1
            } else {
                u64::from(DEFAULT_DEPTH)
            }]);
        };
        let Some(side) = waits.filter(|_| given.as_slice() != [1]) else {
            return Ok(given.clone());
        };
        // Among several engines or faces the others sweep, and this one has its only depth.
        if given.contains(&1) && (self.engines.len() > 1 || self.faces.len() > 1) {
            return Ok(vec![1]);
        }
        refuse(format!(
            "--depth: {} waits in each call, so its depth is 1; give --depth 1, and --threads for more writes at a time",
            match side.face {
                Face::File => "the engine sync".to_owned(),
                face => format!("the face {face}"),
            }
        ))
    }

    fn setting(
        &self,
        first: Setting,
        block: u64,
        depth: u64,
        threads: u64,
    ) -> Result<Setting, BenchPlanError> {
        let Some(block_bytes) = u32::try_from(block).ok().filter(|bytes| *bytes > 0) else {
            return refuse(format!(
                "--block {block}: a write has 1 to {} bytes (4 GiB - 1); give e.g. 64KiB",
                u32::MAX
            ));
        };
        if self.no_buffering && !block_bytes.is_multiple_of(LEAST_SECTOR) {
            return refuse(format!(
                "--block {block} with --no-buffering: unbuffered writes are whole sectors; give a multiple of \
                 {LEAST_SECTOR}, e.g. 4KiB"
            ));
        }
        let Some(depth) = u32::try_from(depth)
            .ok()
            .filter(|depth| (1..=MAX_DEPTH).contains(depth))
        else {
            return refuse(format!(
                "--depth {depth}: 1 to {MAX_DEPTH} writes are kept outstanding; give e.g. 32"
            ));
        };
        if threads == 0 || threads > MAX_THREADS {
            return refuse(format!(
                "--threads {threads}: 1 to {MAX_THREADS} threads write; give e.g. 2"
            ));
        }
        let memory = u128::from(block) * u128::from(depth) * u128::from(threads);
        if memory > u128::from(MAX_MEMORY) {
            return refuse(format!(
                "--block, --depth, --threads: {} at depth {depth} in {threads} threads takes {} MiB of buffers, and {} \
                 MiB are the most; give smaller ones",
                ByteSize(block),
                memory >> 20,
                MAX_MEMORY >> 20
            ));
        }
        Ok(Setting {
            block_bytes,
            depth,
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            ..first
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The name behind `\\.\` or `\\?\`.
fn device_name(path: &str) -> Option<&str> {
    path.strip_prefix(r"\\.\").or_else(|| path.strip_prefix(r"\\?\"))
}

/// Whether a path names a disk or a volume, not a file on it.
fn is_disk(path: &str) -> bool {
    let name = device_name(path).unwrap_or(path).to_ascii_lowercase();
    let is_device = device_name(path).is_some();
    let drive = name.len() == 2 && name.ends_with(':');
    let whole = ["physicaldrive", "harddisk", "cdrom"]
        .into_iter()
        .any(|kind| name.starts_with(kind));
    let volume = name.starts_with("volume{") && !name.trim_end_matches('\\').contains('\\');
    drive || (is_device && (whole || volume))
}

/// Whether a path names a pipe: `\\.\pipe\x`, here or on another machine.
pub fn is_pipe(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.strip_prefix(r"\\")
        .and_then(|rest| rest.split('\\').nth(1))
        .is_some_and(|folder| folder == "pipe")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn options() -> BenchOptions {
        BenchOptions {
            device: "direct".to_owned(),
            block: Sweep(vec![4096]),
            depth: None,
            threads: Sweep(vec![1]),
            faces: Vec::new(),
            engines: Vec::new(),
            offsets: Offsets::Sequential,
            seed: 1,
            span: None,
            duration: None,
            count: None,
            warm_up: Duration::ZERO,
            write_through: false,
            no_buffering: false,
            rate: None,
            verify: false,
            script: None,
            create: None,
            compare: None,
            rounds: None,
        }
    }

    fn refusal(options: BenchOptions) -> String {
        options.check().expect_err("nonsense").to_string()
    }

    #[test]
    fn sweeps_are_multiplied_out() {
        let plan = BenchOptions {
            block: Sweep(vec![512, 1024]),
            depth: Some(Sweep(vec![1, 2, 4])),
            engines: vec![Engine::Sync, Engine::Iocp],
            ..options()
        }
        .check()
        .unwrap();
        let depths = |engine| {
            let of = plan.settings.iter().filter(|setting| setting.engine == engine);
            of.map(|setting| setting.depth).collect::<Vec<_>>()
        };
        assert_eq!(depths(Engine::Iocp), [1, 1, 2, 2, 4, 4]);
        assert_eq!(depths(Engine::Sync), [1, 1], "it has one depth");
        assert_eq!(plan.rounds, 1);
    }

    #[test]
    fn defaults_depend_on_what_is_asked() {
        let plan = options().check().unwrap();
        assert_eq!(plan.settings[0].depth, 32);
        assert_eq!(plan.limit, Limit::DurationNs(2_000_000_000));
        let compared = BenchOptions {
            compare: Some("filter=on,off".parse().unwrap()),
            engines: vec![Engine::Sync],
            ..options()
        }
        .check()
        .unwrap();
        assert_eq!((compared.rounds, compared.variants.len()), (COMPARED_ROUNDS, 2));
        assert_eq!(compared.settings[0].depth, 1);
    }

    #[test]
    fn a_comparison_of_engines_has_a_depth_for_both() {
        let compare = |depth| BenchOptions {
            compare: Some("engine=sync,iocp".parse().unwrap()),
            depth,
            ..options()
        };
        assert_eq!(compare(None).check().unwrap().settings[0].depth, 1);
        assert!(refusal(compare(Some(Sweep(vec![32])))).starts_with("--depth"));
        let twice = BenchOptions {
            engines: vec![Engine::Iocp, Engine::Apc],
            ..compare(None)
        };
        assert!(refusal(twice).starts_with("--compare"));
    }

    #[test]
    fn every_refusal_names_its_option() {
        let o = options;
        let size = |bytes| Some(ByteSize(bytes));
        let script = |text: &str| Some(text.parse().unwrap());
        #[rustfmt::skip]
        let cases = [
            ("--block 0", BenchOptions { block: Sweep(vec![0]), ..o() }),
            ("--block 4294967296", BenchOptions { block: Sweep(vec![1 << 32]), ..o() }),
            ("--block 1000 with --no-buffering", BenchOptions { block: Sweep(vec![1000]), no_buffering: true, ..o() }),
            ("--depth 0", BenchOptions { depth: Some(Sweep(vec![0])), ..o() }),
            ("--depth 65537", BenchOptions { depth: Some(Sweep(vec![65537])), ..o() }),
            ("--depth", BenchOptions { depth: Some(Sweep(vec![8])), engines: vec![Engine::Sync], ..o() }),
            ("--threads 0", BenchOptions { threads: Sweep(vec![0]), ..o() }),
            ("--threads 257", BenchOptions { threads: Sweep(vec![257]), ..o() }),
            ("--block, --depth, --threads", BenchOptions { block: Sweep(vec![1 << 30]), ..o() }),
            ("--duration and --count", BenchOptions { duration: Some(DEFAULT_DURATION), count: Some(1), ..o() }),
            ("--duration 0", BenchOptions { duration: Some(Duration::ZERO), ..o() }),
            ("--count 0", BenchOptions { count: Some(0), ..o() }),
            ("--rate 0", BenchOptions { rate: Some(0), ..o() }),
            ("--rounds 0", BenchOptions { rounds: Some(0), ..o() }),
            ("--create 0", BenchOptions { device: "x.bin".to_owned(), create: size(0), ..o() }),
            ("--create", BenchOptions { create: size(1 << 20), ..o() }),
            ("--script", BenchOptions { device: "x.bin".to_owned(), script: script("completion=pended"), ..o() }),
            ("--engine sync", BenchOptions { engines: vec![Engine::Sync], script: script("completion=held"), ..o() }),
            ("--verify", BenchOptions { device: r"\\.\pipe\x".to_owned(), verify: true, ..o() }),
            (r"--device \\.\PhysicalDrive0", BenchOptions { device: r"\\.\PhysicalDrive0".to_owned(), ..o() }),
            (r"--device \\.\C:", BenchOptions { compare: Some(r"device=direct,\\.\C:".parse().unwrap()), ..o() }),
        ];
        for (named, options) in cases {
            let sentence = refusal(options);
            assert!(sentence.starts_with(named), "{named}: {sentence}");
        }
    }

    #[test]
    fn pipes_and_disks_are_known_by_name() {
        for pipe in [r"\\.\pipe\x", r"\\.\PIPE\a\b", r"\\server\pipe\x", r"\\?\pipe\x"] {
            assert!(is_pipe(pipe), "{pipe}");
        }
        for other in [r"C:\pipe\x", "pipe", r"\\.\KsSinkDirect", r"\\server\share\pipe"] {
            assert!(!is_pipe(other), "{other}");
        }
        for disk in [r"\\.\c:", r"\\?\Volume{1}\", r"\\.\HarddiskVolume1", "C:"] {
            assert!(is_disk(disk), "{disk}");
        }
        for other in [
            r"C:\x.bin",
            r"\\?\C:\x.bin",
            r"\\?\Volume{1}\x.bin",
            "harddisk.bin",
        ] {
            assert!(!is_disk(other), "{other}");
        }
    }
}
