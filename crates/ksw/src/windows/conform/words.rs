//! Handles, errors and texts, as the calls want them.
#![expect(unsafe_code, reason = "the last error is a thing of the calling thread")]

use std::ptr;

use kswrite_client::Win32Error;
use kswrite_conform::win32::{Handle, LAST_ERROR_BEFORE};
use windows_sys::Win32::Foundation::{
    FALSE, GetLastError, HANDLE, INVALID_HANDLE_VALUE, NTSTATUS, RtlNtStatusToDosError, SetLastError,
};

use super::case::Case;

/// What a call is given as a handle.
pub(super) fn raw(handle: Handle) -> HANDLE {
    ptr::with_exposed_provenance_mut(usize::try_from(handle.0).unwrap_or(usize::MAX))
}

/// Sets the last error to what no call sets, right before a call.
pub(super) fn preset() {
    // SAFETY: no preconditions.
    unsafe { SetLastError(LAST_ERROR_BEFORE.0) };
}

pub(super) fn last_error() -> Win32Error {
    // SAFETY: no preconditions.
    Win32Error(unsafe { GetLastError() })
}

/// The result of a call that returns a BOOL, right after it.
pub(super) fn checked(returned: i32) -> Result<(), Win32Error> {
    if returned == FALSE {
        Err(last_error())
    } else {
        Ok(())
    }
}

/// The result of a call that returns a new handle, right after it.
pub(super) fn made(case: &Case, handle: HANDLE) -> Result<Handle, Win32Error> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(last_error());
    }
    Ok(case.opened(Handle(handle.expose_provenance() as u64)))
}

/// The Win32 error of a status.
pub(in crate::windows) fn dos_error(status: NTSTATUS) -> Win32Error {
    // SAFETY: no preconditions.
    Win32Error(unsafe { RtlNtStatusToDosError(status) })
}

/// A text that ends with a zero.
pub(super) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
