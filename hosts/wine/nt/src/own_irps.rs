//! IRPs that drivers allocate: counted, poisoned when freed, and kept for a while to see who still writes.
#![expect(unsafe_code, reason = "allocates, fills and frees IRPs")]

use alloc::collections::VecDeque;

use kswrite_wire::wine_host::Service;
use wdk_sys::{
    BOOLEAN, CCHAR, IRP, NTSTATUS, PDEVICE_OBJECT, PIRP, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
};

use crate::counts::Table;
use crate::irp::{Irp, TYPE_IRP};
use crate::lock::Lock;
use crate::{faults, report, sys};

/// Whether an IRP that a driver allocated is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Live,
    /// It was freed and is in the ring.
    Freed,
}

/// IRPs of drivers; a freed one stays until its memory is given back.
pub static IRPS: Table<State> = Table::new();

/// Freed IRPs that are kept.
const KEPT: usize = 512;
const POISON: u8 = 0xDD;
static RING: Lock<VecDeque<usize>> = Lock::new(VecDeque::new());

/// `IoAllocateIrp`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-ioallocateirp>
///
/// # Safety
///
/// None beyond the convention of the call.
pub unsafe extern "C" fn io_allocate_irp(stack_size: CCHAR, charge_quota: BOOLEAN, caller: usize) -> PIRP {
    if stack_size < 1 {
        let what = format_args!("IoAllocateIrp with {stack_size} stack locations");
        report::finding(report::UNKNOWN, Some(caller), what);
        return core::ptr::null_mut();
    }
    if faults::strikes(Service::AllocateIrp) {
        return core::ptr::null_mut();
    }
    // SAFETY: a positive number of stack locations may be asked for.
    let irp = unsafe { sys::IoAllocateIrp(stack_size, charge_quota) };
    if !irp.is_null() {
        IRPS.insert(irp.expose_provenance(), caller, State::Live);
    }
    irp
}

/// `IoFreeIrp`. Does not free the MDLs of the IRP, as Windows does not and Wine does.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iofreeirp>
///
/// # Safety
///
/// `irp` came from `IoAllocateIrp`; anything else is reported and left alone.
pub unsafe extern "C" fn io_free_irp(irp: PIRP, caller: usize) {
    let was = IRPS.update(irp.expose_provenance(), |state| {
        core::mem::replace(state, State::Freed)
    });
    if was != Some(State::Live) {
        let what = match was {
            Some(_) => "freed twice",
            None => "freed, but not allocated by a driver",
        };
        report::finding(report::UNKNOWN, Some(caller), format_args!("IRP {irp:p} {what}"));
        return;
    }
    // SAFETY: the table says that the IRP is live.
    let Some(view) = (unsafe { Irp::from_raw(irp) }) else {
        return;
    };
    if view.location() <= view.stack_count() {
        let what = format_args!(
            "IRP {irp:p} freed at stack location {} of {}: it was not complete",
            view.location(),
            view.stack_count()
        );
        report::finding(report::UNKNOWN, Some(caller), what);
    }
    poison(view);
    keep(irp.expose_provenance());
}

fn bytes_of(view: Irp) -> usize {
    usize::from(view.kind().1).max(size_of::<IRP>())
}

/// Fills everything but type and size, which say how much to look at later.
fn poison(view: Irp) {
    let from = core::mem::offset_of!(IRP, MdlAddress);
    // SAFETY: the offset lies within the IRP.
    let start = unsafe { view.as_ptr().cast::<u8>().add(from) };
    // SAFETY: an IRP of this size was allocated, and nobody may use it any more.
    unsafe { start.write_bytes(POISON, bytes_of(view) - from) };
}

fn is_untouched(view: Irp) -> bool {
    let from = core::mem::offset_of!(IRP, MdlAddress);
    // SAFETY: the memory of a kept IRP is still allocated, at this size.
    let bytes = unsafe { core::slice::from_raw_parts(view.as_ptr().cast::<u8>(), bytes_of(view)) };
    bytes
        .get(from..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == POISON))
}

