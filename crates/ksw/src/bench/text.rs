//! A benchmark's result as tables and sentences.

use std::fmt;

use super::plan::{BenchPlan, Limit, Offsets, Setting};
use super::report::{BenchReport, Point, Spread, face_word, to_float};
use crate::measure::Distribution;
use crate::report::FilterCounters;
use crate::size::ByteSize;
use crate::table::{Align, Table, duration, grouped};

/// What tells a row from others.
const KEY: [(&str, Align); 6] = [
    ("side", Align::Left),
    ("face", Align::Left),
    ("engine", Align::Left),
    ("block", Align::Right),
    ("depth", Align::Right),
    ("threads", Align::Right),
];

pub(super) fn size(bytes: u32) -> ByteSize {
    ByteSize(u64::from(bytes))
}

/// `0.93 (0.90 to 0.95)`.
pub(super) fn ratio_text(ratio: Option<Spread>) -> String {
    ratio.map_or_else(
        || "-".to_owned(),
        |ratio| {
            format!(
                "{:.3} ({:.3} to {:.3})",
                ratio.median, ratio.lowest, ratio.highest
            )
        },
    )
}

/// `41.2 us` of nanoseconds with a fraction.
fn short_time(nanoseconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time of one write, shown with three digits"
    )]
    duration(nanoseconds.max(0.0).round() as u64)
}

fn percentile(of: Option<Distribution>, pick: fn(&Distribution) -> u64) -> String {
    of.map_or_else(|| "-".to_owned(), |times| duration(pick(&times)))
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1} %", to_float(part) / to_float(whole) * 100.0)
}

impl BenchReport {
    /// What was asked for and where, as name and value.
    pub fn facts(&self) -> Table {
        let Self {
            plan, environment, ..
        } = self;
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        table.row(["device", &plan.device]);
        table.row(["writes".to_owned(), writes_text(plan)]);
        if let Some(script) = &plan.script {
            table.row(["script".to_owned(), script.to_string()]);
        }
        table.row(["system".to_owned(), environment.system.name()]);
        let processor = environment.processor.as_deref().unwrap_or("unknown");
        let processors = environment.system.processors;
        table.row([
            "processor".to_owned(),
            format!("{processor}, {processors} logical"),
        ]);
        table.row([
            "filter",
            environment.filter.as_deref().unwrap_or("does not answer"),
        ]);
        for (service, version) in &environment.images {
            table.row([format!("{service}.sys"), version.clone()]);
        }
        table.row(["ksw".to_owned(), environment.ksw.clone()]);
        table.row(["begun".to_owned(), environment.time.clone()]);
        table.row(["command".to_owned(), environment.command.clone()]);
        table
    }

    /// How much was written, one row for each point.
    pub fn throughput(&self) -> Table {
        let mut table = Table::new(KEY.into_iter().chain([
            ("writes/s", Align::Right),
            ("+-", Align::Right),
            ("MiB/s", Align::Right),
            ("mean depth", Align::Right),
            ("highest", Align::Right),
            ("immediate", Align::Right),
            ("CPU/write", Align::Right),
            ("path", Align::Left),
            ("failed", Align::Right),
            ("short", Align::Right),
            ("verified", Align::Left),
        ]));
        for point in &self.measured.points {
            table.row(point.throughput_row());
        }
        table
    }

    /// How long writes took, three rows for each point.
    pub fn latency(&self) -> Table {
        let mut table = Table::new(KEY.into_iter().chain([
            ("latency", Align::Left),
            ("writes", Align::Right),
            ("min", Align::Right),
            ("mean", Align::Right),
            ("p50", Align::Right),
            ("p90", Align::Right),
            ("p99", Align::Right),
            ("p99.9", Align::Right),
            ("p99.99", Align::Right),
            ("max", Align::Right),
        ]));
        for point in &self.measured.points {
            let kinds = [
                ("total", point.total),
                ("submission", point.submission),
                ("completion", point.completion),
            ];
            for (kind, times) in kinds {
                let mut row = point.key().to_vec();
                row.push(kind.to_owned());
                row.push(times.map_or_else(|| "0".to_owned(), |times| grouped(times.count)));
                row.push(percentile(times, |times| times.min_ns));
                row.push(times.map_or_else(|| "-".to_owned(), |times| short_time(times.mean_ns)));
                let picks: [fn(&Distribution) -> u64; 6] = [
                    |times| times.p50_ns,
                    |times| times.p90_ns,
                    |times| times.p99_ns,
                    |times| times.p999_ns,
                    |times| times.p9999_ns,
                    |times| times.max_ns,
                ];
                row.extend(picks.map(|pick| percentile(times, pick)));
                table.row(row);
            }
        }
        table
    }

