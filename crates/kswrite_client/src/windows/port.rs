//! Completion by packet at an I/O completion port.
#![expect(unsafe_code, reason = "creates ports and takes packets from them")]

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{FALSE, HANDLE, INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::Storage::FileSystem::SetFileCompletionNotificationModes;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::WindowsProgramming::{
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
};

use super::cell::{Call, Cell, Outcome, last_error};
use super::file::File;
use super::milliseconds;
use super::operation::{Completion, Operation, Signal, Told};
use crate::{Error, Win32Error};

/// The completion posts a packet to a port.
#[derive(Debug)]
pub struct ByPort {
    port: Arc<Port>,
    arrived: AtomicBool,
    /// The packet was taken, or it was found out that none was counted: whoever comes second sees it.
    settled: AtomicBool,
}

/// An I/O completion port, and the files that belong to it.
///
/// Dropping it while operations are pending leaves a thread behind that takes their packets, so that their
/// memory is given back; the thread ends with the last of them.
#[derive(Debug)]
pub struct CompletionPort(Arc<Port>);

/// A port's handle, and how many packets of pending operations are to come.
///
/// # Invariants
///
/// Every packet that is posted here, but for wakes, carries the `OVERLAPPED` of a lent `Cell<ByPort>`: the handle is known
/// to nobody else, operations by event keep their completions away, and APCs refuse associated files.
#[derive(Debug)]
pub(super) struct Port {
    handle: OwnedHandle,
    /// May be below zero for a moment, when a packet is faster than the call that it belongs to.
    to_come: AtomicIsize,
}

/// Packets taken in one call.
const BATCH: u32 = 64;

impl CompletionPort {
    /// A new port.
    ///
    /// # Errors
    ///
    /// Those of `CreateIoCompletionPort`.
    pub fn new() -> Result<Self, Error> {
        // SAFETY: without a file, a new port is made.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 1) };
        if port.is_null() {
            return Err(Error::new("create a completion port", last_error()));
        }
        // SAFETY: the handle is new and nobody else's.
        let handle = unsafe { OwnedHandle::from_raw_handle(port) };
        Ok(Self(Arc::new(Port {
            handle,
            to_come: AtomicIsize::new(0),
        })))
    }

    /// Makes the completions of `file` go here, for good. Operations that complete at once post no packet
    /// (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`), so that the call's return value alone says whether one
    /// comes.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_PARAMETER`: the file belongs to a port already. Otherwise those of
    /// `CreateIoCompletionPort` and `SetFileCompletionNotificationModes`.
    pub fn associate(&self, file: &File) -> Result<(), Error> {
        let error = |code| Error::new("associate a file with a completion port", code);
        if file.port().get().is_some() {
            return Err(error(Win32Error::INVALID_PARAMETER));
        }
        // First the mode: a file with a port and without the mode would post packets that nobody expects.
        let mode = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
        #[expect(clippy::cast_possible_truncation, reason = "the flags are 1 and 2")]
        // SAFETY: the handle is open.
        if unsafe { SetFileCompletionNotificationModes(file.raw(), mode as u8) } == FALSE {
            return Err(error(last_error()));
        }
        // SAFETY: both handles are open.
        if unsafe { CreateIoCompletionPort(file.raw(), self.0.raw(), 0, 0) }.is_null() {
            return Err(error(last_error()));
        }
        // The system associates a handle once, so nobody else can have got this far.
        let _ = file.port().set(Arc::clone(&self.0));
        Ok(())
    }

    /// An operation whose completions come here. Give it a token to tell it from others.
    pub fn operation(&self) -> Operation<ByPort> {
        Operation::with_signal(ByPort {
            port: Arc::clone(&self.0),
            arrived: AtomicBool::new(false),
            settled: AtomicBool::new(false),
        })
    }

    /// Waits for packets, and appends the tokens of the operations that are complete now. Those that were
    /// dropped while pending are not reported. Appends nothing when the time runs out first.
    ///
    /// # Errors
    ///
    /// Those of `GetQueuedCompletionStatusEx`.
    pub fn wait(&self, timeout: Option<Duration>, finished: &mut Vec<usize>) -> Result<(), Win32Error> {
        self.0.take(milliseconds(timeout), |token| finished.push(token))
    }

    /// Makes one [`wait`](Self::wait), of now or later, return without a token. Refused only where the system has no
    /// memory for a packet; then a wait goes on until something completes.
    pub(super) fn wake(&self) {
        // SAFETY: the port is open; a packet without an OVERLAPPED names no memory.
        let _posted = unsafe { PostQueuedCompletionStatus(self.0.raw(), 0, 0, ptr::null()) };
    }
}

impl Drop for CompletionPort {
    fn drop(&mut self) {
        if self.0.to_come.load(Ordering::Acquire) <= 0 {
            return;
        }
        let port = Arc::clone(&self.0);
        let drain = move || {
            let mut taken = Ok(());
            while taken.is_ok() && port.to_come.load(Ordering::Acquire) > 0 {
                taken = port.take(milliseconds(None), |_| ());
            }
        };
        // Without a thread the memory of the pending operations is lost, but not freed too early.
        let _ = thread::Builder::new()
            .name("completion port drain".to_owned())
            .spawn(drain);
    }
}

impl Port {
    fn raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }

    fn take(&self, milliseconds: u32, mut finished: impl FnMut(usize)) -> Result<(), Win32Error> {
        let mut entries = [OVERLAPPED_ENTRY::default(); BATCH as usize];
        let mut count = 0;
        // SAFETY: `BATCH` entries of room; the port is open.
        let dequeued = unsafe {
            GetQueuedCompletionStatusEx(
                self.raw(),
                entries.as_mut_ptr(),
                BATCH,
                &raw mut count,
                milliseconds,
                FALSE,
            )
        };
        if dequeued == FALSE {
            return match last_error() {
                Win32Error(WAIT_TIMEOUT) => Ok(()),
                error => Err(error),
            };
        }
        let completions = entries.iter().take(count as usize);
        for entry in completions.filter(|entry| !entry.lpOverlapped.is_null()) {
            // SAFETY: by the invariants the packet belongs to a lent `Cell<ByPort>`, and it comes once.
            let cell = unsafe { Cell::<ByPort>::take_back(entry.lpOverlapped) };
            if !cell.signal.settled.swap(true, Ordering::AcqRel) {
                self.to_come.fetch_sub(1, Ordering::AcqRel);
            }
            let token = cell.token.load(Ordering::Relaxed);
            let has_issuer = Arc::strong_count(&cell) > 1;
            cell.signal.arrived.store(true, Ordering::Release);
            if has_issuer {
                finished(token);
            }
        }
        Ok(())
    }
}

