//! What WriteFile returns, and how the result of an overlapped write is learnt.

use kswrite_client::Win32Error;

use crate::{
    case::{Case, Ended},
    stage::{Stage, pattern},
    target::Kinds,
    win32::{Count, Data, LAST_ERROR_BEFORE, Overlapped, Returned},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-08",
        "the count is 0 before any work, and stays 0 on a failure and on ERROR_IO_PENDING",
        Kinds::HOLDING,
        count_is_zero_while_pending,
    ),
    Case::new(
        "WF-47",
        "GetOverlappedResult without waiting says ERROR_IO_INCOMPLETE while the write is pending",
        Kinds::HOLDING,
        result_of_a_pending_write,
    ),
];

fn count_is_zero_while_pending(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let event = stage.event(true, false)?;
    let overlapped = stage.os().overlapped(&Overlapped {
        event: Some(event),
        ..Overlapped::default()
    });
    let data = Data::Of(stage.os().buffer(&pattern(512)));
    let returned = stage
        .os()
        .write_file(ends.writer, data, 512, Count::Wanted, Some(overlapped));
    let pending = Returned {
        returned: false,
        error: Win32Error::IO_PENDING,
        count: Some(0),
    };
    stage.expect("a write that pends", pending, returned)?;
    stage.let_go(&ends, 512)?;
    let result = stage.os().get_overlapped_result(ends.writer, overlapped, true);
    let done = Returned {
        returned: true,
        error: LAST_ERROR_BEFORE,
        count: Some(512),
    };
    stage.expect("GetOverlappedResult", done, result)
}

fn result_of_a_pending_write(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let overlapped = stage.os().overlapped(&Overlapped::default());
    let returned = stage.write(&ends, &pattern(512), Some(overlapped));
    stage.expect("a write that pends", true, returned.is_pending())?;
    let result = stage.os().get_overlapped_result(ends.writer, overlapped, false);
    stage.expect("GetOverlappedResult returns", false, result.returned)?;
    stage.expect("its error", Win32Error(996), result.error)?;
    stage.let_go(&ends, 512)?;
    let result = stage.os().get_overlapped_result(ends.writer, overlapped, true);
    stage.expect("the count at last", Some(512), result.count)
}
