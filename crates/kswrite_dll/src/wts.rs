//! Functions with the signatures of `WTSVirtualChannel*`, over a device of the driver.
//!
//! What a handle is and what may be opened is decided in [`registry`](kswrite_faces::wts::registry). All functions may be
//! called by any thread.
//!
//! <https://learn.microsoft.com/windows/win32/api/wtsapi32/>
#![expect(unsafe_code, reason = "exports functions to C")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::{Access, File, Win32Error};
use kswrite_faces::DeviceLink;
use kswrite_faces::wts::registry::{Asked, Registry};
use kswrite_faces::wts::{DYNAMIC_NAME_BYTES, VirtualChannel};
use kswrite_wire::names::SinkKind;

use crate::memory::{bytes, fail, is_place, put, text};
use crate::types::{BOOL, DWORD, HANDLE, INT, LPCWSTR, LPSTR, PCHAR, PULONG, PVOID, ULONG};

/// The session of the caller: `WTS_CURRENT_SESSION`.
const CURRENT_SESSION: u32 = u32::MAX;
/// `INFINITE`.
const INFINITE: u32 = u32::MAX;
/// Bytes of a handle.
const HANDLE_BYTES: u32 = 8;
/// `WTSVirtualFileHandle`.
const FILE_HANDLE: INT = 1;

/// What is open.
static CHANNELS: Registry<Arc<VirtualChannel<DeviceLink>>> = Registry::new();

/// The path of the device; a sink if none was set.
static DEVICE: Mutex<Option<String>> = Mutex::new(None);

/// What `KswVirtualChannelQuery` gave and `KswFreeMemory` takes back, by address.
static GIVEN: Mutex<BTreeMap<usize, Box<u64>>> = Mutex::new(BTreeMap::new());

/// Each is whole between any two statements that change it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(channel: *mut c_void) -> Result<Arc<VirtualChannel<DeviceLink>>, Win32Error> {
    CHANNELS.find(channel.addr())
}

/// Opens a channel, or says NULL with the last error.
fn open(asked: &Asked<'_>) -> *mut c_void {
    let opened = CHANNELS.open(asked, |flavour| {
        let device = lock(&DEVICE).clone();
        let path = device.as_deref().unwrap_or(SinkKind::Direct.path());
        let file = File::open(path, Access::ReadWrite).map_err(|error| error.code())?;
        Ok(Arc::new(VirtualChannel::new(DeviceLink::new(file), flavour)))
    });
    match opened {
        Ok(handle) => ptr::without_provenance_mut(handle),
        Err(error) => {
            fail(error);
            ptr::null_mut()
        }
    }
}

/// The name that a caller passes.
///
/// # Safety
///
/// `name` is NULL or ends with a zero.
unsafe fn name_of(name: LPSTR) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise.
    unsafe { text(name, DYNAMIC_NAME_BYTES + 1) }
}

/// Says which device the channels that are opened from now on write to. At first it is the sink `\\.\KsSinkDirect`.
///
/// Returns FALSE with `ERROR_INVALID_PARAMETER`: NULL, or no text.
///
/// # Safety
///
/// `path` is NULL or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswSetChannelDevice(path: LPCWSTR) -> BOOL {
    // SAFETY: the caller's promise.
    let wide = unsafe { text(path, 32768) };
    let Some(path) = wide.and_then(|wide| String::from_utf16(&wide).ok()) else {
        return fail(Win32Error::INVALID_PARAMETER);
    };
    *lock(&DEVICE) = Some(path);
    1
}

/// WTSVirtualChannelOpen: a static channel. The server must be the current one, NULL.
///
/// # Safety
///
/// `name` is NULL or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswVirtualChannelOpen(server: HANDLE, session: DWORD, name: LPSTR) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { name_of(name) };
    open(&Asked {
        current_server: server.is_null(),
        current_session: session == CURRENT_SESSION,
        name: name.as_deref(),
        flags: 0,
    })
}

/// WTSVirtualChannelOpenEx: a static channel, or a dynamic one by its flag.
///
/// # Safety
///
/// `name` is NULL or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswVirtualChannelOpenEx(session: DWORD, name: LPSTR, flags: DWORD) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { name_of(name) };
    open(&Asked {
        current_server: true,
        current_session: session == CURRENT_SESSION,
        name: name.as_deref(),
        flags,
    })
}

