//! The memory that is lent to the system: one heap cell with the `OVERLAPPED` and the buffer.
#![expect(
    unsafe_code,
    reason = "the system writes to this memory while no borrow of it exists"
)]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use windows_sys::Win32::Foundation::{
    ERROR_IO_PENDING, FALSE, GetLastError, HANDLE, STATUS_PENDING, STATUS_SUCCESS,
};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile, WriteFileEx};
use windows_sys::Win32::System::IO::{
    CancelIoEx, DeviceIoControl, GetOverlappedResult, LPOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED,
    OVERLAPPED_0, OVERLAPPED_0_0,
};

use super::file::File;
use crate::Win32Error;

/// How many cells exist in this process now. 0 once every operation was dropped and every completion has
/// arrived: what a leak test asks.
pub fn cells_alive() -> usize {
    ALIVE.load(Ordering::Acquire)
}

static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// One operation's memory, owned by its issuer and, while a call is outstanding, by the system too.
///
/// # Invariants
///
/// * The system's share is one strong count that [`Cell::lend`] took. It is given back exactly once, by the
///   code that learns of the completion, and the system does not touch the cell afterwards.
/// * While the system has its share, nobody else touches `overlapped` or `buffer`, but for reads of the
///   completion through system calls and of `Internal` through a raw pointer.
/// * While it has not, only the holder of the `Operation`, or the code that finishes a `Pending`, does.
#[repr(C)]
pub struct Cell<S> {
    /// First, so that the address of the `OVERLAPPED` is the address of the cell.
    overlapped: UnsafeCell<OVERLAPPED>,
    buffer: UnsafeCell<Vec<u8>>,
    /// How the completion is learnt.
    pub(super) signal: S,
    /// The issuer's name for this operation.
    pub(super) token: AtomicUsize,
}

// SAFETY: the invariants say who touches the unsynchronised fields, and each hand-over between threads goes
// through the system or through the atomics of `signal`.
unsafe impl<S: Send> Send for Cell<S> {}
// SAFETY: as above.
unsafe impl<S: Sync> Sync for Cell<S> {}

/// What a system call is given, once.
///
/// # Invariants
///
/// Made by [`Cell::lend`] only: `overlapped` and the `length` bytes at `data` are in a cell that the system
/// has a share of, and `file` is open.
pub struct Call {
    file: HANDLE,
    data: *mut u8,
    length: u32,
    overlapped: *mut OVERLAPPED,
}

impl Call {
    /// `WriteFile`. The byte count is read from the `OVERLAPPED`, as Microsoft's page asks.
    pub(super) fn write_file(self) -> Outcome {
        let Self {
            file,
            data,
            length,
            overlapped,
        } = self;
        // SAFETY: by the invariants, all pointers stay valid until the completion.
        Outcome::of(unsafe { WriteFile(file, data, length, ptr::null_mut(), overlapped) })
    }

    /// `ReadFile`.
    pub(super) fn read_file(self) -> Outcome {
        let Self {
            file,
            data,
            length,
            overlapped,
        } = self;
        // SAFETY: by the invariants, all pointers stay valid until the completion.
        Outcome::of(unsafe { ReadFile(file, data, length, ptr::null_mut(), overlapped) })
    }

    /// `WriteFileEx`. TRUE means that the routine will be called, whether the write is complete or not.
    ///
    /// # Safety
    ///
    /// `routine` takes the system's share back, once for each call.
    pub(super) unsafe fn write_file_ex(self, routine: LPOVERLAPPED_COMPLETION_ROUTINE) -> Outcome {
        let Self {
            file,
            data,
            length,
            overlapped,
        } = self;
        // SAFETY: by the invariants, all pointers stay valid until the routine was called.
        if unsafe { WriteFileEx(file, data, length, overlapped, routine) } == FALSE {
            Outcome::Failed(last_error())
        } else {
            Outcome::Pending
        }
    }

