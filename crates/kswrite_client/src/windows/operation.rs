//! Operations, and the three states that they go through: idle, pending, finished.
#![expect(
    unsafe_code,
    reason = "moves a cell between its owners, by the invariants of Cell"
)]

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use windows_sys::Win32::Foundation::HANDLE;

use super::cell::{Call, Cell, Outcome};
use super::file::File;
use crate::Win32Error;

/// How the completion of an operation is learnt: [`ByEvent`](super::ByEvent), [`ByPort`](super::ByPort) or
/// [`ByApc`](super::ByApc). Sealed, for the safety of the memory that is lent rests on it.
pub trait Signal: Completion {}

/// What a way of completion has to do. Nobody else can make a [`Cell`] or [`Call`], or call these.
pub trait Completion: fmt::Debug + Sized + Send + Sync + 'static {
    /// Gets ready for one use on `file`, and says what goes into `hEvent`.
    fn arm(&self, file: &File) -> Result<HANDLE, Win32Error>;
    /// Makes the call that writes.
    fn write(call: Call) -> Outcome;
    /// Whether the system tells of a call that has ended at once with a warning, which is a failure in Win32
    /// and none for the I/O manager.
    fn tells_of_warning(&self) -> Told<Self> {
        Told::No
    }
    /// Notes that a call went pending.
    fn went_pending(_cell: &Arc<Cell<Self>>) {}
    /// Whether the completion has arrived, and the system is done with the cell.
    fn has_arrived(cell: &Arc<Cell<Self>>) -> bool;
    /// Gives the system's share back where the issuer is the one who learns of the completion. Called
    /// once, after [`Completion::has_arrived`] said so.
    fn settle(_cell: &Arc<Cell<Self>>) {}
    /// Arranges that the system's share is given back without the issuer. Called at most once, instead of
    /// [`Completion::settle`].
    fn abandon(_cell: Arc<Cell<Self>>) {}
}

/// Whether a completion comes that the return value denies.
#[derive(Debug)]
pub enum Told<S> {
    /// None comes.
    No,
    /// One comes.
    Yes,
    /// Systems differ. The operation goes on with another cell, whose signal is this one; the old cell waits
    /// for its completion, for good if there is none.
    Perhaps(S),
}

/// An idle operation: a heap cell, ready to lend a buffer to the system. Use it again and again; nothing is
/// allocated then.
#[must_use]
pub struct Operation<S: Signal> {
    /// INVARIANT: the system has no share of it.
    cell: Arc<Cell<S>>,
}

/// What became of a call.
#[derive(Debug)]
#[must_use]
pub enum Started<S: Signal> {
    /// It is over, well or not.
    Finished(Finished<S>),
    /// The completion will come.
    Pending(Pending<S>),
}

/// An operation that is over.
#[derive(Debug)]
#[must_use]
pub struct Finished<S: Signal> {
    /// The operation, idle again.
    pub operation: Operation<S>,
    /// The buffer that was lent.
    pub buffer: Vec<u8>,
    /// Bytes transferred, or why not.
    pub result: Result<u32, Win32Error>,
    /// The byte count of the status block. With an error it is what the device says that it took before;
    /// 0 if the system stored none.
    pub bytes: u32,
}

/// An operation that the system has not completed.
///
/// Dropping it cancels the operation. The memory stays until the completion arrives, which the drop does
/// not wait for.
#[must_use]
pub struct Pending<S: Signal> {
    /// `None` only while `self` is being consumed.
    flight: Option<Flight<S>>,
    was_immediate: bool,
}

/// INVARIANT: the system has a share of the cell, lent to it for an operation on this file.
struct Flight<S: Signal> {
    cell: Arc<Cell<S>>,
    /// `None` once it was given up.
    file: Option<File>,
}

impl<S: Signal> Operation<S> {
    pub(super) fn with_signal(signal: S) -> Self {
        Self {
            cell: Cell::new(signal),
        }
    }

    /// The same operation under a name of the caller's, by which ports and APCs report it.
    pub fn with_token(self, token: usize) -> Self {
        self.cell.token.store(token, Ordering::Relaxed);
        self
    }

    /// Writes the whole buffer at `offset`, which is in bytes. The device may take fewer bytes; the result
    /// says how many.
    ///
    /// A buffer of 4 GiB or more is refused with `ERROR_INVALID_PARAMETER`, as is a file that this way of
    /// completion cannot serve: for a port, one that is not associated with it; for APCs, one that is
    /// associated with any.
    pub fn write_at(self, file: &File, offset: u64, buffer: Vec<u8>) -> Started<S> {
        self.start(file, offset, buffer, S::write)
    }

    /// As [`write_at`](Self::write_at), but only the bytes `part` of the buffer: for a device that wants its
    /// data at an aligned address. A part that is not inside the buffer is refused with
    /// `ERROR_INVALID_PARAMETER`.
    pub fn write_part_at(self, file: &File, offset: u64, buffer: Vec<u8>, part: Range<usize>) -> Started<S> {
        self.start_part(file, offset, buffer, part, S::write)
    }

    pub(super) fn start(
        self,
        file: &File,
        offset: u64,
        buffer: Vec<u8>,
        call: impl FnOnce(Call) -> Outcome,
    ) -> Started<S> {
        let whole = 0..buffer.len();
        self.start_part(file, offset, buffer, whole, call)
    }

