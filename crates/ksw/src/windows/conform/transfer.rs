//! Writes, reads, their results, and cancelling them.
#![expect(unsafe_code, reason = "lends memory of the case to the system")]

use std::ptr;

use kswrite_conform::win32::{Buffer, Count, Data, Handle, NtWrite, Ov, Returned, UNTOUCHED};
use kswrite_core::NtStatus;
use windows_sys::Wdk::Storage::FileSystem::NtWriteFile;
use windows_sys::Win32::Foundation::{FALSE, STATUS_PENDING};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile, WriteFileEx};
use windows_sys::Win32::System::IO::{CancelIo, CancelIoEx, CancelSynchronousIo, GetOverlappedResult};

use super::case::Case;
use super::waiting::{apc_routine, completion_routine};
use super::{last_error, preset, raw};

/// What a BOOL and the last error say, right after the call.
pub(super) fn ended(returned: i32, count: Option<u32>) -> Returned {
    Returned {
        error: last_error(),
        returned: returned != FALSE,
        count,
    }
}

/// How a read or a write ended; notes one that is pending.
fn started(case: &Case, call: &'static str, returned: Returned, overlapped: Option<Ov>) -> Returned {
    if let (true, Some(overlapped)) = (returned.is_pending(), overlapped) {
        case.pending(call, overlapped);
    }
    returned
}

/// The count variable for one call. The system sets it before the call returns, and never after.
pub(super) struct Counted {
    wanted: Count,
    value: u32,
}

impl Counted {
    pub(super) const fn new(wanted: Count) -> Self {
        Self {
            wanted,
            value: UNTOUCHED,
        }
    }

    pub(super) const fn pointer(&mut self) -> *mut u32 {
        match self.wanted {
            Count::Null => ptr::null_mut(),
            Count::Wanted => &raw mut self.value,
        }
    }

    pub(super) fn seen(&self) -> Option<u32> {
        (self.wanted == Count::Wanted).then_some(self.value)
    }
}

pub(super) fn write_file(
    case: &Case,
    file: Handle,
    data: Data,
    length: u32,
    count: Count,
    overlapped: Option<Ov>,
) -> Returned {
    let mut counted = Counted::new(count);
    let from = case.memory.data(data);
    let block = case.memory.overlapped_pointer(overlapped);
    preset();
    // SAFETY: the buffer and the OVERLAPPED are the case's, which frees nothing that the system may use.
    let returned = unsafe { WriteFile(raw(file), from, length, counted.pointer(), block) };
    let returned = ended(returned, counted.seen());
    started(case, "WriteFile", returned, overlapped)
}

pub(super) fn read_file(
    case: &Case,
    file: Handle,
    into: Buffer,
    length: u32,
    count: Count,
    overlapped: Option<Ov>,
) -> Returned {
    let mut counted = Counted::new(count);
    let to = case.memory.data(Data::Of(into));
    let block = case.memory.overlapped_pointer(overlapped);
    preset();
    // SAFETY: as in `write_file`; no reference to the buffer exists.
    let returned = unsafe { ReadFile(raw(file), to, length, counted.pointer(), block) };
    let returned = ended(returned, counted.seen());
    started(case, "ReadFile", returned, overlapped)
}

pub(super) fn write_file_ex(case: &Case, file: Handle, data: Data, length: u32, overlapped: Ov) -> Returned {
    let from = case.memory.data(data);
    let block = case.memory.overlapped_pointer(Some(overlapped));
    preset();
    // SAFETY: as in `write_file`; the routine only notes what it is told.
    let returned = unsafe { WriteFileEx(raw(file), from, length, block, Some(completion_routine)) };
    let returned = ended(returned, None);
    if returned.returned {
        case.pending("WriteFileEx", overlapped);
    }
    returned
}

pub(super) fn nt_write_file(case: &Case, write: &NtWrite) -> NtStatus {
    let block = case.memory.overlapped_pointer(Some(write.status_block));
    let context = if write.context {
        block.cast()
    } else {
        ptr::null_mut()
    };
    let offset = write.offset.as_ref().map_or(ptr::null(), ptr::from_ref);
    preset();
    // SAFETY: as in `write_file`; the offset is read before the call returns, and an OVERLAPPED begins with an
    // IO_STATUS_BLOCK.
    let status = unsafe {
        NtWriteFile(
            raw(write.file),
            write.event.map_or(ptr::null_mut(), raw),
            write.apc.then_some(apc_routine as _),
            context,
            block.cast(),
            case.memory.data(write.data).cast(),
            write.length,
            offset,
            ptr::null(),
        )
    };
    if status == STATUS_PENDING {
        case.pending("NtWriteFile", write.status_block);
    }
    NtStatus(status)
}

pub(super) fn get_overlapped_result(case: &Case, file: Handle, overlapped: Ov, wait: bool) -> Returned {
    let mut counted = Counted::new(Count::Wanted);
    let block = case.memory.overlapped_pointer(Some(overlapped));
    preset();
    // SAFETY: the OVERLAPPED is the case's; the count is valid for the call.
    let returned = unsafe { GetOverlappedResult(raw(file), block, counted.pointer(), wait.into()) };
    ended(returned, counted.seen())
}

pub(super) fn cancel_io(file: Handle) -> Returned {
    preset();
    // SAFETY: a handle that the case has, or a number that is none.
    let returned = unsafe { CancelIo(raw(file)) };
    ended(returned, None)
}

pub(super) fn cancel_io_ex(case: &Case, file: Handle, overlapped: Option<Ov>) -> Returned {
    let block = case.memory.overlapped_pointer(overlapped);
    preset();
    // SAFETY: as above; the address of the OVERLAPPED is only compared.
    let returned = unsafe { CancelIoEx(raw(file), block) };
    ended(returned, None)
}

pub(super) fn cancel_synchronous_io(thread: Handle) -> Returned {
    preset();
    // SAFETY: as above.
    let returned = unsafe { CancelSynchronousIo(raw(thread)) };
    ended(returned, None)
}
