//! Writes to file objects that the driver completes itself.

use std::rc::Rc;

use kswrite_core::{
    Data, Decision, Ended, FileObjects, FileWrite, Handoff, IoStatus, NtStatus, Patience, Statistics,
    WriteCall,
    batch::{self, Submission},
    managed::ThreadIrps,
    owned::{self, Request, SentWrite},
    payload::Payload,
};

use crate::{
    Cpu, DeviceId, Drain, EventId, Finding, Irql, Service, World, WriteRecord,
    event::{Event, Home},
    irp::Routine,
    lower::Lower,
    thread::WaitFor,
};

/// Bytes of a `KEVENT`.
const EVENT_BYTES: u64 = 24;

/// A write to a file object that is to be submitted with [`owned::write`]. Everything that its end needs is set
/// aside. Consumed by being completed or refused; forgetting it is a finding.
pub struct OwnedWrite {
    world: World,
    write: FileWrite<Cpu<'static>>,
    record: WriteRecord,
    statistics: Rc<Statistics>,
    drain: Option<Drain>,
    wait_event: Option<EventId>,
    over: bool,
}

impl Drop for OwnedWrite {
    fn drop(&mut self) {
        if !self.over {
            let call = "write to a file object";
            self.world
                .on_drop(|state| state.find(Finding::RequestForgotten { call }));
        }
    }
}

impl OwnedWrite {
    /// Takes the references, and sets aside what waiting and the completion packet need.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; nothing is kept.
    pub fn new(
        cpu: &Cpu<'_>,
        write: &FileWrite<Cpu<'_>>,
        statistics: &Rc<Statistics>,
    ) -> Result<Self, NtStatus> {
        let write = rebound(write);
        if write.port_context.is_some() && cpu.has_completion_port(write.file) {
            cpu.fault(Service::Packet)?;
        }
        let wait_event = if cpu.file_flags(write.file).is_synchronous() {
            cpu.fault(Service::Pool)?;
            Some(cpu.with(|state| {
                state.process.pool += EVENT_BYTES;
                state.events.add(Event::new(Home::Pool))
            }))
        } else {
            None
        };
        cpu.reference_file(write.file);
        if let Some(event) = write.event {
            cpu.reference_event(event);
        }
        Ok(Self {
            world: cpu.world().clone(),
            write,
            record: WriteRecord::default(),
            statistics: Rc::clone(statistics),
            drain: None,
            wait_event,
            over: false,
        })
    }

    /// The same write, one of a batch.
    #[must_use]
    pub fn in_batch(mut self, drain: &Drain) -> Self {
        self.drain = Some(drain.clone());
        self
    }

    /// What becomes of it.
    #[must_use]
    pub fn record(&self) -> WriteRecord {
        self.record.clone()
    }

    /// Gives everything back.
    fn release(mut self, cpu: &Cpu<'_>) {
        self.over = true;
        cpu.enter("a write releases", Irql::Dispatch, &[self.write.file.into()]);
        cpu.with(|state| {
            if let Some(event) = self.wait_event {
                state.process.pool -= EVENT_BYTES;
                state.free_event(event);
            }
            if let Some(event) = self.write.event {
                state.dereference_event_object(event);
            }
            state.dereference_file_object(self.write.file);
        });
        if let Some(drain) = &self.drain
            && drain.batch.leave()
        {
            cpu.set_event(drain.event);
        }
    }
}

impl<'a> Request<Cpu<'a>> for OwnedWrite {
    type Sent = OwnedSent;

    fn is_cancelled(&self, cpu: &Cpu<'a>) -> bool {
        cpu.enter("look at the token", Irql::Dispatch, &[]);
        self.record.0.token.is_cancelled()
    }

    fn begin(
        self,
        cpu: &Cpu<'a>,
        call: &WriteCall<Cpu<'a>>,
        payload: Payload<Cpu<'a>>,
        decision: Decision,
    ) -> Result<OwnedSent, (Self, NtStatus)> {
        self.record.0.decision.set(Some(decision));
        let sent = OwnedSent(Rc::new(Shared {
            write: self.write,
            patience: self
                .wait_event
                .map(|_| self.write.patience(cpu.file_flags(self.write.file))),
            wait_event: self.wait_event,
            record: self.record(),
            statistics: Rc::clone(&self.statistics),
            lower: Lower::new(self.world.clone(), self),
        }));
        match sent
            .0
            .lower
            .allocate(cpu, call, payload, Routine::Owned(sent.clone()))
        {
            Ok(()) => Ok(sent),
            Err(status) => match sent.0.lower.take_request() {
                Some(request) => Err((request, status)),
                // It was put there above.
                None => Ok(sent),
            },
        }
    }

    fn refuse(self, cpu: &Cpu<'a>, status: NtStatus, decision: Decision) -> NtStatus {
        self.record.0.decision.set(Some(decision));
        self.record.0.refused.set(Some(status));
        self.release(cpu);
        status
    }

