//! Write IRPs: where their bytes are.
#![expect(
    unsafe_code,
    reason = "an IRP is a C structure that its owner may read and change"
)]

use core::{ffi::c_void, marker::PhantomData, ptr, ptr::NonNull};

use wdk_sys::{
    _MEMORY_CACHING_TYPE::MmCached, _MODE, IRP_MJ_WRITE, KPROCESSOR_MODE, MDL_MAPPED_TO_SYSTEM_VA,
    MDL_SOURCE_IS_NONPAGED_POOL, PMDL, ntddk::MmMapLockedPagesSpecifyCache,
};

use crate::{
    NtStatus, SharedBytes,
    device::IoType,
    irp::{HeldIrp, Major},
    request::TransferParameters,
    seh,
};

/// `IRP_MJ_WRITE`.
pub struct Write;

impl Major for Write {
    #[expect(clippy::cast_possible_truncation, reason = "major functions are bytes")]
    const FUNCTION: u8 = IRP_MJ_WRITE as u8;
}

/// An `IRP_MJ_WRITE`, owned.
pub type WriteIrp = HeldIrp<Write>;

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
        let irp = self.as_ptr();
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
}

/// `KernelMode`, which the headers have wider than its fields.
const KERNEL_MODE: KPROCESSOR_MODE = 0;
const _: () = assert!(_MODE::KernelMode == 0);

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
