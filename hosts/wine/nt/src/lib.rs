//! Kernel services that Wine's `ntoskrnl.exe` lacks or stubs, and the verifier that counts them.
//!
//! A driver that is loaded in Wine imports names that Wine does not export, or exports as stubs that end
//! the process. [`hooks`] puts the functions of this crate into the driver's import table; each does what
//! its documentation page says, as far as a process without a kernel can, and notes what it hands out
//! against the driver that called it. [`report`] prints what is wrong, with the caller.
//!
//! Everything runs in one `winedevice.exe`: "kernel" and "user" memory are both that process's memory,
//! since Wine copies a caller's data into it.
//!
//! No function here allocates with a lock held across a call into a driver, and none waits with a lock held.
#![no_std]
#![expect(
    clippy::cast_possible_truncation,
    reason = "the host is for x64 alone, and the headers give byte-sized values as 32-bit constants"
)]

extern crate alloc;

pub mod caller;
pub mod counts;
pub mod drivers;
pub mod etw;
pub mod faults;
pub mod file_fields;
pub mod files;
pub mod heap;
pub mod hooks;
pub mod image;
pub mod irp;
pub mod irql;
pub mod lock;
pub mod mapped;
pub mod mdl;
pub mod misc;
pub mod objects;
pub mod own_irps;
pub mod pool;
pub mod probe;
pub mod quarantine;
pub mod report;
pub mod sent;
pub mod strings;
pub mod sys;
pub mod thread;
pub mod thread_irps;
pub mod user_irp;

pub use wdk_sys;
