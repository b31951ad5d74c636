//! A rule, and how to see whether it is kept.

use crate::{stage::Stage, target::Kinds};

/// Why a case ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The observation that was noted last does not hold.
    Broken,
    /// The stage could not be set; it says what failed.
    Trouble(String),
    /// The case cannot be run here; it says why.
    NotRun(String),
}

/// What a case returns.
pub type Ended = Result<(), Stop>;

/// A rule, and how to see whether it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The rule, such as `WF-20`. Several cases may have the same rule.
    pub id: &'static str,
    /// The rule in one line.
    pub statement: &'static str,
    /// The targets on which it can be seen.
    pub targets: Kinds,
    /// How.
    pub run: fn(&Stage<'_>) -> Ended,
}

impl Case {
    /// A case.
    pub const fn new(
        id: &'static str,
        statement: &'static str,
        targets: Kinds,
        run: fn(&Stage<'_>) -> Ended,
    ) -> Self {
        Self {
            id,
            statement,
            targets,
            run,
        }
    }
}
