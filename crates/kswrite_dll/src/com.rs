//! The COM interfaces, handed out.
#![expect(unsafe_code, reason = "exports functions to C")]

use std::os::windows::io::BorrowedHandle;

use client::{Access, Error, File, Reactor, Win32Error};
use kswrite_faces::channel::Bound;
use kswrite_faces::{DeviceTransport, Stream, open_channel};
use windows::Win32::Foundation::{E_HANDLE, E_INVALIDARG, E_POINTER, S_OK};
use windows::Win32::System::RemoteDesktop::IWTSVirtualChannelCallback;
use windows::Win32::UI::Shell::IStreamAsync;
use windows::core::{HRESULT, Interface};

use crate::memory::{is_place, put, text};
use crate::types::{HANDLE, LPCWSTR, PVOID, ULONGLONG};

/// The bound of a channel that may take as much memory as there is.
pub const KSW_MEMORY: u64 = 0;

/// The longest path of a device or file, with its zero.
const PATH_CHARACTERS: usize = 32768;

/// Opens a device or an existing file for reading and writing, and hands out an `IStreamAsync` over it.
///
/// `stream` is set to NULL if there is none.
///
/// # Returns
///
/// `E_POINTER`: NULL. `E_INVALIDARG`: the path has no end or is no UTF-16. Otherwise the error of CreateFile.
///
/// # Safety
///
/// `path` is NULL or ends with a zero; `stream` is NULL or a variable of the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswOpenStream(path: LPCWSTR, stream: *mut PVOID) -> HRESULT {
    // SAFETY: the caller's promise.
    let named = || unsafe { path_of(path) };
    let opened = || {
        let path = named()?;
        let file = open(&path)?;
        Ok(IStreamAsync::from(Stream::new(file, &path)).into_raw())
    };
    // SAFETY: the caller's promise.
    unsafe { hand_out(stream, opened) }
}

/// Hands out an `IStreamAsync` over a file or device that is open already.
///
/// The handle was opened with `FILE_FLAG_OVERLAPPED`. It is duplicated: the caller closes its own when it likes.
///
/// # Returns
///
/// `E_POINTER`: NULL. `E_HANDLE`: no handle. Otherwise the error of DuplicateHandle.
///
/// # Safety
///
/// `stream` is NULL or a variable of the caller; nobody closes the handle during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswStreamOfHandle(file: HANDLE, stream: *mut PVOID) -> HRESULT {
    // SAFETY: the caller's promise.
    let duplicated = || unsafe { duplicate(file) };
    let opened = || Ok(IStreamAsync::from(Stream::new(duplicated()?, "")).into_raw());
    // SAFETY: the caller's promise.
    unsafe { hand_out(stream, opened) }
}

/// Opens a device or an existing file for reading and writing, and hands out an `IWTSVirtualChannel` over it, of which
/// `callback` is told.
///
/// `bound` is how many bytes may wait, headers included: each 1600 bytes of a message have one of 8. [`KSW_MEMORY`] sets
/// no bound.
///
/// # Returns
///
/// As [`KswOpenStream`]; also `E_POINTER` for a misaligned `callback`.
///
/// # Safety
///
/// As [`KswOpenStream`]; `callback` is NULL or an `IWTSVirtualChannelCallback` that any thread may call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswOpenChannel(
    path: LPCWSTR,
    bound: ULONGLONG,
    callback: PVOID,
    channel: *mut PVOID,
) -> HRESULT {
    // SAFETY: the caller's promise.
    let named = || unsafe { path_of(path) };
    // SAFETY: the caller's promise.
    let called = || unsafe { callback_of(callback) };
    let opened = || channel_over(open(&named()?)?, bound, called()?);
    // SAFETY: the caller's promise.
    unsafe { hand_out(channel, opened) }
}

