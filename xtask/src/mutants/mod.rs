//! `cargo xtask mutants`: is a defect of the core found by the rows of the contract?

mod any;
mod named;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::layout::Layout;
use crate::lock;

#[derive(Args)]
pub(crate) struct MutantsOptions {
    /// Only these, such as ro-03; without any, all.
    #[arg(conflicts_with = "all")]
    names: Vec<String>,
    /// Instead of the named defects, every small change that cargo-mutants can think of; takes an hour or more.
    #[arg(long)]
    all: bool,
    /// Also write the result as JSON to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    json: Option<PathBuf>,
}

/// Runs the suite on each mutant, prints the table.
pub(crate) fn mutants(layout: &Layout, options: &MutantsOptions) -> Result<ExitCode> {
    // One target folder, in which each mutant replaces the one before.
    let _lock = lock::wait(&layout.out.join("mutants.lock"), "another `cargo xtask mutants`")?;
    let killed = if options.all {
        any::run(layout)?
    } else {
        named::run(layout, options)?
    };
    Ok(if killed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
