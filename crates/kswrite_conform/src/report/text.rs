//! The table that a terminal shows.

use std::fmt;

use crate::{
    result::{Results, Row, Verdict},
    target::Target,
};

/// Results as text: all rows, then what went wrong, then why rows differ or were not run, and the counts last.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a Results);

/// What went wrong, and the counts.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(pub &'a Results);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.0.rows.iter().filter(|row| row.verdict == Verdict::Fail);
        failed.into_iter().try_for_each(|row| write_failure(f, row))?;
        write_counts(f, self.0)
    }
}

/// Nanoseconds in a second.
const SECOND: f64 = 1e9;

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = &self.0.rows;
        write_table(f, rows)?;
        for row in rows.iter().filter(|row| row.verdict == Verdict::Fail) {
            write_failure(f, row)?;
        }
        write_reasons(f, rows, Verdict::Differs)?;
        write_reasons(f, rows, Verdict::NotRun)?;
        write_counts(f, self.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn write_counts(f: &mut fmt::Formatter<'_>, results: &Results) -> fmt::Result {
    let counts = Verdict::ALL.map(|verdict| format!("{} {}", results.count(verdict), verdict.words()));
    let elapsed: u64 = results.rows.iter().map(|row| row.elapsed_ns).sum();
    writeln!(
        f,
        "\n{}, in {:.1} s ({}: {})",
        counts.join(", "),
        elapsed as f64 / SECOND,
        results.venue,
        results.system
    )
}

fn write_table(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    let width =
        |words: &mut dyn Iterator<Item = usize>, title: &str| words.max().unwrap_or(0).max(title.len());
    let rules = width(&mut rows.iter().map(|row| row.id.len()), "rule");
    let targets = width(&mut rows.iter().map(|row| row.target.to_string().len()), "target");
    let verdicts = width(&mut rows.iter().map(|row| row.verdict.words().len()), "verdict");
    let mut line = |rule: &str, target: &str, verdict: &str, statement: &str| {
        writeln!(
            f,
            "{rule:rules$}  {target:targets$}  {verdict:verdicts$}  {statement}"
        )
    };
    line("rule", "target", "verdict", "statement")?;
    let dashes = |width| "-".repeat(width);
    line(&dashes(rules), &dashes(targets), &dashes(verdicts), &dashes(9))?;
    for row in rows {
        line(
            &row.id,
            &row.target.to_string(),
            row.verdict.words(),
            &row.statement,
        )?;
    }
    Ok(())
}

fn write_failure(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    writeln!(f, "\nFAIL {} on {}: {}", row.id, row.target, row.statement)?;
    for observation in row.observations.iter().filter(|seen| !seen.holds) {
        writeln!(f, "  {}", observation.what)?;
        if let Some(expected) = &observation.expected {
            writeln!(f, "    expected  {expected}")?;
        }
        writeln!(f, "    seen      {}", observation.seen)?;
    }
    if let Some(reason) = &row.reason {
        writeln!(f, "  {reason}")?;
    }
    Ok(())
}

/// The rows of this verdict by their reasons: each reason once, and below it the rules by target.
fn write_reasons(f: &mut fmt::Formatter<'_>, rows: &[Row], verdict: Verdict) -> fmt::Result {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.verdict == verdict).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{}:", verdict.words())?;
    let mut reasons: Vec<&str> = Vec::new();
    for row in &rows {
        let reason = row.reason.as_deref().unwrap_or_default();
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    for reason in reasons {
        writeln!(f, "  {reason}")?;
        let of_reason = || {
            let of = |row: &&&Row| row.reason.as_deref().unwrap_or_default() == reason;
            rows.iter().filter(of)
        };
        let mut targets: Vec<&Target> = Vec::new();
        for row in of_reason() {
            if !targets.contains(&&row.target) {
                targets.push(&row.target);
            }
        }
        for target in targets {
            let mut ids: Vec<&str> = of_reason()
                .filter(|row| row.target == *target)
                .map(|row| row.id.as_str())
                .collect();
            ids.dedup();
            writeln!(f, "    {target}: {}", ids.join(", "))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::results;

    #[test]
    fn every_verdict_is_told_with_its_reason() {
        let text = Text(&results()).to_string();
        for line in [
            "rule   target   verdict              statement",
            "WF-01  file     pass                 one",
            "FAIL WF-02 on pipe: two",
            "    expected  0",
            "    seen      7",
            "differs as expected:\n  because\n    file: WF-03",
            "not run:\n  no console\n    console: WF-04, WF-05",
            "1 pass, 1 FAIL, 1 differs as expected, 2 not run, in 5.0 s (wine: a system)",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
