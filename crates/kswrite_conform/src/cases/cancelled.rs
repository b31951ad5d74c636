//! How a write ends that is cancelled, and CancelSynchronousIo.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_wire::sink::Script;

use super::{
    cancel::{ABORTED, IN_PROGRESS, expect_no_packet, expect_not_found, packet_of, port_of},
    codes::INVALID_HANDLE,
    steps::{
        BLOCK, PENDING, Slot, a_little_later, beside_a_thread, block, expect_arrived, failure, pending_write,
        result, result_now, sink_state, status_in, success, wait_briefly, wait_until, with_event, write_at,
        write_counted, writer_thread,
    },
};
use crate::{
    case::{Case, Ended},
    stage::{PIPE_BYTES, Stage, trouble},
    target::Kinds,
    win32::{Count, Data, Handle, Waited},
};

/// Targets on which a synchronous write can be made to wait.
const BLOCKING: Kinds = Kinds::HOLDING.and(Kinds::PIPE);

/// The cases.
pub(super) const CASES: &[Case] = &[
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

fn cancel_races_the_device(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let port = port_of(stage, ends.writer)?;
    let (mut whole, mut aborted) = (0_u64, 0_u64);
    for delay_us in (0..60).map(|round| round * 10) {
        let script = Script {
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
        // Nothing of it is left in the pipe.
        stage.let_go(&ends, 0)?;
        let written = write_at(stage, ends.writer, 0, b"after it")?;
        stage.expect("the next write", Ok(8), written)?;
        return expect_arrived(stage, &ends, 0, b"after it");
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
