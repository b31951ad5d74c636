//! The routine under test in a filter driver.

use std::rc::Rc;

use kswrite_core::{
    Data, Decision, Ended, Handoff, IoStatus, NtStatus, Statistics, WriteCall, bypasses_cache, filter,
    owned::{Request, SentWrite},
    payload::Payload,
};

use crate::{
    Address, Cpu, DeviceId, Finding, IrpId, Irql, World,
    irp::{CancelRoutine, Header, Location, Routine},
    lower::Lower,
};

/// The IRP of a filter's caller. Consumed by completing it; forgetting it is a finding.
pub struct FilterRequest {
    world: World,
    upper: IrpId,
    device: DeviceId,
    completed: bool,
}

impl Drop for FilterRequest {
    fn drop(&mut self) {
        if !self.completed {
            let call = "filter";
            self.world
                .on_drop(|state| state.find(Finding::RequestForgotten { call }));
        }
    }
}

struct Shared {
    upper: IrpId,
    device: DeviceId,
    statistics: Rc<Statistics>,
    lower: Lower<FilterRequest>,
}

/// A filter's write that was given an IRP.
#[derive(Clone)]
pub struct FilterSent(Rc<Shared>);

impl FilterSent {
    pub(crate) fn statistics(&self) -> Rc<Statistics> {
        Rc::clone(&self.0.statistics)
    }
}

impl FilterRequest {
    fn end(mut self, cpu: &Cpu<'_>, io: IoStatus) -> NtStatus {
        self.completed = true;
        cpu.complete_request(self.upper, io);
        io.status
    }
}

impl<'a> Request<Cpu<'a>> for FilterRequest {
    type Sent = FilterSent;

    fn begin(
        self,
        cpu: &Cpu<'a>,
        call: &WriteCall<Cpu<'a>>,
        payload: Payload<Cpu<'a>>,
        _decision: Decision,
    ) -> Result<FilterSent, (Self, NtStatus)> {
        let (upper, device, world) = (self.upper, self.device, self.world.clone());
        let sent = FilterSent(Rc::new(Shared {
            upper,
            device,
            statistics: cpu.with(|state| Rc::clone(&state.devices[device].statistics)),
            lower: Lower::new(world.clone(), self),
        }));
        let routine = Routine::Filter(sent.clone());
        match sent.0.lower.allocate(cpu, call, payload, routine) {
            Ok(()) => Ok(sent),
            Err(status) => Err((sent.0.request(world), status)),
        }
    }

    fn refuse(self, cpu: &Cpu<'a>, status: NtStatus, _decision: Decision) -> NtStatus {
        self.end(cpu, IoStatus::failed(status))
    }

    fn complete(self, cpu: &Cpu<'a>, ended: Ended) -> NtStatus {
        self.end(cpu, ended.io)
    }
}

impl Shared {
    /// The request back. Asked twice, it is one that is completed already; the second call is a finding.
    fn request(&self, world: World) -> FilterRequest {
        self.lower.take_request().unwrap_or(FilterRequest {
            world,
            upper: self.upper,
            device: self.device,
            completed: true,
        })
    }
}

impl<'a> SentWrite<Cpu<'a>> for FilterSent {
    type Request = FilterRequest;

    fn handoff(&self) -> &Handoff {
        self.0.lower.handoff()
    }

    fn arm_cancel(&self, cpu: &Cpu<'a>) -> bool {
        self.0.lower.check("arm");
        cpu.enter("IoSetCancelRoutine", Irql::Dispatch, &[self.0.upper.into()]);
        let upper = self.0.upper;
        cpu.with(|state| {
            state.exchange_cancel_routine(upper, Some(CancelRoutine::Filter(self.clone())));
        });
        cpu.enter("read Irp->Cancel", Irql::Dispatch, &[upper.into()]);
        cpu.with(|state| {
            let cancel = state
                .live_irp(upper, "Irp->Cancel")
                .is_some_and(|irp| irp.header.cancel);
            // Taken back: the cancel came before the routine was there. Not taken back: the routine runs.
            !(cancel && state.exchange_cancel_routine(upper, None))
        })
    }

