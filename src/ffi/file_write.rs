//! A write to a file object with an IRP of the driver's own: its state, and who holds it when.
//!
//! The state is one allocation. It belongs to the thread that submits the write, then to the three parties of
//! a [`Handoff`], then to the last of them. A write that ends while its thread is in the routine leaves the state
//! to that thread; one that ends later completes the control request and frees it.
#![expect(unsafe_code, reason = "keeps state that three parties share")]

use core::{cell::UnsafeCell, ptr::NonNull};

use kmdf::{control_irp::ControlIrp, pool::NonPagedBox};
use kswrite_core::{
    Completion, Decision, Ended, FileWrite, Handoff, IoStatus, NtStatus, Patience, WriteCall,
    fast::{Outcome, Skip},
    payload::Payload,
};
use wdk_sys::{DEVICE_OBJECT, IO_STATUS_BLOCK, IRP, NTSTATUS, PIRP, PVOID, STATUS_MORE_PROCESSING_REQUIRED};

use super::{
    cancel::{Cancelled, HeldCancel},
    event::{Event, OwnEvent},
    lower::LowerIrp,
    narrow::bytes,
    object::{EventReference, FileReference},
    sent,
    target::Target,
};
use crate::{
    file_write,
    kernel::NtKernel,
    trace::{self, Traced},
};

/// Pool tag of the states: `KsWf`.
const STATE_TAG: u32 = u32::from_le_bytes(*b"KsWf");

/// An `IO_STATUS_BLOCK` that somebody may write to.
///
/// # Invariants
///
/// The block outlives the write that it is for.
#[derive(Clone, Copy)]
pub struct StatusBlock(NonNull<IO_STATUS_BLOCK>);

impl StatusBlock {
    /// No write has this for a final status, so it shows that the block was left alone.
    const UNTOUCHED: NtStatus = NtStatus::PENDING;

    /// No block yet: [`FileWriteRequest::new`] gives the write one.
    pub const NONE: Self = Self(NonNull::dangling());

    /// A block that nobody has written to.
    pub(super) fn untouched() -> UnsafeCell<IO_STATUS_BLOCK> {
        let mut block = IO_STATUS_BLOCK::default();
        block.__bindgen_anon_1.Status = Self::UNTOUCHED.0;
        UnsafeCell::new(block)
    }

    /// # Safety
    ///
    /// The block outlives the write.
    pub(super) const unsafe fn of(block: &UnsafeCell<IO_STATUS_BLOCK>) -> Self {
        // SAFETY: the address of a reference is not NULL.
        Self(unsafe { NonNull::new_unchecked(block.get()) })
    }

    /// The pointer, for a field of an IRP.
    pub const fn as_ptr(self) -> *mut IO_STATUS_BLOCK {
        self.0.as_ptr()
    }

    /// Writes it.
    pub fn store(self, io: IoStatus) {
        let mut block = IO_STATUS_BLOCK {
            Information: io.information as u64,
            ..IO_STATUS_BLOCK::default()
        };
        block.__bindgen_anon_1.Status = io.status.0;
        // SAFETY: INVARIANT: the block is there. Whoever is told of the end reads it afterwards.
        unsafe { self.0.write_volatile(block) };
    }

    /// Reads it.
    pub fn load(self) -> IoStatus {
        // SAFETY: INVARIANT: the block is there.
        let block = unsafe { self.0.read_volatile() };
        IoStatus {
            // SAFETY: any bits are a status.
            status: NtStatus(unsafe { block.__bindgen_anon_1.Status }),
            information: bytes(block.Information),
        }
    }

    /// What was written to it; `None` if it was left alone.
    pub fn written(self) -> Option<IoStatus> {
        Some(self.load()).filter(|io| io.status != Self::UNTOUCHED)
    }
}

/// What a write was asked for by.
pub struct Origin {
    /// The control request, which is complete when the write is over.
    pub irp: ControlIrp,
    /// The device that it came to.
    pub device: NonNull<DEVICE_OBJECT>,
    /// The file to write to.
    pub file: FileReference,
    /// The event to signal.
    pub event: Option<EventReference>,
}

// SAFETY: a device object has no thread; the request keeps it.
unsafe impl Send for Origin {}
// SAFETY: as above.
unsafe impl Sync for Origin {}

/// A write to a file object.
pub struct State {
    origin: Origin,
    write: FileWrite<NtKernel>,
    traced: Option<Traced>,
    /// How the submitting thread waits, if it does.
    patience: Option<Patience>,
    handoff: Handoff,
    lower: Option<LowerIrp>,
    block: UnsafeCell<IO_STATUS_BLOCK>,
    /// Ends the wait of the submitting thread.
    over: OwnEvent,
    result: WriteResult,
}

/// What became of a write.
#[derive(Clone, Copy)]
pub struct WriteResult {
    /// What was decided.
    pub decision: Decision,
    /// What the routine returned.
    pub returned: NtStatus,
    /// The final status.
    pub last: NtStatus,
    /// What the status block holds; `None` if it was left alone.
    pub block: Option<IoStatus>,
}

