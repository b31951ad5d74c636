//! `cargo xtask bench core`: what the core costs, in instructions and in nanoseconds, beside the floor.

mod criterion;
mod instructions;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fs_err as fs;
use kswrite_bench::subjects;

use crate::layout::Layout;
use crate::tools;
use report::Report;

#[derive(Args)]
pub(crate) struct CoreOptions {
    /// Also write the result as JSON to this file; it is in target/kswrite/bench/core.json in any case.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Count instructions only, which no other work on the machine can disturb; takes half a minute.
    #[arg(long)]
    no_time: bool,
}

/// The package that is measured.
const PACKAGE: &str = "kswrite_bench";

/// Builds, counts, times, prints the tables.
pub(crate) fn core(layout: &Layout, options: &CoreOptions) -> Result<ExitCode> {
    let valgrind = tools::valgrind(layout)?;
    let folder = layout.out.join("bench");
    fs::create_dir_all(&folder)?;
    let counts = instructions::count(layout, &valgrind, &folder)?;
    let times = if options.no_time {
        criterion::Times::default()
    } else {
        criterion::measure(layout, &folder, subjects())?
    };
    let report = Report::new(&counts, &times);
    print!("{report}");
    let json = serde_json::to_string_pretty(&report)?;
    for file in [Some(folder.join("core.json")), options.json.clone()]
        .into_iter()
        .flatten()
    {
        write(layout, &file, &json)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(layout: &Layout, file: &Path, json: &str) -> Result<()> {
    fs::write(file, json)?;
    println!("written: {}", layout.show(file));
    Ok(())
}
