//! `cargo xtask fuzz`: the targets of `fuzz/`, driven by libFuzzer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use fs_err as fs;
use ksw::table::{Align, Table};

use crate::layout::Layout;
use crate::process::Command;
use crate::step;
use crate::tools::{CARGO_FUZZ, Nightly};

#[derive(Args)]
pub(crate) struct FuzzOptions {
    /// Which one; without it, all, one after the other.
    #[arg(value_enum)]
    target: Option<Target>,
    /// Executions of each target. Ten million of `program` take about a quarter of an hour.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    runs: u64,
    /// Execute the target once, with this file as its input, and show what is found.
    #[arg(long, value_name = "FILE", requires = "target")]
    replay: Option<PathBuf>,
    /// Build a known defect into the core, such as ro-09, to see that it is found: the exit code is 0 only if it is.
    #[arg(long, value_name = "NAME", requires = "target")]
    defect: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Target {
    /// Programs of the model: writes by several threads, cancels, faults, and the order of it all.
    Program,
    /// The input of a write to a file object, and its report.
    WireFileWrite,
    /// The other controls of the filter.
    WireFilter,
    /// The controls of the scripted target, and what it makes of a script.
    WireSink,
    /// The controls of the Wine host.
    WireHost,
}

/// The platform of the programs, which cargo-fuzz always names.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// The longest input that is tried: a program of some twenty operations, any wire structure.
const LONGEST: u32 = 512;
/// Seconds for one input, which takes less than a thousandth of one: more is a hang.
const ONE_INPUT: u32 = 60;
/// All executions of one target.
const TIMEOUT: Duration = Duration::from_hours(12);
/// Lines of a finding that are shown; the log has all.
const SHOWN: usize = 20;

impl Target {
    const ALL: [Self; 5] = [
        Self::Program,
        Self::WireFileWrite,
        Self::WireFilter,
        Self::WireSink,
        Self::WireHost,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::WireFileWrite => "wire_file_write",
            Self::WireFilter => "wire_filter",
            Self::WireSink => "wire_sink",
            Self::WireHost => "wire_host",
        }
    }

    /// Its bytes are choices, and no number among them must be a certain one: what they are compared with is of no use
    /// to libFuzzer, and takes half of the time.
    fn is_choices(self) -> bool {
        matches!(self, Self::Program)
    }
}

/// Where the programs are, and what they find.
struct Place {
    programs: PathBuf,
    corpus: PathBuf,
    findings: PathBuf,
}

impl Place {
    /// Programs with a defect, and what is learnt from them, are kept apart.
    fn new(layout: &Layout, defect: Option<&str>) -> Self {
        let root = layout.out.join("fuzz");
        let kind = defect.map_or_else(|| root.join("clean"), |defect| root.join(defect));
        Self {
            programs: root.join("build"),
            corpus: kind.join("corpus"),
            findings: kind.join("findings"),
        }
    }

    fn program(&self, target: Target) -> PathBuf {
        self.programs.join(PLATFORM).join("release").join(target.name())
    }
}

/// What became of a target.
struct Ran {
    target: Target,
    executions: u64,
    took: Duration,
    /// Places in the code that were reached.
    coverage: String,
    /// The input that was found to do something wrong.
    finding: Option<PathBuf>,
}

