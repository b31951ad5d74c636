//! OnDataReceived, what may be done in it, and the other end of a dynamic channel.

use kswrite_faces::{
    channel::Bound,
    chunk::{CHANNEL_CHUNK_LENGTH, CHANNEL_PDU_LENGTH},
    wts::OPTION_DYNAMIC,
};

use super::{
    codes::IO_INCOMPLETE,
    steps::{Slot, block, wait_until},
    wire::{CLOSED, Line, chunks, expect_messages, messages, numbered, open_wts, put, read_wts, wire},
};
use crate::{
    case::{Case, Ended},
    faces::{HResult, Reaction, Told},
    stage::{Stage, pattern, trouble},
    target::Kinds,
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "DV-11",
        "Write is allowed in OnDataReceived, and does not block it",
        Kinds::SINK,
        write_within,
    ),
    Case::new(
        "DV-11",
        "Close is allowed in OnDataReceived and in OnClose; OnClose comes once",
        Kinds::SINK,
        close_within,
    ),
    Case::new(
        "DV-11",
        "callbacks may come in any thread",
        Kinds::SINK,
        in_another_thread,
    ),
    Case::new(
        "DV-12",
        "OnDataReceived has each message of the peer once, with its size and its bytes, up to 10 MB",
        Kinds::SINK,
        messages_of_the_peer,
    ),
    Case::new(
        "DV-12",
        "nothing is received after Close",
        Kinds::SINK,
        nothing_after_close,
    ),
    Case::new(
        "DV-13",
        "the buffer of OnDataReceived is valid during the call: what was copied stays, whatever becomes of it",
        Kinds::SINK,
        valid_in_the_call,
    ),
    Case::new(
        "DV-14",
        "the server end of a dynamic channel reads the chunks of Write, each behind its header",
        Kinds::SINK,
        server_end,
    ),
];

/// Delivers a message that must be received.
fn deliver(stage: &Stage<'_>, line: &Line<'_>, message: &[u8]) -> Ended {
    let what = format!("a message of {} bytes", message.len());
    let delivered = line.faces.channel_deliver(line.channel, message);
    stage.expect(&what, HResult::OK, delivered)
}

fn told(line: &Line<'_>) -> Told {
    line.faces.channel_told(line.channel)
}

fn write_within(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::WriteBack)?;
    stage.hold(&line.ends)?;
    let all = [0, 1, 2].map(|number| numbered(0, number, 2000));
    for message in &all {
        deliver(stage, &line, message)?;
    }
    let answers = told(&line).answers;
    stage.expect("what Write returned", vec![HResult::OK; 3], answers)?;
    stage.expect("messages on their way", 3, line.traffic().messages)?;
    line.flow(stage)?;
    expect_messages(stage, line.ends.writer, &all)
}

fn close_within(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::Close)?;
    deliver(stage, &line, &block())?;
    let seen = told(&line);
    stage.expect("messages that were received", 1, seen.received.len())?;
    stage.expect("OnClose", 1, seen.closes)?;
    stage.expect(
        "Close in OnClose, and in OnDataReceived",
        vec![CLOSED, HResult::OK],
        seen.answers,
    )?;
    stage.expect("Write after that", CLOSED, line.write(stage, &block()))?;
    let own = Line::open(stage, Bound::Memory, Reaction::Close)?;
    stage.expect("Close", HResult::OK, own.faces.channel_close(own.channel))?;
    let seen = told(&own);
    stage.expect("OnClose of a Close from outside", 1, seen.closes)?;
    stage.expect("Close in it", vec![CLOSED], seen.answers)
}

fn in_another_thread(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::WriteBack)?;
    let channel = line.channel;
    let slot = Slot::new();
    let theirs = slot.share();
    let thread = stage.os().spawn(Box::new(move |os| {
        theirs.put(os.faces().channel_deliver(channel, &block()));
    }));
    let thread = stage.keep(thread.map_err(trouble("CreateThread"))?);
    deliver(stage, &line, &block())?;
    wait_until(stage, "the end of the other thread", thread)?;
    stage.expect("its message", Some(HResult::OK), slot.take())?;
    let answers = told(&line).answers;
    stage.expect("what Write returned", vec![HResult::OK; 2], answers)?;
    line.drain(stage)?;
    expect_messages(stage, line.ends.writer, &[block(), block()])
}

fn messages_of_the_peer(stage: &Stage<'_>) -> Ended {
    const CHUNK: usize = CHANNEL_CHUNK_LENGTH;
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    let all = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 1_000_000, 10_000_000].map(pattern);
    for message in &all {
        deliver(stage, &line, message)?;
    }
    let received = told(&line).received;
    stage.expect("messages that were received", all.len(), received.len())?;
    for (expected, seen) in all.iter().zip(&received) {
        stage.expect_bytes("a message that was received", expected, seen)?;
    }
    Ok(())
}

fn nothing_after_close(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    deliver(stage, &line, &block())?;
    stage.expect("Close", HResult::OK, line.faces.channel_close(line.channel))?;
    let late = line.faces.channel_deliver(line.channel, &block());
    stage.expect("a message after that", CLOSED, late)?;
    stage.expect("messages that were received", 1, told(&line).received.len())
}

fn valid_in_the_call(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::WriteBack)?;
    stage.hold(&line.ends)?;
    let all = [0, 1, 2].map(|number| numbered(1, number, 600));
    for message in &all {
        deliver(stage, &line, message)?;
    }
    let received = told(&line).received;
    for (expected, seen) in all.iter().zip(&received) {
        stage.expect_bytes("what the callback copied", expected, seen)?;
    }
    // What Write copied of the buffer is sent long after the buffer is gone.
    line.flow(stage)?;
    expect_messages(stage, line.ends.writer, &all)
}

fn server_end(stage: &Stage<'_>) -> Ended {
    let line = Line::open(stage, Bound::Memory, Reaction::None)?;
    let all = [pattern(2 * CHANNEL_CHUNK_LENGTH + 1), Vec::new(), block()];
    for message in &all {
        line.take(stage, message)?;
    }
    line.drain(stage)?;
    let sent = wire(stage, line.ends.writer)?;
    let (channel, ends) = open_wts(stage, Some(OPTION_DYNAMIC))?;
    put(stage, ends.writer, 0, &sent)?;
    let mut read = Vec::new();
    for chunk in chunks(&sent) {
        let seen = read_wts(stage, channel, 0, CHANNEL_PDU_LENGTH)?;
        stage.expect("a read", None, seen.as_ref().err().copied())?;
        let seen = seen.unwrap_or_default();
        let expected = [&chunk.header.to_bytes(), chunk.data.as_slice()].concat();
        stage.expect_bytes("a chunk with its header", &expected, &seen)?;
        read.extend(seen);
    }
    let more = read_wts(stage, channel, 0, CHANNEL_PDU_LENGTH)?;
    stage.expect("a read of more", Some(IO_INCOMPLETE), more.err())?;
    stage.expect("messages that the chunks make", true, messages(&read)? == all)
}
