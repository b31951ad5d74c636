//! The Win32 error of a status.
//!
//! <https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-rtlntstatustodoserror>

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

/// Statuses that the model can meet, and their errors; sorted by status.
const ERRORS: &[(u32, u32)] = &[
    (0x0000_0103, 997),
    (0x8000_0005, 234),
    (0x8000_0011, 170),
    (0xC000_0001, 31),
    (0xC000_0002, 1),
    (0xC000_0004, 24),
    (0xC000_0005, 998),
    (0xC000_0008, 6),
    (0xC000_000D, 87),
    (0xC000_0010, 1),
    (0xC000_0011, 38),
    (0xC000_0017, 8),
    (0xC000_0022, 5),
    (0xC000_0023, 122),
    // STATUS_OBJECT_TYPE_MISMATCH: it is a handle, but not of what the call is for.
    (0xC000_0024, 6),
    (0xC000_0034, 2),
    (0xC000_0035, 183),
    (0xC000_0044, 1816),
    (0xC000_0054, 33),
    (0xC000_0055, 33),
    (0xC000_0056, 303),
    (0xC000_007E, 158),
    (0xC000_007F, 112),
    (0xC000_009A, 1450),
    (0xC000_00A1, 1453),
    (0xC000_00A3, 21),
    (0xC000_00AB, 231),
    (0xC000_00AC, 231),
    (0xC000_00B0, 233),
    (0xC000_00B1, 232),
    (0xC000_00B3, 536),
    (0xC000_00B4, 230),
    (0xC000_00B5, 121),
    (0xC000_00BB, 50),
    (0xC000_00D9, 232),
    (0xC000_00E8, 1784),
    (0xC000_0120, 995),
    (0xC000_014B, 109),
    (0xC000_0185, 1117),
    (0xC000_0206, 1784),
    (0xC000_020D, 64),
    (0xC000_0225, 1168),
];

/// `ERROR_MR_MID_NOT_FOUND`: a status without an error.
const UNKNOWN: Win32Error = Win32Error(317);

/// The error of a status that is no success.
pub(super) fn win32_error(status: NtStatus) -> Win32Error {
    let status = status.0.cast_unsigned();
    let found = ERRORS.binary_search_by_key(&status, |(status, _)| *status);
    let error = found.ok().and_then(|index| ERRORS.get(index));
    error.map_or(UNKNOWN, |(_, error)| Win32Error(*error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(ERRORS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(win32_error(NtStatus::CANCELLED), Win32Error::OPERATION_ABORTED);
        assert_eq!(win32_error(NtStatus(-2)), UNKNOWN);
    }
}
