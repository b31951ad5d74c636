//! Completion by APC: `WriteFileEx` calls a routine in the thread that issued the write, while that thread
//! waits alertably.
#![expect(unsafe_code, reason = "is called by the system with a lent cell")]

use std::cell::RefCell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, TRUE};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Threading::SleepEx;

use super::cell::{Call, Cell, Outcome};
use super::file::File;
use super::milliseconds;
use super::operation::{Completion, Operation, Signal, Told};
use crate::Win32Error;

/// The completion calls a routine in the issuing thread. A thread that ends without sleeping alertably once
/// more leaves the memory of its pending operations allocated for good.
#[derive(Debug)]
pub struct ByApc {
    arrived: AtomicBool,
}

thread_local! {
    /// Tokens of operations that completed in this thread and were not reported yet.
    static FINISHED: RefCell<Vec<usize>> = RefCell::default();
}

impl Operation<ByApc> {
    /// An operation that completes while its thread is in [`sleep_alertably`]. Give it a token to tell it
    /// from others.
    pub fn by_apc() -> Self {
        Self::with_signal(ByApc {
            arrived: AtomicBool::new(false),
        })
    }
}

/// Sleeps until a write of this thread completes, and appends the tokens of those that did. Those that were
/// dropped while pending are not reported. Appends nothing when the time runs out first.
pub fn sleep_alertably(timeout: Option<Duration>, finished: &mut Vec<usize>) {
    let before = finished.len();
    take_finished(finished);
    if finished.len() == before {
        // SAFETY: no preconditions. Routines that run inside keep no borrow of `FINISHED`.
        unsafe { SleepEx(milliseconds(timeout), TRUE) };
        take_finished(finished);
    }
}

fn take_finished(finished: &mut Vec<usize>) {
    FINISHED.with_borrow_mut(|tokens| finished.append(tokens));
}

/// The completion routine.
///
/// <https://learn.microsoft.com/windows/win32/api/minwinbase/nc-minwinbase-lpoverlapped_completion_routine>
unsafe extern "system" fn completed(_error: u32, _bytes: u32, overlapped: *mut OVERLAPPED) {
    // SAFETY: the system passes the pointer that `WriteFileEx` was given, once, when it is done with it.
    let cell = unsafe { Cell::<ByApc>::take_back(overlapped) };
    let token = cell.token.load(Ordering::Relaxed);
    let has_issuer = Arc::strong_count(&cell) > 1;
    cell.signal.arrived.store(true, Ordering::Release);
    if has_issuer {
        // Gone only while the thread ends, and then nobody asks.
        let _ = FINISHED.try_with(|tokens| tokens.borrow_mut().push(token));
    }
}

impl Signal for ByApc {}

impl Completion for ByApc {
    fn arm(&self, file: &File) -> Result<HANDLE, Win32Error> {
        if file.port().get().is_some() {
            return Err(Win32Error::INVALID_PARAMETER);
        }
        self.arrived.store(false, Ordering::Relaxed);
        Ok(ptr::null_mut())
    }

    /// The routine is queued for every call that is not an error.
    fn tells_of_warning(&self) -> Told<Self> {
        Told::Yes
    }

    fn write(call: Call) -> Outcome {
        // SAFETY: `completed` takes the share back.
        unsafe { call.write_file_ex(Some(completed)) }
    }

    fn has_arrived(cell: &Arc<Cell<Self>>) -> bool {
        cell.signal.arrived.load(Ordering::Acquire)
    }
}
