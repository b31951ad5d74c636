//! An IRP before the framework has seen it.
//!
//! A request that comes through a queue of the framework always completes as pending: the dispatch routine
//! has returned `STATUS_PENDING` by the time that the queue presents it, or will. A driver that wants to
//! complete an IRP before its dispatch routine returns, and to say so, or to deal with it in the thread of the
//! caller whatever becomes of it, takes the IRP here.
#![expect(
    unsafe_code,
    reason = "an IRP is a C structure that its owner may read and change"
)]

use core::{marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};

use wdk_sys::{CCHAR, IO_NO_INCREMENT, IO_STACK_LOCATION, IRP, ntddk::IofCompleteRequest};

use crate::{Device, DeviceInit, FileObject, IoStatus, NtStatus, device::Preprocess};

/// Which IRPs a [`HeldIrp`] stands for.
pub trait Major: 'static {
    /// `IRP_MJ_*`.
    const FUNCTION: u8;
}

/// What a driver does with the IRPs of a device before the framework sees them.
pub trait PreprocessIrp<M: Major>: 'static {
    /// Completes the IRP, or gives it to the framework and returns what that returned, or marks it pending.
    ///
    /// IRQL: as the dispatch routine of the major function, in the thread of the caller.
    fn dispatch(device: &Device, irp: HeldIrp<M>) -> NtStatus;
}

/// `WdfDeviceInitAssignWdmIrpPreprocessCallback` for one major function.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitassignwdmirppreprocesscallback>
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub fn set_preprocess<M: Major, E: PreprocessIrp<M>>(init: &mut DeviceInit<'_>) -> Result<(), NtStatus> {
    init.set_preprocess::<Adapter<M, E>>(M::FUNCTION)
}

struct Adapter<M, E>(PhantomData<(M, E)>);

impl<M: Major, E: PreprocessIrp<M>> Preprocess for Adapter<M, E> {
    fn preprocess(device: &Device, irp: NonNull<IRP>) -> NtStatus {
        // INVARIANT: the framework gives the IRP to the driver with this call.
        E::dispatch(device, HeldIrp(irp, PhantomData))
    }
}

/// An IRP of one major function, owned. Dropping one completes it with `STATUS_UNSUCCESSFUL`.
///
/// # Invariants
///
/// The IRP was given to this driver, and was neither completed nor given away.
#[must_use = "an IRP that is dropped fails"]
pub struct HeldIrp<M: Major>(NonNull<IRP>, PhantomData<fn() -> M>);

impl<M: Major> HeldIrp<M> {
    /// Takes an IRP over.
    ///
    /// # Safety
    ///
    /// The IRP is of this major function, and this driver holds it, with its own stack location as the current
    /// one, and no other value has it.
    pub const unsafe fn from_raw(irp: NonNull<IRP>) -> Self {
        Self(irp, PhantomData)
    }

    /// Gives the ownership away, into the hands of the caller.
    pub fn into_raw(self) -> NonNull<IRP> {
        ManuallyDrop::new(self).0
    }

    /// The pointer.
    pub const fn as_ptr(&self) -> *mut IRP {
        self.0.as_ptr()
    }

