//! Byte ranges that someone has locked.

use kswrite_client::Win32Error;

use super::{
    codes::LOCK_VIOLATION,
    steps::{BLOCK, block, failure, open_file, success, wait_until, with_event, write_counted},
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Stage, trouble},
    target::Kinds,
    win32::{Access, Disposition, Handle, Patience, Returned, Win32},
};

/// The role of a process that locks a range until it is told to leave. Handles: the file, an event that it sets, an
/// event that it waits for.
pub(super) const LOCK_A_RANGE: &str = "lock-a-range";

/// Where the locked range begins.
const START: u64 = 4096;
/// How long it is.
const LENGTH: u64 = 1024;

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-34",
        "a write into a range that another process has locked fails with ERROR_LOCK_VIOLATION",
        Kinds::FILE,
        locked_by_another_process,
    ),
    Case::new(
        "WF-34",
        "a lock belongs to a handle: it keeps out writes by another one of the same process",
        Kinds::FILE,
        locked_by_another_handle,
    ),
    Case::new(
        "WF-34",
        "a shared lock keeps out its owner's writes too",
        Kinds::FILE,
        shared_lock,
    ),
    Case::new(
        "WF-34",
        "an exclusive lock lets its owner write",
        Kinds::FILE,
        own_lock,
    ),
];

/// Two synchronous handles of a new file.
fn open_twice(stage: &Stage<'_>) -> Result<(Handle, Handle), Stop> {
    let path = stage.os().scratch_path(&stage.name("locked"));
    let first = open_file(stage, &path, Access::ReadWrite, Disposition::CreateAlways, false)?;
    let second = open_file(stage, &path, Access::ReadWrite, Disposition::OpenExisting, false)?;
    Ok((first, second))
}

fn write(stage: &Stage<'_>, file: Handle, offset: u64) -> Result<Returned, Stop> {
    let (overlapped, _) = with_event(stage, offset)?;
    Ok(write_counted(stage, file, &block(), Some(overlapped)))
}

fn expect_free_around(stage: &Stage<'_>, file: Handle) -> Ended {
    let before = write(stage, file, START - u64::from(BLOCK))?;
    stage.expect("a write that ends where the lock begins", success(BLOCK), before)?;
    let after = write(stage, file, START + LENGTH)?;
    stage.expect("a write that begins where the lock ends", success(BLOCK), after)
}

fn expect_locked(stage: &Stage<'_>, file: Handle) -> Ended {
    let returned = write(stage, file, START + LENGTH - 1)?;
    stage.expect(
        "a write of the last locked byte",
        failure(LOCK_VIOLATION),
        returned,
    )
}

fn lock(stage: &Stage<'_>, file: Handle, exclusive: bool) -> Ended {
    let locked = stage.os().lock_file(file, START, LENGTH, exclusive);
    locked.map_err(trouble("LockFileEx"))
}

fn unlock(stage: &Stage<'_>, file: Handle) -> Ended {
    let unlocked = stage.os().unlock_file(file, START, LENGTH);
    unlocked.map_err(trouble("UnlockFileEx"))
}

/// Plays [`LOCK_A_RANGE`]; the exit code is the error of the lock.
pub(super) fn lock_a_range(os: &dyn Win32, handles: &[Handle]) -> u32 {
    let &[file, locked, leave] = handles else {
        return Win32Error::INVALID_PARAMETER.0;
    };
    let taken = os.lock_file(file, START, LENGTH, true);
    let _told = os.set_event(locked, true);
    if let Err(error) = taken {
        return error.0;
    }
    let _left = os.wait(leave, Patience::UntilOver);
    let _unlocked = os.unlock_file(file, START, LENGTH);
    0
}

fn locked_by_another_process(stage: &Stage<'_>) -> Ended {
    let (file, theirs) = open_twice(stage)?;
    let locked = stage.event(true, false)?;
    let leave = stage.event(true, false)?;
    let process = stage
        .os()
        .spawn_process(LOCK_A_RANGE, &[theirs, locked, leave])
        .map_err(trouble("CreateProcess"))?;
    let process = stage.keep(process);
    wait_until(stage, "the lock of the other process", locked)?;
    let seen = expect_free_around(stage, file).and_then(|()| expect_locked(stage, file));
    stage.os().set_event(leave, true).map_err(trouble("SetEvent"))?;
    wait_until(stage, "the end of the other process", process)?;
    seen?;
    let ended = stage.os().exit_code(process);
    stage.expect("what the other process says of its lock", Ok(0), ended)?;
    stage.expect(
        "a write after the unlock",
        success(BLOCK),
        write(stage, file, START)?,
    )
}

fn locked_by_another_handle(stage: &Stage<'_>) -> Ended {
    let (file, other) = open_twice(stage)?;
    lock(stage, other, true)?;
    expect_free_around(stage, file)?;
    expect_locked(stage, file)?;
    unlock(stage, other)?;
    stage.expect(
        "a write after the unlock",
        success(BLOCK),
        write(stage, file, START)?,
    )
}

fn shared_lock(stage: &Stage<'_>) -> Ended {
    let (file, _) = open_twice(stage)?;
    lock(stage, file, false)?;
    expect_free_around(stage, file)?;
    expect_locked(stage, file)
}

fn own_lock(stage: &Stage<'_>) -> Ended {
    let (file, _) = open_twice(stage)?;
    lock(stage, file, true)?;
    stage.expect("a write by the owner", success(BLOCK), write(stage, file, START)?)?;
    unlock(stage, file)
}
