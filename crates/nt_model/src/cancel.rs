//! `IoCancelIrp`, and the exchange of the cancel routine that decides its races.

use kswrite_core::{NtStatus, Patience, owned};

use crate::{
    BlockId, Cpu, FileId, Finding, IrpId, Irql,
    irp::{CancelRoutine, Phase},
    state::State,
    thread::WaitFor,
    user::status::NOT_FOUND,
};

impl State {
    /// `IoSetCancelRoutine`. Returns whether a routine was set before.
    pub(crate) fn exchange_cancel_routine(&mut self, id: IrpId, routine: Option<CancelRoutine>) -> bool {
        let Some(irp) = self.live_irp(id, "IoSetCancelRoutine") else {
            return false;
        };
        if irp.phase != Phase::Sent && routine.is_some() {
            let call = "IoSetCancelRoutine";
            self.find(Finding::IrpTouchedAfterCompletion { irp: id, call });
            return false;
        }
        irp.header.has_cancel_routine = routine.is_some();
        std::mem::replace(&mut irp.cancel_routine, routine).is_some()
    }
}

impl Cpu<'_> {
    /// `IoCancelIrp`. Returns whether a cancel routine was called.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn cancel_irp(&self, irp: IrpId) -> bool {
        self.cancel_if(irp, |_| true)
    }

    /// The same, if the condition holds once the cancel spin lock is held. A freed IRP for which it holds is a
    /// finding.
    pub(crate) fn cancel_if(&self, id: IrpId, condition: impl FnOnce(&State) -> bool) -> bool {
        self.enter("IoCancelIrp", Irql::Dispatch, &[id.into()]);
        let irql = self.acquire_cancel_lock();
        let routine = self.with(|state| {
            if !condition(state) {
                return None;
            }
            let irp = state.live_irp(id, "IoCancelIrp")?;
            irp.header.cancel = true;
            irp.header.has_cancel_routine = false;
            irp.cancel_routine.take()
        });
        let called = routine.is_some();
        if let Some(routine) = routine {
            self.call_cancel_routine(id, routine, irql);
        } else {
            self.release_cancel_lock(irql);
        }
        called
    }

    /// The routine is called with the cancel spin lock held, and releases it.
    fn call_cancel_routine(&self, id: IrpId, routine: CancelRoutine, irql: Irql) {
        self.note("  cancel routine", &[id.into()]);
        match routine {
            CancelRoutine::Device(device) => self.device_cancels(id, device, irql),
            CancelRoutine::Filter(sent) => {
                self.release_cancel_lock(irql);
                let statistics = sent.statistics();
                owned::on_cancel(self, &statistics, sent);
            }
        }
    }

    /// `IoAcquireCancelSpinLock`.
    fn acquire_cancel_lock(&self) -> Irql {
        let _free = self.block(WaitFor::CancelLock, Patience::UNTIL_OVER);
        let before = self.raise_irql(Irql::Dispatch);
        self.with(|state| state.cancel_lock = Some(self.thread()));
        before
    }

    /// `IoReleaseCancelSpinLock`.
    pub(crate) fn release_cancel_lock(&self, irql: Irql) {
        self.with(|state| state.cancel_lock = None);
        self.lower_irql(irql);
    }

    /// `NtCancelIoFileEx`: cancels the writes to a file object that report to `block`, or all of them.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_NOT_FOUND` (0xC0000225): there is none.
    pub fn cancel_io(&self, file: FileId, block: Option<BlockId>) -> Result<(), NtStatus> {
        self.enter("NtCancelIoFileEx", Irql::Passive, &[file.into(), block.into()]);
        let found = self.cancel_wanted(move |_, header| {
            header.file == Some(file) && (block.is_none() || header.user_iosb == block)
        });
        if found { Ok(()) } else { Err(NOT_FOUND) }
    }
}
