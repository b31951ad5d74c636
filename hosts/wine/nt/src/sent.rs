//! Write IRPs as drivers send them, for tests to look at.
#![expect(unsafe_code, reason = "reads fields of an IRP and of its file object")]

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use kswrite_wire::wine_host::{SentIrp, SentIrps, sent};
use wdk_sys::{IRP_MJ_WRITE, PIRP};

use crate::irp::Irp;
use crate::lock::Lock;
use crate::{file_fields, mdl, sys};

static WATCHING: AtomicBool = AtomicBool::new(false);
static SEEN: Lock<Vec<SentIrp>> = Lock::new(Vec::new());
/// The most that are kept.
const KEPT: usize = 4096;

/// What was seen since the last call; `on` says whether to look from now on.
pub fn watch(on: bool) -> SentIrps {
    WATCHING.store(on, Ordering::Relaxed);
    let seen = core::mem::take(&mut *SEEN.lock());
    let mut answer = SentIrps {
        count: u32::try_from(seen.len()).unwrap_or(u32::MAX),
        ..SentIrps::default()
    };
    let first = seen.len().saturating_sub(answer.irps.len());
    for (place, irp) in answer.irps.iter_mut().zip(seen.iter().skip(first)) {
        *place = *irp;
    }
    answer
}

/// A driver sends an IRP.
pub fn note(irp: Irp) {
    if !WATCHING.load(Ordering::Relaxed) || u32::from(irp.next().major()) != IRP_MJ_WRITE {
        return;
    }
    let record = record(irp);
    let mut seen = SEEN.lock();
    if seen.len() < KEPT {
        seen.push(record);
    }
}

fn record(view: Irp) -> SentIrp {
    let irp: PIRP = view.as_ptr();
    // SAFETY: the driver owns the IRP and is passing it on; a value is copied out.
    let header = unsafe { irp.read() };
    // SAFETY: the IRP is in no queue, so this is the member that is valid.
    let tail = unsafe { header.Tail.Overlay };
    // SAFETY: every view of the union is plain pointers.
    let apc = unsafe { header.Overlay.AsynchronousParameters };
    // SAFETY: as above.
    let apc_routine = unsafe { apc.__bindgen_anon_1.UserApcRoutine };
    let next = view.next();
    let (length, key, offset) = next.transfer();
    let buffers = view.buffers();
    let file = next.file_object();
    // SAFETY: the MDL belongs to the IRP, which is live.
    let locked = unsafe { mdl::Mdl::from_raw(buffers.mdl) }.is_some_and(mdl::Mdl::is_locked);
    // SAFETY: no preconditions.
    let thread = unsafe { sys::PsGetCurrentThread() };
    let used = header.Cancel != 0 || header.CancelRoutine.is_some() || header.PendingReturned != 0;
    // SAFETY: a driver sends an IRP with a live file object, or none.
    let event_set = !file.is_null() && unsafe { file_fields::is_event_set(file) };
    let bits = [
        (!buffers.system_buffer.is_null(), sent::SYSTEM_BUFFER),
        (!buffers.mdl.is_null(), sent::MDL),
        (locked, sent::MDL_LOCKED),
        (!buffers.user_buffer.is_null(), sent::USER_BUFFER),
        (!header.UserEvent.is_null(), sent::USER_EVENT),
        (!header.UserIosb.is_null(), sent::USER_IOSB),
        (tail.Thread == thread.cast(), sent::THREAD),
        (!file.is_null() && tail.OriginalFileObject == file, sent::FILE),
        (event_set, sent::FILE_EVENT),
        (used, sent::USED),
        (apc_routine.is_some(), sent::APC_ROUTINE),
    ];
    SentIrp {
        offset,
        apc_context: apc.UserApcContext.addr() as u64,
        length,
        key,
        irp_flags: header.Flags,
        stack_flags: next.flags().into(),
        requestor_mode: header.RequestorMode.unsigned_abs().into(),
        fields: bits
            .iter()
            .filter(|(is, _)| *is)
            .fold(0, |all, (_, bit)| all | bit),
    }
}
