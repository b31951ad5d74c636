//! The file handle of WTSVirtualChannelQuery.

use kswrite_client::Win32Error;
use kswrite_faces::chunk::{CHANNEL_CHUNK_LENGTH, encode_into};

use super::{
    codes::INVALID_HANDLE,
    ports::{bind, next_packet},
    steps::{
        BLOCK, PENDING, beside_a_thread, block, failure, length, result, sink_state, wait_until, with_event,
        write_counted,
    },
    wire::{expect_messages, numbered, open_wts, write_wts, wts},
};
use crate::{
    case::{Case, Ended, Stop},
    stage::Stage,
    target::Kinds,
    win32::{Count, Data, Handle, Ov, Waited},
};

/// Messages of the case on their order.
const MESSAGES: u8 = 8;

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WV-05",
        "an overlapped write to the queried handle pends, resets its event, and ends with its bytes",
        Kinds::SINK,
        overlapped_write,
    ),
    Case::new(
        "WV-05",
        "writes to the queried handle are cancelled one by one",
        Kinds::SINK,
        cancelled_write,
    ),
    Case::new(
        "WV-05",
        "several threads have writes on the queried handle at once",
        Kinds::SINK,
        writes_of_two_threads,
    ),
    Case::new(
        "WV-06",
        "the queried handle is the channel's: a second query gives the same, and close closes it",
        Kinds::SINK,
        handle_of_the_channel,
    ),
    Case::new(
        "WV-06",
        "WTSVirtualChannelClose cancels what is pending on the queried handle",
        Kinds::SINK,
        close_cancels,
    ),
    Case::new(
        "WV-17",
        "overlapped messages on the queried handle complete in their order, and are on the wire in it",
        Kinds::SINK,
        order_of_messages,
    ),
];

/// A message as it is on the wire.
fn on_the_wire(message: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut wire = Vec::new();
    encode_into(&mut wire, message, CHANNEL_CHUNK_LENGTH, 0)
        .map_err(|error| Stop::Trouble(error.to_string()))?;
    Ok(wire)
}

fn overlapped_write(stage: &Stage<'_>) -> Ended {
    let (_, ends) = open_wts(stage, None)?;
    stage.hold(&ends)?;
    let wire = on_the_wire(&block())?;
    let (overlapped, event) = with_event(stage, 0)?;
    stage
        .os()
        .set_event(event, true)
        .map_err(crate::stage::trouble("SetEvent"))?;
    let returned = write_counted(stage, ends.writer, &wire, Some(overlapped));
    stage.expect("WriteFile", PENDING, returned)?;
    let waited = stage.os().wait(event, crate::win32::Patience::Now);
    stage.expect("the event while it pends", Ok(Waited::TimedOut), waited)?;
    stage.let_go(&ends, wire.len())?;
    wait_until(stage, "the event", event)?;
    let ended = result(stage, ends.writer, overlapped);
    stage.expect("the result", Ok(length(&wire)), ended)?;
    expect_messages(stage, ends.writer, &[block()])
}

/// Starts a write that must pend.
fn pending(stage: &Stage<'_>, file: Handle, offset: u64) -> Result<Ov, Stop> {
    let (overlapped, _) = with_event(stage, offset)?;
    let returned = write_counted(stage, file, &block(), Some(overlapped));
    stage.expect("a write that pends", PENDING, returned)?;
    Ok(overlapped)
}

fn cancelled_write(stage: &Stage<'_>) -> Ended {
    let (_, ends) = open_wts(stage, None)?;
    stage.hold(&ends)?;
    let first = pending(stage, ends.writer, 0)?;
    let second = pending(stage, ends.writer, BLOCK.into())?;
    let asked = stage.os().cancel_io_ex(ends.writer, Some(first));
    stage.expect("CancelIoEx of the first", true, asked.returned)?;
    let ended = result(stage, ends.writer, first);
    stage.expect("the first", Err(Win32Error::OPERATION_ABORTED), ended)?;
    let outstanding = sink_state(stage, &ends)?.outstanding;
    stage.expect("writes that the device still has", 1, outstanding)?;
    stage.let_go(&ends, block().len())?;
    stage.expect("the second", Ok(BLOCK), result(stage, ends.writer, second))
}

fn writes_of_two_threads(stage: &Stage<'_>) -> Ended {
    let (_, ends) = open_wts(stage, None)?;
    stage.hold(&ends)?;
    let wire = on_the_wire(&block())?;
    let bytes = length(&wire);
    let (ours, _) = with_event(stage, 0)?;
    let (theirs, _) = with_event(stage, bytes.into())?;
    let returned = write_counted(stage, ends.writer, &wire, Some(ours));
    stage.expect("the write of one thread", PENDING, returned)?;
    let data = Data::Of(stage.os().buffer(&wire));
    let file = ends.writer;
    beside_a_thread(
        stage,
        move |os| _ = os.write_file(file, data, bytes, Count::Null, Some(theirs)),
        |_| {
            let outstanding = sink_state(stage, &ends)?.outstanding;
            stage.expect("writes that the device has", 2, outstanding)?;
            stage.let_go(&ends, 2 * wire.len())?;
            stage.expect("the one", Ok(bytes), result(stage, file, ours))?;
            stage.expect("the other", Ok(bytes), result(stage, file, theirs))
        },
    )?;
    expect_messages(stage, ends.writer, &[block(), block()])
}

fn handle_of_the_channel(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    let again = wts(stage)?
        .wts_query_file(channel)
        .map(|file| file == ends.writer);
    stage.expect("a second query gives the same handle", Ok(true), again)?;
    let written = write_wts(stage, channel, &block())?;
    stage.expect("a write after WTSFreeMemory of both", Ok(BLOCK), written)?;
    stage.expect("close", true, stage.close_channel(channel).returned)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("WriteFile after that", failure(INVALID_HANDLE), returned)
}

fn close_cancels(stage: &Stage<'_>) -> Ended {
    let (channel, ends) = open_wts(stage, None)?;
    stage.hold(&ends)?;
    let (overlapped, event) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("a write that pends", PENDING, returned)?;
    stage.expect("close", true, stage.close_channel(channel).returned)?;
    wait_until(stage, "the event", event)?;
    let status = super::steps::status_in(stage.os().overlapped_state(overlapped));
    stage.expect("its status", kswrite_core::NtStatus::CANCELLED, status)
}

fn order_of_messages(stage: &Stage<'_>) -> Ended {
    let (_, ends) = open_wts(stage, None)?;
    let port = bind(stage, &ends)?;
    stage.hold(&ends)?;
    let mut begun = Vec::new();
    let mut all = Vec::new();
    let mut offset = 0;
    for number in 0..MESSAGES {
        let message = numbered(0, number, 100);
        let wire = on_the_wire(&message)?;
        let (overlapped, _) = with_event(stage, offset)?;
        let returned = write_counted(stage, ends.writer, &wire, Some(overlapped));
        stage.expect("a write that pends", PENDING, returned)?;
        offset += u64::from(length(&wire));
        begun.push(overlapped);
        all.push(message);
    }
    stage.let_go(&ends, 0)?;
    for overlapped in begun {
        let packet = next_packet(stage, port)?;
        stage.expect("a packet", None, packet.error)?;
        stage.expect(
            "it is of the write whose turn it is",
            true,
            packet.overlapped == Some(overlapped),
        )?;
    }
    // On a handle with a port the wire is read without telling it.
    expect_messages(stage, ends.writer, &all)
}
