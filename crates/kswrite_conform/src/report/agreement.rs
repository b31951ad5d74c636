//! Two runs, row by row.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Venue, differences,
    result::{Observation, Results, Row, Verdict},
    target::Target,
};

/// Something that two runs have seen differently, and no table says why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The rule.
    pub id: String,
    /// The rule in one line.
    pub statement: String,
    /// On what.
    pub target: Target,
    /// What was looked at; `verdict` if that is what differs.
    pub what: String,
    /// What this run has seen.
    pub here: String,
    /// What the other run has seen.
    pub there: String,
}

/// What came of comparing two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Where this run was: venue and system.
    pub here: (Venue, String),
    /// Where the other one was.
    pub there: (Venue, String),
    /// Rows that both runs have tried and agree on.
    pub agreeing: usize,
    /// Rows that differ in a way that the tables of differences explain.
    pub explained: usize,
    /// Rows that only one of the runs has tried.
    pub single: usize,
    /// The rest.
    pub disagreements: Vec<Disagreement>,
}

/// What two rows have to say of each other.
enum Compared {
    Agree,
    Explained,
    Differ {
        what: String,
        here: String,
        there: String,
    },
}

impl Agreement {
    /// Compares this run with another one.
    pub fn of(here: &Results, there: &Results) -> Self {
        let place = |results: &Results| (results.venue, results.system.clone());
        let mut agreement = Self {
            here: place(here),
            there: place(there),
            agreeing: 0,
            explained: 0,
            single: 0,
            disagreements: Vec::new(),
        };
        let tried = |row: &&Row| row.verdict != Verdict::NotRun;
        let mut pairs = 0;
        for row in here.rows.iter().filter(tried) {
            let Some(other) = there.rows.iter().filter(tried).find(|other| is_same(row, other)) else {
                continue;
            };
            pairs += 1;
            match compare((here.venue, row), (there.venue, other)) {
                Compared::Agree => agreement.agreeing += 1,
                Compared::Explained => agreement.explained += 1,
                Compared::Differ { what, here, there } => agreement.disagreements.push(Disagreement {
                    id: row.id.clone(),
                    statement: row.statement.clone(),
                    target: row.target.clone(),
                    what,
                    here,
                    there,
                }),
            }
        }
        let tried = |results: &Results| results.rows.iter().filter(tried).count();
        // A file may hold a row twice.
        agreement.single = (tried(here) + tried(there)).saturating_sub(2 * pairs);
        agreement
    }

    /// Whether nothing is unexplained, and something was compared.
    pub fn holds(&self) -> bool {
        self.disagreements.is_empty() && self.agreeing + self.explained > 0
    }
}

fn is_same(row: &Row, other: &Row) -> bool {
    (&row.id, &row.statement, &row.target) == (&other.id, &other.statement, &other.target)
}

fn compare(here: (Venue, &Row), there: (Venue, &Row)) -> Compared {
    let verdicts = (here.1.verdict, there.1.verdict);
    if verdicts.0 == Verdict::Differs || verdicts.1 == Verdict::Differs {
        return Compared::Explained;
    }
    if verdicts.0 != verdicts.1 {
        return Compared::Differ {
            what: "verdict".to_owned(),
            here: verdicts.0.words().to_owned(),
            there: verdicts.1.words().to_owned(),
        };
    }
    // What a rule leaves open altogether is only reported, and may differ from run to run.
    let judged = |row: &'_ Row| -> Vec<Observation> {
        let judged = row.observations.iter().filter(|seen| seen.expected.is_some());
        judged.cloned().collect()
    };
    let mut pairs = judged(here.1).into_iter().zip(judged(there.1));
    let differing = pairs.find(|(one, other)| (&one.what, &one.seen) != (&other.what, &other.seen));
    // What follows may follow from the first that differs.
    let Some((one, other)) = differing else {
        return Compared::Agree;
    };
    let by = |(venue, row): (Venue, &Row), seen: &Observation| {
        differences::within(&row.id, venue, &row.target).any(|known| known.tells(seen))
    };
    if by(here, &one) || by(there, &other) {
        Compared::Explained
    } else {
        Compared::Differ {
            what: one.what,
            here: one.seen,
            there: other.seen,
        }
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (here, there) = (self.here.0, self.there.0);
        for found in &self.disagreements {
            writeln!(
                f,
                "\nDISAGREE {} on {}: {}",
                found.id, found.target, found.statement
            )?;
            writeln!(f, "  {}", found.what)?;
            writeln!(f, "    {here} (now)      {}", found.here)?;
            writeln!(f, "    {there} (earlier)  {}", found.there)?;
        }
        writeln!(
            f,
            "\n{} rows agree with the run on {there} ({}), {} differ as the tables explain, {} disagree; {} were tried \
             in one of the runs only",
            self.agreeing,
            self.there.1,
            self.explained,
            self.disagreements.len(),
            self.single
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::results;

    #[test]
    fn a_run_agrees_with_itself() {
        let agreement = Agreement::of(&results(), &results());
        assert_eq!(
            (agreement.agreeing, agreement.explained, agreement.single),
            (2, 1, 0)
        );
        assert!(agreement.holds());
    }

    #[test]
    fn verdicts_and_observations_are_compared() {
        let mut other = results();
        other.venue = Venue::Model;
        for row in &mut other.rows {
            match row.id.as_str() {
                "WF-01" => row.verdict = Verdict::Fail,
                "WF-02" => row
                    .observations
                    .iter_mut()
                    .for_each(|seen| seen.seen = "8".to_owned()),
                _ => {}
            }
        }
        let agreement = Agreement::of(&results(), &other);
        let what: Vec<&str> = agreement
            .disagreements
            .iter()
            .map(|found| found.what.as_str())
            .collect();
        assert_eq!(what, ["verdict", "count"]);
        assert!(!agreement.holds());
        let text = agreement.to_string();
        assert!(text.contains("DISAGREE WF-02 on pipe: two"), "{text}");
        other.rows.clear();
        assert!(!Agreement::of(&results(), &other).holds(), "nothing was compared");
    }
}
