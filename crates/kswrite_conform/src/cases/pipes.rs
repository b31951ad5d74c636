//! Pipes: closed, disconnected, full, and such as do not wait.

use super::{
    codes::{BROKEN_PIPE, NO_DATA, PIPE_LISTENING, PIPE_NOT_CONNECTED},
    steps::{
        BLOCK, block, failure, open_file, pending_write, result, success, wait_briefly, wait_until,
        with_event, write_counted, writer_thread,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, PIPE_BYTES, Stage, pattern, trouble},
    target::Kinds,
    win32::{Access, Count, Disposition, Handle, NamedPipe, Returned, Waited},
};

/// Named pipes.
const NAMED: Kinds = Kinds::NAMED_PIPE.and(Kinds::MESSAGE_PIPE);
/// Pipes of bytes.
const BYTES: Kinds = Kinds::PIPE.and(Kinds::NAMED_PIPE);

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-58",
        "a write to a pipe whose reader is gone is ERROR_BROKEN_PIPE by the documentation, ERROR_NO_DATA as seen",
        NAMED.and(Kinds::PIPE),
        reader_is_gone,
    ),
    Case::new(
        "WF-59",
        "a write to a disconnected pipe is ERROR_PIPE_NOT_CONNECTED, on either end",
        NAMED,
        disconnected,
    ),
    Case::new(
        "WF-59",
        "a write to a pipe that nobody has opened yet is ERROR_PIPE_LISTENING",
        NAMED,
        listening,
    ),
    Case::new(
        "WF-60",
        "a blocking write to a full pipe returns when a reader has made room",
        BYTES,
        blocks_while_full,
    ),
    Case::new(
        "WF-60",
        "an overlapped write to a full pipe pends until a reader has made room",
        Kinds::NAMED_PIPE,
        pends_while_full,
    ),
    Case::new(
        "WF-61",
        "a pipe that does not wait takes what it has room for",
        NAMED,
        no_wait_with_room,
    ),
    Case::new(
        "WF-61",
        "a pipe that does not wait and has too little room: TRUE, and fewer bytes",
        NAMED.and(Kinds::PIPE),
        no_wait_without_room,
    ),
    Case::new(
        "WF-61",
        "a pipe that does not wait gives a waiting reader what it asked for, and takes no more; a message is not split",
        NAMED,
        no_wait_with_a_reader,
    ),
];

/// The other end.
fn peer(ends: &Ends) -> Result<Handle, Stop> {
    ends.peer
        .ok_or_else(|| Stop::Trouble("a pipe has two ends".to_owned()))
}

fn reader_is_gone(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.close(peer(&ends)?)?;
    let returned = stage.write(&ends, &block(), None);
    let allowed = [NO_DATA, BROKEN_PIPE].map(failure);
    stage.expect_one_of("a write without a reader", &allowed, returned)
}

fn disconnected(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let server = peer(&ends)?;
    let done = stage.os().disconnect_named_pipe(server);
    done.map_err(trouble("DisconnectNamedPipe"))?;
    let expected = failure(PIPE_NOT_CONNECTED);
    let returned = write_counted(stage, server, &block(), None);
    stage.expect("a write by the server", expected, returned)?;
    stage.expect(
        "a write by the client",
        expected,
        stage.write(&ends, &block(), None),
    )
}

/// A pipe whose server is overlapped, nobody having opened the other end yet, and its name.
fn serve(stage: &Stage<'_>, overlapped: bool, quota: u32) -> Result<(Handle, String), Stop> {
    let name = stage.name(r"\\.\pipe\kswrite-own-");
    let server = stage.os().create_named_pipe(&NamedPipe {
        name: &name,
        message: stage.is(Kinds::MESSAGE_PIPE),
        overlapped,
        quota,
    });
    Ok((stage.keep(server.map_err(trouble("CreateNamedPipe"))?), name))
}

fn listening(stage: &Stage<'_>) -> Ended {
    let (server, _) = serve(stage, false, PIPE_BYTES)?;
    let returned = write_counted(stage, server, &block(), None);
    stage.expect(
        "a write before anyone is there",
        failure(PIPE_LISTENING),
        returned,
    )
}

