//! Small services that Wine stubs or lacks.
#![expect(unsafe_code, reason = "kernel calling convention and raw pointers")]

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kswrite_wire::wine_host::Service;
use wdk_sys::{
    BOOLEAN, CCHAR, IO_COMPLETION_ROUTINE, KIRQL, LARGE_INTEGER, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID,
    SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, STATUS_ACCESS_VIOLATION,
    STATUS_DATATYPE_MISALIGNMENT, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, ULONG,
};

use crate::irp::Irp;
use crate::{faults, irql, probe, report, sys, thread, user_irp};

/// Whether a test wants the previous mode to be kernel mode even in a program's call.
static KERNEL_MODE: AtomicBool = AtomicBool::new(false);

/// Says what `ExGetPreviousMode` says while a program's call is dispatched.
pub fn set_previous_mode(kernel: bool) {
    KERNEL_MODE.store(kernel, Ordering::Relaxed);
}

/// `ExGetPreviousMode`: user mode while a program's call is being dispatched, else kernel mode.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exgetpreviousmode>
///
/// # Safety
///
/// None.
pub unsafe extern "C" fn ex_get_previous_mode() -> CCHAR {
    CCHAR::from(user_irp::in_user_call() && !KERNEL_MODE.load(Ordering::Relaxed))
}

/// `KeGetCurrentIrql`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql>
///
/// # Safety
///
/// None.
pub unsafe extern "C" fn ke_get_current_irql() -> KIRQL {
    irql::current()
}

/// `KfRaiseIrql`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kfraiseirql>
///
/// # Safety
///
/// None.
pub unsafe extern "C" fn kf_raise_irql(level: KIRQL) -> KIRQL {
    irql::set(level)
}

/// `KeLowerIrql`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kelowerirql>
///
/// # Safety
///
/// None.
pub unsafe extern "C" fn ke_lower_irql(level: KIRQL) {
    irql::set(level);
}

/// `KeInitializeSpinLock`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializespinlock>
///
/// # Safety
///
/// `lock` may be written.
pub unsafe extern "C" fn ke_initialize_spin_lock(lock: *mut usize) {
    // SAFETY: the caller says so.
    unsafe { lock.write(0) };
}

/// `KeAcquireSpinLockRaiseToDpc`. The lock holds its owner, so that taking it twice is found.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keacquirespinlockraisetodpc>
///
/// # Safety
///
/// `lock` is an initialised spin lock.
pub unsafe extern "C" fn ke_acquire_spin_lock_raise_to_dpc(lock: *mut usize, caller: usize) -> KIRQL {
    // SAFETY: a spin lock is an aligned word that everybody changes through these functions.
    let cell = unsafe { AtomicUsize::from_ptr(lock) };
    let this = irql::thread();
    while let Err(owner) = cell.compare_exchange(0, this, Ordering::Acquire, Ordering::Relaxed) {
        if owner == this {
            let what = format_args!("spin lock {lock:p} taken twice by one thread");
            report::finding(report::UNKNOWN, Some(caller), what);
            report::bug_check(0x0F, [lock.addr(), 0, 0, 0]);
        }
        // SAFETY: no preconditions.
        unsafe { sys::ZwYieldExecution() };
    }
    irql::set(irql::DISPATCH_LEVEL)
}

/// `KeReleaseSpinLock`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kereleasespinlock>
///
/// # Safety
///
/// `lock` is held by this thread.
pub unsafe extern "C" fn ke_release_spin_lock(lock: *mut usize, level: KIRQL, caller: usize) {
    // SAFETY: as in the function above.
    let cell = unsafe { AtomicUsize::from_ptr(lock) };
    if cell.swap(0, Ordering::Release) != irql::thread() {
        let what = format_args!("spin lock {lock:p} released by a thread that does not hold it");
        report::finding(report::UNKNOWN, Some(caller), what);
    }
    if irql::current() < irql::DISPATCH_LEVEL {
        let what = format_args!("spin lock {lock:p} released at IRQL {}", irql::current());
        report::finding(report::UNKNOWN, Some(caller), what);
    }
    irql::set(level);
}

/// `KeQuerySystemTimePrecise`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kequerysystemtimeprecise>
///
/// # Safety
///
/// `time` may be written.
pub unsafe extern "C" fn ke_query_system_time_precise(time: *mut LARGE_INTEGER) {
    let now = LARGE_INTEGER {
        QuadPart: thread::now(),
    };
    // SAFETY: the caller says so.
    unsafe { time.write(now) };
}

/// `IoSetCompletionRoutineEx`. The driver of `device` stays loaded while it has a device here.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iosetcompletionroutineex>
///
/// # Safety
///
/// `irp` is an IRP that the caller owns, with a next stack location.
pub unsafe extern "C" fn io_set_completion_routine_ex(
    _device: PDEVICE_OBJECT,
    irp: PIRP,
    routine: IO_COMPLETION_ROUTINE,
    context: PVOID,
    success: BOOLEAN,
    error: BOOLEAN,
    cancel: BOOLEAN,
) -> NTSTATUS {
    if faults::strikes(Service::CompletionRoutine) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    // SAFETY: the caller owns the IRP.
    if let Some(irp) = unsafe { Irp::from_raw(irp) } {
        let next = irp.next();
        next.replace_completion(routine, context);
        let flag = |wanted: BOOLEAN, bit: u32| if wanted == 0 { 0 } else { bit };
        let control = flag(success, SL_INVOKE_ON_SUCCESS)
            | flag(error, SL_INVOKE_ON_ERROR)
            | flag(cancel, SL_INVOKE_ON_CANCEL);
        next.set_control(control as u8);
    }
    STATUS_SUCCESS
}

/// `ExRaiseStatus`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exraisestatus>
///
/// # Safety
///
/// The caller handles structured exceptions.
pub unsafe extern "C" fn ex_raise_status(status: NTSTATUS) -> ! {
    // SAFETY: no lock of the host is held.
    unsafe { sys::RtlRaiseStatus(status) }
}

fn probe_or_raise(address: PVOID, length: u64, alignment: ULONG, access: probe::Access) {
    if length == 0 {
        return;
    }
    let mask = (alignment as usize).saturating_sub(1);
    if address.addr() & mask != 0 {
        // SAFETY: no lock of the host is held; the driver handles exceptions.
        unsafe { sys::RtlRaiseStatus(STATUS_DATATYPE_MISALIGNMENT) };
    }
    if !probe::accessible(address.addr(), length as usize, access) {
        // SAFETY: as above.
        unsafe { sys::RtlRaiseStatus(STATUS_ACCESS_VIOLATION) };
    }
}

/// `ProbeForRead`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-probeforread>
///
/// # Safety
///
/// The caller handles structured exceptions.
pub unsafe extern "C" fn probe_for_read(address: PVOID, length: u64, alignment: ULONG) {
    probe_or_raise(address, length, alignment, probe::Access::Read);
}

/// `ProbeForWrite`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-probeforwrite>
///
/// # Safety
///
/// The caller handles structured exceptions.
pub unsafe extern "C" fn probe_for_write(address: PVOID, length: u64, alignment: ULONG) {
    probe_or_raise(address, length, alignment, probe::Access::Write);
}
