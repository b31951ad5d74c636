//! The WTS functions.
#![expect(unsafe_code, reason = "calls functions with addresses of the case's memory")]

use std::ptr;
use std::sync::{Mutex, PoisonError};

use kswrite_client::Win32Error;
use kswrite_conform::faces::{Face, WtsOpen};
use kswrite_conform::win32::{Buffer, Count, Data, Handle, Returned};
use windows_sys::Win32::Foundation::{FALSE, HANDLE};

use super::super::case::Case;
use super::super::transfer::{Counted, ended};
use super::super::{last_error, preset, wide};
use super::library::{self, Functions};
use super::table::Table;

/// `WTS_CURRENT_SESSION`.
const CURRENT_SESSION: u32 = u32::MAX;
/// A session that is not the caller's.
const OTHER_SESSION: u32 = 0x00FE_DCBA;
/// `WTSVirtualFileHandle`.
const FILE_HANDLE: i32 = 1;

/// Held from the choice of the device until the channel is open: the choice is the process's.
static OPENING: Mutex<()> = Mutex::new(());

/// Without the library a call fails; the cases ask first.
fn functions() -> Result<&'static Functions, Win32Error> {
    library::get().map_err(|_| Win32Error::PROC_NOT_FOUND)
}

fn handle(number: usize) -> HANDLE {
    ptr::without_provenance_mut(number)
}

/// A function that returns a BOOL, and where it sets it a count.
fn call(count: Count, function: impl FnOnce(&Functions, *mut u32) -> i32) -> Returned {
    let mut counted = Counted::new(count);
    let Ok(functions) = functions() else {
        return Returned {
            returned: false,
            error: Win32Error::PROC_NOT_FOUND,
            count: counted.seen(),
        };
    };
    preset();
    let returned = function(functions, counted.pointer());
    ended(returned, counted.seen())
}

pub(super) fn open(case: &Case, open: &WtsOpen<'_>) -> Result<Face, Win32Error> {
    let functions = functions()?;
    let path = wide(open.device);
    let name: Option<Vec<u8>> = open.name.map(|name| name.iter().copied().chain([0]).collect());
    let name = name.as_ref().map_or(ptr::null(), Vec::as_ptr);
    let session = if open.current_session {
        CURRENT_SESSION
    } else {
        OTHER_SESSION
    };
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the path ends with a zero.
    if unsafe { (functions.set_device)(path.as_ptr()) } == FALSE {
        return Err(last_error());
    }
    preset();
    let opened = if let Some(flags) = open.flags {
        // SAFETY: the name is NULL or ends with a zero.
        unsafe { (functions.open_ex)(session, name, flags) }
    } else {
        let server = handle(usize::from(!open.current_server));
        // SAFETY: as above.
        unsafe { (functions.open)(server, session, name) }
    };
    if opened.is_null() {
        return Err(last_error());
    }
    Ok(case.faces.add_wts(opened.addr()))
}

pub(super) fn write(case: &Case, channel: Face, data: Data, length: u32, count: Count) -> Returned {
    let channel = handle(case.faces.wts(channel));
    let from = case.memory.data(data);
    call(count, |functions, written| {
        // SAFETY: the buffer is the case's, which frees nothing before it is over; the count is valid for the call.
        unsafe { (functions.write)(channel, from, length, written) }
    })
}

pub(super) fn read(
    case: &Case,
    channel: Face,
    timeout: u32,
    into: Buffer,
    size: u32,
    count: Count,
) -> Returned {
    let channel = handle(case.faces.wts(channel));
    let to = case.memory.data(Data::Of(into));
    call(count, |functions, read| {
        // SAFETY: as in `write`; no reference to the buffer exists.
        unsafe { (functions.read)(channel, timeout, to, size, read) }
    })
}

pub(super) fn query_file(case: &Case, channel: Face) -> Result<Handle, Win32Error> {
    let functions = functions()?;
    let channel = handle(case.faces.wts(channel));
    let mut given: HANDLE = ptr::null_mut();
    let mut bytes = 0;
    preset();
    // SAFETY: both places are valid for the call.
    if unsafe { (functions.query)(channel, FILE_HANDLE, &raw mut given, &raw mut bytes) } == FALSE {
        return Err(last_error());
    }
    if given.is_null() || bytes as usize != size_of::<HANDLE>() {
        return Err(Win32Error::INVALID_DATA);
    }
    // SAFETY: so many bytes were given, and they are a handle.
    let file = unsafe { given.cast::<HANDLE>().read_unaligned() };
    // SAFETY: what the query gave, given back once.
    unsafe { (functions.free)(given) };
    Ok(Handle(file.expose_provenance() as u64))
}

pub(super) fn purge(case: &Case, channel: Face, input: bool) -> Returned {
    let channel = handle(case.faces.wts(channel));
    call(Count::Null, |functions, _| {
        let purge = if input {
            functions.purge_input
        } else {
            functions.purge_output
        };
        // SAFETY: a plain call.
        unsafe { purge(channel) }
    })
}

pub(super) fn close(case: &Case, channel: Face) -> Returned {
    end(&case.faces, channel)
}

/// WTSVirtualChannelClose, also of what a case has left open.
pub(super) fn end(table: &Table, channel: Face) -> Returned {
    let number = handle(table.wts(channel));
    // SAFETY: a plain call.
    let returned = call(Count::Null, |functions, _| unsafe { (functions.close)(number) });
    table.wts_is_closed(channel);
    returned
}
