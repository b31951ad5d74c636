//! Results as text, JSON and JUnit, and two of them compared.

mod agreement;
mod json;
mod junit;
mod text;

pub use agreement::{Agreement, Disagreement};
pub use json::{from_json, to_json};
pub use junit::to_junit;
pub use text::{Summary, Text};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Venue,
        result::{Observation, Results, Row, Verdict},
        target::Target,
    };

    /// A row of every verdict.
    pub(super) fn results() -> Results {
        let row = |id: &str, statement: &str, target, verdict, reason: Option<&str>| Row {
            id: id.to_owned(),
            statement: statement.to_owned(),
            target,
            verdict,
            reason: reason.map(str::to_owned),
            observations: Vec::new(),
            elapsed_ns: 1_000_000_000,
        };
        let mut rows = vec![
            row("WF-01", "one", Target::File, Verdict::Pass, None),
            row("WF-02", "two", Target::Pipe, Verdict::Fail, None),
            row("WF-03", "three", Target::File, Verdict::Differs, Some("because")),
            row(
                "WF-04",
                "four",
                Target::Console,
                Verdict::NotRun,
                Some("no console"),
            ),
            row(
                "WF-05",
                "five",
                Target::Console,
                Verdict::NotRun,
                Some("no console"),
            ),
        ];
        for row in &mut rows {
            if row.verdict == Verdict::Fail {
                row.observations.push(Observation {
                    what: "count".to_owned(),
                    expected: Some("0".to_owned()),
                    seen: "7".to_owned(),
                    holds: false,
                });
            }
        }
        Results {
            venue: Venue::Wine,
            system: "a system".to_owned(),
            version: "0".to_owned(),
            rows,
        }
    }

    #[test]
    fn json_is_read_back() {
        let text = to_json(&results()).expect("JSON");
        assert_eq!(from_json(&text).expect("the same"), results());
        assert!(from_json("{}").is_err());
    }
}
