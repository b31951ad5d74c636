//! IStreamAsync over a device or file.
//!
//! The asynchronous methods are ReadFile and WriteFile on an overlapped handle, and say what those say as HRESULT:
//! an operation that is pending is `HRESULT_FROM_WIN32(ERROR_IO_PENDING)`, 0x800703E5. The caller's buffer and
//! `OVERLAPPED` are the system's until the operation is over.
//!
//! The synchronous methods have a seek pointer of their own, which the asynchronous ones neither use nor move.
//!
//! <https://learn.microsoft.com/windows/win32/api/shobjidl_core/nn-shobjidl_core-istreamasync>
#![expect(
    unsafe_code,
    reason = "the memory of a COM caller comes as addresses, and goes to the system as such"
)]
#![expect(
    clippy::ref_as_ptr,
    clippy::inline_always,
    reason = "in what #[implement] writes"
)]

use std::collections::HashSet;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kswrite_client::{Error, Finished, Operation, Started, Win32Error};
use windows::Win32::Foundation::{
    E_INVALIDARG, E_POINTER, HANDLE, S_FALSE, S_OK, STATUS_PENDING, STG_E_INVALIDFUNCTION,
    STG_E_INVALIDPOINTER,
};
use windows::Win32::Storage::FileSystem::{
    FILE_BEGIN, FlushFileBuffers, GetFileSizeEx, LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY,
    LockFileEx, SetEndOfFile, SetFilePointerEx, UnlockFileEx,
};
use windows::Win32::System::Com::{
    CoTaskMemAlloc, ISequentialStream_Impl, IStream, IStream_Impl, LOCK_EXCLUSIVE, LOCK_ONLYONCE, LOCK_WRITE,
    LOCKTYPE, STATFLAG, STATFLAG_NONAME, STATSTG, STGC, STGM_READWRITE, STGTY_STREAM, STREAM_SEEK,
    STREAM_SEEK_CUR, STREAM_SEEK_END, STREAM_SEEK_SET,
};
use windows::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows::Win32::UI::Shell::{IStreamAsync, IStreamAsync_Impl};
use windows::core::{BOOL, HRESULT, PWSTR, Ref, Result, implement};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};

/// A stream over a file or device, opened with `FILE_FLAG_OVERLAPPED` and belonging to no completion port.
///
/// The last Release asks that what is pending be cancelled and closes the handle. Events are set all the same, and until
/// they are the memory of the operations must stay: the object does not wait, for a device may take its time.
#[implement(IStreamAsync)]
#[derive(Debug)]
pub struct Stream {
    file: kswrite_client::File,
    name: String,
    /// The seek pointer of the synchronous methods; held while one of them runs.
    position: Mutex<u64>,
    /// Addresses of the `OVERLAPPED`s that operations were begun with: a result can be asked for these only.
    begun: Mutex<HashSet<usize>>,
}

const _: fn() = || {
    fn free_threaded<T: Send + Sync>() {}
    free_threaded::<Stream>();
};

impl Stream {
    /// A stream over an open file; `name` is what Stat says.
    pub fn new(file: kswrite_client::File, name: &str) -> Self {
        Self {
            file,
            name: name.to_owned(),
            position: Mutex::new(0),
            begun: Mutex::default(),
        }
    }

    /// Opens a device or an existing file, for reading and writing.
    ///
    /// # Errors
    ///
    /// Those of CreateFile.
    pub fn open(path: &str) -> std::result::Result<IStreamAsync, Error> {
        let file = kswrite_client::File::open(path, kswrite_client::Access::ReadWrite)?;
        Ok(Self::new(file, path).into())
    }

    fn handle(&self) -> HANDLE {
        let number = usize::try_from(self.file.number()).unwrap_or_default();
        HANDLE(std::ptr::with_exposed_provenance_mut(number))
    }