    /// The framework's file object of the IRP.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn file<'a>(&'a self, device: &Device) -> Option<&'a FileObject> {
        // SAFETY: the I/O manager keeps the file object of an IRP until the IRP is completed.
        unsafe { device.file_object(self.stack().FileObject) }
    }

    /// `IoCompleteRequest`. Returns the status, for the dispatch routine to return.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iocompleterequest>
    pub fn complete(self, io: IoStatus) -> NtStatus {
        let irp = self.into_raw().as_ptr();
        // SAFETY: the IRP was ours until here.
        let block = unsafe { &mut (*irp).IoStatus };
        block.__bindgen_anon_1.Status = io.status.0;
        block.Information = io.information as u64;
        // SAFETY: the IRP was ours, and is not touched after this.
        unsafe { IofCompleteRequest(irp, NO_INCREMENT) };
        io.status
    }

    /// Gives the IRP to the framework, as if it had not been here, and returns what that returned.
    ///
    /// IRQL: as the dispatch routine.
    pub fn to_framework(self, device: &Device) -> NtStatus {
        // The framework moves down again to the location that it has given to this driver.
        let irp = self.into_skipped().as_ptr();
        // SAFETY: the IRP came to the preprocess callback of this device, its location is skipped, and it is
        // not touched after this.
        unsafe { device.dispatch_preprocessed(irp) }
    }

    /// `IoSkipCurrentIrpStackLocation`: the next driver gets the location of this one, as it is. Gives the ownership
    /// away, into the hands of the caller.
    ///
    /// IRQL: any.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-ioskipcurrentirpstacklocation>
    pub fn into_skipped(self) -> NonNull<IRP> {
        let held = self.into_raw();
        let irp = held.as_ptr();
        // SAFETY: the IRP was ours until here.
        unsafe { (*irp).CurrentLocation += 1 };
        // SAFETY: as above; the two fields move together.
        let current = unsafe { current_location(irp) };
        // SAFETY: as above.
        let location = unsafe { *current };
        // SAFETY: at most one past the last location, which is where a new IRP begins.
        let above = unsafe { location.add(1) };
        // SAFETY: as above.
        unsafe { *current = above };
        held
    }

    /// The stack location of this driver.
    ///
    /// IRQL: any.
    pub fn stack(&self) -> &IO_STACK_LOCATION {
        // SAFETY: by the invariant the IRP is ours.
        let current = unsafe { current_location(self.0.as_ptr()) };
        // SAFETY: as above.
        let location = unsafe { *current };
        // SAFETY: an IRP that was given to a driver has a location for it, which stays with the IRP.
        unsafe { &*location }
    }

    /// Its flags.
    ///
    /// IRQL: any.
    pub fn marks(&self) -> Marks {
        // SAFETY: by the invariant the IRP is ours.
        unsafe { marks(self.0.as_ptr()) }
    }
}

impl<M: Major> Drop for HeldIrp<M> {
    fn drop(&mut self) {
        crate::trace::message(c"kmdf: an IRP was dropped without being completed");
        // INVARIANT: the IRP passes to the value that is completed.
        let _status = Self(self.0, PhantomData).complete(IoStatus::failed(NtStatus::UNSUCCESSFUL));
    }
}

/// `IO_NO_INCREMENT`, which the headers have wider than the parameter.
const NO_INCREMENT: CCHAR = 0;
const _: () = assert!(IO_NO_INCREMENT == 0);

/// The flags of an IRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// `Irp->Flags`.
    pub irp_flags: u32,
    /// `Flags` of the current stack location.
    pub stack_flags: u8,
}

/// The flags of an IRP.
///
/// IRQL: any.
///
/// # Safety
///
/// The IRP is the caller's, and it was given to a driver.
pub(crate) unsafe fn marks(irp: *mut IRP) -> Marks {
    // SAFETY: the caller's promise.
    let current = unsafe { current_location(irp) };
    // SAFETY: the field of an IRP that is alive.
    let location = unsafe { *current };
    Marks {
        // SAFETY: the caller's promise.
        irp_flags: unsafe { (*irp).Flags },
        // SAFETY: an IRP that was given to a driver has a location for it, which stays with the IRP.
        stack_flags: unsafe { (*location).Flags },
    }
}

/// The field of an IRP that points to the current stack location.
///
/// IRQL: any.
///
/// # Safety
///
/// The IRP is the caller's, and not in a queue that uses its `Tail`.
pub unsafe fn current_location(irp: *mut IRP) -> *mut *mut IO_STACK_LOCATION {
    // SAFETY: the caller's promise.
    unsafe {
        &raw mut (*irp)
            .Tail
            .Overlay
            .__bindgen_anon_2
            .__bindgen_anon_1
            .CurrentStackLocation
    }
}
