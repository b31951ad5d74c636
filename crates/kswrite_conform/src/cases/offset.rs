//! Where a write goes.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

use super::steps::{
    BLOCK, block, contents, expect_arrived, length, open_file, outcome, read_at, sink_state, success,
    with_event, write_at, write_counted,
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage, trouble},
    target::Kinds,
    win32::{Access, Data, Disposition, From, Handle, NtWrite, Overlapped, UNTOUCHED},
};

/// `Offset` and `OffsetHigh` 0xFFFFFFFF.
const END: u64 = u64::MAX;
/// An offset that does not fit in 32 bits, next to one that does.
const BEYOND_4_GIB: u64 = (1 << 32) + 5;

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-13",
        "Offset and OffsetHigh say where a write starts, in 64 bits",
        Kinds::SEEKABLE,
        offset_of_a_write,
    ),
    Case::new(
        "WF-14",
        "the offset is ignored by what has none",
        Kinds::PIPE
            .and(Kinds::NAMED_PIPE)
            .and(Kinds::MESSAGE_PIPE)
            .and(Kinds::MAILSLOT)
            .and(Kinds::SOCKET),
        offset_is_ignored,
    ),
    Case::new(
        "WF-15",
        "Offset and OffsetHigh 0xFFFFFFFF append; the position of a synchronous handle is then the end",
        Kinds::FILE,
        append_synchronously,
    ),
    Case::new(
        "WF-15",
        "Offset and OffsetHigh 0xFFFFFFFF append; the position of an overlapped handle stays 0",
        Kinds::FILE,
        append_overlapped,
    ),
    Case::new(
        "WF-15",
        "Offset and OffsetHigh 0xFFFFFFFF reach a device, for which they are its end",
        Kinds::SINK,
        append_to_a_device,
    ),
    Case::new(
        "WF-16",
        "through a handle that may only append, every write goes to the end",
        Kinds::FILE,
        append_only_handle,
    ),
    Case::new(
        "WF-17",
        "offsets below -2 are refused, and the status block is not touched",
        Kinds::FILE,
        negative_offsets,
    ),
    Case::new(
        "WF-17",
        "offset -2 is the position of a synchronous handle, and refused on an overlapped one",
        Kinds::FILE,
        offset_of_the_position,
    ),
];

fn offset_of_a_write(stage: &Stage<'_>) -> Ended {
    for overlapped in [false, true] {
        let ends = stage.open(overlapped)?;
        let file = ends.writer;
        let low = block();
        let high: Vec<u8> = low.iter().rev().copied().collect();
        if stage.is(Kinds::FILE) {
            // Or the system would have 4 GiB of zeroes to write.
            stage
                .os()
                .make_sparse(file)
                .map_err(trouble("FSCTL_SET_SPARSE"))?;
        }
        for (offset, bytes) in [(7, &low), (BEYOND_4_GIB, &high)] {
            let written = write_at(stage, file, offset, bytes)?;
            stage.expect(&format!("the write at {offset}"), Ok(BLOCK), written)?;
            expect_arrived(stage, &ends, offset, bytes)?;
        }
        let end = BEYOND_4_GIB + u64::from(BLOCK);
        if stage.is(Kinds::SINK) {
            stage.expect("the end", end, sink_state(stage, &ends)?.high_water)?;
        } else {
            stage.expect("the end", Ok(end), stage.os().file_size(file))?;
            expect_arrived(stage, &ends, 7, &low)?;
        }
    }
    Ok(())
}

fn offset_is_ignored(stage: &Stage<'_>) -> Ended {
    for overlapped in [false, true] {
        if overlapped && stage.is(Kinds::PIPE) || !overlapped && stage.is(Kinds::SOCKET) {
            continue;
        }
        let ends = stage.open(overlapped)?;
        for offset in [0, 0x1234_5678_9ABC_DEF0, BEYOND_4_GIB, 3] {
            let written = write_at(stage, ends.writer, offset, &block())?;
            stage.expect(&format!("the write at {offset:#x}"), Ok(BLOCK), written)?;
            expect_arrived(stage, &ends, offset, &block())?;
        }
    }
    Ok(())
}

/// A file with an ordinary block in it.
fn file_with_a_block(stage: &Stage<'_>, overlapped: bool) -> Result<Ends, Stop> {
    let ends = stage.open(overlapped)?;
    let written = write_at(stage, ends.writer, 0, &block())?;
    stage.expect("the first bytes", Ok(BLOCK), written)?;
    Ok(ends)
}

fn append_synchronously(stage: &Stage<'_>) -> Ended {
    let file = file_with_a_block(stage, false)?.writer;
    let os = stage.os();
    os.set_file_pointer(file, 3, From::Begin)
        .map_err(trouble("SetFilePointerEx"))?;
    let (overlapped, _) = with_event(stage, END)?;
    let returned = write_counted(stage, file, b"tail", Some(overlapped));
    stage.expect("the write", success(4), returned)?;
    let position = os.set_file_pointer(file, 0, From::Current);
    stage.expect("the position", Ok(u64::from(BLOCK) + 4), position)?;
    stage.expect_bytes(
        "the file",
        &[&block()[..], b"tail"].concat(),
        &contents(stage, file)?,
    )
}

