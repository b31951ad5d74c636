//! Cancels that do not name one operation.
#![expect(unsafe_code, reason = "asks the system to cancel")]

use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::FALSE;
use windows_sys::Win32::System::IO::{CancelIo, CancelIoEx, CancelSynchronousIo};

use super::cell::last_error;
use super::file::File;
use crate::Win32Error;

impl File {
    /// Asks the system to cancel every operation of this process on the handle, whichever thread issued it.
    ///
    /// <https://learn.microsoft.com/windows/win32/fileio/cancelioex-func>
    ///
    /// # Errors
    ///
    /// `ERROR_NOT_FOUND`: nothing was outstanding.
    pub fn cancel_all(&self) -> Result<(), Win32Error> {
        // SAFETY: the handle is open; without an OVERLAPPED no memory is named.
        answer(unsafe { CancelIoEx(self.raw(), ptr::null()) })
    }

    /// Asks the system to cancel the operations that the calling thread has issued on the handle.
    ///
    /// <https://learn.microsoft.com/windows/win32/fileio/cancelio>
    ///
    /// # Errors
    ///
    /// Those of `CancelIo`. That nothing was outstanding is none.
    pub fn cancel_own(&self) -> Result<(), Win32Error> {
        // SAFETY: the handle is open.
        answer(unsafe { CancelIo(self.raw()) })
    }
}

/// Asks the system to cancel the synchronous operation that a thread waits in.
///
/// <https://learn.microsoft.com/windows/win32/fileio/cancelsynchronousio-func>
///
/// # Errors
///
/// `ERROR_NOT_FOUND`: the thread waits in none.
pub fn cancel_synchronous(thread: BorrowedHandle<'_>) -> Result<(), Win32Error> {
    // SAFETY: the handle is open for as long as it is borrowed.
    answer(unsafe { CancelSynchronousIo(thread.as_raw_handle()) })
}

fn answer(done: i32) -> Result<(), Win32Error> {
    if done == FALSE { Err(last_error()) } else { Ok(()) }
}
