//! What the scripted target remembers and decides, without a kernel.
//!
//! One [`Intake`] belongs to each file object. A write goes through it in three steps, under one lock:
//!
//! ```text
//! begin    checks the offset, finds memory, asks the script: everything that can fail
//! absorb   piece by piece, in order: running digests, digest of this write, window
//! commit   counts it, and says how it completes
//! ```
//!
//! The driver `ksink` moves bytes and requests; nothing in here knows where they come from.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod digest;
mod intake;
mod window;

pub use intake::{Admission, Intake, IrpFlags, Path, Verdict};
pub use window::{ReadError, Window};