    fn position(&self) -> MutexGuard<'_, u64> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> MutexGuard<'_, HashSet<usize>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks the arguments that both asynchronous methods have, and remembers the `OVERLAPPED`.
    fn begin(
        &self,
        buffer: *const c_void,
        length: u32,
        count: *mut u32,
        overlapped: *const OVERLAPPED,
    ) -> Result<*mut windows_sys::Win32::System::IO::OVERLAPPED> {
        if overlapped.is_null() || !overlapped.is_aligned() || !count.is_aligned() {
            return Err(E_INVALIDARG.into());
        }
        if buffer.is_null() && length > 0 {
            return Err(E_POINTER.into());
        }
        // SAFETY: by the contract of the method it is a valid OVERLAPPED. Only the address is computed.
        let internal = unsafe { &raw const (*overlapped).Internal };
        // SAFETY: as above; volatile, for it may be in use by mistake.
        let status = unsafe { internal.read_volatile() };
        if status == STATUS_PENDING.0.cast_unsigned() as usize {
            return Err(E_INVALIDARG.into());
        }
        self.begun().insert(overlapped.addr());
        Ok(overlapped.cast_mut().cast())
    }

    /// The size of a file; a device has none.
    fn size(&self) -> Result<u64> {
        let mut size = 0;
        // SAFETY: the handle is open; the size is written before the call returns.
        unsafe { GetFileSizeEx(self.handle(), &raw mut size) }?;
        Ok(size.cast_unsigned())
    }

    fn synchronous(
        &self,
        length: u32,
        start: impl FnOnce(u64) -> Result<Finished<kswrite_client::ByEvent>>,
        count: *mut u32,
    ) -> Result<Vec<u8>> {
        if !count.is_aligned() {
            return Err(STG_E_INVALIDPOINTER.into());
        }
        let mut position = self.position();
        let Finished { result, buffer, .. } = start(*position)?;
        let bytes = result.map_err(to_com)?.min(length);
        *position += u64::from(bytes);
        if !count.is_null() {
            // SAFETY: by the contract of the method it is NULL or valid; it is aligned.
            unsafe { count.write(bytes) };
        }
        Ok(buffer)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Nothing pending: there is nothing to cancel.
        let _none = self.file.cancel_all();
    }
}

fn to_com(error: Win32Error) -> windows::core::Error {
    HRESULT::from_win32(error.0).into()
}

/// Of a call that returns a BOOL, right after it.
fn answer(returned: i32) -> Result<()> {
    if returned == 0 {
        Err(windows::core::Error::from_thread())
    } else {
        Ok(())
    }
}

fn operation() -> Result<Operation<kswrite_client::ByEvent>> {
    Operation::by_event().map_err(|error| to_com(error.code()))
}

/// `ERROR_HANDLE_EOF` is how a file says that there is nothing more to read; a stream says so by a count of 0.
fn read_to_end(mut finished: Finished<kswrite_client::ByEvent>) -> Finished<kswrite_client::ByEvent> {
    if finished.result == Err(Win32Error(38)) {
        finished.result = Ok(0);
    }
    finished
}

fn finish(started: Started<kswrite_client::ByEvent>) -> Finished<kswrite_client::ByEvent> {
    started.wait()
}

impl ISequentialStream_Impl for Stream_Impl {
    fn Read(&self, buffer: *mut c_void, length: u32, count: *mut u32) -> HRESULT {
        if buffer.is_null() && length > 0 {
            return STG_E_INVALIDPOINTER;
        }
        let start = |position| {
            let into = vec![0; length as usize];
            let started = operation()?.read_at(&self.file, position, into);
            Ok(read_to_end(finish(started)))
        };
        let mut read = 0;
        let bytes = match self.synchronous(length, start, &raw mut read) {
            Ok(bytes) => bytes,
            Err(error) => return error.code(),
        };
        let bytes = bytes.get(..read as usize).unwrap_or(&bytes);
        // SAFETY: by the contract of the method the buffer has `length` bytes, and no more were read.
        unsafe { buffer.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
        if !count.is_null() && count.is_aligned() {
            // SAFETY: by the contract of the method it is NULL or valid.
            unsafe { count.write(read) };
        }
        if read < length { S_FALSE } else { S_OK }
    }

    fn Write(&self, buffer: *const c_void, length: u32, count: *mut u32) -> HRESULT {
        if buffer.is_null() && length > 0 {
            return STG_E_INVALIDPOINTER;
        }
        let bytes = if length == 0 {
            Vec::new()
        } else {
            // SAFETY: by the contract of the method the buffer has `length` bytes.
            unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length as usize) }.to_vec()
        };
        let start = |position| Ok(finish(operation()?.write_at(&self.file, position, bytes)));
        match self.synchronous(length, start, count) {
            Ok(_) => S_OK,
            Err(error) => error.code(),
        }
    }
}

