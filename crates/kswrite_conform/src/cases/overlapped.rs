//! The `OVERLAPPED` of a write: its result, its event, and what becomes of it while the write is pending.

use kswrite_core::NtStatus;
use kswrite_wire::sink::Script;

use super::{
    codes::{INVALID_HANDLE, IO_DEVICE, IO_INCOMPLETE},
    steps::{
        BLOCK, PENDING, at_once, block, expect_arrived, failure, length, outcome, pending_write, result,
        result_now, status_in, success, wait_briefly, wait_until, with_event, write_counted,
    },
};
use crate::{
    case::{Case, Ended, Stop},
    stage::{Ends, Stage, held, pattern, trouble},
    target::Kinds,
    win32::{Handle, Ov, Overlapped, Patience, Returned, UNTOUCHED, Waited},
};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new(
        "WF-44",
        "writes with an OVERLAPPED each are told apart",
        Kinds::HOLDING,
        an_overlapped_each,
    ),
    Case::new(
        "WF-44",
        "of writes that share an OVERLAPPED, the first that ends makes the others look complete",
        Kinds::SINK,
        a_shared_overlapped,
    ),
    Case::new(
        "WF-45",
        "GetOverlappedResult has the byte count",
        Kinds::OVERLAPPED.and(Kinds::SOCKET),
        count_of_result,
    ),
    Case::new(
        "WF-45",
        "GetOverlappedResult has the byte count of a write that fell short",
        Kinds::SINK,
        count_of_a_short_write,
    ),
    Case::new(
        "WF-47",
        "GetOverlappedResult without waiting is ERROR_IO_INCOMPLETE while Internal is STATUS_PENDING",
        Kinds::HOLDING,
        result_of_a_pending_write,
    ),
    Case::new(
        "WF-48",
        "without an event the handle of the file is signalled",
        Kinds::HOLDING,
        handle_is_signalled,
    ),
    Case::new(
        "WF-48",
        "the handle of the file does not tell which of several writes is over",
        Kinds::HOLDING,
        handle_of_several,
    ),
    Case::new(
        "WF-49",
        "the system does not update the offset of an overlapped write",
        Kinds::SEEKABLE,
        offset_stays,
    ),
    Case::new(
        "WF-50",
        "the event is reset when the write begins",
        Kinds::HOLDING,
        event_is_reset,
    ),
    Case::new(
        "WF-51",
        "the event is reset even if the write fails at once; the failure is not in the OVERLAPPED",
        Kinds::SINK,
        event_of_a_failure,
    ),
    Case::new(
        "WF-51",
        "the event is left alone if the handle is invalid",
        Kinds::SEEKABLE,
        event_of_an_invalid_handle,
    ),
    Case::new(
        "WF-52",
        "the event is set when the write is over, and not before",
        Kinds::HOLDING,
        event_is_set,
    ),
    Case::new(
        "WF-53",
        "the OVERLAPPED is the system's until the write is over: then it sets status and bytes, and nothing else",
        Kinds::HOLDING,
        what_is_set,
    ),
];

/// Starts a write of so many bytes that must pend.
fn pending(stage: &Stage<'_>, ends: &Ends, bytes: u32, overlapped: Ov) -> Ended {
    let returned = write_counted(stage, ends.writer, &pattern(bytes as usize), Some(overlapped));
    stage.expect("a write that pends", PENDING, returned)
}

fn an_overlapped_each(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let (long, _) = with_event(stage, 0)?;
    let (short, _) = with_event(stage, 0)?;
    pending(stage, &ends, BLOCK, long)?;
    pending(stage, &ends, BLOCK / 2, short)?;
    stage.let_go(&ends, (BLOCK + BLOCK / 2) as usize)?;
    stage.expect(
        "the second one's count",
        Ok(BLOCK / 2),
        result(stage, ends.writer, short),
    )?;
    stage.expect(
        "the first one's count",
        Ok(BLOCK),
        result(stage, ends.writer, long),
    )
}

