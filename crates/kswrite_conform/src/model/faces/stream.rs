//! IStreamAsync in the model.

use std::cell::Cell;

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_faces::stream::{FileCalls, Origin, StreamState};

use super::super::{
    kernel32::{Direction, nt},
    os::ModelThread,
};
use crate::{
    faces::HResult,
    win32::{Buffer, Count, Data, Handle, Ov, Returned, Win32},
};

/// A stream over a handle of its own.
pub(super) struct Stream {
    file: Handle,
    /// Whose turn it is to use the seek pointer.
    turn: Handle,
    state: StreamState,
}

/// The calls of the thread that calls a method.
pub(super) struct Calls<'a> {
    thread: &'a ModelThread<'a>,
    file: Handle,
    /// The count variable, once a call has set it.
    count: Cell<Option<u32>>,
}

/// NULL is `None`.
pub(super) fn place(data: Data) -> Option<Buffer> {
    match data {
        Data::Null => None,
        Data::Of(buffer) => Some(buffer),
    }
}

/// NULL is `None`.
pub(super) fn variable(count: Count) -> Option<()> {
    (count == Count::Wanted).then_some(())
}

fn data(buffer: Option<Buffer>) -> Data {
    buffer.map_or(Data::Null, Data::Of)
}

fn count(variable: Option<()>) -> Count {
    variable.map_or(Count::Null, |()| Count::Wanted)
}

impl Calls<'_> {
    fn answer(&self, returned: Returned) -> Result<(), Win32Error> {
        self.count.set(returned.count);
        if returned.returned {
            Ok(())
        } else {
            Err(returned.error)
        }
    }
}

impl FileCalls for Calls<'_> {
    type Buffer = Buffer;
    type Count = ();
    type Overlapped = Ov;

    fn write(
        &self,
        buffer: Option<Buffer>,
        length: u32,
        variable: Option<()>,
        overlapped: Ov,
    ) -> Result<(), Win32Error> {
        let (data, count) = (data(buffer), count(variable));
        self.answer(
            self.thread
                .write_file(self.file, data, length, count, Some(overlapped)),
        )
    }

    fn read(
        &self,
        buffer: Option<Buffer>,
        length: u32,
        variable: Option<()>,
        overlapped: Ov,
    ) -> Result<(), Win32Error> {
        // A trait of cases has no read into NULL.
        let into = buffer.unwrap_or(Buffer(u32::MAX));
        let count = count(variable);
        self.answer(
            self.thread
                .read_file(self.file, into, length, count, Some(overlapped)),
        )
    }

    fn result(&self, overlapped: Ov, (): (), wait: bool) -> Result<(), Win32Error> {
        self.answer(self.thread.get_overlapped_result(self.file, overlapped, wait))
    }

    fn cancel_all(&self) -> Result<(), Win32Error> {
        self.answer(self.thread.cancel_io_ex(self.file, None))
    }

    fn write_at(&self, offset: u64, buffer: Option<Buffer>, length: u32) -> Result<u32, Win32Error> {
        let write = Direction::Write;
        self.thread
            .transfer_to_end(write, self.file, offset, (data(buffer), length), || ())
    }

    fn size(&self) -> Result<u64, Win32Error> {
        self.thread.file_size(self.file)
    }

    fn address(overlapped: Ov) -> usize {
        overlapped.0 as usize
    }

    fn is_in_use(&self, overlapped: Ov) -> bool {
        let block = self.thread.machine.overlapped(overlapped).block;
        self.thread.machine.world.block(block).io.status == NtStatus::PENDING
    }
}

impl Stream {
    pub(super) fn new(thread: &ModelThread<'_>, file: Handle) -> Result<Self, Win32Error> {
        Ok(Self {
            file: thread.duplicate(file)?,
            turn: thread.create_event(false, true)?,
            state: StreamState::default(),
        })
    }

    fn calls<'a>(&self, thread: &'a ModelThread<'a>) -> Calls<'a> {
        Calls {
            thread,
            file: self.file,
            count: Cell::new(None),
        }
    }

    /// A method, and its count variable if it was set.
    pub(super) fn counted<'a>(
        &self,
        thread: &'a ModelThread<'a>,
        method: impl FnOnce(&StreamState, &Calls<'a>) -> Result<(), HResult>,
    ) -> (Result<(), HResult>, Option<u32>) {
        let calls = self.calls(thread);
        let result = method(&self.state, &calls);
        (result, calls.count.get())
    }

    pub(super) fn write(
        &self,
        thread: &ModelThread<'_>,
        buffer: Option<Buffer>,
        length: u32,
    ) -> Result<u32, HResult> {
        let calls = self.calls(thread);
        thread.in_turn(self.turn, || self.state.write(&calls, buffer, length))
    }

    pub(super) fn seek(
        &self,
        thread: &ModelThread<'_>,
        distance: i64,
        origin: Origin,
    ) -> Result<u64, HResult> {
        let calls = self.calls(thread);
        thread.in_turn(self.turn, || self.state.seek(&calls, distance, origin))
    }

    /// The last Release: what is pending is cancelled, and nobody waits for it.
    pub(super) fn end(&self, thread: &ModelThread<'_>) {
        // Nothing pending: there is nothing to cancel.
        let _none = thread.cpu.nt_cancel_io_ex(nt(self.file), None);
        thread.close_all(&[self.file, self.turn]);
    }
}
