//! Versions of files.
#![expect(unsafe_code, reason = "reads version resources")]

use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::FALSE;
use windows_sys::Win32::Storage::FileSystem::{
    GetFileVersionInfoSizeW, GetFileVersionInfoW, VS_FIXEDFILEINFO, VerQueryValueW,
};
use windows_sys::core::w;

use super::devices::wide;

/// The version in a file's version resource; `None` when it has none.
///
/// <https://learn.microsoft.com/windows/win32/api/winver/nf-winver-getfileversioninfow>
pub(super) fn file_version(path: &Path) -> Option<String> {
    let path = wide(&path.display().to_string());
    // SAFETY: the path ends with a zero; the second parameter may be left out.
    let bytes = unsafe { GetFileVersionInfoSizeW(path.as_ptr(), ptr::null_mut()) };
    if bytes == 0 {
        return None;
    }
    // Words, for alignment.
    let mut buffer = vec![0_u64; (bytes as usize).div_ceil(8)];
    // SAFETY: the path ends with a zero, and the buffer has at least this room.
    let got = unsafe { GetFileVersionInfoW(path.as_ptr(), 0, bytes, buffer.as_mut_ptr().cast()) };
    if got == FALSE {
        return None;
    }
    let (mut value, mut length) = (ptr::null_mut(), 0);
    // SAFETY: the buffer holds the resource; the name ends with a zero; room for pointer and length.
    let found = unsafe { VerQueryValueW(buffer.as_ptr().cast(), w!("\\"), &raw mut value, &raw mut length) };
    if found == FALSE || (length as usize) < size_of::<VS_FIXEDFILEINFO>() {
        return None;
    }
    // SAFETY: the pointer is into the buffer, which lives, with that many bytes, and versions are aligned to words.
    let fixed = unsafe { value.cast::<VS_FIXEDFILEINFO>().read_unaligned() };
    let (high, low) = (fixed.dwFileVersionMS, fixed.dwFileVersionLS);
    Some(format!(
        "{}.{}.{}.{}",
        high >> 16,
        high & 0xffff,
        low >> 16,
        low & 0xffff
    ))
}
