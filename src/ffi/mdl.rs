//! MDLs: those that a write owns, and those that it borrows.
#![expect(
    unsafe_code,
    reason = "memory descriptor lists are built and locked by kernel calls"
)]

use core::ptr::NonNull;

use kmdf::{seh, write_irp};
use kswrite_core::{NtStatus, ProcessorMode};
use wdk_sys::{
    _LOCK_OPERATION::IoReadAccess,
    MDL,
    ntddk::{IoAllocateMdl, IoBuildPartialMdl, IoFreeMdl, MmBuildMdlForNonPagedPool, MmUnlockPages},
};

use super::{capture::raw_mode, guarded::Address};

/// An MDL whose pages somebody else locked, borrowed from a request that is held.
///
/// # Invariants
///
/// The MDL is locked or describes non-paged pool, and belongs to a request that has not been completed.
#[derive(Clone, Copy)]
pub struct BorrowedMdl(NonNull<MDL>);

impl BorrowedMdl {
    /// # Safety
    ///
    /// The pointer must satisfy the invariant of the type.
    pub const unsafe fn new(mdl: NonNull<MDL>) -> Self {
        Self(mdl)
    }

    /// `MmGetMdlByteCount`.
    ///
    /// IRQL: any.
    pub fn length(self) -> usize {
        // SAFETY: INVARIANT: the MDL is alive.
        unsafe { (*self.0.as_ptr()).ByteCount as usize }
    }

    /// `MmGetMdlVirtualAddress`: where the owner of the pages sees them.
    ///
    /// IRQL: any.
    pub fn virtual_address(self) -> Address {
        // SAFETY: INVARIANT: the MDL is alive.
        let start = unsafe { (*self.0.as_ptr()).StartVa };
        // SAFETY: INVARIANT: the MDL is alive.
        let offset = unsafe { (*self.0.as_ptr()).ByteOffset };
        Address::new(start.wrapping_byte_add(offset as usize))
    }

    /// The system address, if the pages have one already.
    ///
    /// IRQL: any.
    pub fn mapped(self) -> Option<Address> {
        // SAFETY: INVARIANT: the MDL is locked, and alive.
        let address = unsafe { write_irp::mapped_address(self.0.as_ptr()) };
        address.map(|address| Address::new(address.as_ptr()))
    }

    /// The system address of the first `length` bytes; the pages are mapped if they are not.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn map(self, length: u32) -> Result<Address, NtStatus> {
        // SAFETY: INVARIANT: the MDL is locked, and alive; its owner's unlock takes the mapping back.
        let address = unsafe { write_irp::system_address(self.0.as_ptr(), length as usize) }?;
        Ok(Address::new(address.as_ptr()))
    }
}

/// An MDL that a write owns.
///
/// # Invariants
///
/// The MDL came from `IoAllocateMdl`, belongs to no IRP that would free it, and its pages were locked by this
/// value if and only if `locked`.
pub struct OwnedMdl {
    mdl: NonNull<MDL>,
    locked: bool,
}

impl OwnedMdl {
    fn allocate(address: Address, length: u32) -> Result<Self, NtStatus> {
        // SAFETY: no secondary buffer, no quota, no IRP; the call only allocates, and NULL is checked.
        let mdl = unsafe { IoAllocateMdl(address.as_ptr(), length, 0, 0, core::ptr::null_mut()) };
        let mdl = NonNull::new(mdl).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        // INVARIANT: fresh from IoAllocateMdl, nothing locked.
        Ok(Self { mdl, locked: false })
    }

    /// `MmProbeAndLockPages` for read access, in the given mode.
    ///
    /// IRQL: `<= APC_LEVEL`, in the address space of the address.
    ///
    /// # Errors
    ///
    /// The exception code that the call raised, or `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmprobeandlockpages>
    pub fn lock(address: Address, length: u32, mode: ProcessorMode) -> Result<Self, NtStatus> {
        let mut owned = Self::allocate(address, length)?;
        // SAFETY: the MDL is fresh and describes the range; exceptions are caught inside the call.
        let status = unsafe { seh::guarded_probe_and_lock(owned.mdl.as_ptr(), raw_mode(mode), IoReadAccess) };
        // After an exception nothing is locked, and dropping only frees.
        status.ok()?;
        // INVARIANT: the call succeeded.
        owned.locked = true;
        Ok(owned)
    }

    /// `IoBuildPartialMdl` over the first `length` bytes of locked pages.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iobuildpartialmdl>
    pub fn partial(source: BorrowedMdl, length: u32) -> Result<Self, NtStatus> {
        let address = source.virtual_address();
        let owned = Self::allocate(address, length)?;
        // SAFETY: the target was allocated for this very range, which the source covers: the I/O manager made
        // the source for the same request and length.
        unsafe { IoBuildPartialMdl(source.0.as_ptr(), owned.mdl.as_ptr(), address.as_ptr(), length) };
        Ok(owned)
    }

    /// `MmBuildMdlForNonPagedPool` over a system buffer.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// `address` is that of a [`Data::System`](kswrite_core::Data), which only a captured request has.
    pub fn of_system_buffer(address: Address, length: u32) -> Result<Self, NtStatus> {
        let owned = Self::allocate(address, length)?;
        // SAFETY: the I/O manager's system buffer is non-paged pool, and outlives the write that it is for.
        unsafe { MmBuildMdlForNonPagedPool(owned.mdl.as_ptr()) };
        Ok(owned)
    }

    /// Takes the value apart for the fields of an IRP; [`from_parts`](Self::from_parts) puts it together.
    pub fn into_parts(self) -> (NonNull<MDL>, bool) {
        let parts = (self.mdl, self.locked);
        core::mem::forget(self);
        parts
    }

    /// # Safety
    ///
    /// The parts must come from one call of [`into_parts`](Self::into_parts), and be used once.
    pub const unsafe fn from_parts(mdl: NonNull<MDL>, locked: bool) -> Self {
        Self { mdl, locked }
    }
}

impl Drop for OwnedMdl {
    /// IRQL: `<= DISPATCH_LEVEL`.
    fn drop(&mut self) {
        if self.locked {
            // SAFETY: INVARIANT: this value locked the pages, and unlocks them once.
            unsafe { MmUnlockPages(self.mdl.as_ptr()) };
        }
        // SAFETY: INVARIANT: the MDL is ours and no IRP refers to it any more. IoFreeMdl also takes back a
        // system mapping that the lower driver made of a partial MDL.
        unsafe { IoFreeMdl(self.mdl.as_ptr()) };
    }
}
