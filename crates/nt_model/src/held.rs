//! IRPs that a device keeps, until it completes them or they are cancelled.

use kswrite_core::{IoStatus, NtStatus, Patience};

use crate::{
    Cpu, DeviceId, IrpId, Irql,
    device::{Held, Kind, Misbehaviour, OnIrp},
    dispatch::taken,
    irp::{CancelRoutine, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS},
    state::State,
    thread::WaitFor,
};

impl Cpu<'_> {
    /// Keeps the IRP, cancellable from the moment on in which it is kept.
    pub(crate) fn hold(&self, id: IrpId, device: DeviceId, seen: usize) -> NtStatus {
        let cancelled = self.with(|state| {
            let cancellable = state.devices[device].script.cancellable;
            let held = Held {
                irp: id,
                cancellable,
                seen,
            };
            state.devices[device].held.push_back(held);
            if !cancellable {
                return false;
            }
            state.arm_cancel(id, device)
        });
        if cancelled {
            self.end_held(id, device, NtStatus::CANCELLED);
        }
        NtStatus::PENDING
    }

    /// Takes an IRP out of the queue of a device and completes it. The bytes of a cancelled one are those that
    /// the device had taken until then.
    fn end_held(&self, id: IrpId, device: DeviceId, status: NtStatus) {
        let held = self.with(|state| state.unlink(device, id));
        let Some(held) = held else { return };
        let io = self.with(|state| {
            let length = state
                .live_irp(id, "a device")
                .and_then(|irp| irp.location())
                .map_or(0, |at| at.length);
            IoStatus {
                status,
                information: taken(&state.devices[device].script, status, length),
            }
        });
        self.take_and_complete(id, device, held.seen, io);
    }

    /// The cancel routine of a device; it comes with the cancel spin lock held.
    pub(crate) fn device_cancels(&self, id: IrpId, device: DeviceId, irql: Irql) {
        let (kind, script) = self.with(|state| (state.devices[device].kind, state.devices[device].script));
        if kind == Kind::Driven {
            self.release_cancel_lock(irql);
            self.pause();
            self.end_cancelled(id, device);
            return;
        }
        if script.irp == OnIrp::Misbehave(Misbehaviour::CancelUnderLock) {
            self.end_held(id, device, NtStatus::CANCELLED);
            self.release_cancel_lock(irql);
            return;
        }
        self.release_cancel_lock(irql);
        self.pause();
        if script.irp == OnIrp::Misbehave(Misbehaviour::IgnoreCancelRace) {
            let _left_to_nobody = self.with(|state| state.unlink(device, id));
            self.complete_request(id, IoStatus::failed(NtStatus::CANCELLED));
        } else {
            self.end_held(id, device, NtStatus::CANCELLED);
        }
    }

    /// The device that holds an IRP completes it, and takes the bytes that it says it wrote. FALSE: no device
    /// holds it any more, or a cancel has it.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, in any thread.
    pub fn complete_irp(&self, irp: IrpId, io: IoStatus) -> bool {
        self.enter(
            "a device completes",
            Irql::Dispatch,
            &[irp.into(), io.status.into()],
        );
        let Some((device, held)) = self.with(|state| state.take_held(irp)) else {
            return false;
        };
        self.take_and_complete(irp, device, held.seen, io);
        true
    }

    /// The device that holds an IRP sends it to the device below after all, in this thread and at its IRQL, with a
    /// completion routine. FALSE: no device holds it any more, or a cancel has it.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn send_down(&self, irp: IrpId) -> bool {
        self.enter("a device sends down", Irql::Dispatch, &[irp.into()]);
        let taken = self.with(|state| {
            let (device, _held) = state.take_held(irp)?;
            let location = state.live_irp(irp, "a device")?.location().copied()?;
            Some((device, location))
        });
        let Some((device, location)) = taken else {
            return false;
        };
        let always = SL_INVOKE_ON_CANCEL | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_SUCCESS;
        // Whoever sent the IRP to this device was told `STATUS_PENDING` long ago.
        let _returned = self.pass_through(irp, device, location, always);
        true
    }

    /// Completes the oldest IRP that a device holds, and waits for one if it holds none. All bytes are taken,
    /// or none with an error. FALSE: a cancel was faster, or there will never be an IRP, which is a finding.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn complete_next(&self, device: DeviceId, status: NtStatus) -> bool {
        let _held = self.block(WaitFor::Held(device), Patience::UNTIL_OVER);
        self.complete_oldest(device, status)
    }

    /// The same, as a device does that waits for work: FALSE, and no finding, if there will never be an IRP.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn complete_any(&self, device: DeviceId, status: NtStatus) -> bool {
        self.wait_for_work(device) && self.complete_oldest(device, status)
    }

    /// Waits until a device holds an IRP. FALSE, and no finding, if there will never be one.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn wait_for_work(&self, device: DeviceId) -> bool {
        self.block(WaitFor::Work(device), Patience::UNTIL_OVER) == NtStatus::SUCCESS
    }

    /// Completes the oldest IRP that a device holds now. FALSE: it holds none, or a cancel was faster.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, in any thread.
    pub fn complete_oldest(&self, device: DeviceId, status: NtStatus) -> bool {
        let next = self.with(|state| {
            let held = *state.devices[device].held.front()?;
            let length = state.irps[held.irp].irp.as_ref()?.location()?.length;
            let information = taken(&state.devices[device].script, status, length);
            Some((held.irp, IoStatus { status, information }))
        });
        next.is_some_and(|(irp, io)| self.complete_irp(irp, io))
    }
}

impl State {
    /// Sets the cancel routine of an IRP that a device has begun to hold. Returns whether the cancel has come
    /// before: the device ends the IRP then, because nobody else will.
    pub(crate) fn arm_cancel(&mut self, id: IrpId, device: DeviceId) -> bool {
        self.exchange_cancel_routine(id, Some(CancelRoutine::Device(device)));
        let cancel = self.irps[id].irp.as_ref().is_some_and(|irp| irp.header.cancel);
        cancel && self.exchange_cancel_routine(id, None)
    }

    /// An IRP leaves the device that holds it, unless a cancel has it.
    pub(crate) fn take_held(&mut self, irp: IrpId) -> Option<(DeviceId, Held)> {
        let (device, held) = self.holder(irp)?;
        let script = self.devices[device].script;
        let careless = script.irp == OnIrp::Misbehave(Misbehaviour::IgnoreCancelRace);
        let mine = !held.cancellable || self.exchange_cancel_routine(irp, None) || careless;
        mine.then(|| self.unlink(device, irp))
            .flatten()
            .map(|held| (device, held))
    }

    fn holder(&self, irp: IrpId) -> Option<(DeviceId, Held)> {
        self.devices.iter().find_map(|(id, device)| {
            let held = device.held.iter().find(|held| held.irp == irp)?;
            Some((id, *held))
        })
    }

    pub(crate) fn unlink(&mut self, device: DeviceId, irp: IrpId) -> Option<Held> {
        let queue = &mut self.devices[device].held;
        let at = queue.iter().position(|held| held.irp == irp)?;
        queue.remove(at)
    }
}
