//! Devices that do what no driver may do.

use kswrite_core::{IoStatus, NtStatus};

use crate::{Cpu, DeviceId, Finding, IrpId, Misbehaviour, device::Held, irp::CancelRoutine, state::State};

impl Cpu<'_> {
    pub(crate) fn misbehave(&self, id: IrpId, device: DeviceId, seen: usize, how: Misbehaviour) -> NtStatus {
        let io = |status, information| IoStatus { status, information };
        let complete = |io| self.complete_request(id, io);
        let success = io(NtStatus::SUCCESS, 0);
        match how {
            Misbehaviour::Drop => {}
            Misbehaviour::CompleteTwice => {
                complete(success);
                complete(success);
            }
            Misbehaviour::CompleteWithPending => complete(io(NtStatus::PENDING, 0)),
            Misbehaviour::TooManyBytes => complete(io(NtStatus::SUCCESS, usize::MAX)),
            Misbehaviour::CompleteCancellable => {
                let routine = Some(CancelRoutine::Device(device));
                self.with(|state| state.exchange_cancel_routine(id, routine));
                complete(success);
            }
            Misbehaviour::MarkedNotPending => {
                self.with(|state| state.mark_pending(id));
                complete(success);
            }
            Misbehaviour::MarkAfterCompletion => {
                complete(success);
                self.with(|state| state.mark_pending(id));
                return NtStatus::PENDING;
            }
            Misbehaviour::PendingNotMarked => {
                let cancellable = false;
                let held = Held {
                    irp: id,
                    cancellable,
                    seen,
                };
                self.with(|state| state.devices[device].held.push_back(held));
                return NtStatus::PENDING;
            }
            Misbehaviour::CancelUnderLock | Misbehaviour::IgnoreCancelRace => {
                self.with(|state| state.mark_pending(id));
                return self.hold(id, device, seen);
            }
            Misbehaviour::ReadAfterCompletion => {
                self.with(|state| state.mark_pending(id));
                let buffers = self.with(|state| {
                    let header = state.live_irp(id, "a device").map(|irp| irp.header);
                    header.map(|header| (header.system_buffer, header.mdl))
                });
                complete(success);
                self.with(|state| state.read_again(buffers.unwrap_or_default()));
                return NtStatus::PENDING;
            }
        }
        NtStatus::SUCCESS
    }
}

impl State {
    fn read_again(&mut self, (buffer, mdl): (Option<crate::Address>, Option<crate::MdlId>)) {
        if let Some(Err(unreadable)) = buffer.map(|buffer| self.memory.read(buffer, 1)) {
            let _raised = self.raise(unreadable);
        }
        if let Some(mdl) = mdl
            && self.memory.read_mdl(mdl, 0, 1).is_none()
        {
            self.find(Finding::MdlTouchedAfterFree { mdl });
        }
    }
}
