//! IStreamAsync over a device or file: the COM object and the system's calls below [`stream`](crate::stream), which
//! decides.
//!
//! The caller's buffer and `OVERLAPPED` are the system's until the operation is over.
#![expect(
    unsafe_code,
    reason = "the memory of a COM caller comes as addresses, and goes to the system as such"
)]
#![expect(
    clippy::ref_as_ptr,
    clippy::inline_always,
    reason = "in what #[implement] writes"
)]

use std::ffi::c_void;
use std::ptr::NonNull;

use kswrite_client::{ByEvent, Error, Finished, Operation, Win32Error};
use windows::Win32::Foundation::{
    HANDLE, S_FALSE, S_OK, STATUS_PENDING, STG_E_INVALIDFUNCTION, STG_E_INVALIDPOINTER,
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
use windows::Win32::System::IO::{GetOverlappedResult, OVERLAPPED};
use windows::Win32::UI::Shell::{IStreamAsync, IStreamAsync_Impl};
use windows::core::{BOOL, HRESULT, PWSTR, Ref, Result, implement};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};

use super::{copy_of, zeros};
use crate::hresult::HResult;
use crate::stream::{FileCalls, Origin, StreamState};

/// `ERROR_OUTOFMEMORY`, which as HRESULT is `E_OUTOFMEMORY`.
const OUT_OF_MEMORY: Win32Error = Win32Error(14);

/// A stream over a file or device, opened with `FILE_FLAG_OVERLAPPED` and belonging to no completion port.
///
/// The last Release asks that what is pending be cancelled and closes the handle. Events are set all the same, and until
/// they are the memory of the operations must stay: the object does not wait, for a device may take its time.
#[implement(IStreamAsync)]
#[derive(Debug)]
pub struct Stream {
    file: kswrite_client::File,
    name: String,
    state: StreamState,
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
            state: StreamState::default(),
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

    /// The size of a file; a device has none.
    fn size(&self) -> Result<u64> {
        let mut size = 0;
        // SAFETY: the handle is open; the size is written before the call returns.
        unsafe { GetFileSizeEx(self.handle(), &raw mut size) }?;
        Ok(size.cast_unsigned())
    }
}

/// The system's calls, with the memory of a method's caller.
///
/// INVARIANT: a value lives for one call of a method, and what it is given is memory that the contract of that method
/// calls valid, and aligned; buffer and `OVERLAPPED` until the operation is over.
struct Calls<'a>(&'a Stream);

impl FileCalls for Calls<'_> {
    type Buffer = NonNull<c_void>;
    type Count = NonNull<u32>;
    type Overlapped = NonNull<OVERLAPPED>;

    fn write(
        &self,
        buffer: Option<NonNull<c_void>>,
        length: u32,
        count: Option<NonNull<u32>>,
        overlapped: NonNull<OVERLAPPED>,
    ) -> std::result::Result<(), Win32Error> {
        let (buffer, count) = (address(buffer), address(count));
        let overlapped = overlapped.as_ptr().cast();
        // SAFETY: the handle is open; the rest by the invariant.
        answer(unsafe { WriteFile(self.0.handle().0, buffer.cast(), length, count, overlapped) })
    }

    fn read(
        &self,
        buffer: Option<NonNull<c_void>>,
        length: u32,
        count: Option<NonNull<u32>>,
        overlapped: NonNull<OVERLAPPED>,
    ) -> std::result::Result<(), Win32Error> {
        let (buffer, count) = (address(buffer), address(count));
        let overlapped = overlapped.as_ptr().cast();
        // SAFETY: the handle is open; the rest by the invariant.
        answer(unsafe { ReadFile(self.0.handle().0, buffer.cast(), length, count, overlapped) })
    }

    fn result(
        &self,
        overlapped: NonNull<OVERLAPPED>,
        count: NonNull<u32>,
        wait: bool,
    ) -> std::result::Result<(), Win32Error> {
        let overlapped = overlapped.as_ptr();
        // SAFETY: an operation of this handle was begun with it, and it stays until its result was asked for.
        let returned = unsafe { GetOverlappedResult(self.0.handle(), overlapped, count.as_ptr(), wait) };
        returned.map_err(|error| error_of(&error))
    }

    fn cancel_all(&self) -> std::result::Result<(), Win32Error> {
        self.0.file.cancel_all()
    }

    fn write_at(
        &self,
        offset: u64,
        buffer: Option<NonNull<c_void>>,
        length: u32,
    ) -> std::result::Result<u32, Win32Error> {
        let bytes = match buffer {
            Some(buffer) if length > 0 => {
                // SAFETY: by the invariant it has `length` bytes.
                copy_of(unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), length as usize) })
                    .map_err(|_| OUT_OF_MEMORY)?
            }
            _ => Vec::new(),
        };
        let Finished { result, .. } = operation()?.write_at(&self.0.file, offset, bytes).wait();
        result
    }

    fn size(&self) -> std::result::Result<u64, Win32Error> {
        self.0.size().map_err(|error| error_of(&error))
    }

    fn address(overlapped: NonNull<OVERLAPPED>) -> usize {
        overlapped.addr().get()
    }

    fn is_in_use(&self, overlapped: NonNull<OVERLAPPED>) -> bool {
        let overlapped = overlapped.as_ptr();
        // SAFETY: by the invariant it is an OVERLAPPED. Only the address is computed.
        let internal = unsafe { &raw const (*overlapped).Internal };
        // SAFETY: as above; volatile, for it may be in use by mistake.
        let status = unsafe { internal.read_volatile() };
        status == STATUS_PENDING.0.cast_unsigned() as usize
    }
}

