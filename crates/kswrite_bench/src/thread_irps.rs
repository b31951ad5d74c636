//! The services of IRPs that the I/O manager completes.

use std::mem::ManuallyDrop;

use kswrite_core::{
    FileWrite, NtStatus, Patience, ProcessorMode, WriteCall, managed::ThreadIrps, payload::Payload,
};

use crate::device::last_stage;
use crate::kernel::Cpu;
use crate::pool::{Carried, Irp, Pool};

/// An IRP that was not sent.
pub(crate) struct Unsent {
    pool: &'static Pool,
    index: u32,
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.pool.free_irp(self.index);
    }
}

/// What an IRP carries of a payload, with the flags that it adds. The IRP frees it.
pub(crate) fn carried(payload: Payload<Cpu>) -> Carried {
    match payload {
        Payload::Empty(_) => Carried::Nothing,
        Payload::BorrowedSystem(address) => Carried::Borrowed(address),
        Payload::System(buffer) => Carried::Buffer(ManuallyDrop::new(buffer).index),
        Payload::Mdl(mdl) => Carried::Mdl(ManuallyDrop::new(mdl).index),
        Payload::User(address) => Carried::Raw(address),
    }
}

/// The fields that a call gives an IRP.
pub(crate) fn fields(call: &WriteCall<Cpu>, carried: Carried, flags: u32) -> Irp {
    Irp {
        carried,
        length: call.length,
        key: call.key,
        offset: call.offset,
        flags: call.irp_flags | flags,
        stack_flags: call.stack_flags,
        user: call.mode == ProcessorMode::User,
        ..Irp::default()
    }
}

impl ThreadIrps for Cpu {
    type Irp = Unsent;
    type Queued = u32;

    #[inline(never)]
    fn allocate_irp(
        &self,
        write: &FileWrite<Self>,
        call: &WriteCall<Self>,
        event: Option<u32>,
        payload: Payload<Self>,
    ) -> Result<Unsent, NtStatus> {
        let pool = self.0;
        let index = pool.free_irps.take().ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        Pool::count(&pool.takes);
        let flags = payload.managed_irp_flags();
        pool.irps[index as usize].irp.set(Irp {
            event,
            port_context: write.port_context,
            status_block: write.status_block,
            ..fields(call, carried(payload), flags)
        });
        Ok(Unsent { pool, index })
    }

    #[inline(never)]
    fn reference_file(&self, (): ()) {
        self.0.file.references.set(self.0.file.references.get() + 1);
    }

    #[inline(never)]
    fn reference_event(&self, _event: u32) {
        self.0
            .file
            .event_references
            .set(self.0.file.event_references.get() + 1);
    }

    #[inline(never)]
    fn queue_and_send(&self, irp: Unsent, (): ()) -> (NtStatus, u32) {
        let irp = ManuallyDrop::new(irp).index;
        (self.0.device.dispatch.get()(self.0, irp), irp)
    }

    #[inline(never)]
    fn complete_deferred(&self, irp: u32) {
        last_stage(self.0, irp);
    }

    #[inline(never)]
    fn wait_for_file(&self, (): (), _patience: Patience) -> NtStatus {
        Pool::count(&self.0.locks);
        NtStatus::SUCCESS
    }

    #[inline(never)]
    fn cancel_unless_over(&self, (): (), _irp: u32) {
        Pool::count(&self.0.locks);
    }

    #[inline(never)]
    fn final_status(&self, (): ()) -> NtStatus {
        NtStatus(self.0.file.final_status.get())
    }
}
