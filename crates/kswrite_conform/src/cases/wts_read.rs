//! WTSVirtualChannelRead, and the purges. The sink gives back what was written, and so plays a client that echoes.

use kswrite_client::Win32Error;
use kswrite_faces::{
    chunk::{
        CHANNEL_CHUNK_LENGTH, CHANNEL_PDU_LENGTH, FLAG_FIRST, FLAG_LAST, FLAG_ONLY, HEADER_BYTES, Header,
    },
    wts::OPTION_DYNAMIC,
};

use super::{
    codes::{INVALID_HANDLE, IO_INCOMPLETE},
    steps::{BLOCK, Slot, block, read_at, said, wait_briefly, wait_until},
    wire::{open_wts, read_wts, write_wts, wts},
};
use crate::{
    case::{Case, Ended, Stop},
    faces::Face,
    stage::{Stage, pattern, trouble},
    target::Kinds,
    win32::{Count, Data, Handle, Waited},
};

/// `INFINITE`.
const INFINITE: u32 = u32::MAX;
/// Two full chunks and one byte.
const MESSAGE: usize = 2 * CHANNEL_CHUNK_LENGTH + 1;

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WV-08",
        "WTSVirtualChannelRead gives a chunk of at most 1600 bytes, and wants a buffer of as many",
        Kinds::SINK,
        one_chunk_a_call,
    ),
    Case::new(
        "WV-08",
        "where the header is with it, the buffer must have 1608 bytes",
        Kinds::SINK,
        buffer_with_a_header,
    ),
    Case::new(
        "WV-09",
        "a reader of a dynamic channel always sees headers",
        Kinds::SINK,
        headers_of_dynamic_channels,
    ),
    Case::new(
        "WV-09",
        "ReadFile on the queried handle sees headers",
        Kinds::SINK,
        headers_on_the_file_handle,
    ),
    Case::new(
        "WV-10",
        "a timeout of 0 polls, and another ends with ERROR_IO_INCOMPLETE",
        Kinds::SINK,
        timeouts,
    ),
    Case::new(
        "WV-10",
        "INFINITE waits until a chunk comes",
        Kinds::SINK,
        waits_for_a_chunk,
    ),
    Case::new(
        "WV-10",
        "INFINITE waits until the channel is closed",
        Kinds::SINK,
        waits_for_the_close,
    ),
    Case::new(
        "WV-15",
        "WTSVirtualChannelPurgeInput and PurgeOutput return TRUE, and nothing is lost",
        Kinds::SINK,
        purges,
    ),
];

/// A write that must succeed.
fn write(stage: &Stage<'_>, channel: Face, message: &[u8]) -> Ended {
    let written = write_wts(stage, channel, message)?;
    stage.expect("a write", Ok(super::steps::length(message)), written)
}

/// A read that must give these bytes.
fn expect_chunk(stage: &Stage<'_>, channel: Face, size: usize, expected: &[u8]) -> Ended {
    let seen = read_wts(stage, channel, 0, size)?;
    stage.expect("a read", None, seen.as_ref().err().copied())?;
    stage.expect_bytes("the chunk", expected, &seen.unwrap_or_default())
}

/// A read that must fail.
fn expect_error(stage: &Stage<'_>, what: &str, channel: Face, size: usize, expected: Win32Error) -> Ended {
    let seen = read_wts(stage, channel, 0, size)?;
    stage.expect(what, Some(expected), seen.err())
}

fn one_chunk_a_call(stage: &Stage<'_>) -> Ended {
    let (channel, _) = open_wts(stage, None)?;
    let message = pattern(MESSAGE);
    write(stage, channel, &message)?;
    for size in [0, 1, CHANNEL_CHUNK_LENGTH - 1] {
        let what = format!("a read into {size} bytes");
        expect_error(stage, &what, channel, size, Win32Error::INSUFFICIENT_BUFFER)?;
    }
    for chunk in message.chunks(CHANNEL_CHUNK_LENGTH) {
        // A larger buffer is not filled any further.
        let size = CHANNEL_CHUNK_LENGTH + chunk.len();
        expect_chunk(stage, channel, size, chunk)?;
    }
    expect_error(
        stage,
        "a read of more",
        channel,
        CHANNEL_CHUNK_LENGTH,
        IO_INCOMPLETE,
    )
}

fn buffer_with_a_header(stage: &Stage<'_>) -> Ended {
    let (channel, _) = open_wts(stage, Some(OPTION_DYNAMIC))?;
    write(stage, channel, &block())?;
    for size in [CHANNEL_CHUNK_LENGTH, CHANNEL_PDU_LENGTH - 1] {
        let what = format!("a read into {size} bytes");
        expect_error(stage, &what, channel, size, Win32Error::INSUFFICIENT_BUFFER)?;
    }
    expect_chunk(
        stage,
        channel,
        CHANNEL_PDU_LENGTH,
        &with_header(&block(), BLOCK, FLAG_ONLY),
    )
}

