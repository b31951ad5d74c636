//! What IStreamAsync decides by itself, without COM and without a system: which arguments are refused, where the seek
//! pointer is, and which operations a result can be asked for.
//!
//! The asynchronous methods are ReadFile and WriteFile on an overlapped handle, and say what those say as HRESULT:
//! an operation that is pending is `HRESULT_FROM_WIN32(ERROR_IO_PENDING)`, 0x800703E5.
//!
//! The synchronous methods have a seek pointer of their own, which the asynchronous ones neither use nor move.
//!
//! <https://learn.microsoft.com/windows/win32/api/shobjidl_core/nn-shobjidl_core-istreamasync>

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kswrite_client::Win32Error;

use crate::hresult::HResult;

/// The calls that a stream makes of its file, with memory as the caller has it.
pub trait FileCalls {
    /// Where bytes are, or go to.
    type Buffer: Copy;
    /// A variable for a count.
    type Count: Copy;
    /// An `OVERLAPPED`.
    type Overlapped: Copy;

    /// WriteFile.
    ///
    /// # Errors
    ///
    /// Its last error; `ERROR_IO_PENDING`: it has begun.
    fn write(
        &self,
        buffer: Option<Self::Buffer>,
        length: u32,
        count: Option<Self::Count>,
        overlapped: Self::Overlapped,
    ) -> Result<(), Win32Error>;

    /// ReadFile.
    ///
    /// # Errors
    ///
    /// As of [`write`](Self::write).
    fn read(
        &self,
        buffer: Option<Self::Buffer>,
        length: u32,
        count: Option<Self::Count>,
        overlapped: Self::Overlapped,
    ) -> Result<(), Win32Error>;

    /// GetOverlappedResult.
    ///
    /// # Errors
    ///
    /// Its last error.
    fn result(&self, overlapped: Self::Overlapped, count: Self::Count, wait: bool) -> Result<(), Win32Error>;

    /// CancelIoEx, of all operations of the file.
    ///
    /// # Errors
    ///
    /// Its last error.
    fn cancel_all(&self) -> Result<(), Win32Error>;

    /// Writes at an offset, and returns how many bytes it were when they are written.
    ///
    /// # Errors
    ///
    /// Those of the device.
    fn write_at(&self, offset: u64, buffer: Option<Self::Buffer>, length: u32) -> Result<u32, Win32Error>;

    /// The size of a file; a device has none.
    ///
    /// # Errors
    ///
    /// Those of GetFileSizeEx.
    fn size(&self) -> Result<u64, Win32Error>;

    /// Where the `OVERLAPPED` is: what tells it from others.
    fn address(overlapped: Self::Overlapped) -> usize;

    /// Whether its `Internal` says `STATUS_PENDING`.
    fn is_in_use(&self, overlapped: Self::Overlapped) -> bool;
}

/// Where a seek begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `STREAM_SEEK_SET`.
    Begin,
    /// `STREAM_SEEK_CUR`.
    Current,
    /// `STREAM_SEEK_END`.
    End,
}

/// What a stream remembers. NULL is `None` in what its methods are given.
#[derive(Debug, Default)]
pub struct StreamState {
    /// The seek pointer of the synchronous methods; held while one of them runs.
    position: Mutex<u64>,
    /// Addresses of the `OVERLAPPED`s that operations were begun with: a result can be asked for these only. What fails
    /// at once was not begun, though its `Internal` goes on to say `STATUS_PENDING`.
    begun: Mutex<HashSet<usize>>,
}

impl StreamState {
    /// A stream whose seek pointer is there.
    #[must_use]
    pub fn at(position: u64) -> Self {
        Self {
            position: Mutex::new(position),
            begun: Mutex::default(),
        }
    }

    fn position(&self) -> MutexGuard<'_, u64> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> MutexGuard<'_, HashSet<usize>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs something with the seek pointer, during which no other synchronous method runs.
    pub fn with_position<T>(&self, act: impl FnOnce(&mut u64) -> T) -> T {
        act(&mut self.position())
    }

