//! The result: one structure for the tables and for JSON.

use std::fmt;

use ksw::table::{Align, Table, grouped};
use kswrite_bench::{By, Path, Subject, subjects};
use serde::Serialize;

use super::criterion::Times;
use super::instructions::{Count, Counts};

/// Everything that was found.
#[derive(Serialize)]
pub(super) struct Report {
    writes: Vec<Write>,
    outstanding: Vec<Outstanding>,
    aims: Vec<Aim>,
}

/// What one write takes.
#[derive(Clone, Copy, Serialize)]
struct Cost {
    /// Median.
    nanoseconds: Option<f64>,
    /// All instructions.
    instructions: f64,
    /// Those of the core and its caller: outside of the kernel's services.
    own: f64,
    atomic: f64,
    allocations: f64,
    takes: f64,
    locks: f64,
}

/// A write that is complete when the routine returns.
#[derive(Serialize)]
struct Write {
    path: &'static str,
    by: &'static str,
    bytes: usize,
    #[serde(flatten)]
    cost: Cost,
    /// The device alone.
    floor_nanoseconds: Option<f64>,
    floor_instructions: f64,
    /// Time divided by that of the floor.
    ratio: Option<f64>,
}

/// A write that pends, and the completion of the oldest.
#[derive(Serialize)]
struct Outstanding {
    by: &'static str,
    count: u32,
    #[serde(flatten)]
    cost: Cost,
}

/// Something that was meant to be.
#[derive(Serialize)]
struct Aim {
    what: &'static str,
    at_most: f64,
    is: f64,
    met: bool,
}

impl Report {
    pub(super) fn new(counts: &Counts, times: &Times) -> Self {
        let cost = |subject: Subject| Cost::of(subject, counts, times);
        let mut writes = Vec::new();
        let mut outstanding = Vec::new();
        let mut sorted: Vec<(Path, By, usize)> = subjects().filter_map(written).collect();
        sorted.sort_unstable();
        for (path, by, bytes) in sorted {
            let subject = Subject::Write(by, path, bytes);
            if let (Some(is), Some(floor)) = (cost(subject), subject.floor().and_then(cost)) {
                writes.push(Write::new(path, by, bytes, is, floor));
            }
        }
        for subject in subjects() {
            if let (Subject::Outstanding(by, count), Some(cost)) = (subject, cost(subject)) {
                outstanding.push(Outstanding {
                    by: by.word(),
                    count,
                    cost,
                });
            }
        }
        let aims = aims(&writes, &outstanding);
        Self {
            writes,
            outstanding,
            aims,
        }
    }

    fn written_table(&self) -> Table {
        let mut table = columns(
            &[
                ("path", Align::Left),
                ("by", Align::Left),
                ("bytes", Align::Right),
            ],
            &["ns", "floor ns", "ratio", "instructions", "floor", "own"],
        );
        for write in &self.writes {
            let mut cells = vec![
                write.path.to_owned(),
                write.by.to_owned(),
                grouped(write.bytes as u64),
                nanoseconds(write.cost.nanoseconds),
                nanoseconds(write.floor_nanoseconds),
                write.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
                whole(write.cost.instructions),
                whole(write.floor_instructions),
                whole(write.cost.own),
            ];
            cells.extend(write.cost.rest());
            table.row(cells);
        }
        table
    }

    fn outstanding_table(&self) -> Table {
        let mut table = columns(
            &[("by", Align::Left), ("outstanding", Align::Right)],
            &["ns", "instructions", "own"],
        );
        for row in &self.outstanding {
            let mut cells = vec![
                row.by.to_owned(),
                grouped(u64::from(row.count)),
                nanoseconds(row.cost.nanoseconds),
                whole(row.cost.instructions),
                whole(row.cost.own),
            ];
            cells.extend(row.cost.rest());
            table.row(cells);
        }
        table
    }

    fn aims_table(&self) -> Table {
        let mut table = Table::new([
            ("aim", Align::Left),
            ("at most", Align::Right),
            ("is", Align::Right),
            ("", Align::Left),
        ]);
        for aim in &self.aims {
            let word = if aim.met { "met" } else { "MISSED" };
            table.row([
                aim.what.to_owned(),
                short(aim.at_most),
                short(aim.is),
                word.to_owned(),
            ]);
        }
        table
    }
}

impl Cost {
    fn of(subject: Subject, counts: &Counts, times: &Times) -> Option<Self> {
        let name = subject.to_string();
        let Count {
            total,
            own,
            atomic,
            allocations,
            takes,
            locks,
        } = *counts.get(&name)?;
        Some(Self {
            nanoseconds: times.get(&name).copied(),
            instructions: total,
            own,
            atomic,
            allocations,
            takes,
            locks,
        })
    }

    /// The last columns of both tables.
    fn rest(self) -> [String; 4] {
        [self.atomic, self.allocations, self.takes, self.locks].map(short)
    }
}