    /// What the filter counted, one row for each point at which one answered.
    pub fn paths(&self) -> Option<Table> {
        let counted: Vec<_> = self
            .measured
            .points
            .iter()
            .filter_map(|point| Some((point, point.filter()?)))
            .collect();
        let (_, first) = counted.first()?;
        // Two of the rows are what is there now, not what was counted.
        let names = first.rows().into_iter().skip(2).map(|(name, _)| name);
        let shown: Vec<&str> = names
            .filter(|name| counted.iter().any(|(_, counters)| value(counters, name) > 0))
            .collect();
        let mut table = Table::new(
            KEY.into_iter()
                .chain(shown.iter().map(|name| (*name, Align::Right))),
        );
        for (point, counters) in &counted {
            let values = shown.iter().map(|name| grouped(value(counters, name)));
            table.row(point.key().into_iter().chain(values));
        }
        (!shown.is_empty()).then_some(table)
    }

    /// Every side of each setting against the last one.
    pub fn comparisons(&self) -> Option<Table> {
        let compared = &self.measured.comparisons;
        let first = compared.first()?;
        let [one, other] = &first.sides;
        let several = compared.iter().any(|comparison| comparison.sides != first.sides);
        let one = if several { "side" } else { one };
        let mut table = Table::new(KEY.into_iter().chain([
            ("rounds", Align::Right),
            (&format!("writes/s, {one} / {other}"), Align::Right),
            ("latency p50", Align::Right),
            ("latency p99", Align::Right),
            ("CPU/write", Align::Right),
        ]));
        for comparison in compared {
            let [side, _] = &comparison.sides;
            let mut row = key(if several { side } else { "" }, comparison.setting).to_vec();
            row.extend([
                comparison.rounds.to_string(),
                ratio_text(Some(comparison.writes_per_second)),
                ratio_text(comparison.p50),
                ratio_text(comparison.p99),
                ratio_text(comparison.cpu),
            ]);
            table.row(row);
        }
        Some(without_empty_columns(&table))
    }

    /// What the reader must know beside the tables: failures, engines that are missing, a stop.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = self
            .measured
            .unavailable
            .iter()
            .map(ToString::to_string)
            .collect();
        for point in &self.measured.points {
            let failures = point
                .rounds
                .iter()
                .filter_map(|round| round.first_failure.as_ref());
            if let Some(failure) = failures.into_iter().next() {
                remarks.push(format!(
                    "{}: first failure, {} bytes at offset {}: {}",
                    point.name(),
                    failure.length,
                    failure.offset,
                    failure.message
                ));
            }
        }
        if self.measured.stopped {
            let abandoned = |point: &Point| point.sum(|round| round.abandoned);
            let abandoned: u64 = self.measured.points.iter().map(abandoned).sum();
            remarks.push(format!(
                "stopped before the end: the last run is shorter than asked for, and {abandoned} pending writes were \
                 cancelled"
            ));
        }
        remarks
    }
}

fn value(counters: &FilterCounters, name: &str) -> u64 {
    let rows = counters.rows();
    let row = rows.iter().find(|(row, _)| *row == name);
    row.map_or(0, |(_, value)| *value)
}