/// Hands out an `IWTSVirtualChannel` over a file or device that is open already; otherwise as [`KswOpenChannel`].
///
/// The handle was opened with `FILE_FLAG_OVERLAPPED` and belongs to no completion port; from now on it belongs to the
/// channel's. It is duplicated: the caller closes its own when it likes.
///
/// # Returns
///
/// As [`KswStreamOfHandle`]; also the error of CreateIoCompletionPort.
///
/// # Safety
///
/// As [`KswStreamOfHandle`]; `callback` as in [`KswOpenChannel`]. What the caller begins on the handle itself has an
/// event whose lowest bit is set, by which the system keeps a completion away from the port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswChannelOfHandle(
    file: HANDLE,
    bound: ULONGLONG,
    callback: PVOID,
    channel: *mut PVOID,
) -> HRESULT {
    // SAFETY: the caller's promise.
    let duplicated = || unsafe { duplicate(file) };
    // SAFETY: the caller's promise.
    let called = || unsafe { callback_of(callback) };
    let opened = || channel_over(duplicated()?, bound, called()?);
    // SAFETY: the caller's promise.
    unsafe { hand_out(channel, opened) }
}

/// Puts what `make` gives, a counted reference, into the caller's variable.
///
/// # Safety
///
/// `place` is NULL or a variable of the caller.
unsafe fn hand_out(place: *mut PVOID, make: impl FnOnce() -> Result<PVOID, HRESULT>) -> HRESULT {
    if !is_place(place) {
        return E_POINTER;
    }
    let (interface, code) = match make() {
        Ok(interface) => (interface, S_OK),
        Err(code) => (std::ptr::null_mut(), code),
    };
    // SAFETY: the caller's promise.
    unsafe { put(place, interface) };
    code
}

fn channel_over(
    file: File,
    bound: u64,
    callback: Option<IWTSVirtualChannelCallback>,
) -> Result<PVOID, HRESULT> {
    let bound = match bound {
        KSW_MEMORY => Bound::Memory,
        bytes => Bound::Bytes(usize::try_from(bytes).unwrap_or(usize::MAX)),
    };
    let device = Reactor::new().and_then(|reactor| reactor.attach(file));
    let transport = DeviceTransport::new(device.map_err(|error| to_com(&error))?);
    Ok(open_channel(transport, bound, callback).into_raw())
}

fn open(path: &str) -> Result<File, HRESULT> {
    File::open(path, Access::ReadWrite).map_err(|error| to_com(&error))
}

/// # Safety
///
/// Nobody closes the handle during the call.
unsafe fn duplicate(handle: HANDLE) -> Result<File, HRESULT> {
    // The current process has the number -1, and could be duplicated.
    if handle.is_null() || handle.addr() == usize::MAX {
        return Err(E_HANDLE);
    }
    // SAFETY: the caller's promise; what is no handle is refused by the system.
    let handle = unsafe { BorrowedHandle::borrow_raw(handle) };
    match handle.try_clone_to_owned() {
        Ok(owned) => Ok(File::from_overlapped(owned)),
        Err(error) => Err(HRESULT::from_win32(Win32Error::from_io(&error).0)),
    }
}

/// # Safety
///
/// `callback` is NULL or an `IWTSVirtualChannelCallback`.
unsafe fn callback_of(callback: PVOID) -> Result<Option<IWTSVirtualChannelCallback>, HRESULT> {
    if !callback.cast::<usize>().is_aligned() {
        return Err(E_POINTER);
    }
    // SAFETY: the caller's promise.
    let borrowed = unsafe { IWTSVirtualChannelCallback::from_raw_borrowed(&callback) };
    Ok(borrowed.cloned())
}

fn to_com(error: &Error) -> HRESULT {
    HRESULT::from_win32(error.code().0)
}

/// # Safety
///
/// `path` is NULL or ends with a zero.
unsafe fn path_of(path: *const u16) -> Result<String, HRESULT> {
    if path.is_null() {
        return Err(E_POINTER);
    }
    // SAFETY: the caller's promise.
    let wide = unsafe { text(path, PATH_CHARACTERS) }.ok_or(E_INVALIDARG)?;
    String::from_utf16(&wide).map_err(|_| E_INVALIDARG)
}
