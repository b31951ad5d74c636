//! Writes for which there is no memory, and very many writes.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_wire::names::SinkKind;

use super::{
    codes::{
        INVALID_USER_BUFFER, NO_SYSTEM_RESOURCES, NOT_ENOUGH_MEMORY, NOT_ENOUGH_QUOTA, WORKING_SET_QUOTA,
    },
    steps::{BLOCK, PENDING, at_once, block, result, sink_state, with_event, write_at, write_counted},
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage},
    target::Kinds,
    win32::{Ov, Resource},
};

/// More writes than anything should have in progress at once.
const MANY: u32 = 1000;
/// The errors of too many requests.
const TOO_MANY: [Win32Error; 4] = [
    INVALID_USER_BUFFER,
    NOT_ENOUGH_MEMORY,
    NO_SYSTEM_RESOURCES,
    NOT_ENOUGH_QUOTA,
];

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-23",
        "a request that cannot be made fails with an error of too many requests, and leaves nothing pending",
        Kinds::SINK,
        no_irp,
    ),
    Case::new(
        "WF-23",
        "a request whose buffer cannot be described fails likewise",
        Kinds::SINK,
        no_memory_for_the_buffer,
    ),
    Case::new(
        "WF-23",
        "a thousand writes pend at once, or fail with an error of too many requests; each completes",
        Kinds::SINK,
        very_many_writes,
    ),
    Case::new(
        "WF-24",
        "a buffer that cannot be locked is an error of the quota",
        Kinds::SINK,
        no_room_to_lock,
    ),
];

/// Makes the resource run out, writes, and checks the error and what is left of it.
fn write_without(stage: &Stage<'_>, resource: Resource, allowed: &[Win32Error]) -> Ended {
    let ends = stage.open(true)?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let (overlapped, _) = with_event(stage, 0)?;
    stage.os().exhaust(resource).map_err(Stop::NotRun)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("WriteFile returns", false, returned.returned)?;
    stage.expect_one_of("its error", allowed, returned.error)?;
    stage.expect("its count", Some(0), returned.count)?;
    let now = sink_state(stage, &ends)?;
    stage.expect(
        "writes that the device has",
        (0, 0),
        (now.writes, u64::from(now.outstanding)),
    )?;
    stage.expect(
        "the next write",
        Ok(BLOCK),
        write_at(stage, ends.writer, 0, &block())?,
    )
}

fn no_irp(stage: &Stage<'_>) -> Ended {
    write_without(stage, Resource::Irp, &TOO_MANY)
}

fn no_memory_for_the_buffer(stage: &Stage<'_>) -> Ended {
    let resource = match stage.target().sink() {
        Some(SinkKind::Buffered) => Resource::Quota,
        Some(SinkKind::Direct) => Resource::Mdl,
        _ => {
            return Err(Stop::NotRun(
                "the I/O manager makes nothing for the buffers of this device".to_owned(),
            ));
        }
    };
    write_without(stage, resource, &TOO_MANY)
}

fn no_room_to_lock(stage: &Stage<'_>) -> Ended {
    if stage.target().sink() != Some(SinkKind::Direct) {
        return Err(Stop::NotRun(
            "the I/O manager does not lock the buffers of this device".to_owned(),
        ));
    }
    write_without(
        stage,
        Resource::WorkingSet,
        &[NOT_ENOUGH_QUOTA, WORKING_SET_QUOTA],
    )
}

fn very_many_writes(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let (pending, refused) = submit_many(stage, &ends)?;
    stage.report("writes in progress at once", &pending.len());
    let outstanding = sink_state(stage, &ends)?.outstanding as usize;
    stage.expect("of which the device has", pending.len(), outstanding)?;
    if let Some(error) = refused {
        stage.expect_one_of("the error of one more", &TOO_MANY, error)?;
    }
    let released = stage.os().release(ends.writer).map_err(Stop::Trouble)?;
    stage.expect("of which were released", pending.len(), released as usize)?;
    let done = pending
        .iter()
        .filter(|overlapped| result(stage, ends.writer, **overlapped) == Ok(BLOCK))
        .count();
    stage.expect("of which succeeded", pending.len(), done)?;
    stage.expect("writes that are left", 0, sink_state(stage, &ends)?.outstanding)
}

/// Starts writes until one is refused; with which error.
fn submit_many(stage: &Stage<'_>, ends: &Ends) -> Result<(Vec<Ov>, Option<Win32Error>), Stop> {
    let mut pending = Vec::new();
    for _ in 0..MANY {
        let (overlapped, _) = with_event(stage, 0)?;
        let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
        if returned != PENDING {
            stage.expect(
                "a write that is not in progress returns",
                false,
                returned.returned,
            )?;
            return Ok((pending, Some(returned.error)));
        }
        pending.push(overlapped);
    }
    Ok((pending, None))
}