fn blocks_while_full(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let full = pattern(PIPE_BYTES as usize);
    stage.expect(
        "a write that fills the pipe",
        success(PIPE_BYTES),
        stage.write(&ends, &full, None),
    )?;
    let (thread, slot) = writer_thread(stage, ends.writer)?;
    let waited = wait_briefly(stage, thread)?;
    stage.expect("the end of a thread that writes more", Waited::TimedOut, waited)?;
    let all = [full, block()].concat();
    stage.expect_bytes("what is read", &all, &stage.read(&ends, all.len())?)?;
    wait_until(stage, "the end of the thread", thread)?;
    stage.expect("its write", Some(success(BLOCK)), slot.take())
}

fn pends_while_full(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, &ends)?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect(
        "the result after the read",
        Ok(BLOCK),
        result(stage, ends.writer, overlapped),
    )
}

/// Room of the pipes that do not wait.
const ROOM: u32 = 512;

/// The client of a pipe that does not wait, and its server, which is overlapped.
fn open_without_waiting(stage: &Stage<'_>) -> Result<(Ends, Handle), Stop> {
    let (server, name) = serve(stage, true, ROOM)?;
    let writer = open_file(stage, &name, Access::ReadWrite, Disposition::OpenExisting, false)?;
    do_not_wait(stage, writer)?;
    Ok((Ends { writer, peer: None }, server))
}

fn do_not_wait(stage: &Stage<'_>, writer: Handle) -> Ended {
    let message = stage.is(Kinds::MESSAGE_PIPE);
    let set = stage.os().set_pipe_wait(writer, message, false);
    set.map_err(trouble("SetNamedPipeHandleState"))
}

fn no_wait_with_room(stage: &Stage<'_>) -> Ended {
    let (ends, _) = open_without_waiting(stage)?;
    let returned = stage.write(&ends, &pattern(ROOM as usize), None);
    stage.expect("a write of what there is room for", success(ROOM), returned)
}

/// A write of one byte more than there is room for, which must be TRUE with fewer bytes.
fn write_too_much(stage: &Stage<'_>, ends: &Ends, room: u32) -> Result<Returned, Stop> {
    let returned = stage.write(ends, &pattern(room as usize + 1), None);
    let count = returned.count.unwrap_or(u32::MAX);
    let holds = returned.returned && count <= room;
    let expected = format!("TRUE, count at most {room}");
    stage.expect_that(
        "a write of a byte more than there is room for",
        &expected,
        &returned,
        holds,
    )?;
    Ok(returned)
}

fn no_wait_without_room(stage: &Stage<'_>) -> Ended {
    if stage.is(Kinds::PIPE) {
        let ends = stage.open(false)?;
        do_not_wait(stage, ends.writer)?;
        return write_too_much(stage, &ends, PIPE_BYTES).map(drop);
    }
    let (ends, _) = open_without_waiting(stage)?;
    let returned = write_too_much(stage, &ends, ROOM)?;
    stage.expect("its count, with no reader waiting", Some(0), returned.count)
}

fn no_wait_with_a_reader(stage: &Stage<'_>) -> Ended {
    let (ends, server) = open_without_waiting(stage)?;
    let (overlapped, event) = with_event(stage, 0)?;
    let into = stage.os().buffer(&[0]);
    let read = stage
        .os()
        .read_file(server, into, 1, Count::Wanted, Some(overlapped));
    stage.expect("a read of one byte pends", true, read.is_pending())?;
    let message = stage.is(Kinds::MESSAGE_PIPE);
    let returned = stage.write(&ends, &pattern(ROOM as usize + 2), None);
    let taken = u32::from(!message);
    stage.expect("a write of 514 bytes to a pipe of 512", success(taken), returned)?;
    let waited = wait_briefly(stage, event)?;
    let ended = if message {
        Waited::TimedOut
    } else {
        Waited::Signalled
    };
    stage.expect("the end of the read", ended, waited)
}
