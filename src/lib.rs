//! kswrite.sys: a KMDF filter driver that writes to the device below it the way KsWriteFile does.
//!
//! The driver is thin. What it decides is in `kswrite_core`; what it calls is wrapped in [`ffi`] and in the
//! crate `kmdf`; this crate puts the two together:
//!
//! * [`driver`]: load and unload.
//! * [`device`]: one filter device per stack.
//! * [`write`]: the write path.
//! * [`fast_io`]: the filter's own fast-I/O entry.
//! * [`control`]: the control device, `\\.\KsWrite`, and [`file_write`], its writes to file objects.
//! * [`slots`]: counters and policy of each filtered device; [`trace`]: records of writes.
//! * [`kernel`]: the real kernel as the core sees it.
#![no_std]

extern crate wdk_panic;

pub mod control;
pub mod device;
pub mod driver;
pub mod fast_io;
pub mod ffi;
pub mod file_write;
pub mod kernel;
pub mod slots;
pub mod trace;
pub mod write;

/// Non-paged pool for what allocates through `alloc`. The write path does not.
#[global_allocator]
static ALLOCATOR: wdk_alloc::WdkAllocator = wdk_alloc::WdkAllocator;
