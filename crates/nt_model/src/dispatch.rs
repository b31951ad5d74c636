//! `IoCallDriver`, and the dispatch routine of a scripted device.

use kswrite_core::{BufferMethod, IoStatus, NtStatus, Patience};

use crate::{
    Cpu, DeviceId, Finding, IrpId, Irql, Service,
    device::{Held, Kind, Misbehaviour, OnIrp, Script},
    irp::{
        CancelRoutine, Header, Location, Phase, Routine, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR,
        SL_INVOKE_ON_SUCCESS,
    },
    memory::Unreadable,
    seen::{Came, Seen},
    state::State,
    thread::WaitFor,
};

/// Bytes that a device takes of a write that ends with a status.
fn taken(script: &Script, status: NtStatus, length: u32) -> usize {
    let most = if status.is_error() { 0 } else { length };
    script.takes.unwrap_or(most).min(length) as usize
}

impl State {
    /// The IRP enters the next stack location. `None`: it cannot be sent.
    fn enter_location(&mut self, id: IrpId, device: DeviceId) -> Option<(usize, Header, Location)> {
        let irp = self.live_irp(id, "IoCallDriver")?;
        if irp.phase != Phase::Idle && irp.phase != Phase::Sent {
            self.find(Finding::IrpSentTwice { irp: id });
            return None;
        }
        let index = irp.current;
        if index >= usize::from(irp.header.stack_count) {
            self.find(Finding::NoStackLocation { irp: id });
            return None;
        }
        irp.phase = Phase::Sent;
        irp.current += 1;
        let location = irp.stack.get_mut(index)?;
        location.device = Some(device);
        let location = *location;
        let header = irp.header;
        if index == 0 {
            self.check_mdl_mode(id, &header);
        }
        Some((index, header, location))
    }

    /// What a driver returned must fit what it did.
    fn leave_dispatch(&mut self, irp: IrpId, device: DeviceId, index: usize, returned: NtStatus) {
        let pending = returned == NtStatus::PENDING;
        let marked = self.irps[irp].marked & (1 << index) != 0;
        if pending && !marked {
            self.find(Finding::PendingNotMarked { irp, device });
        }
        if marked && !pending {
            self.find(Finding::MarkedNotPending { irp, device });
        }
        let here = self.irps[irp].irp.as_ref();
        let kept = here.is_some_and(|here| here.phase == Phase::Sent && here.current == index + 1);
        if kept && !pending {
            self.find(Finding::IrpNotCompleted { irp, device });
        }
    }

