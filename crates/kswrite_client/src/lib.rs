//! Overlapped writes as owned operations.
//!
//! `WriteFile` on an overlapped handle lends a buffer and an `OVERLAPPED` to the system until the write is
//! complete. A program that frees or moves either of them earlier, or that takes a write for complete when
//! it is not, corrupts memory. Here both live in one heap cell that is owned jointly by the program and by
//! the system, and the rules are kept by types:
//!
//! * The call's return value alone decides whether a write is pending.
//! * The buffer goes in by value and comes back with the result.
//! * A pending write that is dropped is cancelled, and its memory stays where it is until the completion
//!   arrives. It is never freed before, and never waited for.
//! * An operation that completes by event owns its event, and resets it before each use.
//!
//! There are three ways to learn of a completion, as types: `ByEvent`, `ByPort` (an I/O completion port)
//! and `ByApc` (`WriteFileEx`). All three exist on Windows only; [`Error`] and [`Win32Error`] exist
//! everywhere, because reports hold them.
//!
//! ```ignore
//! let file = File::open(r"\\.\KsSinkDirect", Access::ReadWrite)?;
//! match Operation::by_event()?.write_at(&file, 0, vec![7; 512]) {
//!     Started::Finished(finished) => println!("at once: {:?}", finished.result),
//!     Started::Pending(pending) => println!("later: {:?}", pending.wait().result),
//! }
//! ```
//!
//! Sources: <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-writefile>,
//! <https://learn.microsoft.com/windows/win32/sync/synchronization-and-overlapped-input-and-output>,
//! <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>.

mod error;
#[cfg(windows)]
mod windows;

pub use error::{Error, Win32Error};
#[cfg(windows)]
pub use windows::{
    Access, AsyncFile, Batch, ByApc, ByEvent, ByPort, ByWaiting, Canceller, CompletionPort, Devices, Done,
    Event, File, FileObjectCall, FileObjectWrite, Filter, Finished, OpenFlags, Operation, Pending, Reactor,
    Ring, RingDone, Signal, Started, TraceBatch, TraceReader, WriteAt, Writer, Written, cancel_synchronous,
    cells_alive, control, control_bytes, sleep_alertably, wait_any,
};
