//! Drivers that are more than a script.

use std::rc::Rc;

use kswrite_core::{BufferMethod, IoStatus, NtStatus};

use crate::{
    Cpu, DeviceId, FastArguments, FastTable, FileId, IrpId, Irql, ProcessId, World,
    device::{Device, Held, Kind, Script},
    irp::{Header, IRP_MJ_READ, Location},
};

/// A request that came as an IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The IRP.
    pub irp: IrpId,
    /// The file object.
    pub file: FileId,
    /// The process of the thread that began it.
    pub process: Option<ProcessId>,
    /// `ByteOffset`.
    pub offset: i64,
    /// `Length`.
    pub length: u32,
    /// `Key`.
    pub key: u32,
    /// `Irp->Flags`.
    pub irp_flags: u32,
    /// `Flags` of the stack location.
    pub stack_flags: u8,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is complete before the dispatch routine returns.
    Complete(IoStatus),
    /// The same, but marked pending.
    CompletePending(IoStatus),
    /// It is marked pending, and completes by itself [later](World::later).
    Later {
        /// With what.
        io: IoStatus,
        /// Whether a cancel ends it before.
        cancellable: bool,
    },
    /// It is marked pending and kept, until [`Cpu::complete_kept`] or a cancel.
    Keep,
}

/// The routines of a driver. They may be called by any thread while another is in one of them, wherever that
/// calls something of its [`Cpu`].
pub trait Routines {
    /// `FastIoWrite`, of a device that was made with one. `None`: FALSE.
    ///
    /// # Errors
    ///
    /// The exception that it raises.
    fn fast_write(&self, cpu: &Cpu<'_>, write: &FastArguments) -> Result<Option<IoStatus>, NtStatus> {
        let _ = (cpu, write);
        Ok(None)
    }