/// The last columns of both tables.
const REST: [&str; 4] = ["atomic", "heap", "reused", "locking"];

fn columns(first: &[(&'static str, Align)], numbers: &[&'static str]) -> Table {
    let numbers = numbers.iter().chain(&REST).map(|title| (*title, Align::Right));
    Table::new(first.iter().copied().chain(numbers))
}

fn written(subject: Subject) -> Option<(Path, By, usize)> {
    match subject {
        Subject::Write(by, path, bytes) => Some((path, by, bytes)),
        _ => None,
    }
}

impl Write {
    fn new(path: Path, by: By, bytes: usize, cost: Cost, floor: Cost) -> Self {
        let ratio = cost.nanoseconds.zip(floor.nanoseconds);
        Self {
            path: path.word(),
            by: by.word(),
            bytes,
            cost,
            floor_nanoseconds: floor.nanoseconds,
            floor_instructions: floor.instructions,
            ratio: ratio.map(|(is, floor)| is / floor),
        }
    }

    fn is_fast(&self) -> bool {
        self.path == Path::Fast.word()
    }
}

fn aims(writes: &[Write], outstanding: &[Outstanding]) -> Vec<Aim> {
    let fast = || writes.iter().filter(|write| write.is_fast());
    let irp = || writes.iter().filter(|write| !write.is_fast());
    let page = |write: &&Write| write.bytes == 4096;
    let managed = |write: &&Write| write.by == By::Managed.word();
    let flat = |of: fn(&Cost) -> Option<f64>| {
        let spread = [By::Managed, By::Owned].map(|by| {
            let rows = outstanding.iter().filter(|row| row.by == by.word());
            let all: Vec<f64> = rows.filter_map(|row| of(&row.cost)).collect();
            let least = all.iter().copied().reduce(f64::min)?;
            Some(most(all.into_iter())? / least)
        });
        most(spread.into_iter().flatten())
    };
    let own = |write: &Write| write.cost.own;
    [
        (
            "fast, managed, 4096 bytes: time to that of the bare call",
            1.3,
            most(
                fast()
                    .filter(page)
                    .filter(managed)
                    .filter_map(|write| write.ratio),
            ),
        ),
        (
            "fast, managed: instructions of our own",
            150.0,
            most(fast().filter(managed).map(own)),
        ),
        ("by IRP: instructions of our own", 600.0, most(irp().map(own))),
        (
            "by IRP: allocations on the heap",
            0.0,
            most(irp().map(|write| write.cost.allocations)),
        ),
        (
            "1 to 4096 outstanding: most to least instructions",
            1.05,
            flat(|cost| Some(cost.instructions)),
        ),
        (
            "1 to 4096 outstanding: most to least time",
            1.3,
            flat(|cost| cost.nanoseconds),
        ),
    ]
    .into_iter()
    .filter_map(|(what, at_most, is)| {
        let is = is?;
        Some(Aim {
            what,
            at_most,
            is,
            met: is <= at_most,
        })
    })
    .collect()
}

fn most(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max)
}

fn nanoseconds(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

/// A number that is mostly whole: `3`, `1.32`.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What the columns mean.
const LEGEND: &str = "\
ns            median time of a write; the device takes the bytes by one copy
floor         the call of the device's routine through its pointer, after a copy where the buffer method makes one
own           instructions of the core and its caller: all that is outside of the kernel's services
atomic        instructions that lock a cache line, the core's and those of the kernel
heap          allocations
reused        IRPs, MDLs, buffers and contexts taken from a list of free ones
locking       calls of services that take a lock in a real kernel: set an event, lock pages
";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "One write that is complete when the routine returns\n\n{}",
            self.written_table()
        )?;
        writeln!(
            f,
            "A write of 512 bytes, by IRP with the raw address, that pends; and the completion of the oldest\n\n{}",
            self.outstanding_table()
        )?;
        writeln!(f, "{LEGEND}")?;
        writeln!(f, "{}", self.aims_table())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_and_the_aims_come_from_the_same_run() {
        let mut counts = Counts::new();
        let mut times = Times::new();
        for subject in subjects() {
            let floor = matches!(subject, Subject::Floor(..));
            let own = if floor { 0.0 } else { 151.0 };
            let count = Count {
                total: 500.0,
                own,
                ..Count::default()
            };
            counts.insert(subject.to_string(), count);
            times.insert(subject.to_string(), if floor { 100.0 } else { 125.0 });
        }
        let report = Report::new(&counts, &times);
        assert!(report.writes.iter().all(|write| write.ratio == Some(1.25)));
        let met: Vec<bool> = report.aims.iter().map(|aim| aim.met).collect();
        assert_eq!(met, [true, false, true, true, true, true]);
        assert!(Report::new(&counts, &Times::new()).to_string().contains("MISSED"));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            ["3", "1.32", "0"],
            [3.0, 1.32, 0.0].map(short).each_ref().map(String::as_str)
        );
    }
}
