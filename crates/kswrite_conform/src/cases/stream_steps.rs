//! Steps that the cases of streams take.

use kswrite_client::Win32Error;

use super::steps::{BLOCK, block, length, with_event};
use crate::{
    case::{Ended, Stop},
    faces::{Answered, Face, HResult},
    stage::{Ends, Stage},
    target::Kinds,
    win32::{Count, Data, Ov, UNTOUCHED},
};

/// The targets that a stream can be over, and of which what arrives can be seen.
pub(super) const STREAMS: Kinds = Kinds::SEEKABLE.and(Kinds::NAMED_PIPE);

/// A write that pends.
pub(super) const PENDING: HResult = HResult::from_win32(Win32Error::IO_PENDING);
/// A write that was cancelled.
pub(super) const ABORTED: HResult = HResult::from_win32(Win32Error::OPERATION_ABORTED);
/// What OverlappedResult says of a write in progress.
pub(super) const INCOMPLETE: HResult = HResult::from_win32(Win32Error::IO_INCOMPLETE);

/// How an operation of a stream ended: its bytes, or the HRESULT.
pub(super) type Written = Result<u32, HResult>;

/// S_OK at once, with this count.
pub(super) const fn at_once_with(count: u32) -> Answered {
    Answered {
        hresult: HResult::OK,
        count: Some(count),
    }
}

/// Refused before anything was called: the count is not touched.
pub(super) const fn refused(hresult: HResult) -> Answered {
    Answered {
        hresult,
        count: Some(UNTOUCHED),
    }
}

/// The open target and a stream over it.
pub(super) fn open_stream(stage: &Stage<'_>) -> Result<(Ends, Face), Stop> {
    let faces = stage.faces();
    let ends = stage.open(true)?;
    let stream = faces.stream(ends.writer).map_err(Stop::Trouble)?;
    Ok((ends, stage.keep_ref(stream)))
}

/// WriteAsync of these bytes, with a count.
pub(super) fn write(stage: &Stage<'_>, stream: Face, bytes: &[u8], overlapped: Option<Ov>) -> Answered {
    let data = Data::Of(stage.os().buffer(bytes));
    stage
        .faces()
        .write_async(stream, data, length(bytes), Count::Wanted, overlapped)
}

/// OverlappedResult.
pub(super) fn result(stage: &Stage<'_>, stream: Face, overlapped: Ov, wait: bool) -> Written {
    let faces = stage.faces();
    said(faces.overlapped_result(stream, Some(overlapped), Count::Wanted, wait))
}

fn said(answered: Answered) -> Written {
    match answered.hresult {
        HResult::OK => Ok(answered.count.unwrap_or_default()),
        error => Err(error),
    }
}

/// How the operation ended, at once or later. `answered` is what its method returned.
pub(super) fn ended(stage: &Stage<'_>, stream: Face, overlapped: Ov, answered: Answered) -> Written {
    if answered.hresult == PENDING {
        result(stage, stream, overlapped, true)
    } else {
        said(answered)
    }
}

/// Writes at the offset, waits, and expects all to be written.
pub(super) fn expect_written(stage: &Stage<'_>, stream: Face, offset: u64, bytes: &[u8]) -> Ended {
    let (overlapped, _) = with_event(stage, offset)?;
    let answered = write(stage, stream, bytes, Some(overlapped));
    let written = ended(stage, stream, overlapped, answered);
    let what = format!("a write of {} bytes at {offset}", bytes.len());
    stage.expect(&what, Ok(length(bytes)), written)
}

/// Starts an ordinary write that must pend.
pub(super) fn pending_write(stage: &Stage<'_>, stream: Face) -> Result<Ov, Stop> {
    let (overlapped, _) = with_event(stage, 0)?;
    let answered = write(stage, stream, &block(), Some(overlapped));
    let pends = Answered {
        hresult: PENDING,
        count: Some(0),
    };
    stage.expect("a write that pends", pends, answered)?;
    Ok(overlapped)
}

/// Lets one ordinary write that is held go, which must come to its end.
pub(super) fn expect_let_go(stage: &Stage<'_>, ends: &Ends, stream: Face, overlapped: Ov) -> Ended {
    stage.let_go(ends, BLOCK as usize)?;
    let ended = result(stage, stream, overlapped, true);
    stage.expect("its result at last", Ok(BLOCK), ended)
}
