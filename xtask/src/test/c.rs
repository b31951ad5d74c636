//! The programs in C and C++ that use kswrite_client.dll: compiled, run in Wine over the loaded drivers, and their checks
//! counted.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use fs_err as fs;
use ksw::status::StatsReport;

use super::totals::Totals;
use crate::build;
use crate::layout::Layout;
use crate::libtest::Counts;
use crate::process::Command;
use crate::stamp::{self, Inputs};
use crate::step;
use crate::wine::Session;

/// A program of one source file.
struct Program {
    name: &'static str,
    source: &'static str,
    language: Language,
    /// How its memory is limited: Wine knows no such limits.
    bytes: Option<u64>,
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "write_c",
        source: "write.c",
        language: C,
        bytes: None,
    },
    Program {
        name: "write_cpp",
        source: "write.cpp",
        language: CPP,
        bytes: None,
    },
    Program {
        name: "bad_input",
        source: "bad_input.cpp",
        language: CPP,
        bytes: Some(1 << 30),
    },
];

/// Compiler and flags.
type Language = (&'static str, &'static [&'static str]);

const C: Language = ("x86_64-w64-mingw32-gcc", &["-std=c11"]);
const CPP: Language = ("x86_64-w64-mingw32-g++", &["-std=c++17", "-static"]);
const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// They need seconds.
const TIMEOUT: Duration = Duration::from_mins(2);

impl Program {
    fn image(&self, layout: &Layout) -> PathBuf {
        layout.out.join("c").join(format!("{}.exe", self.name))
    }

    fn compile(&self, layout: &Layout) -> Command {
        let (compiler, flags) = self.language;
        Command::new(compiler)
            .args(flags)
            .args(WARNINGS)
            .args(["-O1", "-g", "-I"])
            .arg(&layout.out)
            .arg(sources(layout).join(self.source))
            .arg(layout.artifact(build::IMPORTS))
            .args(["-luuid", "-o"])
            .arg(self.image(layout))
    }
}

fn sources(layout: &Layout) -> PathBuf {
    layout.root.join("crates/kswrite_dll/c")
}

/// Compiles those that have changed.
pub(super) fn build(layout: &Layout) -> Result<()> {
    fs::create_dir_all(layout.out.join("c"))?;
    for program in &PROGRAMS {
        let command = program.compile(layout);
        let digest = Inputs::default()
            .word(command.to_string())
            .path(&sources(layout))?
            .path(&layout.artifact(build::HEADER))?
            .path(&layout.artifact(build::IMPORTS))?
            .digest();
        let stamp = layout.stamp(&format!("c-{}", program.name));
        if stamp::fresh(&stamp, &digest) && program.image(layout).is_file() {
            continue;
        }
        let log = format!("build-{}", program.name);
        step::run(layout, &format!("compile {}", program.source), &log, &command)?;
        stamp::set(&stamp, &digest)?;
    }
    Ok(())
}

/// Runs them, each followed by a look at what the drivers still have of it.
pub(super) fn run(
    layout: &Layout,
    session: &Session<'_>,
    filter: Option<&str>,
    totals: &mut Totals,
) -> Result<()> {
    for program in &PROGRAMS {
        let mut words = vec![program.image(layout).display().to_string()];
        words.extend(filter.map(str::to_owned));
        let mut command = session.windows(&words).timeout(TIMEOUT);
        if let Some(bytes) = program.bytes {
            command = command.under("prlimit", &[&format!("--data={bytes}")]);
        }
        let log = format!("test-wine-{}", program.name);
        let ended = step::run_to_end(
            layout,
            &format!("tests in Wine: {}", program.name),
            &log,
            &command,
        )?;
        totals.add_read(&format!("wine, {}", program.name), &ended, read)?;
        let left = left_behind(session)?;
        if let Some(left) = &left {
            println!("{left}");
        }
        totals.check(
            &format!("wine, {}: nothing is left in the drivers", program.name),
            left.is_none(),
        );
    }
    Ok(())
}

/// What the drivers have of a program that has ended, if anything.
fn left_behind(session: &Session<'_>) -> Result<Option<String>> {
    let host = session.counters()?;
    let filter: StatsReport = session.json(
        "read the filter's counters",
        "wine-stats",
        &["ksw", "stats", "--json"],
    )?;
    let in_flight = filter.counters.in_flight;
    let clean = host.clean() && in_flight == 0;
    Ok((!clean).then(|| format!("host: {host}; in flight in the filter: {in_flight}")))
}

/// What such a program printed: the counts, and the checks that failed. A program that did not come to its end counts as
/// none.
fn read(log: &str) -> (Counts, Vec<&str>) {
    let lines = || log.lines().map(str::trim_end);
    let failures: Vec<&str> = lines().filter_map(|line| line.strip_prefix("FAILED ")).collect();
    let passed = lines().filter(|line| line.starts_with("ok ")).count();
    let came_to_its_end = lines().any(|line| line.starts_with("end: "));
    let counts = Counts {
        passed: u32::try_from(passed).unwrap_or(u32::MAX),
        failed: u32::try_from(failures.len()).unwrap_or(u32::MAX),
        ignored: 0,
        programs: u32::from(came_to_its_end),
    };
    (counts, failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_and_named() {
        let log = "$ wine64 x.exe\nok a: one\r\nFAILED a: two: expected 1, saw 2\r\nok b: three\r\n";
        let (counts, failures) = read(log);
        assert_eq!((counts.passed, counts.failed, counts.programs), (2, 1, 0));
        assert_eq!(failures, ["a: two: expected 1, saw 2"]);
        assert_eq!(read("end: 0 ok, 0 failed\r\n").0.programs, 1);
    }
}
