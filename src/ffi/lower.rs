//! The lower IRP: allocated by the filter, carried by the device below, taken back and freed.
#![expect(unsafe_code, reason = "fills and frees an IRP of its own")]

use core::ptr::NonNull;

use kmdf::{irp::current_location, pool::NonPagedBuffer, write_irp::WriteIrp};
use kswrite_core::{IoStatus, NtStatus, Statistics, WriteCall, payload::Payload};
use wdk_sys::{
    DEVICE_OBJECT, FILE_OBJECT, IO_STACK_LOCATION, IRP, IRP_NOCACHE, IRP_PAGING_IO,
    IRP_SYNCHRONOUS_PAGING_IO, IRP_WRITE_OPERATION, NTSTATUS, PIRP, PVOID, STATUS_MORE_PROCESSING_REQUIRED,
    ntddk::{IoAllocateIrp, IoCancelIrp, IoFreeIrp, IofCallDriver},
};

use super::{
    capture::raw_mode,
    mdl::OwnedMdl,
    narrow::{INVOKE_ALWAYS, MAJOR_WRITE, bytes},
    sent::{SentState, SentWrite},
    target::{File, Target},
};
use crate::{kernel::NtKernel, write};

/// The `IRP_*` flags of the caller that say how to write; the others are about its own IRP.
const INHERITED_FLAGS: u32 = IRP_NOCACHE | IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO | IRP_WRITE_OPERATION;

/// What a payload owns, for the time in which only the IRP remembers it: bits of slot 3 of the request.
mod owns {
    /// Nothing.
    pub(super) const NOTHING: usize = 0;
    /// `AssociatedIrp.SystemBuffer`.
    pub(super) const SYSTEM_BUFFER: usize = 1;
    /// `MdlAddress`.
    pub(super) const MDL: usize = 2;
    /// `MdlAddress`, whose pages were locked here.
    pub(super) const LOCKED_MDL: usize = 3;
}

/// Allocates the lower IRP and fills it.
///
/// IRQL: `<= APC_LEVEL`.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`, with the request; the payload is dropped.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-ioallocateirp>
pub fn begin(
    statistics: &'static Statistics,
    request: WriteIrp,
    call: &WriteCall<NtKernel>,
    payload: Payload<NtKernel>,
) -> Result<SentWrite, (WriteIrp, NtStatus)> {
    // SAFETY: no preconditions but the IRQL; NULL is checked. No quota: the caller's IRP was charged.
    let lower = unsafe { IoAllocateIrp(call.device.stack_size(), 0) };
    let Some(lower) = NonNull::new(lower) else {
        return Err((request, NtStatus::INSUFFICIENT_RESOURCES));
    };
    fill_header(lower, &request, call);
    let payload_flags = payload.owned_irp_flags();
    // SAFETY: the IRP is fresh and ours.
    unsafe { (*lower.as_ptr()).Flags |= payload_flags };
    let ownership = attach_payload(lower, payload);
    let sent = SentWrite::new(
        request,
        &SentState {
            lower,
            statistics,
            ownership,
        },
    );
    fill_stack(lower, call, sent);
    Ok(sent)
}

fn fill_header(lower: NonNull<IRP>, request: &WriteIrp, call: &WriteCall<NtKernel>) {
    let lower = lower.as_ptr();
    // SAFETY: the request is held.
    let issuer = unsafe { &raw const (*request.as_ptr()).Tail.Overlay.Thread };
    // SAFETY: the field is valid in an IRP that a driver holds. Drivers below may ask for the issuer.
    let issuer = unsafe { issuer.read() };
    // SAFETY: the IRP is fresh and ours.
    let thread = unsafe { &raw mut (*lower).Tail.Overlay.Thread };
    // SAFETY: as above.
    unsafe { thread.write(issuer) };
    // SAFETY: as above.
    let file = unsafe { &raw mut (*lower).Tail.Overlay.OriginalFileObject };
    // SAFETY: as above. The file object is the request's, which outlives this IRP.
    unsafe { file.write(file_ptr(call)) };
    // SAFETY: as above.
    unsafe { (*lower).RequestorMode = raw_mode(call.mode) };
    // SAFETY: as above.
    unsafe { (*lower).Flags = call.irp_flags & INHERITED_FLAGS };
}

fn file_ptr(call: &WriteCall<NtKernel>) -> *mut FILE_OBJECT {
    call.file.map_or(core::ptr::null_mut(), File::as_ptr)
}

/// Puts the payload into the buffer fields and says what of it must be released.
fn attach_payload(lower: NonNull<IRP>, payload: Payload<NtKernel>) -> usize {
    let irp = lower.as_ptr();
    match payload {
        Payload::Empty(_) => owns::NOTHING,
        Payload::BorrowedSystem(address) => {
            set_system_buffer(lower, address.as_ptr());
            owns::NOTHING
        }
        Payload::System(buffer) => {
            set_system_buffer(lower, buffer.into_raw().as_ptr().cast());
            owns::SYSTEM_BUFFER
        }
        Payload::Mdl(mdl) => {
            let (mdl, locked) = mdl.into_parts();
            // SAFETY: the IRP is fresh and ours.
            unsafe { (*irp).MdlAddress = mdl.as_ptr() };
            if locked { owns::LOCKED_MDL } else { owns::MDL }
        }
        Payload::User(address) => {
            // SAFETY: the IRP is fresh and ours.
            unsafe { (*irp).UserBuffer = address.as_ptr() };
            owns::NOTHING
        }
    }
}

