//! What is not as it should be.

use std::fmt;

use serde::Serialize;

/// The invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// Every write completes exactly once.
    CompletesOnce,
    /// A write ends in a way that its script allows.
    Outcome,
    /// The byte count is what the sink accepted, of cancelled writes too.
    ByteCount,
    /// The sink has exactly the bytes that were written, in order, at their places.
    Digest,
    /// A read sees what was written.
    Read,
    /// The sink's own counts agree with the results.
    SinkCounts,
    /// The filter's counters agree with each other and with the results.
    FilterCounters,
    /// Nothing is outstanding at the end.
    Outstanding,
    /// The Wine host has found nothing wrong, and nothing is left in the drivers.
    Host,
    /// The memory of the process does not grow.
    Memory,
    /// Requests other than writes succeed.
    Request,
    /// A process that was to be ended from outside found nothing wrong itself.
    Victim,
    /// No thread stands still.
    Progress,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CompletesOnce => "completes once",
            Self::Outcome => "outcome",
            Self::ByteCount => "byte count",
            Self::Digest => "digest",
            Self::Read => "read",
            Self::SinkCounts => "sink counts",
            Self::FilterCounters => "filter counters",
            Self::Outstanding => "outstanding",
            Self::Host => "host",
            Self::Memory => "memory",
            Self::Request => "request",
            Self::Victim => "victim",
            Self::Progress => "progress",
        })
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The invariant.
    pub invariant: Invariant,
    /// What was expected and what was seen.
    pub text: String,
}

impl Finding {
    /// A finding in one sentence.
    pub fn new(invariant: Invariant, text: impl Into<String>) -> Self {
        Self {
            invariant,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}
