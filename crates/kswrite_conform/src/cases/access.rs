//! Which handles WriteFile takes: access, and what a handle was opened for.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

use super::{
    codes::INVALID_HANDLE,
    steps::{
        BLOCK, PENDING, a_little_later, block, expect_arrived, failure, outcome, pending_write, result,
        success, with_event, write_counted,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage},
    target::Kinds,
    win32::{Access, Count, Data, Disposition, Handle, Open},
};

/// What can be opened for reading alone; of a pipe, that is the end that reads.
const READABLE: Kinds = Kinds::SEEKABLE
    .and(Kinds::PIPE)
    .and(Kinds::NAMED_PIPE)
    .and(Kinds::MESSAGE_PIPE);

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-01",
        "a handle without write access is refused with ERROR_ACCESS_DENIED",
        READABLE,
        read_only_handle,
    ),
    Case::new(
        "WF-01",
        "what is no handle of a file is ERROR_INVALID_HANDLE, whatever the buffer is",
        READABLE,
        no_handle,
    ),
    Case::new(
        "WF-02",
        "one function serves handles of both kinds",
        Kinds::OVERLAPPED,
        both_kinds_of_handle,
    ),
    Case::new(
        "WF-02",
        "FILE_FLAG_OVERLAPPED at the open, not the OVERLAPPED, lets a write pend",
        Kinds::SINK,
        the_open_decides,
    ),
    Case::new(
        "WF-03",
        "handles opened with FILE_FLAG_OVERLAPPED, and sockets, take overlapped writes",
        Kinds::OVERLAPPED.and(Kinds::SOCKET),
        asynchronous_handles,
    ),
];

/// Opens the target without the right to write.
pub(super) fn open_for_reading(stage: &Stage<'_>, overlapped: bool) -> Result<Ends, Stop> {
    let ends = stage.open_with(Open {
        access: Access::Read,
        disposition: Disposition::OpenExisting,
        overlapped,
        write_through: false,
        no_buffering: false,
    })?;
    // CreatePipe has no say in the access of its handles.
    let writer = match ends.peer {
        Some(reading_end) if stage.is(Kinds::PIPE) => reading_end,
        _ => ends.writer,
    };
    Ok(Ends { writer, ..ends })
}

fn read_only_handle(stage: &Stage<'_>) -> Ended {
    let ends = open_for_reading(stage, false)?;
    let returned = write_counted(stage, ends.writer, &block(), None);
    stage.expect("WriteFile", failure(Win32Error::ACCESS_DENIED), returned)?;
    if stage.is(Kinds::PIPE) {
        return Ok(());
    }
    let ends = open_for_reading(stage, true)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect(
        "WriteFile on an overlapped handle",
        failure(Win32Error::ACCESS_DENIED),
        returned,
    )
}

fn no_handle(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.close(ends.writer)?;
    let event = stage.event(true, false)?;
    let (overlapped, _) = with_event(stage, 0)?;
    // Nothing has this many handles.
    let never = Handle(0x7FFF_FFF0);
    for (what, handle) in [
        ("a closed handle", ends.writer),
        ("a handle that never was", never),
        ("INVALID_HANDLE_VALUE", Handle::INVALID),
        ("an event", event),
    ] {
        for overlapped in [None, Some(overlapped)] {
            let returned = stage
                .os()
                .write_file(handle, Data::Null, BLOCK, Count::Wanted, overlapped);
            stage.expect(what, failure(INVALID_HANDLE), returned)?;
        }
    }
    Ok(())
}

fn both_kinds_of_handle(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let returned = write_counted(stage, ends.writer, &block(), None);
    stage.expect("on a synchronous handle", success(BLOCK), returned)?;
    expect_arrived(stage, &ends, 0, &block())?;

    let ends = stage.open(true)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect_one_of("on an overlapped handle", &[success(BLOCK), PENDING], returned)?;
    let ended = outcome(stage, ends.writer, overlapped, returned);
    stage.expect("its result", Ok(BLOCK), ended)?;
    expect_arrived(stage, &ends, 0, &block())
}

fn the_open_decides(stage: &Stage<'_>) -> Ended {
    let script = a_little_later(NtStatus::SUCCESS);
    let ends = stage.open(false)?;
    stage.script(&ends, &script)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect(
        "with an OVERLAPPED on a synchronous handle",
        success(BLOCK),
        returned,
    )?;

    let ends = stage.open(true)?;
    stage.script(&ends, &script)?;
    let overlapped = pending_write(stage, &ends)?;
    stage.expect("its result", Ok(BLOCK), result(stage, ends.writer, overlapped))
}

fn asynchronous_handles(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    let ended = outcome(stage, ends.writer, overlapped, returned);
    stage.expect("the write", Ok(BLOCK), ended)?;
    expect_arrived(stage, &ends, 0, &block())
}