/// A chunk behind its header.
fn with_header(data: &[u8], length: u32, flags: u32) -> Vec<u8> {
    [&Header { length, flags }.to_bytes(), data].concat()
}

fn headers_of_dynamic_channels(stage: &Stage<'_>) -> Ended {
    let (channel, _) = open_wts(stage, Some(OPTION_DYNAMIC))?;
    let message = pattern(MESSAGE);
    write(stage, channel, &message)?;
    write(stage, channel, &[])?;
    let length = super::steps::length(&message);
    let chunks = message.chunks(CHANNEL_CHUNK_LENGTH);
    for (data, flags) in chunks.zip([FLAG_FIRST, 0, FLAG_LAST]) {
        expect_chunk(
            stage,
            channel,
            CHANNEL_PDU_LENGTH,
            &with_header(data, length, flags),
        )?;
    }
    expect_chunk(
        stage,
        channel,
        CHANNEL_PDU_LENGTH,
        &with_header(&[], 0, FLAG_ONLY),
    )
}

fn headers_on_the_file_handle(stage: &Stage<'_>) -> Ended {
    for flags in [None, Some(OPTION_DYNAMIC)] {
        let (channel, ends) = open_wts(stage, flags)?;
        write(stage, channel, &block())?;
        let seen = read_at(stage, ends.writer, 0, HEADER_BYTES + block().len())?;
        stage.expect_bytes(
            "what ReadFile reads",
            &with_header(&block(), BLOCK, FLAG_ONLY),
            &seen,
        )?;
        stage.expect("close", true, stage.close_channel(channel).returned)?;
    }
    Ok(())
}

fn timeouts(stage: &Stage<'_>) -> Ended {
    let (channel, _) = open_wts(stage, None)?;
    for timeout in [0, 1, 30] {
        let seen = read_wts(stage, channel, timeout, CHANNEL_CHUNK_LENGTH)?;
        let what = format!("a read of {timeout} ms where nothing is");
        stage.expect(&what, Some(IO_INCOMPLETE), seen.err())?;
    }
    write(stage, channel, &block())?;
    expect_chunk(stage, channel, CHANNEL_CHUNK_LENGTH, &block())
}

/// What a read came to.
type Read = Result<u32, Win32Error>;

/// A thread that reads without a limit.
fn reader(stage: &Stage<'_>, channel: Face) -> Result<(Handle, Slot<Read>), Stop> {
    let slot = Slot::new();
    let theirs = slot.share();
    let body = move |os: &dyn crate::win32::Win32| {
        let into = os.buffer(&[0; CHANNEL_CHUNK_LENGTH]);
        let size = u32::try_from(CHANNEL_CHUNK_LENGTH).unwrap_or_default();
        theirs.put(said(os.faces().wts_read(
            channel,
            INFINITE,
            into,
            size,
            Count::Wanted,
        )));
    };
    let thread = stage.os().spawn(Box::new(body));
    let thread = stage.keep(thread.map_err(trouble("CreateThread"))?);
    stage.expect("the read waits", Waited::TimedOut, wait_briefly(stage, thread)?)?;
    Ok((thread, slot))
}

fn waits_for_a_chunk(stage: &Stage<'_>) -> Ended {
    let (channel, _) = open_wts(stage, None)?;
    let (thread, read) = reader(stage, channel)?;
    write(stage, channel, &block())?;
    wait_until(stage, "the end of the reader", thread)?;
    stage.expect("the read", Some(Ok(BLOCK)), read.take())
}

fn waits_for_the_close(stage: &Stage<'_>) -> Ended {
    let (channel, _) = open_wts(stage, None)?;
    let (thread, read) = reader(stage, channel)?;
    stage.expect("close", true, stage.close_channel(channel).returned)?;
    wait_until(stage, "the end of the reader", thread)?;
    stage.expect("the read", Some(Err(INVALID_HANDLE)), read.take())
}

fn purges(stage: &Stage<'_>) -> Ended {
    let (channel, _) = open_wts(stage, None)?;
    write(stage, channel, &block())?;
    for (what, input) in [("a purge of the input", true), ("a purge of the output", false)] {
        let purged = wts(stage)?.wts_purge(channel, input);
        stage.expect(what, true, purged.returned)?;
    }
    expect_chunk(stage, channel, CHANNEL_CHUNK_LENGTH, &block())?;
    let data = Data::Of(stage.os().buffer(&block()));
    let again = said(wts(stage)?.wts_write(channel, data, BLOCK, Count::Wanted));
    stage.expect("a write after that", Ok(BLOCK), again)
}
