//! What becomes of pending writes when their thread or process ends.

use kswrite_client::Win32Error;

use super::{
    ports::{bind, next_packet},
    steps::{BLOCK, Slot, block, result, sink_state, wait_until, with_event},
};
use crate::{
    case::{Case, Ended},
    stage::{Ends, Stage, trouble},
    target::Kinds,
    win32::{Count, Data, Handle, Overlapped, Win32},
};

/// The role of a process that leaves with a write pending. Handle: the file.
pub(super) const LEAVE_A_WRITE: &str = "leave-a-write";

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-67",
        "a process that ends has its pending writes cancelled; who else has the file is told by the port",
        Kinds::HOLDING,
        process_ends,
    ),
    Case::new(
        "WF-67",
        "a thread that ends has its pending writes cancelled",
        Kinds::HOLDING,
        thread_ends,
    ),
];

/// Plays [`LEAVE_A_WRITE`]; the exit code is the error of WriteFile.
pub(super) fn leave_a_write(os: &dyn Win32, handles: &[Handle]) -> u32 {
    let &[file] = handles else {
        return Win32Error::INVALID_PARAMETER.0;
    };
    let overlapped = os.overlapped(&Overlapped::default());
    let data = Data::Of(os.buffer(&block()));
    let returned = os.write_file(file, data, BLOCK, Count::Null, Some(overlapped));
    returned.error.0
}

/// The sink has let go of the write, which it counts as cancelled.
fn expect_cancelled_below(stage: &Stage<'_>, ends: &Ends) -> Ended {
    if !stage.is(Kinds::SINK) {
        return Ok(());
    }
    let seen = sink_state(stage, ends)?;
    stage.expect("writes that the device holds", 0, seen.outstanding)?;
    stage.expect("writes that the device has cancelled", 1, seen.cancelled)
}

fn process_ends(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let port = bind(stage, &ends)?;
    let process = stage
        .os()
        .spawn_process(LEAVE_A_WRITE, &[ends.writer])
        .map_err(trouble("CreateProcess"))?;
    let process = stage.keep(process);
    wait_until(stage, "the end of the process", process)?;
    let ended = stage.os().exit_code(process).map(Win32Error);
    stage.expect("what its write came to", Ok(Win32Error::IO_PENDING), ended)?;
    let packet = next_packet(stage, port)?;
    stage.expect(
        "the error of the packet",
        Some(Win32Error::OPERATION_ABORTED),
        packet.error,
    )?;
    expect_cancelled_below(stage, &ends)
}

fn thread_ends(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let (overlapped, event) = with_event(stage, 0)?;
    let data = Data::Of(stage.os().buffer(&block()));
    let slot = Slot::new();
    let theirs = slot.share();
    let file = ends.writer;
    let thread = stage
        .os()
        .spawn(Box::new(move |os| {
            theirs.put(os.write_file(file, data, BLOCK, Count::Null, Some(overlapped)));
        }))
        .map_err(trouble("CreateThread"))?;
    let thread = stage.keep(thread);
    wait_until(stage, "the end of the thread", thread)?;
    let pended = slot.take().map(|returned| returned.is_pending());
    stage.expect("its write pended", Some(true), pended)?;
    wait_until(stage, "the event of its write", event)?;
    let ended = result(stage, ends.writer, overlapped);
    stage.expect("the result", Err(Win32Error::OPERATION_ABORTED), ended)?;
    expect_cancelled_below(stage, &ends)
}
