//! A stream is an overlapped handle by another name: what WriteFile does there, WriteAsync does here.

use kswrite_core::NtStatus;

use super::{
    codes::IO_DEVICE,
    steps::{BLOCK, a_little_later, at_once, block, length, status_in, wait_briefly, wait_until, with_event},
    stream_steps::{
        INCOMPLETE, PENDING, STREAMS, ended, expect_let_go, expect_written, open_stream, pending_write,
        result, write,
    },
};
use crate::{
    case::{Case, Ended},
    faces::HResult,
    stage::{Stage, pattern},
    target::Kinds,
    win32::{Count, Overlapped, Patience, Waited},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "SA-07",
        "as WF-08 and WF-20: a write that pends returns before it is over, with a count of 0",
        Kinds::HOLDING,
        returns_before_the_end,
    ),
    Case::new(
        "SA-07",
        "as WF-21: a write may be over on return; then the event is set, and the OVERLAPPED has the result",
        Kinds::SINK,
        over_on_return,
    ),
    Case::new(
        "SA-07",
        "as WF-45: the result has the byte count, of a short write too",
        STREAMS,
        byte_count,
    ),
    Case::new(
        "SA-07",
        "as WF-49: the offset in the OVERLAPPED stays what it was",
        Kinds::SEEKABLE,
        offset_stays,
    ),
    Case::new(
        "SA-07",
        "as WF-50 and WF-51: the event is reset, also by a write that fails at once",
        Kinds::SINK,
        event_of_a_failure,
    ),
    Case::new(
        "SA-07",
        "as WF-52 and WF-53: the event is set at the end, which sets status and bytes, and nothing else",
        Kinds::HOLDING,
        what_the_end_sets,
    ),
    Case::new(
        "SA-07",
        "several writes are pending at once, each with its own OVERLAPPED and result",
        Kinds::HOLDING,
        several,
    ),
    Case::new(
        "SA-07",
        "ReadAsync is ReadFile: it reads what was written, at the offset",
        Kinds::SEEKABLE,
        read_back,
    ),
];

fn returns_before_the_end(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    // That its count is 0 is looked at there.
    let overlapped = pending_write(stage, stream)?;
    let status = status_in(stage.os().overlapped_state(overlapped));
    stage.expect("Internal on return", NtStatus::PENDING, status)?;
    expect_let_go(stage, &ends, stream, overlapped)
}

fn over_on_return(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let (overlapped, event) = with_event(stage, 0)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    stage.expect("WriteAsync", HResult::OK, answered.hresult)?;
    let waited = stage.os().wait(event, Patience::Now);
    stage.expect("the event", Ok(Waited::Signalled), waited)?;
    let over = stage.os().overlapped_state(overlapped);
    stage.expect("Internal", NtStatus::SUCCESS, status_in(over))?;
    stage.expect("InternalHigh", u64::from(BLOCK), over.internal_high)?;
    let ended = result(stage, stream, overlapped, false);
    stage.expect("OverlappedResult", Ok(BLOCK), ended)
}

fn byte_count(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    for bytes in [1, BLOCK as usize, 2048].map(pattern) {
        let (overlapped, _) = with_event(stage, 0)?;
        let answered = write(stage, stream, &bytes, Some(overlapped));
        let written = ended(stage, stream, overlapped, answered);
        stage.expect("the count", Ok(length(&bytes)), written)?;
    }
    if !stage.is(Kinds::SINK) {
        return Ok(());
    }
    let mut short = a_little_later(NtStatus::SUCCESS);
    short.short_by = 100;
    stage.script(&ends, &short)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    let written = ended(stage, stream, overlapped, answered);
    stage.expect("the count of a short write", Ok(BLOCK - 100), written)
}

fn offset_stays(stage: &Stage<'_>) -> Ended {
    let (_, stream) = open_stream(stage)?;
    let (overlapped, _) = with_event(stage, 4096)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    let written = ended(stage, stream, overlapped, answered);
    stage.expect("the write", Ok(BLOCK), written)?;
    let offset = stage.os().overlapped_state(overlapped).offset;
    stage.expect("the offset afterwards", 4096, offset)
}

fn event_of_a_failure(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.script(&ends, &at_once(NtStatus::IO_DEVICE_ERROR))?;
    let event = stage.event(true, true)?;
    let overlapped = stage.os().overlapped(&Overlapped {
        event: Some(event),
        ..Overlapped::default()
    });
    let answered = write(stage, stream, &block(), Some(overlapped));
    let failed = HResult::from_win32(IO_DEVICE);
    stage.expect("a write that fails at once", failed, answered.hresult)?;
    stage.expect("the event", Waited::TimedOut, wait_briefly(stage, event)?)
}

fn what_the_end_sets(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let (overlapped, event) = with_event(stage, 4096)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    stage.expect("WriteAsync", PENDING, answered.hresult)?;
    let waited = wait_briefly(stage, event)?;
    stage.expect("the event while it pends", Waited::TimedOut, waited)?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the event", event)?;
    let over = stage.os().overlapped_state(overlapped);
    stage.expect("Internal at last", NtStatus::SUCCESS, status_in(over))?;
    stage.expect("InternalHigh at last", u64::from(BLOCK), over.internal_high)?;
    stage.expect("the offset at last", 4096, over.offset)
}

fn several(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let (long, _) = with_event(stage, 0)?;
    let (short, _) = with_event(stage, 0)?;
    for (overlapped, bytes) in [(long, BLOCK), (short, BLOCK / 2)] {
        let answered = write(stage, stream, &pattern(bytes as usize), Some(overlapped));
        stage.expect("a write that pends", PENDING, answered.hresult)?;
    }
    let early = result(stage, stream, short, false);
    stage.expect("the result of the second, before", Err(INCOMPLETE), early)?;
    stage.let_go(&ends, (BLOCK + BLOCK / 2) as usize)?;
    let second = result(stage, stream, short, true);
    stage.expect("the result of the second", Ok(BLOCK / 2), second)?;
    let first = result(stage, stream, long, true);
    stage.expect("the result of the first", Ok(BLOCK), first)
}

fn read_back(stage: &Stage<'_>) -> Ended {
    let (_, stream) = open_stream(stage)?;
    expect_written(stage, stream, 4096, &block())?;
    let into = stage.os().buffer(&vec![0; BLOCK as usize]);
    let (overlapped, _) = with_event(stage, 4096)?;
    let faces = stage.faces();
    let answered = faces.read_async(stream, into, BLOCK, Count::Wanted, Some(overlapped));
    let read = ended(stage, stream, overlapped, answered);
    stage.expect("the count of what was read", Ok(BLOCK), read)?;
    stage.expect_bytes("what was read", &block(), &stage.os().bytes(into))
}