    /// Reads what a device was given.
    fn read_irp(
        &mut self,
        method: BufferMethod,
        header: &Header,
        length: u32,
    ) -> Result<Vec<u8>, Unreadable> {
        let length = length as usize;
        match (method, header.system_buffer, header.mdl, header.user_buffer) {
            (BufferMethod::Buffered, Some(address), ..) | (BufferMethod::Neither, _, _, Some(address)) => {
                self.memory.read(address, length)
            }
            (BufferMethod::Direct, _, Some(mdl), _) => {
                let bytes = self.memory.read_mdl(mdl, 0, length);
                if bytes.is_none() {
                    self.find(Finding::MdlTouchedAfterFree { mdl });
                }
                Ok(bytes.unwrap_or_default())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Records a write that came by an IRP. Returns the number of the record, and what the access raised.
    fn see(
        &mut self,
        cpu: &Cpu<'_>,
        id: IrpId,
        device: DeviceId,
        header: Header,
        location: Location,
    ) -> usize {
        let method = self.devices[device].script.method;
        let read = self.read_irp(method, &header, location.length);
        let bytes = read.map_err(|unreadable| self.raise(unreadable));
        let file = header.file.map(|file| self.files[file]);
        let seen = Seen {
            came: Came::Irp {
                irp: id,
                header,
                location,
            },
            thread: cpu.thread(),
            irql: self.threads[cpu.thread()].irql,
            bytes,
            bytes_at_end: None,
            ended: None,
            event_signalled: header.user_event.map(|event| self.events[event].signalled),
            file_signalled: file.map(|file| file.signalled),
            file_pointers: file.map(|file| file.pointers),
            page_locks: header.mdl.and_then(|mdl| self.page_locks(mdl)),
        };
        self.devices[device].seen.push(seen);
        self.devices[device].seen.len() - 1
    }

    /// The device takes bytes, as they are now, and moves the position if it does that.
    fn take_bytes(&mut self, id: IrpId, device: DeviceId, seen: usize, count: usize) {
        let Some(irp) = self.live_irp(id, "a device") else {
            return;
        };
        let header = irp.header;
        let Some(location) = irp.location().copied() else {
            return;
        };
        let script = self.devices[device].script;
        let early = self.devices[device]
            .seen
            .get(seen)
            .and_then(|seen| seen.bytes.clone().ok());
        let bytes = match script.method {
            // The address may mean nothing any more.
            BufferMethod::Neither => early.unwrap_or_default(),
            method => {
                let read = self.read_irp(method, &header, location.length);
                read.map_err(|unreadable| self.raise(unreadable))
                    .unwrap_or_default()
            }
        };
        let target = &mut self.devices[device];
        target.accepted.extend(bytes.iter().take(count));
        if let Some(seen) = target.seen.get_mut(seen) {
            seen.bytes_at_end = Some(bytes);
        }
        if script.moves_position && count > 0 {
            self.move_position(header.file, location.offset, count);
        }
    }

    pub(crate) fn move_position(&mut self, file: Option<crate::FileId>, offset: i64, count: usize) {
        if let Some(file) = file
            && self.files[file].flags.is_synchronous()
        {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.files[file].position = offset.saturating_add(count);
        }
    }
}

impl Cpu<'_> {
    /// `IoCallDriver`.
    pub(crate) fn call_driver(&self, id: IrpId, device: DeviceId) -> NtStatus {
        self.enter("IoCallDriver", Irql::Dispatch, &[id.into(), device.into()]);
        let Some((index, header, location)) = self.with(|state| state.enter_location(id, device)) else {
            return NtStatus::INVALID_DEVICE_REQUEST;
        };
        let kind = self.with(|state| state.devices[device].kind);
        let returned = match kind {
            Kind::Scripted => self.scripted(id, device, header, location),
            Kind::Filter => self.filter_dispatch(id, device, header, location),
            Kind::PassThrough(control) => self.pass_through(id, device, location, control),
        };
        self.note("  dispatch routine returned", &[device.into(), returned.into()]);
        // One that passes through returns what the device below said, and marks when the IRP comes back.
        if !matches!(kind, Kind::PassThrough(_)) {
            self.with(|state| state.leave_dispatch(id, device, index, returned));
        }
        // An IRP that was kept may be complete before its sender does anything more.
        self.pause();
        returned
    }

    fn pass_through(&self, id: IrpId, device: DeviceId, location: Location, control: u8) -> NtStatus {
        let Some(lower) = self.with(|state| state.devices[device].lower) else {
            return NtStatus::INVALID_DEVICE_REQUEST;
        };
        self.with(|state| {
            if let Some(irp) = state.live_irp(id, "IoCopyCurrentIrpStackLocationToNext") {
                irp.stack.push(Location { control, ..location });
                irp.routines.push(Some(Routine::PassThrough(device)));
            }
        });
        self.call_driver(id, lower)
    }

    fn scripted(&self, id: IrpId, device: DeviceId, header: Header, location: Location) -> NtStatus {
        let script = self.with(|state| state.devices[device].script);
        let seen = self.with(|state| state.see(self, id, device, header, location));
        let refused = self.fault(Service::Send).err();
        let unreadable = self.with(|state| state.devices[device].seen.get(seen)?.bytes.clone().err());
        if let Some(status) = refused.or(unreadable) {
            self.take_and_complete(id, device, seen, IoStatus::failed(status));
            return status;
        }
        let io = |status| IoStatus {
            status,
            information: taken(&script, status, location.length),
        };
        match script.irp {
            OnIrp::Inline(status) => {
                self.take_and_complete(id, device, seen, io(status));
                status
            }
            OnIrp::InlineAsPending(status) => {
                self.with(|state| state.mark_pending(id));
                self.take_and_complete(id, device, seen, io(status));
                NtStatus::PENDING
            }
            OnIrp::ReturnOther { returned, status } => {
                self.take_and_complete(id, device, seen, io(status));
                returned
            }
            OnIrp::Hold => {
                self.with(|state| state.mark_pending(id));
                self.hold(id, device, seen)
            }
            OnIrp::Later(status) => {
                self.with(|state| state.mark_pending(id));
                let io = io(status);
                self.world().later(move |cpu| _ = cpu.complete_irp(id, io));
                self.hold(id, device, seen)
            }
            OnIrp::Misbehave(how) => self.misbehave(id, device, seen, how),
        }
    }

    fn take_and_complete(&self, id: IrpId, device: DeviceId, seen: usize, io: IoStatus) {
        self.with(|state| {
            state.take_bytes(id, device, seen, io.information);
            if let Some(seen) = state.devices[device].seen.get_mut(seen) {
                seen.ended = Some(io);
            }
        });
        self.complete_request(id, io);
    }

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
            state.exchange_cancel_routine(id, Some(CancelRoutine::Device(device)));
            let cancel = state.irps[id].irp.as_ref().is_some_and(|irp| irp.header.cancel);
            // The cancel came before the routine was there; nobody else will do it.
            cancel && state.exchange_cancel_routine(id, None)
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
        let script = self.with(|state| state.devices[device].script);
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
        self.wait_for_work(device);
        self.complete_oldest(device, status)
    }

    /// Waits until a device holds an IRP, or there will never be one.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn wait_for_work(&self, device: DeviceId) {
        let _held_or_never = self.block(WaitFor::Work(device), Patience::UNTIL_OVER);
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
    /// An IRP leaves the device that holds it, unless a cancel has it.
    fn take_held(&mut self, irp: IrpId) -> Option<(DeviceId, Held)> {
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
