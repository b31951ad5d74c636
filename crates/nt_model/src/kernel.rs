//! The model's kernel services, and the schedule of what happens between them.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt::Write as _,
    rc::Rc,
};

use kswrite_core::{
    BufferMethod, Data, Handoff, IoStatus, Kernel, NtStatus, ProcessorMode, Statistics, WriteCall,
    filter::{self, Filter},
    payload::Payload,
};

use crate::{
    Address, DeviceId, FastRoutine, KERNEL_BASE, Ledger, Mdl, Memory, Pages, Pool, Request, Script, Send,
    Sent, request::LowerIrp,
};

/// A kernel service that may fail, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `IoAllocateIrp` returns NULL.
    AllocateIrp,
    /// `IoAllocateMdl` returns NULL.
    AllocateMdl,
    /// The pool is empty.
    Pool,
    /// The pages cannot be mapped.
    Map,
}

/// A point in the filter's path at which the world may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before the cancel routine is set.
    BeforeArm,
    /// After it was set, before the IRP is sent.
    BeforeSend,
    /// The device has the IRP; its dispatch routine has not returned.
    InSend,
    /// The dispatch routine of the device has returned.
    AfterSend,
    /// The completion found that it cannot take the cancel routine back.
    InCompletion,
    /// The cancel routine runs and has not touched the lower IRP.
    InCancel,
    /// The filter's dispatch routine has returned.
    AfterDispatch,
}

/// What the world does at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The caller's request is cancelled.
    Cancel,
    /// The device completes the IRP that it holds.
    Complete(NtStatus),
}

/// What an IRP carries.
pub(crate) enum Carried {
    /// A payload of the filter.
    Payload(Payload<Model>),
    /// Taken apart again.
    Nothing,
}

/// Where a cancel stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CancelRoutine {
    #[default]
    Unset,
    Set,
    /// Cleared by a cancel, whose call of the routine has not begun.
    Taken,
}

/// Everything that changes.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) memory: Memory,
    pub(crate) ledger: Ledger,
    pub(crate) script: Script,
    irps: Vec<Option<LowerIrp>>,
    /// Bytes that the device took.
    accepted: Vec<u8>,
    completed: Option<IoStatus>,
    pending_marked: bool,
    cancelled: bool,
    cancel_routine: CancelRoutine,
    faults: Vec<Fault>,
    steps: VecDeque<(Hook, Step)>,
    trace: Vec<String>,
    findings: Vec<String>,
}

impl State {
    pub(crate) fn finding(&mut self, what: &str) {
        self.findings.push(what.to_owned());
        self.note(&format!("FINDING: {what}"));
    }

    fn note(&mut self, what: &str) {
        self.trace.push(what.to_owned());
    }

    fn fails(&mut self, fault: Fault) -> bool {
        let found = self.faults.iter().position(|armed| *armed == fault);
        found.map(|index| self.faults.swap_remove(index)).is_some()
    }
}

/// The model: one device below, one request at a time.
pub struct Model {
    state: Rc<RefCell<State>>,
    statistics: Statistics,
    previous_mode: Cell<ProcessorMode>,
}

impl Model {
    /// A model whose device follows the script.
    pub fn new(script: Script) -> Self {
        let state = State {
            script,
            ..State::default()
        };
        Self {
            state: Rc::new(RefCell::new(state)),
            statistics: Statistics::new(),
            previous_mode: Cell::new(ProcessorMode::User),
        }
    }

    /// Sets the previous mode of the thread.
    pub fn set_previous_mode(&self, mode: ProcessorMode) {
        self.previous_mode.set(mode);
    }

    /// The memory.
    pub fn with_memory<R>(&self, f: impl FnOnce(&mut Memory) -> R) -> R {
        f(&mut self.state.borrow_mut().memory)
    }

    /// Makes the next call of a service fail.
    pub fn inject(&self, fault: Fault) {
        self.state.borrow_mut().faults.push(fault);
    }

