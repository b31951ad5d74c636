//! The semantics of KsWriteFile, without a kernel.
//!
//! The routine writes to a device in one of two ways: it attempts the fast-I/O routine of the device, and
//! when there is none, or it declines, it builds a write IRP whose buffer suits the device: a system buffer,
//! locked pages, or the raw address.
//!
//! This crate decides; it does nothing. Every deed is a method of a trait that the caller implements over
//! the real kernel or over a model of it, so the same decisions are tested on any machine:
//!
//! * [`WriteCall`]: one captured write. It is built once and never changed.
//! * [`fast`]: may the fast routine be called, and what does its answer mean.
//! * [`payload`]: how the bytes reach the device when an IRP carries them.
//! * [`filter`]: the life of a write in a filter driver, which completes its caller's request itself.
//! * [`Handoff`]: who of the dispatching thread, the completion and a cancel finishes a write.
//! * [`Statistics`]: what happened, per path.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/ddi/ks/nf-ks-kswritefile>
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod call;
pub mod fast;
pub mod filter;
mod handoff;
mod kernel;
pub mod payload;
mod statistics;
mod status;

pub use call::{Data, ProcessorMode, WriteCall};
pub use handoff::Handoff;
pub use kernel::{BufferMethod, Kernel};
pub use statistics::{Snapshot, Statistics};
pub use status::{IoStatus, NtStatus};
