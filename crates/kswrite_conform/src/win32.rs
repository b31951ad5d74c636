//! What a program can call: the part of Win32 that the rules are about, on any venue.
//!
//! The calls have the arguments and results of the functions that they are named after. What differs is memory:
//! buffers and `OVERLAPPED` structures belong to the venue and live until the case is over, so that a case may do
//! with them whatever a careless program would, and nothing of the harness is harmed.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_wire::sink::{Script, State};

use crate::{Venue, faces::Faces};

/// A handle, of any kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub u64);

impl Handle {
    /// `INVALID_HANDLE_VALUE`.
    pub const INVALID: Self = Self(u64::MAX);
}

/// Memory of the program. The page behind it is not accessible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Buffer(pub u32);

/// An `OVERLAPPED`, which is also an `IO_STATUS_BLOCK` with an offset and an event behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ov(pub u32);

/// `lpBuffer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// NULL.
    Null,
    /// The first byte of the memory.
    Of(Buffer),
}

/// `lpNumberOfBytesWritten`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// NULL.
    Null,
    /// A variable that holds [`UNTOUCHED`] before the call.
    Wanted,
}

/// What variables hold before a call that may set them.
pub const UNTOUCHED: u32 = 0xDEAD_BEEF;
/// The last error before each call: no function sets it.
pub const LAST_ERROR_BEFORE: Win32Error = Win32Error(0x2000_BEEF);

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The BOOL.
    pub returned: bool,
    /// GetLastError right after; [`LAST_ERROR_BEFORE`] if the call did not set it.
    pub error: Win32Error,
    /// The count variable after the call; `None` where NULL was given.
    pub count: Option<u32>,
}

impl Returned {
    /// Whether it returned FALSE with `ERROR_IO_PENDING`.
    pub fn is_pending(&self) -> bool {
        !self.returned && self.error == Win32Error::IO_PENDING
    }
}

/// What an `OVERLAPPED` is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlapped {
    /// `Offset` and `OffsetHigh`.
    pub offset: u64,
    /// `hEvent`.
    pub event: Option<Handle>,
    /// The low bit of `hEvent`: no packet, please.
    pub no_packet: bool,
}

/// What an `OVERLAPPED` holds. `Internal` and `InternalHigh` hold [`UNTOUCHED`] until a call sets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverlappedState {
    /// `Internal`: the status.
    pub internal: u64,
    /// `InternalHigh`: the bytes.
    pub internal_high: u64,
    /// `Offset` and `OffsetHigh`.
    pub offset: u64,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    Now,
    /// For something that should not come: a fraction of a second; in the model, until nothing else can happen.
    Briefly,
    /// For something that must come. A venue gives up after a long time, and the case has failed.
    UntilOver,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The object is signalled.
    Signalled,
    /// The time ran out.
    TimedOut,
    /// A completion routine ran.
    IoCompletion,
}

/// A completion routine that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routine {
    /// `dwErrorCode`.
    pub error: Win32Error,
    /// `dwNumberOfBytesTransfered`.
    pub bytes: u32,
    /// `lpOverlapped`.
    pub overlapped: Ov,
}

/// What GetQueuedCompletionStatus gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The error of the operation; `None` if it returned TRUE.
    pub error: Option<Win32Error>,
    /// `lpNumberOfBytesTransferred`.
    pub bytes: u32,
    /// `lpCompletionKey`.
    pub key: u64,
    /// `lpOverlapped`.
    pub overlapped: Option<Ov>,
}

/// `dwDesiredAccess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `GENERIC_READ`.
    Read,
    /// `GENERIC_WRITE`.
    Write,
    /// Both.
    ReadWrite,
    /// `FILE_APPEND_DATA | SYNCHRONIZE`.
    AppendData,
}

/// `dwCreationDisposition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// `CREATE_ALWAYS`.
    CreateAlways,
    /// `OPEN_EXISTING`.
    OpenExisting,
}

/// The other arguments of CreateFile. Everything is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// `dwDesiredAccess`.
    pub access: Access,
    /// `dwCreationDisposition`.
    pub disposition: Disposition,
    /// `FILE_FLAG_OVERLAPPED`.
    pub overlapped: bool,
    /// `FILE_FLAG_WRITE_THROUGH`.
    pub write_through: bool,
    /// `FILE_FLAG_NO_BUFFERING`.
    pub no_buffering: bool,
}

/// The arguments of CreateNamedPipe: one instance, duplex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedPipe<'a> {
    /// `lpName`.
    pub name: &'a str,
    /// `PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE` instead of bytes.
    pub message: bool,
    /// `FILE_FLAG_OVERLAPPED`.
    pub overlapped: bool,
    /// Bytes of each buffer.
    pub quota: u32,
}