    fn disarm_cancel(&self, cpu: &Cpu<'a>) -> bool {
        self.0.lower.check("disarm");
        cpu.enter(
            "IoSetCancelRoutine",
            Irql::Dispatch,
            &[self.0.upper.into(), "NULL".into()],
        );
        cpu.with(|state| state.exchange_cancel_routine(self.0.upper, None))
    }

    fn send(&self, cpu: &Cpu<'a>, device: DeviceId) -> NtStatus {
        self.0.lower.send(cpu, device)
    }

    fn cancel_lower(&self, cpu: &Cpu<'a>) {
        self.0.lower.cancel(cpu);
    }

    fn mark_pending(&self, cpu: &Cpu<'a>) {
        self.0.lower.check("mark");
        cpu.enter("IoMarkIrpPending", Irql::Dispatch, &[self.0.upper.into()]);
        cpu.with(|state| state.mark_pending(self.0.upper));
    }

    fn lower_status(&self, cpu: &Cpu<'a>) -> IoStatus {
        self.0.lower.status(cpu)
    }

    fn finish(self, cpu: &Cpu<'a>) -> FilterRequest {
        let request = self.0.lower.finish(cpu);
        request.unwrap_or_else(|| self.0.request(cpu.world().clone()))
    }
}

impl Cpu<'_> {
    /// The dispatch routine of a filter device.
    pub(crate) fn filter_dispatch(
        &self,
        upper: IrpId,
        device: DeviceId,
        header: Header,
        location: Location,
    ) -> NtStatus {
        let request = FilterRequest {
            world: self.world().clone(),
            upper,
            device,
            completed: false,
        };
        let (lower, statistics) = self.with(|state| {
            let here = &state.devices[device];
            (here.lower, Rc::clone(&here.statistics))
        });
        let Some(lower) = lower else {
            return request.end(self, IoStatus::failed(NtStatus::INVALID_DEVICE_REQUEST));
        };
        let irql = self.with(|state| state.threads[self.thread()].irql);
        let synchronous = header
            .file
            .is_some_and(|file| self.with(|state| state.files[file].flags.is_synchronous()));
        let call = WriteCall {
            file: location.file,
            device: lower,
            data: self.filtered_data(&header),
            length: location.length,
            offset: location.offset,
            key: location.key,
            mode: header.requestor_mode,
            in_requestor_context: header.thread == Some(self.thread()),
            may_page: irql <= Irql::Apc,
            may_wait: synchronous,
            bypasses_cache: bypasses_cache(header.flags, location.flags),
            stack_flags: location.flags,
            irp_flags: header.flags & !FLAGS_OF_THE_UPPER_IRP,
        };
        if self.with(|state| state.devices[device].attempts_fast) {
            filter::dispatch(self, &statistics, &call, request)
        } else {
            filter::dispatch_by_irp(self, &statistics, &call, request)
        }
    }

    /// Where the bytes of an IRP are.
    fn filtered_data(&self, header: &Header) -> Data<Self> {
        if let Some(mdl) = header.mdl {
            let address = self.with(|state| state.memory.mdls[mdl].as_ref().map(|mdl| mdl.address));
            let address = address.unwrap_or(NOWHERE);
            return Data::Locked { mdl, address };
        }
        match header.system_buffer {
            Some(address) => Data::System(address),
            None => Data::Raw(header.user_buffer.unwrap_or(NOWHERE)),
        }
    }
}

/// The address of no bytes at all.
const NOWHERE: Address = Address(0);
/// How the upper IRP carries its bytes and is completed says nothing of the lower one.
const FLAGS_OF_THE_UPPER_IRP: u32 = 0x4 | 0x10 | 0x20 | 0x800;
