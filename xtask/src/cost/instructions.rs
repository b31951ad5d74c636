//! Instructions, counted by callgrind: once all of them, once without those of the kernel's services.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use kswrite_bench::{BOUNDARY, CORE_AGAIN, SERVICES, Subject, subjects};
use serde::Deserialize;

use super::PACKAGE;
use crate::layout::Layout;
use crate::process::Command;
use crate::step;
use crate::tools;

/// What one write takes; a mean over some, which are all alike.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    /// Instructions, all of them.
    pub(super) total: f64,
    /// Those outside of the kernel's services.
    pub(super) own: f64,
    /// Those that lock the bus or a cache line: atomic additions and exchanges.
    pub(super) atomic: f64,
    /// Allocations on the heap.
    pub(super) allocations: f64,
    /// IRPs, MDLs, buffers and contexts taken from lists of free ones.
    pub(super) takes: f64,
    /// Calls of services that take a lock in a real kernel.
    pub(super) locks: f64,
}

/// By the name of the subject.
pub(super) type Counts = BTreeMap<String, Count>;

/// A line of the program.
#[derive(Deserialize)]
struct Line {
    name: String,
    writes: f64,
    allocations: f64,
    takes: f64,
    locks: f64,
}

/// What callgrind counted around the writes of a subject.
#[derive(Clone, Copy, Default)]
struct Sum {
    instructions: f64,
    atomic: f64,
}

/// Builds the program and counts.
pub(super) fn count(layout: &Layout, valgrind: &Path, folder: &Path) -> Result<Counts> {
    let build = tools::host_cargo(layout, "build")?.args(["--release", "-p", PACKAGE]);
    step::run(layout, "build the benchmark", "bench-core-build", &build)?;
    let run = Run {
        layout,
        valgrind,
        folder,
    };
    let (lines, all) = run.callgrind("all", &[])?;
    let services = SERVICES.iter().chain(&CORE_AGAIN);
    let mut toggles: Vec<String> = services
        .map(|pattern| format!("--toggle-collect={pattern}"))
        .collect();
    // A pattern switches counting off at the start, for callgrind cannot know which way it goes.
    toggles.push("--collect-atstart=yes".to_owned());
    let (_, own) = run.callgrind("own", &toggles)?;
    let mut counts = Counts::new();
    for ((line, all), own) in lines.into_iter().zip(all).zip(own) {
        let each = |sum: f64| sum / line.writes;
        let count = Count {
            total: each(all.instructions),
            own: each(own.instructions),
            atomic: each(all.atomic),
            allocations: each(line.allocations),
            takes: each(line.takes),
            locks: each(line.locks),
        };
        counts.insert(line.name, count);
    }
    without_measurement(&mut counts)?;
    Ok(counts)
}

/// Takes off what the measurement itself costs.
fn without_measurement(counts: &mut Counts) -> Result<()> {
    let nothing = *counts
        .get(&Subject::Nothing.to_string())
        .context("the benchmark did not measure nothing")?;
    for count in counts.values_mut() {
        count.total -= nothing.total;
        count.own -= nothing.own;
    }
    Ok(())
}

struct Run<'a> {
    layout: &'a Layout,
    valgrind: &'a Path,
    folder: &'a Path,
}

impl Run<'_> {
    /// Runs the program; gives its lines, and what was counted for each.
    fn callgrind(&self, name: &str, options: &[String]) -> Result<(Vec<Line>, Vec<Sum>)> {
        let out = self.folder.join(format!("callgrind-{name}"));
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        fs::create_dir_all(&out)?;
        let file = out.join("out");
        let command = Command::new(self.valgrind)
            .args(["--tool=callgrind", "--collect-bus=yes"])
            .arg(format!("--dump-before={BOUNDARY}"))
            .arg(format!("--callgrind-out-file={}", file.display()))
            .args(options)
            .arg(self.layout.root.join("target/release").join(PACKAGE));
        let title = format!("count instructions ({name})");
        let log = format!("bench-core-{name}");
        let captured = step::capture(self.layout, &title, &log, &command)?;
        if captured.code != Some(0) {
            bail!("{}", captured.failure);
        }
        let lines: Vec<Line> = captured
            .text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        if lines.len() != subjects().count() {
            bail!("the benchmark was built from other sources than this program");
        }
        // There is a dump before each boundary, and two boundaries around the writes of a subject.
        let sums = (1..=lines.len()).map(|subject| {
            let dump = out.join(format!("out.{}", 2 * subject));
            sum_of(&fs::read_to_string(dump)?)
        });
        let sums = sums.collect::<Result<_>>()?;
        Ok((lines, sums))
    }
}

/// The `summary` of a dump: a number for each of its `events`; zeros at the end are left out.
fn sum_of(dump: &str) -> Result<Sum> {
    let words = |front: &str| {
        let line = dump.lines().find_map(|line| line.strip_prefix(front));
        line.map(str::split_whitespace)
            .with_context(|| format!("a dump of callgrind has no '{front}'"))
    };
    let mut numbers = words("summary:")?;
    let mut sum = Sum::default();
    for event in words("events:")? {
        let number: f64 = numbers.next().unwrap_or("0").parse()?;
        match event {
            "Ir" => sum.instructions = number,
            "Ge" => sum.atomic = number,
            _ => {}
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_with_and_without_its_zeros() {
        let sum = sum_of("part: 2\nevents: Ir Ge\nsummary: 326 7\n").unwrap();
        assert_eq!((sum.instructions, sum.atomic), (326.0, 7.0));
        let sum = sum_of("events: Ir Ge\nsummary: 326\n").unwrap();
        assert_eq!((sum.instructions, sum.atomic), (326.0, 0.0));
        assert!(sum_of("events: Ir\n").is_err());
    }
}
