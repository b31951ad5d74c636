//! The names that windows.h has for the types of the exported functions.

use std::ffi::c_void;

/// TRUE is not 0.
pub type BOOL = i32;
/// 32 bits with a sign.
pub type INT = i32;
/// 32 bits without a sign.
pub type DWORD = u32;
/// 32 bits without a sign.
pub type ULONG = u32;
/// 64 bits without a sign.
pub type ULONGLONG = u64;
/// A handle, real or not.
pub type HANDLE = *mut c_void;
/// Any memory.
pub type PVOID = *mut c_void;
/// Any memory, to be read.
pub type LPCVOID = *const c_void;
/// Bytes.
pub type PCHAR = *mut u8;
/// Text of bytes that ends with a zero.
pub type LPSTR = *const u8;
/// Text of UTF-16 that ends with a zero.
pub type LPCWSTR = *const u16;
/// A variable of the caller.
pub type PULONG = *mut ULONG;
