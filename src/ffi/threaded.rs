//! IRPs of the calling thread, which the I/O manager completes.
//!
//! `IoQueueThreadIrp`, by which the I/O manager makes such IRPs, is reserved for system use. So the IRP is made
//! by [`IoBuildSynchronousFsdRequest`], whose documentation says that it is queued to the calling thread and
//! freed by the I/O manager, and is then given the fields of a write.
//!
//! What relies on how the I/O manager completes any IRP, and is written in no page of that function:
//!
//! * An IRP with an `OriginalFileObject` gives back one reference on it, and on its `UserEvent` unless
//!   `IRP_SYNCHRONOUS_API` is set. So both are referenced, and the flag, which the function sets, is cleared.
//! * `IRP_DEALLOCATE_BUFFER` frees the system buffer; the MDL is unlocked and freed.
//! * The status block is left alone for an error that was not pended, or is that of a synchronous file object.
//! * The last stage runs in the calling thread as a special kernel APC, so in a guarded region it does not.
//!
//! What a program may do to the event of its file object must not keep a kernel thread waiting, or let it go
//! too early. So a completion routine tells this module when the device is done with the IRP, and the waits are
//! for that.
//!
//! [`IoBuildSynchronousFsdRequest`]: https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iobuildsynchronousfsdrequest
#![expect(unsafe_code, reason = "fills an IRP, and shares state with its completion")]

use core::{
    cell::UnsafeCell,
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering},
};

use kmdf::{control_irp::ControlIrp, pool::NonPagedBox};
use kswrite_core::{FileWrite, NtStatus, Patience, ProcessorMode, WriteCall, payload::Payload};
use wdk_sys::{
    DEVICE_OBJECT, IO_STATUS_BLOCK, IRP, IRP_MJ_FLUSH_BUFFERS, NTSTATUS, PIRP, PVOID, STATUS_SUCCESS,
    ntddk::{
        IoBuildSynchronousFsdRequest, IoCancelIrp, IofCallDriver, KeEnterGuardedRegion, KeLeaveGuardedRegion,
    },
};

use super::{
    cancel::{Cancelled, HeldCancel},
    capture::raw_mode,
    event::{Event, OwnEvent},
    file_write::{Origin, StatusBlock},
    lower::{attach_payload, file_ptr, fill_stack, next_location},
    narrow::INVOKE_ALWAYS,
    target::Target,
};
use crate::kernel::NtKernel;

/// Pool tag of the watches: `KsWt`.
const WATCH_TAG: u32 = u32::from_le_bytes(*b"KsWt");
/// Offsets of two fields of an IRP that are in unnamed unions in the WDK's headers and not in others: bindings name
/// them differently. `xtask/wdk/facts.csv` has both.
const USER_IOSB: usize = 72;
/// `Overlay.AsynchronousParameters.UserApcContext`.
const USER_APC_CONTEXT: usize = 96;
/// How long a wait for the last stage of an IRP takes before it looks again.
const A_MOMENT: Patience = Patience {
    // In units of 100 nanoseconds: 1 ms.
    time_limit: Some(10_000),
    ..Patience::UNTIL_OVER
};
/// How often it looks at the event of the file object, which a program may have cleared meanwhile.
const EVENT_LOOKS: u32 = 100;

/// What a thread knows of its IRP.
struct State {
    origin: Origin,
    /// The IRP, once it was made.
    irp: AtomicPtr<IRP>,
    /// Whether it was sent.
    sent: AtomicBool,
    /// The device is done with it.
    done: AtomicBool,
    /// The I/O manager is going to write the status block.
    block_due: AtomicBool,
    /// It is not, but it is going to set the event of the file object.
    event_due: AtomicBool,
    /// With which status.
    status: AtomicI32,
    /// The control request was cancelled.
    asked: AtomicBool,
    block: UnsafeCell<IO_STATUS_BLOCK>,
    /// Set when one of `done` and `asked` was.
    news: OwnEvent,
    /// Set by the completion routine when it does not touch this any more.
    over: OwnEvent,
    /// Set by the cancel routine when it does not touch this any more.
    left: OwnEvent,
}

