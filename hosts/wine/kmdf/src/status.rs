//! NTSTATUS values of the framework, which the NT headers do not have.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/framework-ntstatus-values>

use wdk_sys::NTSTATUS;

/// `STATUS_WDF_INTERNAL_ERROR`.
pub(crate) const INTERNAL_ERROR: NTSTATUS = 0xC020_0201_u32.cast_signed();
/// `STATUS_WDF_PAUSED`.
pub(crate) const PAUSED: NTSTATUS = 0xC020_0203_u32.cast_signed();
/// `STATUS_WDF_BUSY`.
pub(crate) const BUSY: NTSTATUS = 0xC020_0204_u32.cast_signed();
/// `STATUS_WDF_OBJECT_ATTRIBUTES_INVALID`.
pub(crate) const OBJECT_ATTRIBUTES_INVALID: NTSTATUS = 0xC020_0209_u32.cast_signed();
/// `STATUS_WDF_NO_CALLBACK`.
pub(crate) const NO_CALLBACK: NTSTATUS = 0xC020_020B_u32.cast_signed();
/// `STATUS_WDF_PARENT_ASSIGNMENT_NOT_ALLOWED`.
pub(crate) const PARENT_ASSIGNMENT_NOT_ALLOWED: NTSTATUS = 0xC020_020F_u32.cast_signed();
/// `STATUS_WDF_PARENT_NOT_SPECIFIED`.
pub(crate) const PARENT_NOT_SPECIFIED: NTSTATUS = 0xC020_0212_u32.cast_signed();

/// Facility bits of all of them.
const FACILITY_MASK: u32 = 0x0FFF_0000;
const FACILITY: u32 = 0x0020_0000;

/// What a request is completed with when the driver gave `status`: the framework's own values do not leave
/// it.
pub(crate) fn outside(status: NTSTATUS) -> NTSTATUS {
    if status.cast_unsigned() & FACILITY_MASK != FACILITY {
        return status;
    }
    match status {
        PAUSED | BUSY => wdk_sys::STATUS_DEVICE_BUSY,
        INTERNAL_ERROR => wdk_sys::STATUS_INTERNAL_ERROR,
        _ => wdk_sys::STATUS_INVALID_DEVICE_REQUEST,
    }
}
