//! What the owner of a channel can ask of it, beside what the interface has.
#![expect(unsafe_code, reason = "exports functions to C")]

use kswrite_faces::Connection;
use kswrite_faces::channel::{Bound, Refusal};
use windows::Win32::Foundation::{E_POINTER, S_OK};
use windows::core::{Error, HRESULT, IUnknown, Interface};

use crate::memory::{bytes, is_place, put};
use crate::types::{LPCVOID, PVOID, ULONG, ULONGLONG};

/// What of a channel is on its way, and what was.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that may wait; `KSW_MEMORY` if there is no bound.
    pub bound: ULONGLONG,
    /// Messages that wait or are being written.
    pub messages: ULONGLONG,
    /// Their bytes, headers included.
    pub bytes: ULONGLONG,
    /// The most messages there ever were.
    pub most_messages: ULONGLONG,
    /// The most bytes there ever were.
    pub most_bytes: ULONGLONG,
    /// Messages that were written.
    pub sent: ULONGLONG,
    /// Messages that the channel took and did not write: it was closed, or the device failed.
    pub dropped: ULONGLONG,
    /// Messages that were refused.
    pub refused: ULONGLONG,
}

/// How much of a channel waits, how much waited at most, and how much may.
///
/// # Returns
///
/// `E_POINTER`: NULL or misaligned. `E_NOINTERFACE`: not a channel of this library.
///
/// # Safety
///
/// `channel` is NULL or an interface of any object; `traffic` is NULL or a variable of the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswChannelTraffic(channel: PVOID, traffic: *mut Traffic) -> HRESULT {
    if !is_place(traffic) {
        return E_POINTER;
    }
    // SAFETY: the caller's promise.
    let connection = match unsafe { connection_of(channel) } {
        Ok(connection) => connection,
        Err(code) => return code,
    };
    let seen = connection.traffic();
    let answer = Traffic {
        bound: match connection.bound() {
            Bound::Memory => crate::KSW_MEMORY,
            Bound::Bytes(bytes) => bytes as u64,
        },
        messages: seen.messages as u64,
        bytes: seen.bytes as u64,
        most_messages: seen.most_messages as u64,
        most_bytes: seen.most_bytes as u64,
        sent: seen.sent,
        dropped: seen.dropped,
        refused: seen.refused,
    };
    // SAFETY: the caller's promise.
    unsafe { put(traffic, answer) };
    S_OK
}

/// Waits until no message of a channel is on its way. Not to be called by its callback.
///
/// # Returns
///
/// As [`KswChannelTraffic`]; the error of the device if it failed, which has closed the channel.
///
/// # Safety
///
/// `channel` is NULL or an interface of any object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswChannelFlush(channel: PVOID) -> HRESULT {
    // SAFETY: the caller's promise.
    match unsafe { connection_of(channel) } {
        Ok(connection) => connection
            .flush()
            .map_or_else(|error| HRESULT::from_win32(error.0), |()| S_OK),
        Err(code) => code,
    }
}

/// Plays the other end of a channel: gives its callback a message, in the thread of the caller.
///
/// # Returns
///
/// As [`KswChannelTraffic`]; `HRESULT_FROM_WIN32(ERROR_INVALID_STATE)`: the channel is closed.
///
/// # Safety
///
/// `channel` is NULL or an interface of any object; `length` bytes at `message` are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn KswChannelDeliver(channel: PVOID, message: LPCVOID, length: ULONG) -> HRESULT {
    // SAFETY: the caller's promise.
    let Some(message) = (unsafe { bytes(message.cast(), length as usize) }) else {
        return E_POINTER;
    };
    // SAFETY: the caller's promise.
    match unsafe { connection_of(channel) } {
        Ok(connection) => connection.deliver(message).map_or_else(refusal, |()| S_OK),
        Err(code) => code,
    }
}

fn refusal(refusal: Refusal) -> HRESULT {
    Error::from(refusal).code()
}

/// # Safety
///
/// `channel` is NULL or an interface of any object.
unsafe fn connection_of(channel: PVOID) -> Result<Connection, HRESULT> {
    if !channel.cast::<usize>().is_aligned() {
        return Err(E_POINTER);
    }
    // SAFETY: the caller's promise.
    let borrowed = unsafe { IUnknown::from_raw_borrowed(&channel) };
    Connection::of(borrowed.ok_or(E_POINTER)?).map_err(|error| error.code())
}