/// `sequential, 2 s after 200 ms of warm-up, 5 rounds, write-through`.
fn writes_text(plan: &BenchPlan) -> String {
    let mut parts = vec![match plan.offsets {
        Offsets::Sequential => "sequential".to_owned(),
        Offsets::Random => format!("random (seed {})", plan.seed),
    }];
    parts.push(match plan.limit {
        Limit::DurationNs(nanoseconds) => duration(nanoseconds),
        Limit::Writes(count) => format!("{} writes", grouped(count)),
    });
    if plan.warm_up_ns > 0 {
        parts.push(format!("after {} of warm-up", duration(plan.warm_up_ns)));
    }
    if plan.rounds > 1 {
        parts.push(format!("{} rounds", plan.rounds));
    }
    if let Some(rate) = plan.rate {
        parts.push(format!("at most {} writes/s", grouped(rate)));
    }
    let flags = [
        (plan.write_through, "write-through"),
        (plan.no_buffering, "no buffering"),
        (plan.verify, "verified"),
    ];
    parts.extend(
        flags
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| word.to_owned()),
    );
    parts.join(", ")
}

/// What tells a row from the others.
fn key(side: &str, setting: Setting) -> [String; 6] {
    let Setting {
        face,
        engine,
        block_bytes,
        depth,
        threads,
    } = setting;
    [
        side.to_owned(),
        face_word(side, face).unwrap_or_default().to_owned(),
        engine.to_string(),
        size(block_bytes).to_string(),
        depth.to_string(),
        threads.to_string(),
    ]
}

impl Point {
    fn key(&self) -> [String; 6] {
        key(&self.variant, self.setting)
    }

    fn throughput_row(&self) -> Vec<String> {
        let rate = |spread: Option<Spread>, decimals: usize| {
            spread.map_or_else(
                || "-".to_owned(),
                |spread| format!("{:.decimals$}", spread.median),
            )
        };
        let swing = self.writes_per_second.filter(|_| self.rounds.len() > 1);
        let (mean, highest) = self.depth();
        let mut row = self.key().to_vec();
        row.extend([
            rate(self.writes_per_second, 0),
            swing.map_or_else(String::new, |spread| {
                format!("{:.1} %", spread.half_range() * 100.0)
            }),
            rate(self.mib_per_second, 1),
            format!("{mean:.2}"),
            highest.to_string(),
            percent(self.sum(|round| round.immediate), self.writes()),
            self.cpu()
                .map_or_else(|| "-".to_owned(), |cpu| short_time(cpu.median)),
            self.filter()
                .map_or("no filter", |filter| filter.path())
                .to_owned(),
            grouped(self.sum(|round| round.failed)),
            grouped(self.sum(|round| round.short)),
            self.verified().to_owned(),
        ]);
        row
    }
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.facts())?;
        writeln!(f, "{}", without_empty_columns(&self.throughput()))?;
        write!(f, "{}", without_empty_columns(&self.latency()))?;
        for table in self.paths().iter().chain(self.comparisons().iter()) {
            write!(f, "\n{}", without_empty_columns(table))?;
        }
        let remarks = self.remarks();
        if !remarks.is_empty() {
            writeln!(f)?;
        }
        for remark in remarks {
            writeln!(f, "{remark}")?;
        }
        Ok(())
    }
}

/// The same table without the columns in which no row has anything.
pub(super) fn without_empty_columns(table: &Table) -> Table {
    let has_text = |column: &usize| {
        let cell = |row: &Vec<String>| row.get(*column).is_some_and(|cell| !cell.is_empty());
        table.rows().iter().any(cell)
    };
    let kept: Vec<usize> = (0..table.columns().len()).filter(has_text).collect();
    let columns = kept
        .iter()
        .filter_map(|column| table.columns().get(*column).cloned());
    let mut slim = Table::new(columns);
    for row in table.rows() {
        slim.row(
            kept.iter()
                .map(|column| row.get(*column).map_or("", String::as_str)),
        );
    }
    slim
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_text_are_left_out() {
        let mut table = Table::new([("side", Align::Left), ("n", Align::Right)]);
        table.row(["", "1"]);
        table.row(["", "2"]);
        assert_eq!(without_empty_columns(&table).to_string(), "n\n-\n1\n2\n");
    }
}