fn address<T>(place: Option<NonNull<T>>) -> *mut T {
    place.map_or(std::ptr::null_mut(), NonNull::as_ptr)
}

/// A variable of the caller; `None` for NULL, refused if it is misaligned.
fn variable<T>(place: *mut T, refusal: HResult) -> std::result::Result<Option<NonNull<T>>, HResult> {
    if place.is_aligned() {
        Ok(NonNull::new(place))
    } else {
        Err(refusal)
    }
}

/// An `OVERLAPPED` of the caller; `None` for NULL and for what cannot be one.
fn overlapped_of(overlapped: *const OVERLAPPED) -> Option<NonNull<OVERLAPPED>> {
    NonNull::new(overlapped.cast_mut()).filter(|overlapped| overlapped.is_aligned())
}

impl From<HResult> for windows::core::Error {
    fn from(result: HResult) -> Self {
        HRESULT(result.0.cast_signed()).into()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Nothing pending: there is nothing to cancel.
        let _none = self.file.cancel_all();
    }
}

/// Of a call that returns a BOOL, right after it.
fn answer(returned: i32) -> std::result::Result<(), Win32Error> {
    if returned == 0 {
        Err(error_of(&windows::core::Error::from_thread()))
    } else {
        Ok(())
    }
}

/// The Win32 error in an error of a system call.
fn error_of(error: &windows::core::Error) -> Win32Error {
    Win32Error(windows::Win32::Foundation::WIN32_ERROR::from_error(error).map_or(0, |error| error.0))
}

fn operation() -> std::result::Result<Operation<ByEvent>, Win32Error> {
    Operation::by_event().map_err(|error| error.code())
}

impl Stream {
    /// Reads at the seek pointer, which moves. `ERROR_HANDLE_EOF` is how a file says that there is nothing more to
    /// read; a stream says so by a count of 0.
    fn read_on(&self, length: u32) -> std::result::Result<Vec<u8>, HResult> {
        self.state.with_position(|position| {
            let into = zeros(length as usize).map_err(|_| HResult::OUT_OF_MEMORY)?;
            let started = operation()?.read_at(&self.file, *position, into);
            let Finished {
                result, mut buffer, ..
            } = started.wait();
            let read = match result {
                Err(Win32Error::HANDLE_EOF) => 0,
                result => result?.min(length),
            };
            *position += u64::from(read);
            buffer.truncate(read as usize);
            Ok(buffer)
        })
    }
}

/// Stores a count, where one is wanted.
fn store<T>(place: Option<NonNull<T>>, value: T) {
    if let Some(place) = place {
        // SAFETY: by the contract of the method it is valid; it is aligned.
        unsafe { place.write(value) };
    }
}

