//! What the write path needs from a kernel.

use crate::{IoStatus, NtStatus, ProcessorMode, WriteCall};

/// How a device wants the bytes of a write: the `DO_*` flags of its device object.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/kernel/methods-for-accessing-data-buffers>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferMethod {
    /// `DO_BUFFERED_IO`: a copy in a system buffer.
    Buffered,
    /// `DO_DIRECT_IO`: an MDL of locked pages.
    Direct,
    /// Neither flag: the raw address.
    Neither,
}

/// Kernel services. An implementation does as it is told and decides nothing.
///
/// Everything here is called in the thread that dispatches the write, at `<= DISPATCH_LEVEL`. A fast-I/O routine
/// is called, and an address of a user-mode requestor touched, at `<= APC_LEVEL` only.
pub trait Kernel: Sized {
    /// A file object, borrowed for the call.
    type File: Copy;
    /// A device object, borrowed for the call.
    type Device: Copy;
    /// A virtual address.
    type Address: Copy;
    /// An MDL of locked pages that somebody else owns.
    type LockedPages: Copy;
    /// A system buffer that this write owns; freed when dropped.
    type SystemBuffer;
    /// An MDL that this write owns; unlocked if it was locked here, then freed, when dropped.
    type Mdl;
    /// The address of a fast-I/O routine.
    type FastWrite: Copy;

    /// `ExGetPreviousMode`.
    fn previous_mode(&self) -> ProcessorMode;

    /// `SizeOfFastIoDispatch` of the fast-I/O table of the device's driver, `None` without a table.
    fn fast_table_size(&self, device: Self::Device) -> Option<u32>;

    /// The `FastIoWrite` slot of that table. Asked only after [`fast_table_size`](Self::fast_table_size)
    /// said that the table reaches so far.
    fn fast_write_slot(&self, device: Self::Device) -> Option<Self::FastWrite>;

    /// Calls the routine with a copy of the call's offset and catches what it raises.
    ///
    /// # Errors
    ///
    /// The exception code.
    fn fast_write(
        &self,
        routine: Self::FastWrite,
        call: &WriteCall<Self>,
        address: Self::Address,
    ) -> Result<Option<IoStatus>, NtStatus>;

    /// The same with the address of `CurrentByteOffset` itself in place of a copy.
    ///
    /// # Errors
    ///
    /// The exception code.
    #[cfg(feature = "defects")]
    fn fast_write_aliasing(
        &self,
        routine: Self::FastWrite,
        call: &WriteCall<Self>,
        address: Self::Address,
    ) -> Result<Option<IoStatus>, NtStatus>;

    /// The method of the device.
    fn buffer_method(&self, device: Self::Device) -> BufferMethod;

    /// Whether the range lies in the user half of the address space and does not wrap.
    fn is_user_range(&self, address: Self::Address, length: u32) -> bool;

    /// Copies the requestor's bytes into a new system buffer, catching what the access raises.
    ///
    /// # Errors
    ///
    /// The exception code, or `STATUS_INSUFFICIENT_RESOURCES`.
    fn capture(&self, address: Self::Address, length: u32) -> Result<Self::SystemBuffer, NtStatus>;

    /// The same without an exception handler.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    #[cfg(feature = "defects")]
    fn capture_unguarded(&self, address: Self::Address, length: u32) -> Result<Self::SystemBuffer, NtStatus>;

    /// `MmProbeAndLockPages` for read access in the given mode.
    ///
    /// # Errors
    ///
    /// The exception code, or `STATUS_INSUFFICIENT_RESOURCES`.
    fn probe_and_lock(
        &self,
        address: Self::Address,
        length: u32,
        mode: ProcessorMode,
    ) -> Result<Self::Mdl, NtStatus>;

    /// `IoBuildPartialMdl` over the first `length` bytes of pages that are locked already.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    fn partial_mdl(&self, pages: Self::LockedPages, length: u32) -> Result<Self::Mdl, NtStatus>;

    /// `MmBuildMdlForNonPagedPool` over a system buffer.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    fn system_mdl(&self, address: Self::Address, length: u32) -> Result<Self::Mdl, NtStatus>;

    /// The system address of locked pages if they have one already.
    fn mapped_address(&self, pages: Self::LockedPages) -> Option<Self::Address>;

    /// `MmGetSystemAddressForMdlSafe` of the first `length` bytes: maps the pages if they are not mapped.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    fn map(&self, pages: Self::LockedPages, length: u32) -> Result<Self::Address, NtStatus>;
}