/// What a page allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// `PAGE_READWRITE`.
    ReadWrite,
    /// `PAGE_READONLY`.
    ReadOnly,
    /// `PAGE_NOACCESS`.
    NoAccess,
}

/// `dwMoveMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// `FILE_BEGIN`.
    Begin,
    /// `FILE_CURRENT`.
    Current,
    /// `FILE_END`.
    End,
}

/// The arguments of NtWriteFile. `ByteOffset` is NULL for `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtWrite {
    /// `FileHandle`.
    pub file: Handle,
    /// `Event`.
    pub event: Option<Handle>,
    /// Whether there is an `ApcRoutine`.
    pub apc: bool,
    /// Whether `ApcContext` is the status block; NULL otherwise.
    pub context: bool,
    /// `IoStatusBlock`.
    pub status_block: Ov,
    /// `Buffer`.
    pub data: Data,
    /// `Length`.
    pub length: u32,
    /// `ByteOffset`.
    pub offset: Option<i64>,
}

/// `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`.
pub const SKIP_PORT_ON_SUCCESS: u8 = 1;
/// `FILE_SKIP_SET_EVENT_ON_HANDLE`.
pub const SKIP_SET_EVENT: u8 = 2;

/// What can be made to run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `IoAllocateIrp` returns NULL.
    Irp,
    /// `IoAllocateMdl` returns NULL.
    Mdl,
    /// Pool that is charged to the process.
    Quota,
    /// The pages cannot be locked: `STATUS_WORKING_SET_QUOTA`.
    WorkingSet,
}

/// The body of a thread.
pub type Body = Box<dyn FnOnce(&dyn Win32) + Send>;

/// What another process does, with handles that it inherits; the result is its exit code. Of
/// [`cases::ROLES`](crate::cases::ROLES).
pub type Role = fn(&dyn Win32, &[Handle]) -> u32;

/// The exit code of a process that an access violation ended.
pub const EXIT_ACCESS_VIOLATION: u32 = 0xC000_0005;

/// The calls. All take `&self`; a case has one of these for each of its threads.
///
/// `Err` of a call that makes something is GetLastError.
pub trait Win32 {
    /// Where the calls go.
    fn venue(&self) -> Venue;

    /// The stream and channel interfaces.
    fn faces(&self) -> &dyn Faces;

    // Memory.

    /// Memory with these bytes, at the end of a page or pages.
    fn buffer(&self, bytes: &[u8]) -> Buffer;
    /// Changes bytes from `offset` on.
    fn set_bytes(&self, buffer: Buffer, offset: usize, bytes: &[u8]);
    /// The bytes now. For memory without access, what was there before.
    fn bytes(&self, buffer: Buffer) -> Vec<u8>;
    /// Protects all pages of the memory.
    fn protect(&self, buffer: Buffer, protection: Protection);
    /// An `OVERLAPPED`.
    fn overlapped(&self, content: &Overlapped) -> Ov;
    /// What it holds.
    fn overlapped_state(&self, overlapped: Ov) -> OverlappedState;

    // Files and devices.

    /// A path for a file of this name, in a folder of the case's own.
    fn scratch_path(&self, name: &str) -> String;
    /// CreateFile.
    fn create_file(&self, path: &str, open: Open) -> Result<Handle, Win32Error>;
    /// CloseHandle, or closesocket.
    fn close(&self, handle: Handle) -> Result<(), Win32Error>;
    /// DuplicateHandle, within this process.
    fn duplicate(&self, handle: Handle) -> Result<Handle, Win32Error>;
    /// GetFileSizeEx.
    fn file_size(&self, file: Handle) -> Result<u64, Win32Error>;
    /// SetFilePointerEx; the new position.
    fn set_file_pointer(&self, file: Handle, distance: i64, from: From) -> Result<u64, Win32Error>;
    /// The last-write time, in units of 100 ns.
    fn last_write_time(&self, file: Handle) -> Result<u64, Win32Error>;
    /// FSCTL_SET_SPARSE.
    fn make_sparse(&self, file: Handle) -> Result<(), Win32Error>;
    /// LockFileEx with `LOCKFILE_FAIL_IMMEDIATELY`.
    fn lock_file(&self, file: Handle, offset: u64, length: u64, exclusive: bool) -> Result<(), Win32Error>;
    /// UnlockFileEx.
    fn unlock_file(&self, file: Handle, offset: u64, length: u64) -> Result<(), Win32Error>;
    /// SetFileCompletionNotificationModes.
    fn set_notification_modes(&self, file: Handle, modes: u8) -> Result<(), Win32Error>;
    /// FSCTL_LOCK_VOLUME.
    fn lock_volume(&self, volume: Handle) -> Result<(), Win32Error>;
    /// FSCTL_DISMOUNT_VOLUME.
    fn dismount_volume(&self, volume: Handle) -> Result<(), Win32Error>;
    /// Bytes of a sector, to which unbuffered writes are aligned.
    fn sector_bytes(&self, file: Handle) -> u32;

