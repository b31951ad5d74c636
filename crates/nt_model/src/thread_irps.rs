//! IRPs that belong to a thread, and that the I/O manager completes.

use kswrite_core::{FileWrite, NtStatus, Patience, WriteCall, managed::ThreadIrps, payload::Payload};

use crate::{Cpu, DeviceId, EventId, FileId, IrpId, Irql, World, irp::Owner, thread::WaitFor};

/// An IRP that was not sent. Dropping it frees it with what it carries.
#[must_use]
pub struct UnsentIrp {
    world: World,
    id: IrpId,
    sent: bool,
}

impl UnsentIrp {
    /// The IRP.
    #[must_use]
    pub fn id(&self) -> IrpId {
        self.id
    }
}

impl Drop for UnsentIrp {
    fn drop(&mut self) {
        if !self.sent {
            self.world.on_drop(|state| {
                let mdl = state
                    .live_irp(self.id, "IoFreeIrp")
                    .and_then(|irp| irp.header.mdl);
                if let Some(mdl) = mdl {
                    state.unlock_mdl(mdl);
                }
                state.free_buffers(self.id);
                state.free_irp(self.id);
            });
        }
    }
}

impl ThreadIrps for Cpu<'_> {
    type Irp = UnsentIrp;
    type Queued = IrpId;

    fn allocate_irp(
        &self,
        write: &FileWrite<Self>,
        call: &WriteCall<Self>,
        event: Option<EventId>,
        payload: Payload<Self>,
    ) -> Result<UnsentIrp, NtStatus> {
        let id = self.new_irp(Owner::IoManager, call, None)?;
        self.with(|state| {
            if let Some(irp) = state.live_irp(id, "IoAllocateIrp") {
                let header = &mut irp.header;
                header.flags |= payload.managed_irp_flags();
                header.user_iosb = Some(write.status_block);
                header.user_event = event;
                header.user_apc_context = write.port_context;
                header.carry(payload).give_away();
            }
        });
        let world = self.world().clone();
        Ok(UnsentIrp {
            world,
            id,
            sent: false,
        })
    }

    fn reference_file(&self, file: FileId) {
        self.enter("ObReferenceObject", Irql::Dispatch, &[file.into()]);
        self.with(|state| state.live_file(file, "ObReferenceObject").pointers += 1);
    }

    fn reference_event(&self, event: EventId) {
        self.enter("ObReferenceObject", Irql::Dispatch, &[event.into()]);
        self.with(|state| state.reference_event_object(event));
    }

    fn queue_and_send(&self, mut irp: UnsentIrp, device: DeviceId) -> (NtStatus, IrpId) {
        irp.sent = true;
        let id = irp.id;
        self.enter("IopQueueIrpToThread", Irql::Passive, &[id.into()]);
        self.needs_apcs("IopQueueIrpToThread");
        #[cfg(feature = "defects")]
        let on_the_stack = self.stack_event_of(id);
        self.with(|state| state.threads[self.thread()].irps.push(id));
        let returned = self.call_driver(id, device);
        #[cfg(feature = "defects")]
        if let Some(event) = on_the_stack.filter(|_| returned == NtStatus::PENDING) {
            // Nobody waits: the routine returns to its caller, and its frame is gone.
            self.with(|state| state.events[event].gone = true);
        }
        (returned, id)
    }

    fn complete_deferred(&self, irp: IrpId) {
        let irql = self.raise_irql(Irql::Apc);
        self.final_stage(irp);
        self.lower_irql(irql);
    }

    fn wait_for_file(&self, file: FileId, patience: Patience) -> NtStatus {
        self.enter("KeWaitForSingleObject", Irql::Passive, &[file.into()]);
        self.needs_apcs("KeWaitForSingleObject");
        let woken = self.wait(WaitFor::FileEvent(file), patience);
        self.note("  the wait ended", &[woken.into()]);
        woken
    }

    fn cancel_unless_over(&self, file: FileId, irp: IrpId) {
        let irql = self.raise_irql(Irql::Apc);
        self.cancel_if(irp, |state| !state.files[file].signalled);
        self.lower_irql(irql);
    }

    fn final_status(&self, file: FileId) -> NtStatus {
        self.enter("read FinalStatus", Irql::Dispatch, &[file.into()]);
        self.with(|state| state.live_file(file, "FILE_OBJECT.FinalStatus").final_status)
    }

    #[cfg(feature = "defects")]
    fn stack_event(&self) -> EventId {
        use crate::event::{Event, Home};
        self.with(|state| state.events.add(Event::new(Home::Stack)))
    }

    #[cfg(feature = "defects")]
    fn wait_for_event(&self, event: EventId, patience: Patience) -> NtStatus {
        self.enter("KeWaitForSingleObject", Irql::Passive, &[event.into()]);
        if patience.mode == kswrite_core::ProcessorMode::User {
            self.with(|state| state.find(crate::Finding::WaitOnPageableMemory { event }));
        }
        self.wait(WaitFor::Event(event), patience)
    }
}

#[cfg(feature = "defects")]
impl Cpu<'_> {
    /// The user event of a write to an asynchronous file object, if it is on the stack of its caller.
    fn stack_event_of(&self, id: IrpId) -> Option<EventId> {
        use crate::event::Home;
        let header = self.with(|state| state.live_irp(id, "IoCallDriver").map(|irp| irp.header))?;
        let event = header.user_event?;
        let file = header.file?;
        let asynchronous = !self.with(|state| state.files[file].flags.is_synchronous());
        (asynchronous && self.with(|state| state.events[event].home == Home::Stack)).then_some(event)
    }
}

impl Cpu<'_> {
    /// Waits for an event of the object manager, as a program does.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn wait_for(&self, event: EventId, patience: Patience) -> NtStatus {
        self.enter("NtWaitForSingleObject", Irql::Passive, &[event.into()]);
        self.wait(WaitFor::Event(event), patience)
    }

    /// Waits for the event of a file object, as a program does with its handle.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn wait_for_file_handle(&self, file: FileId, patience: Patience) -> NtStatus {
        self.enter("NtWaitForSingleObject", Irql::Passive, &[file.into()]);
        self.wait(WaitFor::FileEvent(file), patience)
    }
}
