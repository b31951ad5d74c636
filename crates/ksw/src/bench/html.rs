//! A benchmark as a page with charts.

use super::plan::Setting;
use super::report::{BenchReport, Comparison, Point, face_word};
use super::text::without_empty_columns;
use crate::exit::Exit;
use crate::page::chart::{Axis, Chart, ChartError, Line, Scale};
use crate::page::{Markup, Page, Tone, html, table};
use crate::size::ByteSize;
use crate::table::duration;

/// The most lines that a chart shows: as many as there are colours.
const MOST_LINES: usize = 8;

/// The whole page.
///
/// # Errors
///
/// A chart could not be drawn.
pub fn render(report: &BenchReport) -> Result<String, ChartError> {
    Ok(page(report)?.render())
}

/// The page, to be a part of another one.
///
/// # Errors
///
/// A chart could not be drawn.
pub fn page(report: &BenchReport) -> Result<Page, ChartError> {
    let mut page = Page::new(format!("ksw bench: {}", report.plan.device));
    for (tone, sentence) in verdicts(report) {
        page = page.verdict(tone, sentence);
    }
    if let Some(comparisons) = report.comparisons() {
        page = page.section("Comparison", comparison_section(&table(&comparisons)));
    }
    let paths = report.paths().map(|paths| table(&without_empty_columns(&paths)));
    page = page
        .section("Charts", charts(report)?)
        .section("Throughput", table(&without_empty_columns(&report.throughput())))
        .section("Latency", table(&without_empty_columns(&report.latency())));
    if let Some(paths) = paths {
        page = page.section("Ways through the filter", paths);
    }
    Ok(page.section("Where and how", table(&report.facts())))
}

fn comparison_section(comparisons: &Markup) -> Markup {
    html! {
        p {
            "All sides are measured in turns in one run; each round gives one ratio. Shown are the median of the ratios, \
             and in brackets the lowest and the highest round."
        }
        (comparisons)
    }
}

/// What the reader came for.
fn verdicts(report: &BenchReport) -> Vec<(Tone, String)> {
    let mut verdicts: Vec<(Tone, String)> = Vec::new();
    match report.exit() {
        Exit::Success => {}
        Exit::Verification => {
            verdicts.push((Tone::Bad, "Bytes that arrived differ from those sent.".to_owned()));
        }
        _ => verdicts.push((
            Tone::Bad,
            "Writes failed, fell short or were cancelled.".to_owned(),
        )),
    }
    let compared = compared(&report.measured.comparisons).into_iter();
    verdicts.extend(compared.map(|sentence| (Tone::Plain, sentence)));
    if report.measured.comparisons.is_empty() {
        verdicts.extend(fastest(report).map(|sentence| (Tone::Plain, sentence)));
    }
    let agree = |point: &Point| point.verified() == "agree";
    if report.measured.points.iter().all(agree) && report.exit() == Exit::Success {
        verdicts.push((
            Tone::Good,
            "Every byte that was sent has arrived in its place.".to_owned(),
        ));
    }
    verdicts.extend(report.remarks().into_iter().map(|remark| (Tone::Odd, remark)));
    verdicts
}

/// One or two comparisons of a side one by one; of more, how far they lie apart.
fn compared(comparisons: &[Comparison]) -> Vec<String> {
    let mut sides: Vec<&[String; 2]> = Vec::new();
    for comparison in comparisons {
        if !sides.contains(&&comparison.sides) {
            sides.push(&comparison.sides);
        }
    }
    if comparisons.len() <= 2 * sides.len() {
        return comparisons.iter().map(Comparison::sentence).collect();
    }
    let sentence = |sides: &[String; 2]| {
        let ratios: Vec<f64> = comparisons
            .iter()
            .filter(|one| one.sides == *sides)
            .map(|one| one.writes_per_second.median)
            .collect();
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        let [one, other] = sides;
        format!(
            "{one}: {lowest:.3} to {highest:.3} times the writes per second of {other}, over {} settings.",
            ratios.len()
        )
    };
    sides.into_iter().map(sentence).collect()
}

/// The point with the most bytes in a second.
fn fastest(report: &BenchReport) -> Option<String> {
    let rate = |point: &Point| point.mib_per_second.map_or(0.0, |rate| rate.median);
    let points = report.measured.points.iter();
    let fastest = points.max_by(|one, other| rate(one).total_cmp(&rate(other)))?;
    let writes = fastest.writes_per_second?.median;
    let p50 = fastest.total.map_or_else(String::new, |total| {
        format!(", half of the writes within {}", duration(total.p50_ns))
    });
    let most = if report.measured.points.len() > 1 {
        "Most bytes: "
    } else {
        ""
    };
    Some(format!(
        "{most}{:.1} MiB/s, {writes:.0} writes/s{p50} ({}).",
        rate(fastest),
        fastest.name()
    ))
}

fn charts(report: &BenchReport) -> Result<Markup, ChartError> {
    let mut figures = Vec::new();
    for chart in all_charts(report) {
        figures.push(chart.figure()?);
    }
    Ok(html! {
        div class="charts" {
            @for figure in figures { (figure) }
        }
    })
}

