//! IStreamAsync.
#![expect(unsafe_code, reason = "calls methods with addresses of the case's memory")]

use kswrite_client::{File, Win32Error};
use kswrite_conform::faces::{Answered, Face, HResult};
use kswrite_conform::win32::{Buffer, Count, Data, From, Handle, Ov};
use kswrite_faces::Stream;
use windows::Win32::System::Com::{STREAM_SEEK_CUR, STREAM_SEEK_END, STREAM_SEEK_SET};
use windows::Win32::UI::Shell::IStreamAsync;
use windows::core::{HRESULT, Interface};

use super::super::case::Case;
use super::super::transfer::Counted;
use super::channels::{NO_FACE, duplicate};
use super::table::Table;

pub(super) const NAME: &str = "IStreamAsync";

pub(super) fn open(case: &Case, file: Handle) -> Result<Face, String> {
    let file = File::from_overlapped(duplicate(file)?);
    let stream: IStreamAsync = Stream::new(file, "").into();
    Ok(case.faces.add(NAME, stream, None))
}

/// Calls a method that has a count.
fn counted(
    case: &Case,
    stream: Face,
    count: Count,
    method: impl FnOnce(&IStreamAsync, *mut u32) -> HRESULT,
) -> Answered {
    let mut counted = Counted::new(count);
    let called = case
        .faces
        .call(stream, |stream: &IStreamAsync| method(stream, counted.pointer()));
    Answered {
        hresult: called.map_or(NO_FACE, |called| HResult(called.0.cast_unsigned())),
        count: counted.seen(),
    }
}

/// Notes an operation that is pending.
fn started(case: &Case, call: &'static str, answered: Answered, overlapped: Option<Ov>) -> Answered {
    let pending = answered.hresult == HResult::from_win32(Win32Error::IO_PENDING);
    if let (true, Some(overlapped)) = (pending, overlapped) {
        case.pending(call, overlapped);
    }
    answered
}

pub(super) fn write_async(
    case: &Case,
    stream: Face,
    data: Data,
    length: u32,
    count: Count,
    overlapped: Option<Ov>,
) -> Answered {
    let from = case.memory.data(data).cast_const().cast();
    let block = case.memory.overlapped_pointer(overlapped).cast_const().cast();
    let answered = counted(case, stream, count, |stream, count| {
        // SAFETY: the buffer and the OVERLAPPED are the case's, which frees nothing that the system may use.
        unsafe { (stream.vtable().WriteAsync)(stream.as_raw(), from, length, count, block) }
    });
    started(case, "WriteAsync", answered, overlapped)
}

pub(super) fn read_async(
    case: &Case,
    stream: Face,
    into: Buffer,
    length: u32,
    count: Count,
    overlapped: Option<Ov>,
) -> Answered {
    let to = case.memory.data(Data::Of(into)).cast();
    let block = case.memory.overlapped_pointer(overlapped).cast_const().cast();
    let answered = counted(case, stream, count, |stream, count| {
        // SAFETY: as in `write_async`; no reference to the buffer exists.
        unsafe { (stream.vtable().ReadAsync)(stream.as_raw(), to, length, count, block) }
    });
    started(case, "ReadAsync", answered, overlapped)
}

pub(super) fn overlapped_result(
    case: &Case,
    stream: Face,
    overlapped: Option<Ov>,
    count: Count,
    wait: bool,
) -> Answered {
    let block = case.memory.overlapped_pointer(overlapped).cast_const().cast();
    counted(case, stream, count, |stream, count| {
        // SAFETY: the OVERLAPPED is the case's; the count is NULL or valid for the call.
        unsafe { (stream.vtable().OverlappedResult)(stream.as_raw(), block, count, wait.into()) }
    })
}

pub(super) fn cancel_io(case: &Case, stream: Face) -> HResult {
    cancel(&case.faces, stream).unwrap_or(NO_FACE)
}

fn cancel(table: &Table, stream: Face) -> Option<HResult> {
    table.call(stream, |stream: &IStreamAsync| {
        // SAFETY: a plain call.
        let asked = unsafe { (stream.vtable().CancelIo)(stream.as_raw()) };
        HResult(asked.0.cast_unsigned())
    })
}

/// Cancels what a case that hangs has pending.
pub(super) fn unblock(table: &Table, stream: Face) {
    let _asked = cancel(table, stream);
}

pub(super) fn write(case: &Case, stream: Face, data: Data, length: u32, count: Count) -> Answered {
    let from = case.memory.data(data).cast_const().cast();
    counted(case, stream, count, |stream, count| {
        let count = (!count.is_null()).then_some(count);
        // SAFETY: the buffer is the case's; the count is valid for the call.
        unsafe { stream.Write(from, length, count) }
    })
}

pub(super) fn seek(case: &Case, stream: Face, distance: i64, from: From) -> Result<u64, HResult> {
    let origin = match from {
        From::Begin => STREAM_SEEK_SET,
        From::Current => STREAM_SEEK_CUR,
        From::End => STREAM_SEEK_END,
    };
    let sought = case.faces.call(stream, |stream: &IStreamAsync| {
        let mut position = 0;
        // SAFETY: the position is written before the call returns.
        unsafe { stream.Seek(distance, origin, Some(&raw mut position)) }
            .map(|()| position)
            .map_err(|error| HResult(error.code().0.cast_unsigned()))
    });
    sought.unwrap_or(Err(NO_FACE))
}
