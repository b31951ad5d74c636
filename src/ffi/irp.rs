//! The caller's write IRP.
#![expect(
    unsafe_code,
    reason = "an IRP is a C structure that its current owner may change"
)]

use core::{
    mem::ManuallyDrop,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering},
};

use kmdf::{Device, irql};
use kswrite_core::{BufferMethod, Data, Handoff, IoStatus, NtStatus, ProcessorMode, Statistics, WriteCall};
use wdk_sys::{
    IO_STACK_LOCATION, IRP, KPROCESSOR_MODE, PIRP,
    ntddk::{IoGetRequestorProcess, IofCompleteRequest, PsGetCurrentProcessId, PsGetProcessId},
};

use super::{
    guarded::Address,
    mdl::BorrowedMdl,
    narrow::{KERNEL_MODE, NO_INCREMENT, NORMAL, PENDING_RETURNED, USER_MODE},
    target::{File, Target},
};
use crate::kernel::NtKernel;

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

/// The current stack location of an IRP.
///
/// # Safety
///
/// The IRP must be owned by the caller, with a current stack location.
pub unsafe fn current_stack(irp: PIRP) -> *mut IO_STACK_LOCATION {
    // SAFETY: the caller owns the IRP.
    let field = unsafe {
        &raw const (*irp)
            .Tail
            .Overlay
            .__bindgen_anon_2
            .__bindgen_anon_1
            .CurrentStackLocation
    };
    // SAFETY: an IRP that is not queued has this member of the union valid.
    unsafe { field.read() }
}

/// A write IRP that the I/O manager or a driver above gave to this filter.
///
/// # Invariants
///
/// The IRP is owned by this value: it was handed to this driver and neither completed nor passed on.
pub struct WriteRequest(NonNull<IRP>);

impl WriteRequest {
    /// # Safety
    ///
    /// The IRP must be an `IRP_MJ_WRITE` that was just handed to this driver.
    pub const unsafe fn from_raw(irp: NonNull<IRP>) -> Self {
        Self(irp)
    }

    /// The pointer, for calls into the kernel.
    pub const fn as_ptr(&self) -> PIRP {
        self.0.as_ptr()
    }

    /// Gives up ownership without completing.
    pub fn into_raw(self) -> NonNull<IRP> {
        ManuallyDrop::new(self).0
    }

