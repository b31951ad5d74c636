//! Scripted devices.

use kswrite_core::{BufferMethod, IoStatus, NtStatus};

/// A device of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceId(pub u32);

/// What a fast-I/O routine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastRoutine {
    /// Takes the data and returns TRUE.
    Accept,
    /// Returns FALSE.
    Decline,
    /// Returns TRUE with this status and takes nothing.
    Answer(IoStatus),
    /// Raises an exception.
    Raise(NtStatus),
}

/// The fast-I/O table of a device's driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastTable {
    /// `SizeOfFastIoDispatch`.
    pub size: u32,
    /// The `FastIoWrite` slot.
    pub write: Option<FastRoutine>,
}

/// What the device does with a write IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Send {
    /// Completes it before it returns, and returns the status.
    Inline(NtStatus),
    /// Marks it pending, completes it before it returns, returns `STATUS_PENDING`.
    InlineAsPending(NtStatus),
    /// Keeps it; a [`Step`](crate::Step) completes it, or a cancel does.
    Hold,
}

/// A device and its behaviour.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// The `DO_*` flags.
    pub method: BufferMethod,
    /// The table, `None` without one.
    pub fast: Option<FastTable>,
    /// The IRP path.
    pub send: Send,
    /// Whether a held IRP has a cancel routine, which completes it with `STATUS_CANCELLED`.
    pub cancellable: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            method: BufferMethod::Buffered,
            fast: None,
            send: Send::Inline(NtStatus::SUCCESS),
            cancellable: true,
        }
    }
}
