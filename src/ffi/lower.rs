//! An IRP of this driver's own: allocated here, carried by the device below, taken back and freed.
#![expect(unsafe_code, reason = "fills and frees an IRP of its own")]

use core::ptr::NonNull;

use kmdf::{irp::current_location, pool::NonPagedBuffer};
use kswrite_core::{IoStatus, NtStatus, WriteCall, payload::Payload};
use wdk_sys::{
    DEVICE_OBJECT, FILE_OBJECT, IO_STACK_LOCATION, IRP, IRP_NOCACHE, IRP_PAGING_IO,
    IRP_SYNCHRONOUS_PAGING_IO, IRP_WRITE_OPERATION, NTSTATUS, PETHREAD, PIRP, PVOID,
    ntddk::{IoAllocateIrp, IoCancelIrp, IoFreeIrp, IoSetCompletionRoutineEx, IofCallDriver},
};

use super::{
    capture::raw_mode,
    mdl::OwnedMdl,
    narrow::{INVOKE_ALWAYS, MAJOR_WRITE, bytes},
    target::{File, Target},
};
use crate::kernel::NtKernel;

/// `IO_COMPLETION_ROUTINE`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nc-wdm-io_completion_routine>
pub type CompletionRoutine = unsafe extern "C" fn(*mut DEVICE_OBJECT, PIRP, PVOID) -> NTSTATUS;

/// The `IRP_*` flags of the caller that say how to write; the others are about its own IRP.
const INHERITED_FLAGS: u32 = IRP_NOCACHE | IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO | IRP_WRITE_OPERATION;

/// What a payload owns, for the time in which only the IRP remembers it.
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

/// An IRP that was allocated here. A name: whoever finishes the write frees it, once, with
/// [`release`](Self::release).
///
/// # Invariants
///
/// The IRP came from `IoAllocateIrp`, and is not freed while there is somebody who may use this value: until
/// the last party of the write has left ([`Handoff`](kswrite_core::Handoff)). `owns` says what of its
/// buffer fields goes with it.
#[derive(Clone, Copy)]
pub struct LowerIrp {
    irp: NonNull<IRP>,
    owns: usize,
}

impl LowerIrp {
    /// Allocates the IRP and fills it for the device of the call, without a completion routine. `thread` is
    /// the thread that issued the write.
    ///
    /// IRQL: `<= APC_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; the payload is dropped.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-ioallocateirp>
    pub fn build(
        call: &WriteCall<NtKernel>,
        thread: PETHREAD,
        payload: Payload<NtKernel>,
    ) -> Result<Self, NtStatus> {
        // SAFETY: no preconditions but the IRQL; NULL is checked. No quota: the caller's IRP was charged.
        let irp = unsafe { IoAllocateIrp(call.device.stack_size(), 0) };
        let irp = NonNull::new(irp).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        let flags = call.irp_flags & INHERITED_FLAGS | payload.owned_irp_flags();
        fill_header(irp, call, thread, flags);
        fill_stack(irp, call);
        let owns = attach_payload(irp, payload);
        Ok(Self { irp, owns })
    }

    /// The value of these parts, which [`into_parts`](Self::into_parts) gave.
    pub const fn from_parts(irp: NonNull<IRP>, owns: usize) -> Self {
        Self { irp, owns }
    }

    /// The IRP, and what goes with it.
    pub const fn into_parts(self) -> (NonNull<IRP>, usize) {
        (self.irp, self.owns)
    }

    /// `IoSetCompletionRoutine`, for every outcome.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, before the IRP is sent.
    ///
    /// # Safety
    ///
    /// The driver stays loaded until the routine has returned, and the routine may be called with `context`.
    pub unsafe fn set_completion(self, routine: CompletionRoutine, context: PVOID) {
        let next = next_location(self.irp);
        next.CompletionRoutine = Some(routine);
        next.Context = context;
        next.Control = INVOKE_ALWAYS;
    }

