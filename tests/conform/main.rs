//! The rules of WriteFile, of streams and of channels, in the model: every case on every target, under many schedules.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod defects;
mod faces;

use std::{collections::BTreeSet, sync::mpsc};

use kswrite_conform::{
    cases,
    model::ModelRunner,
    result::{Results, Row, Verdict},
    suite::{self, Runner, Selection},
    target::Target,
    win32::{Count, Data, Handle, Overlapped, Patience, Waited, Win32},
};
use nt_model::schedule::Enumerate;

/// Schedules of the whole suite.
const SEEDS: u64 = 5;
/// Schedules of a rule that are tried at most.
const ENOUGH: u64 = 100;
/// As many of a rule that moves megabytes each time.
const ENOUGH_LONG: u64 = 10;
/// Those rules.
const LONG: [&str; 3] = ["DV-03", "DV-05", "DV-12"];
/// Rules of which nothing can be seen, neither here nor on another machine of today.
const UNSEEN: [&str; 5] = ["WF-07", "WF-36", "WF-39", "WF-69", "WF-70"];

/// Every rule that has cases.
fn rules() -> impl Iterator<Item = String> {
    let families = [("WF", 71), ("SA", 12), ("WV", 17), ("DV", 14)].into_iter();
    families.flat_map(|(family, last)| (1..=last).map(move |number| format!("{family}-{number:02}")))
}

/// Every target that the model has.
fn everything() -> Selection {
    let mut targets = Target::all();
    for path in [
        r"device:\\.\KsSinkDirect",
        "serial:COM1",
        r"volume:\\.\X:",
        r"volume:\\.\PhysicalDrive9",
    ] {
        targets.push(path.parse().expect("a target"));
    }
    Selection {
        targets,
        only: Vec::new(),
    }
}

fn run(runner: &mut ModelRunner<'_>, selection: &Selection) -> Results {
    suite::run(runner, selection, &mut |_| {}).expect("rules that there are")
}

/// A row in words, with what was looked at.
fn words(row: &Row) -> String {
    let Row {
        id,
        target,
        verdict,
        statement,
        ..
    } = row;
    let mut lines = vec![format!("{id} on {target}: {verdict:?}: {statement}")];
    lines.extend(row.reason.iter().map(|reason| format!("    {reason}")));
    for seen in &row.observations {
        let mark = if seen.holds { ' ' } else { '!' };
        let expected = seen.expected.as_deref().unwrap_or("anything");
        lines.push(format!("  {mark} {}: {expected}; seen {}", seen.what, seen.seen));
    }
    lines.join("\n")
}

/// The rows in which a rule is not kept.
fn broken(results: &Results) -> Vec<String> {
    let kept = |row: &&Row| matches!(row.verdict, Verdict::Pass | Verdict::NotRun);
    results.rows.iter().filter(|row| !kept(row)).map(words).collect()
}

#[test]
fn no_rule_is_broken_under_any_schedule() {
    for seed in 0..SEEDS {
        let results = run(&mut ModelRunner::with_seed(seed), &everything());
        let broken = broken(&results);
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
    }
}

#[test]
fn every_rule_is_run_or_says_why_not() {
    let results = run(&mut ModelRunner::with_seed(0), &everything());
    for row in results.rows.iter().filter(|row| row.verdict == Verdict::NotRun) {
        let why = row.reason.as_deref().unwrap_or_default();
        assert!(!why.is_empty(), "{}", words(row));
    }
    let passed = results.rows.iter().filter(|row| row.verdict == Verdict::Pass);
    let passed: BTreeSet<&str> = passed.map(|row| row.id.as_str()).collect();
    let unseen: Vec<String> = rules().filter(|rule| !passed.contains(rule.as_str())).collect();
    assert_eq!(unseen, UNSEEN);
}

#[test]
fn a_seed_makes_the_same_run_again() {
    let rows = || {
        let mut results = run(&mut ModelRunner::with_seed(5), &everything());
        results.rows.iter_mut().for_each(|row| row.elapsed_ns = 0);
        results.rows
    };
    assert_eq!(rows(), rows());
}

