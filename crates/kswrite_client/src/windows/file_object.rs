//! Writes to file objects through the control device of the filter.
#![expect(unsafe_code, reason = "creates events and looks at them")]

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use kswrite_wire::file_write::{CheckedReport, Completer, Header, Mode, Report, WRITE_FILE_OBJECT, flags};
use windows_sys::Win32::Foundation::{FALSE, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent, WaitForSingleObject};
use zerocopy::{FromBytes, IntoBytes};

use super::cell::last_error;
use super::event::ByEvent;
use super::file::File;
use super::operation::{Finished, Operation, Pending, Started};
use crate::{Error, Win32Error};

/// A manual-reset event.
#[derive(Debug)]
pub struct Event(OwnedHandle);

impl Event {
    /// An event in this state.
    ///
    /// # Errors
    ///
    /// Those of `CreateEventW`: the process has no more handles.
    pub fn new(signalled: bool) -> Result<Self, Error> {
        // SAFETY: no attributes and no name.
        let event = unsafe { CreateEventW(ptr::null(), 1, signalled.into(), ptr::null()) };
        if event.is_null() {
            return Err(Error::new("create an event", last_error()));
        }
        // SAFETY: the handle is new and nobody else's.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(event) }))
    }

    /// Whether it is signalled.
    pub fn is_set(&self) -> bool {
        // SAFETY: the event is open.
        unsafe { WaitForSingleObject(self.raw(), 0) == WAIT_OBJECT_0 }
    }

    /// Signals it.
    ///
    /// # Errors
    ///
    /// Those of `SetEvent`.
    pub fn set(&self) -> Result<(), Win32Error> {
        // SAFETY: the event is open.
        check(unsafe { SetEvent(self.raw()) })
    }

    /// Takes the signal back.
    ///
    /// # Errors
    ///
    /// Those of `ResetEvent`.
    pub fn reset(&self) -> Result<(), Win32Error> {
        // SAFETY: the event is open.
        check(unsafe { ResetEvent(self.raw()) })
    }

    fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}

fn check(returned: i32) -> Result<(), Win32Error> {
    if returned == FALSE {
        Err(last_error())
    } else {
        Ok(())
    }
}

/// A handle as the control device takes it.
fn number(handle: HANDLE) -> u64 {
    handle.expose_provenance() as u64
}

/// A write to a file object: the arguments of KsWriteFile, and what it has none for.
///
/// The driver references the file and the event while the write is submitted; after
/// [`start`](Self::start) their handles may be closed.
///
/// ```no_run
/// use kswrite_client::wire::names::CONTROL_PATH;
/// use kswrite_client::{Access, Event, File, FileObjectWrite};
///
/// let control_device = File::open(CONTROL_PATH, Access::ReadWrite)?;
/// let file = File::open(r"\\.\KsSinkDirect", Access::Write)?;
/// let event = Event::new(false)?;
/// let call = FileObjectWrite::new(&file, b"bytes").event(&event).at(512).start(&control_device)?;
/// println!("{:?}", call.wait());
/// # Ok::<(), kswrite_client::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct FileObjectWrite {
    header: Header,
    inline: Vec<u8>,
}

impl FileObjectWrite {
    /// A write of these bytes, which the driver takes along: for the device they are the kernel's.
    pub fn new(file: &File, bytes: &[u8]) -> Self {
        let mut write = Self::of_mode(file, Mode::Kernel);
        // Longer bytes than any driver takes are refused for their length.
        write.header.length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        write.inline = bytes.to_vec();
        write
    }

    /// A write of the bytes that are at an address of this process, or are not: the driver finds out. It
    /// only reads there.
    pub fn at_address(file: &File, address: u64, length: u32) -> Self {
        let mut write = Self::of_mode(file, Mode::User);
        write.header.buffer = address;
        write.header.length = length;
        write
    }

    fn of_mode(file: &File, mode: Mode) -> Self {
        Self {
            header: Header {
                size: Header::SIZE,
                file: file.number(),
                mode: mode as u32,
                completer: Completer::Driver as u32,
                ..Header::default()
            },
            inline: Vec::new(),
        }
    }

    /// Signals this event at the end.
    pub fn event(mut self, event: &Event) -> Self {
        self.header.event = number(event.raw());
        self
    }