    /// Adds to the schedule: at the next hook of this kind the step happens.
    pub fn schedule(&self, hook: Hook, step: Step) {
        self.state.borrow_mut().steps.push_back((hook, step));
    }

    /// The counters of the filter.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The final status of the request, once it is complete.
    pub fn completed(&self) -> Option<IoStatus> {
        self.state.borrow().completed
    }

    /// The bytes that the device took, in order.
    pub fn accepted(&self) -> Vec<u8> {
        self.state.borrow().accepted.clone()
    }

    /// Runs one write through the filter, then whatever the schedule still holds, and returns what the
    /// filter's dispatch routine returned.
    pub fn write(&self, call: &WriteCall<Self>) -> NtStatus {
        self.state.borrow_mut().ledger.requests += 1;
        let request = Request {
            completed: false,
            state: Rc::clone(&self.state),
        };
        let returned = filter::dispatch(self, &self.statistics, call, request);
        if (returned == NtStatus::PENDING) != self.state.borrow().pending_marked {
            self.state
                .borrow_mut()
                .finding("STATUS_PENDING was returned and not marked, or the reverse");
        }
        self.hook(Hook::AfterDispatch);
        returned
    }

    /// What is wrong now that everything should be over: findings of the run, and what was not given back.
    ///
    /// # Errors
    ///
    /// The findings and the trace that led to them, as text.
    pub fn check(&self) -> Result<(), String> {
        let mut state = self.state.borrow_mut();
        if state.ledger != Ledger::default() {
            let ledger = state.ledger;
            state.finding(&format!("not given back: {ledger:?}"));
        }
        if state.memory.locks() != 0 {
            state.finding("pages are still locked");
        }
        if state.completed.is_none() {
            state.finding("the request was never completed");
        }
        if self.statistics.snapshot().in_flight != 0 {
            state.finding("the statistics say that a write is in flight");
        }
        if state.findings.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for line in state.findings.iter().chain(&state.trace) {
            let _infallible = writeln!(text, "{line}");
        }
        Err(text)
    }

    /// A call for `length` bytes at an address, in the requestor's context.
    pub fn call(&self, data: Data<Self>, length: u32, mode: ProcessorMode) -> WriteCall<Self> {
        WriteCall {
            file: Some(()),
            device: DeviceId(0),
            data,
            length,
            offset: 0,
            key: 0,
            mode,
            in_requestor_context: true,
            may_page: true,
            may_wait: false,
            stack_flags: 0,
            irp_flags: 0,
        }
    }

    fn note(&self, what: &str) {
        self.state.borrow_mut().note(what);
    }

    /// Lets the world go on: every step that the schedule has for this hook, in order.
    fn hook(&self, hook: Hook) {
        loop {
            let step = {
                let mut state = self.state.borrow_mut();
                let Some(index) = state.steps.iter().position(|(at, _)| *at == hook) else {
                    return;
                };
                state.steps.remove(index).map(|(_, step)| step)
            };
            match step {
                Some(Step::Cancel) => self.cancel_request(),
                Some(Step::Complete(status)) => self.complete_held(status),
                None => return,
            }
        }
    }

    fn sent(&self) -> Option<Sent> {
        let state = self.state.borrow();
        let (index, irp) = state
            .irps
            .iter()
            .enumerate()
            .find_map(|(i, irp)| Some((i, irp.as_ref()?)))?;
        Some(Sent {
            index,
            handoff: Rc::clone(&irp.handoff),
        })
    }

