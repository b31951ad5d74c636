//! The only folder of the driver with `unsafe` and with names of `wdk_sys`.
//!
//! Each file wraps one thing: pointers in, safe values out. What two drivers need is in the crate `kmdf`.

pub mod cancel;
pub mod capture;
pub mod driver_ref;
pub mod entry;
pub mod etw;
pub mod event;
pub mod file_write;
pub mod guarded;
pub mod lower;
pub mod mdl;
pub mod narrow;
pub mod object;
pub mod sent;
pub mod target;
pub mod threaded;
