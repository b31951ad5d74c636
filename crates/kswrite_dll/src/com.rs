//! The COM interfaces, handed out.
#![expect(unsafe_code, reason = "exports functions to C")]

use client::{Access, Error, File, Reactor};
use kswrite_faces::channel::Bound;
use kswrite_faces::{DeviceTransport, Stream, open_channel};
use windows::Win32::Foundation::{E_INVALIDARG, E_POINTER, S_OK};
use windows::Win32::System::RemoteDesktop::IWTSVirtualChannelCallback;
use windows::core::{HRESULT, Interface};

use crate::memory::{is_place, put, text};
use crate::types::{LPCWSTR, PVOID, ULONGLONG};

/// The bound of a channel that may take as much memory as there is.
pub const KSW_MEMORY: u64 = 0;

/// The longest path of a device or file, with its zero.
const PATH_CHARACTERS: usize = 32768;

/// Opens a device or an existing file, and hands out an `IStreamAsync` over it.
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
    if !is_place(stream) {
        return E_POINTER;
    }
    // SAFETY: the caller's promise.
    unsafe { put(stream, std::ptr::null_mut()) };
    // SAFETY: the caller's promise.
    let path = match unsafe { path_of(path) } {
        Ok(path) => path,
        Err(error) => return error,
    };
    match Stream::open(&path) {
        Ok(opened) => {
            // SAFETY: the caller's promise; the reference is the caller's now.
            unsafe { put(stream, opened.into_raw()) };
            S_OK
        }
        Err(error) => to_com(&error),
    }
}

/// Opens a device or an existing file, and hands out an `IWTSVirtualChannel` over it, of which `callback` is told.
///
/// `bound` is how many bytes may wait, headers included; [`KSW_MEMORY`] sets no bound.
///
/// # Returns
///
/// As [`KswOpenStream`].
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
    if !is_place(channel) {
        return E_POINTER;
    }
    // SAFETY: the caller's promise.
    unsafe { put(channel, std::ptr::null_mut()) };
    // SAFETY: the caller's promise.
    let path = match unsafe { path_of(path) } {
        Ok(path) => path,
        Err(error) => return error,
    };
    let bound = match bound {
        KSW_MEMORY => Bound::Memory,
        bytes => Bound::Bytes(usize::try_from(bytes).unwrap_or(usize::MAX)),
    };
    // SAFETY: the caller's promise.
    let callback = unsafe { IWTSVirtualChannelCallback::from_raw_borrowed(&callback) };
    match transport(&path) {
        Ok(transport) => {
            let opened = open_channel(transport, bound, callback.cloned());
            // SAFETY: the caller's promise; the reference is the caller's now.
            unsafe { put(channel, opened.into_raw()) };
            S_OK
        }
        Err(error) => to_com(&error),
    }
}

fn transport(path: &str) -> Result<DeviceTransport, Error> {
    let file = File::open(path, Access::ReadWrite)?;
    Ok(DeviceTransport::new(Reactor::new()?.attach(file)?))
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