/// WTSVirtualChannelWrite: one message.
///
/// # Safety
///
/// `length` bytes at `buffer` are readable; `written` is a variable of the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswVirtualChannelWrite(
    channel: HANDLE,
    buffer: PCHAR,
    length: ULONG,
    written: PULONG,
) -> BOOL {
    if !is_place(written) {
        return fail(Win32Error::INVALID_PARAMETER);
    }
    // SAFETY: the caller's promise.
    unsafe { put(written, 0) };
    // SAFETY: the caller's promise.
    let Some(message) = (unsafe { bytes(buffer, length as usize) }) else {
        return fail(Win32Error::INVALID_PARAMETER);
    };
    match find(channel).and_then(|channel| channel.write(message)) {
        Ok(count) => {
            // SAFETY: the caller's promise.
            unsafe { put(written, count) };
            1
        }
        Err(error) => fail(error),
    }
}

/// WTSVirtualChannelRead: one chunk. FALSE with `ERROR_IO_INCOMPLETE` if none comes within `timeout` milliseconds.
///
/// # Safety
///
/// `size` bytes at `buffer` are writable; `read` is a variable of the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswVirtualChannelRead(
    channel: HANDLE,
    timeout: ULONG,
    buffer: PCHAR,
    size: ULONG,
    read: PULONG,
) -> BOOL {
    if !is_place(read) || buffer.is_null() {
        return fail(Win32Error::INVALID_PARAMETER);
    }
    // SAFETY: the caller's promise.
    unsafe { put(read, 0) };
    let timeout = (timeout != INFINITE).then(|| Duration::from_millis(timeout.into()));
    match find(channel).and_then(|channel| channel.read(timeout, size as usize)) {
        Ok(chunk) => {
            // SAFETY: a chunk has at most `size` bytes, and so many are writable.
            unsafe { buffer.copy_from_nonoverlapping(chunk.as_ptr(), chunk.len()) };
            // SAFETY: the caller's promise.
            unsafe { put(read, u32::try_from(chunk.len()).unwrap_or(size)) };
            1
        }
        Err(error) => fail(error),
    }
}

/// WTSVirtualChannelQuery: the file handle of the channel, for overlapped writes of the caller's own, which go to the
/// device as they are. The handle must not be closed; what is returned is given back to [`KswFreeMemory`].
///
/// # Safety
///
/// `buffer` and `size` are variables of the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswVirtualChannelQuery(
    channel: HANDLE,
    kind: INT,
    buffer: *mut PVOID,
    size: *mut DWORD,
) -> BOOL {
    if !is_place(buffer) || !is_place(size) {
        return fail(Win32Error::INVALID_PARAMETER);
    }
    // SAFETY: the caller's promise.
    unsafe { put(buffer, ptr::null_mut()) };
    // SAFETY: the caller's promise.
    unsafe { put(size, 0) };
    if kind != FILE_HANDLE {
        return fail(Win32Error::INVALID_PARAMETER);
    }
    let channel = match find(channel) {
        Ok(channel) => channel,
        Err(error) => return fail(error),
    };
    let mut handle = Box::new(channel.link().file().number());
    let address: *mut u64 = &raw mut *handle;
    lock(&GIVEN).insert(address.addr(), handle);
    // SAFETY: the caller's promise.
    unsafe { put(buffer, address.cast()) };
    // SAFETY: the caller's promise.
    unsafe { put(size, HANDLE_BYTES) };
    1
}

/// WTSFreeMemory, for what [`KswVirtualChannelQuery`] gave; anything else is left alone.
#[unsafe(no_mangle)]
pub extern "C" fn KswFreeMemory(memory: PVOID) {
    lock(&GIVEN).remove(&memory.addr());
}

/// WTSVirtualChannelClose. The file handle goes with it, and what is pending on it is cancelled.
#[unsafe(no_mangle)]
pub extern "C" fn KswVirtualChannelClose(channel: HANDLE) -> BOOL {
    let closed = CHANNELS.take(channel.addr()).and_then(|channel| {
        let closed = channel.close();
        // Nothing pending: there is nothing to cancel.
        let _none = channel.link().file().cancel_all();
        closed
    });
    match closed {
        Ok(()) => 1,
        Err(error) => fail(error),
    }
}

/// WTSVirtualChannelPurgeInput. As in the original, nothing is purged.
#[unsafe(no_mangle)]
pub extern "C" fn KswVirtualChannelPurgeInput(channel: HANDLE) -> BOOL {
    find(channel).map_or_else(fail, |_| 1)
}

/// WTSVirtualChannelPurgeOutput. As in the original, nothing is purged.
#[unsafe(no_mangle)]
pub extern "C" fn KswVirtualChannelPurgeOutput(channel: HANDLE) -> BOOL {
    find(channel).map_or_else(fail, |_| 1)
}
