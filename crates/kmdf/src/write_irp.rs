//! A write IRP before the framework has seen it.
//!
//! A request that comes through a queue of the framework always completes as pending: the dispatch routine
//! has returned `STATUS_PENDING` by the time that the queue presents it, or will. A driver that wants to
//! complete a write before its dispatch routine returns, and to say so, takes the IRP here.
#![expect(
    unsafe_code,
    reason = "an IRP is a C structure that its owner may read and change"
)]

use core::{ffi::c_void, marker::PhantomData, mem::ManuallyDrop, ptr, ptr::NonNull};

use wdk_sys::{
    _MEMORY_CACHING_TYPE::MmCached,
    _MODE, CCHAR, IO_NO_INCREMENT, IO_STACK_LOCATION, IRP, IRP_MJ_WRITE, KPROCESSOR_MODE,
    MDL_MAPPED_TO_SYSTEM_VA, MDL_SOURCE_IS_NONPAGED_POOL, PMDL,
    ntddk::{IofCompleteRequest, MmMapLockedPagesSpecifyCache},
};

use crate::{
    Device, DeviceInit, FileObject, IoStatus, NtStatus, SharedBytes,
    device::{IoType, Preprocess},
    request::TransferParameters,
    seh,
};

/// What a driver does with the write IRPs of a device before the framework sees them.
pub trait PreprocessWrite: 'static {
    /// Completes the IRP or gives it to the framework, and returns what that returned.
    ///
    /// IRQL: as the dispatch routine for writes, in the thread of the caller.
    fn write(device: &Device, irp: WriteIrp) -> NtStatus;
}

/// `WdfDeviceInitAssignWdmIrpPreprocessCallback` for `IRP_MJ_WRITE`.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitassignwdmirppreprocesscallback>
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub fn set_preprocess_write<E: PreprocessWrite>(init: &mut DeviceInit<'_>) -> Result<(), NtStatus> {
    #[expect(clippy::cast_possible_truncation, reason = "major functions are bytes")]
    const MAJOR: u8 = IRP_MJ_WRITE as u8;
    init.set_preprocess::<Adapter<E>>(MAJOR)
}

struct Adapter<E>(PhantomData<E>);

impl<E: PreprocessWrite> Preprocess for Adapter<E> {
    fn preprocess(device: &Device, irp: NonNull<IRP>) -> NtStatus {
        // INVARIANT: the framework gives the IRP to the driver with this call.
        E::write(device, WriteIrp(irp))
    }
}

/// An `IRP_MJ_WRITE`, owned. Dropping one completes it with `STATUS_UNSUCCESSFUL`.
///
/// # Invariants
///
/// The IRP was given to this driver, and was neither completed nor given away.
#[must_use = "an IRP that is dropped fails"]
pub struct WriteIrp(NonNull<IRP>);

/// Where the bytes of a write are.
pub enum WriteData<'a> {
    /// In memory that does not fault.
    Mapped(SharedBytes<'a>),
    /// At an address that somebody has named and nobody has checked.
    Caller(CallerBytes<'a>),
}

/// Bytes at an unchecked address of the current address space.
pub struct CallerBytes<'a> {
    address: *const c_void,
    length: usize,
    mode: KPROCESSOR_MODE,
    irp: PhantomData<&'a WriteIrp>,
}

impl CallerBytes<'_> {
    /// The number of bytes.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies all bytes to the front of `into`, which has room for them, under an exception handler. What a
    /// program names is probed before.
    ///
    /// IRQL: `<= APC_LEVEL`, in the thread of the caller.
    ///
    /// # Errors
    ///
    /// The exception code; `STATUS_BUFFER_TOO_SMALL` without the room.
    pub fn copy_to(&self, into: &mut [u8]) -> Result<(), NtStatus> {
        let into = into.get_mut(..self.length).ok_or(NtStatus::BUFFER_TOO_SMALL)?;
        if into.is_empty() {
            return Ok(());
        }
        if self.mode != KERNEL_MODE {
            seh::guarded_probe_for_read(self.address, self.length).ok()?;
        }
        // SAFETY: the destination is ours. The source is in the user half, where a fault is caught, or a
        // kernel component vouches for it.
        unsafe { seh::guarded_copy(into.as_mut_ptr().cast(), self.address, self.length) }.ok()
    }
}

impl WriteIrp {
    /// Takes an IRP over.
    ///
    /// # Safety
    ///
    /// The IRP is an `IRP_MJ_WRITE` that this driver holds, with its own stack location as the current one, and
    /// no other value has it.
    pub const unsafe fn from_raw(irp: NonNull<IRP>) -> Self {
        Self(irp)
    }

    /// Gives the ownership away, into the hands of the caller.
    pub fn into_raw(self) -> NonNull<IRP> {
        ManuallyDrop::new(self).0
    }

    /// The pointer.
    pub const fn as_ptr(&self) -> *mut IRP {
        self.0.as_ptr()
    }

    /// What and where.
    ///
    /// IRQL: any.
    pub fn transfer(&self) -> TransferParameters {
        let stack = self.stack();
        // SAFETY: the major function is `IRP_MJ_WRITE`.
        let write = unsafe { stack.Parameters.Write };
        TransferParameters {
            length: write.Length as usize,
            key: write.Key,
            // SAFETY: all bit patterns are values of this member.
            offset: unsafe { write.ByteOffset.QuadPart },
        }
    }

