//! IRPs that belong to a thread: `IoBuildSynchronousFsdRequest`, and the last stage that the I/O manager performs.
//!
//! Wine writes the status block and sets the event of such an IRP whatever became of it, and gives no references
//! back. Here the rules are those that Windows has for IRPs with a file object. The last stage runs in the
//! thread that completes the IRP, not as an APC of the issuer, and queues no packet to a port.
#![expect(unsafe_code, reason = "makes, completes and cancels IRPs")]

use alloc::collections::BTreeMap;

use wdk_sys::{
    BOOLEAN, FO_SKIP_SET_EVENT, FO_SYNCHRONOUS_IO, IO_COMPLETION_ROUTINE, IO_STATUS_BLOCK,
    IRP_DEALLOCATE_BUFFER, IRP_MJ_FLUSH_BUFFERS, IRP_SYNCHRONOUS_API, NTSTATUS, PDEVICE_OBJECT,
    PIO_STATUS_BLOCK, PIRP, PKEVENT, PLARGE_INTEGER, PVOID, STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS,
    ULONG,
};

use crate::irp::Irp;
use crate::lock::Lock;
use crate::mdl::Mdl;
use crate::{mdl, objects, own_irps, pool, report, sys};

/// What is known of an IRP of a thread.
#[derive(Clone, Copy, Default)]
struct Live {
    /// Threads that are cancelling it.
    cancelling: u32,
    /// Its last stage is over, but for giving it back.
    over: bool,
    /// The device marked it pending.
    pended: bool,
    /// The completion routine of the driver that sent it.
    routine: IO_COMPLETION_ROUTINE,
    /// The context of that routine.
    context: usize,
}

static LIVE: Lock<BTreeMap<usize, Live>> = Lock::new(BTreeMap::new());

/// `IoBuildSynchronousFsdRequest` for a request without a buffer. The IRP gets a stack location more, whose
/// completion routine is the last stage.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iobuildsynchronousfsdrequest>
///
/// # Safety
///
/// The device is live; the event and the status block are until the request is over.
pub unsafe extern "C" fn io_build_synchronous_fsd_request(
    major: ULONG,
    device: PDEVICE_OBJECT,
    _buffer: PVOID,
    _length: ULONG,
    _offset: PLARGE_INTEGER,
    event: PKEVENT,
    block: PIO_STATUS_BLOCK,
) -> PIRP {
    if major != IRP_MJ_FLUSH_BUFFERS {
        let what = format_args!("IoBuildSynchronousFsdRequest: major function {major:#x} is not emulated");
        report::finding(report::UNKNOWN, None, what);
        return core::ptr::null_mut();
    }
    // SAFETY: the caller passes a live device.
    let locations = unsafe { (*device).StackSize }.saturating_add(1);
    // SAFETY: a positive number of stack locations may be asked for.
    let raw = unsafe { own_irps::io_allocate_irp(locations, 0, caller()) };
    // SAFETY: NULL, or the new IRP.
    let Some(irp) = (unsafe { Irp::from_raw(raw) }) else {
        return raw;
    };
    LIVE.lock().insert(irp.address(), Live::default());
    irp.set_next();
    irp.current()
        .set_completion(Some(last_stage), core::ptr::null_mut());
    // SAFETY: no preconditions.
    let thread = unsafe { sys::PsGetCurrentThread() };
    // SAFETY: the IRP is new.
    let fields = unsafe { &mut *raw };
    fields.UserEvent = event;
    fields.UserIosb = block;
    fields.Flags = IRP_SYNCHRONOUS_API;
    fields.Tail.Overlay.Thread = thread.cast();
    irp.next().set_major(major as u8);
    raw
}

/// An address in this image, for the tables of what is outstanding.
fn caller() -> usize {
    last_stage as unsafe extern "C" fn(PDEVICE_OBJECT, PIRP, PVOID) -> NTSTATUS as usize
}

/// A driver sends an IRP. If it is one of a thread, it is noted what the device does with it: Windows has no stack
/// location above that of the device, and remembers its mark.
pub fn about_to_send(irp: Irp) {
    let mut live = LIVE.lock();
    let Some(state) = live.get_mut(&irp.address()) else {
        return;
    };
    let next = irp.next();
    let (routine, context) = next.completion();
    state.routine = routine;
    state.context = context.expose_provenance();
    next.set_completion(Some(device_done), core::ptr::null_mut());
}

/// The device is done with an IRP of a thread: goes on with the driver's own routine.
unsafe extern "C" fn device_done(device: PDEVICE_OBJECT, raw: PIRP, _context: PVOID) -> NTSTATUS {
    // SAFETY: Wine calls with the IRP that it is completing.
    let Some(irp) = (unsafe { Irp::from_raw(raw) }) else {
        return STATUS_SUCCESS;
    };
    let state = {
        let mut live = LIVE.lock();
        live.get_mut(&irp.address()).map(|state| {
            state.pended = irp.pending_returned();
            *state
        })
    };
    let Some((routine, state)) = state.and_then(|state| Some((state.routine?, state))) else {
        return STATUS_SUCCESS;
    };
    // SAFETY: the routine and its context are those that the driver set.
    unsafe { routine(device, raw, core::ptr::with_exposed_provenance_mut(state.context)) }
}

