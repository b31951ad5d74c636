//! The control device of the filter.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioctl::{Access, ControlCode};

/// Grows when a structure or code changes its meaning.
pub const WIRE_VERSION: u32 = 3;
/// Filtered devices that have a number, counters and a policy of their own. Devices beyond share the last.
pub const MAX_DEVICES: usize = 64;

/// Out: [`Version`].
pub const GET_VERSION: ControlCode = ControlCode::new(0x00, Access::Read);
/// In: [`DeviceSelector`]. Out: [`Statistics`].
pub const GET_STATISTICS: ControlCode = ControlCode::new(0x01, Access::Read);
/// Sets every event counter to zero. `in_flight` stays: it counts what is there.
pub const RESET_STATISTICS: ControlCode = ControlCode::new(0x02, Access::Write);

/// Which driver answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Version {
    /// [`WIRE_VERSION`] of the driver.
    pub wire: u32,
    /// Version of the driver package.
    pub major: u32,
    /// Version of the driver package.
    pub minor: u32,
    /// Version of the driver package.
    pub patch: u32,
}

/// Whose counters to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DeviceSelector {
    /// Number of the filtered device, or [`DeviceSelector::ALL`] or [`DeviceSelector::FILE_OBJECTS`]. A device
    /// gets the lowest number that is free when it is attached, below [`MAX_DEVICES`], and keeps it.
    pub index: u32,
}

impl DeviceSelector {
    /// The sum over all devices.
    pub const ALL: u32 = u32::MAX;
    /// The writes of [`WRITE_FILE_OBJECT`](crate::file_write::WRITE_FILE_OBJECT). If the top of a stack is
    /// this filter, it counts them as well, as writes that came to its device.
    pub const FILE_OBJECTS: u32 = u32::MAX - 1;
}

/// What the filter did, per path. All are counts of writes unless they say bytes.
///
/// `attempted = fast + declined + skipped + faulted`, and every write is in exactly one of `fast`,
/// `irp` (an IRP was sent), `rejected` (it failed before anything was sent) and `bypassed`; the first three
/// make up `attempted` too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Statistics {
    /// Filtered devices that the numbers cover.
    pub devices: u32,
    /// Writes sent down and not complete yet, now.
    pub in_flight: u32,
    /// Writes that reached the filter.
    pub attempted: u64,
    /// Done by the fast-I/O routine of the device below.
    pub fast: u64,
    /// The fast-I/O routine returned FALSE, or TRUE with a status that does not count as done.
    pub declined: u64,
    /// No fast attempt: no routine, not allowed in this mode, or no address to give.
    pub skipped: u64,
    /// The fast-I/O routine raised an exception.
    pub faulted: u64,
    /// An IRP was sent to the device below.
    pub irp: u64,
    /// The IRP was complete when the device below returned.
    pub inline: u64,
    /// The device below returned `STATUS_PENDING`.
    pub pended: u64,
    /// Completed with `STATUS_CANCELLED`.
    pub cancelled: u64,
    /// Completed with another error or warning.
    pub failed: u64,
    /// Failed before anything was sent: no memory, probe or lock failed.
    pub rejected: u64,
    /// Bytes that the fast path wrote.
    pub fast_bytes: u64,
    /// Bytes that IRPs wrote.
    pub irp_bytes: u64,
    /// Fast-I/O calls that came in through the filter's own `FastIoWrite` and were passed on.
    pub forwarded_fast: u64,
    /// Writes that went down untouched, by policy; nothing more is known of them.
    pub bypassed: u64,
}

const _: () = assert!(size_of::<Version>() == 16);
const _: () = assert!(size_of::<DeviceSelector>() == 4);
const _: () = assert!(size_of::<Statistics>() == 8 + 15 * 8);
