//! IWTSVirtualChannel::Close, and OnClose.

use kswrite_core::NtStatus;
use kswrite_faces::channel::Bound;

use super::{
    steps::{Slot, at_once, block, sink_state, wait_until},
    wire::{CLOSED, Line, settle, until},
};
use crate::{
    case::{Case, Ended, Stop},
    faces::{Disconnect, HResult, Reaction},
    stage::{Stage, trouble},
    target::Kinds,
    win32::Handle,
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "DV-04",
        "Close cancels the write that the device has, and drops those that wait",
        Kinds::SINK,
        close_cancels,
    ),
    Case::new(
        "DV-08",
        "Close calls OnClose once; a second Close and the last Release do not call it again",
        Kinds::SINK,
        called_once,
    ),
    Case::new(
        "DV-08",
        "of two threads that close at once one does, and OnClose is called once",
        Kinds::SINK,
        two_threads,
    ),
    Case::new(
        "DV-09",
        "the client disconnects: OnClose once, whether a write was on its way or not",
        Kinds::SINK,
        client_disconnects,
    ),
    Case::new(
        "DV-09",
        "the server closes: OnClose once, and what is on its way is cancelled",
        Kinds::SINK,
        server_closes,
    ),
    Case::new(
        "DV-09",
        "the last Release of an open channel closes it: OnClose once, and no reference is left",
        Kinds::SINK,
        released,
    ),
];

/// A channel with a write that the device has, and two that wait.
fn with_three<'a>(stage: &Stage<'a>) -> Result<Line<'a>, Stop> {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    stage.hold(&line.ends)?;
    for _ in 0..3 {
        line.take(stage, &block())?;
    }
    stage.expect("OnClose before", 0, line.closes())?;
    Ok(line)
}

/// The device has let go of its write, and is given no other.
fn expect_cancelled(stage: &Stage<'_>, line: &Line<'_>) -> Ended {
    until(stage, "the end of the write that the device has", || {
        sink_state(stage, &line.ends).is_ok_and(|state| state.outstanding == 0)
    })?;
    // Whatever came now would arrive.
    stage.script(&line.ends, &at_once(NtStatus::SUCCESS))?;
    settle(stage);
    let seen = sink_state(stage, &line.ends)?;
    stage.expect("writes that the device has cancelled", 1, seen.cancelled)?;
    stage.expect("writes that the device was given", 1, seen.writes)?;
    stage.expect("OnClose", 1, line.closes())
}

fn close_cancels(stage: &Stage<'_>) -> Ended {
    let line = with_three(stage)?;
    stage.expect("Close", HResult::OK, line.faces.channel_close(line.channel))?;
    line.drain(stage)?;
    expect_cancelled(stage, &line)?;
    let traffic = line.traffic();
    stage.expect("messages that were dropped", 3, traffic.dropped)?;
    stage.expect("messages that were written", 0, traffic.sent)?;
    stage.expect("bytes on their way", 0, traffic.bytes)?;
    stage.expect(
        "references after the last Release",
        0,
        stage.release_ref(line.channel),
    )
}

fn called_once(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    stage.expect("OnClose before", 0, line.closes())?;
    let close = || line.faces.channel_close(line.channel);
    stage.expect("Close", HResult::OK, close())?;
    stage.expect("OnClose when Close has returned", 1, line.closes())?;
    stage.expect("a second Close", CLOSED, close())?;
    line.faces.channel_disconnect(line.channel, Disconnect::Server);
    stage.expect(
        "references after the last Release",
        0,
        stage.release_ref(line.channel),
    )?;
    settle(stage);
    stage.expect("OnClose at last", 1, line.closes())
}

/// Starts a thread that closes the channel.
fn closer(stage: &Stage<'_>, line: &Line<'_>) -> Result<(Handle, Slot<HResult>), Stop> {
    let channel = line.channel;
    let slot = Slot::new();
    let theirs = slot.share();
    let thread = stage.os().spawn(Box::new(move |os| {
        theirs.put(os.faces().channel_close(channel));
    }));
    Ok((stage.keep(thread.map_err(trouble("CreateThread"))?), slot))
}

fn two_threads(stage: &Stage<'_>) -> Ended {
    let line = with_three(stage)?;
    let closers = [closer(stage, &line)?, closer(stage, &line)?];
    let (mut closed, mut late) = (0_u32, 0_u32);
    for (thread, slot) in closers {
        wait_until(stage, "the end of a thread", thread)?;
        match slot.take() {
            Some(HResult::OK) => closed += 1,
            Some(CLOSED) => late += 1,
            _ => {}
        }
    }
    stage.expect("threads that have closed it", 1, closed)?;
    stage.expect("threads that were told that it is closed", 1, late)?;
    expect_cancelled(stage, &line)
}

fn client_disconnects(stage: &Stage<'_>) -> Ended {
    let line = with_three(stage)?;
    line.faces.channel_disconnect(line.channel, Disconnect::Client);
    until(stage, "OnClose", || line.closes() == 1)?;
    stage.expect("Write after that", CLOSED, line.write(stage, &block()))?;
    stage.expect("Close after that", CLOSED, line.faces.channel_close(line.channel))?;
    expect_cancelled(stage, &line)?;
    let idle = Line::open(stage, Bound::Memory, Reaction::None)?;
    idle.faces.channel_disconnect(idle.channel, Disconnect::Client);
    until(stage, "OnClose of a channel without a write", || {
        idle.closes() == 1
    })?;
    stage.expect("Write after that", CLOSED, idle.write(stage, &block()))
}

fn server_closes(stage: &Stage<'_>) -> Ended {
    let line = with_three(stage)?;
    line.faces.channel_disconnect(line.channel, Disconnect::Server);
    stage.expect("OnClose", 1, line.closes())?;
    stage.expect("Write after that", CLOSED, line.write(stage, &block()))?;
    line.faces.channel_disconnect(line.channel, Disconnect::Server);
    line.drain(stage)?;
    expect_cancelled(stage, &line)
}

fn released(stage: &Stage<'_>) -> Ended {
    let line = with_three(stage)?;
    stage.expect(
        "references after the last Release",
        0,
        stage.release_ref(line.channel),
    )?;
    until(stage, "OnClose", || line.closes() == 1)?;
    expect_cancelled(stage, &line)
}
