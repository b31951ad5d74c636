//! IStreamAsync::OverlappedResult and CancelIo.

use super::{
    codes::IO_DEVICE,
    steps::{
        BLOCK, Slot, a_little_later, beside_a_thread, block, sink_state, wait_briefly, wait_until, with_event,
    },
    stream_steps::{
        ABORTED, INCOMPLETE, PENDING, ended, expect_let_go, open_stream, pending_write, refused, result,
        write,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    faces::{Answered, HResult},
    stage::{Stage, trouble},
    target::Kinds,
    win32::{Count, Data, Waited},
};
use kswrite_core::NtStatus;

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "SA-08",
        "without waiting, a write in progress is HRESULT_FROM_WIN32(ERROR_IO_INCOMPLETE)",
        Kinds::HOLDING,
        in_progress,
    ),
    Case::new(
        "SA-08",
        "OverlappedResult can wait: then it returns when the write is over, with its bytes",
        Kinds::HOLDING,
        waits,
    ),
    Case::new(
        "SA-08",
        "the result of a write that fails later is the HRESULT of its error",
        Kinds::SINK,
        later_failure,
    ),
    Case::new(
        "SA-08",
        "an OVERLAPPED that no operation of this stream began with is E_INVALIDARG, no count E_POINTER",
        Kinds::HOLDING,
        wrong_arguments,
    ),
    Case::new(
        "SA-09",
        "CancelIo cancels everything that is pending, and says S_OK: each operation ends as aborted",
        Kinds::HOLDING,
        cancel_all,
    ),
    Case::new(
        "SA-09",
        "CancelIo with nothing pending is S_OK",
        Kinds::HOLDING,
        cancel_nothing,
    ),
    Case::new(
        "SA-10",
        "CancelIo cancels what other threads have begun",
        Kinds::HOLDING,
        cancel_of_another_thread,
    ),
    Case::new(
        "SA-10",
        "CancelIo can be called by any thread",
        Kinds::HOLDING,
        cancel_by_another_thread,
    ),
    Case::new(
        "SA-10",
        "CancelIo cancels nothing of another file",
        Kinds::HOLDING,
        cancel_of_another_file,
    ),
];

fn in_progress(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, stream)?;
    let early = result(stage, stream, overlapped, false);
    stage.expect("OverlappedResult while it pends", Err(INCOMPLETE), early)?;
    expect_let_go(stage, &ends, stream, overlapped)?;
    let again = result(stage, stream, overlapped, false);
    stage.expect("OverlappedResult afterwards, without waiting", Ok(BLOCK), again)
}

fn waits(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, stream)?;
    let slot = Slot::new();
    let answer = slot.share();
    let thread = stage.os().spawn(Box::new(move |os| {
        answer.put(
            os.faces()
                .overlapped_result(stream, Some(overlapped), Count::Wanted, true),
        );
    }));
    let thread = stage.keep(thread.map_err(trouble("CreateThread"))?);
    let waited = wait_briefly(stage, thread)?;
    stage.expect("the thread that waits", Waited::TimedOut, waited)?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the thread that waits", thread)?;
    let over = Answered {
        hresult: HResult::OK,
        count: Some(BLOCK),
    };
    stage.expect("what it was told", Some(over), slot.take())
}

fn later_failure(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.script(&ends, &a_little_later(NtStatus::IO_DEVICE_ERROR))?;
    let (overlapped, _) = with_event(stage, 0)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    let failed = ended(stage, stream, overlapped, answered);
    let expected = Err(HResult::from_win32(IO_DEVICE));
    stage.expect("OverlappedResult", expected, failed)
}

