//! What a venue is known to do differently, and why.

use crate::{Venue, result::Observation, target::Kinds, target::Target};

/// A known difference: a rule that a venue breaks.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The rule.
    pub id: &'static str,
    /// Where.
    pub venue: Venue,
    /// On which targets.
    pub targets: Kinds,
    /// What was looked at, as the case words it. The case must break at this observation.
    pub what: &'static str,
    /// What is seen there.
    pub seen: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// All known differences.
pub const ALL: &[Difference] = &[];

/// What venues do differently within what the rules allow. The cases pass; a comparison of two runs is told.
pub const WITHIN: &[Difference] = &[];

fn rows<'a>(
    table: &'static [Difference],
    id: &'a str,
    venue: Venue,
    target: &'a Target,
) -> impl Iterator<Item = &'static Difference> + 'a {
    let is_of = move |row: &&Difference| row.id == id && row.venue == venue && row.targets.have(target);
    table.iter().filter(is_of)
}

/// The known differences of a rule on a target.
pub fn of<'a>(
    id: &'a str,
    venue: Venue,
    target: &'a Target,
) -> impl Iterator<Item = &'static Difference> + 'a {
    rows(ALL, id, venue, target)
}

/// The known differences within what a rule allows.
pub fn within<'a>(
    id: &'a str,
    venue: Venue,
    target: &'a Target,
) -> impl Iterator<Item = &'static Difference> + 'a {
    rows(WITHIN, id, venue, target)
}

impl Difference {
    /// Whether this is what was looked at and seen.
    pub fn tells(&self, observation: &Observation) -> bool {
        observation.what == self.what && observation.seen == self.seen
    }

    /// Whether this is what was seen, and broke the rule.
    pub fn explains(&self, observation: &Observation) -> bool {
        !observation.holds && self.tells(observation)
    }
}