/// The last completion routine of an IRP of a thread.
unsafe extern "C" fn last_stage(_device: PDEVICE_OBJECT, raw: PIRP, _context: PVOID) -> NTSTATUS {
    // SAFETY: Wine calls with the IRP that it is completing.
    let Some(irp) = (unsafe { Irp::from_raw(raw) }) else {
        return STATUS_MORE_PROCESSING_REQUIRED;
    };
    let pended = LIVE.lock().get(&irp.address()).is_some_and(|state| state.pended);
    give_buffers_back(irp);
    report_end(irp, pended);
    let over = {
        let mut live = LIVE.lock();
        let Some(state) = live.get_mut(&irp.address()) else {
            return STATUS_MORE_PROCESSING_REQUIRED;
        };
        state.over = true;
        let free = state.cancelling == 0;
        if free {
            live.remove(&irp.address());
        }
        free
    };
    if over {
        retire(raw);
    }
    STATUS_MORE_PROCESSING_REQUIRED
}

fn retire(raw: PIRP) {
    // SAFETY: the IRP was made here, is complete, and nobody has it any more.
    unsafe { own_irps::io_free_irp(raw, caller()) };
}

fn give_buffers_back(irp: Irp) {
    let mut fields = irp.buffers();
    // SAFETY: the MDL is the IRP's.
    if let Some(view) = unsafe { Mdl::from_raw(fields.mdl) } {
        if view.is_locked() {
            // SAFETY: the driver locked it for this IRP.
            unsafe { mdl::mm_unlock_pages(fields.mdl, caller()) };
        }
        // SAFETY: the driver allocated it for this IRP.
        unsafe { mdl::io_free_mdl(fields.mdl, caller()) };
    }
    // SAFETY: the IRP is complete, and not freed.
    let flags = unsafe { (*irp.as_ptr()).Flags };
    if flags & IRP_DEALLOCATE_BUFFER != 0 {
        // SAFETY: the driver allocated it for this IRP.
        unsafe { pool::ex_free_pool(fields.system_buffer, caller()) };
        fields.system_buffer = core::ptr::null_mut();
    }
    fields.mdl = core::ptr::null_mut();
    irp.set_buffers(fields);
}

/// Status block, events, references.
fn report_end(irp: Irp, pended: bool) {
    // SAFETY: the IRP is complete, and not freed.
    let header = unsafe { irp.as_ptr().read() };
    // SAFETY: the IRP is in no queue.
    let file = unsafe { header.Tail.Overlay.OriginalFileObject };
    let status = irp.status();
    let error = status.cast_unsigned() >> 30 == 3;
    // SAFETY: NULL, or referenced by the driver for this IRP.
    let file_flags = unsafe { file.as_ref() }.map_or(FO_SYNCHRONOUS_IO, |file| file.Flags);
    let synchronous = file_flags & FO_SYNCHRONOUS_IO != 0;
    if !error || pended && !synchronous {
        let mut block = IO_STATUS_BLOCK {
            Information: irp.information(),
            ..IO_STATUS_BLOCK::default()
        };
        block.__bindgen_anon_1.Status = status;
        // SAFETY: the driver keeps its block until the request is over.
        unsafe { header.UserIosb.write_volatile(block) };
    }
    if !error || pended {
        if !header.UserEvent.is_null() {
            // SAFETY: the driver keeps its event until the request is over.
            unsafe { sys::KeSetEvent(header.UserEvent, 0, 0) };
        } else if !file.is_null() {
            // SAFETY: the file object is referenced.
            let object = unsafe { &mut *file };
            object.FinalStatus = status;
            if synchronous || file_flags & FO_SKIP_SET_EVENT == 0 {
                // SAFETY: the event was initialised when the file was opened.
                unsafe { sys::KeSetEvent(&raw mut object.Event, 0, 0) };
            }
        }
    }
    if file.is_null() {
        return;
    }
    if !header.UserEvent.is_null() && header.Flags & IRP_SYNCHRONOUS_API == 0 {
        // SAFETY: the driver referenced it for this.
        unsafe { objects::obf_dereference_object(header.UserEvent.cast(), caller()) };
    }
    // SAFETY: the driver referenced it for this.
    unsafe { objects::obf_dereference_object(file.cast(), caller()) };
}

/// `IoCancelIrp`. An IRP of a thread whose last stage is over is left alone: Windows runs that stage in the
/// issuing thread, which holds it off while it cancels.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iocancelirp>
///
/// # Safety
///
/// The IRP is one that the caller may cancel.
pub unsafe extern "C" fn io_cancel_irp(raw: PIRP) -> BOOLEAN {
    let address = raw.expose_provenance();
    let ours = {
        let mut live = LIVE.lock();
        live.get_mut(&address)
            .map(|state| state.cancelling += 1)
            .is_some()
    };
    let was_ours = own_irps::IRPS
        .get(address)
        .is_some_and(|held| held.caller == caller() && held.detail == own_irps::State::Freed);
    if !ours && was_ours {
        return 0;
    }
    // SAFETY: the caller's promise; an IRP of a thread is kept until this is over.
    let called = unsafe { sys::IoCancelIrp(raw) };
    let over = ours && {
        let mut live = LIVE.lock();
        let over = live.get_mut(&address).is_some_and(|state| {
            state.cancelling -= 1;
            state.over && state.cancelling == 0
        });
        if over {
            live.remove(&address);
        }
        over
    };
    if over {
        retire(raw);
    }
    called
}
