//! WTSVirtualChannelWrite.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_faces::chunk::CHANNEL_CHUNK_LENGTH;

use super::{
    codes::{INVALID_HANDLE, IO_DEVICE},
    steps::{BLOCK, Slot, at_once, block, failure, length, said, wait_until},
    wire::{
        chunks, expect_each_in_order, expect_messages, flags, numbered, open_wts, runs, wire, write_wts, wts,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    faces::Face,
    stage::{Stage, pattern, trouble},
    target::Kinds,
    win32::{Count, Data, Handle, Protection, Win32},
};

/// Messages that each of two threads writes.
const EACH: u8 = 8;
/// Bytes of each: three chunks.
const THREE_CHUNKS: usize = 3500;

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WV-01",
        "WTSVirtualChannelWrite: a channel, a buffer that is only read, its length and a count; a BOOL",
        Kinds::SINK,
        takes_a_buffer,
    ),
    Case::new(
        "WV-02",
        "nonzero on success, and a count of all bytes whatever the size",
        Kinds::SINK,
        counts_all,
    ),
    Case::new(
        "WV-03",
        "zero and an error: a closed channel",
        Kinds::SINK,
        fails_when_closed,
    ),
    Case::new(
        "WV-03",
        "zero and an error: no buffer, no count",
        Kinds::SINK,
        fails_without_memory,
    ),
    Case::new(
        "WV-03",
        "zero and an error: the device fails; the next message is none the worse",
        Kinds::SINK,
        fails_as_the_device,
    ),
    Case::new(
        "WV-04",
        "two threads that write at once: here each message is whole, and each thread's are in order",
        Kinds::SINK,
        two_threads,
    ),
    Case::new(
        "WV-07",
        "a message of any size is cut into chunks of 1600 bytes, each with the size of all and flags",
        Kinds::SINK,
        cut_into_chunks,
    ),
    Case::new(
        "WV-07",
        "messages of a dynamic channel are cut in the same way",
        Kinds::SINK,
        dynamic_cut_into_chunks,
    ),
];

fn takes_a_buffer(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    let faces = wts(stage)?;
    let buffer = stage.os().buffer(&block());
    stage.os().protect(buffer, Protection::ReadOnly);
    let returned = faces.wts_write(channel, Data::Of(buffer), BLOCK, Count::Wanted);
    stage.expect(
        "a write from memory that cannot be written",
        Ok(BLOCK),
        said(returned),
    )?;
    stage.expect_bytes("the buffer after it", &block(), &stage.os().bytes(buffer))?;
    expect_messages(stage, ends.writer, &[block()])
}

fn counts_all(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    let sizes = [1, 0, 512, CHANNEL_CHUNK_LENGTH, CHANNEL_CHUNK_LENGTH + 1, 70_000];
    let all = sizes.map(pattern);
    for message in &all {
        let what = format!("a write of {} bytes", message.len());
        let written = write_wts(stage, channel, message)?;
        stage.expect(&what, Ok(length(message)), written)?;
    }
    expect_messages(stage, ends.writer, &all)
}

fn fails_when_closed(stage: &Stage<'_>) -> Ended {
    let (channel, _) = open_wts(stage, None)?;
    stage.expect("close", true, stage.close_channel(channel).returned)?;
    let data = Data::Of(stage.os().buffer(&block()));
    let returned = wts(stage)?.wts_write(channel, data, BLOCK, Count::Wanted);
    stage.expect("a write", failure(INVALID_HANDLE), returned)
}

fn fails_without_memory(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    let faces = wts(stage)?;
    let returned = faces.wts_write(channel, Data::Null, BLOCK, Count::Wanted);
    stage.expect(
        "a write from NULL",
        failure(Win32Error::INVALID_PARAMETER),
        returned,
    )?;
    let returned = faces.wts_write(channel, Data::Null, u32::MAX, Count::Wanted);
    stage.expect(
        "a write of 4 GiB less a byte from NULL",
        failure(Win32Error::INVALID_PARAMETER),
        returned,
    )?;
    let data = Data::Of(stage.os().buffer(&block()));
    let returned = faces.wts_write(channel, data, BLOCK, Count::Null);
    let ended = said(returned);
    stage.expect(
        "a write without a count",
        Err(Win32Error::INVALID_PARAMETER),
        ended,
    )?;
    let returned = faces.wts_write(channel, Data::Null, 0, Count::Wanted);
    stage.expect("a write of nothing from NULL", Ok(0), said(returned))?;
    expect_messages(stage, ends.writer, &[Vec::new()])
}

