//! Reads and writes of a program, as the I/O manager makes IRPs of them.

use kswrite_core::{
    BufferMethod, Data, FileObjects, FileWrite, Kernel, NtStatus, Patience, ProcessorMode, WriteCall,
    managed::ThreadIrps, payload::Payload,
};

use crate::{
    Address, BlockId, Cpu, DeviceId, EventId, FileId, IrpId, PortContext,
    irp::{IRP_DEFER_IO_COMPLETION, IRP_MJ_READ, IRP_READ_OPERATION, IRP_WRITE_OPERATION},
};

/// `SL_WRITE_THROUGH`.
const SL_WRITE_THROUGH: u8 = 0x4;
/// `IRP_NOCACHE`.
const IRP_NOCACHE: u32 = 0x1;

/// A read or a write, with its handles looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    /// `IRP_MJ_READ` or `IRP_MJ_WRITE`.
    pub(crate) major: u8,
    pub(crate) file: FileId,
    pub(crate) event: Option<EventId>,
    /// `ApcContext`, for the completion packet.
    pub(crate) port_context: Option<PortContext>,
    /// There is an `ApcRoutine`, and this is its context.
    pub(crate) user_apc: Option<u64>,
    pub(crate) status_block: BlockId,
    pub(crate) buffer: Address,
    pub(crate) length: u32,
    /// `None`: the position.
    pub(crate) offset: Option<i64>,
    pub(crate) key: u32,
}

impl Transfer {
    fn is_read(&self) -> bool {
        self.major == IRP_MJ_READ
    }
}

impl Cpu<'_> {
    /// What NtReadFile and NtWriteFile do once their arguments are found good.
    pub(crate) fn transfer(&self, arguments: &Transfer) -> NtStatus {
        let synchronous = self.file_flags(arguments.file).is_synchronous();
        self.reference_file(arguments.file);
        if let Some(event) = arguments.event {
            self.reference_event(event);
            self.clear_event(event);
        }
        if synchronous {
            self.lock_file(arguments.file);
        }
        let status = self.transfer_locked(arguments, synchronous);
        if synchronous {
            self.unlock_file(arguments.file);
        }
        status
    }

    fn transfer_locked(&self, arguments: &Transfer, synchronous: bool) -> NtStatus {
        let file = arguments.file;
        let device = self.related_device(file);
        let mode = self.previous_mode();
        let call = self.transfer_call(arguments, device, mode);
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
        let payload = self.transfer_payload(arguments, device, mode);
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
        self.address_reply(irp.id(), arguments);
        if !arguments.is_read() {
            self.count_operation();
        }
        let (returned, irp) = self.queue_and_send(irp, device);
        if returned != NtStatus::PENDING {
            if self.completes_deferred() {
                self.complete_deferred(irp);
            }
            return returned;
        }
        if synchronous {
            self.transfer_wait(file, irp, mode)
        } else {
            NtStatus::PENDING
        }
    }

    /// Where the end of the request goes besides its status block.
    fn address_reply(&self, irp: IrpId, arguments: &Transfer) {
        self.with(|state| {
            if let Some(irp) = state.live_irp(irp, "IoAllocateIrp") {
                irp.user_apc = arguments.user_apc;
                irp.reads_into = arguments.is_read().then_some(arguments.buffer);
                if let Some(location) = irp.stack.first_mut() {
                    location.major = arguments.major;
                }
            }
        });
    }

    fn transfer_call(&self, arguments: &Transfer, device: DeviceId, mode: ProcessorMode) -> WriteCall<Self> {
        let flags = self.file_flags(arguments.file);
        let set = |wanted: bool, flag: u32| if wanted { flag } else { 0 };
        let operation = if arguments.is_read() {
            IRP_READ_OPERATION
        } else {
            IRP_WRITE_OPERATION
        };
        let irp_flags = operation
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
            stack_flags: if flags.is_write_through() && !arguments.is_read() {
                SL_WRITE_THROUGH
            } else {
                0
            },
            irp_flags,
        }
    }

    /// What the device is given. The bytes of a read are handed over when it is complete, whatever the method.
    fn transfer_payload(
        &self,
        arguments: &Transfer,
        device: DeviceId,
        mode: ProcessorMode,
    ) -> Result<Payload<Self>, NtStatus> {
        let Transfer { buffer, length, .. } = *arguments;
        if mode == ProcessorMode::User && !self.is_user_range(buffer, length) {
            return Err(NtStatus::ACCESS_VIOLATION);
        }
        match self.buffer_method(device) {
            method if arguments.is_read() => Ok(Payload::Empty(method)),
            BufferMethod::Neither => Ok(Payload::User(buffer)),
            method if length == 0 => Ok(Payload::Empty(method)),
            BufferMethod::Buffered => self.capture(buffer, length).map(Payload::System),
            BufferMethod::Direct => self.probe_and_lock(buffer, length, mode).map(Payload::Mdl),
        }
    }

    fn transfer_wait(&self, file: FileId, irp: IrpId, mode: ProcessorMode) -> NtStatus {
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
