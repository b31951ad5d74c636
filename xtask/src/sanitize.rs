//! `cargo xtask sanitize`: the tests of the core and of the model under AddressSanitizer and ThreadSanitizer.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use fs_err as fs;
use ksw::table::{Align, Table};

use crate::layout::Layout;
use crate::libtest::{counts, failures};
use crate::step;
use crate::tools::Nightly;

#[derive(Args)]
pub(crate) struct SanitizeOptions {
    /// Which one; without it, both.
    #[arg(value_enum)]
    sanitizer: Option<Sanitizer>,
    /// Only tests whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sanitizer {
    /// Memory that is used after it was freed, beyond its end, or never freed.
    Address,
    /// Memory that threads use without an order between them.
    Thread,
}

/// The target is named, so that build scripts and macros are not sanitized.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What is tested: libraries with their tests, and the rows of the contract.
const TESTED: [&str; 9] = [
    "-p",
    "kswrite_core",
    "-p",
    "kswrite_wire",
    "-p",
    "nt_model",
    "-p",
    "kswrite_tests",
    "--lib",
];
/// Their test programs; the suite has others, which inspect images and texts.
const PROGRAMS: [&str; 6] = ["--test", "threads", "--test", "model", "--test", "conform"];

/// Each coroutine would get a second stack of its own, of which the rows would fill any memory. What is lost is the use of
/// a local variable after its function returned, which safe code cannot do, and neither core nor model has other.
const ADDRESS_OPTIONS: &str = "detect_stack_use_after_return=0:quarantine_size_mb=64";

impl Sanitizer {
    const ALL: [Self; 2] = [Self::Address, Self::Thread];

    fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
        }
    }

    /// The model runs threads as coroutines; AddressSanitizer must be told of each switch of stacks.
    fn features(self) -> &'static [&'static str] {
        match self {
            Self::Address => &["--features", "nt_model/sanitizer"],
            Self::Thread => &[],
        }
    }

    /// Explorations of the model: many runs of coroutines, all in one thread, where ThreadSanitizer has nothing to find and
    /// needs many minutes.
    fn left_out(self) -> &'static [&'static str] {
        match self {
            Self::Address => &[],
            Self::Thread => &[
                "--skip=interleavings::",
                "--skip=random::",
                "--skip=explore::",
                "--skip=pf_01_a_token_races_the_completion",
            ],
        }
    }
}

/// Builds and runs; the exit code is 0 only if every test passed and nothing was reported.
pub(crate) fn sanitize(layout: &Layout, options: &SanitizeOptions) -> Result<ExitCode> {
    let nightly = Nightly::ensure(layout)?;
    let mut table = Table::new([
        ("sanitizer", Align::Left),
        ("programs", Align::Right),
        ("passed", Align::Right),
        ("failed", Align::Right),
        ("reports", Align::Right),
    ]);
    let mut clean = true;
    let chosen = options.sanitizer;
    for sanitizer in Sanitizer::ALL {
        if chosen.is_some_and(|chosen| chosen.word() != sanitizer.word()) {
            continue;
        }
        let log = format!("sanitize-{}", sanitizer.word());
        // The dependencies differ in their flags from those of other builds. The standard library is built as well:
        // what it does with memory and threads counts. It is built for tests that unwind, as those of all crates are.
        let command = nightly
            .cargo(layout, "test")
            .args(["-Zbuild-std", "--no-fail-fast", "--target", TARGET])
            .args(TESTED)
            .args(PROGRAMS)
            .args(sanitizer.features())
            .args(&options.filter)
            .arg("--")
            .args(sanitizer.left_out())
            .env("RUSTFLAGS", format!("-Zsanitizer={}", sanitizer.word()))
            .env("CARGO_PROFILE_DEV_PANIC", "unwind")
            // The rows walk through many interleavings.
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("ASAN_OPTIONS", ADDRESS_OPTIONS)
            .env("CARGO_TARGET_DIR", layout.out.join(&log));
        let title = format!("tests under the {} sanitizer", sanitizer.word());
        let ended = step::run_to_end(layout, &title, &log, &command)?;
        let text = fs::read_to_string(&ended.log)?;
        let found = counts(&text);
        let reports = text.lines().filter(|line| line.contains("SUMMARY: ")).count();
        for name in failures(&text) {
            println!("FAILED {name}");
        }
        if ended.code != Some(0) {
            clean = false;
            println!("{}: see {}", sanitizer.word(), layout.show(&ended.log));
        }
        clean &= reports == 0 && found.passed > 0;
        table.row([
            sanitizer.word().to_owned(),
            found.programs.to_string(),
            found.passed.to_string(),
            found.failed.to_string(),
            reports.to_string(),
        ]);
    }
    print!("{table}");
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
