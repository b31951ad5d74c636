//! `ksw stress`: programs of random operations, and books that tell when an invariant does not hold.
//!
//! * [`program`]: what each thread does, from a seed and nothing else.
//! * [`expect`], [`ledger`]: how a write may end, and what the sink must say.
//! * [`worker`]: runs a program on a [`venue`]: Windows, or a sink in memory that misbehaves, in the tests.
//! * [`account`]: the filter's counters and the memory of the process, at the end of a round.
//! * [`finding`], [`log`], [`tally`], [`report`]: what is shown.

pub mod account;
pub mod expect;
#[cfg(test)]
mod fake;
pub mod finding;
pub mod ledger;
pub mod log;
pub mod plan;
pub mod program;
pub mod report;
pub mod tally;
pub mod venue;
pub mod worker;
