//! `WDFLDR.SYS` for Wine: the loader, the framework and the PnP manager that Wine's `winedevice.exe` lacks.
//!
//! A KMDF driver imports `WDFLDR.SYS`; Wine loads this image in its place. At bind the driver gets the table
//! of KMDF 1.15 ([`table`]), and its other imports are mended by `wine_nt`.
//!
//! | module | what |
//! |---|---|
//! | [`bind`] | the loader's exports |
//! | [`table`] | the function table; a function that is not emulated ends the process and says its name |
//! | [`object`], [`attributes`] | handles, contexts, the tree of objects, callbacks, references |
//! | [`driver`], [`device_init`], [`device`] | `WDFDRIVER`, `WDFDEVICE` and how they are made |
//! | [`dispatch`], [`pnp`], [`file`] | what becomes of an IRP |
//! | [`queue`], [`request`], [`cancel`], [`buffers`] | I/O queues and requests |
//! | [`locks`], [`timer`], [`work_item`], [`worker`] | the small objects |
//! | [`stacker`], [`control`] | puts the filter on the sinks' stacks; the device that tests talk to |
#![no_std]
#![expect(
    clippy::cast_possible_truncation,
    reason = "the host is for x64 alone, and the headers give byte-sized values as 32-bit constants"
)]

extern crate alloc;

mod attributes;
mod bind;
mod buffers;
mod cancel;
mod client;
mod control;
mod device;
mod device_init;
mod dispatch;
mod driver;
mod file;
mod locks;
mod object;
mod panic;
mod pnp;
mod queue;
mod request;
mod stacker;
mod status;
mod table;
mod timer;
mod work_item;
mod worker;

use wine_nt::heap::HostHeap;

#[global_allocator]
static HEAP: HostHeap = HostHeap;
