//! IStreamAsync::WriteAsync: its arguments, and what it writes.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

use super::{
    codes::{INVALID_USER_BUFFER, IO_DEVICE, NO_SYSTEM_RESOURCES, NOACCESS},
    steps::{
        BLOCK, at_once, block, expect_arrived, length, sink_state, wait_briefly, wait_until, with_event,
    },
    stream_steps::{
        PENDING, STREAMS, at_once_with, ended, expect_written, open_stream, pending_write, refused, result,
        write,
    },
};
use crate::{
    case::{Case, Ended},
    faces::{Answered, HResult},
    stage::{Stage, pattern},
    target::Kinds,
    win32::{Count, Data, Overlapped, Protection, Waited},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "SA-01",
        "WriteAsync writes all the bytes: once OverlappedResult has waited, they are there",
        STREAMS,
        bytes_arrive,
    ),
    Case::new(
        "SA-01",
        "a write of no bytes is a write, which the device gets",
        Kinds::SINK,
        no_bytes,
    ),
    Case::new(
        "SA-02",
        "the buffer is only read: memory that cannot be written will do, and stays what it was",
        STREAMS,
        buffer_is_read,
    ),
    Case::new(
        "SA-02",
        "NULL with a length is E_POINTER; without one it is a write of nothing",
        Kinds::SINK,
        null_buffer,
    ),
    Case::new(
        "SA-02",
        "memory without access, and a length beyond the buffer, are errors of WriteFile; nothing is written",
        Kinds::SEEKABLE,
        bad_buffer,
    ),
    Case::new(
        "SA-03",
        "the count may be NULL; otherwise it is exact on success",
        Kinds::SINK,
        count,
    ),
    Case::new(
        "SA-04",
        "the bytes go to the offset in the OVERLAPPED, all 64 bits of it",
        Kinds::SEEKABLE,
        offset,
    ),
    Case::new(
        "SA-04",
        "without an OVERLAPPED it is E_INVALIDARG, and nothing is written",
        STREAMS,
        no_overlapped,
    ),
    Case::new(
        "SA-04",
        "an OVERLAPPED has one operation at a time: a second one is E_INVALIDARG, and the first goes on",
        Kinds::HOLDING,
        one_operation,
    ),
    Case::new(
        "SA-04",
        "an OVERLAPPED whose write failed at once can be used again",
        Kinds::SINK,
        used_again,
    ),
    Case::new(
        "SA-05",
        "success at once is S_OK, failure the HRESULT of the device's error",
        Kinds::SINK,
        success_and_failure,
    ),
    Case::new(
        "SA-05",
        "a write that pends is HRESULT_FROM_WIN32(ERROR_IO_PENDING)",
        Kinds::HOLDING,
        pending,
    ),
    Case::new(
        "SA-06",
        "the event is reset when the write begins, and set when it is over",
        Kinds::HOLDING,
        event,
    ),
];

fn bytes_arrive(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    for bytes in [1, BLOCK as usize, 4096].map(pattern) {
        expect_written(stage, stream, 0, &bytes)?;
        expect_arrived(stage, &ends, 0, &bytes)?;
    }
    Ok(())
}

fn no_bytes(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let (overlapped, _) = with_event(stage, 0)?;
    let answered = write(stage, stream, b"", Some(overlapped));
    stage.expect("WriteAsync", at_once_with(0), answered)?;
    let seen = sink_state(stage, &ends)?;
    stage.expect("writes that the device got", 1, seen.writes)?;
    stage.expect("their bytes", 0, seen.bytes)
}

fn buffer_is_read(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let buffer = stage.os().buffer(&block());
    stage.os().protect(buffer, Protection::ReadOnly);
    let (data, faces) = (Data::Of(buffer), stage.faces());
    let answered = faces.write_async(stream, data, BLOCK, Count::Wanted, Some(overlapped));
    let written = ended(stage, stream, overlapped, answered);
    stage.expect("the write", Ok(BLOCK), written)?;
    stage.expect_bytes("the buffer afterwards", &block(), &stage.os().bytes(buffer))?;
    expect_arrived(stage, &ends, 0, &block())
}

fn null_buffer(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let (overlapped, _) = with_event(stage, 0)?;
    let faces = stage.faces();
    let answered = faces.write_async(stream, Data::Null, BLOCK, Count::Wanted, Some(overlapped));
    stage.expect("with a length", refused(HResult::POINTER), answered)?;
    stage.expect("bytes that the device got", 0, sink_state(stage, &ends)?.bytes)?;
    let answered = faces.write_async(stream, Data::Null, 0, Count::Wanted, Some(overlapped));
    stage.expect("without one", at_once_with(0), answered)
}

/// What says that the bytes cannot be read, or are too many.
const UNREADABLE: [Result<u32, HResult>; 3] = [
    Err(HResult::from_win32(INVALID_USER_BUFFER)),
    Err(HResult::from_win32(NOACCESS)),
    Err(HResult::from_win32(NO_SYSTEM_RESOURCES)),
];

