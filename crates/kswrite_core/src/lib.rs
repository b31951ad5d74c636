//! The semantics of KsWriteFile, without a kernel.
//!
//! The routine writes to a device in one of two ways: it attempts the fast-I/O routine of the device, and
//! when there is none, or it declines, it builds a write IRP whose buffer suits the device: a system buffer,
//! locked pages, or the raw address.
//!
//! This crate decides; it does nothing. Every deed is a method of a trait that the caller implements over
//! the real kernel or over a model of it, so the same decisions are tested on any machine:
//!
//! | to | use | the kernel must be |
//! |---|---|---|
//! | write to a file object, as KsWriteFile does | [`managed::ks_write_file`] | [`managed::ThreadIrps`] |
//! | the same at an offset, with a time limit, with a record of the decisions | [`managed::write`] | [`managed::ThreadIrps`] |
//! | the same with an IRP of one's own: from locked pages, with a cancel token | [`owned::write`], [`CancelToken`] | [`FileObjects`], [`owned::Request`] |
//! | submit many of those, with one drain | [`batch::submit`] | [`FileObjects`], [`owned::Request`] |
//! | pass on a write that came to a filter driver | [`filter::dispatch`], [`filter::dispatch_by_irp`] | [`Kernel`], [`owned::Request`] |
//!
//! What they share: [`WriteCall`], one captured write; [`fast`], may the fast routine be called and what does
//! its answer mean; [`payload`], how the bytes reach the device when an IRP carries them; [`Handoff`], who
//! finishes a write; [`FileWrite::report`], who is told of its end; [`Decision`] and [`Statistics`], what
//! happened.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/ddi/ks/nf-ks-kswritefile>
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    feature = "defects",
    allow(
        clippy::eq_op,
        clippy::needless_bool,
        clippy::nonminimal_bool,
        clippy::overly_complex_bool_expr,
        reason = "which defects are built in is a constant"
    )
)]

#[cfg(test)]
extern crate std;

pub mod batch;
mod call;
mod cancel_token;
mod decision;
mod defect;
pub mod fast;
mod file;
mod file_objects;
pub mod filter;
mod handoff;
mod kernel;
pub mod managed;
pub mod owned;
pub mod payload;
mod statistics;
mod status;

pub use call::{Data, ProcessorMode, WriteCall, bypasses_cache};
pub use cancel_token::CancelToken;
pub use decision::{CancelOutcome, Carrier, Completion, Decision, Ended};
pub(crate) use defect::defect;
pub use file::{ByteOffset, FileWrite, Position};
pub use file_objects::{FileFlags, FileObjects, Patience};
pub use handoff::{Handoff, Remaining};
pub use kernel::{BufferMethod, Kernel};
pub use statistics::{Snapshot, Statistics};
pub use status::{IoStatus, NtStatus};
