//! What `kswrite_core` costs.
//!
//! [`Pool`] is a kernel whose services do next to nothing: every IRP, MDL, system buffer and context is there from the
//! start and is used again, the routines of the device are called through pointers, and the device takes
//! the bytes by one copy. [`Case`] is one write on it. `cargo xtask bench core` counts the instructions of each case
//! with callgrind, times it, and shows both beside the floor: the bare call of the device's routine, and a copy where the
//! buffer method makes one.
//!
//! # What is counted as the core's own
//!
//! Every service is a function of its own that is never inlined, as a call into a kernel is. The instructions
//! outside of them are the core's own, with the call of each service and the loading of its arguments, and with
//! the caller's filling of the structure that the core is called with. So callgrind is told to stop counting in
//! the [services](SERVICES), and to count again where they call the [core](CORE_AGAIN).

#![forbid(unsafe_code)]
#![expect(
    clippy::indexing_slicing,
    reason = "a benchmark with a wrong index may stop; no driver is built from it"
)]

mod case;
mod device;
mod file_objects;
mod kernel;
mod pool;
mod request;
mod thread_irps;

pub use case::{By, Case, Floor, Path, Subject, subjects};
pub use pool::Pool;

/// Patterns, for callgrind, of the functions that stand for a kernel.
pub const SERVICES: [&str; 4] = [
    "<kswrite_bench*",
    "*<impl?kswrite_core*",
    "kswrite_bench::request::request*",
    "kswrite_bench::device::complete_oldest*",
];
/// Patterns of those in which a service calls the core.
pub const CORE_AGAIN: [&str; 2] = [
    "kswrite_bench::device::core_again*",
    "kswrite_bench::device::report_again*",
];
/// Pattern of the function of the program that stands before and after the writes of each subject.
pub const BOUNDARY: &str = "kswrite_bench::boundary*";
