//! Completion by event: one event for each operation, its own, reset before each use.
#![expect(unsafe_code, reason = "creates events and waits for them")]

use std::ffi::c_void;
use std::ops::Range;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{FALSE, HANDLE, TRUE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolWait, CreateEventW, CreateThreadpoolWait, INFINITE, PTP_CALLBACK_INSTANCE, PTP_WAIT,
    ResetEvent, SetThreadpoolWait, WaitForMultipleObjects, WaitForSingleObject,
};

use super::cell::{Call, Cell, Outcome, last_error};
use super::file::File;
use super::milliseconds;
use super::operation::{Completion, Finished, Operation, Pending, Signal, Started};
use crate::{Error, Win32Error};

/// The completion sets an event that belongs to the operation.
#[derive(Debug)]
pub struct ByEvent {
    /// Manual reset.
    event: OwnedHandle,
}

/// `WaitForMultipleObjects` takes so many.
const MAXIMUM_WAIT_OBJECTS: usize = 64;

impl ByEvent {
    fn raw(&self) -> HANDLE {
        self.event.as_raw_handle()
    }

    fn is_set(&self) -> bool {
        // SAFETY: the event is open.
        unsafe { WaitForSingleObject(self.raw(), 0) == WAIT_OBJECT_0 }
    }
}

impl Operation<ByEvent> {
    /// An operation with an event of its own.
    ///
    /// # Errors
    ///
    /// Those of `CreateEventW`: the process has no more handles.
    pub fn by_event() -> Result<Self, Error> {
        // SAFETY: no attributes and no name.
        let event = unsafe { CreateEventW(ptr::null(), TRUE, FALSE, ptr::null()) };
        if event.is_null() {
            return Err(Error::new("create an event", last_error()));
        }
        // SAFETY: the handle is new and nobody else's.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        Ok(Self::with_signal(ByEvent { event }))
    }
}

/// The memory of an operation, as a call of the caller's own is given it.
#[derive(Clone, Copy, Debug)]
pub struct Lent {
    /// The bytes.
    pub data: *mut u8,
    /// How many.
    pub length: u32,
    /// The `OVERLAPPED`, with its offset and event.
    pub overlapped: *mut c_void,
}

impl Operation<ByEvent> {
    /// Starts an operation on the bytes `part` of the buffer by a call of the caller's own, such as a method of an
    /// interface over `file`. `Ok`: it is complete; `ERROR_IO_PENDING`: the event will tell; another error: nothing was
    /// started. What is refused before the call is refused as by [`write_part_at`](Self::write_part_at).
    ///
    /// # Safety
    ///
    /// `call` starts at most one overlapped operation, on `file`, with this memory; it says truly what became of it, and
    /// keeps no pointer of it when the operation is over.
    pub unsafe fn start_part_by(
        self,
        file: &File,
        offset: u64,
        buffer: Vec<u8>,
        part: Range<usize>,
        call: impl FnOnce(Lent) -> Result<(), Win32Error>,
    ) -> Started<ByEvent> {
        self.start_part(file, offset, buffer, part, |memory| {
            let (data, length, overlapped) = memory.lent();
            let overlapped = overlapped.cast();
            Outcome::from(call(Lent {
                data,
                length,
                overlapped,
            }))
        })
    }
}

impl Signal for ByEvent {}

impl Completion for ByEvent {
    /// The low bit of `hEvent` keeps the completion away from a completion port, should the file belong
    /// to one: GetQueuedCompletionStatus documents it.
    fn arm(&self, _file: &File) -> Result<HANDLE, Win32Error> {
        // SAFETY: the event is open.
        if unsafe { ResetEvent(self.raw()) } == FALSE {
            return Err(last_error());
        }
        Ok(self.raw().map_addr(|address| address | 1))
    }

    fn write(call: Call) -> Outcome {
        call.write_file()
    }

    /// The event alone says so. The status block is final a moment earlier, and a cell that was used again
    /// in that moment would have the event of its new call set by the old one.
    fn has_arrived(cell: &Arc<Cell<Self>>) -> bool {
        cell.signal.is_set()
    }

    fn settle(cell: &Arc<Cell<Self>>) {
        // SAFETY: the event is set, so the system is done; settled once, and never when abandoned.
        drop(unsafe { Cell::<Self>::take_back(cell.address()) });
    }

    /// A thread of the pool takes the system's share back when the event is set. Without a pool the share
    /// is never given back: memory is lost then, but not freed too early.
    fn abandon(cell: Arc<Cell<Self>>) {
        // SAFETY: the context is the share, which the callback takes back once.
        let wait =
            unsafe { CreateThreadpoolWait(Some(take_back_abandoned), cell.address().cast(), ptr::null()) };
        if wait != 0 {
            // SAFETY: the wait is new; the event lives as long as the share.
            unsafe { SetThreadpoolWait(wait, cell.signal.raw(), ptr::null()) };
        }
    }
}

/// The event of an abandoned operation is set.
unsafe extern "system" fn take_back_abandoned(
    _instance: PTP_CALLBACK_INSTANCE,
    context: *mut c_void,
    wait: PTP_WAIT,
    _result: u32,
) {
    // SAFETY: documented to be allowed in the callback, which is the last one to use it.
    unsafe { CloseThreadpoolWait(wait) };
    // SAFETY: `abandon` passed the share, the event is set, and a wait calls back once.
    drop(unsafe { Cell::<ByEvent>::take_back(context.cast()) });
}

impl Pending<ByEvent> {
    /// Waits for the completion.
    pub fn wait(self) -> Finished<ByEvent> {
        let mut pending = self;
        loop {
            if let Some(cell) = pending.cell() {
                // SAFETY: the event is open.
                unsafe { WaitForSingleObject(cell.signal.raw(), INFINITE) };
            }
            match pending.try_finish() {
                Ok(finished) => return finished,
                Err(still) => pending = still,
            }
        }
    }
}

/// Waits until one of the first 64 is complete, and returns its position: the first one if several are.
/// `None`: the time ran out, or there is none to wait for.
///
/// # Errors
///
/// Those of `WaitForMultipleObjects`.
pub fn wait_any<'a>(
    pending: impl IntoIterator<Item = &'a Pending<ByEvent>>,
    timeout: Option<Duration>,
) -> Result<Option<usize>, Win32Error> {
    let mut events = [ptr::null_mut(); MAXIMUM_WAIT_OBJECTS];
    let mut count = 0;
    for (place, cell) in events
        .iter_mut()
        .zip(pending.into_iter().filter_map(Pending::cell))
    {
        *place = cell.signal.raw();
        count += 1;
    }
    if count == 0 {
        return Ok(None);
    }
    // SAFETY: `count` handles of events that the borrowed operations keep open.
    let woken = unsafe { WaitForMultipleObjects(count, events.as_ptr(), FALSE, milliseconds(timeout)) };
    if woken == WAIT_FAILED {
        return Err(last_error());
    }
    Ok((woken < WAIT_OBJECT_0 + count).then_some((woken - WAIT_OBJECT_0) as usize))
}