impl Signal for ByPort {}

impl Completion for ByPort {
    fn arm(&self, file: &File) -> Result<HANDLE, Win32Error> {
        if !file
            .port()
            .get()
            .is_some_and(|port| Arc::ptr_eq(port, &self.port))
        {
            return Err(Win32Error::INVALID_PARAMETER);
        }
        self.arrived.store(false, Ordering::Relaxed);
        self.settled.store(false, Ordering::Relaxed);
        Ok(ptr::null_mut())
    }

    fn write(call: Call) -> Outcome {
        call.write_file()
    }

    /// `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS` is documented for success. Wine posts no packet for a warning
    /// either.
    fn tells_of_warning(&self) -> Told<Self> {
        if self.settled.swap(true, Ordering::AcqRel) {
            // The packet was faster, and was counted off.
            self.port.to_come.fetch_add(1, Ordering::AcqRel);
        }
        Told::Perhaps(Self {
            port: Arc::clone(&self.port),
            arrived: AtomicBool::new(false),
            settled: AtomicBool::new(false),
        })
    }

    fn went_pending(cell: &Arc<Cell<Self>>) {
        cell.signal.port.to_come.fetch_add(1, Ordering::AcqRel);
    }

    fn has_arrived(cell: &Arc<Cell<Self>>) -> bool {
        cell.signal.arrived.load(Ordering::Acquire)
    }
}
