//! Results as a part of a page: a grid of rules and targets, then what went wrong and why.

use std::collections::BTreeMap;

use kswrite_conform::result::{Results, Row, Verdict};
use kswrite_conform::target::Target;

use crate::page::{Markup, Page, Tone, html, mark};

/// The page of one run.
pub fn page(results: &Results) -> Page {
    let (tone, sentence) = verdict(results);
    Page::new("Rules of writing")
        .verdict(tone, sentence)
        .section("Rules", section(results))
}

/// What came out, in a sentence.
pub fn verdict(results: &Results) -> (Tone, String) {
    let count = |verdict| results.count(verdict);
    let failed = count(Verdict::Fail);
    let tone = match failed {
        0 if results.passed() => Tone::Good,
        0 => Tone::Odd,
        _ => Tone::Bad,
    };
    let kept = match failed {
        0 if results.passed() => "No rule is broken".to_owned(),
        0 => "No rule could be tried".to_owned(),
        1 => "1 rule is broken".to_owned(),
        failed => format!("{failed} rules are broken"),
    };
    let sentence = format!(
        "{kept} on {} ({}): {} pass, {failed} fail, {} differ as expected, {} not run.",
        results.venue,
        results.system,
        count(Verdict::Pass),
        count(Verdict::Differs),
        count(Verdict::NotRun),
    );
    (tone, sentence)
}

/// The grid, the failures, and the reasons.
pub fn section(results: &Results) -> Markup {
    html! {
        @for row in failures(results) { (failure(row)) }
        (grid(results))
        (reasons("What differs as expected", results, Verdict::Differs))
        (reasons("What was not run", results, Verdict::NotRun))
    }
}

fn failures(results: &Results) -> impl Iterator<Item = &Row> {
    results.rows.iter().filter(|row| row.verdict == Verdict::Fail)
}

const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Pass => Tone::Good,
        Verdict::Fail => Tone::Bad,
        Verdict::Differs => Tone::Odd,
        Verdict::NotRun => Tone::Plain,
    }
}

/// The word of a cell, which is narrow.
const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Differs => "differs",
        Verdict::NotRun => "not run",
    }
}

/// A line for each case, a column for each target that was written to.
fn grid(results: &Results) -> Markup {
    let mut targets: Vec<&Target> = Vec::new();
    let mut cases: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in &results.rows {
        if !targets.contains(&&row.target) {
            targets.push(&row.target);
        }
        let key = (row.id.as_str(), row.statement.as_str());
        cases.entry(key).or_default().push(row);
    }
    html! {
        div class="scroll" {
            table {
                thead {
                    tr {
                        th scope="col" class="left" { "rule" }
                        th scope="col" class="left" { "statement" }
                        @for target in &targets { th scope="col" class="left wrap" { (target) } }
                    }
                }
                tbody {
                    @for ((id, statement), rows) in &cases {
                        tr {
                            td class="left id" { (id) }
                            td class="left" { (statement) }
                            @for target in &targets {
                                td class="left" {
                                    @if let Some(row) = rows.iter().find(|row| row.target == **target) {
                                        (mark(tone(row.verdict), word(row.verdict)))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn failure(row: &Row) -> Markup {
    html! {
        h3 { (mark(Tone::Bad, "FAIL")) " " (row.id) " on " (row.target) ": " (row.statement) }
        @for seen in row.observations.iter().filter(|seen| !seen.holds) {
            p {
                (seen.what) ": "
                @if let Some(expected) = &seen.expected { "expected " code { (expected) } ", " }
                "seen " code { (seen.seen) }
            }
        }
        @if let Some(reason) = &row.reason { p { (reason) } }
    }
}

/// Rows with this verdict, those with the same reason together.
fn reasons(heading: &str, results: &Results, verdict: Verdict) -> Markup {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in results.rows.iter().filter(|row| row.verdict == verdict) {
        let reason = row.reason.as_deref().unwrap_or("no reason given");
        let rows = reasons.entry(reason).or_default();
        let place = format!("{} on {}", row.id, row.target);
        // A rule may have several cases.
        if !rows.contains(&place) {
            rows.push(place);
        }
    }
    html! {
        @if !reasons.is_empty() {
            h3 { (heading) }
            ul {
                @for (reason, rows) in &reasons { li { (reason) ": " (rows.join(", ")) "." } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kswrite_conform::Venue;
    use kswrite_conform::result::Observation;

    fn row(id: &str, target: Target, verdict: Verdict) -> Row {
        Row {
            id: id.to_owned(),
            statement: format!("the rule <{id}>"),
            target,
            verdict,
            reason: (verdict != Verdict::Pass).then(|| "because".to_owned()),
            observations: vec![Observation {
                what: "the count".to_owned(),
                expected: Some("0".to_owned()),
                seen: "7".to_owned(),
                holds: verdict == Verdict::Pass,
            }],
            elapsed_ns: 0,
        }
    }

    fn results(rows: Vec<Row>) -> Results {
        Results {
            venue: Venue::Wine,
            system: "Wine 8.0".to_owned(),
            version: "0.1.0".to_owned(),
            rows,
        }
    }

    #[test]
    fn the_verdict_counts() {
        let good = results(vec![row("WF-01", Target::File, Verdict::Pass)]);
        assert_eq!(verdict(&good).0, Tone::Good);
        let none = results(vec![row("WF-01", Target::File, Verdict::NotRun)]);
        assert_eq!(verdict(&none).0, Tone::Odd);
        let bad = results(vec![
            row("WF-01", Target::File, Verdict::Fail),
            row("WF-02", Target::File, Verdict::Differs),
        ]);
        let (tone, sentence) = verdict(&bad);
        assert_eq!(tone, Tone::Bad);
        assert!(
            sentence.contains("1 rule is broken on wine (Wine 8.0)"),
            "{sentence}"
        );
        assert!(
            sentence.ends_with("0 pass, 1 fail, 1 differ as expected, 0 not run."),
            "{sentence}"
        );
    }

    #[test]
    fn failures_come_first_and_reasons_last() {
        let text = page(&results(vec![
            row("WF-01", Target::File, Verdict::Pass),
            row("WF-01", Target::Pipe, Verdict::NotRun),
            row("WF-02", Target::File, Verdict::Fail),
        ]))
        .render();
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(place("WF-02 on file") < place("<table>"));
        assert!(place("expected <code>0</code>, seen <code>7</code>") < place("<table>"));
        assert!(place("<table>") < place("because: WF-01 on pipe."));
        assert!(text.contains("the rule &lt;WF-01&gt;"));
    }
}
