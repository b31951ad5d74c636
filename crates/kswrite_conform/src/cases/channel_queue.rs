//! What waits in a channel, and calls of several threads.

use kswrite_core::NtStatus;
use kswrite_faces::{
    channel::Bound,
    chunk::{CHANNEL_CHUNK_LENGTH, HEADER_BYTES, wire_bytes},
};

use super::{
    steps::{Slot, at_once, block, length, wait_until},
    wire::{
        CLOSED, FULL, Line, TOO_LONG, expect_each_in_order, expect_messages, messages, numbered, until, wire,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    faces::{HResult, Reaction},
    stage::{Stage, pattern, trouble},
    target::Kinds,
    win32::{Data, Handle, Win32},
};

/// Threads of the cases of several.
const WRITERS: u8 = 4;
/// Messages of each.
const EACH: u8 = 6;
/// Bytes of each: two chunks.
const TWO_CHUNKS: usize = 2000;

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "DV-03",
        "without a bound memory grows with what waits; depth and high-water mark say how much",
        Kinds::SINK,
        grows,
    ),
    Case::new(
        "DV-03",
        "with a bound a Write is refused when there is no room, and taken when the peer has made some",
        Kinds::SINK,
        refuses,
    ),
    Case::new(
        "DV-10",
        "any thread may write: each message is sent once and whole, each thread's in order",
        Kinds::SINK,
        several_writers,
    ),
    Case::new(
        "DV-10",
        "any thread may close while others write",
        Kinds::SINK,
        close_among_writers,
    ),
    Case::new(
        "DV-10",
        "any thread may take references and give them back; the object has one identity",
        Kinds::SINK,
        references,
    ),
];

/// Bytes of a message on the wire.
fn on_the_wire(bytes: usize) -> Result<usize, Stop> {
    wire_bytes(bytes, CHANNEL_CHUNK_LENGTH).map_err(|error| Stop::Trouble(error.to_string()))
}

fn grows(stage: &Stage<'_>) -> Ended {
    const MESSAGES: usize = 100;
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    stage.hold(&line.ends)?;
    let message = pattern(3000);
    for _ in 0..MESSAGES {
        line.take(stage, &message)?;
    }
    let bytes = MESSAGES * on_the_wire(message.len())?;
    let traffic = line.traffic();
    stage.expect("messages on their way", MESSAGES, traffic.messages)?;
    stage.expect("bytes on their way", bytes, traffic.bytes)?;
    line.flow(stage)?;
    let traffic = line.traffic();
    stage.expect("messages that were written", MESSAGES as u64, traffic.sent)?;
    stage.expect("bytes on their way at last", 0, traffic.bytes)?;
    stage.expect("the most messages", MESSAGES, traffic.most_messages)?;
    stage.expect("the most bytes", bytes, traffic.most_bytes)?;
    expect_messages(stage, line.ends.writer, &vec![message; MESSAGES])
}

fn refuses(stage: &Stage<'_>) -> Ended {
    let one = on_the_wire(block().len())?;
    let line = Line::open(stage, Bound::Bytes(2 * one), Reaction::None)?;
    stage.hold(&line.ends)?;
    line.take(stage, &block())?;
    line.take(stage, &block())?;
    stage.expect("Write without room", FULL, line.write(stage, &block()))?;
    stage.expect("Write of nothing without room", FULL, line.write(stage, &[]))?;
    let long = pattern(2 * one);
    stage.expect(
        "Write of more than there is room ever",
        TOO_LONG,
        line.write(stage, &long),
    )?;
    stage.expect("messages that were refused", 3, line.traffic().refused)?;
    // The device completes the first, and has the second then.
    stage.let_go(&line.ends, 0)?;
    until(stage, "the end of the first write", || line.traffic().sent == 1)?;
    line.take(stage, &block())?;
    stage.expect("Write without room again", FULL, line.write(stage, &block()))?;
    until(stage, "the second write", || {
        super::steps::sink_state(stage, &line.ends).is_ok_and(|state| state.outstanding == 1)
    })?;
    line.flow(stage)?;
    let whole = pattern(2 * one - HEADER_BYTES);
    line.take(stage, &whole)?;
    line.drain(stage)?;
    stage.expect("the most bytes", 2 * one, line.traffic().most_bytes)?;
    expect_messages(stage, line.ends.writer, &[block(), block(), block(), whole])
}