fn all_charts(report: &BenchReport) -> Vec<Chart<'static>> {
    let points = &report.measured.points;
    let mut charts = vec![distributions(points)];
    let block = |setting: Setting| f64::from(setting.block_bytes);
    let depth = |setting: Setting| f64::from(setting.depth);
    let same_but_block = |setting: Setting| Setting {
        block_bytes: 0,
        ..setting
    };
    let same_but_depth = |setting: Setting| Setting { depth: 0, ..setting };
    let bytes = Axis {
        title: "MiB per second",
        scale: Scale::Linear,
        label: plain,
    };
    let writes = Axis {
        title: "writes per second",
        scale: Scale::Linear,
        label: plain,
    };
    if varies(points, block) {
        let x = Axis {
            title: "bytes of one write",
            scale: Scale::Log2,
            label: size_label,
        };
        let mib = |point: &Point| point.mib_per_second.map(|rate| rate.median);
        charts.push(over(
            "Throughput over block size",
            points,
            x,
            bytes,
            block,
            same_but_block,
            mib,
        ));
    }
    if varies(points, depth) {
        let x = Axis {
            title: "writes kept outstanding",
            scale: Scale::Log2,
            label: plain,
        };
        let rate = |point: &Point| point.writes_per_second.map(|rate| rate.median);
        charts.push(over(
            "Throughput over queue depth",
            points,
            x,
            writes,
            depth,
            same_but_depth,
            rate,
        ));
        let y = Axis {
            title: "median latency",
            scale: Scale::Log10,
            label: time_label,
        };
        #[expect(clippy::cast_precision_loss, reason = "drawn")]
        let p50 = |point: &Point| point.total.map(|total| total.p50_ns as f64);
        charts.push(over(
            "Latency over queue depth",
            points,
            x,
            y,
            depth,
            same_but_depth,
            p50,
        ));
    }
    charts
}

fn varies(points: &[Point], value: impl Fn(Setting) -> f64) -> bool {
    let mut values = points.iter().map(|point| value(point.setting));
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// How long writes took: of one point, all three parts; of several, the whole.
fn distributions(points: &[Point]) -> Chart<'static> {
    #[expect(clippy::cast_precision_loss, reason = "drawn")]
    let line = |name: String, curve: &[(f64, u64)]| Line {
        name,
        points: curve.iter().map(|(share, time)| (*share, *time as f64)).collect(),
    };
    let lines = if let [point] = points {
        vec![
            line("total".to_owned(), &point.total_curve),
            line("submission: the call".to_owned(), &point.submission_curve),
            line("completion: after the call".to_owned(), &point.completion_curve),
        ]
    } else {
        let shown = points.iter().take(MOST_LINES);
        shown
            .map(|point| line(point.name(), &point.total_curve))
            .collect()
    };
    Chart {
        title: if points.len() > MOST_LINES {
            "Latency from call to completion, of the first eight settings"
        } else {
            "Latency from call to completion"
        },
        x: Axis {
            title: "share of the writes",
            scale: Scale::Nines,
            label: share_label,
        },
        y: Axis {
            title: "at most",
            scale: Scale::Log10,
            label: time_label,
        },
        lines,
        dots: false,
    }
}

/// One figure over one part of the setting, with a line for each combination of the other parts.
fn over(
    title: &'static str,
    points: &[Point],
    x: Axis<'static>,
    y: Axis<'static>,
    across: impl Fn(Setting) -> f64,
    others: impl Fn(Setting) -> Setting,
    up: impl Fn(&Point) -> Option<f64>,
) -> Chart<'static> {
    let mut groups: Vec<((String, Setting), Line)> = Vec::new();
    for point in points {
        let Some(height) = up(point) else { continue };
        let key = (point.variant.clone(), others(point.setting));
        let place = (across(point.setting), height);
        let room = groups.len() < MOST_LINES;
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, line)) => line.points.push(place),
            None if room => {
                let name = group_name(&key.0, key.1);
                let points = vec![place];
                groups.push((key, Line { name, points }));
            }
            None => {}
        }
    }
    let mut lines: Vec<Line> = groups.into_iter().map(|(_, line)| line).collect();
    for line in &mut lines {
        line.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    Chart {
        title,
        x,
        y,
        lines,
        dots: true,
    }
}

/// The parts of a setting that a line has in common; 0 stands for the part that is swept.
fn group_name(variant: &str, setting: Setting) -> String {
    let mut parts: Vec<String> = Vec::new();
    if !variant.is_empty() {
        parts.push(variant.to_owned());
    }
    parts.extend(face_word(variant, setting.face).map(str::to_owned));
    parts.push(setting.engine.to_string());
    if setting.block_bytes > 0 {
        parts.push(ByteSize(u64::from(setting.block_bytes)).to_string());
    }
    if setting.depth > 0 {
        parts.push(format!("depth {}", setting.depth));
    }
    if setting.threads > 1 {
        parts.push(format!("{} threads", setting.threads));
    }
    parts.join(", ")
}

fn plain(value: f64) -> String {
    if value >= 10.0 || value.fract().abs() < 1e-9 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tick at a power of two"
)]
fn size_label(value: f64) -> String {
    ByteSize(value.round() as u64).to_string()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tick at a power of ten"
)]
fn time_label(value: f64) -> String {
    duration(value.round() as u64)
        .replace(".00", "")
        .replace(".0 ", " ")
}

/// `0 %`, `90 %`, `99.9 %`.
fn share_label(value: f64) -> String {
    let text = format!("{:.6}", value * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        assert_eq!(time_label(1e6), "1 ms");
        assert_eq!(time_label(1e4), "10 us");
        assert_eq!(time_label(1e5), "100 us");
        assert_eq!(share_label(0.0), "0 %");
        assert_eq!(share_label(1.0 - 10_f64.powi(-3)), "99.9 %");
        assert_eq!(size_label(65536.0), "64KiB");
        assert_eq!(
            (plain(0.5), plain(2.0), plain(1500.0)),
            ("0.5".into(), "2".into(), "1500".into())
        );
    }
}