fn wrong_arguments(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, stream)?;
    let (unused, _) = with_event(stage, 0)?;
    let faces = stage.faces();
    for (what, wrong) in [
        ("an OVERLAPPED that was never used", Some(unused)),
        ("no OVERLAPPED", None),
    ] {
        let answered = faces.overlapped_result(stream, wrong, Count::Wanted, true);
        stage.expect(what, refused(HResult::INVALID_ARG), answered)?;
    }
    let other = faces.stream(ends.writer).map_err(Stop::Trouble)?;
    let other = stage.keep_ref(other);
    let answered = faces.overlapped_result(other, Some(overlapped), Count::Wanted, false);
    stage.expect(
        "the OVERLAPPED of another stream's operation",
        refused(HResult::INVALID_ARG),
        answered,
    )?;
    let answered = faces.overlapped_result(stream, Some(overlapped), Count::Null, false);
    let no_count = Answered {
        hresult: HResult::POINTER,
        count: None,
    };
    stage.expect("no count", no_count, answered)?;
    expect_let_go(stage, &ends, stream, overlapped)
}

fn cancel_all(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let mut begun = Vec::new();
    for _ in 0..3 {
        begun.push(pending_write(stage, stream)?);
    }
    let asked = stage.faces().stream_cancel_io(stream);
    stage.expect("CancelIo", HResult::OK, asked)?;
    for overlapped in begun {
        let ended = result(stage, stream, overlapped, true);
        stage.expect("a write that was pending", Err(ABORTED), ended)?;
    }
    if !stage.is(Kinds::SINK) {
        return Ok(());
    }
    let seen = sink_state(stage, &ends)?;
    stage.expect("writes that the device has cancelled", 3, seen.cancelled)?;
    stage.expect("writes that it still holds", 0, seen.outstanding)
}

fn cancel_nothing(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let faces = stage.faces();
    stage.expect("before any write", HResult::OK, faces.stream_cancel_io(stream))?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, stream)?;
    expect_let_go(stage, &ends, stream, overlapped)?;
    stage.expect("after all writes", HResult::OK, faces.stream_cancel_io(stream))?;
    let ended = result(stage, stream, overlapped, false);
    stage.expect("the write that was over before", Ok(BLOCK), ended)
}

fn cancel_of_another_thread(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let (theirs, _) = with_event(stage, 0)?;
    let data = Data::Of(stage.os().buffer(&block()));
    let slot = Slot::new();
    let answer = slot.share();
    beside_a_thread(
        stage,
        move |os| {
            answer.put(
                os.faces()
                    .write_async(stream, data, BLOCK, Count::Null, Some(theirs)),
            );
        },
        |_thread| {
            let begun = slot.take().map(|answered| answered.hresult);
            stage.expect("the write of the other thread", Some(PENDING), begun)?;
            let ours = pending_write(stage, stream)?;
            let asked = stage.faces().stream_cancel_io(stream);
            stage.expect("CancelIo of this thread", HResult::OK, asked)?;
            let ended = result(stage, stream, theirs, true);
            stage.expect("the write of the other thread at last", Err(ABORTED), ended)?;
            let ended = result(stage, stream, ours, true);
            stage.expect("that of this thread", Err(ABORTED), ended)
        },
    )
}

fn cancel_by_another_thread(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    stage.hold(&ends)?;
    let ours = pending_write(stage, stream)?;
    let slot = Slot::new();
    let answer = slot.share();
    let thread = stage.os().spawn(Box::new(move |os| {
        answer.put(os.faces().stream_cancel_io(stream));
    }));
    let thread = stage.keep(thread.map_err(trouble("CreateThread"))?);
    wait_until(stage, "the other thread", thread)?;
    stage.expect("its CancelIo", Some(HResult::OK), slot.take())?;
    let ended = result(stage, stream, ours, true);
    stage.expect("the write of this thread", Err(ABORTED), ended)
}

fn cancel_of_another_file(stage: &Stage<'_>) -> Ended {
    let (ends, stream) = open_stream(stage)?;
    let (_, other) = open_stream(stage)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, stream)?;
    let asked = stage.faces().stream_cancel_io(other);
    stage.expect("CancelIo of the stream over the other", HResult::OK, asked)?;
    let still = result(stage, stream, overlapped, false);
    stage.expect("the write", Err(INCOMPLETE), still)?;
    expect_let_go(stage, &ends, stream, overlapped)
}