    /// Whether this is a write as `WriteFile` means it: `IRP_MN_NORMAL`, with one MDL, if any, that covers it.
    /// The others, such as the MDL writes of file systems, are between the driver above and the one below.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn is_plain(&self) -> bool {
        let irp = self.as_ptr();
        // SAFETY: INVARIANT: the IRP is owned.
        let stack = unsafe { current_stack(irp) };
        // SAFETY: the IRP was handed to this driver with a stack location, which is this driver's.
        let stack = unsafe { &*stack };
        // SAFETY: the major function is IRP_MJ_WRITE, so `Write` is the valid member.
        let length = unsafe { stack.Parameters.Write }.Length;
        // SAFETY: INVARIANT: the IRP is owned.
        let mdl = NonNull::new(unsafe { (*irp).MdlAddress });
        let covered = mdl.is_none_or(|mdl| {
            // SAFETY: an MDL of an IRP that is owned is alive.
            length <= unsafe { (*mdl.as_ptr()).ByteCount }
        });
        stack.MinorFunction == NORMAL && covered
    }

    /// Gives the IRP to the driver below as it is: `IoSkipCurrentIrpStackLocation`, and back to the framework,
    /// which forwards what a filter does not handle.
    ///
    /// IRQL: as the dispatch routine.
    pub fn pass_on(self, device: &Device) -> NtStatus {
        let irp = self.into_raw().as_ptr();
        // SAFETY: the IRP was owned until here. The two fields move together, one location up, so that the
        // framework finds the location that it gave to this driver.
        unsafe { (*irp).CurrentLocation += 1 };
        // SAFETY: as above.
        let current = unsafe {
            &raw mut (*irp)
                .Tail
                .Overlay
                .__bindgen_anon_2
                .__bindgen_anon_1
                .CurrentStackLocation
        };
        // SAFETY: as above.
        let location = unsafe { current.read() };
        // SAFETY: at most one past the last location; the framework moves down again before it looks.
        let above = unsafe { location.add(1) };
        // SAFETY: as above.
        unsafe { current.write(above) };
        // SAFETY: the IRP came to the preprocess callback of this device, its location is skipped, and it is
        // not touched after this.
        unsafe { device.dispatch_preprocessed(irp) }
    }

    /// Reads every argument of the write, once.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`, in the context in which the request came.
    pub fn capture(&self, target: Target) -> WriteCall<NtKernel> {
        let irp = self.as_ptr();
        // SAFETY: INVARIANT: the IRP is owned.
        let stack = unsafe { current_stack(irp) };
        // SAFETY: the IRP was handed to this driver with a stack location, which is this driver's.
        let stack = unsafe { &*stack };
        // SAFETY: the major function is IRP_MJ_WRITE, so `Write` is the valid member.
        let write = unsafe { stack.Parameters.Write };
        // SAFETY: `QuadPart` is valid for any content of the union.
        let offset = unsafe { write.ByteOffset.QuadPart };
        // SAFETY: INVARIANT: the IRP is owned.
        let mode = unsafe { (*irp).RequestorMode };
        // SAFETY: INVARIANT: the IRP is owned.
        let irp_flags = unsafe { (*irp).Flags };
        let may_page = irql::current() <= irql::APC_LEVEL;
        let file = NonNull::new(stack.FileObject).map(|file| {
            // SAFETY: the file object of an IRP that is not complete.
            unsafe { File::new(file) }
        });
        WriteCall {
            file,
            device: target,
            data: self.data(target.buffer_method(), write.Length),
            length: write.Length,
            offset,
            key: write.Key,
            mode: mode_from_raw(mode),
            in_requestor_context: may_page && self.in_requestor_process(),
            may_page,
            may_wait: file.is_some_and(File::is_synchronous),
            stack_flags: stack.Flags,
            irp_flags,
        }
    }

    /// Where the bytes are, by the method of this stack: what the I/O manager filled in for it.
    fn data(&self, method: BufferMethod, length: u32) -> Data<NtKernel> {
        let irp = self.as_ptr();
        // SAFETY: INVARIANT: the IRP is owned.
        let raw = Data::Raw(Address::new(unsafe { (*irp).UserBuffer }));
        if length == 0 {
            return raw;
        }
        match method {
            BufferMethod::Buffered => {
                // SAFETY: INVARIANT: the IRP is owned.
                let field = unsafe { &raw const (*irp).AssociatedIrp.SystemBuffer };
                // SAFETY: a write uses this member of the union.
                let buffer = unsafe { field.read() };
                if buffer.is_null() {
                    raw
                } else {
                    Data::System(Address::new(buffer))
                }
            }
            BufferMethod::Direct => {
                // SAFETY: INVARIANT: the IRP is owned.
                NonNull::new(unsafe { (*irp).MdlAddress }).map_or(raw, |mdl| {
                    // SAFETY: the MDL of a direct-I/O write is locked before a driver sees the IRP.
                    let mdl = unsafe { BorrowedMdl::new(mdl) };
                    Data::Locked {
                        mdl,
                        address: mdl.virtual_address(),
                    }
                })
            }
            BufferMethod::Neither => raw,
        }
    }

    /// Whether this thread runs in the process that issued the request.
    fn in_requestor_process(&self) -> bool {
        // SAFETY: INVARIANT: the IRP is owned; the call only reads it.
        let requestor = unsafe { IoGetRequestorProcess(self.as_ptr()) };
        if requestor.is_null() {
            return false;
        }
        // SAFETY: the requestor's process exists while its request is outstanding.
        let requestor = unsafe { PsGetProcessId(requestor) };
        // SAFETY: no preconditions.
        requestor == unsafe { PsGetCurrentProcessId() }
    }

    /// Completes the IRP.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iocompleterequest>
    pub fn complete(self, io: IoStatus) -> NtStatus {
        let irp = self.into_raw().as_ptr();
        // SAFETY: INVARIANT: the IRP was owned until here.
        let status = unsafe { &raw mut (*irp).IoStatus.__bindgen_anon_1.Status };
        // SAFETY: as above.
        unsafe { status.write(io.status.0) };
        // SAFETY: as above.
        unsafe { (*irp).IoStatus.Information = io.information as _ };
        // SAFETY: as above; ownership ends with this call.
        unsafe { IofCompleteRequest(irp, NO_INCREMENT) };
        io.status
    }
}

impl Drop for WriteRequest {
    /// A request that nobody completed is a defect here; its caller must not hang for it.
    fn drop(&mut self) {
        // INVARIANT: `self` is not used again.
        let _status = Self(self.0).complete(IoStatus::failed(NtStatus::UNSUCCESSFUL));
    }
}

