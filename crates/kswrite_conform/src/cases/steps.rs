//! Steps that many cases take.

use std::sync::{Arc, Mutex, PoisonError};

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_wire::sink::{Completion, FastMode, Script, State};

use super::codes::HANDLE_EOF;
use crate::{
    case::{Ended, Stop},
    stage::{Ends, Stage, pattern, trouble},
    target::Kinds,
    win32::{
        Access, Count, Data, Disposition, Handle, LAST_ERROR_BEFORE, Open, Ov, Overlapped, OverlappedState,
        Patience, Returned, Waited, Win32,
    },
};

/// Bytes of an ordinary write: less than a pipe's buffer.
pub(super) const BLOCK: u32 = 512;

/// How an operation ended: its bytes, or its error.
pub(super) type Outcome = Result<u32, Win32Error>;

/// The bytes of an ordinary write.
pub(super) fn block() -> Vec<u8> {
    pattern(BLOCK as usize)
}

/// TRUE, the last error not touched, and this count.
pub(super) const fn success(count: u32) -> Returned {
    Returned {
        returned: true,
        error: LAST_ERROR_BEFORE,
        count: Some(count),
    }
}

/// FALSE with this error, and a count of 0.
pub(super) const fn failure(error: Win32Error) -> Returned {
    Returned {
        returned: false,
        error,
        count: Some(0),
    }
}

/// FALSE with `ERROR_IO_PENDING`, and a count of 0.
pub(super) const PENDING: Returned = failure(Win32Error::IO_PENDING);

/// An `OVERLAPPED` with an offset and an event of its own, which is reset by hand.
pub(super) fn with_event(stage: &Stage<'_>, offset: u64) -> Result<(Ov, Handle), Stop> {
    let event = stage.event(true, false)?;
    let overlapped = stage.os().overlapped(&Overlapped {
        offset,
        event: Some(event),
        no_packet: false,
    });
    Ok((overlapped, event))
}

/// WriteFile of these bytes, with a count whether there is an `OVERLAPPED` or not.
pub(super) fn write_counted(
    stage: &Stage<'_>,
    file: Handle,
    bytes: &[u8],
    overlapped: Option<Ov>,
) -> Returned {
    let data = Data::Of(stage.os().buffer(bytes));
    stage
        .os()
        .write_file(file, data, length(bytes), Count::Wanted, overlapped)
}

/// The length of a buffer of a case, which is always a small one.
pub(super) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// What the call says about the operation: its bytes, or its error.
pub(super) fn said(returned: Returned) -> Outcome {
    if returned.returned {
        Ok(returned.count.unwrap_or_default())
    } else {
        Err(returned.error)
    }
}

/// GetOverlappedResult without waiting.
pub(super) fn result_now(stage: &Stage<'_>, file: Handle, overlapped: Ov) -> Outcome {
    said(stage.os().get_overlapped_result(file, overlapped, false))
}

/// GetOverlappedResult, waiting.
pub(super) fn result(stage: &Stage<'_>, file: Handle, overlapped: Ov) -> Outcome {
    said(stage.os().get_overlapped_result(file, overlapped, true))
}

/// How the operation ended, at once or later. `returned` is what its call returned.
pub(super) fn outcome(stage: &Stage<'_>, file: Handle, overlapped: Ov, returned: Returned) -> Outcome {
    if returned.returned || returned.is_pending() {
        result(stage, file, overlapped)
    } else {
        Err(returned.error)
    }
}

/// Writes an ordinary block at the offset, and waits for it.
pub(super) fn write_at(stage: &Stage<'_>, file: Handle, offset: u64, bytes: &[u8]) -> Result<Outcome, Stop> {
    let (overlapped, _) = with_event(stage, offset)?;
    let data = Data::Of(stage.os().buffer(bytes));
    let returned = stage
        .os()
        .write_file(file, data, length(bytes), Count::Null, Some(overlapped));
    Ok(outcome(stage, file, overlapped, returned))
}

/// Starts an ordinary write that must pend.
pub(super) fn pending_write(stage: &Stage<'_>, ends: &Ends) -> Result<Ov, Stop> {
    let (overlapped, _) = with_event(stage, 0)?;
    let returned = write_counted(stage, ends.writer, &block(), Some(overlapped));
    stage.expect("a write that pends", PENDING, returned)?;
    Ok(overlapped)
}

/// Reads at an offset, from a handle of either kind; nothing where the file ends before.
pub(super) fn read_at(stage: &Stage<'_>, file: Handle, offset: u64, bytes: usize) -> Result<Vec<u8>, Stop> {
    let (overlapped, _) = with_event(stage, offset)?;
    let into = stage.os().buffer(&vec![0; bytes]);
    let wanted = u32::try_from(bytes).unwrap_or(u32::MAX);
    let returned = stage
        .os()
        .read_file(file, into, wanted, Count::Null, Some(overlapped));
    match outcome(stage, file, overlapped, returned) {
        Ok(count) => Ok(stage.os().bytes(into).into_iter().take(count as usize).collect()),
        Err(HANDLE_EOF) => Ok(Vec::new()),
        Err(error) => Err(trouble("ReadFile")(error)),
    }
}