fn a_shared_overlapped(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let (shared, event) = with_event(stage, 0)?;
    pending(stage, &ends, BLOCK, shared)?;
    stage.script(&ends, &at_once(NtStatus::SUCCESS))?;
    let returned = write_counted(stage, ends.writer, &pattern(100), Some(shared));
    stage.expect("a second write with the same OVERLAPPED", success(100), returned)?;
    let wrong = result_now(stage, ends.writer, shared);
    stage.expect("the result while the first is pending", Ok(100), wrong)?;
    let waited = stage.os().wait(event, Patience::Now);
    stage.expect(
        "the event while the first is pending",
        Ok(Waited::Signalled),
        waited,
    )?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the event", event)?;
    let right = result_now(stage, ends.writer, shared);
    stage.expect("the result when both are over", Ok(BLOCK), right)
}

fn count_of_result(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    for bytes in [1, BLOCK as usize, 4096].map(pattern) {
        let (overlapped, _) = with_event(stage, 0)?;
        let returned = stage.write(&ends, &bytes, Some(overlapped));
        let ended = outcome(stage, ends.writer, overlapped, returned);
        stage.expect("GetOverlappedResult", Ok(length(&bytes)), ended)?;
        expect_arrived(stage, &ends, 0, &bytes)?;
    }
    Ok(())
}

fn count_of_a_short_write(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let short_by = 100;
    let at_once = Script {
        short_by,
        ..at_once(NtStatus::SUCCESS)
    };
    let later = Script { short_by, ..held() };
    stage.script(&ends, &at_once)?;
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("a write that ends at once", success(BLOCK - short_by), returned)?;
    let ended = result_now(stage, ends.writer, overlapped);
    stage.expect("its result", Ok(BLOCK - short_by), ended)?;
    stage.script(&ends, &later)?;
    let overlapped = pending_write(stage, &ends)?;
    stage.let_go(&ends, BLOCK as usize)?;
    let ended = result(stage, ends.writer, overlapped);
    stage.expect("the result of one that ends later", Ok(BLOCK - short_by), ended)
}

fn result_of_a_pending_write(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let overlapped = pending_write(stage, &ends)?;
    let status = status_in(stage.os().overlapped_state(overlapped));
    stage.expect("Internal", NtStatus::PENDING, status)?;
    let returned = stage.os().get_overlapped_result(ends.writer, overlapped, false);
    let count = returned.count.unwrap_or_default();
    let error = Returned {
        count: None,
        ..failure(IO_INCOMPLETE)
    };
    stage.expect(
        "GetOverlappedResult",
        error,
        Returned {
            count: None,
            ..returned
        },
    )?;
    stage.expect_one_of("its count", &[UNTOUCHED, 0], count)?;
    stage.let_go(&ends, BLOCK as usize)?;
    stage.expect(
        "the result at last",
        Ok(BLOCK),
        result(stage, ends.writer, overlapped),
    )?;
    let status = status_in(stage.os().overlapped_state(overlapped));
    stage.expect("Internal at last", NtStatus::SUCCESS, status)
}

/// Starts an ordinary write without an event that must pend.
fn pending_without_event(stage: &Stage<'_>, ends: &Ends) -> Result<Ov, Stop> {
    let overlapped = stage.os().overlapped(&Overlapped::default());
    pending(stage, ends, BLOCK, overlapped)?;
    Ok(overlapped)
}

fn handle_is_signalled(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let overlapped = pending_without_event(stage, &ends)?;
    stage.expect(
        "the handle while it pends",
        Waited::TimedOut,
        wait_briefly(stage, ends.writer)?,
    )?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the handle", ends.writer)?;
    stage.expect(
        "the result",
        Ok(BLOCK),
        result_now(stage, ends.writer, overlapped),
    )
}

fn handle_of_several(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let cancelled = pending_without_event(stage, &ends)?;
    let other = pending_without_event(stage, &ends)?;
    let returned = stage.os().cancel_io_ex(ends.writer, Some(cancelled));
    stage.expect("CancelIoEx of the first", true, returned.returned)?;
    stage.expect(
        "the handle then",
        Waited::Signalled,
        wait_briefly(stage, ends.writer)?,
    )?;
    let still = result_now(stage, ends.writer, other);
    stage.expect("the result of the second", Err(IO_INCOMPLETE), still)?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the handle", ends.writer)?;
    stage.expect("its result at last", Ok(BLOCK), result(stage, ends.writer, other))
}

