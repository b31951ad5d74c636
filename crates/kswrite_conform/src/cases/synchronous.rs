//! Writes through a synchronous handle: where they begin, when they return, and what they move.

use kswrite_core::NtStatus;

use super::steps::{
    BLOCK, a_little_later, at_once, block, expect_arrived, read_at, success, with_event, write_counted,
};
use crate::{
    case::{Case, Ended},
    stage::{Ends, Stage},
    target::Kinds,
    win32::{From, Patience, Waited},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-54",
        "without OVERLAPPED a write begins at the position, which moves by its bytes",
        Kinds::FILE,
        at_the_position,
    ),
    Case::new(
        "WF-54",
        "a synchronous write returns when it is complete",
        Kinds::SINK,
        returns_when_complete,
    ),
    Case::new(
        "WF-55",
        "with OVERLAPPED a synchronous write begins at its offset, and sets the position behind it",
        Kinds::FILE,
        at_the_offset,
    ),
    Case::new(
        "WF-55",
        "with OVERLAPPED a synchronous write blocks too",
        Kinds::SINK,
        blocks_with_overlapped,
    ),
    Case::new(
        "WF-56",
        "the offset in the OVERLAPPED of a synchronous write: the documentation says that it is updated",
        Kinds::SEEKABLE,
        offset_in_overlapped,
    ),
    Case::new(
        "WF-57",
        "the event in the OVERLAPPED of a synchronous write is signalled",
        Kinds::SEEKABLE,
        event_in_overlapped,
    ),
];

/// Bytes that differ from the ordinary ones.
fn other() -> Vec<u8> {
    block().into_iter().map(|byte| !byte).collect()
}

fn expect_position(stage: &Stage<'_>, ends: &Ends, position: u64) -> Ended {
    let seen = stage.os().set_file_pointer(ends.writer, 0, From::Current);
    stage.expect("the position", Ok(position), seen)
}

fn at_the_position(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.expect(
        "the first write",
        success(BLOCK),
        stage.write(&ends, &block(), None),
    )?;
    expect_position(stage, &ends, BLOCK.into())?;
    let moved = stage.os().set_file_pointer(ends.writer, 100, From::Begin);
    stage.expect("a move of the position", Ok(100), moved)?;
    stage.expect(
        "the second write",
        success(BLOCK),
        stage.write(&ends, &other(), None),
    )?;
    expect_position(stage, &ends, 100 + u64::from(BLOCK))?;
    let all: Vec<u8> = block().into_iter().take(100).chain(other()).collect();
    stage.expect_bytes("the file", &all, &read_at(stage, ends.writer, 0, all.len() + 1)?)
}

fn returns_when_complete(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.script(&ends, &a_little_later(NtStatus::SUCCESS))?;
    let returned = stage.write(&ends, &block(), None);
    stage.expect(
        "a write that the device completes later",
        success(BLOCK),
        returned,
    )?;
    expect_arrived(stage, &ends, 0, &block())
}

fn at_the_offset(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.expect("a write at 0", success(BLOCK), stage.write(&ends, &block(), None))?;
    let (overlapped, _) = with_event(stage, 2000)?;
    let returned = write_counted(stage, ends.writer, &other(), Some(overlapped));
    stage.expect("a write at 2000", success(BLOCK), returned)?;
    expect_position(stage, &ends, 2000 + u64::from(BLOCK))?;
    expect_arrived(stage, &ends, 2000, &other())?;
    expect_arrived(stage, &ends, 0, &block())
}

fn blocks_with_overlapped(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    stage.script(&ends, &a_little_later(NtStatus::SUCCESS))?;
    let (overlapped, _) = with_event(stage, 4096)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect(
        "a write that the device completes later",
        success(BLOCK),
        returned,
    )?;
    expect_arrived(stage, &ends, 4096, &block())
}

fn offset_in_overlapped(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let offset = 4096;
    let (overlapped, _) = with_event(stage, offset)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("the write", success(BLOCK), returned)?;
    let after = stage.os().overlapped_state(overlapped).offset;
    let allowed = [offset, offset + u64::from(BLOCK)];
    stage.expect_one_of("the offset after a write of 512 bytes at 4096", &allowed, after)
}

fn event_in_overlapped(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(false)?;
    let scripts = [at_once(NtStatus::SUCCESS), a_little_later(NtStatus::SUCCESS)];
    for script in scripts.iter().take(if stage.is(Kinds::SINK) { 2 } else { 1 }) {
        if stage.is(Kinds::SINK) {
            stage.script(&ends, script)?;
        }
        let (overlapped, event) = with_event(stage, 0)?;
        let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
        stage.expect("the write", success(BLOCK), returned)?;
        let waited = stage.os().wait(event, Patience::Now);
        stage.expect("the event when it has returned", Ok(Waited::Signalled), waited)?;
    }
    Ok(())
}
