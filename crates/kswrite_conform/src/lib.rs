//! The rules of WriteFile, and of the stream and channel interfaces over it, as cases.
//!
//! A [`Case`](case::Case) has the ID of a rule in `docs/contract.md`, says in one line what the rule is, and knows on
//! which [targets](target::Target) it can be seen. It makes its calls through the traits [`Win32`](win32::Win32) and
//! [`Faces`](faces::Faces), so it runs unchanged in every [`Venue`]: in the model of the I/O manager, in Wine, on Windows.
//!
//! What a venue is known to do differently is a table with the reasons, [`differences`]. A difference that is in the
//! table and does not show is a failure too, so the table cannot grow stale.

#![expect(
    clippy::missing_errors_doc,
    reason = "the errors are those of the functions that the calls are named after, and Stop says its own"
)]

pub mod case;
pub mod cases;
pub mod differences;
pub mod faces;
#[cfg(not(all(windows, target_arch = "aarch64")))]
pub mod model;
pub mod report;
pub mod result;
pub mod show;
pub mod stage;
pub mod suite;
pub mod target;
mod venue;
pub mod win32;

pub use venue::Venue;
