//! What WriteFile returns, and when.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

use super::{
    access::open_for_reading,
    codes::{
        BROKEN_PIPE, DISK_FULL, HANDLE_EOF, INVALID_HANDLE, INVALID_USER_BUFFER, LOCK_VIOLATION, NO_DATA,
        NO_SYSTEM_RESOURCES, NOACCESS, NOT_ENOUGH_MEMORY, NOT_ENOUGH_QUOTA, PIPE_LISTENING,
        PIPE_NOT_CONNECTED, WORKING_SET_QUOTA,
    },
    steps::{
        BLOCK, Outcome, PENDING, a_little_later, at_once, block, expect_arrived, failure, open_file, outcome,
        pending_write, result, sink_state, status_in, success, wait_briefly, wait_until, with_event,
        write_counted, writer_thread,
    },
};
use crate::{
    case::{Case, Ended},
    stage::{Stage, trouble},
    target::Kinds,
    win32::{
        Access, Count, Data, Disposition, EXIT_ACCESS_VIOLATION, Handle, Overlapped, Packet, Patience,
        Returned, Waited, Win32,
    },
};

/// The role of a process that asks for no count and gives no `OVERLAPPED`.
pub(super) const WRITE_WITHOUT_COUNT: &str = "write-without-count";

/// Pipes of all kinds.
const PIPES: Kinds = Kinds::PIPE.and(Kinds::NAMED_PIPE).and(Kinds::MESSAGE_PIPE);

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-08",
        "the count is 0 before any work, and stays 0 on ERROR_IO_PENDING",
        Kinds::HOLDING,
        count_is_zero_while_pending,
    ),
    Case::new(
        "WF-08",
        "the count is 0 before any check of the other arguments",
        Kinds::SYNCHRONOUS,
        count_is_zero_after_a_failure,
    ),
    Case::new(
        "WF-09",
        "an overlapped write needs no count: GetOverlappedResult has it",
        Kinds::OVERLAPPED.and(Kinds::SOCKET),
        no_count,
    ),
    Case::new(
        "WF-10",
        "without OVERLAPPED the count may not be NULL: the caller faults after the write",
        Kinds::FILE,
        neither_count_nor_overlapped,
    ),
    Case::new(
        "WF-11",
        "an overlapped handle of what has offsets needs an OVERLAPPED, or ERROR_INVALID_PARAMETER",
        Kinds::SEEKABLE,
        overlapped_required,
    ),
    Case::new(
        "WF-12",
        "a synchronous handle takes a write with an OVERLAPPED and without",
        Kinds::SYNCHRONOUS,
        overlapped_optional,
    ),
    Case::new(
        "WF-18",
        "success is TRUE, and leaves the last error alone",
        Kinds::SYNCHRONOUS,
        success_is_true,
    ),
    Case::new(
        "WF-19",
        "failure is FALSE, with the Win32 error of the status",
        Kinds::SINK,
        failure_of_a_device,
    ),
    Case::new(
        "WF-19",
        "failure is FALSE, with an error",
        PIPES,
        failure_of_a_pipe,
    ),
    Case::new(
        "WF-19",
        "a write in progress is FALSE, with ERROR_IO_PENDING",
        Kinds::HOLDING,
        in_progress_is_false,
    ),
    Case::new(
        "WF-20",
        "ERROR_IO_PENDING is no failure: the write goes on to its end",
        Kinds::HOLDING.and(Kinds::FILE),
        pending_is_no_failure,
    ),
    Case::new(
        "WF-20",
        "GetOverlappedResult waits for a write that is pending",
        Kinds::SINK,
        result_waits,
    ),
    Case::new(
        "WF-21",
        "an overlapped write may be over when WriteFile returns, and is then over in every way",
        Kinds::SEEKABLE,
        over_at_once,
    ),
    Case::new(
        "WF-22",
        "WriteFile returns when all bytes are written",
        Kinds::SINK,
        returns_when_written,
    ),
    Case::new(
        "WF-22",
        "WriteFile returns when a reader has made room",
        Kinds::PIPE.and(Kinds::NAMED_PIPE),
        returns_when_there_is_room,
    ),
    Case::new(
        "WF-22",
        "WriteFile returns when the write is in progress",
        Kinds::SINK,
        returns_when_started,
    ),
    Case::new(
        "WF-22",
        "WriteFile returns when there is an error",
        Kinds::SINK,
        returns_on_an_error,
    ),
];

fn count_is_zero_while_pending(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, &ends)?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect(
        "the count at last",
        Ok(BLOCK),
        result(stage, ends.writer, overlapped),
    )
}

fn count_is_zero_after_a_failure(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.close(ends.writer)?;
    let returned = write_counted(stage, ends.writer, &block(), None);
    stage.expect("on a closed handle", failure(INVALID_HANDLE), returned)?;
    if stage.is(Kinds::DEVICE.and(Kinds::MAILSLOT)) {
        return Ok(());
    }
    let ends = open_for_reading(stage, false)?;
    let returned = write_counted(stage, ends.writer, &block(), None);
    stage.expect(
        "on a handle for reading",
        failure(Win32Error::ACCESS_DENIED),
        returned,
    )
}

