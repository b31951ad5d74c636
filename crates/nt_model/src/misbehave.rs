//! Devices that do what no driver may do.

use kswrite_core::{IoStatus, NtStatus};

use crate::{Cpu, DeviceId, IrpId, Misbehaviour, device::Held, irp::CancelRoutine};

impl Cpu<'_> {
    pub(crate) fn misbehave(&self, id: IrpId, device: DeviceId, seen: usize, how: Misbehaviour) -> NtStatus {
        let success = IoStatus {
            status: NtStatus::SUCCESS,
            information: 0,
        };
        match how {
            Misbehaviour::Drop => NtStatus::SUCCESS,
            Misbehaviour::CompleteTwice => {
                self.complete_request(id, success);
                self.complete_request(id, success);
                NtStatus::SUCCESS
            }
            Misbehaviour::CompleteWithPending => {
                let pending = IoStatus::failed(NtStatus::PENDING);
                self.complete_request(id, pending);
                NtStatus::SUCCESS
            }
            Misbehaviour::CompleteCancellable => {
                let routine = Some(CancelRoutine::Device(device));
                self.with(|state| state.exchange_cancel_routine(id, routine));
                self.complete_request(id, success);
                NtStatus::SUCCESS
            }
            Misbehaviour::MarkAfterCompletion => {
                self.complete_request(id, success);
                self.with(|state| state.mark_pending(id));
                NtStatus::PENDING
            }
            Misbehaviour::PendingNotMarked => {
                let cancellable = false;
                let held = Held {
                    irp: id,
                    cancellable,
                    seen,
                };
                self.with(|state| state.devices[device].held.push_back(held));
                NtStatus::PENDING
            }
            Misbehaviour::MarkedNotPending => {
                self.with(|state| state.mark_pending(id));
                self.complete_request(id, success);
                NtStatus::SUCCESS
            }
            Misbehaviour::TooManyBytes => {
                let information = usize::MAX;
                self.complete_request(
                    id,
                    IoStatus {
                        information,
                        ..success
                    },
                );
                NtStatus::SUCCESS
            }
            Misbehaviour::CancelUnderLock | Misbehaviour::IgnoreCancelRace => {
                self.with(|state| state.mark_pending(id));
                self.hold(id, device, seen)
            }
            Misbehaviour::ReadAfterCompletion => {
                // Marked, so that the last stage runs before the device reads once more.
                self.with(|state| state.mark_pending(id));
                let buffers = self.with(|state| {
                    let header = state.live_irp(id, "a device").map(|irp| irp.header);
                    header.map(|header| (header.system_buffer, header.mdl))
                });
                self.complete_request(id, success);
                let (buffer, mdl) = buffers.unwrap_or_default();
                self.with(|state| {
                    if let Some(Err(unreadable)) = buffer.map(|buffer| state.memory.read(buffer, 1)) {
                        let _raised = state.raise(unreadable);
                    }
                    if let Some(mdl) = mdl
                        && state.memory.read_mdl(mdl, 0, 1).is_none()
                    {
                        state.find(crate::Finding::MdlTouchedAfterFree { mdl });
                    }
                });
                NtStatus::PENDING
            }
        }
    }
}
