//! A write that was sent down, and its state.
#![expect(unsafe_code, reason = "keeps state in an IRP that three parties share")]

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering},
};

use kmdf::{irp, write_irp::WriteIrp};
use kswrite_core::{Handoff, Statistics};
use wdk_sys::{IRP, PIRP};

use super::narrow::PENDING_RETURNED;

/// A request whose write was given a lower IRP. Three parties hold it; see [`Handoff`].
///
/// The state of the write lives in `Tail.Overlay.DriverContext` of the request, four pointers that belong to
/// the driver that holds an IRP, so that a write needs no memory beside its IRP:
///
/// | slot | content |
/// |---|---|
/// | 0 | the lower IRP |
/// | 1 | the counters of the device, a static |
/// | 2 | the [`Handoff`] |
/// | 3 | what the payload owns ([`super::lower`]) |
///
/// # Invariants
///
/// The IRP is an owned write request whose four slots are filled, until [`into_request`](Self::into_request).
#[derive(Clone, Copy)]
pub struct SentWrite(NonNull<IRP>);

const _: () = assert!(size_of::<Handoff>() == size_of::<*mut ()>());

/// What goes into the four slots.
pub struct SentState {
    /// The lower IRP, filled and ready to send.
    pub lower: NonNull<IRP>,
    /// The counters, for the completion and cancel routines.
    pub statistics: &'static Statistics,
    /// What the payload owns.
    pub ownership: usize,
}

impl SentWrite {
    /// Fills the slots.
    pub fn new(request: WriteIrp, state: &SentState) -> Self {
        let sent = Self(request.into_raw());
        sent.slot(0).store(state.lower.as_ptr().cast(), Ordering::Relaxed);
        sent.slot(1).store(
            core::ptr::from_ref(state.statistics).cast_mut().cast(),
            Ordering::Relaxed,
        );
        // SAFETY: the slot is a pointer-sized, aligned word of an IRP that this value owns, and `Handoff` has
        // that size; nobody else sees it before the IRP is sent.
        unsafe { sent.slot(2).as_ptr().cast::<Handoff>().write(Handoff::new()) };
        sent.slot(3).store(
            core::ptr::without_provenance_mut(state.ownership),
            Ordering::Relaxed,
        );
        sent
    }

    /// # Safety
    ///
    /// The IRP must be one that [`new`](Self::new) made into a sent write and that is not finished.
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
    pub fn lower(&self) -> PIRP {
        self.slot(0).load(Ordering::Relaxed).cast()
    }

    /// The counters of the device that the write came to.
    pub fn statistics(&self) -> &'static Statistics {
        // SAFETY: INVARIANT: `new` stored a reference to a static.
        unsafe { &*self.slot(1).load(Ordering::Relaxed).cast::<Statistics>() }
    }

    /// What the payload owns.
    pub fn ownership(&self) -> usize {
        self.slot(3).load(Ordering::Relaxed).addr()
    }

    /// The handoff.
    pub fn handoff(&self) -> &Handoff {
        // SAFETY: INVARIANT: `new` wrote a `Handoff` there, and it stays until the write is finished.
        unsafe { &*self.slot(2).as_ptr().cast::<Handoff>() }
    }

    /// `IoMarkIrpPending`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn mark_pending(self) {
        // SAFETY: INVARIANT: the IRP is held.
        let stack = unsafe { irp::current_location(self.as_ptr()) };
        // SAFETY: as above; it is the location that the IRP came with.
        let stack = unsafe { stack.read() };
        // SAFETY: the location belongs to this driver while it holds the IRP, and only the dispatching thread
        // writes it.
        unsafe { (*stack).Control |= PENDING_RETURNED };
    }

    /// Whether the request was cancelled: its `Cancel` field.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn is_cancelled(self) -> bool {
        // SAFETY: INVARIANT: the IRP is owned.
        let cancel = unsafe { &raw mut (*self.as_ptr()).Cancel };
        // SAFETY: the byte lives as long as the IRP; the I/O manager sets it from another thread.
        unsafe { AtomicU8::from_ptr(cancel) }.load(Ordering::SeqCst) != 0
    }

    /// The last party takes the request back.
    pub fn into_request(self) -> WriteIrp {
        // SAFETY: the caller is the last of the three parties, so the IRP has one owner again.
        unsafe { WriteIrp::from_raw(self.0) }
    }
}