    fn complete(self, cpu: &Cpu<'a>, ended: Ended) -> NtStatus {
        let status = rebound(&self.write).report(cpu, ended);
        if self.record.0.ended.replace(Some(ended)).is_some() {
            let call = "completed twice";
            cpu.with(|state| state.find(Finding::WriteTouchedAfterFinish { call }));
        }
        self.release(cpu);
        status
    }
}

struct Shared {
    write: FileWrite<Cpu<'static>>,
    patience: Option<Patience>,
    wait_event: Option<EventId>,
    record: WriteRecord,
    statistics: Rc<Statistics>,
    lower: Lower<OwnedWrite>,
}

/// A write to a file object that was given an IRP.
#[derive(Clone)]
pub struct OwnedSent(Rc<Shared>);

impl OwnedSent {
    pub(crate) fn statistics(&self) -> Rc<Statistics> {
        Rc::clone(&self.0.statistics)
    }
}

impl<'a> SentWrite<Cpu<'a>> for OwnedSent {
    type Request = OwnedWrite;

    fn handoff(&self) -> &Handoff {
        self.0.lower.handoff()
    }

    fn arm_cancel(&self, cpu: &Cpu<'a>) -> bool {
        self.0.lower.check("arm");
        cpu.enter("arm the token", Irql::Dispatch, &[]);
        self.0.record.0.sent.replace(Some(self.clone()));
        self.0.record.0.token.arm()
    }

    fn disarm_cancel(&self, cpu: &Cpu<'a>) -> bool {
        self.0.lower.check("disarm");
        cpu.enter("disarm the token", Irql::Dispatch, &[]);
        self.0.record.0.token.disarm()
    }

    fn send(&self, cpu: &Cpu<'a>, device: DeviceId) -> NtStatus {
        self.0.lower.send(cpu, device)
    }

    fn cancel_lower(&self, cpu: &Cpu<'a>) {
        self.0.lower.cancel(cpu);
    }

    fn mark_pending(&self, _cpu: &Cpu<'a>) {
        self.0.lower.check("mark");
    }

    fn lower_status(&self, cpu: &Cpu<'a>) -> IoStatus {
        self.0.lower.status(cpu)
    }

    fn finish(self, cpu: &Cpu<'a>) -> OwnedWrite {
        self.0.record.0.sent.replace(None);
        let request = self.0.lower.finish(cpu);
        // Finished twice, which is found: what comes back then is over already.
        request.unwrap_or_else(|| OwnedWrite {
            world: cpu.world().clone(),
            write: rebound(&self.0.write),
            record: self.0.record.clone(),
            statistics: self.statistics(),
            drain: None,
            wait_event: None,
            over: true,
        })
    }

    fn patience(&self) -> Option<Patience> {
        self.0.lower.check("patience");
        self.0.patience
    }

    fn wait(&self, cpu: &Cpu<'a>, patience: Patience) -> NtStatus {
        self.0.lower.check("wait");
        let Some(event) = self.0.wait_event else {
            return NtStatus::SUCCESS;
        };
        cpu.enter("KeWaitForSingleObject", Irql::Passive, &[event.into()]);
        cpu.wait(WaitFor::Event(event), patience)
    }

    fn wake(&self, cpu: &Cpu<'a>) {
        self.0.lower.check("wake");
        if let Some(event) = self.0.wait_event {
            cpu.set_event(event);
        }
    }
}

impl Cpu<'_> {
    /// [`owned::write`] of one write. Returns the status with the record of the write.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`: what the write needs could not be set aside.
    pub fn owned_write(
        &self,
        statistics: &Rc<Statistics>,
        write: &FileWrite<Self>,
    ) -> Result<(NtStatus, WriteRecord), NtStatus> {
        let request = OwnedWrite::new(self, write, statistics)?;
        let record = request.record();
        Ok((owned::write(self, statistics, write, request), record))
    }

    /// [`batch::submit`] of writes for which requests were made.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn submit_batch(
        &self,
        statistics: &Statistics,
        drain: &Drain,
        writes: Vec<(FileWrite<Self>, OwnedWrite)>,
    ) -> Submission {
        let writes = writes
            .into_iter()
            .map(|(write, request)| (write, request.in_batch(drain)));
        batch::submit(self, statistics, drain.batch(), writes)
    }
}

/// A write is the same in every thread.
fn rebound<'b>(write: &FileWrite<Cpu<'_>>) -> FileWrite<Cpu<'b>> {
    FileWrite {
        file: write.file,
        event: write.event,
        port_context: write.port_context,
        status_block: write.status_block,
        data: match write.data {
            Data::Raw(address) => Data::Raw(address),
            Data::System(address) => Data::System(address),
            Data::Locked { mdl, address } => Data::Locked { mdl, address },
        },
        length: write.length,
        key: write.key,
        mode: write.mode,
        offset: write.offset,
        position: write.position,
        time_limit: write.time_limit,
    }
}
