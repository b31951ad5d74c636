//! Buffers that the program may not read.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

use super::{
    codes::{INVALID_USER_BUFFER, NOACCESS},
    steps::{BLOCK, block, failure, sink_state},
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage},
    target::Kinds,
    win32::{Count, Data, NtWrite, Overlapped, Patience, Protection, UNTOUCHED, Waited},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-68",
        "a file system refuses bytes at NULL with ERROR_INVALID_USER_BUFFER",
        Kinds::FILE,
        null_to_a_file,
    ),
    Case::new(
        "WF-68",
        "a file system refuses memory without access with ERROR_INVALID_USER_BUFFER",
        Kinds::FILE,
        no_access_to_a_file,
    ),
    Case::new(
        "WF-68",
        "bytes at NULL for a device are ERROR_NOACCESS",
        Kinds::SINK,
        null_to_a_device,
    ),
    Case::new(
        "WF-68",
        "memory without access for a device is ERROR_NOACCESS",
        Kinds::SINK,
        no_access_to_a_device,
    ),
    Case::new(
        "WF-68",
        "a bad buffer resets the event, and leaves the status block alone",
        Kinds::SEEKABLE,
        event_and_status_block,
    ),
];

/// Memory that was made inaccessible.
fn no_access(stage: &Stage<'_>) -> Data {
    let buffer = stage.os().buffer(&block());
    stage.os().protect(buffer, Protection::NoAccess);
    Data::Of(buffer)
}

/// A write from there must fail so, and leave nothing behind.
fn expect_refused(stage: &Stage<'_>, what: &str, data: Data, error: Win32Error) -> Ended {
    let ends = stage.open(false)?;
    let returned = stage
        .os()
        .write_file(ends.writer, data, BLOCK, Count::Wanted, None);
    expect_nothing_written(stage, &ends)?;
    stage.expect(what, failure(error), returned)
}

fn expect_nothing_written(stage: &Stage<'_>, ends: &Ends) -> Ended {
    if stage.is(Kinds::SINK) {
        let bytes = sink_state(stage, ends)?.bytes;
        return stage.expect("bytes that the device has taken", 0, bytes);
    }
    let size = stage.os().file_size(ends.writer);
    stage.expect("the size of the file", Ok(0), size)
}

fn null_to_a_file(stage: &Stage<'_>) -> Ended {
    expect_refused(stage, "a write from NULL", Data::Null, INVALID_USER_BUFFER)
}

fn no_access_to_a_file(stage: &Stage<'_>) -> Ended {
    let data = no_access(stage);
    expect_refused(
        stage,
        "a write from memory without access",
        data,
        INVALID_USER_BUFFER,
    )
}

fn null_to_a_device(stage: &Stage<'_>) -> Ended {
    expect_refused(stage, "a write from NULL to a device", Data::Null, NOACCESS)
}

fn no_access_to_a_device(stage: &Stage<'_>) -> Ended {
    let data = no_access(stage);
    expect_refused(
        stage,
        "a write from memory without access to a device",
        data,
        NOACCESS,
    )
}

fn event_and_status_block(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let event = stage.event(true, true)?;
    let status_block = stage.os().overlapped(&Overlapped::default());
    let status = stage.os().nt_write_file(&NtWrite {
        file: ends.writer,
        event: Some(event),
        apc: false,
        context: false,
        status_block,
        data: Data::Null,
        length: BLOCK,
        offset: Some(0),
    });
    if !status.is_error() {
        return Err(Stop::Trouble(format!("NtWriteFile from NULL: {status}")));
    }
    let waited = stage.os().wait(event, Patience::Now);
    stage.expect("the event", Ok(Waited::TimedOut), waited)?;
    let left = stage.os().overlapped_state(status_block);
    stage.expect("the status", u64::from(UNTOUCHED), left.internal)?;
    stage.expect("the bytes", u64::from(UNTOUCHED), left.internal_high)?;
    let expected = if stage.is(Kinds::SINK) {
        NtStatus::ACCESS_VIOLATION
    } else {
        NtStatus::INVALID_USER_BUFFER
    };
    stage.expect("NtWriteFile from NULL", expected, status)
}