/// A write whose IRP belongs to this thread, owned.
///
/// # Invariants
///
/// The state is in non-paged memory, and its events are initialised.
pub struct ThreadWrite(NonPagedBox<State>);

/// The same, by name.
///
/// # Invariants
///
/// Used by the thread of the write, or by a routine that it waits for.
#[derive(Clone, Copy)]
pub struct Watch(NonNull<State>);

impl ThreadWrite {
    /// Sets a write up.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_QUOTA_EXCEEDED`, `STATUS_INSUFFICIENT_RESOURCES`; with the control request.
    pub fn new(origin: Origin) -> Result<Self, (ControlIrp, NtStatus)> {
        let state = State {
            origin,
            irp: AtomicPtr::new(ptr::null_mut()),
            sent: AtomicBool::new(false),
            done: AtomicBool::new(false),
            block_due: AtomicBool::new(false),
            event_due: AtomicBool::new(false),
            status: AtomicI32::new(0),
            asked: AtomicBool::new(false),
            block: StatusBlock::untouched(),
            news: OwnEvent::uninitialized(),
            over: OwnEvent::uninitialized(),
            left: OwnEvent::uninitialized(),
        };
        let state = NonPagedBox::charged(state, WATCH_TAG)
            .map_err(|(state, status): (State, NtStatus)| (state.origin.irp, status))?;
        // SAFETY: the state is in non-paged memory and stays where it is.
        unsafe { state.news.initialize() };
        // SAFETY: as above.
        unsafe { state.over.initialize() };
        // SAFETY: as above.
        unsafe { state.left.initialize() };
        // INVARIANT: all are initialised.
        Ok(Self(state))
    }

    /// The name, for the kernel services of this write.
    pub const fn watch(&self) -> Watch {
        Watch(self.0.address())
    }

    /// The status block.
    pub fn block(&self) -> StatusBlock {
        // SAFETY: it is freed with `self`, when the write is over.
        unsafe { StatusBlock::of(&self.0.block) }
    }

    /// The cancel routine of the control request.
    fn cancel(&self) -> HeldCancel<Watch> {
        let irp = self.0.origin.irp.as_ptr();
        // SAFETY: the pointer of an owned IRP is not NULL.
        let irp = unsafe { NonNull::new_unchecked(irp) };
        // SAFETY: the state holds the control request.
        unsafe { HeldCancel::of(irp) }
    }

    /// Calls `submit`, with the control request cancellable, and waits until the write is over, whatever
    /// `submit` returned. `None`: the request was cancelled before. The flag says whether the write had to be
    /// cancelled after `submit` returned.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in the thread of the caller.
    pub fn run<R>(&self, submit: impl FnOnce() -> R) -> Option<(R, bool)> {
        let control = self.0.origin.irp.as_ptr();
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
        unsafe { words.cast::<NonNull<State>>().write(self.0.address()) };
        if !self.cancel().arm() {
            return None;
        }
        let result = submit();
        let cancelled = self.watch().settle();
        if !self.cancel().disarm() {
            // SAFETY: the event is initialised, and lives as long as `self`.
            let _left = unsafe { self.0.left.get() }.wait(Patience::UNTIL_OVER);
        }
        Some((result, cancelled))
    }

    /// Gives the references back, and the control request for completion.
    pub fn into_request(self) -> ControlIrp {
        let Origin { irp, file, event, .. } = self.0.into_inner().origin;
        drop(event);
        drop(file);
        irp
    }
}

impl Watch {
    /// Not to be kept.
    fn state<'a>(self) -> &'a State {
        // SAFETY: INVARIANT: the owner waits for whoever uses this.
        unsafe { self.0.as_ref() }
    }

    fn news(self) -> Event {
        // SAFETY: the event is initialised, and lives as long as the state.
        unsafe { self.state().news.get() }
    }

