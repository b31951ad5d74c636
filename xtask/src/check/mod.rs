//! `cargo xtask check`: format, lints, dependency edges.

mod edges;

use std::process::ExitCode;

use anyhow::Result;

use crate::build;
use crate::interrupt;
use crate::layout::Layout;
use crate::process::Command;
use crate::step;
use crate::tools::{self, Purpose};

/// Runs every check, also after one has failed, and says which failed.
pub(crate) fn check(layout: &Layout) -> Result<ExitCode> {
    let tools = tools::ensure(layout, Purpose::Lint)?;
    build::prepare(layout, &tools)?;
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