fn no_count(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let data = Data::Of(stage.os().buffer(&block()));
    let returned = stage
        .os()
        .write_file(ends.writer, data, BLOCK, Count::Null, Some(overlapped));
    let ended = outcome(stage, ends.writer, overlapped, returned);
    stage.expect("GetOverlappedResult", Ok(BLOCK), ended)
}

fn neither_count_nor_overlapped(stage: &Stage<'_>) -> Ended {
    let os = stage.os();
    let path = os.scratch_path(&stage.name("file"));
    let file = open_file(stage, &path, Access::ReadWrite, Disposition::CreateAlways, false)?;
    let process = os.spawn_process(WRITE_WITHOUT_COUNT, &[file]);
    let process = stage.keep(process.map_err(trouble("CreateProcess"))?);
    wait_until(stage, "the other process", process)?;
    let code = os.exit_code(process).map_err(trouble("GetExitCodeProcess"))?;
    stage.expect(
        "bytes written before the fault",
        Ok(u64::from(BLOCK)),
        os.file_size(file),
    )?;
    stage.expect(
        "how the caller ended",
        NtStatus(EXIT_ACCESS_VIOLATION.cast_signed()),
        NtStatus(code.cast_signed()),
    )
}

/// The other process of WF-10.
pub(super) fn write_without_count(os: &dyn Win32, handles: &[Handle]) -> u32 {
    let Some(file) = handles.first() else {
        return 1;
    };
    let data = Data::Of(os.buffer(&block()));
    let _returned = os.write_file(*file, data, BLOCK, Count::Null, None);
    0
}

fn overlapped_required(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let returned = write_counted(stage, ends.writer, &block(), None);
    stage.expect(
        "without an OVERLAPPED",
        failure(Win32Error::INVALID_PARAMETER),
        returned,
    )?;
    if stage.is(Kinds::SINK) {
        return stage.expect("writes that the device has", 0, sink_state(stage, &ends)?.writes);
    }
    stage.expect("the size of the file", Ok(0), stage.os().file_size(ends.writer))
}

fn overlapped_optional(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let returned = write_counted(stage, ends.writer, &block(), None);
    stage.expect("without an OVERLAPPED", success(BLOCK), returned)?;
    expect_arrived(stage, &ends, 0, &block())?;
    let (overlapped, _) = with_event(stage, 2048)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("with an OVERLAPPED", success(BLOCK), returned)?;
    expect_arrived(stage, &ends, 2048, &block())
}

fn success_is_true(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    for bytes in [1_u8, 7, 200] {
        let data = vec![bytes; usize::from(bytes)];
        let returned = write_counted(stage, ends.writer, &data, None);
        stage.expect("WriteFile", success(u32::from(bytes)), returned)?;
    }
    Ok(())
}

/// Statuses, and the errors that they are for a program.
const ERRORS: [(u32, Win32Error); 15] = [
    (0xC000_0005, NOACCESS),
    (0xC000_000D, Win32Error::INVALID_PARAMETER),
    (0xC000_0011, HANDLE_EOF),
    (0xC000_0017, NOT_ENOUGH_MEMORY),
    (0xC000_0044, NOT_ENOUGH_QUOTA),
    (0xC000_0054, LOCK_VIOLATION),
    (0xC000_007F, DISK_FULL),
    (0xC000_009A, NO_SYSTEM_RESOURCES),
    (0xC000_00A1, WORKING_SET_QUOTA),
    (0xC000_00B0, PIPE_NOT_CONNECTED),
    (0xC000_00B1, NO_DATA),
    (0xC000_00B3, PIPE_LISTENING),
    (0xC000_00E8, INVALID_USER_BUFFER),
    (0xC000_0120, Win32Error::OPERATION_ABORTED),
    (0xC000_014B, BROKEN_PIPE),
];

fn failure_of_a_device(stage: &Stage<'_>) -> Ended {
    for asynchronous in [false, true] {
        let ends = stage.open(asynchronous)?;
        for (status, error) in ERRORS {
            let status = NtStatus(status.cast_signed());
            stage.script(&ends, &at_once(status))?;
            let (overlapped, _) = with_event(stage, 0)?;
            let overlapped = asynchronous.then_some(overlapped);
            let returned = write_counted(stage, ends.writer, &block(), overlapped);
            stage.expect(&status.to_string(), failure(error), returned)?;
        }
    }
    Ok(())
}

fn failure_of_a_pipe(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    if let Some(peer) = ends.peer {
        stage.close(peer)?;
    }
    let returned = write_counted(stage, ends.writer, &block(), None);
    let closed = [failure(NO_DATA), failure(BROKEN_PIPE)];
    stage.expect_one_of("a write that nobody can read", &closed, returned)
}

