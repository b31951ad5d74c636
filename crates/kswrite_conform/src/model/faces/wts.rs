//! The WTS functions in the model.

use std::{cell::Cell, rc::Rc};

use kswrite_client::Win32Error;
use kswrite_faces::wts::{Closed, Link, WtsState, registry::Asked};
use nt_model::user::TimeOut;

use super::{
    super::{
        kernel32::{Direction, nt, success},
        os::ModelThread,
    },
    message,
};
use crate::{
    faces::WtsOpen,
    win32::{Access, Buffer, Count, Data, Disposition, Handle, Open, Returned, Win32},
};

/// `INFINITE`.
const INFINITE: u32 = u32::MAX;

/// An open channel.
pub(super) struct Channel {
    state: WtsState,
    file: Handle,
    /// Whose turn it is to write, and to read.
    writing: Handle,
    reading: Handle,
    /// Set when something was written, and for good when the channel is closed.
    changed: Handle,
    /// Calls that go on. The last one closes the handles of a channel that is closed.
    calls: Cell<u32>,
    closed: Cell<bool>,
}

/// The device, as the calling thread has it.
struct ThreadLink<'a>(&'a ModelThread<'a>, Handle);

impl ThreadLink<'_> {
    /// Cancels what is pending on the file of a channel that is closed.
    fn cancel_if(&self, closed: &Closed) {
        if closed.is_set() {
            // Nothing pending: there is nothing to cancel.
            let _none = self.0.cpu.nt_cancel_io_ex(nt(self.1), None);
        }
    }
}