/// Builds and runs; the exit code is 0 only if nothing was found, or if a defect was.
pub(crate) fn fuzz(layout: &Layout, options: &FuzzOptions) -> Result<ExitCode> {
    let place = Place::new(layout, options.defect.as_deref());
    let input = options.replay.as_ref().map(fs::canonicalize).transpose()?;
    let chosen = options.target.map_or(Target::ALL.to_vec(), |target| vec![target]);
    let mut ran = Vec::new();
    for target in chosen {
        build(layout, options, &place, target)?;
        if let Some(input) = &input {
            return replay(layout, &place, target, input);
        }
        ran.push(run(layout, options, &place, target)?);
    }
    print!("{}", table(&ran));
    for ran in &ran {
        if let Some(input) = &ran.finding {
            show(layout, options, ran.target, input)?;
        }
    }
    let found = ran.iter().any(|ran| ran.finding.is_some());
    Ok(if found == options.defect.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// No sanitizer: nothing in the code under test is unsafe, and `cargo xtask sanitize` looks at what is around it. With
/// assertions and overflow checks, which are on unless cargo-fuzz is told otherwise.
fn build(layout: &Layout, options: &FuzzOptions, place: &Place, target: Target) -> Result<()> {
    let nightly = Nightly::ensure(layout)?;
    let program = CARGO_FUZZ.ensure(layout)?;
    let mut command = nightly
        .cargo(layout, "fuzz")
        .program(program)
        .args([
            "build",
            "--sanitizer",
            "none",
            "--target",
            PLATFORM,
            "--target-dir",
        ])
        .arg(&place.programs);
    if let Some(defect) = &options.defect {
        command = command.args(["--features", defect]);
    }
    if target.is_choices() {
        command = command.arg("--no-trace-compares");
    }
    let title = format!("build {}", target.name());
    step::run(layout, &title, "fuzz-build", &command.arg(target.name()))
}

fn run(layout: &Layout, options: &FuzzOptions, place: &Place, target: Target) -> Result<Ran> {
    let corpus = place.corpus.join(target.name());
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&place.findings)?;
    let prefix = place.findings.join(format!("{}-", target.name()));
    let command = Command::new(place.program(target))
        .arg(format!("-runs={}", options.runs))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-timeout={ONE_INPUT}"))
        .arg(format!("-artifact_prefix={}", prefix.display()))
        .arg("-print_final_stats=1")
        .arg(&corpus)
        .dir(&layout.root)
        .timeout(TIMEOUT);
    let start = Instant::now();
    let title = format!("{} executions of {}", options.runs, target.name());
    let ended = step::run_to_end(layout, &title, &log_name(options, target), &command)?;
    let took = start.elapsed();
    let log = String::from_utf8_lossy(&fs::read(&ended.log)?).into_owned();
    let finding = written_input(&log);
    if finding.is_none() && ended.code != Some(0) {
        bail!(
            "{} ended without a finding; see {}",
            target.name(),
            layout.show(&ended.log)
        );
    }
    Ok(Ran {
        target,
        executions: executions(&log).with_context(|| format!("no count in {}", layout.show(&ended.log)))?,
        took,
        coverage: coverage(&log).unwrap_or("-").to_owned(),
        finding,
    })
}

fn replay(layout: &Layout, place: &Place, target: Target, input: &Path) -> Result<ExitCode> {
    let command = Command::new(place.program(target)).arg(input).dir(&layout.root);
    let code = step::on_terminal(&command)?;
    Ok(if code == Some(0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn log_name(options: &FuzzOptions, target: Target) -> String {
    let defect = options.defect.iter().map(|defect| format!("-{defect}"));
    format!("fuzz-{}{}", target.name(), defect.collect::<String>())
}

/// The file that libFuzzer wrote an input to.
fn written_input(log: &str) -> Option<PathBuf> {
    let line = log
        .lines()
        .find_map(|line| line.split_once("Test unit written to "))?;
    Some(PathBuf::from(line.1.trim()))
}

fn executions(log: &str) -> Option<u64> {
    let line = log
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    line.and_then(|number| number.trim().parse().ok())
}

/// The number after the last `cov:`.
fn coverage(log: &str) -> Option<&str> {
    let (_, after) = log.rsplit_once(" cov: ")?;
    after.split_whitespace().next()
}

/// What the target said, without what libFuzzer says of it.
fn said(log: &str) -> Vec<&str> {
    let from_panic = log.lines().skip_while(|line| !line.contains("panicked at"));
    from_panic
        .take_while(|line| !line.starts_with("==") && !line.contains("RUST_BACKTRACE"))
        .collect()
}

fn show(layout: &Layout, options: &FuzzOptions, target: Target, input: &Path) -> Result<()> {
    let log = layout.log(&log_name(options, target));
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let said = said(&text);
    println!("\n{}:", target.name());
    for line in said.iter().take(SHOWN) {
        println!("  {line}");
    }
    if said.len() > SHOWN {
        println!("  ... {} more lines in {}", said.len() - SHOWN, layout.show(&log));
    }
    let defect = options.defect.iter().map(|defect| format!(" --defect {defect}"));
    println!(
        "again: cargo xtask fuzz {} --replay {}{}",
        target.name(),
        layout.show(input),
        defect.collect::<String>()
    );
    Ok(())
}

fn table(ran: &[Ran]) -> Table {
    let mut table = Table::new([
        ("target", Align::Left),
        ("executions", Align::Right),
        ("seconds", Align::Right),
        ("per second", Align::Right),
        ("coverage", Align::Right),
        ("", Align::Left),
    ]);
    for ran in ran {
        let seconds = ran.took.as_secs().max(1);
        table.row([
            ran.target.name().to_owned(),
            ran.executions.to_string(),
            seconds.to_string(),
            (ran.executions / seconds).to_string(),
            ran.coverage.clone(),
            if ran.finding.is_some() {
                "FOUND"
            } else {
                "nothing found"
            }
            .to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "#2\tINITED cov: 51 ft: 52 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #77\tNEW    cov: 63 ft: 80 corp: 9/9b\n\
        thread '<unnamed>' panicked at fuzz_targets/program.rs:6:\n\
        nothing is wrong: told twice\n\
        ==12== ERROR: libFuzzer: deadly signal\n\
        artifact_prefix='x/'; Test unit written to /a/b/program-crash-0f\n\
        stat::number_of_executed_units: 81\n";

    #[test]
    fn the_log_of_a_finding_is_read() {
        assert_eq!(executions(LOG), Some(81));
        assert_eq!(coverage(LOG), Some("63"));
        assert_eq!(written_input(LOG), Some("/a/b/program-crash-0f".into()));
        assert_eq!(said(LOG).last(), Some(&"nothing is wrong: told twice"));
    }

    #[test]
    fn a_log_without_one_has_none() {
        let log = LOG.lines().take(2).collect::<String>();
        assert_eq!((written_input(&log), executions(&log)), (None, None));
        assert!(said(&log).is_empty());
    }
}
