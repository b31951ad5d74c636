//! Which writes CancelIo and CancelIoEx cancel.

use kswrite_client::Win32Error;

use super::{
    codes::IO_INCOMPLETE,
    steps::{
        BLOCK, Outcome, PENDING, Slot, beside_a_thread, block, pending_write, result, result_now, success,
        wait_briefly, wait_until, with_event, write_counted, writer_thread,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage, trouble},
    target::Kinds,
    win32::{Count, Data, Handle, Ov, Patience, Returned, Waited},
};

/// How a cancelled write ends.
pub(super) const ABORTED: Outcome = Err(Win32Error::OPERATION_ABORTED);
/// What GetOverlappedResult says of a write in progress.
pub(super) const IN_PROGRESS: Outcome = Err(IO_INCOMPLETE);

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-25",
        "CancelIo cancels what this thread has pending on the handle, and nothing of another thread",
        Kinds::HOLDING,
        cancel_io,
    ),
    Case::new(
        "WF-25",
        "CancelIo cancels nothing of another handle",
        Kinds::HOLDING,
        cancel_io_of_another_handle,
    ),
    Case::new(
        "WF-26",
        "CancelIo on a synchronous handle returns TRUE and does nothing",
        Kinds::FILE.and(Kinds::PIPE).and(Kinds::NAMED_PIPE),
        cancel_io_on_a_synchronous_handle,
    ),
    Case::new(
        "WF-27",
        "CancelIoEx without an OVERLAPPED cancels what all threads have pending on the handle",
        Kinds::HOLDING,
        cancel_all,
    ),
    Case::new(
        "WF-28",
        "CancelIoEx cancels the write that is named, and no other",
        Kinds::HOLDING,
        cancel_one,
    ),
    Case::new(
        "WF-28",
        "CancelIoEx with nothing pending is ERROR_NOT_FOUND",
        Kinds::HOLDING,
        cancel_nothing,
    ),
    Case::new(
        "WF-28",
        "CancelIoEx with an OVERLAPPED that no write in progress has is ERROR_NOT_FOUND",
        Kinds::HOLDING,
        cancel_what_is_not_pending,
    ),
    Case::new(
        "WF-29",
        "CancelIoEx works through another handle of the same file object",
        Kinds::HOLDING,
        cancel_through_a_duplicate,
    ),
    Case::new(
        "WF-29",
        "CancelIoEx cancels every write that has this OVERLAPPED",
        Kinds::HOLDING,
        cancel_a_shared_overlapped,
    ),
];

/// Runs `check` while this thread and another have a write pending; it is given theirs and ours.
fn with_two_writers(stage: &Stage<'_>, ends: &Ends, check: impl FnOnce(Ov, Ov) -> Ended) -> Ended {
    stage.hold(ends)?;
    let (theirs, _) = with_event(stage, 0)?;
    let data = Data::Of(stage.os().buffer(&block()));
    let slot = Slot::new();
    let written = slot.share();
    let file = ends.writer;
    beside_a_thread(
        stage,
        move |os| written.put(os.write_file(file, data, BLOCK, Count::Wanted, Some(theirs))),
        |_thread| {
            stage.expect("the write of the other thread", Some(PENDING), slot.take())?;
            let ours = pending_write(stage, ends)?;
            check(theirs, ours)
        },
    )
}

fn cancel_io(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let file = ends.writer;
    with_two_writers(stage, &ends, |theirs, ours| {
        stage.expect("CancelIo", true, stage.os().cancel_io(file).returned)?;
        stage.expect("the write of this thread", ABORTED, result(stage, file, ours))?;
        stage.expect(
            "that of the other thread",
            IN_PROGRESS,
            result_now(stage, file, theirs),
        )?;
        stage.let_go(&ends, BLOCK as usize)?;
        stage.expect(
            "that of the other thread at last",
            Ok(BLOCK),
            result(stage, file, theirs),
        )
    })
}

fn cancel_io_of_another_handle(stage: &Stage<'_>) -> Ended {
    let (ends, other) = (stage.open(true)?, stage.open(true)?);
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, &ends)?;
    let returned = stage.os().cancel_io(other.writer);
    stage.expect("CancelIo on another handle", true, returned.returned)?;
    let ended = result_now(stage, ends.writer, overlapped);
    stage.expect("the write", IN_PROGRESS, ended)?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect(
        "the write at last",
        Ok(BLOCK),
        result(stage, ends.writer, overlapped),
    )
}

fn cancel_io_on_a_synchronous_handle(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    if stage.is(Kinds::FILE) {
        stage.expect("CancelIo", true, stage.os().cancel_io(ends.writer).returned)?;
        let returned = write_counted(stage, ends.writer, &block(), None);
        return stage.expect("a write after it", success(BLOCK), returned);
    }
    stage.hold(&ends)?;
    let (thread, written) = writer_thread(stage, ends.writer)?;
    stage.expect("the writer", Waited::TimedOut, wait_briefly(stage, thread)?)?;
    stage.expect("CancelIo", true, stage.os().cancel_io(ends.writer).returned)?;
    stage.expect(
        "the writer after it",
        Waited::TimedOut,
        wait_briefly(stage, thread)?,
    )?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the writer", thread)?;
    stage.expect("what it returned", Some(success(BLOCK)), written.take())
}