impl Link for ThreadLink<'_> {
    fn write(&self, offset: u64, bytes: &[u8], closed: &Closed) -> Result<u32, Win32Error> {
        let Self(thread, file) = self;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let data = Data::Of(thread.machine.buffer(bytes));
        let cancel = || self.cancel_if(closed);
        thread.transfer_to_end(Direction::Write, *file, offset, (data, length), cancel)
    }

    fn read(&self, offset: u64, length: usize, closed: &Closed) -> Result<Vec<u8>, Win32Error> {
        let Self(thread, file) = self;
        let into = thread.machine.buffer(&vec![0; length]);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let (to, cancel) = (Data::Of(into), || self.cancel_if(closed));
        match thread.transfer_to_end(Direction::Read, *file, offset, (to, length), cancel) {
            Ok(read) => {
                let mut bytes = thread.machine.bytes(into);
                bytes.truncate(read as usize);
                Ok(bytes)
            }
            // Nothing is there yet.
            Err(Win32Error::HANDLE_EOF) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// FALSE with this error.
fn failure(error: Win32Error, count: Option<u32>) -> Returned {
    Returned {
        returned: false,
        error,
        count,
    }
}

/// A function with a count, which is required.
fn counted(count: Count, function: impl FnOnce() -> Result<u32, Win32Error>) -> Returned {
    match count {
        Count::Null => failure(Win32Error::INVALID_PARAMETER, None),
        Count::Wanted => match function() {
            Ok(count) => success(Some(count)),
            Err(error) => failure(error, Some(0)),
        },
    }
}

/// A function of an open channel, whose handles stay until it is over.
fn with_channel<T>(
    thread: &ModelThread<'_>,
    handle: usize,
    function: impl FnOnce(&Channel) -> Result<T, Win32Error>,
) -> Result<T, Win32Error> {
    thread.cpu.pause();
    let channel = thread.face_table().wts.find(handle)?;
    channel.calls.set(channel.calls.get() + 1);
    let result = function(&channel);
    channel.calls.set(channel.calls.get() - 1);
    channel.end_if_over(thread);
    result
}

impl Channel {
    fn end_if_over(&self, thread: &ModelThread<'_>) {
        if self.closed.get() && self.calls.get() == 0 {
            thread.close_all(&[self.file, self.writing, self.reading, self.changed]);
        }
    }

    fn set_changed(&self, thread: &ModelThread<'_>, changed: bool) {
        let _set = thread.cpu.nt_set_event(nt(self.changed), changed);
    }

    /// A chunk. A time limit is over when nothing else can happen.
    fn read(&self, thread: &ModelThread<'_>, timeout: u32, size: u32) -> Result<Vec<u8>, Win32Error> {
        let link = ThreadLink(thread, self.file);
        let mut waits = TimeOut::WhenIdle;
        loop {
            if !self.closed.get() {
                self.set_changed(thread, false);
            }
            let polled = thread.in_turn(self.reading, || self.state.poll(&link, size as usize));
            if let Some(chunk) = polled? {
                return Ok(chunk);
            }
            if timeout == 0 || timeout != INFINITE && waits == TimeOut::Never {
                return Err(Win32Error::IO_INCOMPLETE);
            }
            // What comes past the functions, through the file, sets no event: so it is looked for once more.
            match thread.cpu.nt_wait_for(nt(self.changed), waits) {
                Ok(true) => {}
                Ok(false) if waits == TimeOut::WhenIdle => waits = TimeOut::Never,
                // Nobody will write or close any more, which is a finding of the model.
                _ => return Err(Win32Error::IO_INCOMPLETE),
            }
        }
    }
}

pub(super) fn open(thread: &ModelThread<'_>, open: &WtsOpen<'_>) -> Result<usize, Win32Error> {
    let asked = Asked {
        current_server: open.current_server || open.flags.is_some(),
        current_session: open.current_session,
        name: open.name,
        flags: open.flags.unwrap_or(0),
    };
    thread.cpu.pause();
    thread.face_table().wts.open(&asked, |flavour| {
        let device = Open {
            access: Access::ReadWrite,
            disposition: Disposition::OpenExisting,
            overlapped: true,
            write_through: false,
            no_buffering: false,
        };
        Ok(Rc::new(Channel {
            state: WtsState::new(flavour),
            file: thread.create_file(open.device, device)?,
            writing: thread.create_event(false, true)?,
            reading: thread.create_event(false, true)?,
            changed: thread.create_event(true, false)?,
            calls: Cell::new(0),
            closed: Cell::new(false),
        }))
    })
}

pub(super) fn write(
    thread: &ModelThread<'_>,
    handle: usize,
    data: Data,
    length: u32,
    count: Count,
) -> Returned {
    counted(count, || {
        if data == Data::Null && length > 0 {
            return Err(Win32Error::INVALID_PARAMETER);
        }
        with_channel(thread, handle, |channel| {
            let link = ThreadLink(thread, channel.file);
            let bytes = message(thread, data, length);
            let written = thread.in_turn(channel.writing, || channel.state.write(&link, &bytes));
            channel.set_changed(thread, true);
            written
        })
    })
}

pub(super) fn read(
    thread: &ModelThread<'_>,
    handle: usize,
    timeout: u32,
    (into, size): (Buffer, u32),
    count: Count,
) -> Returned {
    counted(count, || {
        with_channel(thread, handle, |channel| {
            let chunk = channel.read(thread, timeout, size)?;
            thread.machine.set_bytes(into, 0, &chunk);
            Ok(u32::try_from(chunk.len()).unwrap_or(size))
        })
    })
}

pub(super) fn query_file(thread: &ModelThread<'_>, handle: usize) -> Result<Handle, Win32Error> {
    with_channel(thread, handle, |channel| Ok(channel.file))
}

pub(super) fn purge(thread: &ModelThread<'_>, handle: usize) -> Returned {
    match with_channel(thread, handle, |_| Ok(())) {
        Ok(()) => success(None),
        Err(error) => failure(error, None),
    }
}

pub(super) fn close(thread: &ModelThread<'_>, handle: usize) -> Returned {
    thread.cpu.pause();
    let closed = thread.face_table().wts.take(handle).and_then(|channel| {
        let closed = channel.state.close();
        channel.closed.set(true);
        channel.set_changed(thread, true);
        // Nothing pending: there is nothing to cancel.
        let _none = thread.cpu.nt_cancel_io_ex(nt(channel.file), None);
        channel.end_if_over(thread);
        closed
    });
    match closed {
        Ok(()) => success(None),
        Err(error) => failure(error, None),
    }
}
