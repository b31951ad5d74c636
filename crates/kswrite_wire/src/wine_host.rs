//! The control device of the Wine host, `\\.\KsWineHost`. It exists in Wine only.
//!
//! Wine's PnP manager knows no filters, and Wine has no Driver Verifier. The host (`hosts/wine`) plays the
//! part of both, and these codes are how a test talks to it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioctl::{Access, ControlCode};

/// Win32 name of the host's device.
pub const CONTROL_PATH: &str = r"\\.\KsWineHost";
/// NT name of the host's device.
pub const CONTROL_DEVICE: &str = r"\Device\KsWineHost";
/// Symbolic link to the host's device.
pub const CONTROL_LINK: &str = r"\DosDevices\KsWineHost";

/// Calls the filter's `AddDevice` for every sink stack that has no filter yet. Out: [`Stacks`].
pub const ATTACH_FILTER: ControlCode = ControlCode::new(0x80, Access::Write);
/// Removes the filter from every stack; fails with `STATUS_DEVICE_BUSY` while a handle is open. Out: [`Stacks`].
pub const DETACH_FILTER: ControlCode = ControlCode::new(0x81, Access::Write);
/// Out: [`Counters`].
pub const GET_COUNTERS: ControlCode = ControlCode::new(0x82, Access::Read);
/// In: [`Fault`]. Arms one fault, or disarms all when `service` is 0.
pub const SET_FAULT: ControlCode = ControlCode::new(0x83, Access::Write);
/// As [`ATTACH_FILTER`], also where there is a filter already: the upper one then calls the `FastIoWrite` of the
/// lower one. Out: [`Stacks`].
pub const ATTACH_ANOTHER: ControlCode = ControlCode::new(0x84, Access::Write);

/// In: [`FileHandle`]. Out: [`FileFields`].
pub const GET_FILE_OBJECT: ControlCode = ControlCode::new(0x85, Access::Read);
/// In: [`FileChange`]. What Windows decides when a file is opened, and Wine does not know, is set afterwards.
pub const SET_FILE_OBJECT: ControlCode = ControlCode::new(0x86, Access::Write);
/// In: [`PreviousMode`]. What `ExGetPreviousMode` says while a program's call is dispatched.
pub const SET_PREVIOUS_MODE: ControlCode = ControlCode::new(0x87, Access::Write);
/// In: bytes. Puts them into read-only pages of the process that hosts the drivers, so that the last one is
/// at the end of a page behind which there is none. They stand for a program's memory, which drivers in Wine
/// cannot reach. Out: [`Mapped`].
pub const MAP_BYTES: ControlCode = ControlCode::new(0x88, Access::Write);
/// In: [`Mapped`]. Takes the pages away.
pub const UNMAP_BYTES: ControlCode = ControlCode::new(0x89, Access::Write);
/// In: [`Watch`]. Out: [`SentIrps`], those that were seen since the last call.
pub const WATCH_WRITES: ControlCode = ControlCode::new(0x8A, Access::Write);

/// In: [`EtwEnable`]. Enables or disables an ETW provider of a driver, as a trace session does; those that are
/// registered later are as new. `STATUS_INVALID_PARAMETER`: there is no such provider.
pub const ENABLE_ETW: ControlCode = ControlCode::new(0x8B, Access::Write);
/// In: [`EtwCursor`]. Out: [`EtwBatch`], and behind it events, each an [`EtwEvent`] with its bytes.
pub const READ_ETW: ControlCode = ControlCode::new(0x8C, Access::Read);

/// How many stacks a call changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Stacks {
    /// Stacks changed.
    pub changed: u32,
    /// Stacks that have a filter now.
    pub filtered: u32,
}

/// A kernel service that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Service {
    /// `ExAllocatePool2` returns NULL.
    Pool = 1,
    /// `IoAllocateIrp` returns NULL.
    AllocateIrp = 2,
    /// `IoAllocateMdl` returns NULL.
    AllocateMdl = 3,
    /// `MmProbeAndLockPages` raises `STATUS_ACCESS_VIOLATION`.
    ProbeAndLock = 4,
    /// `MmMapLockedPagesSpecifyCache` returns NULL.
    MapLockedPages = 5,
    /// Creating a framework object returns `STATUS_INSUFFICIENT_RESOURCES`.
    ObjectCreate = 6,
    /// `ExAllocatePool2` with `POOL_FLAG_USE_QUOTA` raises `STATUS_QUOTA_EXCEEDED`.
    Quota = 7,
    /// `IoSetCompletionRoutineEx` returns `STATUS_INSUFFICIENT_RESOURCES`.
    CompletionRoutine = 8,
}

/// One fault to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Fault {
    /// A [`Service`], or 0 to disarm all.
    pub service: u32,
    /// How many calls succeed first.
    pub after: u32,
    /// How many calls then fail.
    pub times: u32,
    /// Must be zero.
    pub reserved: u32,
}

/// What is outstanding now, and what was found wrong so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Counters {
    /// Framework objects of the bound drivers, of any kind but requests.
    pub objects: u32,
    /// Framework requests not complete.
    pub requests: u32,
    /// IRPs allocated by drivers and not freed.
    pub irps: u32,
    /// MDLs allocated by drivers and not freed.
    pub mdls: u32,
    /// MDLs whose pages are locked.
    pub locked_mdls: u32,
    /// References on system objects that drivers took and did not give back.
    pub references: u32,
    /// Pool allocations of drivers that are not freed.
    pub pool_allocations: u32,
    /// Findings: a double completion, use after free, a wrong Size field, a leak at unload, ... Each is in
    /// the log, with its caller.
    pub findings: u32,
    /// Bytes of `pool_allocations`.
    pub pool_bytes: u64,
    /// Open handles on devices of bound drivers: creates minus closes.
    pub open_files: u64,
}