fn in_progress_is_false(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let (overlapped, event) = with_event(stage, 0)?;
    let returned = stage.write(&ends, &block(), Some(overlapped));
    stage.expect(
        "WriteFile",
        (false, Win32Error::IO_PENDING),
        (returned.returned, returned.error),
    )?;
    stage.expect("its event", Waited::TimedOut, wait_briefly(stage, event)?)?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the write", event)
}

fn pending_is_no_failure(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    if stage.is(Kinds::FILE) {
        let (overlapped, _) = with_event(stage, 0)?;
        let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
        stage.expect_one_of("WriteFile", &[success(BLOCK), PENDING], returned)?;
        stage.expect("its result", Ok(BLOCK), result(stage, ends.writer, overlapped))?;
        return expect_arrived(stage, &ends, 0, &block());
    }
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, &ends)?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect("its result", Ok(BLOCK), result(stage, ends.writer, overlapped))?;
    if stage.is(Kinds::SINK) {
        expect_arrived(stage, &ends, 0, &block())?;
    }
    Ok(())
}

fn result_waits(stage: &Stage<'_>) -> Ended {
    for (status, expected) in [
        (NtStatus::SUCCESS, Ok(BLOCK)),
        (NtStatus::IO_DEVICE_ERROR, Err(Win32Error(1117))),
    ] {
        let ends = stage.open(true)?;
        stage.script(&ends, &a_little_later(status))?;
        let overlapped = pending_write(stage, &ends)?;
        let ended: Outcome = result(stage, ends.writer, overlapped);
        stage.expect(&format!("the result of {status}"), expected, ended)?;
        stage.expect("writes in progress", 0, sink_state(stage, &ends)?.outstanding)?;
    }
    Ok(())
}

fn over_at_once(stage: &Stage<'_>) -> Ended {
    let os = stage.os();
    let ends = stage.open(true)?;
    let port = stage.port()?;
    let key = 7;
    os.associate(ends.writer, port, key)
        .map_err(trouble("CreateIoCompletionPort"))?;
    let (overlapped, event) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    if stage.is(Kinds::SINK) {
        stage.expect(
            "a write that its device completes at once",
            success(BLOCK),
            returned,
        )?;
    } else {
        stage.expect_one_of("WriteFile", &[success(BLOCK), PENDING], returned)?;
        stage.expect("its result", Ok(BLOCK), result(stage, ends.writer, overlapped))?;
    }
    let now = os.overlapped_state(overlapped);
    stage.expect("Internal", NtStatus::SUCCESS, status_in(now))?;
    stage.expect("InternalHigh", u64::from(BLOCK), now.internal_high)?;
    let waited = os
        .wait(event, Patience::Now)
        .map_err(trouble("WaitForSingleObject"))?;
    stage.expect("its event", Waited::Signalled, waited)?;
    let packet = Packet {
        error: None,
        bytes: BLOCK,
        key,
        overlapped: Some(overlapped),
    };
    let dequeued = os
        .dequeue(port, Patience::UntilOver)
        .map_err(trouble("GetQueuedCompletionStatus"))?;
    stage.expect("its packet", Some(packet), dequeued)
}

fn returns_when_written(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.script(&ends, &a_little_later(NtStatus::SUCCESS))?;
    let returned = write_counted(stage, ends.writer, &block(), None);
    stage.expect("WriteFile", success(BLOCK), returned)?;
    let now = sink_state(stage, &ends)?;
    stage.expect(
        "writes and bytes that the device has",
        (1, u64::from(BLOCK)),
        (now.writes, now.bytes),
    )?;
    stage.expect("writes in progress", 0, now.outstanding)
}

fn returns_when_there_is_room(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.hold(&ends)?;
    let (thread, written) = writer_thread(stage, ends.writer)?;
    let waited = wait_briefly(stage, thread)?;
    stage.expect("the writer, while the pipe is full", Waited::TimedOut, waited)?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the writer", thread)?;
    stage.expect("what it returned", Some(success(BLOCK)), written.take())
}

fn returns_when_started(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let first = pending_write(stage, &ends)?;
    // It takes a released write, or this thread would never have come here.
    let second = pending_write(stage, &ends)?;
    stage.expect("writes in progress", 2, sink_state(stage, &ends)?.outstanding)?;
    stage.let_go(&ends, 2 * BLOCK as usize)?;
    for overlapped in [first, second] {
        stage.expect("its result", Ok(BLOCK), result(stage, ends.writer, overlapped))?;
    }
    Ok(())
}

fn returns_on_an_error(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.script(&ends, &a_little_later(NtStatus::IO_DEVICE_ERROR))?;
    let with_offset = stage.os().overlapped(&Overlapped::default());
    for overlapped in [None, Some(with_offset)] {
        let returned: Returned = write_counted(stage, ends.writer, &block(), overlapped);
        stage.expect("WriteFile", failure(Win32Error(1117)), returned)?;
        stage.expect("writes in progress", 0, sink_state(stage, &ends)?.outstanding)?;
    }
    Ok(())
}
