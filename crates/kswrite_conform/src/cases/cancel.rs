//! Writes that are cancelled.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

use super::{
    codes::{INVALID_HANDLE, IO_INCOMPLETE},
    steps::{
        BLOCK, Outcome, PENDING, Slot, a_little_later, beside_a_thread, block, failure, pending_write,
        result, result_now, sink_state, status_in, success, wait_briefly, wait_until, with_event,
        write_counted, writer_thread,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, PIPE_BYTES, Stage, trouble},
    target::Kinds,
    win32::{Count, Data, Handle, Ov, Patience, Returned, Waited},
};

/// How a cancelled write ends.
const ABORTED: Outcome = Err(Win32Error::OPERATION_ABORTED);
/// What GetOverlappedResult says of a write in progress.
const IN_PROGRESS: Outcome = Err(IO_INCOMPLETE);
/// Targets on which a synchronous write can be made to wait.
const BLOCKING: Kinds = Kinds::HOLDING.and(Kinds::PIPE);

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
    Case::new(
        "WF-30",
        "a cancel is a request: the write ends once, aborted or as if nothing had been",
        Kinds::SINK,
        cancel_races_the_device,
    ),
    Case::new(
        "WF-30",
        "a cancel is a request: the write ends once, aborted or read by the other end",
        Kinds::NAMED_PIPE,
        cancel_races_a_reader,
    ),
    Case::new(
        "WF-31",
        "a cancelled write ends with ERROR_OPERATION_ABORTED, in every way in which a write ends",
        Kinds::HOLDING,
        how_a_cancelled_write_ends,
    ),
    Case::new(
        "WF-32",
        "the byte count of a cancelled write is the driver's: a sink says what it took",
        Kinds::HOLDING,
        bytes_of_a_cancelled_write,
    ),
    Case::new(
        "WF-33",
        "CancelSynchronousIo ends a write that blocks its thread",
        BLOCKING,
        cancel_a_blocked_write,
    ),
    Case::new(
        "WF-33",
        "CancelSynchronousIo with no synchronous operation is ERROR_NOT_FOUND, and touches no overlapped one",
        Kinds::HOLDING,
        cancel_no_synchronous_write,
    ),
    Case::new(
        "WF-33",
        "CancelSynchronousIo of what is no thread is ERROR_INVALID_HANDLE",
        Kinds::PIPE,
        cancel_of_no_thread,
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
fn expect_not_found(stage: &Stage<'_>, what: &str, returned: Returned) -> Ended {
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
    let (unused, _) = with_event(stage, 0)?;
    expect_not_found(stage, "before any write", os.cancel_io_ex(file, None))?;
    stage.hold(&ends)?;
    let written = pending_write(stage, &ends)?;
    let returned = os.cancel_io_ex(file, Some(unused));
    expect_not_found(stage, "with an OVERLAPPED that no write has", returned)?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect("the write", Ok(BLOCK), result(stage, file, written))?;
    let returned = os.cancel_io_ex(file, Some(written));
    expect_not_found(stage, "with that of a write that is over", returned)?;
    expect_not_found(stage, "after all writes", os.cancel_io_ex(file, None))
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
fn port_of(stage: &Stage<'_>, file: Handle) -> Result<Handle, Stop> {
    let port = stage.port()?;
    let associated = stage.os().associate(file, port, KEY);
    associated.map_err(trouble("CreateIoCompletionPort"))?;
    Ok(port)
}

/// The completion key.
const KEY: u64 = 30;

/// The next packet, which must be of this write; how it says the write ended.
fn packet_of(stage: &Stage<'_>, port: Handle, overlapped: Ov) -> Result<Outcome, Stop> {
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
fn expect_no_packet(stage: &Stage<'_>, port: Handle) -> Ended {
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

fn cancel_races_the_device(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let port = port_of(stage, ends.writer)?;
    let (mut whole, mut aborted) = (0_u64, 0_u64);
    for delay_us in (0..60).map(|round| round * 10) {
        let script = kswrite_wire::sink::Script {
            delay_us,
            ..a_little_later(NtStatus::SUCCESS)
        };
        stage.script(&ends, &script)?;
        let (overlapped, _) = with_event(stage, 0)?;
        let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
        stage.expect("a write that pends", PENDING, returned)?;
        let cancel = stage.os().cancel_io_ex(ends.writer, Some(overlapped));
        if !cancel.returned {
            stage.expect("the error of CancelIoEx", Win32Error::NOT_FOUND, cancel.error)?;
        }
        let ended = packet_of(stage, port, overlapped)?;
        stage.expect_one_of("the write", &[Ok(BLOCK), ABORTED], ended)?;
        if ended.is_ok() {
            whole += 1;
        } else {
            aborted += 1;
        }
        stage.expect("its result", ended, result(stage, ends.writer, overlapped))?;
    }
    stage.report("writes that were whole, and aborted", &(whole, aborted));
    expect_no_packet(stage, port)?;
    let now = sink_state(stage, &ends)?;
    let counts = (u64::from(now.outstanding), now.cancelled);
    stage.expect(
        "writes in progress, and cancelled, as the device counts",
        (0, aborted),
        counts,
    )
}

fn cancel_races_a_reader(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let port = port_of(stage, ends.writer)?;
    let overlapped = pending_write(stage, &ends)?;
    let peer = ends.peer.unwrap_or(ends.writer);
    let all = PIPE_BYTES + BLOCK;
    let into = stage.os().buffer(&vec![0; all as usize]);
    let slot = Slot::new();
    let read = slot.share();
    let thread = stage.os().spawn(Box::new(move |os| {
        read.put(os.read_file(peer, into, all, Count::Wanted, None));
    }));
    let thread = stage.keep(thread.map_err(trouble("CreateThread"))?);
    let cancel = stage.os().cancel_io_ex(ends.writer, Some(overlapped));
    if !cancel.returned {
        stage.expect("the error of CancelIoEx", Win32Error::NOT_FOUND, cancel.error)?;
    }
    let ended = packet_of(stage, port, overlapped)?;
    stage.expect_one_of("the write", &[Ok(BLOCK), ABORTED], ended)?;
    wait_until(stage, "the reader", thread)?;
    let read = slot.take().and_then(|returned| returned.count);
    // A write that completes may do so when there is room, before its bytes are read; an aborted one leaves none.
    let allowed: &[_] = if ended.is_ok() {
        &[Some(PIPE_BYTES), Some(all)]
    } else {
        &[Some(PIPE_BYTES)]
    };
    stage.expect_one_of("bytes that were read", allowed, read)?;
    expect_no_packet(stage, port)
}

fn how_a_cancelled_write_ends(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let port = port_of(stage, ends.writer)?;
    let (overlapped, event) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("a write that pends", PENDING, returned)?;
    let returned = stage.os().cancel_io_ex(ends.writer, Some(overlapped));
    stage.expect("CancelIoEx", true, returned.returned)?;
    wait_until(stage, "the event of the write", event)?;
    let now = stage.os().overlapped_state(overlapped);
    stage.expect("Internal", NtStatus::CANCELLED, status_in(now))?;
    stage.expect(
        "GetOverlappedResult",
        ABORTED,
        result_now(stage, ends.writer, overlapped),
    )?;
    stage.expect("its packet", ABORTED, packet_of(stage, port, overlapped)?)?;
    expect_no_packet(stage, port)
}

fn bytes_of_a_cancelled_write(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, &ends)?;
    let returned = stage.os().cancel_io_ex(ends.writer, Some(overlapped));
    stage.expect("CancelIoEx", true, returned.returned)?;
    stage.expect("the write", ABORTED, result(stage, ends.writer, overlapped))?;
    let bytes = stage.os().overlapped_state(overlapped).internal_high;
    if !stage.is(Kinds::SINK) {
        stage.report("InternalHigh", &bytes);
        return Ok(());
    }
    // A sink takes the bytes before it holds the write.
    stage.expect("InternalHigh", u64::from(BLOCK), bytes)?;
    stage.expect(
        "bytes that the device has",
        u64::from(BLOCK),
        sink_state(stage, &ends)?.bytes,
    )
}

/// More often than a thread needs to come from its start to its write.
const ATTEMPTS: u32 = 100;

fn cancel_a_blocked_write(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.hold(&ends)?;
    let (thread, written) = writer_thread(stage, ends.writer)?;
    let mut cancelled = stage.os().cancel_synchronous_io(thread);
    for _ in 0..ATTEMPTS {
        // Until then it may be on its way to its write, where there is nothing to cancel.
        if cancelled.returned || wait_briefly(stage, thread)? == Waited::Signalled {
            break;
        }
        cancelled = stage.os().cancel_synchronous_io(thread);
    }
    stage.expect("CancelSynchronousIo", true, cancelled.returned)?;
    wait_until(stage, "the writer", thread)?;
    let aborted = failure(Win32Error::OPERATION_ABORTED);
    stage.expect("what it returned", Some(aborted), written.take())?;
    if stage.is(Kinds::SINK) {
        let outstanding = sink_state(stage, &ends)?.outstanding;
        return stage.expect("writes in progress", 0, outstanding);
    }
    stage.let_go(&ends, 0)?;
    let again = write_counted(stage, ends.writer, &block(), None);
    stage.expect("the next write", success(BLOCK), again)
}

fn cancel_no_synchronous_write(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let (theirs, _) = with_event(stage, 0)?;
    let data = Data::Of(stage.os().buffer(&block()));
    let file = ends.writer;
    let slot = Slot::new();
    let written = slot.share();
    beside_a_thread(
        stage,
        move |os| written.put(os.write_file(file, data, BLOCK, Count::Wanted, Some(theirs))),
        |thread| {
            stage.expect("the write of the other thread", Some(PENDING), slot.take())?;
            let returned = stage.os().cancel_synchronous_io(thread);
            expect_not_found(stage, "CancelSynchronousIo", returned)?;
            stage.expect("its write", IN_PROGRESS, result_now(stage, file, theirs))?;
            stage.let_go(&ends, BLOCK as usize)?;
            stage.expect("its write at last", Ok(BLOCK), result(stage, file, theirs))
        },
    )
}

fn cancel_of_no_thread(stage: &Stage<'_>) -> Ended {
    let event = stage.event(true, false)?;
    for (what, handle) in [
        ("an event", event),
        ("a handle that never was", Handle(0x7FFF_FFF0)),
    ] {
        let returned = stage.os().cancel_synchronous_io(handle);
        let seen = (returned.returned, returned.error);
        stage.expect(what, (false, INVALID_HANDLE), seen)?;
    }
    Ok(())
}
