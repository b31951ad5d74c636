//! Completion ports, and the modes that keep a completion from being told.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_wire::sink::Script;

use super::{
    codes::{BROKEN_PIPE, IO_DEVICE, NO_DATA},
    steps::{
        BLOCK, at_once, block, failure, outcome, pending_write, sink_state, success, wait_briefly,
        wait_until, with_event, write_counted,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage, held, trouble},
    target::Kinds,
    win32::{
        Data, Handle, NtWrite, Ov, Overlapped, Packet, Patience, SKIP_PORT_ON_SUCCESS, SKIP_SET_EVENT,
        UNTOUCHED, Waited,
    },
};

/// Named pipes.
const NAMED: Kinds = Kinds::NAMED_PIPE.and(Kinds::MESSAGE_PIPE);
/// What may be associated with a port and complete at once.
const AT_ONCE: Kinds = Kinds::SEEKABLE.and(Kinds::DEVICE).and(NAMED);

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-46",
        "a packet has the byte count, the key of the file and the OVERLAPPED",
        Kinds::HOLDING.and(Kinds::FILE),
        what_a_packet_has,
    ),
    Case::new(
        "WF-62",
        "a packet comes even if WriteFile has returned TRUE",
        AT_ONCE,
        packet_of_a_success,
    ),
    Case::new(
        "WF-62",
        "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS: no packet if WriteFile has returned TRUE",
        AT_ONCE,
        skipped_packet_of_a_success,
    ),
    Case::new(
        "WF-62",
        "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS: a write that pends has its packet all the same",
        Kinds::HOLDING,
        packet_of_a_pending_write,
    ),
    Case::new(
        "WF-63",
        "a write that fails at once has no packet",
        Kinds::SINK.and(NAMED),
        no_packet_of_a_failure,
    ),
    Case::new(
        "WF-63",
        "a write that fails later has a packet with its error",
        Kinds::SINK,
        packet_of_a_late_failure,
    ),
    Case::new(
        "WF-64",
        "an event whose low bit is set: the event is signalled, and no packet comes",
        Kinds::SEEKABLE.and(Kinds::NAMED_PIPE),
        low_bit_of_the_event,
    ),
    Case::new(
        "WF-65",
        "FILE_SKIP_SET_EVENT_ON_HANDLE: the handle is not signalled",
        Kinds::HOLDING,
        handle_is_not_signalled,
    ),
    Case::new(
        "WF-65",
        "FILE_SKIP_SET_EVENT_ON_HANDLE: an event of one's own is signalled all the same",
        Kinds::HOLDING,
        event_is_signalled,
    ),
    Case::new(
        "WF-65",
        "notification modes cannot be taken back",
        Kinds::HOLDING,
        modes_stay,
    ),
    Case::new(
        "WF-65",
        "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS is refused for a synchronous handle",
        Kinds::SEEKABLE,
        mode_of_a_synchronous_handle,
    ),
    Case::new(
        "WF-66",
        "a completion port and an APC exclude each other: NtWriteFile is STATUS_INVALID_PARAMETER",
        Kinds::SEEKABLE,
        port_and_apc,
    ),
    Case::new(
        "WF-66",
        "a completion port and an APC exclude each other: WriteFileEx is ERROR_INVALID_PARAMETER",
        Kinds::SEEKABLE,
        port_and_write_file_ex,
    ),
];

/// The key of the cases' files.
const KEY: u64 = 0x4B53;

/// Associates the file with a port of its own.
pub(super) fn bind(stage: &Stage<'_>, ends: &Ends) -> Result<Handle, Stop> {
    let port = stage.port()?;
    let bound = stage.os().associate(ends.writer, port, KEY);
    bound.map_err(trouble("CreateIoCompletionPort"))?;
    Ok(port)
}

/// The packet that must come.
pub(super) fn next_packet(stage: &Stage<'_>, port: Handle) -> Result<Packet, Stop> {
    let packet = stage.os().dequeue(port, Patience::UntilOver);
    packet
        .map_err(trouble("GetQueuedCompletionStatus"))?
        .ok_or_else(|| Stop::Trouble("no packet came".to_owned()))
}