    /// Data, length and `OVERLAPPED`, for a call of somebody who keeps the invariants.
    pub(super) fn lent(self) -> (*mut u8, u32, *mut OVERLAPPED) {
        (self.data, self.length, self.overlapped)
    }

    /// `DeviceIoControl` with a `METHOD_BUFFERED` code: the input is the first `input` bytes of the buffer,
    /// the output replaces the first `output` bytes. Neither is taken beyond the buffer.
    pub(super) fn device_io_control(self, code: u32, input: u32, output: u32) -> Outcome {
        let Self {
            file,
            data,
            length,
            overlapped,
        } = self;
        let (input, output) = (input.min(length), output.min(length));
        let data = data.cast();
        // SAFETY: by the invariants, all pointers stay valid until the completion.
        Outcome::of(unsafe {
            DeviceIoControl(file, code, data, input, data, output, ptr::null_mut(), overlapped)
        })
    }
}

/// What a system call's return value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the system keeps nothing.
    Complete,
    /// A completion will come.
    Pending,
    /// Failed; the system keeps nothing.
    Failed(Win32Error),
}

impl Outcome {
    /// Of a call that returns a BOOL, right after it: `ERROR_IO_PENDING`, and nothing else, is pending.
    fn of(returned: i32) -> Self {
        if returned == FALSE {
            Err(last_error()).into()
        } else {
            Self::Complete
        }
    }
}

impl From<Result<(), Win32Error>> for Outcome {
    fn from(returned: Result<(), Win32Error>) -> Self {
        match returned {
            Ok(()) => Self::Complete,
            Err(Win32Error(ERROR_IO_PENDING)) => Self::Pending,
            Err(error) => Self::Failed(error),
        }
    }
}

/// The calling thread's last error.
pub(super) fn last_error() -> Win32Error {
    // SAFETY: no preconditions.
    Win32Error(unsafe { GetLastError() })
}

impl<S> Cell<S> {
    pub(super) fn new(signal: S) -> Arc<Self> {
        ALIVE.fetch_add(1, Ordering::AcqRel);
        Arc::new(Self {
            overlapped: UnsafeCell::new(OVERLAPPED::default()),
            buffer: UnsafeCell::new(Vec::new()),
            signal,
            token: AtomicUsize::new(0),
        })
    }

    /// Puts the buffer into the cell and gives the system its share, for the bytes `part` of it. The caller then makes the system call,
    /// and calls [`Cell::take_back`] unless that is pending.
    ///
    /// # Safety
    ///
    /// The cell is idle: the system has no share of it, and the caller is the one who may touch it.
    pub(super) unsafe fn lend(
        self: &Arc<Self>,
        file: &File,
        offset: u64,
        event: HANDLE,
        buffer: Vec<u8>,
        part: Range<usize>,
    ) -> Call {
        let position = OVERLAPPED_0_0 {
            Offset: (offset & 0xFFFF_FFFF) as u32,
            OffsetHigh: (offset >> 32) as u32,
        };
        let fresh = OVERLAPPED {
            Anonymous: OVERLAPPED_0 { Anonymous: position },
            hEvent: event,
            ..OVERLAPPED::default()
        };
        // SAFETY: the cell is idle, so no other access to this field happens.
        unsafe { self.overlapped.get().write(fresh) };
        // SAFETY: as above. The reference ends before the system sees the pointer.
        let place = unsafe { &mut *self.buffer.get() };
        *place = buffer;
        // A part that is not inside, or too long, is refused before it gets here.
        let bytes = place.get_mut(part).unwrap_or_default();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let data = bytes.as_mut_ptr();
        // The pointer comes from the whole cell, so that it may be turned back into one.
        let overlapped = Arc::into_raw(Arc::clone(self)).cast_mut().cast::<OVERLAPPED>();
        Call {
            file: file.raw(),
            data,
            length,
            overlapped,
        }
    }

