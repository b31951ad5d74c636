//! Numbers of the headers in the types in which they are used.
#![expect(
    clippy::cast_possible_truncation,
    reason = "the headers' constants are wider than their fields, and every one fits; ULONG_PTR is a usize"
)]

use wdk_sys::{
    _MODE, IRP_MJ_WRITE, IRP_MN_NORMAL, KPROCESSOR_MODE, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR,
    SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED,
};

/// `KernelMode`.
pub const KERNEL_MODE: KPROCESSOR_MODE = _MODE::KernelMode as _;
/// `UserMode`.
pub const USER_MODE: KPROCESSOR_MODE = _MODE::UserMode as _;
/// `IRP_MJ_WRITE`.
pub const MAJOR_WRITE: u8 = IRP_MJ_WRITE as _;
/// `IRP_MN_NORMAL`.
pub const NORMAL: u8 = IRP_MN_NORMAL as _;
/// `SL_PENDING_RETURNED`.
pub const PENDING_RETURNED: u8 = SL_PENDING_RETURNED as _;
/// The completion routine is called for every outcome.
pub const INVOKE_ALWAYS: u8 = (SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL) as _;

/// A count of bytes that the headers have as ULONG_PTR.
pub const fn bytes(information: u64) -> usize {
    information as usize
}

const _: () = assert!(IRP_MJ_WRITE == 4 && SL_PENDING_RETURNED == 1);
