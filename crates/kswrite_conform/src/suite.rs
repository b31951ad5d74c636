//! Runs cases.

use std::fmt;
use std::time::Instant;

use crate::{
    Venue,
    case::{Case, Stop},
    cases,
    differences::{self, Difference},
    result::{Observation, Results, Row, Verdict},
    stage::Stage,
    target::Target,
    win32::Win32,
};

/// What a case does, for a venue to run.
pub type CaseBody = Box<dyn FnOnce(&dyn Win32) + Send>;

/// Runs one case after the other, each in a process state of its own as far as the venue has it.
pub trait Runner {
    /// Which venue it is.
    fn venue(&self) -> Venue;

    /// The system, in words.
    fn system(&self) -> String;

    /// Gets ready for cases on this target, such as by taking the filter off.
    ///
    /// # Errors
    ///
    /// Why the target is not here.
    fn prepare(&mut self, target: &Target) -> Result<(), String>;

    /// Runs the body.
    ///
    /// # Errors
    ///
    /// What the venue found wrong by itself: a hang, a leak, an operation that is still pending.
    fn run(&mut self, body: CaseBody) -> Result<(), String>;

    /// Whether the user has asked to stop: what is left is not run then.
    fn stopped(&self) -> bool {
        false
    }
}

/// Which cases to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The targets; all that need no path when empty.
    pub targets: Vec<Target>,
    /// Patterns of rules: `WF-20`, or `WF-2x` for WF-20 to WF-29; all when empty.
    pub only: Vec<String>,
}

/// A pattern that no rule has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRule(pub String);

impl fmt::Display for UnknownRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no rule is called '{}'; see `ksw conform --list`", self.0)
    }
}

impl std::error::Error for UnknownRule {}

/// Whether the pattern is the ID, where an `x` stands for any digit.
fn fits(pattern: &str, id: &str) -> bool {
    pattern.len() == id.len()
        && pattern.chars().zip(id.chars()).all(|(wanted, is)| {
            wanted.eq_ignore_ascii_case(&is) || wanted.eq_ignore_ascii_case(&'x') && is.is_ascii_digit()
        })
}

impl Selection {
    /// The targets of the run.
    pub fn targets(&self) -> Vec<Target> {
        if self.targets.is_empty() {
            Target::all()
        } else {
            self.targets.clone()
        }
    }

    /// The cases of the run, in the order of their rules.
    ///
    /// # Errors
    ///
    /// A pattern fits no rule.
    pub fn cases(&self) -> Result<Vec<&'static Case>, UnknownRule> {
        for pattern in &self.only {
            if !cases::all().any(|case| fits(pattern, case.id)) {
                return Err(UnknownRule(pattern.clone()));
            }
        }
        let wanted =
            |case: &&Case| self.only.is_empty() || self.only.iter().any(|pattern| fits(pattern, case.id));
        Ok(cases::all().filter(wanted).collect())
    }
}

