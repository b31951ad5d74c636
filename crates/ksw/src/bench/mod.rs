//! `ksw bench`, without Windows.
//!
//! * [`sweep`], [`plan`]: the options, checked once and multiplied out.
//! * `faces`: what a face cannot have.
//! * [`load`]: offsets, bytes and pace of one thread, from a seed.
//! * [`venue`]: what the system has to do; Windows does it, and tests do it in memory.
//! * [`round`]: one run of one setting, in threads. [`suite`]: all runs.
//! * [`report`], [`html`], `text`: what was found.

mod faces;
pub mod html;
pub mod load;
pub mod plan;
pub mod report;
pub mod round;
pub mod suite;
pub mod sweep;
mod text;
pub mod venue;
