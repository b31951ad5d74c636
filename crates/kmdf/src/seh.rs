//! Calls that may raise a structured exception, made where it is caught.
//!
//! Rust cannot catch one, so these go through `seh.c`. Nothing of Rust is between the handler and the fault.
//! Each returns `STATUS_SUCCESS`, or the code of the exception.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::c_void;

use wdk_sys::{
    BOOLEAN, KPROCESSOR_MODE, LOCK_OPERATION, PDEVICE_OBJECT, PFAST_IO_WRITE, PFILE_OBJECT, PIO_STATUS_BLOCK,
    PMDL,
};

use crate::NtStatus;

/// The functions of `seh.c`.
mod c {
    use core::ffi::c_void;

    use wdk_sys::{BOOLEAN, KPROCESSOR_MODE, LOCK_OPERATION, NTSTATUS};

    unsafe extern "C" {
        pub(super) fn KmdfGuardedCopy(
            destination: *mut c_void,
            source: *const c_void,
            length: usize,
        ) -> NTSTATUS;
        pub(super) fn KmdfGuardedProbeForRead(address: *const c_void, length: usize) -> NTSTATUS;
        pub(super) fn KmdfGuardedAllocate(
            flags: u64,
            length: usize,
            tag: u32,
            allocated: *mut *mut c_void,
        ) -> NTSTATUS;
        pub(super) fn KmdfGuardedProbeAndLock(
            mdl: *mut c_void,
            mode: KPROCESSOR_MODE,
            operation: LOCK_OPERATION,
        ) -> NTSTATUS;
        pub(super) fn KmdfGuardedFastWrite(
            routine: *const c_void,
            file: *mut c_void,
            offset: *mut i64,
            length: u32,
            wait: BOOLEAN,
            key: u32,
            buffer: *mut c_void,
            io_status: *mut c_void,
            device: *mut c_void,
            returned: *mut BOOLEAN,
        ) -> NTSTATUS;
    }
}

/// Copies bytes. Some may be copied when an access raises an exception.
///
/// IRQL: `<= APC_LEVEL` if the source can be paged out.
///
/// # Safety
///
/// `length` bytes can be written at `destination`. `source` is readable or is a user-mode address: only for
/// those does Windows raise an exception rather than stop.
pub unsafe fn guarded_copy(destination: *mut c_void, source: *const c_void, length: usize) -> NtStatus {
    // SAFETY: the caller's promise.
    NtStatus(unsafe { c::KmdfGuardedCopy(destination, source, length) })
}

/// `ProbeForRead` without an alignment: whether a range lies in the user half of the address space. It says
/// nothing of what is there.
///
/// IRQL: `<= APC_LEVEL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-probeforread>
#[expect(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "what the dereference raises is caught"
)]
pub fn guarded_probe_for_read(address: *const c_void, length: usize) -> NtStatus {
    // SAFETY: any address may be probed; what the probe raises is caught.
    NtStatus(unsafe { c::KmdfGuardedProbeForRead(address, length) })
}

/// `ExAllocatePool2` with flags that let it raise. NULL beside a success means that there is no memory.
///
/// IRQL: `<= DISPATCH_LEVEL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepool2>
///
/// # Errors
///
/// The code of the exception: `STATUS_QUOTA_EXCEEDED`, `STATUS_INSUFFICIENT_RESOURCES`.
pub(crate) fn guarded_allocate(flags: u64, length: usize, tag: u32) -> Result<*mut c_void, NtStatus> {
    let mut allocated = core::ptr::null_mut();
    // SAFETY: the result can be written; what the call raises is caught.
    NtStatus(unsafe { c::KmdfGuardedAllocate(flags, length, tag, &raw mut allocated) }).ok()?;
    Ok(allocated)
}

/// `MmProbeAndLockPages`.
///
/// IRQL: `<= APC_LEVEL` for pageable memory.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmprobeandlockpages>
///
/// # Safety
///
/// `mdl` describes a range of the current address space and is not locked yet. `mode` is that of whoever said
/// that the range is theirs.
pub unsafe fn guarded_probe_and_lock(
    mdl: PMDL,
    mode: KPROCESSOR_MODE,
    operation: LOCK_OPERATION,
) -> NtStatus {
    // SAFETY: the caller's promise.
    NtStatus(unsafe { c::KmdfGuardedProbeAndLock(mdl.cast(), mode, operation) })
}

/// Calls a `FastIoWrite` routine with a copy of the offset, and stores what it returned in `returned`. An
/// empty slot counts as a routine that returns FALSE.
///
/// IRQL: `<= APC_LEVEL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ifs/fastiowrite>
///
/// # Safety
///
/// `routine` is from the table of the driver of `device`; the objects are referenced; the thread is one in
/// which the buffer's address means what the caller meant; `io_status` and `returned` can be written.
#[expect(clippy::too_many_arguments, reason = "they are the routine's")]
pub unsafe fn guarded_fast_write(
    routine: PFAST_IO_WRITE,
    file: PFILE_OBJECT,
    mut offset: i64,
    length: u32,
    wait: BOOLEAN,
    key: u32,
    buffer: *mut c_void,
    io_status: PIO_STATUS_BLOCK,
    device: PDEVICE_OBJECT,
    returned: *mut BOOLEAN,
) -> NtStatus {
    let Some(routine) = routine else {
        // SAFETY: the caller's promise.
        unsafe { *returned = 0 };
        return NtStatus::SUCCESS;
    };
    let routine = routine as *const c_void;
    // SAFETY: the caller's promise; the offset lives until the call returns.
    NtStatus(unsafe {
        c::KmdfGuardedFastWrite(
            routine,
            file.cast(),
            &raw mut offset,
            length,
            wait,
            key,
            buffer,
            io_status.cast(),
            device.cast(),
            returned,
        )
    })
}