    /// `IoSetCompletionRoutineEx`, for every outcome: the driver of `device` stays loaded until the routine
    /// has returned. It must be sent after this.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, before the IRP is sent.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iosetcompletionroutineex>
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// # Safety
    ///
    /// `device` is of this driver, and the routine may be called with `context`.
    pub unsafe fn set_guarded_completion(
        self,
        device: NonNull<DEVICE_OBJECT>,
        routine: CompletionRoutine,
        context: PVOID,
    ) -> Result<(), NtStatus> {
        // SAFETY: the caller's promise; the IRP is ours, and was not sent.
        NtStatus(unsafe {
            IoSetCompletionRoutineEx(
                device.as_ptr(),
                self.irp.as_ptr(),
                Some(routine),
                context,
                1,
                1,
                1,
            )
        })
        .ok()
    }

    /// `IoCallDriver`.
    ///
    /// IRQL: `<= APC_LEVEL`.
    pub fn send(self, target: Target) -> NtStatus {
        // SAFETY: the IRP is filled for this device, and is the device's from here.
        NtStatus(unsafe { IofCallDriver(target.as_ptr(), self.irp.as_ptr()) })
    }

    /// `IoCancelIrp`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iocancelirp>
    pub fn cancel(self) {
        // SAFETY: INVARIANT: the IRP is not freed. Whether it has been sent, or is complete, makes no
        // difference: then only its Cancel field is set.
        let _called = unsafe { IoCancelIrp(self.irp.as_ptr()) };
    }

    /// The final status.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn status(self) -> IoStatus {
        let irp = self.irp.as_ptr();
        // SAFETY: the IRP is complete and this driver's again.
        let status = unsafe { &raw const (*irp).IoStatus.__bindgen_anon_1.Status };
        // SAFETY: as above; the member is the one that is valid after completion.
        let status = unsafe { status.read() };
        // SAFETY: as above.
        let information = unsafe { (*irp).IoStatus.Information };
        IoStatus {
            status: NtStatus(status),
            information: bytes(information),
        }
    }

    /// Gives an IRP that was not sent its final status.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn set_status(self, status: NtStatus) {
        let irp = self.irp.as_ptr();
        // SAFETY: INVARIANT: the IRP is ours, and was not sent.
        let field = unsafe { &raw mut (*irp).IoStatus.__bindgen_anon_1.Status };
        // SAFETY: as above.
        unsafe { field.write(status.0) };
        // SAFETY: as above.
        unsafe { (*irp).IoStatus.Information = 0 };
    }

    /// Frees the IRP with what goes with it.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn release(self) {
        let irp = self.irp.as_ptr();
        match self.owns {
            owns::SYSTEM_BUFFER => {
                // SAFETY: the IRP is this driver's again.
                let field = unsafe { &raw const (*irp).AssociatedIrp.SystemBuffer };
                // SAFETY: `attach_payload` stored the buffer there.
                let buffer = unsafe { field.read() };
                if let Some(buffer) = NonNull::new(buffer) {
                    // SAFETY: the buffer came from `into_raw` and is taken back once.
                    drop(unsafe { NonPagedBuffer::from_raw(buffer.cast()) });
                }
            }
            kind @ (owns::MDL | owns::LOCKED_MDL) => {
                // SAFETY: the IRP is this driver's again.
                let field = unsafe { &raw mut (*irp).MdlAddress };
                // SAFETY: `attach_payload` stored the MDL there; the field is cleared with it.
                let mdl = unsafe { field.replace(core::ptr::null_mut()) };
                if let Some(mdl) = NonNull::new(mdl) {
                    // SAFETY: the parts came from `into_parts` and are taken back once.
                    drop(unsafe { OwnedMdl::from_parts(mdl, kind == owns::LOCKED_MDL) });
                }
            }
            _ => {}
        }
        // SAFETY: INVARIANT: the IRP came from IoAllocateIrp; it is complete or was never sent, and the last
        // party gives it back.
        unsafe { IoFreeIrp(irp) };
    }
}