impl ISequentialStream_Impl for Stream_Impl {
    fn Read(&self, buffer: *mut c_void, length: u32, count: *mut u32) -> HRESULT {
        if buffer.is_null() && length > 0 {
            return STG_E_INVALIDPOINTER;
        }
        let read = variable(count, HResult::STG_INVALID_POINTER)
            .and_then(|count| Ok((count, self.read_on(length)?)));
        let (count, bytes) = match read {
            Ok(read) => read,
            Err(error) => return windows::core::Error::from(error).code(),
        };
        // SAFETY: by the contract of the method the buffer has `length` bytes, and no more were read.
        unsafe { buffer.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
        let read = u32::try_from(bytes.len()).unwrap_or(length);
        store(count, read);
        if read < length { S_FALSE } else { S_OK }
    }

    fn Write(&self, buffer: *const c_void, length: u32, count: *mut u32) -> HRESULT {
        let buffer = NonNull::new(buffer.cast_mut());
        let written = variable(count, HResult::STG_INVALID_POINTER)
            .and_then(|count| Ok((count, self.state.write(&Calls(self), buffer, length)?)));
        match written {
            Ok((count, written)) => {
                store(count, written);
                S_OK
            }
            Err(error) => windows::core::Error::from(error).code(),
        }
    }
}

impl IStream_Impl for Stream_Impl {
    fn Seek(&self, distance: i64, origin: STREAM_SEEK, reached: *mut u64) -> Result<()> {
        let origin = match origin {
            STREAM_SEEK_SET => Origin::Begin,
            STREAM_SEEK_CUR => Origin::Current,
            STREAM_SEEK_END => Origin::End,
            _ => return Err(STG_E_INVALIDFUNCTION.into()),
        };
        let to = self.state.seek(&Calls(self), distance, origin)?;
        store(NonNull::new(reached).filter(|place| place.is_aligned()), to);
        Ok(())
    }

    fn SetSize(&self, size: u64) -> Result<()> {
        let distance = i64::try_from(size).map_err(|_| STG_E_INVALIDFUNCTION)?;
        // What has no size has none to set.
        let _has_size = self.size().map_err(|_| STG_E_INVALIDFUNCTION)?;
        self.state.with_position(|_held| {
            // SAFETY: the handle is open. Overlapped operations do not use the position of the handle.
            unsafe { SetFilePointerEx(self.handle(), distance, None, FILE_BEGIN) }?;
            // SAFETY: the handle is open.
            unsafe { SetEndOfFile(self.handle()) }
        })
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
            store(NonNull::new(count).filter(|place| place.is_aligned()), value);
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
        let clone = Stream {
            file: self.file.clone(),
            name: self.name.clone(),
            state: StreamState::at(self.state.with_position(|position| *position)),
        };
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
        let count = variable(count, HResult::INVALID_ARG)?;
        let (buffer, overlapped) = (NonNull::new(buffer), overlapped_of(overlapped));
        let calls = Calls(self);
        Ok(self.state.read_async(&calls, buffer, length, count, overlapped)?)
    }

    fn WriteAsync(
        &self,
        buffer: *const c_void,
        length: u32,
        count: *mut u32,
        overlapped: *const OVERLAPPED,
    ) -> Result<()> {
        let count = variable(count, HResult::INVALID_ARG)?;
        let (buffer, overlapped) = (NonNull::new(buffer.cast_mut()), overlapped_of(overlapped));
        let calls = Calls(self);
        Ok(self
            .state
            .write_async(&calls, buffer, length, count, overlapped)?)
    }

    fn OverlappedResult(&self, overlapped: *const OVERLAPPED, count: *mut u32, wait: BOOL) -> Result<()> {
        let count = variable(count, HResult::POINTER)?;
        let (calls, overlapped) = (Calls(self), overlapped_of(overlapped));
        Ok(self
            .state
            .overlapped_result(&calls, overlapped, count, wait.as_bool())?)
    }

    fn CancelIo(&self) -> Result<()> {
        Ok(self.state.cancel_io(&Calls(self))?)
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
