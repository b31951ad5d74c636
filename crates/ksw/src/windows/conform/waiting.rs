//! Events, waits, completion routines and completion ports.
#![expect(unsafe_code, reason = "waits for handles, and is called back by the system")]

use std::cell::RefCell;
use std::ptr;
use std::time::Duration;

use kswrite_client::Win32Error;
use kswrite_conform::win32::{Handle, Packet, Patience, Routine, Waited};
use windows_sys::Win32::Foundation::{FALSE, INVALID_HANDLE_VALUE, TRUE, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, IO_STATUS_BLOCK, OVERLAPPED,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, ResetEvent, SetEvent, SleepEx, WaitForSingleObject,
};

use super::case::Case;
use super::{checked, last_error, made, preset, raw};

/// For something that should not come.
const BRIEFLY_MS: u32 = 200;
/// For something that must come.
const UNTIL_OVER_MS: u32 = 20_000;

const fn milliseconds(patience: Patience) -> u32 {
    match patience {
        Patience::Now => 0,
        Patience::Briefly => BRIEFLY_MS,
        Patience::UntilOver => UNTIL_OVER_MS,
    }
}

pub(super) fn create_event(case: &Case, manual_reset: bool, signalled: bool) -> Result<Handle, Win32Error> {
    preset();
    // SAFETY: no attributes and no name.
    let event = unsafe { CreateEventW(ptr::null(), manual_reset.into(), signalled.into(), ptr::null()) };
    made(case, event)
}

pub(super) fn set_event(event: Handle, signalled: bool) -> Result<(), Win32Error> {
    preset();
    if signalled {
        // SAFETY: a handle that the case has, or a number that is none.
        checked(unsafe { SetEvent(raw(event)) })
    } else {
        // SAFETY: as above.
        checked(unsafe { ResetEvent(raw(event)) })
    }
}

pub(super) fn wait(object: Handle, patience: Patience) -> Result<Waited, Win32Error> {
    preset();
    // SAFETY: as above.
    match unsafe { WaitForSingleObject(raw(object), milliseconds(patience)) } {
        WAIT_OBJECT_0 => Ok(Waited::Signalled),
        WAIT_TIMEOUT => Ok(Waited::TimedOut),
        _ => Err(last_error()),
    }
}

/// A completion routine that ran: error, bytes, address of the `OVERLAPPED`.
type Ran = (Win32Error, u32, usize);

thread_local! {
    static RAN: RefCell<Vec<Ran>> = const { RefCell::new(Vec::new()) };
}

fn note(ran: Ran) {
    RAN.with(|all| all.borrow_mut().push(ran));
}

/// `lpCompletionRoutine` of WriteFileEx.
pub(super) unsafe extern "system" fn completion_routine(error: u32, bytes: u32, overlapped: *mut OVERLAPPED) {
    note((Win32Error(error), bytes, overlapped.addr()));
}

/// `ApcRoutine` of NtWriteFile.
pub(super) unsafe extern "system" fn apc_routine(
    _context: *mut std::ffi::c_void,
    block: *mut IO_STATUS_BLOCK,
    _reserved: u32,
) {
    // SAFETY: the block of a write that is complete; it is never freed.
    let block_now = unsafe { block.read_volatile() };
    // SAFETY: all bit patterns are values of this member.
    let status = unsafe { block_now.Anonymous.Status };
    let bytes = u32::try_from(block_now.Information).unwrap_or(u32::MAX);
    note((super::dos_error(status), bytes, block.addr()));
}

/// SleepEx, alertable; the routines that ran in this thread since the last call.
pub(super) fn sleep(case: &Case, patience: Patience) -> Vec<Routine> {
    if RAN.with(|all| all.borrow().is_empty()) {
        // SAFETY: the completion routines that this thread may be given are the two above.
        unsafe { SleepEx(milliseconds(patience), TRUE) };
    }
    let ran = RAN.with(RefCell::take);
    let routine = |(error, bytes, address)| {
        let overlapped = case.memory.overlapped_at(address)?;
        Some(Routine {
            error,
            bytes,
            overlapped,
        })
    };
    ran.into_iter().filter_map(routine).collect()
}

/// Sleeps, and lets completion routines run.
pub(super) fn pause_alertably(time: Duration) {
    let milliseconds = u32::try_from(time.as_millis()).unwrap_or(u32::MAX - 1);
    // SAFETY: as in `sleep`.
    unsafe { SleepEx(milliseconds, TRUE) };
}

pub(super) fn create_port(case: &Case) -> Result<Handle, Win32Error> {
    preset();
    // SAFETY: a new port, without a file.
    let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 0) };
    made(case, port)
}

pub(super) fn associate(file: Handle, port: Handle, key: u64) -> Result<(), Win32Error> {
    preset();
    let key = usize::try_from(key).unwrap_or(usize::MAX);
    // SAFETY: handles that the case has, or numbers that are none.
    let port = unsafe { CreateIoCompletionPort(raw(file), raw(port), key, 0) };
    if port.is_null() { Err(last_error()) } else { Ok(()) }
}

pub(super) fn dequeue(case: &Case, port: Handle, patience: Patience) -> Result<Option<Packet>, Win32Error> {
    let (mut bytes, mut key, mut overlapped) = (0, 0, ptr::null_mut());
    preset();
    // SAFETY: a handle that the case has; the three variables are valid for the call.
    let returned = unsafe {
        GetQueuedCompletionStatus(
            raw(port),
            &raw mut bytes,
            &raw mut key,
            &raw mut overlapped,
            milliseconds(patience),
        )
    };
    let error = (returned == FALSE).then(last_error);
    match error {
        Some(Win32Error(WAIT_TIMEOUT)) if overlapped.is_null() => Ok(None),
        Some(error) if overlapped.is_null() => Err(error),
        _ => Ok(Some(Packet {
            error,
            bytes,
            key: key as u64,
            overlapped: case.memory.overlapped_at(overlapped.addr()),
        })),
    }
}
