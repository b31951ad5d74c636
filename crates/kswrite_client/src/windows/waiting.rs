//! Completion by waiting: the call itself returns when the write is over.

use std::ptr;
use std::sync::Arc;

use windows_sys::Win32::Foundation::HANDLE;

use super::cell::{Call, Cell, Outcome};
use super::file::File;
use super::operation::{Completion, Operation, Signal};
use crate::Win32Error;

/// The call waits: for a file that was opened as [synchronous](super::OpenFlags::synchronous), and for no other.
#[derive(Debug)]
pub struct ByWaiting;

impl Operation<ByWaiting> {
    /// An operation that is over when its call returns. On a file that is not synchronous it is refused with
    /// `ERROR_INVALID_PARAMETER`.
    pub fn by_waiting() -> Self {
        Self::with_signal(ByWaiting)
    }
}

impl Signal for ByWaiting {}

impl Completion for ByWaiting {
    fn arm(&self, file: &File) -> Result<HANDLE, Win32Error> {
        if file.is_synchronous() {
            Ok(ptr::null_mut())
        } else {
            Err(Win32Error::INVALID_PARAMETER)
        }
    }

    fn write(call: Call) -> Outcome {
        call.write_file()
    }

    /// The system makes no call pending on such a file. Should one be, nothing would tell of its end, and its
    /// memory is then kept for good.
    fn has_arrived(_cell: &Arc<Cell<Self>>) -> bool {
        false
    }
}
