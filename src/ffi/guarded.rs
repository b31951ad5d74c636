//! Calls that may raise a structured exception, and the fast-I/O routines of other drivers.
//!
//! The handlers are in C (`kmdf::seh`); Rust cannot catch such an exception.
#![expect(
    unsafe_code,
    reason = "calls routines of other drivers, and touches addresses of programs"
)]

use core::ffi::c_void;

use kmdf::{pool::NonPagedBuffer, seh};
use kswrite_core::{IoStatus, NtStatus, ProcessorMode, WriteCall, fast};
use wdk_sys::{IO_STATUS_BLOCK, PFAST_IO_WRITE, ntddk::ExGetPreviousMode};

use super::{
    capture::mode_from_raw,
    narrow::bytes,
    target::{File, Target},
};
use crate::{fast_io, kernel::NtKernel};

/// Pool tag of captured buffers: `KsWb`.
const CAPTURE_TAG: u32 = u32::from_le_bytes(*b"KsWb");

/// An address that a request gave: an allegation, until it was probed or an access succeeded.
#[derive(Clone, Copy)]
pub struct Address(*mut c_void);

impl Address {
    /// What the request said.
    pub const fn new(address: *mut c_void) -> Self {
        Self(address)
    }

    /// Where these bytes are.
    pub const fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.as_ptr().cast_mut().cast())
    }

    /// An address that a program gave as a number.
    pub fn alleged(address: u64) -> Self {
        // The driver is for 64-bit systems alone.
        Self(core::ptr::with_exposed_provenance_mut(
            usize::try_from(address).unwrap_or(usize::MAX),
        ))
    }

    /// The pointer, for a field or a call of the kernel.
    pub const fn as_ptr(self) -> *mut c_void {
        self.0
    }
}

/// The `FastIoWrite` routine of a driver that has a device below.
///
/// # Invariants
///
/// It came from the fast-I/O table of a device's driver, which is loaded as long as the device exists.
#[derive(Clone, Copy)]
pub struct FastWrite(PFAST_IO_WRITE);

/// The arguments of a fast-I/O write beside the device.
struct FastArguments {
    /// The file object.
    file: File,
    /// The byte offset; the routine gets a copy.
    offset: i64,
    /// Bytes.
    length: u32,
    /// Whether the routine may block.
    wait: bool,
    /// The lock key.
    key: u32,
    /// The bare address.
    address: *mut c_void,
}

/// `ExGetPreviousMode`.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub fn previous_mode() -> ProcessorMode {
    // SAFETY: no preconditions.
    mode_from_raw(unsafe { ExGetPreviousMode() })
}

/// The `FastIoWrite` slot of a device whose table has one.
///
/// IRQL: any.
pub fn fast_write_slot(target: Target) -> Option<FastWrite> {
    if target.fast_table_size()? < fast::TABLE_SIZE_WITH_WRITE {
        return None;
    }
    // SAFETY: the size of the table was checked just now; a table does not shrink.
    let slot = unsafe { target.fast_write_slot() };
    slot.is_some().then_some(FastWrite(slot))
}

/// Calls the routine for a captured write. `None`: it returned FALSE.
///
/// IRQL: `<= APC_LEVEL`.
///
/// # Errors
///
/// The code of the exception that it raised.
pub fn fast_write(
    routine: FastWrite,
    call: &WriteCall<NtKernel>,
    address: Address,
) -> Result<Option<IoStatus>, NtStatus> {
    let Some(file) = call.file else { return Ok(None) };
    let arguments = FastArguments {
        file,
        offset: call.offset,
        length: call.length,
        wait: call.may_wait,
        key: call.key,
        address: address.0,
    };
    call_routine(routine, &arguments, call.device)
}

/// Calls the routine. `None`: it returned FALSE.
///
/// IRQL: `<= APC_LEVEL`.
///
/// # Errors
///
/// The code of the exception that it raised.
fn call_routine(
    routine: FastWrite,
    arguments: &FastArguments,
    target: Target,
) -> Result<Option<IoStatus>, NtStatus> {
    let mut iosb = IO_STATUS_BLOCK::default();
    let mut done = 0;
    // SAFETY: the routine is a loaded driver's (invariant of the type), the device is the one it belongs to,
    // the file object is alive for the call. What the address is worth is the routine's to find out; the
    // exception that it may raise is caught.
    let status = unsafe {
        seh::guarded_fast_write(
            routine.0,
            arguments.file.as_ptr(),
            arguments.offset,
            arguments.length,
            arguments.wait.into(),
            arguments.key,
            arguments.address,
            &raw mut iosb,
            target.as_ptr(),
            &raw mut done,
        )
    };
    status.ok()?;
    if done == 0 {
        return Ok(None);
    }
    // SAFETY: any bits are a status.
    let status = NtStatus(unsafe { iosb.__bindgen_anon_1.Status });
    Ok(Some(IoStatus {
        status,
        information: bytes(iosb.Information),
    }))
}

/// Passes on a fast-I/O call that came to this driver. `None`: it was declined, or raised an exception, and
/// the caller goes on by IRP.
///
/// IRQL: `<= APC_LEVEL`, in the thread of the caller.
pub fn forward_fast_write(routine: FastWrite, target: Target, call: &fast_io::Call<'_>) -> Option<IoStatus> {
    let arguments = FastArguments {
        // SAFETY: the caller of a fast-I/O routine references the file object until the routine returns.
        file: unsafe { File::new(call.file) },
        offset: call.offset,
        length: call.length,
        wait: call.wait,
        key: call.key,
        address: call.buffer,
    };
    call_routine(routine, &arguments, target).ok().flatten()
}

/// Whether a range lies in the user half of the address space: `ProbeForRead`.
///
/// IRQL: `<= APC_LEVEL`.
pub fn probe_for_read(address: Address, length: u32) -> NtStatus {
    seh::guarded_probe_for_read(address.0, length as usize)
}

/// Copies the bytes of a raw address into a system buffer, which is charged to the current process.
///
/// IRQL: `<= APC_LEVEL`, in the address space of the address.
///
/// # Errors
///
/// The exception code, `STATUS_QUOTA_EXCEEDED`, or `STATUS_INSUFFICIENT_RESOURCES`.
pub fn capture(address: Address, length: u32) -> Result<NonPagedBuffer, NtStatus> {
    let mut buffer = NonPagedBuffer::charged(length as usize, CAPTURE_TAG)?;
    // SAFETY: the destination is ours and has `length` bytes; a fault on the source is caught.
    unsafe { seh::guarded_copy(buffer.as_mut_ptr().cast(), address.0, length as usize) }.ok()?;
    Ok(buffer)
}
