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

const _: () = assert!(size_of::<Stacks>() == 8);
const _: () = assert!(size_of::<Fault>() == 16);
const _: () = assert!(size_of::<Counters>() == 8 * 4 + 2 * 8);
