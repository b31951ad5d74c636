//! Every small change that cargo-mutants makes in the core.

use std::time::Duration;

use anyhow::Result;

use super::named;
use crate::layout::Layout;
use crate::step;
use crate::tools::{self, CARGO_MUTANTS};

/// All changes, each with a build.
const TIMEOUT: Duration = Duration::from_hours(6);

/// What is tried and what is left out is in `.cargo/mutants.toml`. TRUE: nothing survived.
pub(super) fn run(layout: &Layout) -> Result<bool> {
    named::check_suite(layout)?;
    let program = CARGO_MUTANTS.ensure(layout)?;
    let command = tools::host_cargo(layout, "mutants")?
        .program(&program)
        .args([
            "--package",
            "kswrite_core",
            "--test-package",
            "kswrite_core,kswrite_tests",
            // It would look for the rows in the package that is changed.
            "--baseline=skip",
            "--timeout=60",
            "--no-times",
            "--colors=never",
            "--output",
        ])
        .arg(&layout.out)
        .timeout(TIMEOUT);
    // It shows its own progress, and what survived.
    let code = step::on_terminal(&command)?;
    println!("lists and logs: {}", layout.show(&layout.out.join("mutants.out")));
    Ok(code == Some(0))
}