    // Pipes and their like.

    /// CreatePipe: the reading and the writing end.
    fn create_pipe(&self, bytes: u32) -> Result<(Handle, Handle), Win32Error>;
    /// CreateNamedPipe.
    fn create_named_pipe(&self, pipe: &NamedPipe<'_>) -> Result<Handle, Win32Error>;
    /// DisconnectNamedPipe.
    fn disconnect_named_pipe(&self, server: Handle) -> Result<(), Win32Error>;
    /// SetNamedPipeHandleState: `PIPE_NOWAIT` or `PIPE_WAIT`.
    fn set_pipe_wait(&self, pipe: Handle, message: bool, waits: bool) -> Result<(), Win32Error>;
    /// Two connected stream sockets, both overlapped.
    fn socket_pair(&self) -> Result<(Handle, Handle), Win32Error>;
    /// CreateMailslot: the reading end, which does not wait.
    fn create_mailslot(&self, name: &str) -> Result<Handle, Win32Error>;
    /// The column and row of a console's cursor.
    fn console_cursor(&self, console: Handle) -> Result<(i16, i16), Win32Error>;
    /// SetCommTimeouts: the total time of a write, in milliseconds.
    fn set_comm_write_timeout(&self, comm: Handle, milliseconds: u32) -> Result<(), Win32Error>;

    // Reading and writing.

    /// WriteFile.
    fn write_file(
        &self,
        file: Handle,
        data: Data,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Returned;
    /// ReadFile into `into`.
    fn read_file(
        &self,
        file: Handle,
        into: Buffer,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Returned;
    /// WriteFileEx; its routine is noted for [`sleep`](Self::sleep).
    fn write_file_ex(&self, file: Handle, data: Data, length: u32, overlapped: Ov) -> Returned;
    /// NtWriteFile.
    fn nt_write_file(&self, write: &NtWrite) -> NtStatus;
    /// GetOverlappedResult.
    fn get_overlapped_result(&self, file: Handle, overlapped: Ov, wait: bool) -> Returned;
    /// CancelIo.
    fn cancel_io(&self, file: Handle) -> Returned;
    /// CancelIoEx.
    fn cancel_io_ex(&self, file: Handle, overlapped: Option<Ov>) -> Returned;
    /// CancelSynchronousIo.
    fn cancel_synchronous_io(&self, thread: Handle) -> Returned;

    // Waiting.

    /// CreateEvent.
    fn create_event(&self, manual_reset: bool, signalled: bool) -> Result<Handle, Win32Error>;
    /// SetEvent or ResetEvent.
    fn set_event(&self, event: Handle, signalled: bool) -> Result<(), Win32Error>;
    /// WaitForSingleObject.
    fn wait(&self, object: Handle, patience: Patience) -> Result<Waited, Win32Error>;
    /// SleepEx, alertable; the completion routines that ran in this thread.
    fn sleep(&self, patience: Patience) -> Vec<Routine>;
    /// CreateIoCompletionPort without a file.
    fn create_port(&self) -> Result<Handle, Win32Error>;
    /// CreateIoCompletionPort with a file.
    fn associate(&self, file: Handle, port: Handle, key: u64) -> Result<(), Win32Error>;
    /// GetQueuedCompletionStatus; `None` if no packet came.
    fn dequeue(&self, port: Handle, patience: Patience) -> Result<Option<Packet>, Win32Error>;

    // Threads and processes.

    /// CreateThread. The handle is signalled when the body has returned.
    fn spawn(&self, body: Body) -> Result<Handle, Win32Error>;
    /// CreateProcess: one that inherits these handles, and plays the role of this name.
    fn spawn_process(&self, role: &str, handles: &[Handle]) -> Result<Handle, Win32Error>;
    /// GetExitCodeProcess, once it is over.
    fn exit_code(&self, process: Handle) -> Result<u32, Win32Error>;

    // The scripted device, and what else only a venue can do. `Err` is why it cannot.

    /// Sets the script of a sink's handle.
    fn set_script(&self, sink: Handle, script: &Script) -> Result<(), String>;
    /// Completes the writes that a sink's handle holds; how many they were.
    fn release(&self, sink: Handle) -> Result<u32, String>;
    /// What a sink was given through the handle.
    fn sink_state(&self, sink: Handle) -> Result<State, String>;
    /// The next call that needs the resource fails.
    fn exhaust(&self, resource: Resource) -> Result<(), String>;
}