impl WriteResult {
    /// Nothing was done yet.
    const NONE: Self = Self {
        decision: Decision::new(Outcome::Skipped(Skip::BadParameter)),
        returned: NtStatus::UNSUCCESSFUL,
        last: NtStatus::UNSUCCESSFUL,
        block: None,
    };
}

/// A write to a file object, owned.
///
/// # Invariants
///
/// The state was made by [`new`](Self::new), which filled it whole.
pub struct FileWriteRequest(NonPagedBox<State>);

impl FileWriteRequest {
    /// Sets a write up, with a status block.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_QUOTA_EXCEEDED`, `STATUS_INSUFFICIENT_RESOURCES`; with the control request.
    pub fn new(
        origin: Origin,
        write: FileWrite<NtKernel>,
        traced: Option<Traced>,
    ) -> Result<Self, (ControlIrp, NtStatus)> {
        let flags = origin.file.file().flags();
        let state = State {
            origin,
            write,
            traced,
            patience: flags.is_synchronous().then(|| write.patience(flags)),
            handoff: Handoff::new(),
            lower: None,
            block: StatusBlock::untouched(),
            over: OwnEvent::uninitialized(),
            result: WriteResult::NONE,
        };
        let mut state = match NonPagedBox::charged(state, STATE_TAG) {
            Ok(state) => state,
            Err((state, status)) => return Err((state.origin.irp, status)),
        };
        // SAFETY: the state stays where it is until the write is over.
        state.write.status_block = unsafe { StatusBlock::of(&state.block) };
        // SAFETY: the state is in non-paged memory and stays where it is.
        unsafe { state.over.initialize() };
        Ok(Self(state))
    }

    /// Submits the write, which returns `STATUS_PENDING` only if it ends later, and completes the control
    /// request if it is over. Returns what the dispatch routine returns.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in the thread of the caller.
    pub fn submit(self, submit: impl FnOnce(&FileWrite<NtKernel>, Self) -> NtStatus) -> NtStatus {
        let write = self.0.write;
        let state = self.0.address();
        if submit(&write, self) == NtStatus::PENDING {
            return NtStatus::PENDING;
        }
        // SAFETY: the write is over, and its end was not told by completing the request: then
        // `leave_to_submitter` gave the state away for this.
        Self(unsafe { NonPagedBox::from_raw(state) }).conclude()
    }

    /// Gives the write its IRP.
    ///
    /// # Errors
    ///
    /// As [`LowerIrp::build`], with the request.
    pub fn begin(
        mut self,
        call: &WriteCall<NtKernel>,
        payload: Payload<NtKernel>,
        decision: Decision,
    ) -> Result<SentFileWrite, (Self, NtStatus)> {
        // SAFETY: the control request is held.
        let thread = unsafe { &raw const (*self.0.origin.irp.as_ptr()).Tail.Overlay.Thread };
        // SAFETY: the field is valid in an IRP that a driver holds: the thread that this is.
        let thread = unsafe { thread.read() };
        match LowerIrp::build(call, thread, payload) {
            Ok(lower) => self.0.lower = Some(lower),
            Err(status) => return Err((self, status)),
        }
        self.0.result.decision = decision;
        if let Some(Traced { operation, facts }) = &self.0.traced {
            trace::started(*operation, facts, &decision);
        }
        let control = self.0.origin.irp.as_ptr();
        let state = self.0.into_raw();
        // SAFETY: the four words are this driver's while it holds the IRP, which is in no queue.
        let words = unsafe {
            &raw mut (*control)
                .Tail
                .Overlay
                .__bindgen_anon_1
                .__bindgen_anon_1
                .DriverContext
        };
        // SAFETY: as above; the cancel routine finds the state there.
        unsafe { words.cast::<NonNull<State>>().write(state) };
        Ok(SentFileWrite(state))
    }

    /// Whether the control request was cancelled.
    pub fn is_cancelled(&self) -> bool {
        // SAFETY: the pointer of an owned IRP is not NULL.
        let irp = unsafe { NonNull::new_unchecked(self.0.origin.irp.as_ptr()) };
        // SAFETY: the control request is held.
        unsafe { HeldCancel::<SentFileWrite>::of(irp) }.is_cancelled()
    }

    /// Nothing was sent. Returns the status.
    pub fn refuse(mut self, status: NtStatus, decision: Decision) -> NtStatus {
        self.0.result.decision = decision;
        if let Some(Traced { operation, facts }) = &self.0.traced {
            trace::refused(*operation, facts, &decision, status);
        }
        self.leave_to_submitter(status, status)
    }

    /// The write is over: reports it, and completes the control request if its thread was told
    /// `STATUS_PENDING`.
    pub fn complete(mut self, kernel: &NtKernel, ended: Ended) -> NtStatus {
        if let Some(Traced { operation, facts }) = &self.0.traced {
            trace::ended(*operation, facts, &ended);
        }
        let returned = self.0.write.report(kernel, ended);
        let decision = &mut self.0.result.decision;
        if ended.completion == Completion::Fast {
            *decision = Decision::new(Outcome::Done(ended.io));
        }
        decision.completion = Some(ended.completion);
        decision.cancel = ended.cancel;
        if ended.completion == Completion::Pended && self.0.patience.is_none() {
            self.0.result.returned = NtStatus::PENDING;
            self.0.result.last = ended.io.status;
            let _status_of_the_request = self.conclude();
            return returned;
        }
        self.leave_to_submitter(returned, ended.io.status)
    }