    /// Begins an operation by `call`, if the arguments that both asynchronous methods have are good.
    fn begin<C: FileCalls>(
        &self,
        calls: &C,
        (buffer, length): (Option<C::Buffer>, u32),
        overlapped: Option<C::Overlapped>,
        call: impl FnOnce(C::Overlapped) -> Result<(), Win32Error>,
    ) -> Result<(), HResult> {
        let overlapped = overlapped.ok_or(HResult::INVALID_ARG)?;
        if buffer.is_none() && length > 0 {
            return Err(HResult::POINTER);
        }
        let address = C::address(overlapped);
        // Remembered first: it may be over, and its result be asked for, before the call returns.
        if !self.begun().insert(address) && calls.is_in_use(overlapped) {
            return Err(HResult::INVALID_ARG);
        }
        let begun = call(overlapped);
        if begun.is_err_and(|error| error != Win32Error::IO_PENDING) {
            self.begun().remove(&address);
        }
        Ok(begun?)
    }

    /// WriteAsync.
    ///
    /// # Errors
    ///
    /// `E_INVALIDARG`: no `OVERLAPPED`, or one that an operation of this stream has. `E_POINTER`: no buffer, but a
    /// length. Otherwise those of WriteFile, `ERROR_IO_PENDING` among them.
    pub fn write_async<C: FileCalls>(
        &self,
        calls: &C,
        buffer: Option<C::Buffer>,
        length: u32,
        count: Option<C::Count>,
        overlapped: Option<C::Overlapped>,
    ) -> Result<(), HResult> {
        self.begin(calls, (buffer, length), overlapped, |overlapped| {
            calls.write(buffer, length, count, overlapped)
        })
    }

    /// ReadAsync.
    ///
    /// # Errors
    ///
    /// As of [`write_async`](Self::write_async).
    pub fn read_async<C: FileCalls>(
        &self,
        calls: &C,
        buffer: Option<C::Buffer>,
        length: u32,
        count: Option<C::Count>,
        overlapped: Option<C::Overlapped>,
    ) -> Result<(), HResult> {
        self.begin(calls, (buffer, length), overlapped, |overlapped| {
            calls.read(buffer, length, count, overlapped)
        })
    }

    /// OverlappedResult.
    ///
    /// # Errors
    ///
    /// `E_POINTER`: no count. `E_INVALIDARG`: no operation of this stream was begun with the `OVERLAPPED`. Otherwise
    /// those of GetOverlappedResult, `ERROR_IO_INCOMPLETE` among them.
    pub fn overlapped_result<C: FileCalls>(
        &self,
        calls: &C,
        overlapped: Option<C::Overlapped>,
        count: Option<C::Count>,
        wait: bool,
    ) -> Result<(), HResult> {
        let count = count.ok_or(HResult::POINTER)?;
        let overlapped = overlapped.ok_or(HResult::INVALID_ARG)?;
        if !self.begun().contains(&C::address(overlapped)) {
            return Err(HResult::INVALID_ARG);
        }
        Ok(calls.result(overlapped, count, wait)?)
    }

    /// CancelIo: all operations of the stream, whichever thread began them. That there is none is no error.
    ///
    /// # Errors
    ///
    /// Those of CancelIoEx.
    pub fn cancel_io(&self, calls: &impl FileCalls) -> Result<(), HResult> {
        match calls.cancel_all() {
            Err(Win32Error::NOT_FOUND) => Ok(()),
            asked => Ok(asked?),
        }
    }

    /// Write: at the seek pointer, which moves by what was written; how much it was.
    ///
    /// # Errors
    ///
    /// `STG_E_INVALIDPOINTER`: no buffer, but a length. Otherwise those of the device.
    pub fn write<C: FileCalls>(
        &self,
        calls: &C,
        buffer: Option<C::Buffer>,
        length: u32,
    ) -> Result<u32, HResult> {
        if buffer.is_none() && length > 0 {
            return Err(HResult::STG_INVALID_POINTER);
        }
        self.with_position(|position| {
            let written = calls.write_at(*position, buffer, length)?.min(length);
            *position += u64::from(written);
            Ok(written)
        })
    }

    /// Seek; the new position.
    ///
    /// # Errors
    ///
    /// `STG_E_INVALIDFUNCTION`: before the beginning, or from the end of what has none, as a device.
    pub fn seek(&self, calls: &impl FileCalls, distance: i64, origin: Origin) -> Result<u64, HResult> {
        self.with_position(|position| {
            let from = match origin {
                Origin::Begin => 0,
                Origin::Current => *position,
                Origin::End => calls.size().map_err(|_| HResult::STG_INVALID_FUNCTION)?,
            };
            let to = from.checked_add_signed(distance);
            *position = to.ok_or(HResult::STG_INVALID_FUNCTION)?;
            Ok(*position)
        })
    }
}