    /// Makes the IRP of a write. What the payload owns, the I/O manager frees.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; the payload is dropped.
    pub fn allocate(
        self,
        write: &FileWrite<NtKernel>,
        call: &WriteCall<NtKernel>,
        event: Option<Event>,
        payload: Payload<NtKernel>,
    ) -> Result<NonNull<IRP>, NtStatus> {
        // SAFETY: the device lives as long as the file object; the event and the block live until the
        // write is over; the request has no buffer.
        let irp = unsafe {
            IoBuildSynchronousFsdRequest(
                IRP_MJ_FLUSH_BUFFERS,
                call.device.as_ptr(),
                ptr::null_mut(),
                0,
                ptr::null_mut(),
                self.news().as_ptr(),
                write.status_block.as_ptr(),
            )
        };
        let irp = NonNull::new(irp).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        let flags = call.irp_flags | payload.managed_irp_flags();
        fill(irp, write, call, event, flags);
        fill_stack(irp, call);
        // The I/O manager frees it by the fields.
        let _owned_by_the_irp = attach_payload(irp, payload);
        let next = next_location(irp);
        next.CompletionRoutine = Some(on_complete);
        next.Context = self.0.as_ptr().cast();
        next.Control = INVOKE_ALWAYS;
        self.state().irp.store(irp.as_ptr(), Ordering::Release);
        Ok(irp)
    }

    /// `IoCallDriver`. The IRP is on the list of this thread already.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn send(self, irp: NonNull<IRP>, target: Target) -> NtStatus {
        self.state().sent.store(true, Ordering::Release);
        // SAFETY: the IRP is filled for this device, and is the device's and the I/O manager's from here.
        NtStatus(unsafe { IofCallDriver(target.as_ptr(), irp.as_ptr()) })
    }

    /// Waits until the device is done with the IRP, and the I/O manager with the status block.
    /// `STATUS_ALERTED` if the control request was cancelled meanwhile, or what else ended the wait.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn wait(self, patience: Patience) -> NtStatus {
        let state = self.state();
        loop {
            // Cleared before it is asked what the news is, so that none is missed.
            self.news().clear();
            if state.done.load(Ordering::Acquire) {
                break;
            }
            if patience != Patience::UNTIL_OVER && state.asked.load(Ordering::Acquire) {
                return NtStatus::ALERTED;
            }
            let woken = self.news().wait(patience);
            if woken != NtStatus::SUCCESS {
                return woken;
            }
        }
        // SAFETY: the event is initialised, and lives as long as the state.
        let _over = unsafe { state.over.get() }.wait(Patience::UNTIL_OVER);
        self.wait_for_last_stage();
        NtStatus::SUCCESS
    }

    /// The last stage follows at once, in this thread. It touches the status block only where it is due.
    fn wait_for_last_stage(self) {
        let state = self.state();
        // SAFETY: the block lives as long as the state.
        let block = unsafe { StatusBlock::of(&state.block) };
        while state.block_due.load(Ordering::Acquire) && block.written().is_none() {
            // SAFETY: the event is initialised; it is not signalled before the request is cancelled, and
            // then this only looks more often.
            let _looked = unsafe { state.left.get() }.wait(A_MOMENT);
        }
        if state.event_due.load(Ordering::Acquire) {
            let event = state.origin.file.file().event();
            let _set = (0..EVENT_LOOKS).find(|_| event.wait(A_MOMENT) == NtStatus::SUCCESS);
        }
    }

    /// `IoCancelIrp`, unless the device is done with the IRP. In a guarded region the last stage, which frees
    /// the IRP, does not run.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in the thread of the IRP.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/ntddk/nf-ntddk-keenterguardedregion>
    pub fn cancel_unless_over(self) {
        let state = self.state();
        // SAFETY: left below.
        unsafe { KeEnterGuardedRegion() };
        let irp = state.irp.load(Ordering::Acquire);
        if !irp.is_null() && !state.done.load(Ordering::Acquire) {
            // SAFETY: the IRP was sent and is not freed: its last stage waits for this thread.
            let _called = unsafe { IoCancelIrp(irp) };
        }
        // SAFETY: entered above.
        unsafe { KeLeaveGuardedRegion() };
    }

    /// The final status of the IRP; `None` if none was sent.
    ///
    /// IRQL: any, when the write is over.
    pub fn final_status(self) -> Option<NtStatus> {
        let state = self.state();
        let status = NtStatus(state.status.load(Ordering::Acquire));
        state.done.load(Ordering::Acquire).then_some(status)
    }

    /// Waits for an IRP that was sent and may go on: until it is over, the status block is its own. TRUE: it was
    /// cancelled.
    fn settle(self) -> bool {
        if !self.state().sent.load(Ordering::Acquire) {
            return false;
        }
        let patience = Patience {
            // So that the wait ends when the thread is terminated.
            mode: ProcessorMode::User,
            alertable: false,
            time_limit: None,
        };
        if self.wait(patience) == NtStatus::SUCCESS {
            return false;
        }
        self.cancel_unless_over();
        let _over = self.wait(Patience::UNTIL_OVER);
        true
    }
}