fn keep(address: usize) {
    let old = {
        let mut ring = RING.lock();
        ring.push_back(address);
        (ring.len() > KEPT).then(|| ring.pop_front()).flatten()
    };
    if let Some(old) = old {
        release(old);
    }
}

/// Looks at a kept IRP for the last time and gives its memory back.
fn release(address: usize) {
    let irp: PIRP = core::ptr::with_exposed_provenance_mut(address);
    // SAFETY: a kept IRP is still allocated.
    let Some(view) = (unsafe { Irp::from_raw(irp) }) else {
        return;
    };
    let held = IRPS.remove(address);
    if view.kind().0 != TYPE_IRP || !is_untouched(view) {
        let caller = held.map(|held| held.caller);
        report::finding(
            report::UNKNOWN,
            caller,
            format_args!("IRP {address:#x} was written to after it was freed"),
        );
    }
    // Wine would free the MDLs, which are poison now.
    let mut fields = view.buffers();
    fields.mdl = core::ptr::null_mut();
    view.set_buffers(fields);
    // SAFETY: the IRP came from IoAllocateIrp and left the ring just now.
    unsafe { sys::IoFreeIrp(irp) };
}

/// Reports use of a freed IRP.
pub fn is_freed(irp: Irp, driver: &str, caller: Option<usize>) -> bool {
    let freed = IRPS
        .get(irp.address())
        .is_some_and(|held| held.detail == State::Freed);
    if freed {
        report::finding(
            driver,
            caller,
            format_args!("use of IRP {:p} after it was freed", irp.as_ptr()),
        );
    }
    freed
}

/// `IofCallDriver`, with the checks of Driver Verifier that make sense here.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iofcalldriver>
///
/// # Safety
///
/// `device` is a live device and `irp` an IRP that the caller owns.
pub unsafe extern "C" fn iof_call_driver(device: PDEVICE_OBJECT, irp: PIRP, caller: usize) -> NTSTATUS {
    // SAFETY: the caller owns the IRP; a freed one is still mapped, and is found below.
    let Some(view) = (unsafe { Irp::from_raw(irp) }) else {
        return STATUS_INVALID_PARAMETER;
    };
    let name = report::UNKNOWN;
    if is_freed(view, name, Some(caller)) || crate::user_irp::is_done(view, name, Some(caller)) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    // SAFETY: the caller passes a live device.
    let needed = unsafe { (*device).StackSize };
    if view.remaining() < 1 {
        let what = format_args!("IofCallDriver: IRP {irp:p} has no stack location left");
        report::finding(name, Some(caller), what);
        report::bug_check(0x35, [irp.addr(), 0, 0, 0]);
    }
    if view.remaining() < needed {
        let what = format_args!(
            "IofCallDriver: IRP {irp:p} has {} stack locations left, the device needs {needed}",
            view.remaining()
        );
        report::finding(name, Some(caller), what);
    }
    crate::sent::note(view);
    crate::thread_irps::about_to_send(view);
    // SAFETY: the caller passes a live device, and the stack locations were counted.
    unsafe { view.call(device) }
}

/// `IofCompleteRequest`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iofcompleterequest>
///
/// # Safety
///
/// `irp` is an IRP that the caller owns.
pub unsafe extern "C" fn iof_complete_request(irp: PIRP, _boost: CCHAR, caller: usize) {
    // SAFETY: the caller owns the IRP; a freed or complete one is still mapped, and is found below.
    if let Some(view) = unsafe { Irp::from_raw(irp) } {
        view.complete(report::UNKNOWN, Some(caller));
    }
}

/// IRPs of drivers that are not freed.
pub fn outstanding() -> u32 {
    IRPS.count(|state| *state == State::Live)
}

/// Looks at the kept IRPs and reports those that the driver at `base` did not free.
pub fn report_leaks(driver: &str, base: usize) {
    loop {
        let Some(kept) = RING.lock().pop_front() else {
            break;
        };
        release(kept);
    }
    IRPS.report_leaks(driver, base, |address, _| {
        Some(alloc::format!("IRP {address:#x}"))
    });
}
