//! Conversion between NTSTATUS and the driver's results.

use kswrite_core::NtStatus;
use wdk_sys::NTSTATUS;

/// `Ok` for success and information, the status itself otherwise.
///
/// # Errors
///
/// A warning or error status.
pub const fn check(status: NTSTATUS) -> Result<(), NtStatus> {
    NtStatus(status).ok()
}

/// The status that a callback returns for a result.
pub const fn to_raw(result: Result<(), NtStatus>) -> NTSTATUS {
    match result {
        Ok(()) => NtStatus::SUCCESS.0,
        Err(status) => status.0,
    }
}
