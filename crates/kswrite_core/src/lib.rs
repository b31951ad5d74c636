//! The semantics of KsWriteFile (work in progress).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod status;

pub use status::{IoStatus, NtStatus};