    pub(super) fn start_part(
        self,
        file: &File,
        offset: u64,
        buffer: Vec<u8>,
        part: Range<usize>,
        call: impl FnOnce(Call) -> Outcome,
    ) -> Started<S> {
        if buffer.get(part.clone()).is_none() || u32::try_from(part.len()).is_err() {
            return self.refused(buffer, Win32Error::INVALID_PARAMETER);
        }
        let event = match self.cell.signal.arm(file) {
            Ok(event) => event,
            Err(error) => return self.refused(buffer, error),
        };
        // SAFETY: an `Operation` is idle, and it is ours.
        let lent = unsafe { self.cell.lend(file, offset, event, buffer, part) };
        let mut outcome = call(lent);
        let told = match outcome {
            Outcome::Failed(_) if self.cell.has_warning() => self.cell.signal.tells_of_warning(),
            _ => Told::No,
        };
        if matches!(told, Told::Yes) {
            outcome = Outcome::Pending;
        }
        if outcome == Outcome::Pending {
            S::went_pending(&self.cell);
            let was_immediate = self.cell.looks_complete();
            let flight = Flight {
                cell: self.cell,
                file: Some(file.clone()),
            };
            return Started::Pending(Pending {
                flight: Some(flight),
                was_immediate,
            });
        }
        if !matches!(told, Told::Perhaps(_)) {
            // SAFETY: the call is not pending, so no completion will come and the system keeps nothing; this is
            // the one return of the share that was just lent.
            drop(unsafe { Cell::<S>::take_back(self.cell.address()) });
        }
        let result = match outcome {
            Outcome::Failed(error) => Err(error),
            Outcome::Complete | Outcome::Pending => self.cell.result(Some(file)),
        };
        let bytes = self.cell.transferred();
        // SAFETY: the call is over, and the cell is ours; whoever takes a completion that is told all the same
        // touches nothing but its share.
        let buffer = unsafe { self.cell.take_buffer() };
        let operation = match told {
            Told::Perhaps(signal) => Self::with_signal(signal),
            Told::No | Told::Yes => self,
        };
        Started::Finished(Finished {
            operation,
            buffer,
            result,
            bytes,
        })
    }

    /// Refused before the system was asked.
    fn refused(self, buffer: Vec<u8>, error: Win32Error) -> Started<S> {
        Started::Finished(Finished {
            operation: self,
            buffer,
            result: Err(error),
            bytes: 0,
        })
    }
}

impl<S: Signal> Flight<S> {
    /// To be called when the completion has arrived.
    fn finish(self) -> Finished<S> {
        S::settle(&self.cell);
        let result = self.cell.result(self.file.as_ref());
        let bytes = self.cell.transferred();
        // SAFETY: the completion has arrived, so the system is done with the buffer, and whoever learnt of
        // it touches nothing but its own share.
        let buffer = unsafe { self.cell.take_buffer() };
        Finished {
            operation: Operation { cell: self.cell },
            buffer,
            result,
            bytes,
        }
    }

    /// Asks the system to cancel. Without its file nothing can be asked.
    fn cancel(&self) -> Result<(), Win32Error> {
        self.file
            .as_ref()
            .map_or(Err(Win32Error::NOT_FOUND), |file| self.cell.cancel(file))
    }
}

impl<S: Signal> Pending<S> {
    /// Whether the status block was final right after the call that returned pending. An observation: the
    /// completion is still to come. With `WriteFileEx` nothing else tells an immediate completion.
    pub fn was_immediate(&self) -> bool {
        self.was_immediate
    }

    /// Asks the system to cancel. The operation completes all the same, most often with
    /// `ERROR_OPERATION_ABORTED`, but it may as well succeed.
    ///
    /// # Errors
    ///
    /// `ERROR_NOT_FOUND`: there is nothing to cancel, for the completion is on its way; or the file was
    /// given up.
    pub fn cancel(&self) -> Result<(), Win32Error> {
        self.flight
            .as_ref()
            .map_or(Err(Win32Error::NOT_FOUND), Flight::cancel)
    }

    /// Gives up this operation's share of the file, so that the handle can be closed while the operation is
    /// pending. The operation completes all the same: a device cancels what is pending when the last handle
    /// is closed. From here on neither [`Pending::cancel`] nor dropping can cancel it.
    pub fn give_up_file(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.file = None;
        }
    }

    /// The result, if the completion has arrived.
    ///
    /// # Errors
    ///
    /// The operation itself, still pending.
    pub fn try_finish(mut self) -> Result<Finished<S>, Self> {
        match self.flight.take_if(|flight| S::has_arrived(&flight.cell)) {
            Some(flight) => Ok(flight.finish()),
            None => Err(self),
        }
    }

    /// The cell, while pending.
    pub(super) fn cell(&self) -> Option<&Arc<Cell<S>>> {
        self.flight.as_ref().map(|flight| &flight.cell)
    }
}

impl<S: Signal> Drop for Pending<S> {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        if S::has_arrived(&flight.cell) {
            drop(flight.finish());
        } else {
            // Refused means that the completion is on its way; either way it comes.
            let _ = flight.cancel();
            S::abandon(flight.cell);
        }
    }
}

impl<S: Signal> fmt::Debug for Operation<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("token", &self.cell.token)
            .finish()
    }
}

impl<S: Signal> fmt::Debug for Pending<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("token", &self.cell().map(|cell| &cell.token))
            .finish()
    }
}