fn fill_header(irp: NonNull<IRP>, call: &WriteCall<NtKernel>, thread: PETHREAD, flags: u32) {
    let irp = irp.as_ptr();
    // SAFETY: the IRP is fresh and ours. Drivers below may ask for the issuer.
    let field = unsafe { &raw mut (*irp).Tail.Overlay.Thread };
    // SAFETY: as above.
    unsafe { field.write(thread) };
    // SAFETY: as above.
    let file = unsafe { &raw mut (*irp).Tail.Overlay.OriginalFileObject };
    // SAFETY: as above. The file object outlives the write.
    unsafe { file.write(file_ptr(call)) };
    // SAFETY: as above.
    unsafe { (*irp).RequestorMode = raw_mode(call.mode) };
    // SAFETY: as above.
    unsafe { (*irp).Flags = flags };
}

/// The file object, for a field.
pub(super) fn file_ptr(call: &WriteCall<NtKernel>) -> *mut FILE_OBJECT {
    call.file.map_or(core::ptr::null_mut(), File::as_ptr)
}

/// Puts the payload into the buffer fields and says what of it must be released.
pub(super) fn attach_payload(irp: NonNull<IRP>, payload: Payload<NtKernel>) -> usize {
    match payload {
        Payload::Empty(_) => owns::NOTHING,
        Payload::BorrowedSystem(address) => {
            set_system_buffer(irp, address.as_ptr());
            owns::NOTHING
        }
        Payload::System(buffer) => {
            set_system_buffer(irp, buffer.into_raw().as_ptr().cast());
            owns::SYSTEM_BUFFER
        }
        Payload::Mdl(mdl) => {
            let (mdl, locked) = mdl.into_parts();
            // SAFETY: the IRP is fresh and ours.
            unsafe { (*irp.as_ptr()).MdlAddress = mdl.as_ptr() };
            if locked { owns::LOCKED_MDL } else { owns::MDL }
        }
        Payload::User(address) => {
            // SAFETY: the IRP is fresh and ours.
            unsafe { (*irp.as_ptr()).UserBuffer = address.as_ptr() };
            owns::NOTHING
        }
    }
}

fn set_system_buffer(irp: NonNull<IRP>, address: PVOID) {
    // SAFETY: the IRP is fresh and ours.
    let field = unsafe { &raw mut (*irp.as_ptr()).AssociatedIrp.SystemBuffer };
    // SAFETY: as above.
    unsafe { field.write(address) };
}

/// The stack location of the device that the IRP goes to.
pub(super) fn next_location<'a>(irp: NonNull<IRP>) -> &'a mut IO_STACK_LOCATION {
    // SAFETY: callers have a fresh IRP.
    let above = unsafe { current_location(irp.as_ptr()) };
    // SAFETY: as above; the current location of a fresh IRP is one above the first.
    let above = unsafe { above.read() };
    // SAFETY: IoAllocateIrp made as many locations as the device asks for, at least one, so the next location
    // exists.
    let next = unsafe { above.sub(1) };
    // SAFETY: the location is zeroed, and ours until the IRP is sent.
    unsafe { &mut *next }
}

/// Fills the stack location of the device that the IRP goes to.
pub(super) fn fill_stack(irp: NonNull<IRP>, call: &WriteCall<NtKernel>) {
    let next = next_location(irp);
    next.MajorFunction = MAJOR_WRITE;
    next.Flags = call.stack_flags;
    next.FileObject = file_ptr(call);
    // SAFETY: `Write` is the member for IRP_MJ_WRITE; the whole union is zeroed.
    let write = unsafe { &mut next.Parameters.Write };
    write.Length = call.length;
    write.Key = call.key;
    write.ByteOffset.QuadPart = call.offset;
}
