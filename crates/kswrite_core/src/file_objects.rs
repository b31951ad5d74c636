//! File objects and events, as a write needs them.

use crate::{IoStatus, Kernel, NtStatus, ProcessorMode};

/// `FILE_OBJECT.Flags`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_file_object>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFlags(pub u32);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $question:ident;)*) => {
        impl FileFlags {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            $(#[doc = concat!("Whether `FO_", stringify!($name), "` is set.")]
            #[must_use]
            pub const fn $question(self) -> bool {
                self.0 & $value != 0
            })*
        }
    };
}

flags! {
    /// `FO_SYNCHRONOUS_IO`: the file was opened for synchronous I/O.
    SYNCHRONOUS_IO = 0x2, is_synchronous;
    /// `FO_ALERTABLE_IO`: waits for synchronous I/O are alertable.
    ALERTABLE_IO = 0x4, is_alertable;
    /// `FO_NO_INTERMEDIATE_BUFFERING`.
    NO_INTERMEDIATE_BUFFERING = 0x8, is_uncached;
    /// `FO_WRITE_THROUGH`.
    WRITE_THROUGH = 0x10, is_write_through;
    /// `FO_SKIP_COMPLETION_PORT`: no packet for what succeeded at once.
    SKIP_COMPLETION_PORT = 0x0200_0000, skips_completion_port;
    /// `FO_SKIP_SET_EVENT`: the event of the file object is left alone.
    SKIP_SET_EVENT = 0x0400_0000, skips_file_event;
    /// `FO_SKIP_SET_FAST_IO`: the caller's event is left alone when fast I/O did the work.
    SKIP_SET_FAST_IO = 0x0800_0000, skips_event_on_fast_io;
}

impl core::ops::BitOr for FileFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How a thread waits for a write to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// `WaitMode`. In user mode the wait ends when the thread is terminated.
    pub mode: ProcessorMode,
    /// `Alertable`.
    pub alertable: bool,
    /// `Timeout` in units of 100 nanoseconds from now.
    pub time_limit: Option<u64>,
}

impl Patience {
    /// Nothing but the end of the write ends the wait.
    pub const UNTIL_OVER: Self = Self {
        mode: ProcessorMode::Kernel,
        alertable: false,
        time_limit: None,
    };

    /// Only what has come already is found.
    pub const NOT_AT_ALL: Self = Self {
        time_limit: Some(0),
        ..Self::UNTIL_OVER
    };
}

/// Services for file objects and events.
///
/// Called at `PASSIVE_LEVEL` when a write is submitted. Those that report the end of a write
/// ([`store_status`](Self::store_status) and below) are called at `<= DISPATCH_LEVEL` in any context.
pub trait FileObjects: Kernel {
    /// An event of the object manager, borrowed for the call.
    type Event: Copy;
    /// The `ApcContext` of a completion packet.
    type PortContext: Copy;
    /// The address of an `IO_STATUS_BLOCK`.
    type StatusBlock: Copy;

    /// `FILE_OBJECT.Flags`.
    fn file_flags(&self, file: Self::File) -> FileFlags;

    /// `IoGetRelatedDeviceObject`: the top of the device stack of the file object.
    fn related_device(&self, file: Self::File) -> Self::Device;

    /// `FILE_OBJECT.CurrentByteOffset`.
    fn current_byte_offset(&self, file: Self::File) -> i64;

    /// Sets `FILE_OBJECT.CurrentByteOffset`.
    fn set_current_byte_offset(&self, file: Self::File, offset: i64);

    /// `MmGetMdlByteCount`: how many bytes the pages of a caller hold.
    fn locked_length(&self, pages: Self::LockedPages) -> usize;

    /// Whether the file object is associated with a completion port.
    fn has_completion_port(&self, file: Self::File) -> bool;

    /// Whether this kernel lets the caller of a device perform the last stage of an I/O that was complete at
    /// once (`IRP_DEFER_IO_COMPLETION`). Drivers cannot.
    fn completes_deferred(&self) -> bool;

    /// `KeClearEvent`.
    fn clear_event(&self, event: Self::Event);

    /// `KeClearEvent` on `FILE_OBJECT.Event`.
    fn clear_file_event(&self, file: Self::File);

    /// Adds a write operation to the counters of the process and the system, where the kernel lets us.
    fn count_operation(&self);

    /// Adds written bytes to the counters of the process and the system, where the kernel lets us.
    fn count_transfer(&self, bytes: usize);

    /// Writes a status block.
    fn store_status(&self, block: Self::StatusBlock, io: IoStatus);

    /// Reads the status block of a write that is over.
    fn load_status(&self, block: Self::StatusBlock) -> IoStatus;

    /// `KeSetEvent`.
    fn set_event(&self, event: Self::Event);

    /// `KeSetEvent` on `FILE_OBJECT.Event`.
    fn set_file_event(&self, file: Self::File);

    /// Sets `FILE_OBJECT.FinalStatus`.
    fn set_final_status(&self, file: Self::File, status: NtStatus);

    /// Queues a packet to the completion port of the file object. What this needs was set aside when the
    /// write began, so it does not fail.
    fn post_packet(&self, file: Self::File, context: Self::PortContext, io: IoStatus);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_are_set_stay_set() {
        let both = FileFlags::SYNCHRONOUS_IO | FileFlags::ALERTABLE_IO;
        assert_eq!(both | FileFlags::ALERTABLE_IO, both);
        assert!(both.is_synchronous() && both.is_alertable() && !both.is_uncached());
    }
}
