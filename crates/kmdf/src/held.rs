//! Requests that a driver holds until something happens, or until they are cancelled.
//!
//! Two parties may want to finish a held request: the driver, and the framework by the cancel callback. The
//! lock of the list decides. The driver takes an entry out and makes it uncancellable under the lock; if the
//! framework says that it is too late, the entry is the callback's. The callback comes through the same lock
//! before it touches the request, so a handle in the list is never stale.
#![expect(unsafe_code, reason = "called from and calls into the framework")]

use alloc::collections::VecDeque;
use core::ops::RangeInclusive;

use wdk_sys::{WDFREQUEST, call_unsafe_wdf_function_binding as unsafe_wdf};

use crate::{FileObject, NtStatus, Request, status::check, sync::SpinLock};

/// Where the requests of a file object are held, and what to do with a cancelled one.
pub trait Holder: 'static {
    /// What is kept beside a request.
    type Entry: Send + 'static;

    /// The list of this file object: always the same one.
    fn held(file: &FileObject) -> Option<&HeldRequests<Self::Entry>>;

    /// A held request was cancelled: it is to be completed.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, in any thread.
    fn cancelled(file: &FileObject, request: Request, entry: Option<Self::Entry>);
}

/// A list of held requests, in the order of their keys, and of arrival where keys are equal.
pub struct HeldRequests<E> {
    list: SpinLock<List<E>>,
}

struct List<E> {
    entries: VecDeque<Held<E>>,
    /// Whether nothing more is taken in.
    closed: bool,
}

struct Held<E> {
    key: u64,
    request: WDFREQUEST,
    entry: E,
}

// SAFETY: the framework's objects may be used from any thread.
unsafe impl<E: Send> Send for Held<E> {}

impl<E: Send + 'static> HeldRequests<E> {
    /// An empty list.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new() -> Result<Self, NtStatus> {
        let list = List {
            entries: VecDeque::new(),
            closed: false,
        };
        Ok(Self {
            list: SpinLock::new(list)?,
        })
    }

    /// From now on [`hold`] refuses. What is held stays.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn close(&self) {
        self.list.lock().closed = true;
    }

    /// Takes the first request whose key is in the range. Requests that are being cancelled are passed over:
    /// they are no longer the driver's.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn take_first(&self, keys: RangeInclusive<u64>) -> Option<(Request, E)> {
        let mut list = self.list.lock();
        loop {
            let at = list.entries.partition_point(|held| held.key < *keys.start());
            if !list.entries.get(at).is_some_and(|held| keys.contains(&held.key)) {
                return None;
            }
            let held = list.entries.remove(at)?;
            // SAFETY: an entry of the list is live, since the cancel callback completes it only after it
            // had the lock.
            // <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestunmarkcancelable>
            let unmarked = check(unsafe { unsafe_wdf!(WdfRequestUnmarkCancelable, held.request) });
            if unmarked.is_ok() {
                // SAFETY: a request that is no longer cancellable is the driver's alone.
                return Some((unsafe { Request::from_raw(held.request) }, held.entry));
            }
        }
    }

    /// Calls `look` with the lowest key, if there is an entry, and nothing changes meanwhile.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`; `look` runs at `DISPATCH_LEVEL` and does not come back to this list.
    pub fn with_lowest_key(&self, look: impl FnOnce(Option<u64>)) {
        let list = self.list.lock();
        look(list.entries.front().map(|held| held.key));
    }
}

/// Holds a request in the list of its file object. From here it may be completed at any time, by whoever
/// takes it or by [`Holder::cancelled`]; its file object may be gone when this returns. What is to be done
/// while it is surely there is done in `look`, which gets the lowest key of the list.
///
/// IRQL: `<= DISPATCH_LEVEL`; `look` runs at `DISPATCH_LEVEL` and does not come back to the list.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestmarkcancelableex>
///
/// # Errors
///
/// The request, with `STATUS_CANCELLED` if it is cancelled already or the list is closed,
/// `STATUS_INSUFFICIENT_RESOURCES`, or `STATUS_INVALID_DEVICE_REQUEST` if its file object has no list.
pub fn hold<H: Holder>(
    request: Request,
    key: u64,
    entry: H::Entry,
    look: impl FnOnce(&FileObject, u64),
) -> Result<(), (Request, NtStatus)> {
    let Some(file) = request.file_reference() else {
        return Err((request, NtStatus::INVALID_DEVICE_REQUEST));
    };
    let Some(held) = H::held(&file) else {
        return Err((request, NtStatus::INVALID_DEVICE_REQUEST));
    };
    let mut list = held.list.lock();
    if list.closed {
        return Err((request, NtStatus::CANCELLED));
    }
    if list.entries.try_reserve(1).is_err() {
        return Err((request, NtStatus::INSUFFICIENT_RESOURCES));
    }
    let raw = request.into_raw();
    let at = list.entries.partition_point(|held| held.key <= key);
    list.entries.insert(
        at,
        Held {
            key,
            request: raw,
            entry,
        },
    );
    // SAFETY: the request is in the list and so in nobody's hands.
    let marked = check(unsafe { unsafe_wdf!(WdfRequestMarkCancelableEx, raw, Some(evt_cancel::<H>)) });
    match marked {
        Ok(()) => {
            // The cancel callback waits for the lock, so the request and its file object are there.
            look(&file, list.entries.front().map_or(key, |held| held.key));
            Ok(())
        }
        Err(status) => {
            let _entry = list.entries.remove(at);
            // SAFETY: the framework does not call the cancel callback of a request that it did not mark.
            Err((unsafe { Request::from_raw(raw) }, status))
        }
    }
}

unsafe extern "C" fn evt_cancel<H: Holder>(raw: WDFREQUEST) {
    // SAFETY: the framework hands the request over with this call.
    let request = unsafe { Request::from_raw(raw) };
    // Without a file object it was not held; dropping it completes it.
    let Some(file) = request.file_reference() else {
        return;
    };
    let entry = H::held(&file).and_then(|held| {
        let mut list = held.list.lock();
        let at = list.entries.iter().position(|held| held.request == raw)?;
        list.entries.remove(at).map(|held| held.entry)
    });
    H::cancelled(&file, request, entry);
}
