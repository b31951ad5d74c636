//! Dispatcher events.
#![expect(unsafe_code, reason = "passes events to the kernel")]

use core::{cell::UnsafeCell, ptr::NonNull};

use kswrite_core::{NtStatus, Patience};
use wdk_sys::{
    _EVENT_TYPE::NotificationEvent,
    _KWAIT_REASON::Executive,
    KEVENT, LARGE_INTEGER,
    ntddk::{KeClearEvent, KeInitializeEvent, KeSetEvent, KeWaitForSingleObject, ObfReferenceObject},
};

use super::capture::raw_mode;

/// An event of the kernel, borrowed.
///
/// # Invariants
///
/// The event is initialised, and outlives the use of this value.
#[derive(Clone, Copy)]
pub struct Event(NonNull<KEVENT>);

impl Event {
    /// # Safety
    ///
    /// The pointer must satisfy the invariant of the type.
    pub const unsafe fn new(event: NonNull<KEVENT>) -> Self {
        Self(event)
    }

    /// The pointer, for a field or a call of the kernel.
    pub const fn as_ptr(self) -> *mut KEVENT {
        self.0.as_ptr()
    }

    /// `ObReferenceObject`: the reference that the end of an IRP gives back.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    /// Only for the event of an [`EventReference`](super::object::EventReference).
    pub fn reference_for_irp(self) {
        // SAFETY: INVARIANT: the event is alive, and what a caller of a write passes is an object.
        let _count = unsafe { ObfReferenceObject(self.as_ptr().cast()) };
    }

    /// `KeClearEvent`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keclearevent>
    pub fn clear(self) {
        // SAFETY: INVARIANT: the event is alive.
        unsafe { KeClearEvent(self.as_ptr()) };
    }

    /// `KeSetEvent`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kesetevent>
    pub fn set(self) {
        // SAFETY: INVARIANT: the event is alive. No wait follows in the same breath.
        let _was_set = unsafe { KeSetEvent(self.as_ptr(), 0, 0) };
    }

    /// `KeWaitForSingleObject`.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kewaitforsingleobject>
    pub fn wait(self, patience: Patience) -> NtStatus {
        let mut timeout = LARGE_INTEGER::default();
        let timeout = patience.time_limit.map_or(core::ptr::null_mut(), |limit| {
            // Negative means from now.
            timeout.QuadPart = -i64::try_from(limit).unwrap_or(i64::MAX);
            &raw mut timeout
        });
        // SAFETY: INVARIANT: the event is alive, and in non-paged memory, as all dispatcher objects are.
        NtStatus(unsafe {
            KeWaitForSingleObject(
                self.as_ptr().cast(),
                Executive,
                raw_mode(patience.mode),
                patience.alertable.into(),
                timeout,
            )
        })
    }
}

/// A notification event of this driver's own, in non-paged memory.
pub struct OwnEvent(UnsafeCell<KEVENT>);

// SAFETY: an event is made to be used by several threads through the kernel's functions.
unsafe impl Send for OwnEvent {}
// SAFETY: as above; every use goes through those functions.
unsafe impl Sync for OwnEvent {}

impl OwnEvent {
    /// An event that must be [initialised](Self::initialize) where it will stay.
    pub fn uninitialized() -> Self {
        Self(UnsafeCell::new(KEVENT::default()))
    }

    /// `KeInitializeEvent`, not signalled. The event is usable from here on.
    ///
    /// IRQL: any.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializeevent>
    ///
    /// # Safety
    ///
    /// Nobody has used the event, it is in non-paged memory, and it is not moved any more.
    pub unsafe fn initialize(&self) {
        // SAFETY: the caller's promise.
        unsafe { KeInitializeEvent(self.0.get(), NotificationEvent, 0) };
    }

    /// The event.
    ///
    /// # Safety
    ///
    /// It was initialised, and lives while the result is used.
    pub const unsafe fn get(&self) -> Event {
        // SAFETY: the address of a field is not NULL.
        let event = unsafe { NonNull::new_unchecked(self.0.get()) };
        // SAFETY: the caller's promise.
        unsafe { Event::new(event) }
    }
}
