//! The rows of the contract on the model: every test is named by the points that it proves.
//!
//! A row asserts all that its point says - status, status block, events, packet, references, counters, bytes - and ends
//! by asking the model whether anything is wrong or outstanding.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod bad_input;
mod batch;
mod buffers;
mod completion;
mod decision;
mod differential;
mod ending;
mod entry;
mod fast;
mod faults;
mod filter;
mod interleavings;
mod irp;
mod owned;
mod pitfalls;
mod position;
mod program;
mod random;
mod rig;
mod statistics;
mod wait;