impl IStream_Impl for Stream_Impl {
    fn Seek(&self, distance: i64, origin: STREAM_SEEK, reached: *mut u64) -> Result<()> {
        let mut position = self.position();
        let from = match origin {
            STREAM_SEEK_SET => 0,
            STREAM_SEEK_CUR => *position,
            // A device has no end.
            STREAM_SEEK_END => self.size().map_err(|_| STG_E_INVALIDFUNCTION)?,
            _ => return Err(STG_E_INVALIDFUNCTION.into()),
        };
        let to = from.checked_add_signed(distance).ok_or(STG_E_INVALIDFUNCTION)?;
        *position = to;
        if !reached.is_null() && reached.is_aligned() {
            // SAFETY: by the contract of the method it is NULL or valid.
            unsafe { reached.write(to) };
        }
        Ok(())
    }

    fn SetSize(&self, size: u64) -> Result<()> {
        let _held = self.position();
        let distance = i64::try_from(size).map_err(|_| STG_E_INVALIDFUNCTION)?;
        // What has no size has none to set.
        let _has_size = self.size().map_err(|_| STG_E_INVALIDFUNCTION)?;
        // SAFETY: the handle is open. Overlapped operations do not use the position of the handle.
        unsafe { SetFilePointerEx(self.handle(), distance, None, FILE_BEGIN) }?;
        // SAFETY: the handle is open.
        unsafe { SetEndOfFile(self.handle()) }
    }

    fn CopyTo(&self, to: Ref<IStream>, bytes: u64, read: *mut u64, written: *mut u64) -> Result<()> {
        let to = to.ok().map_err(|_| STG_E_INVALIDPOINTER)?;
        let mut buffer = vec![0_u8; 64 << 10];
        let (mut all_read, mut all_written) = (0, 0);
        let mut result = Ok(());
        while all_read < bytes && result.is_ok() {
            let wanted = u32::try_from((bytes - all_read).min(buffer.len() as u64)).unwrap_or(u32::MAX);
            let (mut now, mut taken) = (0, 0);
            result = self.Read(buffer.as_mut_ptr().cast(), wanted, &raw mut now).ok();
            if result.is_err() || now == 0 {
                break;
            }
            all_read += u64::from(now);
            // SAFETY: `now` bytes of the buffer were read; the count is written before the call returns.
            result = unsafe { to.Write(buffer.as_ptr().cast(), now, Some(&raw mut taken)) }.ok();
            all_written += u64::from(taken);
        }
        for (count, value) in [(read, all_read), (written, all_written)] {
            if !count.is_null() && count.is_aligned() {
                // SAFETY: by the contract of the method it is NULL or valid.
                unsafe { count.write(value) };
            }
        }
        result
    }

    /// Nothing is kept back here; a file flushes its cache, and a device that knows no flush has none.
    fn Commit(&self, _flags: &STGC) -> Result<()> {
        // SAFETY: the handle is open.
        let flushed = unsafe { FlushFileBuffers(self.handle()) };
        match flushed {
            Err(error) if self.size().is_ok() => Err(error),
            _ => Ok(()),
        }
    }

    /// What is not transacted cannot be taken back, and the method says so by doing nothing.
    fn Revert(&self) -> Result<()> {
        Ok(())
    }

    fn LockRegion(&self, offset: u64, bytes: u64, kind: &LOCKTYPE) -> Result<()> {
        let flags = match *kind {
            LOCK_EXCLUSIVE | LOCK_ONLYONCE => LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY,
            LOCK_WRITE => LOCKFILE_FAIL_IMMEDIATELY,
            _ => return Err(STG_E_INVALIDFUNCTION.into()),
        };
        let (low, high) = halves(bytes);
        let mut region = at(offset);
        // SAFETY: the handle is open, and a lock that fails at once leaves nothing pending.
        unsafe { LockFileEx(self.handle(), flags, None, low, high, &raw mut region) }
            .map_err(|error| unsupported(&error))
    }

    fn UnlockRegion(&self, offset: u64, bytes: u64, _kind: u32) -> Result<()> {
        let (low, high) = halves(bytes);
        let mut region = at(offset);
        // SAFETY: the handle is open; the call does not pend.
        unsafe { UnlockFileEx(self.handle(), None, low, high, &raw mut region) }
            .map_err(|error| unsupported(&error))
    }

