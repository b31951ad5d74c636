//! Error codes that the cases expect, by name.

use kswrite_client::Win32Error;

/// `ERROR_INVALID_HANDLE`.
pub(super) const INVALID_HANDLE: Win32Error = Win32Error(6);
/// `ERROR_NOT_ENOUGH_MEMORY`.
pub(super) const NOT_ENOUGH_MEMORY: Win32Error = Win32Error(8);
/// `ERROR_LOCK_VIOLATION`.
pub(super) const LOCK_VIOLATION: Win32Error = Win32Error(33);
/// `ERROR_HANDLE_EOF`.
pub(super) const HANDLE_EOF: Win32Error = Win32Error(38);
/// `ERROR_BROKEN_PIPE`.
pub(super) const BROKEN_PIPE: Win32Error = Win32Error(109);
/// `ERROR_DISK_FULL`.
pub(super) const DISK_FULL: Win32Error = Win32Error(112);
/// `ERROR_NO_DATA`.
pub(super) const NO_DATA: Win32Error = Win32Error(232);
/// `ERROR_PIPE_NOT_CONNECTED`.
pub(super) const PIPE_NOT_CONNECTED: Win32Error = Win32Error(233);
/// `ERROR_PIPE_LISTENING`.
pub(super) const PIPE_LISTENING: Win32Error = Win32Error(536);
/// `ERROR_IO_INCOMPLETE`.
pub(super) const IO_INCOMPLETE: Win32Error = Win32Error(996);
/// `ERROR_NOACCESS`.
pub(super) const NOACCESS: Win32Error = Win32Error(998);
/// `ERROR_IO_DEVICE`.
pub(super) const IO_DEVICE: Win32Error = Win32Error(1117);
/// `ERROR_NO_SYSTEM_RESOURCES`.
pub(super) const NO_SYSTEM_RESOURCES: Win32Error = Win32Error(1450);
/// `ERROR_WORKING_SET_QUOTA`.
pub(super) const WORKING_SET_QUOTA: Win32Error = Win32Error(1453);
/// `ERROR_INVALID_USER_BUFFER`.
pub(super) const INVALID_USER_BUFFER: Win32Error = Win32Error(1784);
/// `ERROR_NOT_ENOUGH_QUOTA`.
pub(super) const NOT_ENOUGH_QUOTA: Win32Error = Win32Error(1816);