/// The fields of the header that are a write's.
fn fill(
    irp: NonNull<IRP>,
    write: &FileWrite<NtKernel>,
    call: &WriteCall<NtKernel>,
    event: Option<Event>,
    flags: u32,
) {
    let irp = irp.as_ptr();
    // SAFETY: the IRP is fresh and ours.
    unsafe { (*irp).Flags = flags };
    // SAFETY: as above.
    unsafe { (*irp).RequestorMode = raw_mode(call.mode) };
    let block = irp.cast::<*mut IO_STATUS_BLOCK>().wrapping_byte_add(USER_IOSB);
    // SAFETY: as above.
    unsafe { block.write(write.status_block.as_ptr()) };
    // SAFETY: as above.
    unsafe { (*irp).UserEvent = event.map_or(ptr::null_mut(), Event::as_ptr) };
    // SAFETY: as above.
    let file = unsafe { &raw mut (*irp).Tail.Overlay.OriginalFileObject };
    // SAFETY: as above.
    unsafe { file.write(file_ptr(call)) };
    let context = write.port_context.map_or(0, core::num::NonZeroU64::get);
    let field = irp.cast::<PVOID>().wrapping_byte_add(USER_APC_CONTEXT);
    // SAFETY: as above. It is a number that the program gets back.
    unsafe { field.write(ptr::without_provenance_mut(usize::try_from(context).unwrap_or(0))) };
}

impl Cancelled for Watch {
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
        // SAFETY: `run` stored the state there before the routine was armed.
        let watch = Self(unsafe { words.cast::<NonNull<State>>().read() });
        watch.state().asked.store(true, Ordering::Release);
        watch.news().set();
        // SAFETY: the event is initialised. The thread waits for it, and after this the state may be gone.
        unsafe { watch.state().left.get() }.set();
    }
}

/// `IO_COMPLETION_ROUTINE` of the IRP: the device is done with it.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
unsafe extern "C" fn on_complete(_device: *mut DEVICE_OBJECT, irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: `allocate` set the state as the context, and its thread waits for this.
    let watch = Watch(unsafe { NonNull::new_unchecked(context.cast()) });
    let state = watch.state();
    // SAFETY: a completion routine has the IRP.
    let field = unsafe { &raw const (*irp).IoStatus.__bindgen_anon_1.Status };
    // SAFETY: as above.
    let status = NtStatus(unsafe { field.read() });
    // SAFETY: as above.
    let pended = unsafe { (*irp).PendingReturned } != 0;
    let synchronous = state.origin.file.file().is_synchronous();
    let due = !status.is_error() || pended && !synchronous;
    state.block_due.store(due, Ordering::Release);
    state.event_due.store(pended && !due, Ordering::Release);
    state.status.store(status.0, Ordering::Release);
    // This driver has no stack location in the IRP, so it marks nothing pending.
    state.done.store(true, Ordering::Release);
    watch.news().set();
    // SAFETY: the event is initialised. The thread waits for it, and after this the state may be gone.
    unsafe { state.over.get() }.set();
    STATUS_SUCCESS
}
