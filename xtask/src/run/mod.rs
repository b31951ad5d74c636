//! `cargo xtask run`: the main job. A real file is written through the filter to each sink, by each engine,
//! on both paths, and once more without the filter.

mod bench;
mod input;
mod job;
mod page;
mod report;
mod rules;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fs_err as fs;
use ksw::bench::report::BenchReport;
use ksw::report::WriteReport;
use ksw::status::HostCounters;
use kswrite_conform::report::{Agreement, Summary};
use kswrite_conform::result::Results;

pub(crate) use bench::{BenchOptions, bench};
pub(crate) use page::Found;

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
    let done = Done::all(&session, file, Job::all())?;
    let counters = session.counters()?;
    let unloaded = session.unload();
    let findings = session.finish()?;
    let mut found = done.account(counters, findings.lines())?;
    if let Err(error) = unloaded {
        found.run.add_problem(format!("{error:#}"));
    }
    print!("{}{}{}", found.run, Summary(&found.rules), found.agreement);
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&found.run)?)?;
    }
    let path = found.write(&layout.out.join("report"))?;
    println!("page: {}", layout.show(&path));
    findings.print();
    Ok(if found.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What was done in a session, before its last account.
struct Done {
    file: PathBuf,
    jobs: Vec<Job>,
    with: Vec<WriteReport>,
    without: Vec<WriteReport>,
    rules: Results,
    bench: BenchReport,
}

impl Done {
    /// Runs the jobs with and without the filter, the rules, and a short benchmark; leaves the filter above the sinks.
    fn all(session: &Session<'_>, file: PathBuf, jobs: Vec<Job>) -> Result<Self> {
        let mut with = Vec::new();
        let mut without = Vec::new();
        for job in &jobs {
            // One after the other, so that what else the machine does falls on both alike.
            session.attach()?;
            with.push(job.run(session, &file, true)?);
            session.detach()?;
            without.push(job.run(session, &file, false)?);
        }
        session.attach()?;
        let rules = rules::in_wine(session)?;
        let bench = short_bench(session)?;
        session.attach()?;
        Ok(Self {
            file,
            jobs,
            with,
            without,
            rules,
            bench,
        })
    }

    /// With what was outstanding in the end, and with what the model says of the rules.
    fn account(self, counters: HostCounters, findings: &[String]) -> Result<Found> {
        let run = RunReport::new(&self.file, self.jobs, self.with, self.without, counters, findings);
        let model = rules::in_model()?;
        Ok(Found {
            run,
            agreement: Agreement::of(&self.rules, &model),
            rules: self.rules,
            model,
            bench: self.bench,
        })
    }
}

/// A run of a small file by one job, for the tests of what a run leaves. Nothing is unloaded.
pub(crate) fn sample(layout: &Layout, session: &Session<'_>) -> Result<Found> {
    let file = input::made(layout, "sample.bin", SAMPLE_BYTES)?;
    let jobs = Job::all().into_iter().take(1).collect();
    Done::all(session, file, jobs)?.account(session.counters()?, &[])
}

/// Not a multiple of a block.
const SAMPLE_BYTES: usize = (1 << 20) + 345;

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