    /// `IRP_MJ_WRITE`. [`Cpu::bytes_of`] has the bytes.
    fn write(&self, cpu: &Cpu<'_>, write: &Arrived) -> Reply;

    /// `IRP_MJ_READ`. [`Cpu::give_bytes`] takes the bytes.
    fn read(&self, cpu: &Cpu<'_>, read: &Arrived) -> Reply {
        let _ = (cpu, read);
        Reply::Complete(IoStatus::failed(NtStatus::INVALID_DEVICE_REQUEST))
    }

    /// A request that was kept is cancelled; the bytes with which it completes.
    fn cancelled(&self, cpu: &Cpu<'_>, irp: IrpId) -> usize {
        let _ = (cpu, irp);
        0
    }

    /// `IRP_MJ_CLEANUP`: the last handle of the file object is closed. Nothing of it may be kept after this.
    fn clean_up(&self, cpu: &Cpu<'_>, file: FileId);
}

impl World {
    /// A device of a driver with these routines. `table`: its fast-I/O table.
    #[must_use]
    pub fn device_with(
        &self,
        method: BufferMethod,
        table: Option<FastTable>,
        routines: Rc<dyn Routines>,
    ) -> DeviceId {
        let driver = self.driver(table);
        self.with(|state| {
            let mut device = Device::new(driver, Kind::Driven, Script::inline(method));
            device.routines = Some(routines);
            state.devices.add(device)
        })
    }

    /// Bytes of a sector of a device, which requests without buffering must keep to; 0, as it is at first: of none.
    pub fn set_sector_bytes(&self, device: DeviceId, bytes: u32) {
        self.with(|state| state.devices[device].sector_bytes = bytes);
    }

    /// Changes the fast-I/O table of the driver of a device.
    pub fn set_table(&self, device: DeviceId, table: Option<FastTable>) {
        self.with(|state| {
            let driver = state.devices[device].driver;
            state.drivers[driver].table = table;
        });
    }
}

impl Cpu<'_> {
    pub(crate) fn routines_of(&self, device: DeviceId) -> Option<Rc<dyn Routines>> {
        self.with(|state| state.devices[device].routines.clone())
    }

    /// The dispatch routine of a device with routines.
    pub(crate) fn driven(&self, id: IrpId, device: DeviceId, header: Header, location: Location) -> NtStatus {
        let (Some(routines), Some(file)) = (self.routines_of(device), header.file) else {
            return self.reply(
                id,
                device,
                Reply::Complete(IoStatus::failed(NtStatus::INVALID_DEVICE_REQUEST)),
            );
        };
        let process = header
            .thread
            .and_then(|thread| self.with(|state| state.threads[thread].process));
        let arrived = Arrived {
            irp: id,
            file,
            process,
            offset: location.offset,
            length: location.length,
            key: location.key,
            irp_flags: header.flags,
            stack_flags: location.flags,
        };
        let reply = if location.major == IRP_MJ_READ {
            routines.read(self, &arrived)
        } else {
            routines.write(self, &arrived)
        };
        self.reply(id, device, reply)
    }

    fn reply(&self, id: IrpId, device: DeviceId, reply: Reply) -> NtStatus {
        match reply {
            Reply::Complete(io) => {
                self.complete_request(id, io);
                io.status
            }
            Reply::CompletePending(io) => {
                self.with(|state| state.mark_pending(id));
                self.complete_request(id, io);
                NtStatus::PENDING
            }
            Reply::Later { io, cancellable } => {
                self.with(|state| state.mark_pending(id));
                self.world().later(move |cpu| _ = cpu.complete_kept(id, io));
                self.keep(id, device, cancellable)
            }
            Reply::Keep => {
                self.with(|state| state.mark_pending(id));
                self.keep(id, device, true)
            }
        }
    }

    fn keep(&self, id: IrpId, device: DeviceId, cancellable: bool) -> NtStatus {
        let cancelled = self.with(|state| {
            state.devices[device].held.push_back(Held {
                irp: id,
                cancellable,
                seen: usize::MAX,
            });
            cancellable && state.arm_cancel(id, device)
        });
        if cancelled {
            self.end_cancelled(id, device);
        }
        NtStatus::PENDING
    }

    /// A kept request whose cancel routine was taken completes as cancelled.
    pub(crate) fn end_cancelled(&self, id: IrpId, device: DeviceId) {
        if self.with(|state| state.unlink(device, id)).is_none() {
            return;
        }
        let information = self
            .routines_of(device)
            .map_or(0, |routines| routines.cancelled(self, id));
        let status = NtStatus::CANCELLED;
        self.complete_request(id, IoStatus { status, information });
    }

    /// Completes a request that is kept. FALSE: it is not, or a cancel has it.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, in any thread.
    pub fn complete_kept(&self, irp: IrpId, io: IoStatus) -> bool {
        self.enter(
            "a device completes",
            Irql::Dispatch,
            &[irp.into(), io.status.into()],
        );
        let taken = self.claim(irp);
        if taken {
            self.complete_request(irp, io);
        }
        taken
    }

    /// Takes a request that is kept, for [`complete_claimed`](Self::complete_claimed): no cancel comes any more.
    /// No other thread runs in between. FALSE: it is not kept, or a cancel has it.
    #[must_use]
    pub fn claim(&self, irp: IrpId) -> bool {
        self.with(|state| state.take_held(irp).is_some())
    }

    /// Completes a request that was claimed.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, in any thread.
    pub fn complete_claimed(&self, irp: IrpId, io: IoStatus) {
        self.complete_request(irp, io);
    }

    /// The bytes of a write, read as the method of the device says.
    ///
    /// # Errors
    ///
    /// What the access raised.
    pub fn bytes_of(&self, write: &Arrived) -> Result<Vec<u8>, NtStatus> {
        self.with(|state| {
            let Some(irp) = state.live_irp(write.irp, "a device") else {
                return Ok(Vec::new());
            };
            let header = irp.header;
            let method = irp.location().and_then(|location| location.device);
            let method = method.map_or(BufferMethod::Neither, |device| {
                state.devices[device].script.method
            });
            let read = state.read_irp(method, &header, write.length);
            read.map_err(|unreadable| state.raise(unreadable))
        })
    }

    /// The bytes at the address that a fast-I/O routine was given.
    ///
    /// # Errors
    ///
    /// What the access raised.
    pub fn bytes_at(&self, write: &FastArguments) -> Result<Vec<u8>, NtStatus> {
        self.with(|state| {
            let read = state.memory.read(write.buffer, write.length as usize);
            read.map_err(|unreadable| state.raise(unreadable))
        })
    }

    /// The bytes that a read gives; its reader has them when the read is complete.
    pub fn give_bytes(&self, read: IrpId, bytes: Vec<u8>) {
        self.with(|state| {
            if let Some(irp) = state.live_irp(read, "a device") {
                irp.output = Some(bytes);
            }
        });
    }

    /// Moves `CurrentByteOffset` of a synchronous file object to the byte after `count` bytes at `offset`.
    pub fn move_position(&self, file: FileId, offset: u64, count: usize) {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        self.with(|state| state.move_position(Some(file), offset, count));
    }
}
