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

/// The known differences of a rule on a target.
pub fn of<'a>(
    id: &'a str,
    venue: Venue,
    target: &'a Target,
) -> impl Iterator<Item = &'static Difference> + 'a {
    ALL.iter()
        .filter(move |row| row.id == id && row.venue == venue && row.targets.have(target))
}

impl Difference {
    /// Whether this is what was seen.
    pub fn explains(&self, observation: &Observation) -> bool {
        !observation.holds && observation.what == self.what && observation.seen == self.seen
    }
}