fn cancel_all(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let file = ends.writer;
    with_two_writers(stage, &ends, |theirs, ours| {
        let returned = stage.os().cancel_io_ex(file, None);
        stage.expect("CancelIoEx", true, returned.returned)?;
        stage.expect("the write of this thread", ABORTED, result(stage, file, ours))?;
        stage.expect("that of the other thread", ABORTED, result(stage, file, theirs))
    })
}

/// CancelIoEx must find nothing.
pub(super) fn expect_not_found(stage: &Stage<'_>, what: &str, returned: Returned) -> Ended {
    let seen = (returned.returned, returned.error);
    stage.expect(what, (false, Win32Error::NOT_FOUND), seen)
}

fn cancel_one(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let file = ends.writer;
    stage.hold(&ends)?;
    let first = pending_write(stage, &ends)?;
    let second = pending_write(stage, &ends)?;
    let returned = stage.os().cancel_io_ex(file, Some(second));
    stage.expect("CancelIoEx", true, returned.returned)?;
    stage.expect("the write that was named", ABORTED, result(stage, file, second))?;
    stage.expect("the other one", IN_PROGRESS, result_now(stage, file, first))?;
    expect_not_found(
        stage,
        "CancelIoEx again",
        stage.os().cancel_io_ex(file, Some(second)),
    )?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect("the other one at last", Ok(BLOCK), result(stage, file, first))
}

fn cancel_nothing(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let file = ends.writer;
    let os = stage.os();
    expect_not_found(stage, "before any write", os.cancel_io_ex(file, None))?;
    stage.hold(&ends)?;
    let written = pending_write(stage, &ends)?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect("the write", Ok(BLOCK), result(stage, file, written))?;
    expect_not_found(stage, "after all writes", os.cancel_io_ex(file, None))
}

fn cancel_what_is_not_pending(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let file = ends.writer;
    let os = stage.os();
    let (unused, _) = with_event(stage, 0)?;
    let returned = os.cancel_io_ex(file, Some(unused));
    expect_not_found(stage, "with an OVERLAPPED, before any write", returned)?;
    stage.hold(&ends)?;
    let written = pending_write(stage, &ends)?;
    let returned = os.cancel_io_ex(file, Some(unused));
    expect_not_found(stage, "with an OVERLAPPED that no write has", returned)?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect("the write", Ok(BLOCK), result(stage, file, written))?;
    let returned = os.cancel_io_ex(file, Some(written));
    expect_not_found(stage, "with that of a write that is over", returned)
}

fn cancel_through_a_duplicate(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let duplicate = stage.os().duplicate(ends.writer);
    let duplicate = stage.keep(duplicate.map_err(trouble("DuplicateHandle"))?);
    stage.hold(&ends)?;
    for named in [true, false] {
        let overlapped = pending_write(stage, &ends)?;
        let returned = stage.os().cancel_io_ex(duplicate, named.then_some(overlapped));
        stage.expect("CancelIoEx", true, returned.returned)?;
        stage.expect("the write", ABORTED, result(stage, ends.writer, overlapped))?;
    }
    Ok(())
}

/// The handle's packets from now on: a port with a key of its own.
pub(super) fn port_of(stage: &Stage<'_>, file: Handle) -> Result<Handle, Stop> {
    let port = stage.port()?;
    let associated = stage.os().associate(file, port, KEY);
    associated.map_err(trouble("CreateIoCompletionPort"))?;
    Ok(port)
}

/// The completion key.
pub(super) const KEY: u64 = 30;

/// The next packet, which must be of this write; how it says the write ended.
pub(super) fn packet_of(stage: &Stage<'_>, port: Handle, overlapped: Ov) -> Result<Outcome, Stop> {
    let packet = stage.os().dequeue(port, Patience::UntilOver);
    let Some(packet) = packet.map_err(trouble("GetQueuedCompletionStatus"))? else {
        return Err(Stop::Trouble("no packet came".to_owned()));
    };
    stage.expect("the key of its packet", KEY, packet.key)?;
    stage.expect(
        "its packet has its OVERLAPPED",
        true,
        packet.overlapped == Some(overlapped),
    )?;
    Ok(packet.error.map_or(Ok(packet.bytes), Err))
}

/// No packet is left.
pub(super) fn expect_no_packet(stage: &Stage<'_>, port: Handle) -> Ended {
    let packet = stage.os().dequeue(port, Patience::Briefly);
    let packet = packet.map_err(trouble("GetQueuedCompletionStatus"))?;
    stage.expect("another packet", None, packet)
}

fn cancel_a_shared_overlapped(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let port = port_of(stage, ends.writer)?;
    let (shared, _) = with_event(stage, 0)?;
    for _ in 0..2 {
        let returned = write_counted(stage, ends.writer, &block(), Some(shared));
        stage.expect("a write that pends", PENDING, returned)?;
    }
    let returned = stage.os().cancel_io_ex(ends.writer, Some(shared));
    stage.expect("CancelIoEx", true, returned.returned)?;
    for _ in 0..2 {
        stage.expect("a write", ABORTED, packet_of(stage, port, shared)?)?;
    }
    expect_no_packet(stage, port)
}