    fn Stat(&self, stat: *mut STATSTG, flags: &STATFLAG) -> Result<()> {
        if stat.is_null() || !stat.is_aligned() {
            return Err(STG_E_INVALIDPOINTER.into());
        }
        let name = if *flags == STATFLAG_NONAME {
            PWSTR::null()
        } else {
            task_string(&self.name)?
        };
        let found = STATSTG {
            pwcsName: name,
            r#type: STGTY_STREAM.0.cast_unsigned(),
            cbSize: self.size().unwrap_or_default(),
            grfMode: STGM_READWRITE,
            ..STATSTG::default()
        };
        // SAFETY: by the contract of the method it is valid; it is aligned.
        unsafe { stat.write(found) };
        Ok(())
    }

    /// The same handle, with a seek pointer of its own that begins where this one is.
    fn Clone(&self) -> Result<IStream> {
        let clone = Stream::new(self.file.clone(), &self.name);
        *clone.position() = *self.position();
        Ok(IStreamAsync::from(clone).into())
    }
}

impl IStreamAsync_Impl for Stream_Impl {
    fn ReadAsync(
        &self,
        buffer: *mut c_void,
        length: u32,
        count: *mut u32,
        overlapped: *const OVERLAPPED,
    ) -> Result<()> {
        let overlapped = self.begin(buffer, length, count, overlapped)?;
        // SAFETY: the handle is open; by the contract of the method the rest stays until the operation is over.
        answer(unsafe { ReadFile(self.handle().0, buffer.cast(), length, count, overlapped) })
    }

    fn WriteAsync(
        &self,
        buffer: *const c_void,
        length: u32,
        count: *mut u32,
        overlapped: *const OVERLAPPED,
    ) -> Result<()> {
        let overlapped = self.begin(buffer, length, count, overlapped)?;
        // SAFETY: the handle is open; by the contract of the method the rest stays until the operation is over.
        answer(unsafe { WriteFile(self.handle().0, buffer.cast(), length, count, overlapped) })
    }

    fn OverlappedResult(&self, overlapped: *const OVERLAPPED, count: *mut u32, wait: BOOL) -> Result<()> {
        if count.is_null() || !count.is_aligned() {
            return Err(E_POINTER.into());
        }
        if !self.begun().contains(&overlapped.addr()) {
            return Err(E_INVALIDARG.into());
        }
        // SAFETY: an operation of this handle was begun with it, and it stays until its result was asked for.
        unsafe { GetOverlappedResult(self.handle(), overlapped, count, wait.as_bool()) }
    }

    /// All operations of this stream, whichever thread began them.
    fn CancelIo(&self) -> Result<()> {
        // SAFETY: the handle is open; no memory is named.
        match unsafe { CancelIoEx(self.handle(), None) } {
            Err(error) if error.code() == HRESULT::from_win32(Win32Error::NOT_FOUND.0) => Ok(()),
            asked => asked,
        }
    }
}

fn halves(value: u64) -> (u32, u32) {
    ((value & 0xFFFF_FFFF) as u32, (value >> 32) as u32)
}

fn at(offset: u64) -> OVERLAPPED {
    let mut overlapped = OVERLAPPED::default();
    let (low, high) = halves(offset);
    overlapped.Anonymous.Anonymous.Offset = low;
    overlapped.Anonymous.Anonymous.OffsetHigh = high;
    overlapped
}

/// A device that knows no locks is a stream without them.
fn unsupported(error: &windows::core::Error) -> windows::core::Error {
    const NO_SUCH_REQUEST: [u32; 2] = [1, 50];
    let known = NO_SUCH_REQUEST.map(HRESULT::from_win32);
    if known.contains(&error.code()) {
        STG_E_INVALIDFUNCTION.into()
    } else {
        error.clone()
    }
}

/// A copy of the text for the caller to free.
fn task_string(text: &str) -> Result<PWSTR> {
    let wide: Vec<u16> = text.encode_utf16().chain([0]).collect();
    // SAFETY: no preconditions.
    let memory = unsafe { CoTaskMemAlloc(size_of_val(wide.as_slice())) }.cast::<u16>();
    if memory.is_null() {
        return Err(windows::Win32::Foundation::STG_E_INSUFFICIENTMEMORY.into());
    }
    // SAFETY: the memory is new and has room for all.
    unsafe { memory.copy_from_nonoverlapping(wide.as_ptr(), wide.len()) };
    Ok(PWSTR(memory))
}
