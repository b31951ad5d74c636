//! What a program sees: processes with handles, system calls, files, pipes and mailslots.
//!
//! A [`Cpu`](crate::Cpu) whose thread belongs to a process has the system calls: those that take a
//! [`Handle`]. Their semantics are those of the public documentation of the functions that they are named after.
//! Reads and writes become IRPs, which take the way of all others; [`Disk`], [`Pipes`], [`Mailslots`],
//! [`Console`], [`SerialPort`] and [`Volume`] are drivers of devices.

mod cancel;
mod console;
mod disk;
mod handle;
mod locks;
mod mailslot;
mod object;
mod pipe;
mod pipe_instance;
mod pipe_queue;
mod process;
mod serial;
pub mod status;
mod transfer;
mod volume;

pub use console::Console;
pub use disk::{Creation, Disk};
pub use handle::{FileAccess, FileOptions, Handle};
pub use mailslot::Mailslots;
pub use object::TimeOut;
pub use pipe::{PipeOptions, Pipes};
pub(crate) use process::Program;
pub use serial::SerialPort;
pub use transfer::NtTransfer;
pub use volume::{Extent, Volume};
