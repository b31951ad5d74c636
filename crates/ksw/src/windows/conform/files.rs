//! Files, devices and volumes.
#![expect(unsafe_code, reason = "opens files and asks them")]

use std::ptr;

use kswrite_client::Win32Error;
use kswrite_conform::win32::{Access, Disposition, From, Handle, Open};
use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, FALSE, FILETIME, GENERIC_READ, GENERIC_WRITE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_ALWAYS, CreateFileW, FILE_APPEND_DATA, FILE_BEGIN, FILE_CURRENT, FILE_END, FILE_FLAG_NO_BUFFERING,
    FILE_FLAG_OVERLAPPED, FILE_FLAG_WRITE_THROUGH, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    FILE_STORAGE_INFO, FileStorageInfo, GetFileInformationByHandleEx, GetFileSizeEx, GetFileTime,
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, OPEN_EXISTING, SYNCHRONIZE,
    SetFileCompletionNotificationModes, SetFilePointerEx, UnlockFileEx,
};
use windows_sys::Win32::System::Ioctl::{FSCTL_DISMOUNT_VOLUME, FSCTL_LOCK_VOLUME, FSCTL_SET_SPARSE};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::case::Case;
use super::request::{Waiting, control};
use super::{checked, made, preset, raw, wide};

/// Where the sector size is not told: a multiple of every one that is in use.
const SECTOR_BYTES: u32 = 4096;

pub(super) fn create_file(case: &Case, path: &str, open: Open) -> Result<Handle, Win32Error> {
    let access = match open.access {
        Access::Read => GENERIC_READ,
        Access::Write => GENERIC_WRITE,
        Access::ReadWrite => GENERIC_READ | GENERIC_WRITE,
        Access::AppendData => FILE_APPEND_DATA | SYNCHRONIZE,
    };
    let disposition = match open.disposition {
        Disposition::CreateAlways => CREATE_ALWAYS,
        Disposition::OpenExisting => OPEN_EXISTING,
    };
    let flags = [
        (open.overlapped, FILE_FLAG_OVERLAPPED),
        (open.write_through, FILE_FLAG_WRITE_THROUGH),
        (open.no_buffering, FILE_FLAG_NO_BUFFERING),
    ];
    let flags = flags
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(0, |flags, (_, flag)| flags | flag);
    let path = wide(&case.own_name(path));
    preset();
    // SAFETY: the path ends with a zero; no attributes, no template.
    let file = unsafe {
        CreateFileW(
            path.as_ptr(),
            access,
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            ptr::null(),
            disposition,
            flags,
            ptr::null_mut(),
        )
    };
    made(case, file)
}

pub(super) fn duplicate(case: &Case, handle: Handle) -> Result<Handle, Win32Error> {
    // SAFETY: no preconditions.
    let process = unsafe { GetCurrentProcess() };
    let mut copy = ptr::null_mut();
    preset();
    // SAFETY: a handle that the case has, or a number that is none; `copy` takes the new one.
    let returned = unsafe {
        DuplicateHandle(
            process,
            raw(handle),
            process,
            &raw mut copy,
            0,
            FALSE,
            DUPLICATE_SAME_ACCESS,
        )
    };
    checked(returned)?;
    made(case, copy)
}

pub(super) fn file_size(file: Handle) -> Result<u64, Win32Error> {
    let mut size = 0;
    preset();
    // SAFETY: `size` takes the answer.
    checked(unsafe { GetFileSizeEx(raw(file), &raw mut size) })?;
    Ok(size.cast_unsigned())
}

pub(super) fn set_file_pointer(file: Handle, distance: i64, from: From) -> Result<u64, Win32Error> {
    let method = match from {
        From::Begin => FILE_BEGIN,
        From::Current => FILE_CURRENT,
        From::End => FILE_END,
    };
    let mut position = 0;
    preset();
    // SAFETY: `position` takes the answer.
    checked(unsafe { SetFilePointerEx(raw(file), distance, &raw mut position, method) })?;
    Ok(position.cast_unsigned())
}

pub(super) fn last_write_time(file: Handle) -> Result<u64, Win32Error> {
    let mut time = FILETIME::default();
    preset();
    // SAFETY: `time` takes the answer, and the other times are not asked for.
    checked(unsafe { GetFileTime(raw(file), ptr::null_mut(), ptr::null_mut(), &raw mut time) })?;
    Ok(u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime))
}

pub(super) fn make_sparse(file: Handle) -> Result<(), Win32Error> {
    control(file, FSCTL_SET_SPARSE, &[], 0).map(drop)
}

pub(super) fn lock_volume(volume: Handle) -> Result<(), Win32Error> {
    control(volume, FSCTL_LOCK_VOLUME, &[], 0).map(drop)
}

pub(super) fn dismount_volume(volume: Handle) -> Result<(), Win32Error> {
    control(volume, FSCTL_DISMOUNT_VOLUME, &[], 0).map(drop)
}

/// The low and the high half of a length.
fn halves(value: u64) -> (u32, u32) {
    let half = |part: u64| u32::try_from(part & 0xFFFF_FFFF).unwrap_or_default();
    (half(value), half(value >> 32))
}

pub(super) fn lock_file(file: Handle, offset: u64, length: u64, exclusive: bool) -> Result<(), Win32Error> {
    let exclusive = if exclusive { LOCKFILE_EXCLUSIVE_LOCK } else { 0 };
    let (low, high) = halves(length);
    let mut waiting = Waiting::new(offset)?;
    preset();
    // SAFETY: the OVERLAPPED stays until `finish` has seen the end of the call.
    let returned = unsafe {
        LockFileEx(
            raw(file),
            exclusive | LOCKFILE_FAIL_IMMEDIATELY,
            0,
            low,
            high,
            waiting.pointer(),
        )
    };
    waiting.finish(file, returned).map(drop)
}

pub(super) fn unlock_file(file: Handle, offset: u64, length: u64) -> Result<(), Win32Error> {
    let (low, high) = halves(length);
    let mut waiting = Waiting::new(offset)?;
    preset();
    // SAFETY: as in `lock_file`.
    let returned = unsafe { UnlockFileEx(raw(file), 0, low, high, waiting.pointer()) };
    waiting.finish(file, returned).map(drop)
}

pub(super) fn set_notification_modes(file: Handle, modes: u8) -> Result<(), Win32Error> {
    preset();
    // SAFETY: a handle that the case has, or a number that is none.
    checked(unsafe { SetFileCompletionNotificationModes(raw(file), modes) })
}

pub(super) fn sector_bytes(file: Handle) -> u32 {
    let mut info = FILE_STORAGE_INFO::default();
    let length = u32::try_from(size_of::<FILE_STORAGE_INFO>()).unwrap_or_default();
    // SAFETY: `info` has room for the answer.
    let returned =
        unsafe { GetFileInformationByHandleEx(raw(file), FileStorageInfo, (&raw mut info).cast(), length) };
    if returned == FALSE || info.LogicalBytesPerSector == 0 {
        SECTOR_BYTES
    } else {
        info.LogicalBytesPerSector
    }
}
