//! What a stress run found. Text and JSON print the same structure.

use std::fmt;

use serde::Serialize;

use super::finding::Finding;
use super::plan::StressPlan;
use super::tally::Tally;
use crate::exit::Exit;
use crate::report::FilterCounters;
use crate::status::HostCounters;
use crate::table::{Align, Table, duration, grouped};

/// The result of `ksw stress`; with `--json`, this is the one object on standard output.
#[derive(Clone, Debug, Serialize)]
pub struct StressReport {
    /// What was asked for.
    pub plan: StressPlan,
    /// Rounds that are over.
    pub rounds: u64,
    /// Whether somebody stopped it.
    pub interrupted: bool,
    /// From the first operation until the last look.
    pub elapsed_ns: u64,
    /// Operations per second of `elapsed_ns`.
    pub operations_per_second: f64,
    /// What was done.
    pub tally: Tally,
    /// What was done to threads and processes, and around them.
    pub disturbances: Disturbances,
    /// What the filter counted during the run, over all its devices. `None`: no filter answers.
    pub filter: Option<FilterCounters>,
    /// What the Wine host counts at the end. `None`: there is none, as on Windows.
    pub host: Option<HostCounters>,
    /// Bytes that the process had committed, after each round.
    pub memory: Vec<u64>,
    /// What is wrong. `None`: nothing.
    pub failure: Option<Failure>,
}

/// What was done from outside to the writers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disturbances {
    /// Cancels of all that another thread's handle had pending.
    pub cancel_all: u64,
    /// Cancels of synchronous calls that found one.
    pub cancel_synchronous: u64,
    /// Releases of what another thread's handle held.
    pub releases: u64,
    /// Changes of the filter's policy.
    pub policies: u64,
    /// Looks at the filter's counters.
    pub looks: u64,
    /// Threads that ended with writes pending.
    pub threads_ended: u64,
    /// Processes that were ended with writes pending.
    pub processes_ended: u64,
    /// Operations whose memory may stay lent: completion routines of threads that ended, and packets that need
    /// not come for writes that ended at once with a warning.
    pub lent_for_good: u64,
}

impl Disturbances {
    /// Adds those of another round.
    pub fn add(&mut self, other: &Self) {
        self.cancel_all += other.cancel_all;
        self.cancel_synchronous += other.cancel_synchronous;
        self.releases += other.releases;
        self.policies += other.policies;
        self.looks += other.looks;
        self.threads_ended += other.threads_ended;
        self.processes_ended += other.processes_ended;
        self.lent_for_good += other.lent_for_good;
    }

    /// Every count with its name.
    pub fn rows(&self) -> [(&'static str, u64); 8] {
        [
            ("cancelled all of a handle", self.cancel_all),
            ("cancelled a synchronous call", self.cancel_synchronous),
            ("released from another thread", self.releases),
            ("filter policy changed", self.policies),
            ("counters looked at", self.looks),
            ("threads ended with writes pending", self.threads_ended),
            ("processes ended with writes pending", self.processes_ended),
            ("completions that need not come", self.lent_for_good),
        ]
    }
}

/// What is wrong, and how it came to that.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// The round, from 0.
    pub round: u64,
    /// The seed of that round.
    pub seed: u64,
    /// What is wrong, where: a thread, or the whole.
    pub findings: Vec<Located>,
    /// The last operations of each thread of the round.
    pub logs: Vec<ThreadLog>,
    /// The command that repeats the round's program.
    pub replay: String,
}

/// A finding and the thread that made it.
#[derive(Clone, Debug, Serialize)]
pub struct Located {
    /// The thread, or `round`.
    pub by: String,
    /// What is wrong.
    pub finding: Finding,
}

/// The last operations of a thread.
#[derive(Clone, Debug, Serialize)]
pub struct ThreadLog {
    /// The thread.
    pub thread: String,
    /// One line each, the oldest first, with the seconds since the round began.
    pub lines: Vec<String>,
}