fn expect_packet(stage: &Stage<'_>, port: Handle, ended: Result<u32, Win32Error>, overlapped: Ov) -> Ended {
    let expected = Packet {
        error: ended.err(),
        bytes: ended.unwrap_or_default(),
        key: KEY,
        overlapped: Some(overlapped),
    };
    let packet = next_packet(stage, port)?;
    let same = packet.overlapped == Some(overlapped);
    stage.expect("the packet has the OVERLAPPED of the write", true, same)?;
    stage.expect("the packet", expected, packet)
}

fn expect_no_packet(stage: &Stage<'_>, port: Handle) -> Ended {
    let packet = stage.os().dequeue(port, Patience::Briefly);
    let packet = packet.map_err(trouble("GetQueuedCompletionStatus"))?;
    stage.expect("a packet", None, packet)
}

/// Makes a sink complete writes at once; other targets do so if they like.
fn complete_at_once(stage: &Stage<'_>, ends: &Ends) -> Ended {
    if stage.is(Kinds::SINK) {
        stage.script(ends, &at_once(NtStatus::SUCCESS))?;
    }
    Ok(())
}

fn what_a_packet_has(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    if stage.is(Kinds::HOLDING) {
        stage.hold(&ends)?;
    }
    let port = bind(stage, &ends)?;
    let overlapped = stage.os().overlapped(&Overlapped::default());
    let returned = stage.write(&ends, &block(), Some(overlapped));
    if stage.is(Kinds::HOLDING) {
        stage.expect("a write that pends", true, returned.is_pending())?;
        expect_no_packet(stage, port)?;
        stage.let_go(&ends, BLOCK as usize)?;
    }
    expect_packet(stage, port, Ok(BLOCK), overlapped)?;
    expect_no_packet(stage, port)
}

fn packet_of_a_success(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    complete_at_once(stage, &ends)?;
    let port = bind(stage, &ends)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    if stage.is(Kinds::SINK) {
        stage.expect("a write that ends at once", success(BLOCK), returned)?;
    } else {
        stage.report("WriteFile", &returned);
    }
    expect_packet(stage, port, Ok(BLOCK), overlapped)?;
    expect_no_packet(stage, port)
}

fn skipped_packet_of_a_success(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    complete_at_once(stage, &ends)?;
    let port = bind(stage, &ends)?;
    set_modes(stage, &ends, SKIP_PORT_ON_SUCCESS)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    if stage.is(Kinds::SINK) {
        stage.expect("a write that ends at once", success(BLOCK), returned)?;
    } else {
        stage.report("WriteFile", &returned);
    }
    if returned.is_pending() {
        expect_packet(stage, port, Ok(BLOCK), overlapped)?;
    }
    expect_no_packet(stage, port)
}

fn packet_of_a_pending_write(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let port = bind(stage, &ends)?;
    set_modes(stage, &ends, SKIP_PORT_ON_SUCCESS)?;
    let overlapped = pending_write(stage, &ends)?;
    stage.let_go(&ends, BLOCK as usize)?;
    expect_packet(stage, port, Ok(BLOCK), overlapped)
}

fn no_packet_of_a_failure(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let port = bind(stage, &ends)?;
    let errors = if let Some(peer) = ends.peer {
        stage.close(peer)?;
        vec![failure(NO_DATA), failure(BROKEN_PIPE)]
    } else {
        stage.script(&ends, &at_once(NtStatus::IO_DEVICE_ERROR))?;
        vec![failure(IO_DEVICE)]
    };
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect_one_of("a write that fails at once", &errors, returned)?;
    expect_no_packet(stage, port)
}

fn packet_of_a_late_failure(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let failing = Script {
        status: NtStatus::IO_DEVICE_ERROR.0,
        ..held()
    };
    stage.script(&ends, &failing)?;
    let port = bind(stage, &ends)?;
    let overlapped = pending_write(stage, &ends)?;
    stage.let_go(&ends, BLOCK as usize)?;
    expect_packet(stage, port, Err(IO_DEVICE), overlapped)
}

