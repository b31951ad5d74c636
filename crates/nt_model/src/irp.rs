//! I/O request packets.

use kswrite_core::{BufferMethod, IoStatus, NtStatus, ProcessorMode, WriteCall, payload::Payload};

use crate::{
    Address, BlockId, Cpu, DeviceId, EventId, FileId, Finding, IrpId, Irql, MdlId, PortContext, Service,
    ThreadId, World,
    filter::FilterSent,
    mdl::{OwnedMdl, Pages},
    owned::OwnedSent,
    pool::PoolBuffer,
    state::State,
};

/// `IRP_SYNCHRONOUS_API`.
pub const IRP_SYNCHRONOUS_API: u32 = 0x4;
/// `IRP_BUFFERED_IO`.
pub const IRP_BUFFERED_IO: u32 = 0x10;
/// `IRP_DEALLOCATE_BUFFER`.
pub const IRP_DEALLOCATE_BUFFER: u32 = 0x20;
/// `IRP_WRITE_OPERATION`.
pub const IRP_WRITE_OPERATION: u32 = 0x200;
/// `IRP_DEFER_IO_COMPLETION`.
pub const IRP_DEFER_IO_COMPLETION: u32 = 0x800;
/// `SL_PENDING_RETURNED`.
pub const SL_PENDING_RETURNED: u8 = 0x1;
/// `SL_INVOKE_ON_CANCEL`.
pub const SL_INVOKE_ON_CANCEL: u8 = 0x20;
/// `SL_INVOKE_ON_SUCCESS`.
pub const SL_INVOKE_ON_SUCCESS: u8 = 0x40;
/// `SL_INVOKE_ON_ERROR`.
pub const SL_INVOKE_ON_ERROR: u8 = 0x80;
/// `IRP_READ_OPERATION`.
pub const IRP_READ_OPERATION: u32 = 0x100;
/// `IRP_MJ_READ`.
pub const IRP_MJ_READ: u8 = 3;
/// `IRP_MJ_WRITE`.
pub const IRP_MJ_WRITE: u8 = 4;

/// The header of an IRP, as a driver sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// `Flags`.
    pub flags: u32,
    /// `RequestorMode`.
    pub requestor_mode: ProcessorMode,
    /// `Tail.Overlay.Thread`.
    pub thread: Option<ThreadId>,
    /// `Tail.Overlay.OriginalFileObject`.
    pub file: Option<FileId>,
    /// `UserIosb`.
    pub user_iosb: Option<BlockId>,
    /// `UserEvent`.
    pub user_event: Option<EventId>,
    /// `Overlay.AsynchronousParameters.UserApcContext`.
    pub user_apc_context: Option<PortContext>,
    /// `PendingReturned`.
    pub pending_returned: bool,
    /// `Cancel`.
    pub cancel: bool,
    /// Whether `CancelRoutine` is not NULL.
    pub has_cancel_routine: bool,
    /// `AssociatedIrp.SystemBuffer`.
    pub system_buffer: Option<Address>,
    /// `MdlAddress`.
    pub mdl: Option<MdlId>,
    /// `UserBuffer`.
    pub user_buffer: Option<Address>,
    /// `IoStatus`.
    pub io: IoStatus,
    /// `StackCount`.
    pub stack_count: u8,
}

/// A stack location of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// `MajorFunction`.
    pub major: u8,
    /// `MinorFunction`.
    pub minor: u8,
    /// `Flags`.
    pub flags: u8,
    /// `Control`.
    pub control: u8,
    /// `Parameters.Write.Length`.
    pub length: u32,
    /// `Parameters.Write.Key`.
    pub key: u32,
    /// `Parameters.Write.ByteOffset`.
    pub offset: i64,
    /// `FileObject`.
    pub file: Option<FileId>,
    /// `DeviceObject`.
    pub device: Option<DeviceId>,
}

impl Location {
    pub(crate) fn of(call: &WriteCall<Cpu<'_>>) -> Self {
        Self {
            major: IRP_MJ_WRITE,
            minor: 0,
            flags: call.stack_flags,
            control: 0,
            length: call.length,
            key: call.key,
            offset: call.offset,
            file: call.file,
            device: None,
        }
    }
}

