//! What the system tells of this process and of files.
#![expect(unsafe_code, reason = "asks the system for what no safe crate tells")]

use std::fs::File;
use std::os::windows::io::AsRawHandle;
use std::time::Duration;

use windows_sys::Win32::Foundation::{FALSE, FILETIME};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_STORAGE_INFO, FileStorageInfo, GetFileInformationByHandleEx,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};

use super::super::devices::size;

/// Processor time that all threads of this process have used, in user and in kernel mode.
///
/// <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getprocesstimes>
pub(super) fn cpu_time() -> Option<Duration> {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: no preconditions.
    let this = unsafe { GetCurrentProcess() };
    // SAFETY: a handle of this process, and room for all four.
    let told = unsafe { GetProcessTimes(this, created, exited, kernel, user) };
    (told != FALSE).then(|| duration(*kernel) + duration(*user))
}

/// Of hundreds of nanoseconds in two halves.
fn duration(time: FILETIME) -> Duration {
    let ticks = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos(ticks.saturating_mul(100))
}

/// Bytes of a sector of the volume that a file is on; `None`: the system does not tell.
///
/// <https://learn.microsoft.com/windows/win32/api/winbase/ns-winbase-file_storage_info>
pub(super) fn sector_bytes(file: &File) -> Option<u32> {
    let mut info = FILE_STORAGE_INFO::default();
    // SAFETY: the handle is open; the room is that of the structure which this class fills in.
    let told = unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FileStorageInfo,
            (&raw mut info).cast(),
            size::<FILE_STORAGE_INFO>(),
        )
    };
    (told != FALSE && info.LogicalBytesPerSector > 0).then_some(info.LogicalBytesPerSector)
}
