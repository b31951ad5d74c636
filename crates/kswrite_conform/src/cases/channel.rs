//! IWTSVirtualChannel::Write.

use kswrite_core::NtStatus;
use kswrite_faces::{
    channel::Bound,
    chunk::{CHANNEL_CHUNK_LENGTH, wire_bytes},
};

use super::{
    steps::{BLOCK, at_once, block, length, sink_state},
    wire::{CLOSED, Line, expect_messages, numbered, settle, until},
};
use crate::{
    case::{Case, Ended, Stop},
    faces::{HResult, Reaction},
    stage::{Stage, pattern},
    target::Kinds,
    win32::Data,
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "DV-01",
        "Write starts a request and returns: the peer has taken nothing yet",
        Kinds::SINK,
        returns_at_once,
    ),
    Case::new(
        "DV-02",
        "Write copies: the buffer is the caller's again when it returns",
        Kinds::SINK,
        copies,
    ),
    Case::new(
        "DV-05",
        "cbSize is the bytes of the message, from none to millions",
        Kinds::SINK,
        sizes,
    ),
    Case::new(
        "DV-05",
        "pReserved must be NULL, and the buffer not",
        Kinds::SINK,
        bad_arguments,
    ),
    Case::new(
        "DV-06",
        "S_OK on success, an error after Close",
        Kinds::SINK,
        results,
    ),
    Case::new(
        "DV-06",
        "a device that fails a write closes the channel: the next Write says so",
        Kinds::SINK,
        failed_device,
    ),
    Case::new(
        "DV-07",
        "after Close every Write fails, and nothing of it is sent",
        Kinds::SINK,
        write_after_close,
    ),
];

fn returns_at_once(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    stage.hold(&line.ends)?;
    let all = [0, 1, 2].map(|number| numbered(0, number, 700));
    for message in &all {
        line.take(stage, message)?;
    }
    stage.expect("messages on their way", 3, line.traffic().messages)?;
    stage.expect("messages that were written", 0, line.traffic().sent)?;
    let outstanding = sink_state(stage, &line.ends)?.outstanding;
    stage.expect("writes that the device has", 1, outstanding)?;
    line.flow(stage)?;
    stage.expect("messages that were written at last", 3, line.traffic().sent)?;
    expect_messages(stage, line.ends.writer, &all)
}

fn copies(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    stage.hold(&line.ends)?;
    let buffer = stage.os().buffer(&block());
    let mut all = Vec::new();
    // The device has the first, and the channel keeps the others.
    for number in 0..3 {
        let message = numbered(0, number, block().len());
        stage.os().set_bytes(buffer, 0, &message);
        let written = line
            .faces
            .channel_write(line.channel, Data::Of(buffer), BLOCK, false);
        stage.expect("Write", HResult::OK, written)?;
        stage.os().set_bytes(buffer, 0, &[0xEE; BLOCK as usize]);
        all.push(message);
    }
    line.flow(stage)?;
    expect_messages(stage, line.ends.writer, &all)
}

fn sizes(stage: &Stage<'_>) -> Ended {
    const LONG: usize = 4_000_000;
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    let short = [0, 1, CHANNEL_CHUNK_LENGTH, CHANNEL_CHUNK_LENGTH + 1].map(pattern);
    for message in &short {
        line.take(stage, message)?;
    }
    line.drain(stage)?;
    expect_messages(stage, line.ends.writer, &short)?;
    let before = sink_state(stage, &line.ends)?.bytes;
    line.take(stage, &pattern(LONG))?;
    line.drain(stage)?;
    let bytes = wire_bytes(LONG, CHANNEL_CHUNK_LENGTH).map_err(|error| Stop::Trouble(error.to_string()))?;
    let taken = sink_state(stage, &line.ends)?.bytes - before;
    stage.expect("bytes of a long message on the wire", bytes as u64, taken)
}

fn bad_arguments(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    let data = Data::Of(stage.os().buffer(&block()));
    let write = |data, length, reserved| line.faces.channel_write(line.channel, data, length, reserved);
    stage.expect("pReserved", HResult::INVALID_ARG, write(data, BLOCK, true))?;
    stage.expect("pReserved of nothing", HResult::INVALID_ARG, write(data, 0, true))?;
    stage.expect(
        "NULL with a size",
        HResult::POINTER,
        write(Data::Null, BLOCK, false),
    )?;
    stage.expect(
        "NULL with 4 GiB less a byte",
        HResult::POINTER,
        write(Data::Null, u32::MAX, false),
    )?;
    stage.expect("NULL without a size", HResult::OK, write(Data::Null, 0, false))?;
    line.drain(stage)?;
    expect_messages(stage, line.ends.writer, &[Vec::new()])
}

fn results(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    line.take(stage, &block())?;
    line.drain(stage)?;
    let close = || line.faces.channel_close(line.channel);
    stage.expect("Close", HResult::OK, close())?;
    stage.expect("Write after Close", CLOSED, line.write(stage, &block()))?;
    stage.expect("a second Close", CLOSED, close())
}

fn failed_device(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    stage.script(&line.ends, &at_once(NtStatus::IO_DEVICE_ERROR))?;
    // The write of the device is over when the call returns, or later.
    stage.expect("Write", HResult::OK, line.write(stage, &block()))?;
    until(stage, "OnClose", || line.closes() == 1)?;
    stage.expect("Write after that", CLOSED, line.write(stage, &block()))?;
    let traffic = line.traffic();
    stage.expect("messages that were dropped", 1, traffic.dropped)?;
    stage.expect("messages that were written", 0, traffic.sent)
}

fn write_after_close(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    line.take(stage, &block())?;
    line.drain(stage)?;
    stage.expect("Close", HResult::OK, line.faces.channel_close(line.channel))?;
    for message in [block(), Vec::new(), pattern(5000)] {
        let what = format!("Write of {} bytes", length(&message));
        stage.expect(&what, CLOSED, line.write(stage, &message))?;
    }
    settle(stage);
    stage.expect("messages that were refused", 3, line.traffic().refused)?;
    expect_messages(stage, line.ends.writer, &[block()])
}