/// Starts a thread that writes its messages; the slot has what each Write returned.
fn writer(stage: &Stage<'_>, line: &Line<'_>, writer: u8) -> Result<(Handle, Slot<Vec<HResult>>), Stop> {
    let channel = line.channel;
    let slot = Slot::new();
    let theirs = slot.share();
    let body = move |os: &dyn Win32| {
        let write = |number: u8| {
            let message = numbered(writer, number, TWO_CHUNKS);
            let data = Data::Of(os.buffer(&message));
            os.faces().channel_write(channel, data, length(&message), false)
        };
        theirs.put((0..EACH).map(write).collect());
    };
    let thread = stage.os().spawn(Box::new(body));
    Ok((stage.keep(thread.map_err(trouble("CreateThread"))?), slot))
}

fn several_writers(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    // Their own time makes the device's completions meet the writes of others.
    stage.script(&line.ends, &super::steps::a_little_later(NtStatus::SUCCESS))?;
    let writers: Result<Vec<_>, _> = (0..WRITERS).map(|number| writer(stage, &line, number)).collect();
    let writers = writers?;
    stage.script(&line.ends, &at_once(NtStatus::SUCCESS))?;
    for (thread, slot) in writers {
        wait_until(stage, "the end of a writer", thread)?;
        let returned = slot.take().unwrap_or_default();
        stage.expect(
            "what its calls returned",
            vec![HResult::OK; EACH.into()],
            returned,
        )?;
    }
    line.drain(stage)?;
    expect_each_in_order(stage, line.ends.writer, WRITERS, EACH, TWO_CHUNKS)
}

fn close_among_writers(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    let writers: Result<Vec<_>, _> = (0..WRITERS).map(|number| writer(stage, &line, number)).collect();
    let closed = line.faces.channel_close(line.channel);
    stage.expect("Close", HResult::OK, closed)?;
    let mut taken = 0;
    for (thread, slot) in writers? {
        wait_until(stage, "the end of a writer", thread)?;
        let returned = slot.take().unwrap_or_default();
        let good = returned.iter().filter(|hresult| **hresult == HResult::OK).count();
        let closed = returned.iter().skip(good).all(|hresult| *hresult == CLOSED);
        stage.expect(
            "every call that is refused comes after those that are not",
            true,
            closed,
        )?;
        taken += good as u64;
    }
    line.drain(stage)?;
    let traffic = line.traffic();
    let all = traffic.sent + traffic.dropped == taken;
    stage.expect("every message that was taken was written or dropped", true, all)?;
    stage.expect("OnClose", 1, line.closes())?;
    let on_the_wire = messages(&wire(stage, line.ends.writer)?)?.len() as u64;
    let held = on_the_wire >= traffic.sent && on_the_wire <= taken;
    stage.expect(
        "messages on the wire are whole, and no more than were taken",
        true,
        held,
    )
}

fn references(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    let (faces, channel) = (line.faces, line.channel);
    stage.expect("one identity", true, faces.has_identity(channel))?;
    stage.expect("AddRef", 2, faces.add_ref(channel))?;
    stage.keep_ref(channel);
    let slot = Slot::new();
    let theirs = slot.share();
    let thread = stage.os().spawn(Box::new(move |os| {
        theirs.put((os.faces().add_ref(channel), os.faces().release_ref(channel)));
    }));
    let thread = stage.keep(thread.map_err(trouble("CreateThread"))?);
    wait_until(stage, "the end of the other thread", thread)?;
    stage.expect("AddRef and Release of another thread", Some((3, 2)), slot.take())?;
    stage.expect("Release", 1, stage.release_ref(channel))?;
    line.take(stage, &block())?;
    line.drain(stage)?;
    stage.expect("the last Release", 0, stage.release_ref(channel))?;
    stage.expect("OnClose", 1, line.closes())?;
    expect_messages(stage, line.ends.writer, &[block()])
}
