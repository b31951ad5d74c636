//! WriteFileEx: a completion routine instead of an event.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_wire::sink::Script;

use super::{
    codes::IO_DEVICE,
    steps::{BLOCK, at_once, block, expect_arrived},
};
use crate::{
    case::{Case, Ended},
    stage::{Ends, Stage, held},
    target::Kinds,
    win32::{Data, Ov, Overlapped, Patience, Returned, Routine},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-71",
        "the routine of WriteFileEx runs in an alertable wait, once",
        Kinds::OVERLAPPED,
        runs_once,
    ),
    Case::new(
        "WF-71",
        "the routine of WriteFileEx does not run while the write is pending",
        Kinds::HOLDING,
        not_while_pending,
    ),
    Case::new(
        "WF-71",
        "the routine of WriteFileEx is told the error of a write that fails later",
        Kinds::SINK,
        told_the_error,
    ),
    Case::new(
        "WF-71",
        "WriteFileEx that fails at once returns FALSE, and its routine does not run",
        Kinds::SINK,
        fails_at_once,
    ),
];

const SUCCESS: Win32Error = Win32Error(0);

fn write_ex(stage: &Stage<'_>, ends: &Ends) -> (Returned, Ov) {
    let overlapped = stage.os().overlapped(&Overlapped::default());
    let data = Data::Of(stage.os().buffer(&block()));
    let returned = stage.os().write_file_ex(ends.writer, data, BLOCK, overlapped);
    (returned, overlapped)
}

fn expect_none(stage: &Stage<'_>, what: &str) -> Ended {
    stage.expect(what, 0, stage.os().sleep(Patience::Briefly).len())
}

fn expect_one(stage: &Stage<'_>, error: Win32Error, bytes: u32, overlapped: Ov) -> Ended {
    let ran = stage.os().sleep(Patience::UntilOver);
    stage.expect("routines that ran in an alertable wait", 1, ran.len())?;
    let expected = Routine {
        error,
        bytes,
        overlapped,
    };
    for routine in ran {
        stage.expect("the error that it was told", expected.error, routine.error)?;
        stage.expect("the bytes that it was told", expected.bytes, routine.bytes)?;
        let same = routine.overlapped == expected.overlapped;
        stage.expect("it was given the OVERLAPPED of the write", true, same)?;
    }
    expect_none(stage, "routines that ran in the next alertable wait")
}

fn runs_once(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let (returned, overlapped) = write_ex(stage, &ends);
    stage.expect("WriteFileEx returns", true, returned.returned)?;
    expect_one(stage, SUCCESS, BLOCK, overlapped)?;
    expect_arrived(stage, &ends, 0, &block())
}

fn not_while_pending(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let (returned, overlapped) = write_ex(stage, &ends);
    stage.expect("WriteFileEx returns", true, returned.returned)?;
    expect_none(stage, "routines that ran while it pends")?;
    stage.let_go(&ends, BLOCK as usize)?;
    expect_one(stage, SUCCESS, BLOCK, overlapped)
}

fn told_the_error(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let failing = Script {
        status: NtStatus::IO_DEVICE_ERROR.0,
        ..held()
    };
    stage.script(&ends, &failing)?;
    let (returned, overlapped) = write_ex(stage, &ends);
    stage.expect("WriteFileEx returns", true, returned.returned)?;
    stage.let_go(&ends, BLOCK as usize)?;
    expect_one(stage, IO_DEVICE, 0, overlapped)
}

fn fails_at_once(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.script(&ends, &at_once(NtStatus::IO_DEVICE_ERROR))?;
    let (returned, _) = write_ex(stage, &ends);
    stage.expect("WriteFileEx returns", false, returned.returned)?;
    stage.expect("its error", IO_DEVICE, returned.error)?;
    expect_none(stage, "routines that ran in an alertable wait")
}