    /// The framework's file object of the write.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn file<'a>(&'a self, device: &Device) -> Option<&'a FileObject> {
        // SAFETY: the I/O manager keeps the file object of an IRP until the IRP is completed.
        unsafe { device.file_object(self.stack().FileObject) }
    }

    /// The bytes, in the way in which a device of this type gets them.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if the pages cannot be mapped; `STATUS_INVALID_PARAMETER` if the IRP
    /// has not the buffer that it should have.
    pub fn data(&self, io_type: IoType) -> Result<WriteData<'_>, NtStatus> {
        let length = self.transfer().length;
        if length == 0 {
            return Ok(WriteData::Mapped(SharedBytes::EMPTY));
        }
        let irp = self.0.as_ptr();
        let start = match io_type {
            IoType::Buffered => {
                // SAFETY: the IRP is ours.
                let associated = unsafe { (*irp).AssociatedIrp };
                // SAFETY: an IRP that was given to a driver has a system buffer or NULL here.
                NonNull::new(unsafe { associated.SystemBuffer })
            }
            // SAFETY: the IRP is ours.
            IoType::Direct => match NonNull::new(unsafe { (*irp).MdlAddress }) {
                // SAFETY: the MDL of an IRP is locked until the IRP is completed.
                Some(mdl) => Some(unsafe { system_address(mdl.as_ptr(), length) }?),
                None => None,
            },
            IoType::Neither => {
                return Ok(WriteData::Caller(CallerBytes {
                    // SAFETY: the IRP is ours.
                    address: unsafe { (*irp).UserBuffer },
                    length,
                    // SAFETY: the IRP is ours.
                    mode: unsafe { (*irp).RequestorMode },
                    irp: PhantomData,
                }));
            }
        };
        let start = start.ok_or(NtStatus::INVALID_PARAMETER)?;
        // SAFETY: both kinds of buffer have the length of the write, and stay until the IRP is completed.
        Ok(WriteData::Mapped(unsafe {
            SharedBytes::new(start.as_ptr().cast(), length)
        }))
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
        let irp = self.into_raw().as_ptr();
        // The framework moves down again to the location that it has given to this driver.
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
        // SAFETY: the IRP came to the preprocess callback of this device, its location is skipped, and it is
        // not touched after this.
        unsafe { device.dispatch_preprocessed(irp) }
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
}

impl Drop for WriteIrp {
    fn drop(&mut self) {
        crate::trace::message(c"kmdf: a write IRP was dropped without being completed");
        // INVARIANT: the IRP passes to the value that is completed.
        let _status = Self(self.0).complete(IoStatus::failed(NtStatus::UNSUCCESSFUL));
    }
}

/// `KernelMode`, which the headers have wider than its fields.
const KERNEL_MODE: KPROCESSOR_MODE = 0;
/// `IO_NO_INCREMENT`, likewise.
const NO_INCREMENT: CCHAR = 0;
const _: () = assert!(_MODE::KernelMode == 0 && IO_NO_INCREMENT == 0);

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

/// The system address of an MDL's pages, if they have one already.
///
/// IRQL: any.
///
/// # Safety
///
/// The MDL is locked, or describes non-paged pool.
pub unsafe fn mapped_address(mdl: PMDL) -> Option<NonNull<c_void>> {
    // SAFETY: the caller's promise; nobody changes an MDL that an IRP carries but by mapping it.
    let fields = unsafe { &*mdl };
    let has_address = (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL).cast_signed();
    if i32::from(fields.MdlFlags) & has_address == 0 {
        return None;
    }
    NonNull::new(fields.MappedSystemVa)
}

/// `MmGetSystemAddressForMdlSafe`, not executable, for the first `length` bytes.
///
/// IRQL: `<= DISPATCH_LEVEL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmmaplockedpagesspecifycache>
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER` if the MDL is shorter, `STATUS_INSUFFICIENT_RESOURCES`.
///
/// # Safety
///
/// The MDL is locked, or describes non-paged pool.
pub unsafe fn system_address(mdl: PMDL, length: usize) -> Result<NonNull<c_void>, NtStatus> {
    /// `NormalPagePriority | MdlMappingNoExecute`. The headers disagree whether the parameter is an enum or a
    /// ULONG, so it is cast where it is used.
    const PRIORITY: u32 = 16 | 0x4000_0000;
    // SAFETY: the caller's promise.
    if (unsafe { (*mdl).ByteCount } as usize) < length {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    // SAFETY: the caller's promise.
    if let Some(address) = unsafe { mapped_address(mdl) } {
        return Ok(address);
    }
    // SAFETY: the pages are locked; the call returns NULL when it fails, and unlocking takes the mapping back.
    let address = unsafe {
        MmMapLockedPagesSpecifyCache(mdl, KERNEL_MODE, MmCached, ptr::null_mut(), 0, PRIORITY as _)
    };
    NonNull::new(address).ok_or(NtStatus::INSUFFICIENT_RESOURCES)
}
