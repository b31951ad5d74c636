//! What every write has in common that a driver completes itself: its IRP, and the handoff.

use std::cell::{Cell, OnceCell, RefCell};

use kswrite_core::{Handoff, IoStatus, NtStatus, WriteCall, payload::Payload};

use crate::{
    Cpu, DeviceId, Finding, IrpId, Irql, World,
    irp::{Carried, Irp, Owner, Routine},
};

/// A write that was given an IRP, whoever it is done for. `R` is that.
pub(crate) struct Lower<R> {
    world: World,
    handoff: Handoff,
    irp: OnceCell<IrpId>,
    carried: RefCell<Option<Carried>>,
    request: RefCell<Option<R>>,
    finished: Cell<bool>,
}

impl<R> Lower<R> {
    pub(crate) fn new(world: World, request: R) -> Self {
        Self {
            world,
            handoff: Handoff::new(),
            irp: OnceCell::new(),
            carried: RefCell::new(None),
            request: RefCell::new(Some(request)),
            finished: Cell::new(false),
        }
    }

    /// Allocates the IRP, and fills it.
    pub(crate) fn allocate(
        &self,
        cpu: &Cpu<'_>,
        call: &WriteCall<Cpu<'_>>,
        payload: Payload<Cpu<'_>>,
        routine: Routine,
    ) -> Result<(), NtStatus> {
        let id = cpu.new_irp(Owner::Driver, call, Some(routine))?;
        cpu.with(|state| {
            if let Some(irp) = state.live_irp(id, "IoAllocateIrp") {
                irp.header.flags |= payload.owned_irp_flags();
                self.carried.replace(Some(irp.header.carry(payload)));
            }
        });
        let _first = self.irp.set(id);
        Ok(())
    }

    /// Every use of the write comes by here.
    pub(crate) fn check(&self, call: &'static str) {
        if self.finished.get() {
            self.world
                .with(|state| state.find(Finding::WriteTouchedAfterFinish { call }));
        }
    }

    pub(crate) fn handoff(&self) -> &Handoff {
        self.check("handoff");
        &self.handoff
    }

    pub(crate) fn send(&self, cpu: &Cpu<'_>, device: DeviceId) -> NtStatus {
        self.check("IoCallDriver");
        let sent = self.irp.get().map(|irp| cpu.call_driver(*irp, device));
        sent.unwrap_or(NtStatus::INVALID_DEVICE_REQUEST)
    }

    pub(crate) fn cancel(&self, cpu: &Cpu<'_>) {
        self.check("IoCancelIrp");
        if let Some(irp) = self.irp.get() {
            cpu.cancel_irp(*irp);
        }
    }

    pub(crate) fn status(&self, cpu: &Cpu<'_>) -> IoStatus {
        self.check("Irp->IoStatus");
        cpu.enter(
            "read Irp->IoStatus",
            Irql::Dispatch,
            &[self.irp.get().copied().into()],
        );
        let read = |irp: &mut Irp| irp.header.io;
        let io = cpu.with(|state| {
            let irp = *self.irp.get()?;
            state.live_irp(irp, "Irp->IoStatus").map(read)
        });
        io.unwrap_or(IoStatus::failed(NtStatus::UNSUCCESSFUL))
    }

    /// Frees the IRP and what it carries. Gives the request back, once.
    pub(crate) fn finish(&self, cpu: &Cpu<'_>) -> Option<R> {
        self.check("finish");
        if let Some(irp) = self.irp.get() {
            cpu.enter("IoFreeIrp", Irql::Dispatch, &[(*irp).into()]);
            cpu.with(|state| state.free_irp(*irp));
        }
        self.finished.set(true);
        drop(self.carried.take());
        self.request.take()
    }

    /// The request, of a write that could not be given an IRP.
    pub(crate) fn take_request(&self) -> Option<R> {
        self.finished.set(true);
        self.request.take()
    }
}
