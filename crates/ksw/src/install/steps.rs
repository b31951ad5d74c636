//! What an installation or a removal did, step by step.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::table::{Align, Table};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "why")]
pub enum Outcome {
    /// It changed the system.
    Done,
    /// The system was so already.
    Kept,
    /// It could not be done.
    Failed(String),
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What the step was about, such as `package ksink.inf`.
    pub what: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What became of it, such as `added as oem3.inf`.
    pub detail: String,
}

/// All steps of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// In their order.
    pub steps: Vec<Step>,
    /// Whether the system asks for a restart.
    pub restart: bool,
}

impl Steps {
    /// Something was changed.
    pub fn done(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.push(what, Outcome::Done, detail);
    }

    /// There was nothing to do.
    pub fn kept(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.push(what, Outcome::Kept, detail);
    }

    /// Done if something `changed`, else kept.
    pub fn changed(&mut self, changed: bool, what: impl Into<String>, done: &str, kept: &str) {
        if changed {
            self.done(what, done);
        } else {
            self.kept(what, kept);
        }
    }

    /// Something failed, and the command goes on.
    pub fn failed(&mut self, what: impl Into<String>, why: &impl fmt::Display) {
        self.push(what, Outcome::Failed(why.to_string()), "");
    }

    fn push(&mut self, what: impl Into<String>, outcome: Outcome, detail: impl Into<String>) {
        self.steps.push(Step {
            what: what.into(),
            outcome,
            detail: detail.into(),
        });
    }

    /// Success unless a step failed.
    pub fn exit(&self) -> Exit {
        let failed = |step: &Step| matches!(step.outcome, Outcome::Failed(_));
        if self.steps.iter().any(failed) {
            Exit::Io
        } else {
            Exit::Success
        }
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Left)]);
        for step in &self.steps {
            let (word, detail) = match &step.outcome {
                Outcome::Done => ("done", &step.detail),
                Outcome::Kept => ("kept", &step.detail),
                Outcome::Failed(why) => ("FAILED", why),
            };
            table.row([word, &step.what, detail]);
        }
        table.fmt(f)?;
        if self.restart {
            writeln!(f, "the system asks for a restart")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_decides_the_exit_code_and_shows() {
        let mut steps = Steps::default();
        steps.done("package ksink.inf", "added as oem0.inf");
        steps.kept("device", "exists already");
        assert_eq!(steps.exit(), Exit::Success);
        steps.failed("service ksink", &"cannot stop it");
        assert_eq!(steps.exit(), Exit::Io);
        let text = steps.to_string();
        assert!(text.contains("FAILED  service ksink"), "{text}");
        let json = serde_json::to_string(&steps).unwrap();
        assert_eq!(serde_json::from_str::<Steps>(&json).unwrap(), steps);
    }
}
