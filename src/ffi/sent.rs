//! A write that was sent down, and its state.
#![expect(unsafe_code, reason = "keeps state in an IRP that three parties share")]

use core::{
    num::NonZeroU64,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering},
};

use kmdf::{irp, write_irp::WriteIrp};
use kswrite_core::{Handoff, NtStatus, WriteCall, payload::Payload};
use kswrite_state::record::Operation;
use wdk_sys::{DEVICE_OBJECT, IRP, NTSTATUS, PIRP, PVOID, STATUS_MORE_PROCESSING_REQUIRED};

use super::{
    cancel::{Cancelled, HeldCancel},
    lower::LowerIrp,
    narrow::{PENDING_RETURNED, bytes},
};
use crate::{kernel::NtKernel, slots::Slot, write};

/// A request whose write was given a lower IRP. Three parties hold it; see [`Handoff`].
///
/// The state of the write lives in `Tail.Overlay.DriverContext` of the request, four pointers that belong to
/// the driver that holds an IRP, so that a write needs no memory beside its IRP:
///
/// | slot | content |
/// |---|---|
/// | 0 | the lower IRP |
/// | 1 | the [`Slot`] of the device, a static |
/// | 2 | the [`Handoff`] |
/// | 3 | what goes with the lower IRP ([`LowerIrp::into_parts`]), and above that the number of a write that is traced |
///
/// # Invariants
///
/// The IRP is an owned write request whose four slots are filled, until [`into_request`](Self::into_request).
#[derive(Clone, Copy)]
pub struct SentWrite(NonNull<IRP>);

/// Bits of the last slot that say what goes with the lower IRP. The number of a write has the others, and will not
/// outgrow them.
const OWNS_BITS: u32 = 2;

const _: () = assert!(size_of::<Handoff>() == size_of::<*mut ()>());

impl SentWrite {
    /// Gives a write its lower IRP.
    ///
    /// IRQL: `<= APC_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, with the request; the payload is dropped.
    pub fn begin(
        kernel: &NtKernel,
        request: WriteIrp,
        call: &WriteCall<NtKernel>,
        payload: Payload<NtKernel>,
    ) -> Result<Self, (WriteIrp, NtStatus)> {
        // SAFETY: the request is held.
        let issuer = unsafe { &raw const (*request.as_ptr()).Tail.Overlay.Thread };
        // SAFETY: the field is valid in an IRP that a driver holds.
        let issuer = unsafe { issuer.read() };
        let lower = match LowerIrp::build(call, issuer, payload) {
            Ok(lower) => lower,
            Err(status) => return Err((request, status)),
        };
        let sent = Self::new(request, lower, kernel);
        // SAFETY: the filter's device is attached to the one that the IRP goes to, and the file that the
        // request is for is open, so the driver stays; `sent` is a sent write until this party has left.
        unsafe { lower.set_completion(on_complete, sent.as_ptr().cast()) };
        Ok(sent)
    }

    /// Fills the slots.
    fn new(request: WriteIrp, lower: LowerIrp, kernel: &NtKernel) -> Self {
        let sent = Self(request.into_raw());
        let (lower, owns) = lower.into_parts();
        sent.slot(0).store(lower.as_ptr().cast(), Ordering::Relaxed);
        sent.slot(1).store(
            core::ptr::from_ref(kernel.slot).cast_mut().cast(),
            Ordering::Relaxed,
        );
        // SAFETY: the slot is a pointer-sized, aligned word of an IRP that this value owns, and `Handoff` has
        // that size; nobody else sees it before the IRP is sent.
        unsafe { sent.slot(2).as_ptr().cast::<Handoff>().write(Handoff::new()) };
        let number = kernel.operation.map_or(0, |operation| operation.number.get());
        let word = owns | bytes(number) << OWNS_BITS;
        sent.slot(3)
            .store(core::ptr::without_provenance_mut(word), Ordering::Relaxed);
        sent
    }

    /// # Safety
    ///
    /// The IRP must be one that [`begin`](Self::begin) made into a sent write and that is not finished.
    pub const unsafe fn from_raw(irp: NonNull<IRP>) -> Self {
        Self(irp)
    }

    /// The pointer, for calls into the kernel.
    pub const fn as_ptr(self) -> PIRP {
        self.0.as_ptr()
    }

