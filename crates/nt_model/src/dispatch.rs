//! `IoCallDriver`, and the dispatch routine of a scripted device.

use kswrite_core::{BufferMethod, IoStatus, NtStatus, ProcessorMode};

use crate::{
    Cpu, DeviceId, Finding, IrpId, Irql, Service,
    device::{Kind, OnIrp, Script},
    irp::{Header, IRP_MJ_READ, Location, Phase, Routine},
    memory::{Unreadable, is_user_range},
    seen::{Came, Seen},
    state::State,
};

/// Bytes that a device takes of a write that ends with a status.
pub(crate) fn taken(script: &Script, status: NtStatus, length: u32) -> usize {
    let most = if status.is_error() { 0 } else { length };
    script.takes.unwrap_or(most).min(length) as usize
}

impl State {
    /// The IRP enters the next stack location. `None`: it cannot be sent.
    fn enter_location(&mut self, id: IrpId, device: DeviceId) -> Option<(usize, Header, Location)> {
        let irp = self.live_irp(id, "IoCallDriver")?;
        if irp.phase != Phase::Idle && irp.phase != Phase::Sent {
            let call = "IoCallDriver";
            self.find(Finding::IrpTouchedAfterCompletion { irp: id, call });
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

    /// Reads what a device was given. Nobody has checked a raw address before; its driver probes that of a program.
    pub(crate) fn read_irp(
        &mut self,
        method: BufferMethod,
        header: &Header,
        bytes: u32,
    ) -> Result<Vec<u8>, Unreadable> {
        let length = bytes as usize;
        match (method, header.system_buffer, header.mdl, header.user_buffer) {
            (BufferMethod::Neither, _, _, Some(address))
                if bytes > 0
                    && header.requestor_mode == ProcessorMode::User
                    && !is_user_range(address, bytes) =>
            {
                Err(Unreadable::Raises(NtStatus::ACCESS_VIOLATION))
            }
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
            event_pointers: header.user_event.map(|event| self.events[event].pointers),
            on_thread_list: header
                .thread
                .is_some_and(|thread| self.threads[thread].irps.contains(&id)),
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
        let bytes = match script.method {
            // The address may mean nothing any more.
            BufferMethod::Neither => {
                let seen = self.devices[device].seen.get(seen);
                seen.and_then(|seen| seen.bytes.clone().ok()).unwrap_or_default()
            }
            method => {
                let read = self.read_irp(method, &header, location.length);
                read.map_err(|unreadable| self.raise(unreadable))
                    .unwrap_or_default()
            }
        };
        let target = &mut self.devices[device];
        let taken = bytes.get(..count.min(bytes.len())).unwrap_or_default();
        target.accepted.extend_from_slice(taken);
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
            Kind::Driven => self.driven(id, device, header, location),
            Kind::Scripted if location.major == IRP_MJ_READ => self.unknown_request(id),
            Kind::Scripted => self.scripted(id, device, header, location),
            Kind::Filter if location.major == IRP_MJ_READ => self.pass_through(id, device, location, 0),
            Kind::Filter => self.filter_dispatch(id, device, header, location),
            Kind::PassThrough(control) => self.pass_through(id, device, location, control),
        };
        self.note("  dispatch routine returned", &[device.into(), returned.into()]);
        // One that passes through returns what the device below said, and marks when the IRP comes back.
        let passed =
            matches!(kind, Kind::PassThrough(_)) || kind == Kind::Filter && location.major == IRP_MJ_READ;
        if !passed {
            self.with(|state| state.leave_dispatch(id, device, index, returned));
        }
        // An IRP that was kept may be complete before its sender does anything more.
        self.pause();
        returned
    }

    pub(crate) fn pass_through(
        &self,
        id: IrpId,
        device: DeviceId,
        location: Location,
        control: u8,
    ) -> NtStatus {
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

    fn unknown_request(&self, id: IrpId) -> NtStatus {
        let status = NtStatus::INVALID_DEVICE_REQUEST;
        self.complete_request(id, IoStatus::failed(status));
        status
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

    pub(crate) fn take_and_complete(&self, id: IrpId, device: DeviceId, seen: usize, io: IoStatus) {
        self.with(|state| {
            state.take_bytes(id, device, seen, io.information);
            if let Some(seen) = state.devices[device].seen.get_mut(seen) {
                seen.ended = Some(io);
            }
        });
        self.complete_request(id, io);
    }
}
