//! `IoCompleteRequest`, and what the I/O manager does with its own IRPs at their end.
//!
//! This is the oracle for the completion table, so it shares no code with the routine under test.

use kswrite_core::{IoStatus, NtStatus, owned};

use crate::{
    Change, Cpu, DeviceId, FileId, Finding, IrpId, Irql, ThreadId, UserApc,
    irp::{
        Header, IRP_DEFER_IO_COMPLETION, IRP_READ_OPERATION, IRP_SYNCHRONOUS_API, IRP_WRITE_OPERATION, Owner,
        Phase, Routine, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED,
    },
    state::State,
    trace::io_args,
};

/// What a completion routine answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    GoOn,
    MoreProcessingRequired,
}

/// The next thing to do on the way up.
enum Step {
    Call(Routine),
    Skip,
    Top,
}

impl State {
    /// Checks and begins a completion. FALSE: it must not go on.
    fn begin_completion(&mut self, id: IrpId, thread: ThreadId, io: IoStatus) -> bool {
        const CALL: &str = "IoCompleteRequest";
        if self.irps[id].irp.is_none() {
            self.find(Finding::IrpCompletedTwice { irp: id });
            return false;
        }
        if self.cancel_lock == Some(thread) {
            self.find(Finding::CallUnderCancelLock { call: CALL });
        }
        if io.status == NtStatus::PENDING {
            self.find(Finding::IrpCompletedWithPending { irp: id });
        }
        let Some(irp) = self.irps[id].irp.as_deref_mut() else {
            return false;
        };
        if irp.phase != Phase::Sent {
            self.find(Finding::IrpCompletedTwice { irp: id });
            return false;
        }
        irp.phase = Phase::Completing;
        irp.header.io = io;
        let length = irp.location().map_or(0, |location| location.length as usize);
        let cancellable = irp.cancel_routine.take().is_some();
        irp.header.has_cancel_routine = false;
        if cancellable {
            self.find(Finding::IrpCompletedCancellable { irp: id });
        }
        if io.information > length {
            self.find(Finding::TooManyBytes { irp: id });
        }
        true
    }

    /// Leaves one stack location.
    fn unwind(&mut self, id: IrpId) -> Step {
        let Some(irp) = self.irps[id].irp.as_deref_mut() else {
            return Step::Top;
        };
        let Some(index) = irp.current.checked_sub(1) else {
            return Step::Top;
        };
        let control = irp.stack.get(index).map_or(0, |location| location.control);
        irp.current = index;
        let pending = control & SL_PENDING_RETURNED != 0;
        irp.header.pending_returned = pending;
        let wanted = |bit| control & bit != 0;
        let invoked = irp.header.io.status.is_success() && wanted(SL_INVOKE_ON_SUCCESS)
            || !irp.header.io.status.is_success() && wanted(SL_INVOKE_ON_ERROR)
            || irp.header.cancel && wanted(SL_INVOKE_ON_CANCEL);
        let routine = irp.routines.get(index).cloned().flatten();
        if let Some(routine) = routine.filter(|_| invoked) {
            if let Routine::Owned(_) | Routine::Filter(_) = routine {
                // It takes the IRP back, and may free it before it returns.
                irp.phase = Phase::Idle;
            }
            return Step::Call(routine);
        }
        if pending && index > 0 {
            self.mark_pending(id);
        }
        Step::Skip
    }

    /// A device saw the IRP last; what is left is the I/O manager's. `Some`: an APC of this thread is due.
    fn leave_devices(&mut self, id: IrpId) -> Option<ThreadId> {
        let irp = self.live_irp(id, "IoCompleteRequest")?;
        let header = irp.header;
        if irp.owner == Owner::Driver {
            irp.phase = Phase::Idle;
            self.find(Finding::IrpWithoutOwner { irp: id });
            return None;
        }
        let deferred = header.flags & IRP_DEFER_IO_COMPLETION != 0 && !header.pending_returned;
        irp.phase = if deferred {
            Phase::Deferred
        } else {
            Phase::ApcQueued
        };
        if let Some(mdl) = header.mdl {
            self.unlock_mdl(mdl);
        }
        let Some(thread) = header.thread else {
            self.drop_irp(id);
            return None;
        };
        if deferred {
            return None;
        }
        self.apcs_queued += 1;
        self.threads[thread].apcs.push_back(id);
        Some(thread)
    }