    fn slot(&self, index: usize) -> &AtomicPtr<core::ffi::c_void> {
        debug_assert!(index < 4);
        // SAFETY: INVARIANT: the IRP is owned and not queued, so the four driver words are valid.
        let words = unsafe {
            &raw mut (*self.as_ptr())
                .Tail
                .Overlay
                .__bindgen_anon_1
                .__bindgen_anon_1
                .DriverContext
        };
        // SAFETY: there are four words, and `index` is below that.
        let slot = unsafe { words.cast::<*mut core::ffi::c_void>().add(index) };
        // SAFETY: the slot is aligned, lives as long as the IRP, and is only accessed through atomics.
        unsafe { AtomicPtr::from_ptr(slot) }
    }

    /// The lower IRP.
    pub fn lower(&self) -> LowerIrp {
        let irp = self.slot(0).load(Ordering::Relaxed).cast();
        // SAFETY: INVARIANT: `new` stored the IRP, which is not NULL.
        let irp = unsafe { NonNull::new_unchecked(irp) };
        let owns = self.slot(3).load(Ordering::Relaxed).addr() & ((1 << OWNS_BITS) - 1);
        LowerIrp::from_parts(irp, owns)
    }

    /// The kernel, with what this write took along.
    pub fn kernel(&self) -> NtKernel {
        // SAFETY: INVARIANT: `new` stored a reference to a static.
        let slot = unsafe { &*self.slot(1).load(Ordering::Relaxed).cast::<Slot>() };
        let number = self.slot(3).load(Ordering::Relaxed).addr() >> OWNS_BITS;
        let number = NonZeroU64::new(number as u64);
        NtKernel {
            operation: number.map(|number| Operation { number, came: None }),
            ..NtKernel::of(slot)
        }
    }

    /// The handoff.
    pub fn handoff(&self) -> &Handoff {
        // SAFETY: INVARIANT: `new` wrote a `Handoff` there, and it stays until the write is finished.
        unsafe { &*self.slot(2).as_ptr().cast::<Handoff>() }
    }

    /// The cancel routine of the request.
    pub fn cancel(self) -> HeldCancel<Self> {
        // SAFETY: INVARIANT: the IRP is held until the write is finished.
        unsafe { HeldCancel::of(self.0) }
    }

    /// `IoMarkIrpPending`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn mark_pending(self) {
        // SAFETY: INVARIANT: the IRP is held.
        unsafe { mark_pending(self.0) };
    }

    /// The last party takes the request back.
    pub fn into_request(self) -> WriteIrp {
        // SAFETY: the caller is the last of the three parties, so the IRP has one owner again.
        unsafe { WriteIrp::from_raw(self.0) }
    }
}

/// `IoMarkIrpPending`.
///
/// IRQL: `<= DISPATCH_LEVEL`.
///
/// # Safety
///
/// This driver holds the IRP, and the caller is the thread that dispatches it.
pub unsafe fn mark_pending(irp: NonNull<IRP>) {
    // SAFETY: the caller's promise.
    let stack = unsafe { irp::current_location(irp.as_ptr()) };
    // SAFETY: as above; it is the location that the IRP came with.
    let stack = unsafe { stack.read() };
    // SAFETY: the location belongs to this driver while it holds the IRP, and only the dispatching thread
    // writes it.
    unsafe { (*stack).Control |= PENDING_RETURNED };
}

impl Cancelled for SentWrite {
    unsafe fn cancelled(irp: NonNull<IRP>) {
        // SAFETY: the routine is armed on a sent write, and whoever finishes it waits for this party.
        let sent = unsafe { Self::from_raw(irp) };
        write::cancelled(sent);
    }
}

/// `IO_COMPLETION_ROUTINE` of the lower IRP.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
unsafe extern "C" fn on_complete(_device: *mut DEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: `begin` set the caller's IRP as the context.
    let upper = unsafe { NonNull::new_unchecked(context.cast()) };
    // SAFETY: it is that of a sent write, which is not finished before this party has left.
    let sent = unsafe { SentWrite::from_raw(upper) };
    write::completed(sent);
    // The IRP stays this filter's: whoever finishes the write frees it, and may have done so by now.
    STATUS_MORE_PROCESSING_REQUIRED
}
