//! The rules of WriteFile, in the model: every case on every target, under many schedules.

use kswrite_conform::{
    model::ModelRunner,
    result::{Results, Row, Verdict},
    suite::{self, Selection},
};

/// Schedules of the whole suite.
const SEEDS: u64 = 20;

fn run(runner: &mut ModelRunner<'_>, selection: &Selection) -> Results {
    suite::run(runner, selection, &mut |_| {}).expect("rules that there are")
}

/// A row in words, with what was looked at.
fn words(row: &Row) -> String {
    let mut text = format!(
        "{} on {}: {:?}: {}",
        row.id, row.target, row.verdict, row.statement
    );
    if let Some(reason) = &row.reason {
        text += &format!("\n    {reason}");
    }
    for seen in &row.observations {
        let mark = if seen.holds { ' ' } else { '!' };
        let expected = seen.expected.as_deref().unwrap_or("anything");
        text += &format!("\n  {mark} {}: {expected}; seen {}", seen.what, seen.seen);
    }
    text
}

#[test]
fn no_rule_is_broken_under_any_schedule() {
    for seed in 0..SEEDS {
        let mut runner = ModelRunner::with_seed(seed);
        let results = run(&mut runner, &Selection::default());
        let broken: Vec<String> = results
            .rows
            .iter()
            .filter(|row| matches!(row.verdict, Verdict::Fail | Verdict::Differs))
            .map(words)
            .collect();
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
        assert!(results.passed());
    }
}

#[test]
fn what_is_not_run_says_why() {
    let results = run(&mut ModelRunner::with_seed(0), &Selection::default());
    for row in results.rows.iter().filter(|row| row.verdict == Verdict::NotRun) {
        assert!(
            row.reason.as_ref().is_some_and(|reason| !reason.is_empty()),
            "{}",
            words(row)
        );
    }
}