    /// `IoCancelIrp` on the caller's request.
    fn cancel_request(&self) {
        let call_routine = {
            let mut state = self.state.borrow_mut();
            state.note("the request is cancelled");
            state.cancelled = true;
            let was_set = state.cancel_routine == CancelRoutine::Set;
            if was_set {
                state.cancel_routine = CancelRoutine::Taken;
            }
            was_set
        };
        if call_routine {
            // The window between IoCancelIrp clearing the routine and the routine doing anything.
            self.hook(Hook::InCancel);
            if let Some(sent) = self.sent() {
                filter::on_cancel(self, &self.statistics, sent);
            } else {
                self.state
                    .borrow_mut()
                    .finding("the cancel routine ran for a write that is gone");
            }
        }
    }

    /// The device completes the IRP that it holds, if it holds one.
    fn complete_held(&self, status: NtStatus) {
        let Some(sent) = self.sent() else { return };
        let holds = {
            let state = self.state.borrow();
            state
                .irps
                .get(sent.index)
                .and_then(Option::as_ref)
                .is_some_and(|irp| irp.sent && irp.status.is_none())
        };
        if holds {
            self.complete_lower(&sent, status);
        }
    }

    /// `IoCompleteRequest` of the device below.
    fn complete_lower(&self, sent: &Sent, status: NtStatus) {
        {
            let mut state = self.state.borrow_mut();
            state.note(&format!("the device completes the IRP: {status}"));
            let memory_bytes = state.read_payload(sent.index);
            let information = if status.is_success() {
                memory_bytes.len()
            } else {
                0
            };
            if status.is_success() {
                state.accepted.extend_from_slice(&memory_bytes);
            }
            let Some(irp) = state.irps.get_mut(sent.index).and_then(Option::as_mut) else {
                state.finding("a freed IRP was completed");
                return;
            };
            if irp.status.replace(IoStatus { status, information }).is_some() {
                state.finding("an IRP was completed twice");
                return;
            }
        }
        filter::on_complete(self, &self.statistics, sent.clone());
    }
}

impl State {
    /// The bytes as the device sees them.
    fn read_payload(&mut self, index: usize) -> Vec<u8> {
        let Some(irp) = self.irps.get(index).and_then(Option::as_ref) else {
            return Vec::new();
        };
        let length = irp.length;
        let bytes = match &irp.payload {
            Carried::Payload(Payload::BorrowedSystem(address) | Payload::User(address)) => {
                self.memory.read(*address, length)
            }
            Carried::Payload(Payload::System(pool)) => Ok(pool.bytes.clone()),
            Carried::Payload(Payload::Mdl(mdl)) => self.memory.read(mdl.address, mdl.length),
            Carried::Payload(Payload::Empty) | Carried::Nothing => Ok(Vec::new()),
        };
        bytes.unwrap_or_else(|_| {
            self.finding("the device read memory that is not there");
            Vec::new()
        })
    }
}

impl Kernel for Model {
    type File = ();
    type Device = DeviceId;
    type Address = Address;
    type LockedPages = Pages;
    type SystemBuffer = Pool;
    type Mdl = Mdl;
    type FastWrite = FastRoutine;

    fn previous_mode(&self) -> ProcessorMode {
        self.previous_mode.get()
    }

    fn fast_table_size(&self, _device: DeviceId) -> Option<u32> {
        self.state.borrow().script.fast.map(|table| table.size)
    }

    fn fast_write_slot(&self, _device: DeviceId) -> Option<FastRoutine> {
        self.state.borrow().script.fast.and_then(|table| table.write)
    }

    fn fast_write(
        &self,
        routine: FastRoutine,
        call: &WriteCall<Self>,
        address: Address,
    ) -> Result<Option<IoStatus>, NtStatus> {
        self.note(&format!("FastIoWrite: {routine:?}"));
        match routine {
            FastRoutine::Accept => {
                let bytes = self.state.borrow().memory.read(address, call.length)?;
                self.state.borrow_mut().accepted.extend_from_slice(&bytes);
                Ok(Some(IoStatus {
                    status: NtStatus::SUCCESS,
                    information: bytes.len(),
                }))
            }
            FastRoutine::Decline => Ok(None),
            FastRoutine::Answer(io) => Ok(Some(io)),
            FastRoutine::Raise(code) => Err(code),
        }
    }