    /// Turns the pointer that the system was given back into its share.
    ///
    /// # Safety
    ///
    /// `overlapped` comes from [`Cell::lend`] of a cell with this `S`, the system is done with it, and this
    /// is the only call for that loan.
    pub(super) unsafe fn take_back(overlapped: *mut OVERLAPPED) -> Arc<Self> {
        // SAFETY: `lend` made the pointer with `Arc::into_raw`, and it is consumed once.
        unsafe { Arc::from_raw(overlapped.cast_const().cast::<Self>()) }
    }

    /// The address that the system knows this cell by.
    pub(super) fn address(self: &Arc<Self>) -> *mut OVERLAPPED {
        Arc::as_ptr(self).cast_mut().cast()
    }

    /// Takes the buffer out.
    ///
    /// # Safety
    ///
    /// The system has no use for the buffer any more, and the caller is the one who may touch the cell.
    pub(super) unsafe fn take_buffer(&self) -> Vec<u8> {
        // SAFETY: the caller is the only one with access; the reference ends here.
        let place = unsafe { &mut *self.buffer.get() };
        std::mem::take(place)
    }

    /// Bytes transferred, or the error, of a completion that has arrived. Without a file, which was closed
    /// meanwhile, the status block says it all the same.
    pub(super) fn result(self: &Arc<Self>, file: Option<&File>) -> Result<u32, Win32Error> {
        let mut bytes = 0;
        let handle = file.map_or(ptr::null_mut(), File::raw);
        // SAFETY: the handle is open, or none, which is of use for waiting only; the OVERLAPPED is that of an
        // operation on it and outlives the call, which does not wait.
        let done = unsafe { GetOverlappedResult(handle, self.address(), &raw mut bytes, FALSE) };
        if done == FALSE {
            Err(last_error())
        } else {
            Ok(bytes)
        }
    }

    /// The byte count of the status block, which stands there with an error too. 0 unless the system has
    /// stored one.
    pub(super) fn transferred(self: &Arc<Self>) -> u32 {
        let overlapped = self.address();
        // SAFETY: in bounds of the live cell; only the address is computed.
        let high = unsafe { &raw const (*overlapped).InternalHigh };
        // SAFETY: aligned and alive; volatile because the system has written it.
        let bytes = unsafe { ptr::read_volatile(high) };
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Asks the system to cancel the operation.
    pub(super) fn cancel(self: &Arc<Self>, file: &File) -> Result<(), Win32Error> {
        // SAFETY: the handle is open; the pointer serves only to find the request.
        let asked = unsafe { CancelIoEx(file.raw(), self.address()) };
        if asked == FALSE { Err(last_error()) } else { Ok(()) }
    }

    /// Whether the system has stored a status that is neither success nor an error. The call has then ended,
    /// whatever it returned, and a completion may be told: the I/O manager leaves that out for errors alone.
    pub(super) fn has_warning(self: &Arc<Self>) -> bool {
        let status = self.status();
        // Severity is in the two highest bits, and 3 of them is an error.
        status != STATUS_SUCCESS.cast_unsigned()
            && status != STATUS_PENDING.cast_unsigned()
            && status >> 30 != 3
    }

    /// Whether the status block is final. An observation for statistics; it decides nothing, for the system
    /// may still have to signal the completion.
    pub(super) fn looks_complete(self: &Arc<Self>) -> bool {
        self.status() != STATUS_PENDING.cast_unsigned()
    }

    /// The NTSTATUS in the status block as it is now.
    fn status(self: &Arc<Self>) -> u32 {
        let overlapped = self.address();
        // SAFETY: in bounds of the live cell; only the address is computed.
        let internal = unsafe { &raw const (*overlapped).Internal };
        // SAFETY: aligned and alive; volatile because the system may write it at any time.
        let status = unsafe { ptr::read_volatile(internal) };
        // The upper half is not used.
        (status as u64 & 0xFFFF_FFFF) as u32
    }
}

impl<S> Drop for Cell<S> {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::AcqRel);
    }
}