impl StressReport {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        if self.failure.is_some() {
            Exit::Verification
        } else {
            Exit::Success
        }
    }

    fn verdict(&self) -> String {
        let operations = grouped(self.tally.operations);
        let stopped = if self.interrupted { ", stopped early" } else { "" };
        match &self.failure {
            None => format!("no finding in {operations} operations{stopped}"),
            Some(failure) => format!(
                "FOUND after {operations} operations, in round {} of seed {:#x}",
                failure.round, self.plan.seed
            ),
        }
    }
}

impl fmt::Display for StressReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([("what", Align::Left), ("count", Align::Right)]);
        for (name, count) in self.tally.rows() {
            table.row([name.to_owned(), grouped(count)]);
        }
        for (name, count) in self.disturbances.rows() {
            table.row([name.to_owned(), grouped(count)]);
        }
        table.fmt(f)?;
        writeln!(
            f,
            "\nseed {:#x}, {} rounds, {} threads, {}: {:.0} operations/s",
            self.plan.seed,
            self.rounds,
            self.plan.threads,
            duration(self.elapsed_ns),
            self.operations_per_second
        )?;
        if let (Some(first), Some(last), Some(most)) =
            (self.memory.first(), self.memory.last(), self.memory.iter().max())
        {
            let mib = |bytes: u64| grouped(bytes >> 20);
            writeln!(
                f,
                "memory: {} MiB after the first round, {} MiB after the last, at most {} MiB",
                mib(*first),
                mib(*last),
                mib(*most)
            )?;
        }
        if let Some(host) = &self.host {
            writeln!(f, "host: {host}")?;
        }
        if let Some(failure) = &self.failure {
            writeln!(f)?;
            failure.fmt(f)?;
        }
        writeln!(f, "\n{}", self.verdict())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for log in &self.logs {
            writeln!(f, "the last operations of {}:", log.thread)?;
            for line in &log.lines {
                writeln!(f, "  {line}")?;
            }
        }
        for Located { by, finding } in &self.findings {
            writeln!(f, "finding of {by}: {finding}")?;
        }
        writeln!(
            f,
            "repeat the same operations (not the same timing) with:\n  {}",
            self.replay
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stress::finding::Invariant;
    use crate::stress::plan::StressOptions;

    fn report(failure: Option<Failure>) -> StressReport {
        let options = StressOptions {
            round: 10,
            threads: 2,
            ..StressOptions::default()
        };
        StressReport {
            plan: options.check().unwrap(),
            rounds: 1,
            interrupted: false,
            elapsed_ns: 2_000_000_000,
            operations_per_second: 5.0,
            tally: Tally {
                operations: 10,
                ..Tally::default()
            },
            disturbances: Disturbances::default(),
            filter: None,
            host: None,
            memory: vec![5 << 20, 6 << 20],
            failure,
        }
    }

    #[test]
    fn without_a_finding_it_says_so() {
        let text = report(None).to_string();
        assert!(text.ends_with("\nno finding in 10 operations\n"), "{text}");
        assert!(
            text.contains("5 MiB after the first round, 6 MiB after the last"),
            "{text}"
        );
        assert_eq!(report(None).exit(), Exit::Success);
    }

    #[test]
    fn a_finding_comes_with_the_last_operations_and_the_command() {
        let failure = Failure {
            round: 3,
            seed: 0xAB,
            findings: vec![Located {
                by: "thread 1".to_owned(),
                finding: Finding::new(Invariant::Digest, "they differ"),
            }],
            logs: vec![ThreadLog {
                thread: "thread 1".to_owned(),
                lines: vec!["0.5 0: reap".to_owned()],
            }],
            replay: "ksw stress --replay 0xab".to_owned(),
        };
        let report = report(Some(failure));
        assert_eq!(report.exit(), Exit::Verification);
        let text = report.to_string();
        for part in [
            "the last operations of thread 1:\n  0.5 0: reap",
            "finding of thread 1: digest: they differ",
            "\n  ksw stress --replay 0xab\n",
            "FOUND after 10 operations, in round 3 of seed 0x1",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["failure"]["findings"][0]["finding"]["invariant"], "digest");
        assert_eq!(json["tally"]["operations"], 10);
    }
}