fn append_overlapped(stage: &Stage<'_>) -> Ended {
    let file = file_with_a_block(stage, true)?.writer;
    for _ in 0..2 {
        let written = write_at(stage, file, END, b"tail")?;
        stage.expect("the write", Ok(4), written)?;
    }
    let position = stage.os().set_file_pointer(file, 0, From::Current);
    stage.expect("the position", Ok(0), position)?;
    let all = [&block()[..], b"tailtail"].concat();
    stage.expect_bytes("the file", &all, &contents(stage, file)?)
}

fn append_to_a_device(stage: &Stage<'_>) -> Ended {
    let ends = file_with_a_block(stage, true)?;
    let written = write_at(stage, ends.writer, END, b"tail")?;
    stage.expect("the write", Ok(4), written)?;
    let end = u64::from(BLOCK);
    stage.expect("the end", end + 4, sink_state(stage, &ends)?.high_water)?;
    stage.expect_bytes("the last bytes", b"tail", &read_at(stage, ends.writer, end, 4)?)
}

fn append_only_handle(stage: &Stage<'_>) -> Ended {
    let path = stage.os().scratch_path(&stage.name("file"));
    let whole = open_file(stage, &path, Access::ReadWrite, Disposition::CreateAlways, false)?;
    let mut all = block();
    let returned = write_counted(stage, whole, &all, None);
    stage.expect("the first bytes", success(BLOCK), returned)?;
    for asynchronous in [false, true] {
        let file = open_file(
            stage,
            &path,
            Access::AppendData,
            Disposition::OpenExisting,
            asynchronous,
        )?;
        for (offset, bytes) in [(0, b"zero"), (100, b"mid."), (1_000_000, b"far."), (END, b"end.")] {
            // FILE_APPEND_DATA alone gives GetOverlappedResult no right to fail, and an event to wait for.
            let (overlapped, _) = with_event(stage, offset)?;
            let returned = write_counted(stage, file, bytes, Some(overlapped));
            let ended = outcome(stage, file, overlapped, returned);
            stage.expect(&format!("the write at {offset:#x}"), Ok(length(bytes)), ended)?;
            all.extend(bytes);
        }
        if !asynchronous {
            let returned = write_counted(stage, file, b"none", None);
            stage.expect("the write without an OVERLAPPED", success(4), returned)?;
            all.extend(b"none");
        }
    }
    stage.expect_bytes("the file", &all, &contents(stage, whole)?)
}

/// NtWriteFile of four bytes at this offset.
fn nt_write(stage: &Stage<'_>, file: Handle, offset: i64) -> (NtStatus, (u64, u64)) {
    let os = stage.os();
    let status_block = os.overlapped(&Overlapped::default());
    let status = os.nt_write_file(&NtWrite {
        file,
        event: None,
        apc: false,
        context: false,
        status_block,
        data: Data::Of(os.buffer(b"here")),
        length: 4,
        offset: Some(offset),
    });
    let now = os.overlapped_state(status_block);
    (status, (now.internal, now.internal_high))
}

fn refused(stage: &Stage<'_>, file: Handle, offset: i64) -> Ended {
    let (status, block) = nt_write(stage, file, offset);
    let untouched = (u64::from(UNTOUCHED), u64::from(UNTOUCHED));
    stage.expect(
        &format!("the status at {offset}"),
        NtStatus::INVALID_PARAMETER,
        status,
    )?;
    stage.expect(&format!("the status block at {offset}"), untouched, block)
}

fn negative_offsets(stage: &Stage<'_>) -> Ended {
    for overlapped in [false, true] {
        let file = file_with_a_block(stage, overlapped)?.writer;
        for offset in (-20..=-3).chain([i64::MIN]) {
            refused(stage, file, offset)?;
        }
        let (negative, _) = with_event(stage, (-3_i64).cast_unsigned())?;
        let returned = write_counted(stage, file, b"here", Some(negative));
        let seen = (returned.returned, returned.error);
        stage.expect("WriteFile at -3", (false, Win32Error::INVALID_PARAMETER), seen)?;
        stage.expect_bytes("the file", &block(), &contents(stage, file)?)?;
    }
    Ok(())
}

fn offset_of_the_position(stage: &Stage<'_>) -> Ended {
    const POSITION: i64 = -2;
    let file = file_with_a_block(stage, false)?.writer;
    let os = stage.os();
    os.set_file_pointer(file, 3, From::Begin)
        .map_err(trouble("SetFilePointerEx"))?;
    let (status, (_, information)) = nt_write(stage, file, POSITION);
    stage.expect(
        "on a synchronous handle",
        (NtStatus::SUCCESS, 4),
        (status, information),
    )?;
    let position = os.set_file_pointer(file, 0, From::Current);
    stage.expect("the position", Ok(7), position)?;
    let mut all = block();
    all.splice(3..7, *b"here");
    stage.expect_bytes("the file", &all, &contents(stage, file)?)?;

    let file = file_with_a_block(stage, true)?.writer;
    refused(stage, file, POSITION)
}
