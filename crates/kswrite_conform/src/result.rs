//! What was found, as one structure for the table, for JSON, JUnit and HTML.

use serde::{Deserialize, Serialize};

use crate::{Venue, target::Target};

/// What became of a case on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The rule is kept.
    Pass,
    /// The rule is broken, or a known difference did not show.
    Fail,
    /// The rule is broken in the way that the table of differences says.
    Differs,
    /// The rule could not be tried; the row says why.
    NotRun,
}

impl Verdict {
    /// All, in the order of the summary.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Fail, Self::Differs, Self::NotRun];

    /// The words of the table.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Differs => "differs as expected",
            Self::NotRun => "not run",
        }
    }
}

/// One thing that a case looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// What was looked at, in a few words.
    pub what: String,
    /// What the rule wants; `None` where the rule leaves it open and the case only reports.
    pub expected: Option<String>,
    /// What was seen.
    pub seen: String,
    /// Whether what was seen is allowed.
    pub holds: bool,
}

/// One case on one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The rule, such as `WF-20`.
    pub id: String,
    /// The rule in one line.
    pub statement: String,
    /// What was written to.
    pub target: Target,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it was not run, why it differs, or what went wrong besides the observations.
    pub reason: Option<String>,
    /// What was looked at, in order. The case ends with the first that does not hold.
    pub observations: Vec<Observation>,
    /// How long it took.
    pub elapsed_ns: u64,
}

/// All rows of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// Where it ran.
    pub venue: Venue,
    /// The system, in words.
    pub system: String,
    /// The version of this program.
    pub version: String,
    /// The rows, by rule and then by target.
    pub rows: Vec<Row>,
}

impl Results {
    /// How many rows have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }

    /// Whether no row failed, and one was tried.
    pub fn passed(&self) -> bool {
        self.count(Verdict::Fail) == 0 && self.rows.iter().any(|row| row.verdict != Verdict::NotRun)
    }
}