fn low_bit_of_the_event(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let holds = stage.is(Kinds::HOLDING);
    if holds {
        stage.hold(&ends)?;
    }
    let port = bind(stage, &ends)?;
    let event = stage.event(true, false)?;
    let overlapped = stage.os().overlapped(&Overlapped {
        event: Some(event),
        no_packet: true,
        ..Overlapped::default()
    });
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    if holds {
        stage.expect("a write that pends", true, returned.is_pending())?;
        stage.let_go(&ends, BLOCK as usize)?;
    }
    wait_until(stage, "the event", event)?;
    stage.expect(
        "the write",
        Ok(BLOCK),
        outcome(stage, ends.writer, overlapped, returned),
    )?;
    expect_no_packet(stage, port)
}

fn set_modes(stage: &Stage<'_>, ends: &Ends, modes: u8) -> Ended {
    let set = stage.os().set_notification_modes(ends.writer, modes);
    set.map_err(trouble("SetFileCompletionNotificationModes"))
}

/// A write without an event that has ended, by the word of a port; the state of the handle after it.
fn handle_after_a_write(stage: &Stage<'_>, ends: &Ends, port: Handle) -> Result<Waited, Stop> {
    let overlapped = stage.os().overlapped(&Overlapped::default());
    let returned = stage.write(ends, &block(), Some(overlapped));
    stage.expect("a write that pends", true, returned.is_pending())?;
    stage.let_go(ends, BLOCK as usize)?;
    expect_packet(stage, port, Ok(BLOCK), overlapped)?;
    wait_briefly(stage, ends.writer)
}

fn handle_is_not_signalled(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let port = bind(stage, &ends)?;
    set_modes(stage, &ends, SKIP_SET_EVENT)?;
    let waited = handle_after_a_write(stage, &ends, port)?;
    stage.expect("the handle after the write", Waited::TimedOut, waited)
}

fn event_is_signalled(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    set_modes(stage, &ends, SKIP_SET_EVENT)?;
    let (overlapped, event) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("a write that pends", true, returned.is_pending())?;
    stage.let_go(&ends, BLOCK as usize)?;
    let waited = wait_briefly(stage, event)?;
    stage.expect("the event after the write", Waited::Signalled, waited)
}

fn modes_stay(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let port = bind(stage, &ends)?;
    set_modes(stage, &ends, SKIP_SET_EVENT)?;
    let none = stage.os().set_notification_modes(ends.writer, 0);
    stage.report("setting no mode after one was set", &none);
    let waited = handle_after_a_write(stage, &ends, port)?;
    stage.expect("the handle after the write", Waited::TimedOut, waited)
}

fn mode_of_a_synchronous_handle(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let set = stage
        .os()
        .set_notification_modes(ends.writer, SKIP_PORT_ON_SUCCESS);
    let refused = Err(Win32Error::INVALID_PARAMETER);
    stage.expect("SetFileCompletionNotificationModes", refused, set)
}

/// Nothing may have come of a write that was refused.
fn expect_nothing_sent(stage: &Stage<'_>, ends: &Ends, port: Handle) -> Ended {
    expect_no_packet(stage, port)?;
    if stage.is(Kinds::SINK) {
        let seen = sink_state(stage, ends)?;
        return stage.expect("writes that reached the device", 0, seen.writes + seen.failed);
    }
    let size = stage.os().file_size(ends.writer);
    stage.expect("the size of the file", Ok(0), size)
}

fn port_and_apc(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let port = bind(stage, &ends)?;
    let status_block = stage.os().overlapped(&Overlapped::default());
    let status = stage.os().nt_write_file(&NtWrite {
        file: ends.writer,
        event: None,
        apc: true,
        context: true,
        status_block,
        data: Data::Of(stage.os().buffer(&block())),
        length: BLOCK,
        offset: Some(0),
    });
    stage.expect("NtWriteFile with an APC", NtStatus::INVALID_PARAMETER, status)?;
    let left = stage.os().overlapped_state(status_block);
    stage.expect("its status block", u64::from(UNTOUCHED), left.internal)?;
    expect_nothing_sent(stage, &ends, port)
}

fn port_and_write_file_ex(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let port = bind(stage, &ends)?;
    let overlapped = stage.os().overlapped(&Overlapped::default());
    let data = Data::Of(stage.os().buffer(&block()));
    let returned = stage.os().write_file_ex(ends.writer, data, BLOCK, overlapped);
    stage.expect("WriteFileEx returns", false, returned.returned)?;
    stage.expect("its error", Win32Error::INVALID_PARAMETER, returned.error)?;
    expect_nothing_sent(stage, &ends, port)
}
