//! Requests that are waited for, on a handle of any kind: synchronous, overlapped, or of a completion port.
#![expect(unsafe_code, reason = "lends memory to the system until a request is over")]

use std::ptr;

use kswrite_client::Win32Error;
use kswrite_conform::win32::Handle;
use windows_sys::Win32::Foundation::{CloseHandle, FALSE, HANDLE, TRUE};
use windows_sys::Win32::System::IO::{
    DeviceIoControl, GetOverlappedResult, OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0,
};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, WaitForSingleObject};

use super::{last_error, preset, raw};

/// The `OVERLAPPED` of a request, with an event of its own.
pub(super) struct Waiting {
    block: Box<OVERLAPPED>,
    event: HANDLE,
}

impl Waiting {
    /// Of a request at this offset. The low bit of the event keeps the completion away from ports.
    pub(super) fn new(offset: u64) -> Result<Self, Win32Error> {
        // SAFETY: no attributes and no name.
        let event = unsafe { CreateEventW(ptr::null(), TRUE, FALSE, ptr::null()) };
        if event.is_null() {
            return Err(last_error());
        }
        let half = |part: u64| u32::try_from(part & 0xFFFF_FFFF).unwrap_or_default();
        let block = OVERLAPPED {
            Anonymous: OVERLAPPED_0 {
                Anonymous: OVERLAPPED_0_0 {
                    Offset: half(offset),
                    OffsetHigh: half(offset >> 32),
                },
            },
            hEvent: event.map_addr(|address| address | 1),
            ..OVERLAPPED::default()
        };
        Ok(Self {
            block: Box::new(block),
            event,
        })
    }

    /// What the call is given.
    pub(super) fn pointer(&mut self) -> *mut OVERLAPPED {
        &raw mut *self.block
    }

    /// Waits until the call that has just returned this is over; the bytes that it gave.
    pub(super) fn finish(mut self, file: Handle, returned: i32) -> Result<u32, Win32Error> {
        if returned == FALSE {
            let error = last_error();
            if error != Win32Error::IO_PENDING {
                return Err(error);
            }
            // SAFETY: the event is open. It is set when the request is over.
            unsafe { WaitForSingleObject(self.event, INFINITE) };
        }
        let mut bytes = 0;
        // SAFETY: the request is over; `bytes` takes the answer.
        let returned = unsafe { GetOverlappedResult(raw(file), self.pointer(), &raw mut bytes, FALSE) };
        if returned == FALSE {
            return Err(last_error());
        }
        Ok(bytes)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // SAFETY: the event is this one's, and the request is over.
        unsafe { CloseHandle(self.event) };
    }
}

/// DeviceIoControl, with at most `room` bytes of answer.
pub(super) fn control(file: Handle, code: u32, input: &[u8], room: usize) -> Result<Vec<u8>, Win32Error> {
    let mut output = vec![0; room];
    let length = |bytes: usize| u32::try_from(bytes).map_err(|_| Win32Error::INVALID_PARAMETER);
    let (input_length, output_length) = (length(input.len())?, length(room)?);
    let mut waiting = Waiting::new(0)?;
    preset();
    // SAFETY: input, output and OVERLAPPED stay until `finish` has seen the end of the request.
    let returned = unsafe {
        DeviceIoControl(
            raw(file),
            code,
            input.as_ptr().cast(),
            input_length,
            output.as_mut_ptr().cast(),
            output_length,
            ptr::null_mut(),
            waiting.pointer(),
        )
    };
    let bytes = waiting.finish(file, returned)?;
    output.truncate(bytes as usize);
    Ok(output)
}
