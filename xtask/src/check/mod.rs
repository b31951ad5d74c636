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
use crate::tools::{self, Purpose};

#[derive(Args)]
pub(crate) struct CheckOptions {
    /// Instead of all that: compile the drivers and the table of facts against the headers of a real WDK, in a copy of
    /// `Windows Kits\10`.
    #[arg(long, value_name = "DIR")]
    wdk: Option<PathBuf>,
}

/// Runs every check, also after one has failed, and says which failed.
pub(crate) fn check(layout: &Layout, options: &CheckOptions) -> Result<ExitCode> {
    let tools = tools::ensure(layout, Purpose::Lint)?;
    build::prepare(layout, &tools)?;
    if let Some(kit) = &options.wdk {
        real::check(layout, &tools, kit)?;
        println!("the drivers and the table of facts agree with these headers");
        return Ok(ExitCode::SUCCESS);
    }
    let deny = ["--keep-going", "--", "-D", "warnings"];
    let steps: [(&str, &str, Command); 4] = [
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
            build::driver_cargo(layout, &tools, "clippy")
                .args(["-p", "kswrite", "-p", "ksink", "-p", "kmdf", "-p", "wine_kmdf"])
                .args(deny),
        ),
        (
            "clippy for the Windows programs",
            "check-clippy-windows",
            build::user_cargo(layout, &tools, "clippy")
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
                ])
                .args(deny),
        ),
    ];
    let mut failed = Vec::new();
    for (title, log, command) in &steps {
        if let Err(error) = step::run(layout, title, log, command) {
            interrupt::check()?;
            eprintln!("{error:#}");
            failed.push((*title).to_owned());
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