/// A file of the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct FileHandle {
    /// Its handle.
    pub handle: u64,
}

/// Fields of a `FILE_OBJECT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct FileFields {
    /// `CurrentByteOffset`.
    pub current_byte_offset: i64,
    /// `Flags`.
    pub flags: u32,
    /// 1 if `Event` is signalled.
    pub event_set: u32,
    /// `FinalStatus`.
    pub final_status: i32,
    /// 1 if `CompletionContext` is not NULL. The host queues no packets.
    pub has_port: u32,
}

/// New values for the fields of a `FILE_OBJECT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct FileChange {
    /// The handle.
    pub handle: u64,
    /// All values.
    pub fields: FileFields,
}

/// What `ExGetPreviousMode` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PreviousMode {
    /// 1: kernel mode even while a program's call is dispatched. 0: what is so.
    pub kernel: u32,
}

/// Where bytes were put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Mapped {
    /// Address of the first one, in the process that hosts the drivers.
    pub address: u64,
}

/// Whether to watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Watch {
    /// 1: from now on. 0: no longer.
    pub on: u32,
}

/// What a write IRP held when a driver called `IofCallDriver` with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SentIrp {
    /// `Parameters.Write.ByteOffset`.
    pub offset: i64,
    /// `UserApcContext`.
    pub apc_context: u64,
    /// `Parameters.Write.Length`.
    pub length: u32,
    /// `Parameters.Write.Key`.
    pub key: u32,
    /// `Irp->Flags`.
    pub irp_flags: u32,
    /// `Flags` of the stack location.
    pub stack_flags: u32,
    /// `RequestorMode`.
    pub requestor_mode: u32,
    /// Bits of [`sent`].
    pub fields: u32,
}

/// Bits of [`SentIrp::fields`].
pub mod sent {
    /// `AssociatedIrp.SystemBuffer` is there.
    pub const SYSTEM_BUFFER: u32 = 1;
    /// `MdlAddress` is there.
    pub const MDL: u32 = 2;
    /// Its pages are locked.
    pub const MDL_LOCKED: u32 = 4;
    /// `UserBuffer` is there.
    pub const USER_BUFFER: u32 = 8;
    /// `UserEvent` is there.
    pub const USER_EVENT: u32 = 0x10;
    /// `UserIosb` is there.
    pub const USER_IOSB: u32 = 0x20;
    /// `Tail.Overlay.Thread` is the calling thread.
    pub const THREAD: u32 = 0x40;
    /// `Tail.Overlay.OriginalFileObject` is the file object of the stack location, which is there.
    pub const FILE: u32 = 0x80;
    /// `Event` of the file object is signalled.
    pub const FILE_EVENT: u32 = 0x100;
    /// `Cancel` or a cancel routine is set, or `PendingReturned`.
    pub const USED: u32 = 0x200;
    /// An APC routine is there.
    pub const APC_ROUTINE: u32 = 0x400;
}

/// IRPs seen, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SentIrps {
    /// How many there were; the last four are here.
    pub count: u32,
    /// Zero.
    pub reserved: u32,
    /// What they held.
    pub irps: [SentIrp; 4],
}

/// What a trace session wants of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct EtwEnable {
    /// The GUID of the provider, as it lies in memory.
    pub provider: [u8; 16],
    /// Events with one of these keywords, or with none.
    pub keywords: u64,
    /// 1: enable. 0: disable.
    pub on: u32,
    /// Events of this level or below, from 1 (critical) to 5 (verbose).
    pub level: u32,
}

/// From where to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct EtwCursor {
    /// The number of the first event wanted. Beyond what there is: from the next one on.
    pub from: u64,
}

/// What stands before the events of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct EtwBatch {
    /// Where to go on.
    pub next: u64,
    /// Events from the wanted one on that are gone.
    pub lost: u64,
}

/// One event: `EVENT_DESCRIPTOR`, and what was written with it. The three kinds of bytes follow in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct EtwEvent {
    /// The GUID of the provider, as it lies in memory.
    pub provider: [u8; 16],
    /// `Keyword`.
    pub keyword: u64,
    /// `Id`.
    pub id: u16,
    /// `Task`.
    pub task: u16,
    /// `Version`.
    pub version: u8,
    /// `Channel`.
    pub channel: u8,
    /// `Level`.
    pub level: u8,
    /// `Opcode`.
    pub opcode: u8,
    /// Bytes of provider metadata.
    pub traits_bytes: u32,
    /// Bytes of event metadata.
    pub metadata_bytes: u32,
    /// Bytes of data.
    pub data_bytes: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<EtwEnable>() == 32);
const _: () = assert!(size_of::<EtwBatch>() == 16);
const _: () = assert!(size_of::<EtwEvent>() == 48);
const _: () = assert!(size_of::<FileFields>() == 8 + 4 * 4);
const _: () = assert!(size_of::<FileChange>() == 8 + size_of::<FileFields>());
const _: () = assert!(size_of::<SentIrp>() == 2 * 8 + 6 * 4);
const _: () = assert!(size_of::<SentIrps>() == 8 + 4 * size_of::<SentIrp>());
const _: () = assert!(size_of::<Stacks>() == 8);
const _: () = assert!(size_of::<Fault>() == 16);
const _: () = assert!(size_of::<Counters>() == 8 * 4 + 2 * 8);
