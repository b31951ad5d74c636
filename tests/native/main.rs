//! The drivers as programs see them: runs on Windows, and in Wine, with the sinks installed and the filter
//! on their stacks.
//!
//! Every case ends with the counters of the filter and, where it is present, of the Wine host: nothing may be
//! outstanding, and the host must have found nothing wrong.
#![cfg(windows)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a case that cannot go on has failed; its numbers are small"
)]

mod bad_input;
mod bench;
mod cancel;
mod cli;
mod conform;
mod data;
mod examples;
mod faces;
mod faults;
mod install;
mod ks;
mod lifetime;
mod load;
mod paths;
mod policy;
mod rig;
mod stacked;
mod stress;
mod trace;
