//! What a device was given.

use kswrite_core::{IoStatus, NtStatus};

use crate::{
    Address, FileId, IrpId, Irql, ThreadId,
    irp::{Header, Location},
};

/// The arguments of a `FastIoWrite` routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastArguments {
    /// `FileObject`.
    pub file: Option<FileId>,
    /// `*FileOffset`.
    pub offset: i64,
    /// `Length`.
    pub length: u32,
    /// `Wait`.
    pub wait: bool,
    /// `LockKey`.
    pub key: u32,
    /// `Buffer`.
    pub buffer: Address,
}

/// How a write came to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// By its fast-I/O routine.
    Fast(FastArguments),
    /// By an IRP, here as it was when it came.
    Irp {
        /// The IRP.
        irp: IrpId,
        /// Its header.
        header: Header,
        /// The stack location of the device.
        location: Location,
    },
}

impl Came {
    /// The fast-I/O arguments. `None`: it came by an IRP.
    #[must_use]
    pub const fn fast(&self) -> Option<FastArguments> {
        match self {
            Self::Fast(arguments) => Some(*arguments),
            Self::Irp { .. } => None,
        }
    }

    /// The IRP with its header and stack location. `None`: it came by fast I/O.
    #[must_use]
    pub const fn irp(&self) -> Option<(IrpId, Header, Location)> {
        match self {
            Self::Irp {
                irp,
                header,
                location,
            } => Some((*irp, *header, *location)),
            Self::Fast(_) => None,
        }
    }
}

/// One write, as a device was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How it came.
    pub came: Came,
    /// The thread in which it came.
    pub thread: ThreadId,
    /// The IRQL at which it came.
    pub irql: Irql,
    /// The bytes when it came, read as the method of the device says; or what the access raised.
    pub bytes: Result<Vec<u8>, NtStatus>,
    /// The bytes when it was completed. A device that uses neither method keeps those of the dispatch.
    pub bytes_at_end: Option<Vec<u8>>,
    /// What the device says that became of it. `None`: it has not ended it, or ended it as no device may.
    pub ended: Option<IoStatus>,
    /// Whether the user event was signalled when it came. `None`: there is none.
    pub event_signalled: Option<bool>,
    /// Whether the event of the file object was signalled when it came.
    pub file_signalled: Option<bool>,
    /// References on the file object when it came.
    pub file_pointers: Option<u32>,
    /// References on the user event when it came.
    pub event_pointers: Option<u32>,
    /// Whether the IRP was on the list of its thread when it came.
    pub on_thread_list: bool,
    /// The locks on its pages when it came, for an IRP with an MDL of locked pages.
    pub page_locks: Option<u32>,
}