    /// The thread is gone: nothing of it is touched.
    pub(crate) fn drop_irp(&mut self, id: IrpId) {
        let Some(irp) = self.live_irp(id, "IopDropIrp") else {
            return;
        };
        irp.phase = Phase::Final;
        let header = irp.header;
        self.free_buffers(id);
        self.free_irp(id);
        self.drop_references(&header);
    }

    /// The IRP loses its thread.
    pub(crate) fn disassociate(&mut self, id: IrpId) {
        if let Some(irp) = self.live_irp(id, "IopDisassociateThreadIrp") {
            irp.header.thread = None;
        }
    }

    fn drop_references(&mut self, header: &Header) {
        if let Some(event) = header.user_event
            && header.flags & IRP_SYNCHRONOUS_API == 0
            && header.file.is_some()
        {
            self.dereference_event_object(event);
        }
        if let Some(file) = header.file {
            self.dereference_file_object(file);
        }
    }
}

impl Cpu<'_> {
    /// `IoCompleteRequest` by whoever has the IRP.
    pub(crate) fn complete_request(&self, id: IrpId, io: IoStatus) {
        let [status, bytes] = io_args(io);
        self.enter("IoCompleteRequest", Irql::Dispatch, &[id.into(), status, bytes]);
        if !self.with(|state| state.begin_completion(id, self.thread(), io)) {
            return;
        }
        loop {
            match self.with(|state| state.unwind(id)) {
                Step::Top => break,
                Step::Skip => {}
                Step::Call(routine) => {
                    if self.call_routine(id, routine) == Answer::MoreProcessingRequired {
                        return;
                    }
                }
            }
        }
        if let Some(thread) = self.with(|state| state.leave_devices(id)) {
            self.note("  KeInsertQueueApc", &[id.into(), thread.into()]);
            let elsewhere = self.with(|state| state.threads[thread].scheduled);
            if !elsewhere || thread == self.thread() {
                self.interrupt(thread);
            }
        }
    }

    /// The APC interrupt of a thread that can take it now.
    fn interrupt(&self, thread: ThreadId) {
        if thread == self.thread() {
            self.take_apcs();
        } else {
            self.as_thread(thread).take_apcs();
        }
    }

    fn call_routine(&self, id: IrpId, routine: Routine) -> Answer {
        match routine {
            Routine::Owned(sent) => {
                let statistics = sent.statistics();
                owned::on_complete(self, &statistics, sent);
                Answer::MoreProcessingRequired
            }
            Routine::Filter(sent) => {
                let statistics = sent.statistics();
                owned::on_complete(self, &statistics, sent);
                Answer::MoreProcessingRequired
            }
            Routine::PassThrough(device) => {
                self.propagate(id, device);
                Answer::GoOn
            }
        }
    }

    /// The completion routine of a device that passes IRPs through.
    fn propagate(&self, id: IrpId, device: DeviceId) {
        self.note("  completion routine", &[id.into(), device.into()]);
        self.with(|state| {
            state.devices[device].routine_calls += 1;
            let pending = state
                .live_irp(id, "completion routine")
                .is_some_and(|irp| irp.header.pending_returned);
            if pending {
                state.mark_pending(id);
            }
        });
    }

    /// The last stage, at `APC_LEVEL` in the context of the thread.
    ///
    /// | the end | status block | `UserEvent`, or else the file object's | packet |
    /// |---|---|---|---|
    /// | no error, or an error of a pended asynchronous write | written | signalled | queued |
    /// | an error of a pended synchronous write | untouched | the file object's | no |
    /// | an error at once | untouched | no | no |
    pub(crate) fn final_stage(&self, id: IrpId) {
        self.enter("IopCompleteRequest", Irql::Apc, &[id.into()]);
        let Some(header) = self.with(|state| state.begin_final(id)) else {
            return;
        };
        self.with(|state| state.free_buffers(id));
        let io = header.io;
        let synchronous = header.flags & IRP_SYNCHRONOUS_API != 0
            || header
                .file
                .is_some_and(|file| self.with(|state| state.files[file].flags.is_synchronous()));
        let reports = !io.status.is_error() || header.pending_returned && !synchronous;
        if reports {
            self.report(id, &header, synchronous);
        } else if header.pending_returned
            && let Some(file) = header.file
        {
            self.signal_file(file, io.status);
        }
        self.enter("  IRP freed or queued", Irql::Apc, &[id.into()]);
        self.with(|state| state.end_final(id, &header, reports));
    }

    fn report(&self, id: IrpId, header: &Header, synchronous: bool) {
        let io = header.io;
        self.with(|state| state.copy_output(id));
        if let Some(block) = header.user_iosb {
            let [status, bytes] = io_args(io);
            self.enter(
                "  status block written",
                Irql::Apc,
                &[block.into(), status, bytes],
            );
            self.with(|state| state.store_block(block, io));
        }
        self.with(|state| {
            let bytes = io.information as u64;
            if header.flags & IRP_WRITE_OPERATION != 0 {
                state.count(|counters| counters.write_bytes += bytes);
            } else if header.flags & IRP_READ_OPERATION == 0 {
                state.count(|counters| counters.other_bytes += bytes);
            }
        });
        if let Some(event) = header.user_event {
            self.enter("  event signalled", Irql::Apc, &[event.into()]);
            self.with(|state| state.change_event(event, true, "KeSetEvent"));
        }
        let Some(file) = header.file else { return };
        let skips = self.with(|state| state.files[file].flags.skips_file_event());
        if header.user_event.is_none() && !synchronous && skips {
            self.with(|state| state.live_file(file, "FinalStatus").final_status = io.status);
        } else if synchronous || header.user_event.is_none() {
            self.signal_file(file, io.status);
        }
    }

    fn signal_file(&self, file: FileId, status: NtStatus) {
        self.enter("  file event signalled", Irql::Apc, &[file.into(), status.into()]);
        self.with(|state| {
            state.live_file(file, "FinalStatus").final_status = status;
            state.change_file_event(file, true, "KeSetEvent");
        });
    }
}