fn fails_as_the_device(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    stage.script(&ends, &at_once(NtStatus::IO_DEVICE_ERROR))?;
    let data = Data::Of(stage.os().buffer(&block()));
    let returned = wts(stage)?.wts_write(channel, data, BLOCK, Count::Wanted);
    stage.expect("a write that the device fails", failure(IO_DEVICE), returned)?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let written = write_wts(stage, channel, &block())?;
    stage.expect("the next one", Ok(BLOCK), written)?;
    expect_messages(stage, ends.writer, &[block()])
}

/// Starts a thread that writes its messages; the slot has how many were written.
fn writer(stage: &Stage<'_>, channel: Face, writer: u8) -> Result<(Handle, Slot<u8>), Stop> {
    let slot = Slot::new();
    let theirs = slot.share();
    let body = move |os: &dyn Win32| {
        let wrote = |number: &u8| {
            let message = numbered(writer, *number, THREE_CHUNKS);
            let data = Data::Of(os.buffer(&message));
            let length = length(&message);
            let written = os.faces().wts_write(channel, data, length, Count::Wanted);
            written.count == Some(length)
        };
        theirs.put(u8::try_from((0..EACH).filter(wrote).count()).unwrap_or_default());
    };
    let thread = stage.os().spawn(Box::new(body));
    Ok((stage.keep(thread.map_err(trouble("CreateThread"))?), slot))
}

fn two_threads(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    let threads = [writer(stage, channel, 0)?, writer(stage, channel, 1)?];
    for (thread, wrote) in threads {
        wait_until(stage, "the end of a writer", thread)?;
        stage.expect("messages that a thread has written", Some(EACH), wrote.take())?;
    }
    expect_each_in_order(stage, ends.writer, 2, EACH, THREE_CHUNKS)
}

/// Writes a message of `size` bytes to a channel of its own, and looks at its chunks.
fn look_at_chunks(stage: &Stage<'_>, open: Option<u32>, size: usize) -> Ended {
    let message = pattern(size);
    let (channel, ends) = open_wts(stage, open)?;
    let written = write_wts(stage, channel, &message)?;
    stage.expect(&format!("a write of {size} bytes"), Ok(length(&message)), written)?;
    let seen = chunks(&wire(stage, ends.writer)?);
    let count = size.div_ceil(CHANNEL_CHUNK_LENGTH).max(1);
    stage.expect("chunks", count, seen.len())?;
    let words = |index| match index {
        _ if count == 1 => "ONLY",
        0 => "FIRST",
        _ if index == count - 1 => "LAST",
        _ => "MIDDLE",
    };
    let expected = runs((0..count).map(words).map(str::to_owned));
    let flags = runs(seen.iter().map(|chunk| flags(chunk.header)));
    stage.expect("their flags", expected, flags)?;
    let lengths = runs(seen.iter().map(|chunk| chunk.header.length.to_string()));
    let all = runs(std::iter::repeat_n(size.to_string(), count));
    stage.expect("the size that each says", all, lengths)?;
    let full = |chunk: &super::wire::Seen| chunk.data.len() == CHANNEL_CHUNK_LENGTH;
    let others = seen
        .split_last()
        .is_none_or(|(_, others)| others.iter().all(full));
    stage.expect("all but the last have 1600 bytes", true, others)?;
    let joined: Vec<u8> = seen.into_iter().flat_map(|chunk| chunk.data).collect();
    stage.expect_bytes("what is in them", &message, &joined)?;
    stage.expect("close", true, stage.close_channel(channel).returned)
}

fn cut_into_chunks(stage: &Stage<'_>) -> Ended {
    [0, 1, 1599, 1600, 1601, 3200, 1_000_000]
        .into_iter()
        .try_for_each(|size| look_at_chunks(stage, None, size))
}

fn dynamic_cut_into_chunks(stage: &Stage<'_>) -> Ended {
    [0, 1600, 1601, 5000]
        .into_iter()
        .try_for_each(|size| look_at_chunks(stage, Some(kswrite_faces::wts::OPTION_DYNAMIC), size))
}
