//! NtWriteFile, as far as it makes IRPs: what a program's WriteFile comes to.

use kswrite_core::{FileObjects, NtStatus};

use crate::{
    Address, BlockId, Cpu, EventId, FileId, Irql, PortContext, irp::IRP_MJ_WRITE, transfer::Transfer,
};

/// The arguments of NtWriteFile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtWrite {
    /// The file object of `FileHandle`.
    pub file: FileId,
    /// The event object of `Event`.
    pub event: Option<EventId>,
    /// `ApcContext`, for the completion packet.
    pub port_context: Option<PortContext>,
    /// `IoStatusBlock`.
    pub status_block: BlockId,
    /// `Buffer`.
    pub buffer: Address,
    /// `Length`.
    pub length: u32,
    /// `ByteOffset`. `None`: the position, which only a synchronous file object has.
    pub offset: Option<i64>,
    /// `Key`.
    pub key: u32,
}

impl NtWrite {
    /// A write at offset 0 without event, packet and key.
    #[must_use]
    pub const fn new(file: FileId, status_block: BlockId, buffer: Address, length: u32) -> Self {
        Self {
            file,
            event: None,
            port_context: None,
            status_block,
            buffer,
            length,
            offset: Some(0),
            key: 0,
        }
    }
}

impl Cpu<'_> {
    /// NtWriteFile, in the previous mode of the thread. It never attempts fast I/O, as files without a cache
    /// do not.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Status
    ///
    /// `STATUS_INVALID_PARAMETER`: an asynchronous file object without an offset. Otherwise as KsWriteFile.
    pub fn nt_write_file(&self, arguments: &NtWrite) -> NtStatus {
        let NtWrite { file, length, .. } = *arguments;
        self.enter("NtWriteFile", Irql::Passive, &[file.into(), length.into()]);
        if !self.file_flags(file).is_synchronous() && arguments.offset.is_none() {
            return NtStatus::INVALID_PARAMETER;
        }
        self.transfer(&Transfer {
            major: IRP_MJ_WRITE,
            file,
            event: arguments.event,
            port_context: arguments.port_context,
            user_apc: None,
            status_block: arguments.status_block,
            buffer: arguments.buffer,
            length,
            offset: arguments.offset,
            key: arguments.key,
        })
    }
}