/// Every rule on every target, under every schedule with two preemptions, or the first [`ENOUGH`] or [`ENOUGH_LONG`].
#[test]
fn no_rule_is_broken_under_the_schedules_of_two_preemptions() {
    let rules: BTreeSet<&str> = cases::all().map(|case| case.id).collect();
    let mut most = 0;
    for target in everything().targets {
        for rule in &rules {
            let selection = Selection {
                targets: vec![target.clone()],
                only: vec![(*rule).to_owned()],
            };
            let enough = if LONG.contains(rule) { ENOUGH_LONG } else { ENOUGH };
            let mut runs = 0;
            let explored = Enumerate::new(2).explore(|chooser| {
                let broken = broken(&run(&mut ModelRunner::with_chooser(chooser), &selection));
                runs += 1;
                if broken.is_empty() && runs < enough {
                    Ok(())
                } else {
                    Err(broken)
                }
            });
            most = runs.max(most);
            if let Err((choices, broken)) = explored {
                let broken = broken.join("\n");
                assert!(
                    broken.is_empty(),
                    "{rule} on {target}, choices {choices}:\n{broken}"
                );
            }
        }
    }
    assert_eq!(most, ENOUGH, "there are cases with many schedules");
}

/// What the model finds in a case that does this, and what the case returned.
fn find<T: Send + 'static>(act: fn(&dyn Win32) -> T) -> (Result<(), String>, Option<T>) {
    find_with_seed(1, act)
}

fn find_with_seed<T: Send + 'static>(seed: u64, act: fn(&dyn Win32) -> T) -> (Result<(), String>, Option<T>) {
    let (sender, receiver) = mpsc::channel();
    let found = ModelRunner::with_seed(seed).run(Box::new(move |os| _ = sender.send(act(os))));
    (found, receiver.try_recv().ok())
}

#[test]
fn a_wait_that_nobody_ends_is_a_finding() {
    let (found, waited) = find(|os| {
        let event = os.create_event(true, false).expect("an event");
        os.wait(event, Patience::UntilOver)
    });
    let found = found.expect_err("a hang");
    assert!(found.contains("waits for what nobody will do"), "{found}");
    assert_eq!(waited, Some(Ok(Waited::TimedOut)));
    let (found, _) = find(|os| {
        let event = os.create_event(true, false).expect("an event");
        os.wait(event, Patience::Briefly)
    });
    assert_eq!(found, Ok(()), "that one may take its time");
}

/// A case that closes nothing and leaves a write pending: its process ends, and everything with it.
#[test]
fn what_a_case_leaves_open_is_cleared_away() {
    let (found, pending) = find(|os| {
        let (_, writer) = os.create_pipe(16).expect("a pipe");
        let pipe = kswrite_conform::win32::NamedPipe {
            name: r"\\.\pipe\left",
            message: false,
            overlapped: true,
            quota: 16,
        };
        let server = os.create_named_pipe(&pipe).expect("a named pipe");
        let port = os.create_port().expect("a port");
        os.associate(server, port, 1).expect("a port");
        let into = os.buffer(&[0; 4]);
        let connected = os.write_file(writer, Data::Of(into), 4, Count::Wanted, None);
        let overlapped = os.overlapped(&Overlapped::default());
        // Nobody has connected.
        let refused = os.read_file(server, into, 4, Count::Null, Some(overlapped));
        (connected.returned, refused.is_pending())
    });
    assert_eq!((found, pending), (Ok(()), Some((true, false))));
}

/// A thread that is there when its process faults does not come back.
#[test]
fn a_fault_ends_the_case_in_the_middle() {
    let (found, returned) = find(|os| {
        let (_, writer) = os.create_pipe(16).expect("a pipe");
        let data = Data::Of(os.buffer(&[1; 4]));
        os.write_file(writer, data, 4, Count::Null, None)
    });
    assert_eq!((found, returned), (Ok(()), None));
    let (_, unknown) = find(|os| {
        os.write_file(Handle(4000), Data::Null, 4, Count::Null, None)
            .returned
    });
    assert_eq!(unknown, Some(false), "a failure stores no count");
}
