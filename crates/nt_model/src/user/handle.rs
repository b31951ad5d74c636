//! Handles, and the tables of processes that they are looked up in.

use kswrite_core::{FileFlags, NtStatus};

use crate::{
    Cpu, DeviceId, EventId, FileId, Irql, PortId, ProcessId, ThreadId, file::File, state::State, trace::Arg,
};

/// A handle of a process. Its two low bits mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub u64);

/// The value of the low bits of handles.
const TAG_BITS: u64 = 3;

/// What a handle of a file was opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileAccess {
    /// `FILE_READ_DATA`.
    pub read: bool,
    /// `FILE_WRITE_DATA`.
    pub write: bool,
    /// `FILE_APPEND_DATA`. Alone, every write goes to the end.
    pub append: bool,
}

impl FileAccess {
    /// For reading and writing.
    pub const READ_WRITE: Self = Self {
        read: true,
        write: true,
        append: true,
    };
    /// For reading.
    pub const READ: Self = Self {
        read: true,
        write: false,
        append: false,
    };
    /// For writing.
    pub const WRITE: Self = Self {
        read: false,
        write: true,
        append: true,
    };
    /// For appending.
    pub const APPEND: Self = Self {
        read: false,
        write: false,
        append: true,
    };
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// What for.
    pub access: FileAccess,
    /// Without `FILE_FLAG_OVERLAPPED`.
    pub synchronous: bool,
    /// `FILE_FLAG_WRITE_THROUGH`.
    pub write_through: bool,
    /// `FILE_FLAG_NO_BUFFERING`.
    pub no_buffering: bool,
}

impl FileOptions {
    /// For this, with nothing special.
    #[must_use]
    pub const fn new(access: FileAccess, synchronous: bool) -> Self {
        Self {
            access,
            synchronous,
            write_through: false,
            no_buffering: false,
        }
    }

    fn flags(self) -> FileFlags {
        let set = |wanted: bool, flag: FileFlags| if wanted { flag } else { FileFlags::default() };
        set(self.synchronous, FileFlags::SYNCHRONOUS_IO)
            | set(self.write_through, FileFlags::WRITE_THROUGH)
            | set(self.no_buffering, FileFlags::NO_INTERMEDIATE_BUFFERING)
    }
}

/// What a handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    File(FileId, FileAccess),
    Event(EventId),
    Port(PortId),
    Thread(ThreadId),
    Process(ProcessId),
}

impl From<Handle> for Arg {
    fn from(handle: Handle) -> Self {
        Self::Number(handle.0.cast_signed())
    }
}

impl State {
    /// A handle that no process has had before.
    pub(crate) fn new_handle(&mut self, process: ProcessId, object: Object) -> Handle {
        self.handles += 1;
        let handle = Handle(self.handles * (TAG_BITS + 1));
        self.programs[process].handles.insert(handle.0, object);
        handle
    }

    /// One more handle of what a handle stands for.
    pub(crate) fn reference_by_handle(&mut self, object: Object) {
        match object {
            Object::File(file, _) => {
                let open = self.live_file(file, "NtDuplicateObject");
                open.handles += 1;
                open.pointers += 1;
            }
            Object::Event(event) => {
                self.events[event].handles += 1;
                self.events[event].pointers += 1;
            }
            Object::Port(port) => self.ports[port].handles += 1,
            Object::Thread(_) | Object::Process(_) => {}
        }
    }
}

impl Cpu<'_> {
    /// The process of the thread.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`: it is no thread of a program, and has no handles.
    pub(crate) fn process(&self) -> Result<ProcessId, NtStatus> {
        self.with(|state| state.threads[self.thread()].process)
            .ok_or(NtStatus::INVALID_HANDLE)
    }

    pub(crate) fn object(&self, handle: Handle) -> Result<Object, NtStatus> {
        let process = self.process()?;
        let found = self.with(|state| {
            let handles = &state.programs[process].handles;
            handles.get(&(handle.0 & !TAG_BITS)).copied()
        });
        found.ok_or(NtStatus::INVALID_HANDLE)
    }

    pub(crate) fn file_and_access(&self, handle: Handle) -> Result<(FileId, FileAccess), NtStatus> {
        match self.object(handle)? {
            Object::File(file, access) => Ok((file, access)),
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        }
    }

    /// The file object of a handle.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`, or `STATUS_OBJECT_TYPE_MISMATCH`.
    pub fn file_of(&self, handle: Handle) -> Result<FileId, NtStatus> {
        self.file_and_access(handle).map(|(file, _)| file)
    }

    pub(crate) fn event_of(&self, handle: Handle) -> Result<EventId, NtStatus> {
        match self.object(handle)? {
            Object::Event(event) => Ok(event),
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        }
    }

    pub(crate) fn port_of(&self, handle: Handle) -> Result<PortId, NtStatus> {
        match self.object(handle)? {
            Object::Port(port) => Ok(port),
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        }
    }

    /// A handle for something new.
    pub(crate) fn handle_of(&self, object: Object) -> Result<Handle, NtStatus> {
        let process = self.process()?;
        Ok(self.with(|state| state.new_handle(process, object)))
    }

    /// Opens a device: a file object of its own with a handle.
    ///
    /// # Errors
    ///
    /// The thread has no process.
    pub fn open_device(
        &self,
        device: DeviceId,
        options: FileOptions,
        other_flags: FileFlags,
    ) -> Result<(Handle, FileId), NtStatus> {
        let process = self.process()?;
        let file = File::new(device, options.flags() | other_flags);
        let file = self.with(|state| state.files.add(file));
        let object = Object::File(file, options.access);
        Ok((self.with(|state| state.new_handle(process, object)), file))
    }

    /// NtClose.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`.
    pub fn nt_close(&self, handle: Handle) -> Result<(), NtStatus> {
        self.enter("NtClose", Irql::Passive, &[handle.into()]);
        let process = self.process()?;
        let object = self.with(|state| {
            let handles = &mut state.programs[process].handles;
            handles.remove(&(handle.0 & !TAG_BITS))
        });
        self.close_object(object.ok_or(NtStatus::INVALID_HANDLE)?);
        Ok(())
    }

    pub(crate) fn close_object(&self, object: Object) {
        match object {
            Object::File(file, _) => self.close_file(file),
            Object::Event(event) => self.close_event(event),
            Object::Port(port) => self.with(|state| state.close_port(port)),
            Object::Thread(_) | Object::Process(_) => {}
        }
    }

    /// NtDuplicateObject within the process, with the same access.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`.
    pub fn nt_duplicate(&self, handle: Handle) -> Result<Handle, NtStatus> {
        self.enter("NtDuplicateObject", Irql::Passive, &[handle.into()]);
        let object = self.object(handle)?;
        self.with(|state| state.reference_by_handle(object));
        self.handle_of(object)
    }
}
