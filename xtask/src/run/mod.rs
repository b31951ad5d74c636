//! `cargo xtask run`: the main job. A real file is written through the filter to each sink, by each engine,
//! on both paths, and once more without the filter.

mod bench;
mod input;
mod job;
mod page;
mod report;
pub(crate) mod rules;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fs_err as fs;
use ksw::bench::report::BenchReport;
use ksw::exit::Exit;
use kswrite_conform::report::Summary;

pub(crate) use bench::{BenchOptions, bench};

use crate::build;
use crate::layout::Layout;
use crate::tools::{self, Purpose};
use crate::wine::{Load, Pin, Session};
use job::Job;
use report::RunReport;

#[derive(Args)]
pub(crate) struct RunOptions {
    /// The file to write. Without it, 64 MiB made from what was just built.
    file: Option<PathBuf>,
    /// Also write the result as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run everything on one CPU, which is faster and steadier in Wine.
    #[arg(long)]
    pin: bool,
}

/// Builds, runs all jobs, prints the table. The exit code is 0 only if every byte arrived once and in order,
/// each write took the path it was meant to take, and nothing was left behind.
pub(crate) fn run(layout: &Layout, options: &RunOptions) -> Result<ExitCode> {
    let given = options.file.as_deref().map(input::given).transpose()?;
    let tools = tools::ensure(layout, Purpose::Build)?;
    build::all(layout, &tools)?;
    let file = match given {
        Some(file) => file,
        None => input::large(layout)?,
    };
    let pin = if options.pin { Pin::OneCpu } else { Pin::No };
    let session = Session::start(layout, &tools, "run", Load::Sinks, pin)?;
    let jobs = Job::all();
    let mut with = Vec::new();
    let mut without = Vec::new();
    for job in &jobs {
        // One after the other, so that what else the machine does falls on both alike.
        session.attach()?;
        with.push(job.run(&session, &file, true)?);
        session.detach()?;
        without.push(job.run(&session, &file, false)?);
    }
    session.attach()?;
    let rules = rules::in_wine(&session)?;
    let bench = short_bench(&session)?;
    session.attach()?;
    let counters = session.counters()?;
    let unloaded = session.unload();
    let findings = session.finish()?;
    let mut report = RunReport::new(&file, jobs, with, without, counters, findings.lines());
    if let Err(error) = unloaded {
        report.add_problem(format!("{error:#}"));
    }
    let agreement = rules::agreement(&rules, &rules::in_model()?);
    print!("{report}");
    println!("{}", Summary(&rules));
    print!("{agreement}");
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    let found = page::Found {
        run: &report,
        rules: &rules,
        agreement: &agreement,
        bench: &bench,
    };
    let path = found.write(&layout.out.join("report"))?;
    println!("page: {}", layout.show(&path));
    findings.print();
    let passed = report.passed() && rules.passed() && agreement.holds() && bench.exit() == Exit::Success;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A benchmark of seconds: sizes and depths through the filter and without it.
fn short_bench(session: &Session<'_>) -> Result<BenchReport> {
    let words = [
        "ksw",
        "bench",
        "--device",
        "direct",
        "--block",
        "4KiB..256KiB",
        "--depth",
        "32",
        "--duration",
        "250ms",
        "--warm-up",
        "50ms",
        "--compare",
        "filter=on,off",
        "--rounds",
        "3",
        "--json",
        "-",
    ];
    session.json("a short benchmark", "run-bench", &words)
}
