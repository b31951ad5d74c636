//! Reads a write IRP that was given to the filter.
#![expect(unsafe_code, reason = "an IRP is a C structure")]

use core::ptr::NonNull;

use kmdf::{
    irp::{HeldIrp, Major},
    irql,
    write_irp::WriteIrp,
};
use kswrite_core::{BufferMethod, ByteOffset, Data, FileWrite, ProcessorMode, WriteCall, bypasses_cache};
use kswrite_state::record::Facts;
use wdk_sys::{
    KPROCESSOR_MODE,
    ntddk::{IoGetRequestorProcess, PsGetCurrentProcessId, PsGetProcessId},
};

use super::{
    guarded::Address,
    mdl::BorrowedMdl,
    narrow::{KERNEL_MODE, NORMAL, USER_MODE},
    target::{File, Target},
};
use crate::{
    kernel::NtKernel,
    slots::{FILE_OBJECTS, Slot},
};

/// `KPROCESSOR_MODE` of a mode.
pub fn raw_mode(mode: ProcessorMode) -> KPROCESSOR_MODE {
    match mode {
        ProcessorMode::Kernel => KERNEL_MODE,
        ProcessorMode::User => USER_MODE,
    }
}

/// The mode that a `KPROCESSOR_MODE` stands for. Anything but kernel mode is not to be believed.
pub fn mode_from_raw(mode: KPROCESSOR_MODE) -> ProcessorMode {
    if mode == KERNEL_MODE {
        ProcessorMode::Kernel
    } else {
        ProcessorMode::User
    }
}

/// Whether this is a write as `WriteFile` means it: `IRP_MN_NORMAL`, with one MDL, if any, that covers it.
/// The others, such as the MDL writes of file systems, are between the driver above and the one below.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub fn is_plain(request: &WriteIrp) -> bool {
    let covered = mdl(request).is_none_or(|mdl| request.transfer().length <= mdl.length());
    request.stack().MinorFunction == NORMAL && covered
}

/// Reads every argument of the write, once.
///
/// IRQL: `<= DISPATCH_LEVEL`, in the context in which the request came.
pub fn capture(request: &WriteIrp, target: Target) -> WriteCall<NtKernel> {
    let irp = request.as_ptr();
    let stack = request.stack();
    // SAFETY: the major function is IRP_MJ_WRITE, so `Write` is the valid member.
    let write = unsafe { stack.Parameters.Write };
    // SAFETY: `QuadPart` is valid for any content of the union.
    let offset = unsafe { write.ByteOffset.QuadPart };
    // SAFETY: the IRP is held.
    let irp_flags = unsafe { (*irp).Flags };
    let file = NonNull::new(stack.FileObject).map(|file| {
        // SAFETY: the file object of an IRP that is not complete.
        unsafe { File::new(file) }
    });
    let may_page = irql::current() <= irql::APC_LEVEL;
    WriteCall {
        file,
        device: target,
        data: data(request, target.buffer_method(), write.Length),
        length: write.Length,
        offset,
        key: write.Key,
        mode: requestor_mode(request),
        in_requestor_context: may_page && in_requestor_process(request),
        may_page,
        may_wait: file.is_some_and(File::is_synchronous),
        bypasses_cache: bypasses_cache(irp_flags, stack.Flags),
        stack_flags: stack.Flags,
        irp_flags,
    }
}

/// What a trace says of the write. The process is asked for only where that may be.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub fn facts(request: &WriteIrp, slot: &'static Slot) -> Facts {
    let transfer = request.transfer();
    let may_ask = irql::current() <= irql::APC_LEVEL;
    Facts {
        device: slot.number(),
        offset: transfer.offset,
        // It came from a ULONG.
        length: u32::try_from(transfer.length).unwrap_or(u32::MAX),
        process: on_the_wire(if may_ask { requestor_process(request) } else { None }),
        mode: requestor_mode(request),
    }
}

/// The same of a write to a file object, in the process that asked for it.
///
/// IRQL: `PASSIVE_LEVEL`.
pub fn file_facts(write: &FileWrite<NtKernel>) -> Facts {
    /// `FILE_USE_FILE_POINTER_POSITION`.
    const AT_THE_POSITION: i64 = -2;
    Facts {
        device: FILE_OBJECTS.number(),
        offset: match write.offset {
            ByteOffset::Current => AT_THE_POSITION,
            ByteOffset::At(offset) => offset,
        },
        length: write.length,
        process: on_the_wire(Some(current_process_id())),
        mode: write.mode,
    }
}

/// Process numbers have 32 bits.
fn on_the_wire(process: Option<usize>) -> u32 {
    process.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

/// Where the bytes are, by the method of this stack: what the I/O manager filled in for it.
fn data(request: &WriteIrp, method: BufferMethod, length: u32) -> Data<NtKernel> {
    let irp = request.as_ptr();
    // SAFETY: the IRP is held.
    let raw = Data::Raw(Address::new(unsafe { (*irp).UserBuffer }));
    if length == 0 {
        return raw;
    }
    match method {
        BufferMethod::Buffered => {
            // SAFETY: the IRP is held.
            let field = unsafe { &raw const (*irp).AssociatedIrp.SystemBuffer };
            // SAFETY: a write uses this member of the union.
            let buffer = unsafe { field.read() };
            if buffer.is_null() {
                raw
            } else {
                Data::System(Address::new(buffer))
            }
        }
        BufferMethod::Direct => mdl(request).map_or(raw, |mdl| Data::Locked {
            mdl,
            address: mdl.virtual_address(),
        }),
        BufferMethod::Neither => raw,
    }
}

/// The MDL of the request, whose pages are locked before a driver sees the IRP.
fn mdl(request: &WriteIrp) -> Option<BorrowedMdl> {
    // SAFETY: the IRP is held.
    NonNull::new(unsafe { (*request.as_ptr()).MdlAddress }).map(|mdl| {
        // SAFETY: the MDL of a write IRP is locked, and stays until the IRP is completed.
        unsafe { BorrowedMdl::new(mdl) }
    })
}

/// The mode of whoever made the request.
///
/// IRQL: any.
pub fn requestor_mode<M: Major>(request: &HeldIrp<M>) -> ProcessorMode {
    // SAFETY: the IRP is held.
    mode_from_raw(unsafe { (*request.as_ptr()).RequestorMode })
}

/// Whether this thread runs in the process that issued the request.
///
/// IRQL: `<= APC_LEVEL`.
pub fn in_requestor_process<M: Major>(request: &HeldIrp<M>) -> bool {
    requestor_process(request) == Some(current_process_id())
}

/// The number of the process that issued the request, if it has one.
///
/// IRQL: `<= APC_LEVEL`.
fn requestor_process<M: Major>(request: &HeldIrp<M>) -> Option<usize> {
    // SAFETY: the IRP is held; the call only reads it.
    let requestor = unsafe { IoGetRequestorProcess(request.as_ptr()) };
    if requestor.is_null() {
        return None;
    }
    // SAFETY: the requestor's process exists while its request is outstanding.
    Some(unsafe { PsGetProcessId(requestor) }.addr())
}

/// The number of the process that this thread runs in.
///
/// IRQL: any.
fn current_process_id() -> usize {
    // SAFETY: no preconditions.
    unsafe { PsGetCurrentProcessId() }.addr()
}
