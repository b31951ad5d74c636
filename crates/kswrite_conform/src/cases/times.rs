//! The last-write time.

use super::steps::{block, open_file};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage, trouble},
    target::Kinds,
    win32::{Access, Disposition, Handle, Patience},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-35",
        "the last-write time is final when all handles that write are closed",
        Kinds::FILE,
        time_after_the_close,
    ),
    Case::new(
        "WF-36",
        "the last-write time of a remote file is reliable only with unbuffered writes",
        Kinds::FILE,
        remote_time,
    ),
];

fn time_of(stage: &Stage<'_>, file: Handle) -> Result<u64, Stop> {
    let time = stage.os().last_write_time(file);
    time.map_err(trouble("GetFileTime"))
}

fn time_after_the_close(stage: &Stage<'_>) -> Ended {
    let path = stage.os().scratch_path(&stage.name("timed"));
    let writer = open_file(stage, &path, Access::ReadWrite, Disposition::CreateAlways, false)?;
    let created = time_of(stage, writer)?;
    // So that a time that is kept can differ from the one before.
    let _routines = stage.os().sleep(Patience::Briefly);
    let ends = Ends { writer, peer: None };
    let returned = stage.write(&ends, &block(), None);
    stage.expect("the write", true, returned.returned)?;
    let open = time_of(stage, writer)?;
    stage.close(writer)?;
    let reader = open_file(stage, &path, Access::Read, Disposition::OpenExisting, false)?;
    let closed = time_of(stage, reader)?;
    stage.report(
        "the write moved the time while the handle was open",
        &(open > created),
    );
    stage.report("the close moved the time once more", &(closed > open));
    let order = created <= open && open <= closed;
    stage.expect_that("the time goes back", "FALSE", &!order, order)?;
    let again = time_of(stage, reader)?;
    stage.expect("the time changes after the close", false, again != closed)
}

fn remote_time(_stage: &Stage<'_>) -> Ended {
    Err(Stop::NotRun(
        "it takes a file on another machine, and the time as that machine has it".to_owned(),
    ))
}