    /// The submitting thread is in the routine, and takes the state back when it returns. What it is told is
    /// never `STATUS_PENDING`, which no write may have for a final status.
    fn leave_to_submitter(mut self, returned: NtStatus, last: NtStatus) -> NtStatus {
        self.0.result.returned = returned;
        self.0.result.last = last;
        let _state = self.0.into_raw();
        if returned == NtStatus::PENDING {
            NtStatus::UNSUCCESSFUL
        } else {
            returned
        }
    }

    /// Gives everything back and completes the control request, in this order: the driver may go as soon as
    /// it has no request. Returns the status of the request.
    fn conclude(mut self) -> NtStatus {
        self.0.result.block = self.0.write.status_block.written();
        let result = self.0.result;
        let state = self.0.into_inner();
        let Origin { irp, file, event, .. } = state.origin;
        drop(event);
        drop(file);
        file_write::answer(irp, &result)
    }
}

/// A write to a file object that was given an IRP. Three parties hold it; see [`Handoff`].
///
/// # Invariants
///
/// The state is there, with its `lower`, until [`finish`](Self::finish); shared, it is only read but for
/// what is made for that.
#[derive(Clone, Copy)]
pub struct SentFileWrite(NonNull<State>);

impl SentFileWrite {
    fn state(&self) -> &State {
        // SAFETY: INVARIANT: the state is there while there is a party.
        unsafe { self.0.as_ref() }
    }

    /// The handoff.
    pub fn handoff(&self) -> &Handoff {
        &self.state().handoff
    }

    /// How the submitting thread waits.
    pub fn patience(&self) -> Option<Patience> {
        self.state().patience
    }

    /// The event that ends the wait.
    pub fn over(&self) -> Event {
        // SAFETY: the state is set up whole, and stays until the last party has left.
        unsafe { self.state().over.get() }
    }

    fn control(&self) -> NonNull<IRP> {
        // SAFETY: the pointer of an owned IRP is not NULL.
        unsafe { NonNull::new_unchecked(self.state().origin.irp.as_ptr()) }
    }

    /// The cancel routine of the control request.
    pub fn cancel(&self) -> HeldCancel<Self> {
        // SAFETY: INVARIANT: the state holds the control request.
        unsafe { HeldCancel::of(self.control()) }
    }

    /// `IoMarkIrpPending` of the control request.
    pub fn mark_pending(&self) {
        // SAFETY: INVARIANT: the request is held, and this is the thread that dispatches it.
        unsafe { sent::mark_pending(self.control()) };
    }

    /// The IRP.
    pub fn lower(&self) -> LowerIrp {
        // SAFETY: INVARIANT: a sent write has its IRP.
        unsafe { self.state().lower.unwrap_unchecked() }
    }

    /// `IoCallDriver`. Without the memory to set a completion routine nothing is sent, and the write ends as if
    /// the device had failed it.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn send(&self, target: Target) -> NtStatus {
        let lower = self.lower();
        let device = self.state().origin.device;
        // SAFETY: the device is this driver's, and `self` is a sent write until the routine has left.
        match unsafe { lower.set_guarded_completion(device, on_complete, self.0.as_ptr().cast()) } {
            Ok(()) => lower.send(target),
            Err(status) => {
                lower.set_status(status);
                file_write::completed(*self);
                status
            }
        }
    }

    /// The last party takes the write back.
    pub fn finish(self) -> FileWriteRequest {
        // SAFETY: the last of the three parties owns the state alone.
        let mut state = unsafe { NonPagedBox::from_raw(self.0) };
        if let Some(lower) = state.lower.take() {
            lower.release();
        }
        // INVARIANT: the state was made by `new`.
        FileWriteRequest(state)
    }
}

impl Cancelled for SentFileWrite {
    unsafe fn cancelled(irp: NonNull<IRP>) {
        // SAFETY: the IRP is held.
        let words = unsafe {
            &raw const (*irp.as_ptr())
                .Tail
                .Overlay
                .__bindgen_anon_1
                .__bindgen_anon_1
                .DriverContext
        };
        // SAFETY: `begin` stored the state there before the routine was armed.
        let state = unsafe { words.cast::<NonNull<State>>().read() };
        // The state is there until this party has left.
        file_write::cancelled(Self(state));
    }
}

/// `IO_COMPLETION_ROUTINE` of the IRP.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
unsafe extern "C" fn on_complete(_device: *mut DEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: `send` set the state as the context.
    let state = unsafe { NonNull::new_unchecked(context.cast()) };
    // INVARIANT: it is that of a sent write, which is not finished before this party has left.
    file_write::completed(SentFileWrite(state));
    STATUS_MORE_PROCESSING_REQUIRED
}
