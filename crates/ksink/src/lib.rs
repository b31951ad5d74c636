//! ksink.sys: a device whose every behaviour is scripted, for a harness that writes to it.
//!
//! There are three devices, one for each way in which `IRP_MJ_WRITE` may bring its data. A script belongs to
//! a file object; what it may say is in `kswrite_wire::sink`, what it means in `ksink_state`. This crate moves
//! requests and bytes:
//!
//! * [`device`]: which of the three a device is, and how it is made.
//! * [`file`]: what hangs on an open.
//! * [`write`], [`read`], [`control`]: the requests.
//! * [`fast`]: `FastIoWrite`, and the slot that may be empty.
//! * [`pending`]: writes that complete later, or are cancelled.
//!
//! A write is *accepted* when its bytes are in the digests. That comes before its completion, so a write that
//! is cancelled while it is held or pended was accepted all the same: it completes with `STATUS_CANCELLED` and
//! the number of bytes accepted, and the state of the file object counts it as accepted and as cancelled.
#![no_std]

extern crate alloc;
extern crate wdk_panic;

mod control;
mod device;
mod driver;
mod entry;
mod fast;
mod file;
mod pending;
mod read;
mod write;

/// Non-paged pool for what allocates through `alloc`; everything here does so fallibly.
#[global_allocator]
static ALLOCATOR: wdk_alloc::WdkAllocator = wdk_alloc::WdkAllocator;
