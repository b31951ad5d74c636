//! NtWriteFile, as far as it makes IRPs: what a program's WriteFile comes to.

use kswrite_core::{
    BufferMethod, Data, FileObjects, FileWrite, Kernel, NtStatus, Patience, ProcessorMode, WriteCall,
    managed::ThreadIrps, payload::Payload,
};

use crate::{
    Address, BlockId, Cpu, DeviceId, EventId, FileId, IrpId, Irql, PortContext,
    irp::{IRP_DEFER_IO_COMPLETION, IRP_WRITE_OPERATION},
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

/// `SL_WRITE_THROUGH`.
const SL_WRITE_THROUGH: u8 = 0x4;
/// `IRP_NOCACHE`.
const IRP_NOCACHE: u32 = 0x1;

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
        self.enter(
            "NtWriteFile",
            Irql::Passive,
            &[arguments.file.into(), arguments.length.into()],
        );
        let synchronous = self.file_flags(arguments.file).is_synchronous();
        if !synchronous && arguments.offset.is_none() {
            return NtStatus::INVALID_PARAMETER;
        }
        self.reference_file(arguments.file);
        if let Some(event) = arguments.event {
            self.reference_event(event);
            self.clear_event(event);
        }
        if synchronous {
            self.lock_file(arguments.file);
        }
        let status = self.nt_write_locked(arguments, synchronous);
        if synchronous {
            self.unlock_file(arguments.file);
        }
        status
    }

    fn nt_write_locked(&self, arguments: &NtWrite, synchronous: bool) -> NtStatus {
        let file = arguments.file;
        let device = self.related_device(file);
        let mode = self.previous_mode();
        let call = self.nt_call(arguments, device, mode);
        self.clear_file_event(file);
        let write = FileWrite::new(
            file,
            arguments.event,
            arguments.port_context,
            arguments.status_block,
            arguments.buffer,
            arguments.length,
            arguments.key,
            mode,
        );
        let payload = self.nt_payload(arguments, device, mode);
        let irp = match payload.and_then(|payload| self.allocate_irp(&write, &call, write.event, payload)) {
            Ok(irp) => irp,
            Err(status) => {
                self.with(|state| {
                    if let Some(event) = arguments.event {
                        state.dereference_event_object(event);
                    }
                    state.dereference_file_object(file);
                });
                return status;
            }
        };
        self.count_operation();
        let (returned, irp) = self.queue_and_send(irp, device);
        if returned != NtStatus::PENDING {
            if self.completes_deferred() {
                self.complete_deferred(irp);
            }
            return returned;
        }
        if synchronous {
            self.nt_wait(file, irp, mode)
        } else {
            NtStatus::PENDING
        }
    }

    fn nt_call(&self, arguments: &NtWrite, device: DeviceId, mode: ProcessorMode) -> WriteCall<Self> {
        let flags = self.file_flags(arguments.file);
        let set = |wanted: bool, flag: u32| if wanted { flag } else { 0 };
        let irp_flags = IRP_WRITE_OPERATION
            | set(self.completes_deferred(), IRP_DEFER_IO_COMPLETION)
            | set(flags.is_uncached(), IRP_NOCACHE);
        WriteCall {
            file: Some(arguments.file),
            device,
            data: Data::Raw(arguments.buffer),
            length: arguments.length,
            offset: arguments
                .offset
                .unwrap_or_else(|| self.current_byte_offset(arguments.file)),
            key: arguments.key,
            mode,
            in_requestor_context: true,
            may_page: true,
            may_wait: flags.is_synchronous(),
            bypasses_cache: false,
            stack_flags: if flags.is_write_through() {
                SL_WRITE_THROUGH
            } else {
                0
            },
            irp_flags,
        }
    }

    fn nt_payload(
        &self,
        arguments: &NtWrite,
        device: DeviceId,
        mode: ProcessorMode,
    ) -> Result<Payload<Self>, NtStatus> {
        let NtWrite { buffer, length, .. } = *arguments;
        if mode == ProcessorMode::User && !self.is_user_range(buffer, length) {
            return Err(NtStatus::ACCESS_VIOLATION);
        }
        match self.buffer_method(device) {
            BufferMethod::Neither => Ok(Payload::User(buffer)),
            method if length == 0 => Ok(Payload::Empty(method)),
            BufferMethod::Buffered => self.capture(buffer, length).map(Payload::System),
            BufferMethod::Direct => self.probe_and_lock(buffer, length, mode).map(Payload::Mdl),
        }
    }

    fn nt_wait(&self, file: FileId, irp: IrpId, mode: ProcessorMode) -> NtStatus {
        let patience = Patience {
            mode,
            alertable: self.file_flags(file).is_alertable(),
            time_limit: None,
        };
        if self.wait_for_file(file, patience) != NtStatus::SUCCESS {
            self.cancel_unless_over(file, irp);
            let _over = self.wait_for_file(file, Patience::UNTIL_OVER);
        }
        self.final_status(file)
    }
}