/// A request whose write was given a lower IRP. Three parties hold it; see [`Handoff`].
///
/// The state of the write lives in `Tail.Overlay.DriverContext` of the request, four pointers that belong to
/// the driver that holds an IRP, so that a write needs no memory beside its IRP:
///
/// | slot | content |
/// |---|---|
/// | 0 | the lower IRP |
/// | 1 | the counters of the device, a static |
/// | 2 | the [`Handoff`] |
/// | 3 | what the payload owns ([`super::lower`]) |
///
/// # Invariants
///
/// The IRP is an owned write request whose four slots are filled, until [`into_request`](Self::into_request).
#[derive(Clone, Copy)]
pub struct SentWrite(NonNull<IRP>);

const _: () = assert!(size_of::<Handoff>() == size_of::<*mut ()>());

/// What goes into the four slots.
pub struct SentState {
    /// The lower IRP, filled and ready to send.
    pub lower: NonNull<IRP>,
    /// The counters, for the completion and cancel routines.
    pub statistics: &'static Statistics,
    /// What the payload owns.
    pub ownership: usize,
}

impl SentWrite {
    /// Fills the slots.
    pub fn new(request: WriteRequest, state: &SentState) -> Self {
        let sent = Self(request.into_raw());
        sent.slot(0).store(state.lower.as_ptr().cast(), Ordering::Relaxed);
        sent.slot(1).store(
            core::ptr::from_ref(state.statistics).cast_mut().cast(),
            Ordering::Relaxed,
        );
        // SAFETY: the slot is a pointer-sized, aligned word of an IRP that this value owns, and `Handoff` has
        // that size; nobody else sees it before the IRP is sent.
        unsafe { sent.slot(2).as_ptr().cast::<Handoff>().write(Handoff::new()) };
        sent.slot(3).store(
            core::ptr::without_provenance_mut(state.ownership),
            Ordering::Relaxed,
        );
        sent
    }

    /// # Safety
    ///
    /// The IRP must be one that [`new`](Self::new) made into a sent write and that is not finished.
    pub const unsafe fn from_raw(irp: NonNull<IRP>) -> Self {
        Self(irp)
    }

    /// The pointer, for calls into the kernel.
    pub const fn as_ptr(self) -> PIRP {
        self.0.as_ptr()
    }

    fn slot(&self, index: usize) -> &AtomicPtr<core::ffi::c_void> {
        debug_assert!(index < 4);
        // SAFETY: INVARIANT: the IRP is owned and not queued, so the four driver words are valid.
        let words = unsafe {
            &raw mut (*self.as_ptr())
                .Tail
                .Overlay
                .__bindgen_anon_1
                .__bindgen_anon_1
                .DriverContext
        };
        // SAFETY: there are four words, and `index` is below that.
        let slot = unsafe { words.cast::<*mut core::ffi::c_void>().add(index) };
        // SAFETY: the slot is aligned, lives as long as the IRP, and is only accessed through atomics.
        unsafe { AtomicPtr::from_ptr(slot) }
    }

    /// The lower IRP.
    pub fn lower(&self) -> PIRP {
        self.slot(0).load(Ordering::Relaxed).cast()
    }

    /// The counters of the device that the write came to.
    pub fn statistics(&self) -> &'static Statistics {
        // SAFETY: INVARIANT: `new` stored a reference to a static.
        unsafe { &*self.slot(1).load(Ordering::Relaxed).cast::<Statistics>() }
    }

    /// What the payload owns.
    pub fn ownership(&self) -> usize {
        self.slot(3).load(Ordering::Relaxed).addr()
    }

    /// The handoff.
    pub fn handoff(&self) -> &Handoff {
        // SAFETY: INVARIANT: `new` wrote a `Handoff` there, and it stays until the write is finished.
        unsafe { &*self.slot(2).as_ptr().cast::<Handoff>() }
    }

    /// `IoMarkIrpPending`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn mark_pending(self) {
        // SAFETY: INVARIANT: the IRP is owned, with the stack location it came with.
        let stack = unsafe { current_stack(self.as_ptr()) };
        // SAFETY: the location belongs to this driver while it holds the IRP, and only the dispatching thread
        // writes it.
        unsafe { (*stack).Control |= PENDING_RETURNED };
    }

    /// Whether the request was cancelled: its `Cancel` field.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn is_cancelled(self) -> bool {
        // SAFETY: INVARIANT: the IRP is owned.
        let cancel = unsafe { &raw mut (*self.as_ptr()).Cancel };
        // SAFETY: the byte lives as long as the IRP; the I/O manager sets it from another thread.
        unsafe { AtomicU8::from_ptr(cancel) }.load(Ordering::SeqCst) != 0
    }

    /// The last party takes the request back.
    pub fn into_request(self) -> WriteRequest {
        // INVARIANT: the caller is the last of the three parties, so the IRP has one owner again.
        WriteRequest(self.0)
    }
}