    fn buffer_method(&self, _device: DeviceId) -> BufferMethod {
        self.state.borrow().script.method
    }

    fn is_user_range(&self, address: Address, length: u32) -> bool {
        address
            .0
            .checked_add(u64::from(length))
            .is_some_and(|end| end <= KERNEL_BASE)
    }

    fn capture(&self, address: Address, length: u32) -> Result<Pool, NtStatus> {
        let mut state = self.state.borrow_mut();
        if state.fails(Fault::Pool) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let bytes = state.memory.read(address, length)?;
        state.ledger.buffers += 1;
        Ok(Pool {
            bytes,
            state: Rc::clone(&self.state),
        })
    }

    fn probe_and_lock(&self, address: Address, length: u32, mode: ProcessorMode) -> Result<Mdl, NtStatus> {
        let mut mdl = self.mdl(address, length)?;
        let outside = mode == ProcessorMode::User && !self.is_user_range(address, length);
        self.note("MmProbeAndLockPages");
        if outside {
            return Err(NtStatus::ACCESS_VIOLATION);
        }
        let locked = self.state.borrow_mut().memory.lock(address, length);
        locked?;
        mdl.locked = true;
        Ok(mdl)
    }

    fn partial_mdl(&self, pages: Pages, length: u32) -> Result<Mdl, NtStatus> {
        self.mdl(pages.address, length)
    }

    fn system_mdl(&self, address: Address, length: u32) -> Result<Mdl, NtStatus> {
        self.mdl(address, length)
    }

    fn mapped_address(&self, pages: Pages) -> Option<Address> {
        pages.mapped
    }

    fn map(&self, pages: Pages, _length: u32) -> Result<Address, NtStatus> {
        if self.state.borrow_mut().fails(Fault::Map) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        Ok(pages.mapped.unwrap_or(pages.address))
    }
}

impl Model {
    fn mdl(&self, address: Address, length: u32) -> Result<Mdl, NtStatus> {
        let mut state = self.state.borrow_mut();
        if state.fails(Fault::AllocateMdl) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        state.ledger.mdls += 1;
        Ok(Mdl {
            address,
            length,
            locked: false,
            state: Rc::clone(&self.state),
        })
    }
}

impl Filter for Model {
    type Request = Request;
    type Sent = Sent;

    fn complete(&self, mut request: Request, io: IoStatus) -> NtStatus {
        let mut state = self.state.borrow_mut();
        state.note(&format!("the request completes: {io:?}"));
        request.completed = true;
        state.ledger.requests -= 1;
        if io.status == NtStatus::PENDING {
            state.finding("a request was completed with STATUS_PENDING");
        }
        if state.completed.replace(io).is_some() {
            state.finding("a request was completed twice");
        }
        drop(state);
        io.status
    }

    fn begin(
        &self,
        request: Request,
        call: &WriteCall<Self>,
        payload: Payload<Self>,
    ) -> Result<Sent, (Request, NtStatus)> {
        let refused = self.state.borrow_mut().fails(Fault::AllocateIrp);
        if refused {
            drop(payload);
            return Err((request, NtStatus::INSUFFICIENT_RESOURCES));
        }
        let handoff = Rc::new(Handoff::new());
        let mut state = self.state.borrow_mut();
        state.ledger.irps += 1;
        state.irps.push(Some(LowerIrp {
            payload: Carried::Payload(payload),
            length: call.length,
            request: Some(request),
            handoff: Rc::clone(&handoff),
            status: None,
            sent: false,
            cancel: false,
        }));
        Ok(Sent {
            index: state.irps.len() - 1,
            handoff,
        })
    }