/// Runs the selected cases. `progress` is told each row as it is done.
///
/// The order is target by target, so that the filter is put on and taken off once; the rows come back by rule.
///
/// # Errors
///
/// A pattern of the selection fits no rule.
pub fn run(
    runner: &mut dyn Runner,
    selection: &Selection,
    progress: &mut dyn FnMut(&Row),
) -> Result<Results, UnknownRule> {
    let cases = selection.cases()?;
    let mut rows = not_named(selection, &cases);
    rows.iter().for_each(&mut *progress);
    for target in selection.targets() {
        let cases: Vec<&Case> = cases
            .iter()
            .copied()
            .filter(|case| case.targets.have(&target))
            .collect();
        if cases.is_empty() {
            continue;
        }
        let ready = runner.prepare(&target);
        for case in cases {
            let row = match &ready {
                Ok(()) if runner.stopped() => row(
                    case,
                    &target,
                    Verdict::NotRun,
                    Some("the run was stopped".to_owned()),
                ),
                Ok(()) => run_case(runner, case, &target),
                Err(why) => row(case, &target, Verdict::NotRun, Some(why.clone())),
            };
            progress(&row);
            rows.push(row);
        }
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Results {
        venue: runner.venue(),
        system: runner.system(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rows,
    })
}

/// Rows of the rules that need a target with a path, when none is named: not run, but not forgotten.
fn not_named(selection: &Selection, cases: &[&'static Case]) -> Vec<Row> {
    let targets = selection.targets();
    let fits = |id: &str| {
        let mut of_rule = cases.iter().filter(|case| case.id == id);
        of_rule.any(|case| targets.iter().any(|target| case.targets.have(target)))
    };
    let mut rows = Vec::new();
    if selection.targets.is_empty() {
        for case in cases.iter().filter(|case| !fits(case.id)) {
            let mut named = Target::with_path("PATH").into_iter();
            if let Some(target) = named.find(|target| case.targets.have(target)) {
                let why = format!("no such target was named; name one with `--target {target}`");
                rows.push(row(case, &target, Verdict::NotRun, Some(why)));
            }
        }
    }
    rows
}

fn row(case: &Case, target: &Target, verdict: Verdict, reason: Option<String>) -> Row {
    Row {
        id: case.id.to_owned(),
        statement: case.statement.to_owned(),
        target: target.clone(),
        verdict,
        reason,
        observations: Vec::new(),
        elapsed_ns: 0,
    }
}

fn run_case(runner: &mut dyn Runner, case: &'static Case, target: &Target) -> Row {
    let (sender, receiver) = std::sync::mpsc::channel();
    let staged = target.clone();
    let start = Instant::now();
    let ran = runner.run(Box::new(move |os| {
        let stage = Stage::new(os, &staged);
        let ended = (case.run)(&stage);
        stage.clear();
        // The receiver is gone only if the venue gave up on this case.
        let _heard = sender.send((ended, stage.into_notes()));
    }));
    let elapsed = start.elapsed();
    let (ended, observations) = receiver
        .try_recv()
        .unwrap_or_else(|_| (Err(Stop::Trouble("the case did not end".to_owned())), Vec::new()));
    let venue = runner.venue();
    let known: Vec<&Difference> = differences::of(case.id, venue, target).collect();
    let (verdict, reason) = judge(ended, &observations, ran.err(), &known);
    Row {
        observations,
        elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
        ..row(case, target, verdict, reason)
    }
}

/// The verdict, and the reason where there is one.
fn judge(
    ended: Result<(), Stop>,
    observations: &[Observation],
    finding: Option<String>,
    known: &[&Difference],
) -> (Verdict, Option<String>) {
    let last = observations.last();
    let stale =
        |known: &&&Difference| !known.sometimes && observations.iter().any(|seen| seen.what == known.what);
    match (ended, finding) {
        (Err(Stop::NotRun(why)), None) => (Verdict::NotRun, Some(why)),
        (Err(Stop::Broken), None) => {
            match last.and_then(|last| known.iter().find(|known| known.explains(last))) {
                Some(known) => (Verdict::Differs, Some(known.reason.to_owned())),
                None => (Verdict::Fail, None),
            }
        }
        // A rule has several cases: the difference is one of those that look at it.
        (Ok(()), None) => match known.iter().find(stale) {
            None => (Verdict::Pass, None),
            Some(known) => {
                let what = format!(
                    "expected the known difference '{}: {}' ({}), which did not show",
                    known.what, known.seen, known.reason
                );
                (Verdict::Fail, Some(what))
            }
        },
        (Err(Stop::Trouble(what)), None) => (Verdict::Fail, Some(what)),
        (Err(Stop::Trouble(what)), Some(finding)) => (Verdict::Fail, Some(format!("{what}; {finding}"))),
        (_, Some(finding)) => (Verdict::Fail, Some(finding)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Kinds;

    fn seen(holds: bool) -> Vec<Observation> {
        vec![Observation {
            what: "count".to_owned(),
            expected: Some("0".to_owned()),
            seen: "7".to_owned(),
            holds,
        }]
    }

    const KNOWN: Difference = Difference {
        id: "WF-08",
        venue: Venue::Wine,
        targets: Kinds::FILE,
        what: "count",
        seen: "7",
        reason: "because",
        sometimes: false,
    };

    #[test]
    fn verdicts() {
        let judge = |ended, notes: &[Observation], finding: Option<&str>, known: &[&Difference]| {
            judge(ended, notes, finding.map(str::to_owned), known).0
        };
        assert_eq!(judge(Ok(()), &seen(true), None, &[]), Verdict::Pass);
        assert_eq!(judge(Err(Stop::Broken), &seen(false), None, &[]), Verdict::Fail);
        assert_eq!(
            judge(Err(Stop::Broken), &seen(false), None, &[&KNOWN]),
            Verdict::Differs
        );
        assert_eq!(
            judge(Ok(()), &seen(true), None, &[&KNOWN]),
            Verdict::Fail,
            "stale"
        );
        let sometimes = Difference {
            sometimes: true,
            ..KNOWN
        };
        assert_eq!(
            judge(Ok(()), &seen(true), None, &[&sometimes]),
            Verdict::Pass,
            "not now"
        );
        let elsewhere = Difference {
            what: "something else",
            ..KNOWN
        };
        let of_another_case = judge(Ok(()), &seen(true), None, &[&elsewhere]);
        assert_eq!(
            of_another_case,
            Verdict::Pass,
            "another case of the rule looks at it"
        );
        assert_eq!(judge(Ok(()), &seen(true), Some("leak"), &[]), Verdict::Fail);
        assert_eq!(
            judge(Err(Stop::Broken), &seen(false), Some("leak"), &[&KNOWN]),
            Verdict::Fail
        );
        let not_here = Err(Stop::NotRun("no console".to_owned()));
        assert_eq!(judge(not_here, &[], None, &[]), Verdict::NotRun);
        let trouble = Err(Stop::Trouble("no pipe".to_owned()));
        assert_eq!(judge(trouble, &[], None, &[&KNOWN]), Verdict::Fail);
    }

    #[test]
    fn a_rule_without_a_target_has_a_row_all_the_same() {
        const SERIAL: Case = Case::new("WF-38", "of serial ports", Kinds::SERIAL, |_| Ok(()));
        const BOTH: Case = Case::new("WF-39", "of volumes and files", Kinds::VOLUME, |_| Ok(()));
        const FILE: Case = Case::new("WF-39", "of volumes and files", Kinds::FILE, |_| Ok(()));
        let everything = Selection::default();
        let rows = not_named(&everything, &[&SERIAL, &BOTH, &FILE]);
        let words: Vec<_> = rows
            .iter()
            .map(|row| (row.id.as_str(), row.target.to_string(), row.verdict))
            .collect();
        assert_eq!(words, [("WF-38", "serial:PATH".to_owned(), Verdict::NotRun)]);
        assert!(rows.iter().all(|row| row.reason.is_some()));
        let files = Selection {
            targets: vec![Target::File],
            ..Selection::default()
        };
        assert!(not_named(&files, &[&SERIAL]).is_empty(), "asked for files alone");
    }

    #[test]
    fn patterns_of_rules() {
        assert!(fits("WF-20", "WF-20") && fits("wf-2x", "WF-27"));
        assert!(!fits("WF-2x", "WF-31") && !fits("WF-2", "WF-20"));
        let unknown = Selection {
            only: vec!["WF-99".to_owned()],
            ..Selection::default()
        };
        assert_eq!(unknown.cases().unwrap_err(), UnknownRule("WF-99".to_owned()));
    }
}
