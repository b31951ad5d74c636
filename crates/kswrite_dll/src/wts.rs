//! Functions with the signatures of `WTSVirtualChannel*`, over a device of the driver.
//!
//! A channel is a number here that is never used again, so whatever a caller passes as a handle is looked up and not
//! believed. All functions may be called by any thread.
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
use kswrite_faces::wts::{DYNAMIC_NAME_BYTES, Flavour, VirtualChannel};
use kswrite_wire::names::SinkKind;

use crate::memory::{bytes, fail, is_place, put, text};
use crate::types::{BOOL, DWORD, HANDLE, INT, LPCWSTR, LPSTR, PCHAR, PULONG, PVOID, ULONG};

type Channel = VirtualChannel<DeviceLink>;

/// The session of the caller: `WTS_CURRENT_SESSION`.
const CURRENT_SESSION: u32 = u32::MAX;
/// `INFINITE`.
const INFINITE: u32 = u32::MAX;
/// Bytes of a handle.
const HANDLE_BYTES: u32 = 8;
/// `WTSVirtualFileHandle`.
const FILE_HANDLE: INT = 1;

static TABLE: Mutex<Table> = Mutex::new(Table {
    last: 0,
    open: BTreeMap::new(),
    device: None,
    given: BTreeMap::new(),
});

/// What is open.
struct Table {
    /// The handle that was given last; all are multiples of four, as real ones are.
    last: usize,
    open: BTreeMap<usize, Named>,
    /// The path of the device; a sink if none was set.
    device: Option<String>,
    /// What `KswVirtualChannelQuery` gave and `KswFreeMemory` takes back, by address.
    given: BTreeMap<usize, Box<u64>>,
}

struct Named {
    name: Vec<u8>,
    channel: Arc<Channel>,
}

/// The table is whole between any two statements that change it.
fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(channel: *mut c_void) -> Result<Arc<Channel>, Win32Error> {
    let table = table();
    let named = table
        .open
        .get(&channel.addr())
        .ok_or(Win32Error::INVALID_HANDLE)?;
    Ok(Arc::clone(&named.channel))
}

fn open(session: u32, name: &[u8], flags: u32) -> Result<*mut c_void, Win32Error> {
    let flavour = Flavour::of_flags(flags)?;
    flavour.check_name(name)?;
    if session != CURRENT_SESSION {
        return Err(Win32Error::ACCESS_DENIED);
    }
    let mut table = table();
    if table.open.values().any(|named| named.name == name) {
        return Err(Win32Error::ALREADY_EXISTS);
    }
    let device = table.device.clone();
    let path = device.as_deref().unwrap_or(SinkKind::Direct.path());
    let file = File::open(path, Access::ReadWrite).map_err(|error| error.code())?;
    let channel = Arc::new(VirtualChannel::new(DeviceLink::new(file), flavour));
    table.last += 4;
    let handle = table.last;
    let name = name.to_vec();
    table.open.insert(handle, Named { name, channel });
    Ok(ptr::without_provenance_mut(handle))
}

/// The handle, or NULL with the last error.
fn answer(opened: Result<*mut c_void, Win32Error>) -> *mut c_void {
    opened.unwrap_or_else(|error| {
        fail(error);
        ptr::null_mut()
    })
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
    table().device = Some(path);
    1
}

/// WTSVirtualChannelOpen: a static channel. The server must be the current one, NULL.
///
/// # Safety
///
/// `name` is NULL or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswVirtualChannelOpen(server: HANDLE, session: DWORD, name: LPSTR) -> HANDLE {
    if !server.is_null() {
        return answer(Err(Win32Error::INVALID_HANDLE));
    }
    // SAFETY: the caller's promise.
    unsafe { KswVirtualChannelOpenEx(session, name, 0) }
}

/// WTSVirtualChannelOpenEx: a static channel, or a dynamic one by its flag.
///
/// # Safety
///
/// `name` is NULL or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswVirtualChannelOpenEx(session: DWORD, name: LPSTR, flags: DWORD) -> HANDLE {
    // SAFETY: the caller's promise.
    let name = unsafe { text(name, DYNAMIC_NAME_BYTES + 1) };
    let name = name.ok_or(Win32Error::INVALID_PARAMETER);
    answer(name.and_then(|name| open(session, &name, flags)))
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
    table().given.insert(address.addr(), handle);
    // SAFETY: the caller's promise.
    unsafe { put(buffer, address.cast()) };
    // SAFETY: the caller's promise.
    unsafe { put(size, HANDLE_BYTES) };
    1
}

/// WTSFreeMemory, for what [`KswVirtualChannelQuery`] gave; anything else is left alone.
#[unsafe(no_mangle)]
pub extern "C" fn KswFreeMemory(memory: PVOID) {
    table().given.remove(&memory.addr());
}

/// WTSVirtualChannelClose. The file handle goes with it, and what is pending on it is cancelled.
#[unsafe(no_mangle)]
pub extern "C" fn KswVirtualChannelClose(channel: HANDLE) -> BOOL {
    let named = table().open.remove(&channel.addr());
    let closed = named.ok_or(Win32Error::INVALID_HANDLE).and_then(|named| {
        // Nothing pending: there is nothing to cancel.
        let _none = named.channel.link().file().cancel_all();
        named.channel.close()
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
