//! The result of the main job: one structure for the table and for JSON.

use std::fmt;
use std::path::{Path, PathBuf};

use ksw::report::WriteReport;
use ksw::status::HostCounters;
use ksw::table::{Align, Table, duration, grouped};
use serde::Serialize;

use super::job::{Job, Route};

/// Everything that the main job found.
#[derive(Serialize)]
pub(super) struct RunReport {
    file: PathBuf,
    rows: Vec<Row>,
    /// What was outstanding in the drivers after the last write.
    counters: HostCounters,
    /// Lines of the drivers' log that tell of a failure.
    findings: Vec<String>,
    /// Whatever else is not as it should be.
    problems: Vec<String>,
    passed: bool,
}

/// One job, with the filter and without.
#[derive(Serialize)]
struct Row {
    sink: &'static str,
    engine: &'static str,
    path: Route,
    with_filter: WriteReport,
    without_filter: WriteReport,
    /// Rate with the filter divided by the rate without.
    ratio: f64,
    problems: Vec<String>,
}

impl RunReport {
    pub(super) fn new(
        file: &Path,
        jobs: Vec<Job>,
        with: Vec<WriteReport>,
        without: Vec<WriteReport>,
        counters: HostCounters,
        findings: &[String],
    ) -> Self {
        let rows: Vec<Row> = jobs
            .into_iter()
            .zip(with.into_iter().zip(without))
            .map(|(job, (with, without))| Row::new(job, with, without))
            .collect();
        let passed =
            rows.iter().all(|row| row.problems.is_empty()) && counters.clean() && findings.is_empty();
        Self {
            file: file.to_path_buf(),
            rows,
            counters,
            findings: findings.to_vec(),
            problems: Vec::new(),
            passed,
        }
    }

    /// Something that is no matter of one row went wrong.
    pub(super) fn add_problem(&mut self, problem: String) {
        self.problems.push(problem);
        self.passed = false;
    }

    pub(super) fn passed(&self) -> bool {
        self.passed
    }

    /// Whatever is not as it should be.
    pub(super) fn problems(&self) -> impl Iterator<Item = &String> {
        let rows = self.rows.iter().flat_map(|row| &row.problems);
        rows.chain(&self.problems)
    }

    /// What was outstanding in the end.
    pub(super) fn account(&self) -> String {
        format!("host: {}; findings: {}", self.counters, self.findings.len())
    }

    /// A line for each job.
    pub(super) fn table(&self) -> Table {
        let left = ["sink", "engine", "path"].map(|title| (title, Align::Left));
        let right = ["writes", "bytes", "MiB/s", "p50", "p99", "immediate", "pending"];
        let right = right.map(|title| (title, Align::Right));
        let rest = [
            ("digest", Align::Left),
            ("without: MiB/s", Align::Right),
            ("ratio", Align::Right),
            ("digest", Align::Left),
        ];
        let mut table = Table::new(left.into_iter().chain(right).chain(rest));
        for row in &self.rows {
            table.row(row.cells());
        }
        table
    }
}

impl Row {
    fn new(job: Job, with: WriteReport, without: WriteReport) -> Self {
        let mut problems = Vec::new();
        for (side, report) in [("with", &with), ("without", &without)] {
            if report.exit() != ksw::exit::Exit::Success {
                let failure = report
                    .first_failure
                    .as_ref()
                    .map_or("", |failure| failure.message.as_str());
                problems.push(format!(
                    "{job}, {side} the filter: digest {}. {failure}",
                    digest(report)
                ));
            }
        }
        // A digest that agrees says nothing of the filter when the writes went past it.
        let took = path(&with);
        if took != job.path.word() {
            problems.push(format!("{job}: the writes took the path '{took}'"));
        }
        if path(&without) != "none" {
            problems.push(format!("{job}, without the filter: the filter saw the writes"));
        }
        Self {
            sink: job.sink.word(),
            engine: job.engine.word(),
            path: job.path,
            ratio: with.mib_per_second / without.mib_per_second,
            with_filter: with,
            without_filter: without,
            problems,
        }
    }

    fn cells(&self) -> Vec<String> {
        let with = &self.with_filter;
        let latency = |pick: fn(&ksw::measure::Latency) -> u64| {
            with.latency
                .as_ref()
                .map_or("-".to_owned(), |latency| duration(pick(latency)))
        };
        vec![
            self.sink.to_owned(),
            self.engine.to_owned(),
            path(with).to_owned(),
            grouped(with.writes),
            grouped(with.bytes),
            format!("{:.1}", with.mib_per_second),
            latency(|latency| latency.p50_ns),
            latency(|latency| latency.p99_ns),
            grouped(with.immediate),
            grouped(with.pending),
            digest(with).to_owned(),
            format!("{:.1}", self.without_filter.mib_per_second),
            format!("{:.2}", self.ratio),
            digest(&self.without_filter).to_owned(),
        ]
    }
}

fn path(report: &WriteReport) -> &'static str {
    report
        .filter
        .as_ref()
        .map_or("none", ksw::report::FilterCounters::path)
}

fn digest(report: &WriteReport) -> &'static str {
    report
        .verification
        .as_ref()
        .map_or("not asked", ksw::report::Verification::word)
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.file.display())?;
        write!(f, "{}", self.table())?;
        for problem in self.problems() {
            writeln!(f, "PROBLEM {problem}")?;
        }
        writeln!(f, "{}", self.account())?;
        let word = if self.passed { "passed" } else { "FAILED" };
        writeln!(f, "{word}: {} rows with and without the filter", self.rows.len())
    }
}