    /// Queues a packet with this context to the port of the file, if it has one. 0: no packet.
    pub const fn port_context(mut self, context: u64) -> Self {
        self.header.port_context = context;
        self
    }

    /// The byte-lock key.
    pub const fn key(mut self, key: u32) -> Self {
        self.header.key = key;
        self
    }

    /// Starts at this offset in bytes instead of the position of the file object. -1 appends, and -2 is the
    /// position.
    pub const fn at(mut self, offset: i64) -> Self {
        self.header.flags |= flags::AT_OFFSET;
        self.header.offset = offset;
        self
    }

    /// Moves the position of a synchronous file object behind the last byte written.
    pub const fn advance(mut self) -> Self {
        self.header.flags |= flags::ADVANCE;
        self
    }

    /// Cancels a synchronous write after so many units of 100 nanoseconds.
    pub const fn time_limit(mut self, limit: u64) -> Self {
        self.header.flags |= flags::TIME_LIMIT;
        self.header.time_limit = limit;
        self
    }

    /// Says who completes the IRP.
    pub const fn completer(mut self, completer: Completer) -> Self {
        self.header.completer = completer as u32;
        self
    }

    /// The input of the control request.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.header.as_bytes(), &self.inline].concat()
    }

    /// Submits the write on the filter's control device.
    ///
    /// # Errors
    ///
    /// The process has no more handles, for the event that the control request completes by.
    pub fn start(&self, control_device: &File) -> Result<FileObjectCall, Error> {
        let operation = Operation::by_event()?;
        Ok(FileObjectCall(self.start_by(operation, control_device)))
    }

    /// As [`start`](Self::start), by an operation that the caller keeps to use it again;
    /// [`report`](Self::report) tells what became of it.
    pub fn start_by(&self, operation: Operation<ByEvent>, control_device: &File) -> Started<ByEvent> {
        let mut buffer = self.to_bytes();
        // Both lengths are far below 4 GiB, or `start` refuses the buffer.
        let input = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let output = Report::SIZE;
        buffer.resize(buffer.len().max(size_of::<Report>()), 0);
        operation.start(control_device, 0, buffer, |call| {
            call.device_io_control(WRITE_FILE_OBJECT.0, input, output)
        })
    }

    /// What became of a write that was started by [`start_by`](Self::start_by).
    ///
    /// # Errors
    ///
    /// As [`FileObjectCall::wait`].
    pub fn report(finished: &Finished<ByEvent>) -> Result<CheckedReport, Win32Error> {
        if finished.result? as usize != size_of::<Report>() {
            return Err(Win32Error::INVALID_DATA);
        }
        Report::read_from_prefix(&finished.buffer)
            .ok()
            .and_then(|(report, _)| report.check())
            .ok_or(Win32Error::INVALID_DATA)
    }

    /// Submits the write and waits until it is over.
    ///
    /// # Errors
    ///
    /// As [`FileObjectCall::wait`], and as [`start`](Self::start).
    pub fn write(&self, control_device: &File) -> Result<CheckedReport, Win32Error> {
        self.start(control_device).map_err(|error| error.code())?.wait()
    }
}

/// A write that was submitted. Dropping one that is not over cancels it.
#[derive(Debug)]
#[must_use]
pub struct FileObjectCall(Started<ByEvent>);

impl FileObjectCall {
    /// Whether the control request is not over, as far as is known: the submission left it pending.
    pub const fn is_pending(&self) -> bool {
        matches!(self.0, Started::Pending(_))
    }

    /// Asks for the cancel of the control request, and so of the write.
    ///
    /// # Errors
    ///
    /// `ERROR_NOT_FOUND`: it is over, or about to be.
    pub fn cancel(&self) -> Result<(), Win32Error> {
        match &self.0 {
            Started::Pending(pending) => Pending::cancel(pending),
            Started::Finished(_) => Err(Win32Error::NOT_FOUND),
        }
    }

    /// Waits until the write is over.
    ///
    /// # Errors
    ///
    /// Why there was no write: what is wrong with an argument or a handle. `ERROR_INVALID_DATA` for a report
    /// that makes no sense.
    pub fn wait(self) -> Result<CheckedReport, Win32Error> {
        FileObjectWrite::report(&self.0.wait())
    }
}
