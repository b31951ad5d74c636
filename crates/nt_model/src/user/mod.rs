//! What a program sees: processes with handles, system calls, files, pipes and mailslots.
//!
//! A [`Cpu`](crate::Cpu) whose thread belongs to a process has the system calls: those that take a
//! [`Handle`]. Their semantics are those of the public documentation of the functions that they are named after.
//! Reads and writes become IRPs, which take the way of all others; [`Disk`], [`Pipes`] and [`Mailslots`] are
//! drivers of devices.

mod cancel;
mod disk;
mod handle;
mod locks;
mod mailslot;
mod object;
mod pipe;
mod pipe_queue;
mod process;
pub mod status;
mod transfer;

pub use disk::{Creation, Disk};
pub use handle::{FileAccess, FileOptions, Handle};
pub use mailslot::Mailslots;
pub use object::TimeOut;
pub use pipe::{PipeOptions, Pipes};
pub(crate) use process::Program;
pub use transfer::NtTransfer;
