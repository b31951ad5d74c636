//! Pipes, sockets, mailslots, consoles and serial ports.
#![expect(unsafe_code, reason = "makes pipes, and asks what is at their ends")]

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::windows::io::IntoRawSocket;
use std::ptr;

use kswrite_client::Win32Error;
use kswrite_conform::win32::{Handle, NamedPipe};
use windows_sys::Win32::Devices::Communication::{COMMTIMEOUTS, SetCommTimeouts};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX};
use windows_sys::Win32::System::Console::{CONSOLE_SCREEN_BUFFER_INFO, GetConsoleScreenBufferInfo};
use windows_sys::Win32::System::Mailslots::CreateMailslotW;
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, CreatePipe, DisconnectNamedPipe, PIPE_NOWAIT, PIPE_READMODE_BYTE,
    PIPE_READMODE_MESSAGE, PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE, PIPE_WAIT, SetNamedPipeHandleState,
};

use super::case::Case;
use super::{checked, made, preset, raw, wide};

pub(super) fn create_pipe(case: &Case, bytes: u32) -> Result<(Handle, Handle), Win32Error> {
    let (mut reader, mut writer) = (ptr::null_mut(), ptr::null_mut());
    preset();
    // SAFETY: the two variables take the handles; no attributes.
    checked(unsafe { CreatePipe(&raw mut reader, &raw mut writer, ptr::null(), bytes) })?;
    Ok((made(case, reader)?, made(case, writer)?))
}

pub(super) fn create_named_pipe(case: &Case, pipe: &NamedPipe<'_>) -> Result<Handle, Win32Error> {
    let name = wide(&case.own_name(pipe.name));
    let open_mode = PIPE_ACCESS_DUPLEX | if pipe.overlapped { FILE_FLAG_OVERLAPPED } else { 0 };
    let mode = if pipe.message {
        PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE
    } else {
        PIPE_TYPE_BYTE | PIPE_READMODE_BYTE
    };
    preset();
    // SAFETY: the name ends with a zero; no attributes.
    let server = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            open_mode,
            mode | PIPE_WAIT,
            1,
            pipe.quota,
            pipe.quota,
            0,
            ptr::null(),
        )
    };
    made(case, server)
}

pub(super) fn disconnect_named_pipe(server: Handle) -> Result<(), Win32Error> {
    preset();
    // SAFETY: a handle that the case has, or a number that is none.
    checked(unsafe { DisconnectNamedPipe(raw(server)) })
}

pub(super) fn set_pipe_wait(pipe: Handle, message: bool, waits: bool) -> Result<(), Win32Error> {
    let read = if message {
        PIPE_READMODE_MESSAGE
    } else {
        PIPE_READMODE_BYTE
    };
    let mode = read | if waits { PIPE_WAIT } else { PIPE_NOWAIT };
    preset();
    // SAFETY: `mode` is read before the call returns; the rest stays as it is.
    checked(unsafe { SetNamedPipeHandleState(raw(pipe), &raw const mode, ptr::null(), ptr::null()) })
}

/// Sockets of the standard library are overlapped.
pub(super) fn socket_pair(case: &Case) -> Result<(Handle, Handle), Win32Error> {
    let pair = || -> io::Result<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let writer = TcpStream::connect(listener.local_addr()?)?;
        let (reader, _) = listener.accept()?;
        Ok((writer, reader))
    };
    let (writer, reader) = pair().map_err(|error| Win32Error::from_io(&error))?;
    let socket = |stream: TcpStream| case.opened_socket(Handle(stream.into_raw_socket()));
    Ok((socket(writer), socket(reader)))
}

pub(super) fn create_mailslot(case: &Case, name: &str) -> Result<Handle, Win32Error> {
    let name = wide(&case.own_name(name));
    preset();
    // SAFETY: the name ends with a zero; messages of any length, no waiting, no attributes.
    let slot = unsafe { CreateMailslotW(name.as_ptr(), 0, 0, ptr::null()) };
    made(case, slot)
}

pub(super) fn console_cursor(console: Handle) -> Result<(i16, i16), Win32Error> {
    let mut info = CONSOLE_SCREEN_BUFFER_INFO::default();
    preset();
    // SAFETY: `info` takes the answer.
    checked(unsafe { GetConsoleScreenBufferInfo(raw(console), &raw mut info) })?;
    Ok((info.dwCursorPosition.X, info.dwCursorPosition.Y))
}

pub(super) fn set_comm_write_timeout(comm: Handle, milliseconds: u32) -> Result<(), Win32Error> {
    let timeouts = COMMTIMEOUTS {
        WriteTotalTimeoutConstant: milliseconds,
        ..COMMTIMEOUTS::default()
    };
    preset();
    // SAFETY: `timeouts` is read before the call returns.
    checked(unsafe { SetCommTimeouts(raw(comm), &raw const timeouts) })
}
