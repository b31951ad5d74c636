//! Overlapped writes as owned operations, and the filter driver as types.
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
//! # One write
//!
//! An `Operation` is used again and again, and allocates nothing then. How it learns of the completion is a
//! type: `ByEvent`, `ByPort` (an I/O completion port), `ByApc` (`WriteFileEx`), or `ByWaiting` for a file that
//! is not overlapped.
//!
//! ```no_run
//! # #[cfg(windows)] {
//! use kswrite_client::{Access, File, Operation, Started};
//!
//! let file = File::open(r"\\.\KsSinkDirect", Access::ReadWrite)?;
//! match Operation::by_event()?.write_at(&file, 0, vec![7; 512]) {
//!     Started::Finished(finished) => println!("at once: {:?}", finished.result),
//!     Started::Pending(pending) => println!("later: {:?}", pending.wait().result),
//! }
//! # }
//! # Ok::<(), kswrite_client::Error>(())
//! ```
//!
//! # Many writes
//!
//! A `Reactor` has a port and a thread. Its writes are futures for any executor; dropping one cancels it.
//! There are callbacks, time limits, cancels from elsewhere, batches, and `Writer` for `std::io` and, with the
//! feature `tokio`, for tokio.
//!
//! ```no_run
//! # #[cfg(windows)]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use kswrite_client::{Access, File, Reactor};
//!
//! let file = Reactor::new()?.attach(File::open(r"\\.\KsSinkDirect", Access::Write)?)?;
//! let write = file.write_at(0, vec![7; 512]).time_limit(Duration::from_secs(1));
//! let written = write.await;
//! println!("{:?}, and the buffer of {} bytes", written.result, written.buffer.len());
//! # Ok(())
//! # }
//! ```
//!
//! # The driver
//!
//! `Filter` is the control device: counters, policies, and the trace of decisions. `FileObjectWrite` is
//! KsWriteFile for any file that the program has open. [`wire`] has the structures.
//!
//! ```no_run
//! # #[cfg(windows)] {
//! use kswrite_client::wire::policy::Policy;
//! use kswrite_client::{Devices, Filter};
//!
//! let filter = Filter::open()?;
//! let counted = filter.statistics(Devices::All)?;
//! println!("{} of {} writes by fast I/O", counted.fast, counted.attempted);
//! filter.set_policy(Devices::All, Policy::Irp)?;
//! # }
//! # Ok::<(), kswrite_client::Error>(())
//! ```
//!
//! # Errors
//!
//! [`Win32Error`] is a code that says what it is, and [`Error`] one with what was attempted. Both exist on every
//! system, because reports hold them; all else exists on Windows only.
//!
//! ```
//! use kswrite_client::{Error, Win32Error};
//!
//! let error = Error::new(r"open \\.\KsWrite", Win32Error::ACCESS_DENIED);
//! assert_eq!(error.code().to_string(), "ERROR_ACCESS_DENIED (5)");
//! assert!(error.to_string().contains(r"open \\.\KsWrite"));
//! assert!(error.code().next_step().contains("administrator"));
//! ```
//!
//! # Examples
//!
//! In the folder `examples`, each a page long: `overlapped`, `port`, `reactor`, `batch`, `stream`, `tokio`, `cancel`,
//! `statistics_and_trace`, `ks_write_file`. `cargo run -p kswrite_client --example overlapped -- \\.\KsSinkDirect`
//!
//! Sources: <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-writefile>,
//! <https://learn.microsoft.com/windows/win32/sync/synchronization-and-overlapped-input-and-output>,
//! <https://learn.microsoft.com/windows/win32/fileio/i-o-completion-ports>.
#![warn(missing_docs)]

mod error;
#[cfg(windows)]
mod windows;

pub use error::{Error, Win32Error};
/// The structures that programs and drivers exchange, and their names.
pub use kswrite_wire as wire;
#[cfg(windows)]
pub use windows::{
    Access, AsyncFile, Batch, ByApc, ByEvent, ByPort, ByWaiting, Canceller, CompletionPort, Devices, Done,
    Event, File, FileObjectCall, FileObjectWrite, Filter, Finished, Lent, OpenFlags, Operation, Pending,
    Reactor, Ring, RingDone, Signal, Started, TraceBatch, TraceReader, WriteAt, Writer, Written,
    cancel_synchronous, cells_alive, control, control_bytes, sleep_alertably, wait_any,
};
