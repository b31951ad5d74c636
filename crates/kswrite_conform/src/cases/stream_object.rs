//! A stream as an object: references, what outlives it, and its seek pointer.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

use super::{
    steps::{BLOCK, block, expect_arrived, length, sink_state, status_in, wait_until, with_event},
    stream_steps::{
        INCOMPLETE, STREAMS, at_once_with, ended, expect_let_go, expect_written, open_stream, pending_write,
        refused, result, write,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    faces::{Face, HResult},
    stage::{Stage, pattern},
    target::Kinds,
    win32::{Count, Data, From},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "SA-11",
        "AddRef and Release count, and QueryInterface knows the object and what it is not",
        STREAMS,
        references,
    ),
    Case::new(
        "SA-11",
        "one of two references given back ends nothing",
        Kinds::HOLDING,
        one_of_two,
    ),
    Case::new(
        "SA-11",
        "the last Release cancels what is pending: its event is set, and its OVERLAPPED says so",
        Kinds::HOLDING,
        release_with_a_pending_write,
    ),
    Case::new(
        "SA-11",
        "the stream has the file open by itself: closing the program's handle ends nothing",
        Kinds::SEEKABLE,
        file_is_closed,
    ),
    Case::new(
        "SA-12",
        "Write goes on where the last one ended; WriteAsync neither uses nor moves the seek pointer",
        Kinds::SEEKABLE,
        seek_pointer,
    ),
    Case::new(
        "SA-12",
        "Seek goes from the beginning, from where it is, and from the end of a file, but not before the beginning",
        Kinds::FILE,
        seek,
    ),
    Case::new(
        "SA-12",
        "each stream has a seek pointer of its own, also over the same file",
        Kinds::SEEKABLE,
        pointers_apart,
    ),
    Case::new(
        "SA-12",
        "Write from NULL with a length is STG_E_INVALIDPOINTER, and moves nothing",
        Kinds::SEEKABLE,
        write_from_null,
    ),
];

fn references(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let faces = stage.faces();
    stage.expect("identity", true, faces.has_identity(stream))?;
    stage.expect("AddRef", 2, faces.add_ref(stream))?;
    stage.expect("Release", 1, faces.release_ref(stream))?;
    expect_written(stage, stream, 0, &block())?;
    expect_arrived(stage, &ends, 0, &block())?;
    stage.expect("the last Release", 0, stage.release_ref(stream))
}

fn one_of_two(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let faces = stage.faces();
    stage.expect("AddRef", 2, faces.add_ref(stream))?;
    let overlapped = pending_write(stage, stream)?;
    stage.expect("Release", 1, faces.release_ref(stream))?;
    let still = result(stage, stream, overlapped, false);
    stage.expect("the write", Err(INCOMPLETE), still)?;
    expect_let_go(stage, &ends, stream, overlapped)
}

fn release_with_a_pending_write(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let (overlapped, event) = with_event(stage, 0)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    let pending = HResult::from_win32(Win32Error::IO_PENDING);
    stage.expect("a write that pends", pending, answered.hresult)?;
    stage.expect("the last Release", 0, stage.release_ref(stream))?;
    wait_until(stage, "the event of the write", event)?;
    let status = status_in(stage.os().overlapped_state(overlapped));
    stage.expect("Internal", NtStatus::CANCELLED, status)?;
    if !stage.is(Kinds::SINK) {
        return Ok(());
    }
    let held = sink_state(stage, &ends)?.outstanding;
    stage.expect("writes that the device still holds", 0, held)
}

fn file_is_closed(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.close(ends.writer)?;
    expect_written(stage, stream, 0, &block())?;
    let into = stage.os().buffer(&vec![0; BLOCK as usize]);
    let (overlapped, _) = with_event(stage, 0)?;
    let faces = stage.faces();
    let answered = faces.read_async(stream, into, BLOCK, Count::Wanted, Some(overlapped));
    let read = ended(stage, stream, overlapped, answered);
    stage.expect("what is read afterwards", Ok(BLOCK), read)?;
    stage.expect_bytes("its bytes", &block(), &stage.os().bytes(into))
}

/// ISequentialStream::Write of these bytes, of which all must be written.
fn expect_write(stage: &Stage<'_>, stream: Face, bytes: &[u8]) -> Ended {
    let data = Data::Of(stage.os().buffer(bytes));
    let faces = stage.faces();
    let answered = faces.stream_write(stream, data, length(bytes), Count::Wanted);
    stage.expect("Write", at_once_with(length(bytes)), answered)
}

fn expect_position(stage: &Stage<'_>, what: &str, stream: Face, position: u64) -> Ended {
    let seen = stage.faces().stream_seek(stream, 0, From::Current);
    stage.expect(what, Ok(position), seen)
}

fn seek_pointer(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let both = pattern(200);
    let (first, second) = both.split_at(100);
    expect_write(stage, stream, first)?;
    expect_position(stage, "the seek pointer after Write", stream, 100)?;
    expect_written(stage, stream, 4096, &block())?;
    expect_position(stage, "the seek pointer after WriteAsync", stream, 100)?;
    expect_write(stage, stream, second)?;
    expect_position(stage, "the seek pointer after another Write", stream, 200)?;
    expect_arrived(stage, &ends, 0, &both)?;
    expect_arrived(stage, &ends, 4096, &block())
}

fn seek(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let faces = stage.faces();
    expect_write(stage, stream, &pattern(100))?;
    for (what, distance, from, position) in [
        ("from the beginning", 40, From::Begin, 40),
        ("back from where it is", -10, From::Current, 30),
        ("back from the end", -20, From::End, 80),
        ("behind the end", 10, From::End, 110),
    ] {
        stage.expect(what, Ok(position), faces.stream_seek(stream, distance, from))?;
    }
    let before = faces.stream_seek(stream, -111, From::Current);
    stage.expect("before the beginning", Err(HResult::STG_INVALID_FUNCTION), before)?;
    expect_position(stage, "the seek pointer after that", stream, 110)?;
    faces
        .stream_seek(stream, 50, From::Begin)
        .map_err(|error| Stop::Trouble(format!("Seek: {error}")))?;
    expect_write(stage, stream, b"fifty")?;
    expect_arrived(stage, &ends, 50, b"fifty")?;
    let size = stage.os().file_size(ends.writer);
    stage.expect("the size of the file", Ok(100), size)
}

fn pointers_apart(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let faces = stage.faces();
    let other = faces.stream(ends.writer).map_err(Stop::Trouble)?;
    let other = stage.keep_ref(other);
    expect_write(stage, stream, b"from the first")?;
    expect_position(stage, "the seek pointer of the other", other, 0)?;
    expect_write(stage, other, b"over")?;
    expect_position(stage, "that of the first", stream, 14)?;
    expect_arrived(stage, &ends, 0, b"over the first")
}

fn write_from_null(stage: &Stage<'_>) -> Ended {
    let (_, stream) = open_stream(stage)?;
    let faces = stage.faces();
    let answered = faces.stream_write(stream, Data::Null, BLOCK, Count::Wanted);
    stage.expect("Write", refused(HResult::STG_INVALID_POINTER), answered)?;
    expect_position(stage, "the seek pointer", stream, 0)
}