    fn handoff<'a>(&self, sent: &'a Sent) -> &'a Handoff {
        &sent.handoff
    }

    fn arm_cancel(&self, _sent: &Sent) -> bool {
        self.hook(Hook::BeforeArm);
        let mut state = self.state.borrow_mut();
        state.note("the cancel routine is set");
        if state.cancelled {
            // Nobody calls a routine that is set after the cancel; it is taken back at once.
            return false;
        }
        state.cancel_routine = CancelRoutine::Set;
        true
    }

    fn disarm_cancel(&self, _sent: &Sent) -> bool {
        let disarmed = {
            let mut state = self.state.borrow_mut();
            let set = state.cancel_routine == CancelRoutine::Set;
            if set {
                state.cancel_routine = CancelRoutine::Unset;
            }
            set
        };
        if !disarmed {
            self.hook(Hook::InCompletion);
        }
        disarmed
    }

    fn send(&self, sent: &Sent, _device: DeviceId) -> NtStatus {
        self.hook(Hook::BeforeSend);
        let script = {
            let mut state = self.state.borrow_mut();
            state.note("the IRP is sent");
            if let Some(irp) = state.irps.get_mut(sent.index).and_then(Option::as_mut) {
                irp.sent = true;
            }
            state.script
        };
        let returned = match script.send {
            Send::Inline(status) => {
                self.complete_lower(sent, status);
                status
            }
            Send::InlineAsPending(status) => {
                self.complete_lower(sent, status);
                NtStatus::PENDING
            }
            Send::Hold => {
                // A device that keeps an IRP looks whether it was cancelled before.
                let cancelled = {
                    let state = self.state.borrow();
                    state
                        .irps
                        .get(sent.index)
                        .and_then(Option::as_ref)
                        .is_some_and(|irp| irp.cancel)
                };
                if cancelled && script.cancellable {
                    self.complete_lower(sent, NtStatus::CANCELLED);
                }
                self.hook(Hook::InSend);
                NtStatus::PENDING
            }
        };
        self.hook(Hook::AfterSend);
        returned
    }

    fn cancel_lower(&self, sent: &Sent) {
        let complete = {
            let mut state = self.state.borrow_mut();
            state.note("IoCancelIrp on the lower IRP");
            let cancellable = state.script.cancellable;
            let Some(irp) = state.irps.get_mut(sent.index).and_then(Option::as_mut) else {
                state.finding("a freed IRP was cancelled");
                return;
            };
            irp.cancel = true;
            irp.sent && irp.status.is_none() && cancellable
        };
        if complete {
            self.complete_lower(sent, NtStatus::CANCELLED);
        }
    }

    fn mark_pending(&self, _sent: &Sent) {
        let mut state = self.state.borrow_mut();
        state.note("the request is marked pending");
        if state.completed.is_some() {
            state.finding("a completed request was marked pending");
        }
        state.pending_marked = true;
    }

    fn lower_status(&self, sent: &Sent) -> IoStatus {
        let mut state = self.state.borrow_mut();
        let status = state
            .irps
            .get(sent.index)
            .and_then(Option::as_ref)
            .and_then(|irp| irp.status);
        status.unwrap_or_else(|| {
            state.finding("the status of an IRP was read that is not complete, or is freed");
            IoStatus::failed(NtStatus::UNSUCCESSFUL)
        })
    }

    fn finish(&self, sent: Sent) -> Request {
        let irp = self
            .state
            .borrow_mut()
            .irps
            .get_mut(sent.index)
            .and_then(Option::take);
        let Some(mut irp) = irp else {
            self.state.borrow_mut().finding("a write was finished twice");
            return Request {
                completed: true,
                state: Rc::clone(&self.state),
            };
        };
        self.note("the lower IRP is freed");
        self.state.borrow_mut().ledger.irps -= 1;
        // Dropping the payload borrows the state again.
        drop(std::mem::replace(&mut irp.payload, Carried::Nothing));
        irp.request.take().unwrap_or_else(|| Request {
            completed: true,
            state: Rc::clone(&self.state),
        })
    }
}
