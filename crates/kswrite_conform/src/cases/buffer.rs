//! The buffer, while a write is in progress and when there are no bytes in it.

use kswrite_core::NtStatus;
use kswrite_wire::{names::SinkKind, sink::Script};

use super::steps::{
    BLOCK, a_little_later, at_once, block, contents, length, outcome, read_at, result, sink_state, success,
    with_event, write_at, write_counted,
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Stage, pattern, trouble},
    target::Kinds,
    win32::{Count, Data, From, Handle},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-04",
        "the buffer belongs to the write until it completes: only a buffered device has a copy",
        Kinds::SINK,
        buffer_changed_while_pending,
    ),
    Case::new(
        "WF-05",
        "a write of no bytes neither extends nor truncates a file, and does not move the position",
        Kinds::FILE,
        no_bytes_to_a_file,
    ),
    Case::new(
        "WF-05",
        "a write of no bytes beyond the end of a file does not extend it",
        Kinds::FILE,
        no_bytes_beyond_the_end,
    ),
    Case::new(
        "WF-06",
        "a device is given the write of no bytes",
        Kinds::SINK,
        no_bytes_to_a_device,
    ),
    Case::new(
        "WF-06",
        "a write of no bytes is an empty message of a pipe of messages",
        Kinds::MESSAGE_PIPE,
        empty_message,
    ),
    Case::new(
        "WF-06",
        "a write of no bytes leaves nothing in a pipe of bytes",
        Kinds::PIPE.and(Kinds::NAMED_PIPE),
        no_bytes_to_a_pipe,
    ),
    Case::new(
        "WF-07",
        "Windows XP and Server 2003 cap a write to a pipe over the network at 31.97 to 63.97 MB",
        Kinds::NAMED_PIPE,
        caps_of_the_network,
    ),
];

fn buffer_changed_while_pending(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let old = block();
    let new = vec![0xEE; old.len()];
    let (overlapped, _) = with_event(stage, 0)?;
    let buffer = stage.os().buffer(&old);
    let returned = stage.os().write_file(
        ends.writer,
        Data::Of(buffer),
        BLOCK,
        Count::Null,
        Some(overlapped),
    );
    stage.expect("a write that pends", true, returned.is_pending())?;
    stage.os().set_bytes(buffer, 0, &new);
    stage.let_go(&ends, old.len())?;
    stage.expect("its result", Ok(BLOCK), result(stage, ends.writer, overlapped))?;
    let seen = read_at(stage, ends.writer, 0, old.len())?;
    if stage.target().sink() == Some(SinkKind::Buffered) {
        return stage.expect_bytes(
            "what a buffered device has, after the buffer was changed",
            &old,
            &seen,
        );
    }
    let which = if seen == old {
        "the old bytes"
    } else if seen == new {
        "the new bytes"
    } else {
        "some old and some new bytes"
    };
    stage.report("what the device has, after the buffer was changed", which);
    Ok(())
}

fn no_bytes_to_a_file(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let file = ends.writer;
    let os = stage.os();
    stage.expect(
        "the first bytes",
        success(BLOCK),
        write_counted(stage, file, &block(), None),
    )?;
    let moved = os.set_file_pointer(file, 5, From::Begin);
    moved.map_err(trouble("SetFilePointerEx"))?;
    for (what, data) in [
        ("no bytes", Data::Of(os.buffer(b"x"))),
        ("no bytes at NULL", Data::Null),
    ] {
        let returned = os.write_file(file, data, 0, Count::Wanted, None);
        stage.expect(what, success(0), returned)?;
    }
    let position = os.set_file_pointer(file, 0, From::Current);
    stage.expect("the position", Ok(5), position)?;
    stage.expect_bytes("the file", &block(), &contents(stage, file)?)
}

fn no_bytes_beyond_the_end(stage: &Stage<'_>) -> Ended {
    for overlapped in [false, true] {
        let file = stage.open(overlapped)?.writer;
        let written = write_at(stage, file, 0, &block())?;
        stage.expect("the first bytes", Ok(BLOCK), written)?;
        for offset in [100, 1_000_000] {
            let written = write_at(stage, file, offset, b"")?;
            stage.expect("no bytes", Ok(0), written)?;
        }
        stage.expect("the size", Ok(u64::from(BLOCK)), stage.os().file_size(file))?;
        stage.expect_bytes("the file", &block(), &contents(stage, file)?)?;
    }
    Ok(())
}

fn no_bytes_to_a_device(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let scripts: [(&str, Script); 3] = [
        ("fast I/O", Script::default()),
        ("an IRP", at_once(NtStatus::SUCCESS)),
        ("an IRP that pends", a_little_later(NtStatus::SUCCESS)),
    ];
    for (writes, (what, script)) in (1_u64..).zip(scripts) {
        stage.script(&ends, &script)?;
        let (overlapped, _) = with_event(stage, 0)?;
        let returned = stage
            .os()
            .write_file(ends.writer, Data::Null, 0, Count::Null, Some(overlapped));
        let ended = outcome(stage, ends.writer, overlapped, returned);
        stage.expect(&format!("no bytes, by {what}"), Ok(0), ended)?;
        let now = sink_state(stage, &ends)?;
        stage.expect(
            "writes and bytes that the device has",
            (writes, 0),
            (now.writes, now.bytes),
        )?;
    }
    Ok(())
}

/// ReadFile at the other end of a pipe.
fn read_once(stage: &Stage<'_>, peer: Handle) -> (bool, Vec<u8>) {
    let into = stage.os().buffer(&[0; 64]);
    let returned = stage.os().read_file(peer, into, 64, Count::Wanted, None);
    let count = returned.count.unwrap_or_default() as usize;
    let bytes = stage.os().bytes(into).into_iter().take(count);
    (returned.returned, bytes.collect())
}

fn empty_message(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let peer = ends.peer.unwrap_or(ends.writer);
    for message in [&b""[..], b"after it"] {
        let returned = write_counted(stage, ends.writer, message, None);
        stage.expect("WriteFile", success(length(message)), returned)?;
    }
    for message in [&b""[..], b"after it"] {
        let (returned, bytes) = read_once(stage, peer);
        stage.expect("ReadFile", true, returned)?;
        stage.expect_bytes("the message", message, &bytes)?;
    }
    Ok(())
}

fn no_bytes_to_a_pipe(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let peer = ends.peer.unwrap_or(ends.writer);
    for bytes in [&b""[..], b"after it"] {
        let returned = write_counted(stage, ends.writer, bytes, None);
        stage.expect("WriteFile", success(length(bytes)), returned)?;
    }
    let (returned, bytes) = read_once(stage, peer);
    stage.expect("ReadFile", true, returned)?;
    stage.expect_bytes("what is read first", b"after it", &bytes)?;
    // As much as the buffer holds still fits.
    let data = pattern(crate::stage::PIPE_BYTES as usize);
    let returned = write_counted(stage, ends.writer, &data, None);
    stage.expect("a bufferful", success(length(&data)), returned)
}

fn caps_of_the_network(_stage: &Stage<'_>) -> Ended {
    Err(Stop::NotRun(
        "only Windows XP and Windows Server 2003 have these caps, on pipes of another machine".to_owned(),
    ))
}
