//! Which imports of a driver are answered by this crate, and how the caller gets known.
//!
//! Most functions here want to know who called. A return address is on top of the stack when a function is
//! entered, so each such import gets an entry of two instructions that moves it into the first argument
//! register that the function leaves free, and jumps on. It makes no frame, so exceptions unwind through it.
#![expect(unsafe_code, reason = "entries in assembly; import tables are patched")]

use core::arch::naked_asm;

use crate::{etw, image, mdl, misc, objects, own_irps, pool, report, thread_irps};

/// An entry that passes the return address as argument `$register`.
macro_rules! entry {
    ($name:ident, $register:literal, $target:path) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name() {
            naked_asm!(concat!("mov ", $register, ", [rsp]"), "jmp {}", sym $target)
        }
    };
}

entry!(ex_allocate_pool2, "r9", pool::ex_allocate_pool2);
entry!(ex_allocate_pool_with_tag, "r9", pool::ex_allocate_pool_with_tag);
entry!(ex_free_pool, "rdx", pool::ex_free_pool);
entry!(ex_free_pool_with_tag, "r8", pool::ex_free_pool_with_tag);
entry!(io_allocate_irp, "r8", own_irps::io_allocate_irp);
entry!(io_free_irp, "rdx", own_irps::io_free_irp);
entry!(iof_call_driver, "r8", own_irps::iof_call_driver);
entry!(iof_complete_request, "r8", own_irps::iof_complete_request);
entry!(io_free_mdl, "rdx", mdl::io_free_mdl);
entry!(mm_probe_and_lock_pages, "r9", mdl::mm_probe_and_lock_pages);
entry!(mm_unlock_pages, "rdx", mdl::mm_unlock_pages);
entry!(obf_reference_object, "rdx", objects::obf_reference_object);
entry!(obf_dereference_object, "rdx", objects::obf_dereference_object);
entry!(
    io_get_attached_device_reference,
    "rdx",
    objects::io_get_attached_device_reference
);
entry!(acquire_spin_lock, "rdx", misc::ke_acquire_spin_lock_raise_to_dpc);
entry!(release_spin_lock, "r8", misc::ke_release_spin_lock);

/// Five arguments: the two BOOLEANs share a register, which frees one.
#[unsafe(naked)]
unsafe extern "C" fn io_allocate_mdl() {
    naked_asm!(
        "movzx r8d, r8b",
        "movzx r9d, r9b",
        "lea r8d, [r8 + r9 * 2]",
        "mov r9, [rsp]",
        "jmp {}",
        sym mdl::io_allocate_mdl
    )
}

/// Six arguments: access and mode share a register, and the type moves up, which frees one.
#[unsafe(naked)]
unsafe extern "C" fn ob_reference_object_by_handle() {
    naked_asm!(
        "mov edx, edx",
        "movzx r9d, r9b",
        "shl r9, 32",
        "or rdx, r9",
        "mov r9, [rsp]",
        "jmp {}",
        sym objects::ob_reference_object_by_handle
    )
}

/// An import, and the function that takes its place.
struct Replacement {
    name: &'static str,
    function: *const (),
}

// SAFETY: a name and the address of code, which do not change.
unsafe impl Sync for Replacement {}

macro_rules! replacements {
    ($($name:ident => $function:path,)+) => {
        &[$(Replacement { name: stringify!($name), function: $function as *const () }),+]
    };
}

static REPLACEMENTS: &[Replacement] = replacements! {
    EtwRegister => etw::etw_register,
    EtwSetInformation => etw::etw_set_information,
    EtwUnregister => etw::etw_unregister,
    EtwWriteTransfer => etw::etw_write_transfer,
    ExAllocatePool2 => ex_allocate_pool2,
    ExAllocatePoolWithTag => ex_allocate_pool_with_tag,
    ExFreePool => ex_free_pool,
    ExFreePoolWithTag => ex_free_pool_with_tag,
    ExGetPreviousMode => misc::ex_get_previous_mode,
    ExRaiseStatus => misc::ex_raise_status,
    IoAllocateIrp => io_allocate_irp,
    IoAllocateMdl => io_allocate_mdl,
    IoBuildPartialMdl => mdl::io_build_partial_mdl,
    IoBuildSynchronousFsdRequest => thread_irps::io_build_synchronous_fsd_request,
    IoCancelIrp => thread_irps::io_cancel_irp,
    IoFreeIrp => io_free_irp,
    IoFreeMdl => io_free_mdl,
    IoGetAttachedDeviceReference => io_get_attached_device_reference,
    IoGetRelatedDeviceObject => objects::io_get_related_device_object,
    IoIsOperationSynchronous => objects::io_is_operation_synchronous,
    IoSetCompletionRoutineEx => misc::io_set_completion_routine_ex,
    IofCallDriver => iof_call_driver,
    IofCompleteRequest => iof_complete_request,
    KeAcquireSpinLockRaiseToDpc => acquire_spin_lock,
    KeGetCurrentIrql => misc::ke_get_current_irql,
    KeInitializeSpinLock => misc::ke_initialize_spin_lock,
    KeLowerIrql => misc::ke_lower_irql,
    KeQuerySystemTimePrecise => misc::ke_query_system_time_precise,
    KeReleaseSpinLock => release_spin_lock,
    KfRaiseIrql => misc::kf_raise_irql,
    MmBuildMdlForNonPagedPool => mdl::mm_build_mdl_for_non_paged_pool,
    MmMapLockedPagesSpecifyCache => mdl::mm_map_locked_pages_specify_cache,
    MmProbeAndLockPages => mm_probe_and_lock_pages,
    MmUnlockPages => mm_unlock_pages,
    MmUnmapLockedPages => mdl::mm_unmap_locked_pages,
    ObDereferenceObject => obf_dereference_object,
    ObReferenceObject => obf_reference_object,
    ObReferenceObjectByHandle => ob_reference_object_by_handle,
    ObfDereferenceObject => obf_dereference_object,
    ObfReferenceObject => obf_reference_object,
    ProbeForRead => misc::probe_for_read,
    ProbeForWrite => misc::probe_for_write,
    RtlRaiseStatus => misc::ex_raise_status,
};

/// Puts the functions of this crate into the import table of the image at `base`.
///
/// Gives how many were put in. An import that is neither here nor exported by Wine is reported: calling it
/// would end the process.
pub fn install(driver: &str, base: usize) -> usize {
    let ntoskrnl = image::ntoskrnl_base();
    let mut patched = 0;
    for import in image::imports(base) {
        if !import.module.eq_ignore_ascii_case("ntoskrnl.exe")
            && !import.module.eq_ignore_ascii_case("hal.dll")
        {
            continue;
        }
        let found = REPLACEMENTS
            .iter()
            .find(|replacement| replacement.name == import.name);
        if let Some(replacement) = found {
            let function = replacement.function.expose_provenance();
            patched += usize::from(image::patch(import.slot, function).is_some());
        } else if import.module.eq_ignore_ascii_case("ntoskrnl.exe")
            && image::export(ntoskrnl, &import.name).is_none()
        {
            let what = format_args!("import {} is neither in Wine nor in its host", import.name);
            report::finding(driver, Some(base), what);
        }
    }
    patched
}