fn offset_stays(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    let append = u64::MAX;
    for offset in [0, 4096, append] {
        let (overlapped, _) = with_event(stage, offset)?;
        let returned = stage.write(&ends, &block(), Some(overlapped));
        let ended = outcome(stage, ends.writer, overlapped, returned);
        stage.expect("the write", Ok(BLOCK), ended)?;
        let after = stage.os().overlapped_state(overlapped).offset;
        stage.expect("the offset after it", offset, after)?;
    }
    Ok(())
}

fn event_is_reset(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let mut overlapped = Vec::new();
    for (manual_reset, what) in [
        (true, "an event that is reset by hand, while the write pends"),
        (false, "an event that resets itself, while the write pends"),
    ] {
        let event = stage.event(manual_reset, true)?;
        let one = with_this_event(stage, event);
        pending(stage, &ends, BLOCK, one)?;
        let waited = stage.os().wait(event, Patience::Now);
        stage.expect(what, Ok(Waited::TimedOut), waited)?;
        overlapped.push((one, event));
    }
    stage.let_go(&ends, overlapped.len() * BLOCK as usize)?;
    for (one, event) in overlapped {
        wait_until(stage, "the event", event)?;
        stage.expect("the result", Ok(BLOCK), result_now(stage, ends.writer, one))?;
    }
    Ok(())
}

fn with_this_event(stage: &Stage<'_>, event: Handle) -> Ov {
    stage.os().overlapped(&Overlapped {
        event: Some(event),
        ..Overlapped::default()
    })
}

fn event_of_a_failure(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.script(&ends, &at_once(NtStatus::IO_DEVICE_ERROR))?;
    let event = stage.event(true, true)?;
    let overlapped = with_this_event(stage, event);
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("a write that fails at once", failure(IO_DEVICE), returned)?;
    stage.expect("the event", Waited::TimedOut, wait_briefly(stage, event)?)?;
    let status = status_in(stage.os().overlapped_state(overlapped));
    stage.expect("Internal, as WriteFile left it", NtStatus::PENDING, status)
}

fn event_of_an_invalid_handle(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.close(ends.writer)?;
    let event = stage.event(true, true)?;
    let overlapped = with_this_event(stage, event);
    let returned = write_counted(stage, Handle::INVALID, &block(), Some(overlapped));
    stage.expect("a write to an invalid handle", failure(INVALID_HANDLE), returned)?;
    let waited = stage.os().wait(event, Patience::Now);
    stage.expect("the event", Ok(Waited::Signalled), waited)
}

fn event_is_set(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let (overlapped, event) = with_event(stage, 0)?;
    pending(stage, &ends, BLOCK, overlapped)?;
    stage.expect(
        "the event while it pends",
        Waited::TimedOut,
        wait_briefly(stage, event)?,
    )?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the event", event)?;
    // Whoever sees the event sees the result.
    stage.expect(
        "the result",
        Ok(BLOCK),
        result_now(stage, ends.writer, overlapped),
    )?;
    let again = stage.os().wait(event, Patience::Now).map_err(trouble("wait"))?;
    stage.expect("the event afterwards", Waited::Signalled, again)
}

fn what_is_set(stage: &Stage<'_>) -> Ended {
    let ends = stage.open(true)?;
    stage.hold(&ends)?;
    let offset = 0x1_0000_1000;
    let (overlapped, event) = with_event(stage, offset)?;
    pending(stage, &ends, BLOCK, overlapped)?;
    let waited = wait_briefly(stage, event)?;
    stage.expect("the event while it pends", Waited::TimedOut, waited)?;
    let early = stage.os().overlapped_state(overlapped);
    stage.expect("Internal while it pends", NtStatus::PENDING, status_in(early))?;
    let bytes = u32::try_from(early.internal_high).unwrap_or(u32::MAX);
    stage.expect_one_of("InternalHigh while it pends", &[UNTOUCHED, 0], bytes)?;
    stage.expect("the offset while it pends", offset, early.offset)?;
    stage.let_go(&ends, BLOCK as usize)?;
    wait_until(stage, "the event", event)?;
    let over = stage.os().overlapped_state(overlapped);
    stage.expect("Internal at last", NtStatus::SUCCESS, status_in(over))?;
    stage.expect("InternalHigh at last", u64::from(BLOCK), over.internal_high)?;
    stage.expect("the offset at last", offset, over.offset)
}
