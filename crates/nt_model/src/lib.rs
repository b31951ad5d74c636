//! An NT I/O manager in process, as far as a write through a filter needs one.
//!
//! # The fault model
//!
//! * **Memory.** A user page may be readable, read-only or not there. It may go away between a check and an
//!   access; a locked page may not. Kernel addresses are always readable.
//! * **Allocation.** IRPs, MDLs and pool may each be refused, at any call.
//! * **The device below** may have no fast-I/O table, a short one, an empty slot, or a routine that accepts,
//!   declines, answers with another status, or raises. Given an IRP it may complete it before it returns,
//!   later, after it was cancelled, or return `STATUS_PENDING` for one that is complete already.
//! * **A cancel** may come at any point of a write's life: before the request reaches the filter, between any
//!   two steps of it, while the device holds the IRP, after the completion.
//! * What may *not* happen is what the model checks: a request or IRP completed twice or never, a resource
//!   that is not given back, a touch of a freed IRP, a completion with `STATUS_PENDING`, a request that is
//!   left pending without being marked, or marked and completed as if it were not.
//!
//! The model is single-threaded. Concurrency is a list of [`Step`]s: at each hook of the filter's path the
//! model does what the list says next, so every interleaving has a name and can be run again.
//!
//! Every call of a kernel service is written to a trace; a finding is shown with it.

mod device;
mod kernel;
mod ledger;
mod memory;
mod request;

pub use device::{DeviceId, FastRoutine, FastTable, Script, Send};
pub use kernel::{Fault, Hook, Model, Step};
pub use ledger::Ledger;
pub use memory::{Address, KERNEL_BASE, Memory, PAGE_BYTES, Page};
pub use request::{Mdl, Pages, Pool, Request, Sent};