/// A completion routine with its context.
#[derive(Clone)]
pub(crate) enum Routine {
    Owned(OwnedSent),
    Filter(FilterSent),
    PassThrough(DeviceId),
}

/// A cancel routine with what it finds in the IRP.
#[derive(Clone)]
pub(crate) enum CancelRoutine {
    Device(DeviceId),
    Filter(FilterSent),
}

/// Where an IRP is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// With whoever allocated it.
    Idle,
    /// With a device.
    Sent,
    /// Completion routines run.
    Completing,
    /// The caller of the device does the last stage.
    Deferred,
    /// An APC does the last stage.
    ApcQueued,
    /// The last stage runs.
    Final,
    /// It is a packet in a port.
    Packet,
}

/// Who frees an IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    IoManager,
    Driver,
}

pub(crate) struct Irp {
    pub(crate) header: Header,
    pub(crate) cancel_routine: Option<CancelRoutine>,
    pub(crate) stack: Vec<Location>,
    pub(crate) routines: Vec<Option<Routine>>,
    /// Locations that were entered and not left.
    pub(crate) current: usize,
    pub(crate) phase: Phase,
    pub(crate) owner: Owner,
    /// `UserApcRoutine` is set, and this is its context.
    pub(crate) user_apc: Option<u64>,
    /// Where the bytes of a read go.
    pub(crate) reads_into: Option<Address>,
    /// The bytes that a read gives.
    pub(crate) output: Option<Vec<u8>>,
}

impl Irp {
    pub(crate) fn location(&self) -> Option<&Location> {
        self.stack.get(self.current.checked_sub(1)?)
    }
}

/// The place of an IRP; what is known of it stays when it is freed.
pub(crate) struct IrpSlot {
    pub(crate) irp: Option<Box<Irp>>,
    /// The locations in which it was ever marked pending, one bit each.
    pub(crate) marked: u32,
}

/// The buffer fields of an IRP are filled; this is what they refer to.
pub(crate) struct Carried {
    pool: Option<PoolBuffer>,
    mdl: Option<OwnedMdl>,
}

impl Carried {
    /// The I/O manager frees it with the IRP.
    pub(crate) fn give_away(self) {
        if let Some(pool) = self.pool {
            pool.give_away();
        }
        if let Some(mdl) = self.mdl {
            mdl.give_away();
        }
    }
}

impl Header {
    pub(crate) fn carry(&mut self, payload: Payload<Cpu<'_>>) -> Carried {
        let mut carried = Carried {
            pool: None,
            mdl: None,
        };
        match payload {
            Payload::Empty(BufferMethod::Buffered | BufferMethod::Direct | BufferMethod::Neither) => {}
            Payload::BorrowedSystem(address) => self.system_buffer = Some(address),
            Payload::System(pool) => {
                self.system_buffer = Some(pool.address());
                carried.pool = Some(pool);
            }
            Payload::Mdl(mdl) => {
                self.mdl = Some(mdl.id());
                carried.mdl = Some(mdl);
            }
            Payload::User(address) => self.user_buffer = Some(address),
        }
        carried
    }
}

impl State {
    /// The IRP if it is there; using one that is freed is a finding.
    pub(crate) fn live_irp(&mut self, id: IrpId, call: &'static str) -> Option<&mut Irp> {
        if self.irps[id].irp.is_none() {
            self.find(Finding::IrpTouchedAfterFree { irp: id, call });
        }
        self.irps[id].irp.as_deref_mut()
    }

    /// `IoMarkIrpPending`, in the location of the driver that has the IRP.
    pub(crate) fn mark_pending(&mut self, id: IrpId) {
        let Some(irp) = self.live_irp(id, "IoMarkIrpPending") else {
            return;
        };
        if irp.phase != Phase::Sent && irp.phase != Phase::Completing {
            let call = "IoMarkIrpPending";
            self.find(Finding::IrpTouchedAfterCompletion { irp: id, call });
            return;
        }
        let Some(index) = irp.current.checked_sub(1) else {
            return;
        };
        if let Some(location) = irp.stack.get_mut(index) {
            location.control |= SL_PENDING_RETURNED;
        }
        self.irps[id].marked |= 1 << index;
    }

