//! Threads and events of the host.
#![expect(unsafe_code, reason = "kernel threads and dispatcher objects are foreign")]

use alloc::boxed::Box;
use core::cell::UnsafeCell;

use wdk_sys::{_EVENT_TYPE, KEVENT, LARGE_INTEGER, NTSTATUS, PVOID, STATUS_SUCCESS, STATUS_TIMEOUT};

use crate::sys;

/// Access to everything: the host closes the handle at once anyway.
const THREAD_ALL_ACCESS: u32 = 0x001F_FFFF;

/// Starts a thread that runs `body` for good.
///
/// # Errors
///
/// The status with which the system refused.
pub fn spawn(body: fn()) -> Result<(), NTSTATUS> {
    unsafe extern "C" fn start(context: PVOID) {
        // SAFETY: the context is the function that `spawn` was given.
        let body = unsafe { core::mem::transmute::<PVOID, fn()>(context) };
        body();
    }
    let mut handle = core::ptr::null_mut();
    // SAFETY: the entry has the right signature, and all optional arguments are NULL.
    let status = unsafe {
        sys::PsCreateSystemThread(
            &raw mut handle,
            THREAD_ALL_ACCESS,
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            start,
            core::ptr::with_exposed_provenance_mut(body as usize),
        )
    };
    if status != STATUS_SUCCESS {
        return Err(status);
    }
    // SAFETY: the handle was just given to us.
    unsafe { sys::ZwClose(handle) };
    Ok(())
}

/// How an event behaves when it is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// It stays signalled.
    Notification,
    /// One wait takes the signal.
    Synchronization,
}

/// A dispatcher event at an address of its own.
pub struct Event(Box<UnsafeCell<KEVENT>>);

// SAFETY: a KEVENT is made to be used by several threads through the system's functions.
unsafe impl Send for Event {}
// SAFETY: as above; every use goes through those functions.
unsafe impl Sync for Event {}

impl Event {
    /// An event that is not signalled.
    pub fn new(kind: Kind) -> Self {
        let event = Self(Box::new(UnsafeCell::new(KEVENT::default())));
        let kind = match kind {
            Kind::Notification => _EVENT_TYPE::NotificationEvent,
            Kind::Synchronization => _EVENT_TYPE::SynchronizationEvent,
        };
        // SAFETY: the memory is a KEVENT's, and nobody else knows it yet.
        unsafe { sys::KeInitializeEvent(event.0.get(), kind, 0) };
        event
    }

    /// Signals it.
    pub fn set(&self) {
        // SAFETY: the event was initialised when it was made.
        unsafe { sys::KeSetEvent(self.0.get(), 0, 0) };
    }

    /// Waits for good.
    pub fn wait(&self) {
        // SAFETY: the event was initialised; a NULL timeout means no end.
        unsafe { sys::KeWaitForSingleObject(self.0.get().cast(), 0, 0, 0, core::ptr::null_mut()) };
    }

    /// Waits for at most `hundred_ns` units of 100 ns; `false` when they passed first.
    pub fn wait_for(&self, hundred_ns: i64) -> bool {
        let mut timeout = LARGE_INTEGER {
            // Negative means relative to now.
            QuadPart: -hundred_ns.max(0),
        };
        // SAFETY: the event was initialised, and the timeout outlives the call.
        let status = unsafe { sys::KeWaitForSingleObject(self.0.get().cast(), 0, 0, 0, &raw mut timeout) };
        status != STATUS_TIMEOUT
    }
}

/// The system time, in units of 100 ns since 1601.
pub fn now() -> i64 {
    let mut time = LARGE_INTEGER { QuadPart: 0 };
    // SAFETY: the result may be written.
    unsafe { sys::KeQuerySystemTime(&raw mut time) };
    // SAFETY: every view of the union is plain integers.
    unsafe { time.QuadPart }
}
