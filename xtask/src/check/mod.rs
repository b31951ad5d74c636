//! `cargo xtask check`: format, lints, dependency edges.

mod edges;
mod real;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::build;
use crate::interrupt;
use crate::layout::Layout;
use crate::process::Command;
use crate::step;
use crate::tools::{self, Purpose, Tools};

#[derive(Args)]
pub(crate) struct CheckOptions {
    /// Instead of all that: compile the drivers and the table of facts against the headers of a real WDK, in a copy of
    /// `Windows Kits\10`.
    #[arg(long, value_name = "DIR")]
    wdk: Option<PathBuf>,
}

/// What cargo starts programs for Windows by.
const RUNNER: &str = "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER";

/// Runs every check, also after one has failed, and says which failed.
pub(crate) fn check(layout: &Layout, options: &CheckOptions) -> Result<ExitCode> {
    let tools = tools::ensure(layout, Purpose::Lint)?;
    build::prepare(layout, &tools)?;
    if let Some(kit) = &options.wdk {
        real::check(layout, &tools, kit)?;
        println!("the drivers and the table of facts agree with these headers");
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = Vec::new();
    let steps = steps(layout, &tools)?.into_iter().chain(fuzz_steps(layout)?);
    for (title, log, command) in steps.chain(documentation(layout, &tools)) {
        if let Err(error) = step::run(layout, title, log, &command) {
            interrupt::check()?;
            eprintln!("{error:#}");
            failed.push(title.to_owned());
        }
    }
    for edge in edges::forbidden(layout, &tools)? {
        failed.push(edge);
    }
    if failed.is_empty() {
        println!("format, lints and dependency edges are clean");
        return Ok(ExitCode::SUCCESS);
    }
    for title in &failed {
        println!("FAILED {title}");
    }
    Ok(ExitCode::FAILURE)
}

/// What is run: a title, the name of its log, the command.
type Step = (&'static str, &'static str, Command);

/// The fuzz targets, which are a workspace of their own.
fn fuzz_steps(layout: &Layout) -> Result<[Step; 2]> {
    let fuzz = layout.root.join("fuzz");
    Ok([
        (
            "format of the fuzz targets",
            "check-fmt-fuzz",
            tools::host_cargo(layout, "fmt")?.arg("--check").dir(&fuzz),
        ),
        (
            "clippy for the fuzz targets",
            "check-clippy-fuzz",
            tools::host_cargo(layout, "clippy")?
                .args(["--", "-D", "warnings"])
                .dir(&fuzz)
                .env("CARGO_TARGET_DIR", layout.out.join("check-fuzz"))
                // Nothing is linked, so libFuzzer, which takes a C++ compiler, need not be there.
                .env("CUSTOM_LIBFUZZER_PATH", layout.out.join("libfuzzer.a")),
        ),
    ])
}

/// Those of the workspace itself.
fn steps(layout: &Layout, tools: &Tools) -> Result<[Step; 4]> {
    let deny = ["--keep-going", "--", "-D", "warnings"];
    Ok([
        (
            "format",
            "check-fmt",
            tools::host_cargo(layout, "fmt")?.args(["--all", "--check"]),
        ),
        (
            "clippy for Linux",
            "check-clippy-linux",
            tools::host_cargo(layout, "clippy")?
                .arg("--all-targets")
                .args(deny),
        ),
        (
            "clippy for the drivers",
            "check-clippy-drivers",
            build::driver_cargo(layout, tools, "clippy")
                .args([
                    "-p",
                    "kswrite",
                    "-p",
                    "ksink",
                    "-p",
                    "kmdf",
                    "-p",
                    "wine_kmdf",
                    "-p",
                    "needs_wdk",
                ])
                .args(deny),
        ),
        (
            "clippy for the Windows programs",
            "check-clippy-windows",
            build::user_cargo(layout, tools, "clippy")
                .args([
                    "-p",
                    "ksw",
                    "-p",
                    "kswrite_client",
                    "-p",
                    "kswrite_dll",
                    "-p",
                    "kswrite_faces",
                    "-p",
                    "kswrite_tests",
                    "--all-targets",
                    "--features",
                    "kswrite_client/tokio",
                ])
                .args(deny),
        ),
    ])
}

/// The examples in the documentation of the client crate: compiled, for what they write to is not here. Not where cargo
/// builds the standard library itself, which nobody has tried.
fn documentation(layout: &Layout, tools: &Tools) -> Option<Step> {
    if tools.rust.build_std {
        return None;
    }
    let command = build::user_cargo(layout, tools, "test")
        .args(["-p", "kswrite_client", "--doc"])
        .args(["--features", "kswrite_client/tokio"])
        .env(RUNNER, "true");
    Some((
        "examples in the documentation, for Windows",
        "check-doc-windows",
        command,
    ))
}