impl State {
    fn begin_final(&mut self, id: IrpId) -> Option<Header> {
        match self.irps[id].irp.as_deref_mut() {
            Some(irp) if matches!(irp.phase, Phase::Deferred | Phase::ApcQueued) => {
                irp.phase = Phase::Final;
                Some(irp.header)
            }
            // Nobody completed it: found when the device returned.
            Some(irp) if irp.phase == Phase::Sent => None,
            _ => {
                self.find(Finding::FinalStageTwice { irp: id });
                None
            }
        }
    }

    /// The bytes of a read go to their reader, as far as there is memory.
    fn copy_output(&mut self, id: IrpId) {
        let Some(irp) = self.live_irp(id, "IopCompleteRequest") else {
            return;
        };
        if let Some((address, bytes)) = irp.reads_into.zip(irp.output.take()) {
            self.memory.change(&Change::Write(address, bytes));
        }
    }

    /// Off the list of the thread; into the port, or freed; the references dropped.
    fn end_final(&mut self, id: IrpId, header: &Header, reports: bool) {
        if let Some(thread) = header.thread {
            self.threads[thread].irps.retain(|irp| *irp != id);
            let io = header.io;
            let routine = self
                .live_irp(id, "IopCompleteRequest")
                .and_then(|irp| irp.user_apc);
            if let Some(context) = routine.filter(|_| reports) {
                self.threads[thread].user_apcs.push_back(UserApc { context, io });
            }
        }
        let wanted = header.file.zip(header.user_apc_context).filter(|_| reports);
        let due = wanted.filter(|(file, _)| {
            let file = &self.files[*file];
            let skipped = !header.pending_returned
                && header.io.status.is_success()
                && file.flags.skips_completion_port();
            file.port.is_some() && !skipped
        });
        if let Some((file, context)) = due {
            if let Some(irp) = self.live_irp(id, "KeInsertQueue") {
                irp.phase = Phase::Packet;
            }
            self.queue_packet(file, context, header.io, Some(id));
        } else {
            self.free_irp(id);
        }
        self.drop_references(header);
    }
}

#[cfg(test)]
mod tests {
    use kswrite_core::{BufferMethod, Data, NtStatus, ProcessorMode, WriteCall};

    use crate::{Finding, Script, World, irp::Owner};

    #[test]
    fn an_irp_that_its_driver_does_not_take_back() {
        let world = World::new();
        let device = world.device(Script::inline(BufferMethod::Neither));
        let cpu = world.cpu(world.thread(ProcessorMode::User));
        let call = WriteCall {
            file: None,
            device,
            data: Data::Raw(world.user_buffer(b"hello")),
            length: 5,
            offset: 0,
            key: 0,
            mode: ProcessorMode::User,
            in_requestor_context: true,
            may_page: true,
            may_wait: false,
            bypasses_cache: false,
            stack_flags: 0,
            irp_flags: 0,
        };
        let irp = cpu.new_irp(Owner::Driver, &call, None).expect("memory");
        assert_eq!(cpu.call_driver(irp, device), NtStatus::SUCCESS);
        assert_eq!(world.findings(), [Finding::IrpWithoutOwner { irp }]);
    }
}