/// All of a file.
pub(super) fn contents(stage: &Stage<'_>, file: Handle) -> Result<Vec<u8>, Stop> {
    let size = stage.os().file_size(file).map_err(trouble("GetFileSizeEx"))?;
    // One more, so that a size that is too small shows.
    read_at(stage, file, 0, usize::try_from(size).unwrap_or_default() + 1)
}

/// What was written must be where it belongs: at the other end, or at the offset. A device without a script does not
/// give its bytes back.
pub(super) fn expect_arrived(stage: &Stage<'_>, ends: &Ends, offset: u64, bytes: &[u8]) -> Ended {
    let seen = match ends.peer {
        Some(peer) if stage.is(Kinds::SOCKET) => read_at(stage, peer, 0, bytes.len())?,
        Some(_) => stage.read(ends, bytes.len())?,
        None if stage.is(Kinds::SEEKABLE) => read_at(stage, ends.writer, offset, bytes.len())?,
        None => return Ok(()),
    };
    stage.expect_bytes("the bytes that arrived", bytes, &seen)
}

/// Opens a file by its path, for cases that need it opened more than once.
pub(super) fn open_file(
    stage: &Stage<'_>,
    path: &str,
    access: Access,
    disposition: Disposition,
    overlapped: bool,
) -> Result<Handle, Stop> {
    let opened = stage.os().create_file(
        path,
        Open {
            access,
            disposition,
            overlapped,
            write_through: false,
            no_buffering: false,
        },
    );
    Ok(stage.keep(opened.map_err(trouble(&format!("CreateFile of {path}")))?))
}

/// The final status that an `OVERLAPPED` holds. The upper half of `Internal` is nobody's.
pub(super) fn status_in(state: OverlappedState) -> NtStatus {
    let low = u32::try_from(state.internal & u64::from(u32::MAX)).unwrap_or_default();
    NtStatus(low.cast_signed())
}

/// What a sink says of the writes through this handle.
pub(super) fn sink_state(stage: &Stage<'_>, ends: &Ends) -> Result<State, Stop> {
    stage.os().sink_state(ends.writer).map_err(Stop::Trouble)
}

/// The script of writes that come as IRPs and complete at once, with this status.
pub(super) fn at_once(status: NtStatus) -> Script {
    Script {
        fast: FastMode::Decline as u32,
        completion: Completion::Inline as u32,
        status: status.0,
        ..Script::default()
    }
}

/// The script of writes that come as IRPs and complete by themselves a little later, with this status.
pub(super) fn a_little_later(status: NtStatus) -> Script {
    Script {
        completion: Completion::Pended as u32,
        delay_us: 20_000,
        ..at_once(status)
    }
}

/// A value on its way from one thread to another. Events say when it is there; it is never waited for.
#[derive(Debug)]
pub(super) struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Slot<T> {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    /// The same one, for the other thread.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Puts the value in.
    pub(super) fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// Takes the value out.
    pub(super) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Waits for something that must come.
pub(super) fn wait_until(stage: &Stage<'_>, what: &str, object: Handle) -> Ended {
    match stage.os().wait(object, Patience::UntilOver) {
        Ok(Waited::Signalled) => Ok(()),
        Ok(other) => Err(Stop::Trouble(format!("wait for {what}: {other:?}"))),
        Err(error) => Err(trouble(&format!("wait for {what}"))(error)),
    }
}

/// Whether the object is signalled within a short time.
pub(super) fn wait_briefly(stage: &Stage<'_>, object: Handle) -> Result<Waited, Stop> {
    let waited = stage.os().wait(object, Patience::Briefly);
    waited.map_err(trouble("WaitForSingleObject"))
}

/// Starts a thread that writes an ordinary block synchronously, and ends when its write has ended.
pub(super) fn writer_thread(stage: &Stage<'_>, file: Handle) -> Result<(Handle, Slot<Returned>), Stop> {
    let data = Data::Of(stage.os().buffer(&block()));
    let slot = Slot::new();
    let theirs = slot.share();
    let thread = stage.os().spawn(Box::new(move |os| {
        theirs.put(os.write_file(file, data, BLOCK, Count::Wanted, None));
    }));
    Ok((stage.keep(thread.map_err(trouble("CreateThread"))?), slot))
}

/// Runs `check` while a second thread is there that has done `act`; the thread stays until the check is over, because
/// what it has pending would be cancelled when it ends. `check` is given the thread's handle.
pub(super) fn beside_a_thread(
    stage: &Stage<'_>,
    act: impl FnOnce(&dyn Win32) + Send + 'static,
    check: impl FnOnce(Handle) -> Ended,
) -> Ended {
    let done = stage.event(true, false)?;
    let leave = stage.event(true, false)?;
    let body = move |os: &dyn Win32| {
        act(os);
        let _told = os.set_event(done, true);
        let _left = os.wait(leave, Patience::UntilOver);
    };
    let thread = stage
        .os()
        .spawn(Box::new(body))
        .map_err(trouble("CreateThread"))?;
    let thread = stage.keep(thread);
    let checked = wait_until(stage, "the other thread", done).and_then(|()| check(thread));
    stage.os().set_event(leave, true).map_err(trouble("SetEvent"))?;
    wait_until(stage, "the end of the other thread", thread)?;
    checked
}