    /// `IoFreeIrp`.
    pub(crate) fn free_irp(&mut self, id: IrpId) {
        let Some(irp) = self.live_irp(id, "IoFreeIrp") else {
            return;
        };
        if matches!(irp.phase, Phase::Sent | Phase::Deferred | Phase::ApcQueued) {
            self.find(Finding::IrpFreedInFlight { irp: id });
        }
        self.irps[id].irp = None;
    }

    pub(crate) fn free_packet_irp(&mut self, id: IrpId) {
        self.free_irp(id);
    }

    /// Frees what an IRP of the I/O manager carries.
    pub(crate) fn free_buffers(&mut self, id: IrpId) {
        let Some(irp) = self.live_irp(id, "IoCompleteRequest") else {
            return;
        };
        let header = &mut irp.header;
        let buffer = header.system_buffer.take();
        let deallocate = header.flags & IRP_DEALLOCATE_BUFFER != 0;
        header.flags &= !IRP_DEALLOCATE_BUFFER;
        let mdl = header.mdl.take();
        if let Some(address) = buffer.filter(|_| deallocate) {
            self.free_pool(address);
        }
        if let Some(mdl) = mdl {
            self.free_mdl(mdl);
        }
    }

    /// A user-mode requestor's pages must have been probed as a user's.
    pub(crate) fn check_mdl_mode(&mut self, id: IrpId, header: &Header) {
        let Some(mdl_id) = header.mdl else { return };
        let probed_as_kernel = self.memory.mdls[mdl_id]
            .as_ref()
            .is_some_and(|mdl| matches!(mdl.pages, Pages::Locked(_)) && mdl.mode == ProcessorMode::Kernel);
        if probed_as_kernel && header.requestor_mode == ProcessorMode::User {
            self.find(Finding::MdlOfWrongMode { mdl: mdl_id, irp: id });
        }
    }
}

impl Cpu<'_> {
    /// `IoAllocateIrp` for a write to a device, with its first stack location filled.
    pub(crate) fn new_irp(
        &self,
        owner: Owner,
        call: &WriteCall<Cpu<'_>>,
        routine: Option<Routine>,
    ) -> Result<IrpId, NtStatus> {
        let stack_count = self.with(|state| state.devices[call.device].stack_size);
        self.enter("IoAllocateIrp", Irql::Dispatch, &[u32::from(stack_count).into()]);
        self.fault(Service::AllocateIrp)?;
        let mut location = Location::of(call);
        if routine.is_some() {
            location.control = SL_INVOKE_ON_CANCEL | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_SUCCESS;
        }
        let header = Header {
            flags: call.irp_flags,
            requestor_mode: call.mode,
            thread: Some(self.thread()),
            file: call.file,
            user_iosb: None,
            user_event: None,
            user_apc_context: None,
            pending_returned: false,
            cancel: false,
            has_cancel_routine: false,
            system_buffer: None,
            mdl: None,
            user_buffer: None,
            io: IoStatus::failed(NtStatus::SUCCESS),
            stack_count,
        };
        let irp = Box::new(Irp {
            header,
            cancel_routine: None,
            stack: vec![location],
            routines: vec![routine],
            current: 0,
            phase: Phase::Idle,
            owner,
            user_apc: None,
            reads_into: None,
            output: None,
        });
        Ok(self.with(|state| {
            let irp = Some(irp);
            state.irps.add(IrpSlot { irp, marked: 0 })
        }))
    }
}

impl World {
    /// The header of an IRP. `None`: it is freed.
    #[must_use]
    pub fn irp(&self, irp: IrpId) -> Option<Header> {
        self.with(|state| state.irps[irp].irp.as_ref().map(|irp| irp.header))
    }

    /// The stack locations of an IRP that were filled. Empty: it is freed.
    #[must_use]
    pub fn stack(&self, irp: IrpId) -> Vec<Location> {
        let stack = self.with(|state| state.irps[irp].irp.as_ref().map(|irp| irp.stack.clone()));
        stack.unwrap_or_default()
    }
}
