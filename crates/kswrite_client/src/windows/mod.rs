//! The Windows half. Unsafe code stands in `cell` (the memory that is lent), and in `event`, `port` and
//! `apc` (how it comes back), in `ring` (memory and completions of I/O rings), in `file_object` (events) and in `cancel`; `file`, `control` and `filter` have none.

mod apc;
mod cancel;
mod cell;
mod control;
mod event;
mod file;
mod file_object;
mod filter;
mod operation;
mod port;
mod reactor;
mod ring;
mod waiting;
mod write_at;
mod writer;

use std::time::Duration;

use windows_sys::Win32::System::Threading::INFINITE;

pub use apc::{ByApc, sleep_alertably};
pub use cancel::cancel_synchronous;
pub use cell::cells_alive;
pub use control::{control, control_bytes};
pub use event::{ByEvent, Lent, wait_any};
pub use file::{Access, File, OpenFlags};
pub use file_object::{Event, FileObjectCall, FileObjectWrite};
pub use filter::{Devices, Filter, TraceBatch, TraceReader};
pub use operation::{Finished, Operation, Pending, Signal, Started};
pub use port::{ByPort, CompletionPort};
pub use reactor::{AsyncFile, Canceller, Done, Reactor, Written};
pub use ring::{Ring, RingDone};
pub use waiting::ByWaiting;
pub use write_at::{Batch, WriteAt};
pub use writer::Writer;

/// Milliseconds of a timeout, rounded up; `None` waits for ever.
fn milliseconds(timeout: Option<Duration>) -> u32 {
    timeout.map_or(INFINITE, |timeout| {
        let rounded = timeout.as_nanos().div_ceil(1_000_000);
        u32::try_from(rounded).map_or(INFINITE - 1, |value| value.min(INFINITE - 1))
    })
}