fn bad_buffer(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let locked = stage.os().buffer(&block());
    stage.os().protect(locked, Protection::NoAccess);
    let small = stage.os().buffer(&block());
    for (what, buffer, bytes) in [
        ("a write from memory without access", locked, BLOCK),
        ("a write of 1 MiB from a buffer of 512 bytes", small, 1 << 20),
    ] {
        let (overlapped, _) = with_event(stage, 0)?;
        let (data, faces) = (Data::Of(buffer), stage.faces());
        let answered = faces.write_async(stream, data, bytes, Count::Wanted, Some(overlapped));
        let written = ended(stage, stream, overlapped, answered);
        stage.expect_one_of(what, &UNREADABLE, written)?;
    }
    if stage.is(Kinds::SINK) {
        let bytes = sink_state(stage, &ends)?.bytes;
        return stage.expect("bytes that the device has taken", 0, bytes);
    }
    stage.expect("the size of the file", Ok(0), stage.os().file_size(ends.writer))
}

fn count(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let (overlapped, _) = with_event(stage, 0)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    stage.expect("with a count", at_once_with(BLOCK), answered)?;
    let data = Data::Of(stage.os().buffer(&block()));
    let faces = stage.faces();
    let answered = faces.write_async(stream, data, BLOCK, Count::Null, Some(overlapped));
    let without = Answered {
        hresult: HResult::OK,
        count: None,
    };
    stage.expect("without one", without, answered)?;
    let bytes = sink_state(stage, &ends)?.bytes;
    stage.expect("bytes that the device got", u64::from(2 * BLOCK), bytes)
}

fn offset(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    if stage.is(Kinds::FILE) {
        // So that a file system need not fill what is before the bytes.
        let _sparse = stage.os().make_sparse(ends.writer);
    }
    for offset in [0, 4096, 0x1_0000_1000] {
        expect_written(stage, stream, offset, &block())?;
        expect_arrived(stage, &ends, offset, &block())?;
    }
    Ok(())
}

fn no_overlapped(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let answered = write(stage, stream, &block(), None);
    stage.expect("WriteAsync", refused(HResult::INVALID_ARG), answered)?;
    let into = stage.os().buffer(&block());
    let faces = stage.faces();
    let answered = faces.read_async(stream, into, BLOCK, Count::Wanted, None);
    stage.expect("ReadAsync", refused(HResult::INVALID_ARG), answered)?;
    expect_written(stage, stream, 0, b"the first bytes")?;
    expect_arrived(stage, &ends, 0, b"the first bytes")
}

fn one_operation(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, stream)?;
    let answered = write(stage, stream, b"more", Some(overlapped));
    stage.expect("a second write with it", refused(HResult::INVALID_ARG), answered)?;
    stage.let_go(&ends, BLOCK as usize)?;
    let first = result(stage, stream, overlapped, true);
    stage.expect("the first one", Ok(BLOCK), first)?;
    if stage.is(Kinds::SINK) {
        stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    }
    let answered = write(stage, stream, b"more", Some(overlapped));
    let written = ended(stage, stream, overlapped, answered);
    stage.expect("a write with it afterwards", Ok(4), written)
}

fn used_again(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.script(&ends, &at_once(NtStatus::IO_DEVICE_ERROR))?;
    let (overlapped, _) = with_event(stage, 0)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    let failed = HResult::from_win32(IO_DEVICE);
    stage.expect("a write that fails at once", failed, answered.hresult)?;
    let none = result(stage, stream, overlapped, false);
    stage.expect(
        "its result, for it was not begun",
        Err(HResult::INVALID_ARG),
        none,
    )?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    stage.expect("the next write with it", at_once_with(BLOCK), answered)
}

fn success_and_failure(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    for (status, hresult) in [
        (NtStatus::SUCCESS, HResult::OK),
        (NtStatus::IO_DEVICE_ERROR, HResult::from_win32(IO_DEVICE)),
        (
            NtStatus::INVALID_PARAMETER,
            HResult::from_win32(Win32Error::INVALID_PARAMETER),
        ),
    ] {
        stage.script(&ends, &at_once(status))?;
        let (overlapped, _) = with_event(stage, 0)?;
        let answered = write(stage, stream, &block(), Some(overlapped));
        stage.expect(&status.to_string(), hresult, answered.hresult)?;
    }
    Ok(())
}

fn pending(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, stream)?;
    stage.let_go(&ends, BLOCK as usize)?;
    let ended = result(stage, stream, overlapped, true);
    stage.expect("its result", Ok(BLOCK), ended)
}

fn event(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let event = stage.event(true, true)?;
    let overlapped = stage.os().overlapped(&Overlapped {
        event: Some(event),
        ..Overlapped::default()
    });
    let answered = write(stage, stream, &block(), Some(overlapped));
    stage.expect("WriteAsync", PENDING, answered.hresult)?;
    let waited = wait_briefly(stage, event)?;
    stage.expect("the event while it pends", Waited::TimedOut, waited)?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the event", event)?;
    let ended = result(stage, stream, overlapped, false);
    stage.expect("the result, once the event is set", Ok(length(&block())), ended)
}
