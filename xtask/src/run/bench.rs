//! `cargo xtask bench`: small writes with and without the filter, alternating, so that what else the machine
//! does falls on both alike.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use ksw::report::WriteReport;
use ksw::table::{Align, Table};
use kswrite_wire::names::SinkKind;

use super::input;
use super::job::Route;
use crate::build;
use crate::layout::Layout;
use crate::tools::{self, Purpose, Tools};
use crate::wine::{self, Load, Pin, Session};

#[derive(Args)]
pub(crate) struct BenchOptions {
    /// Rounds; each has one run with and one without the filter for every row.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// Bytes of one write.
const BLOCK: &str = "4KiB";
/// Writes of one run: a second or two where a write is slow.
const WRITES: usize = 4096;
const DEPTHS: [u32; 2] = [1, 32];

/// Writes per second of one row.
#[derive(Default)]
struct Rates {
    with: Vec<f64>,
    without: Vec<f64>,
}

/// Builds, measures, prints the table.
pub(crate) fn bench(layout: &Layout, options: &BenchOptions) -> Result<ExitCode> {
    let tools = tools::ensure(layout, Purpose::Build)?;
    build::all(layout, &tools)?;
    let mut table = Table::new([
        ("CPUs", Align::Left),
        ("depth", Align::Right),
        ("path", Align::Left),
        ("with: writes/s", Align::Right),
        ("without: writes/s", Align::Right),
        ("ratio", Align::Right),
        ("lowest", Align::Right),
        ("highest", Align::Right),
    ]);
    let mut clean = true;
    for (pin, word) in [(Pin::OneCpu, "one"), (Pin::No, "all")] {
        clean &= measure(layout, &tools, options.rounds, pin, word, &mut table)?;
    }
    println!(
        "{} writes of {BLOCK} to the buffered sink, medians of {} rounds",
        WRITES, options.rounds
    );
    print!("{table}");
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measure(
    layout: &Layout,
    tools: &Tools,
    rounds: u32,
    pin: Pin,
    word: &str,
    table: &mut Table,
) -> Result<bool> {
    let file = input::made(layout, "bench.bin", WRITES * 4096)?;
    let file = wine::windows_path(&file);
    let session = Session::start(layout, tools, &format!("bench-{word}"), Load::Filter, pin)?;
    let rows: Vec<(u32, Route)> = DEPTHS
        .into_iter()
        .flat_map(|depth| Route::MEASURED.map(|route| (depth, route)))
        .collect();
    let mut rates: Vec<Rates> = rows.iter().map(|_| Rates::default()).collect();
    for round in 0..rounds {
        for filter in [true, false] {
            if filter {
                session.attach()?;
            } else {
                session.detach()?;
            }
            for ((depth, route), rates) in rows.iter().zip(&mut rates) {
                let title = format!("round {} of {rounds}: depth {depth}, {}", round + 1, route.word());
                let report = write(&session, &title, &file, *depth, *route)?;
                let side = if filter {
                    &mut rates.with
                } else {
                    &mut rates.without
                };
                side.push(report.writes_per_second);
            }
        }
    }
    for ((depth, route), rates) in rows.iter().zip(&rates) {
        table.row(rates.cells(word, *depth, *route));
    }
    let counters = session.counters()?;
    session.unload()?;
    let findings = session.finish()?;
    findings.print();
    Ok(counters.clean() && findings.clean())
}

fn write(session: &Session<'_>, title: &str, file: &str, depth: u32, route: Route) -> Result<WriteReport> {
    let depth = depth.to_string();
    let words = [
        "ksw",
        "write",
        "--device",
        SinkKind::Buffered.path(),
        "--file",
        file,
        "--block",
        BLOCK,
        "--depth",
        &depth,
        "--script",
        route.script(),
        "--json",
    ];
    let report: WriteReport = session.json(title, "bench-write", &words)?;
    if report.exit() != ksw::exit::Exit::Success {
        bail!("{title}: a write failed");
    }
    Ok(report)
}

impl Rates {
    fn cells(&self, word: &str, depth: u32, route: Route) -> Vec<String> {
        // One ratio for each round: its two runs were made within seconds of each other.
        let ratios: Vec<f64> = self
            .with
            .iter()
            .zip(&self.without)
            .map(|(with, without)| with / without)
            .collect();
        let extreme = |pick: fn(f64, f64) -> f64| ratios.iter().copied().reduce(pick).unwrap_or(f64::NAN);
        vec![
            word.to_owned(),
            depth.to_string(),
            route.word().to_owned(),
            format!("{:.0}", median(&self.with)),
            format!("{:.0}", median(&self.without)),
            format!("{:.3}", median(&ratios)),
            format!("{:.3}", extreme(f64::min)),
            format!("{:.3}", extreme(f64::max)),
        ]
    }
}

/// The middle value; the mean of the two in the middle when their number is even.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (
        sorted.get(middle),
        middle.checked_sub(1).and_then(|below| sorted.get(below)),
    ) {
        (Some(high), Some(low)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (Some(high), _) => *high,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let of = |values: &[f64]| format!("{}", median(values));
        assert_eq!(of(&[3.0, 1.0, 2.0]), "2");
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), "2.5");
        assert_eq!(of(&[7.0]), "7");
        assert_eq!(of(&[]), "NaN");
    }
}