fn set_system_buffer(lower: NonNull<IRP>, address: PVOID) {
    let irp = lower.as_ptr();
    // SAFETY: the IRP is fresh and ours.
    let field = unsafe { &raw mut (*irp).AssociatedIrp.SystemBuffer };
    // SAFETY: as above.
    unsafe { field.write(address) };
}

/// The stack location of the device below, with the completion routine of this filter in it.
fn fill_stack(lower: NonNull<IRP>, call: &WriteCall<NtKernel>, sent: SentWrite) {
    // SAFETY: the IRP is fresh and ours.
    let above = unsafe { current_location(lower.as_ptr()) };
    // SAFETY: as above; the current location of a fresh IRP is one above the first.
    let above = unsafe { above.read() };
    // SAFETY: IoAllocateIrp made as many locations as the device below asks for, at least one, so the next
    // location exists.
    let next = unsafe { above.sub(1) };
    // SAFETY: the location is zeroed, and ours until the IRP is sent.
    let next: &mut IO_STACK_LOCATION = unsafe { &mut *next };
    next.MajorFunction = MAJOR_WRITE;
    next.Flags = call.stack_flags;
    next.FileObject = file_ptr(call);
    // SAFETY: `Write` is the member for IRP_MJ_WRITE; the whole union is zeroed.
    let write = unsafe { &mut next.Parameters.Write };
    write.Length = call.length;
    write.Key = call.key;
    write.ByteOffset.QuadPart = call.offset;
    next.CompletionRoutine = Some(on_complete);
    next.Context = sent.as_ptr().cast();
    next.Control = INVOKE_ALWAYS;
}

/// `IO_COMPLETION_ROUTINE` of the lower IRP.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nc-wdm-io_completion_routine>
unsafe extern "C" fn on_complete(_device: *mut DEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: `fill_stack` stored the caller's IRP.
    let upper = unsafe { NonNull::new_unchecked(context.cast()) };
    // SAFETY: it is that of a sent write, which is not finished before this party has left.
    let sent = unsafe { SentWrite::from_raw(upper) };
    write::completed(sent);
    // The IRP stays this filter's: whoever finishes the write frees it, and may have done so by now.
    STATUS_MORE_PROCESSING_REQUIRED
}

/// `IoCallDriver`.
///
/// IRQL: `<= APC_LEVEL`.
pub fn send(sent: SentWrite, target: Target) -> NtStatus {
    // SAFETY: the IRP is filled for this device, and is the device's from here. `sent` stays valid because
    // the dispatching thread has not left.
    NtStatus(unsafe { IofCallDriver(target.as_ptr(), sent.lower()) })
}

/// `IoCancelIrp`.
///
/// IRQL: `<= DISPATCH_LEVEL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iocancelirp>
pub fn cancel(sent: SentWrite) {
    // SAFETY: the lower IRP is not freed before the cancel party has left. Whether it has been sent, or is
    // complete, makes no difference: then only its Cancel field is set.
    let _called = unsafe { IoCancelIrp(sent.lower()) };
}

/// The final status of the lower IRP.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub fn status(sent: SentWrite) -> IoStatus {
    let lower = sent.lower();
    // SAFETY: the IRP is complete and this filter's again.
    let status = unsafe { &raw const (*lower).IoStatus.__bindgen_anon_1.Status };
    // SAFETY: as above; the member is the one that is valid after completion.
    let status = unsafe { status.read() };
    // SAFETY: as above.
    let information = unsafe { (*lower).IoStatus.Information };
    IoStatus {
        status: NtStatus(status),
        information: bytes(information),
    }
}

/// Frees the lower IRP with what its payload owns.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub fn release(sent: SentWrite) {
    let lower = sent.lower();
    match sent.ownership() {
        owns::SYSTEM_BUFFER => {
            // SAFETY: the IRP is this filter's again.
            let field = unsafe { &raw const (*lower).AssociatedIrp.SystemBuffer };
            // SAFETY: `attach_payload` stored the buffer there.
            let buffer = unsafe { field.read() };
            if let Some(buffer) = NonNull::new(buffer) {
                // SAFETY: the buffer came from `into_raw` and is taken back once.
                drop(unsafe { NonPagedBuffer::from_raw(buffer.cast()) });
            }
        }
        kind @ (owns::MDL | owns::LOCKED_MDL) => {
            // SAFETY: the IRP is this filter's again.
            let field = unsafe { &raw mut (*lower).MdlAddress };
            // SAFETY: `attach_payload` stored the MDL there; the field is cleared with it.
            let mdl = unsafe { field.replace(core::ptr::null_mut()) };
            if let Some(mdl) = NonNull::new(mdl) {
                // SAFETY: the parts came from `into_parts` and are taken back once.
                drop(unsafe { OwnedMdl::from_parts(mdl, kind == owns::LOCKED_MDL) });
            }
        }
        _ => {}
    }
    // SAFETY: the IRP came from IoAllocateIrp, is complete or was never sent, and nobody else has it.
    unsafe { IoFreeIrp(lower) };
}
