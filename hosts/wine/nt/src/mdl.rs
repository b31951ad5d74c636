//! Memory descriptor lists.
//!
//! Wine's own functions do nothing: pages are never locked, a bad buffer never raises, and nothing is ever
//! mapped. Here the flags and addresses are those of the documentation, a bad buffer raises
//! `STATUS_ACCESS_VIOLATION`, and what a driver forgets is found. Page frame numbers are not filled in.
#![expect(
    unsafe_code,
    reason = "an MDL is a raw structure that drivers and the system share"
)]

use core::ptr::NonNull;

use kswrite_wire::wine_host::Service;
use wdk_sys::{
    _LOCK_OPERATION, BOOLEAN, CCHAR, LOCK_OPERATION, MDL, MDL_ALLOCATED_FIXED_SIZE, MDL_IO_PAGE_READ,
    MDL_MAPPED_TO_SYSTEM_VA, MDL_PAGES_LOCKED, MDL_PARTIAL, MDL_PARTIAL_HAS_BEEN_MAPPED,
    MDL_SOURCE_IS_NONPAGED_POOL, MDL_WRITE_OPERATION, PIRP, PMDL, PVOID, STATUS_ACCESS_VIOLATION, ULONG,
};

use crate::counts::Table;
use crate::{faults, probe, report, sys};

const PAGE_BYTES: usize = 4096;

/// What is known of an MDL that a driver allocated.
#[derive(Clone, Copy, Debug)]
pub struct Detail {
    locked: bool,
    /// Bytes that it can describe.
    capacity: u32,
}

/// MDLs that drivers allocated.
pub static MDLS: Table<Detail> = Table::new();

/// An MDL.
///
/// # Invariants
///
/// Points to an MDL whose memory stays while the value is used.
#[derive(Clone, Copy)]
pub struct Mdl(NonNull<MDL>);

impl Mdl {
    /// Whether its pages stay: they are locked, by this MDL or the one that it is a part of, or are pool.
    pub fn is_locked(self) -> bool {
        self.flags() & (MDL_PAGES_LOCKED | MDL_PARTIAL | MDL_SOURCE_IS_NONPAGED_POOL) != 0
    }

    /// Wraps a pointer; `None` for NULL.
    ///
    /// # Safety
    ///
    /// `mdl` is NULL or points to an MDL that stays allocated while the value is used.
    pub unsafe fn from_raw(mdl: PMDL) -> Option<Self> {
        // INVARIANT: what the caller promises.
        NonNull::new(mdl).map(Self)
    }

    /// The pointer.
    pub const fn as_ptr(self) -> PMDL {
        self.0.as_ptr()
    }

    fn at(self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    /// `MdlFlags`.
    pub fn flags(self) -> u32 {
        // SAFETY: the type's invariant.
        let flags = unsafe { (*self.0.as_ptr()).MdlFlags };
        u32::from(flags.cast_unsigned())
    }

    /// Sets `MdlFlags`.
    pub fn set_flags(self, flags: u32) {
        // SAFETY: the type's invariant; the holder of an MDL may write it.
        unsafe { (*self.0.as_ptr()).MdlFlags = (flags as u16).cast_signed() };
    }

    /// `MappedSystemVa`.
    pub fn mapped(self) -> PVOID {
        // SAFETY: the type's invariant.
        unsafe { (*self.0.as_ptr()).MappedSystemVa }
    }

    /// Sets `MappedSystemVa`.
    pub fn set_mapped(self, address: PVOID) {
        // SAFETY: the type's invariant; the holder of an MDL may write it.
        unsafe { (*self.0.as_ptr()).MappedSystemVa = address };
    }

    /// `MmGetMdlVirtualAddress`.
    pub fn address(self) -> usize {
        // SAFETY: the type's invariant.
        let start = unsafe { (*self.0.as_ptr()).StartVa };
        // SAFETY: the type's invariant.
        let offset = unsafe { (*self.0.as_ptr()).ByteOffset };
        start.expose_provenance() + offset as usize
    }

    /// `MmGetMdlByteCount`.
    pub fn bytes(self) -> u32 {
        // SAFETY: the type's invariant.
        unsafe { (*self.0.as_ptr()).ByteCount }
    }

    fn describe(self, address: usize, bytes: u32) {
        let offset = address % PAGE_BYTES;
        // SAFETY: the type's invariant; the holder of an MDL may write it.
        unsafe { (*self.0.as_ptr()).StartVa = core::ptr::with_exposed_provenance_mut(address - offset) };
        // SAFETY: as above.
        unsafe { (*self.0.as_ptr()).ByteOffset = offset as u32 };
        // SAFETY: as above.
        unsafe { (*self.0.as_ptr()).ByteCount = bytes };
    }

    /// Makes an MDL that Wine mapped for a direct device look as the I/O manager leaves it: locked, and
    /// not mapped yet.
    pub fn show_as_locked(self, written_by_device: bool) {
        let write = if written_by_device { MDL_WRITE_OPERATION } else { 0 };
        self.set_flags(self.flags() & !MDL_MAPPED_TO_SYSTEM_VA | MDL_PAGES_LOCKED | write);
        self.set_mapped(core::ptr::null_mut());
    }
}

/// `IoAllocateMdl`. `booleans` holds `SecondaryBuffer` in bit 0 and `ChargeQuota` in bit 1.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-ioallocatemdl>
///
/// # Safety
///
/// `irp` is NULL or an IRP that the caller owns.
pub unsafe extern "C" fn io_allocate_mdl(
    address: PVOID,
    length: ULONG,
    booleans: usize,
    caller: usize,
    irp: PIRP,
) -> PMDL {
    if faults::strikes(Service::AllocateMdl) {
        return core::ptr::null_mut();
    }
    let secondary = BOOLEAN::from(booleans & 1 != 0);
    // SAFETY: Wine records the range without touching it; the caller says that `irp` is its own or NULL.
    let mdl = unsafe { sys::IoAllocateMdl(address, length, secondary, 0, irp) };
    if !mdl.is_null() {
        let detail = Detail {
            locked: false,
            capacity: capacity(address.addr(), length),
        };
        MDLS.insert(mdl.expose_provenance(), caller, detail);
    }
    mdl
}

/// Bytes to the end of the last page that the range touches.
fn capacity(address: usize, length: u32) -> u32 {
    let offset = address % PAGE_BYTES;
    let pages = (offset + length as usize).div_ceil(PAGE_BYTES);
    u32::try_from(pages * PAGE_BYTES).unwrap_or(u32::MAX)
}

/// `IoFreeMdl`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iofreemdl>
///
/// # Safety
///
/// `mdl` is what `IoAllocateMdl` gave; one that it did not give is reported and left alone.
pub unsafe extern "C" fn io_free_mdl(mdl: PMDL, caller: usize) {
    let Some(held) = MDLS.remove(mdl.expose_provenance()) else {
        let what = "IoFreeMdl of an MDL that this driver did not allocate, or freed before";
        report::finding(report::UNKNOWN, Some(caller), format_args!("{what}: {mdl:p}"));
        return;
    };
    if held.detail.locked {
        let what = format_args!("MDL {mdl:p} freed while its pages are locked");
        report::finding(report::UNKNOWN, Some(caller), what);
    }
    // SAFETY: the table says that it came from IoAllocateMdl and was not freed since.
    unsafe { sys::IoFreeMdl(mdl) };
}

/// `MmProbeAndLockPages`. Raises `STATUS_ACCESS_VIOLATION` when a page is not there or does not allow the
/// operation. The mode makes no difference: see [`probe::accessible`].
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmprobeandlockpages>
///
/// # Safety
///
/// `mdl` is a valid MDL, and the caller handles structured exceptions.
pub unsafe extern "C" fn mm_probe_and_lock_pages(
    mdl: PMDL,
    _mode: CCHAR,
    operation: LOCK_OPERATION,
    caller: usize,
) {
    // SAFETY: the caller passes a valid MDL.
    let locked = unsafe { Mdl::from_raw(mdl) }.is_some_and(|view| lock_pages(view, operation, Some(caller)));
    if !locked {
        // SAFETY: no lock of the host is held, and no frame between here and the driver needs dropping.
        unsafe { sys::RtlRaiseStatus(STATUS_ACCESS_VIOLATION) };
    }
}

/// Locks the pages, or says that they are not there.
pub fn lock_pages(view: Mdl, operation: LOCK_OPERATION, caller: Option<usize>) -> bool {
    let mdl = view.as_ptr();
    if view.is_locked() {
        let what = format_args!(
            "MmProbeAndLockPages of MDL {mdl:p} with flags {:#x}: locked, partial or nonpaged already",
            view.flags()
        );
        report::finding(report::UNKNOWN, caller, what);
    }
    if faults::strikes(Service::ProbeAndLock) {
        return false;
    }
    let writes = operation != _LOCK_OPERATION::IoReadAccess;
    let access = if writes {
        probe::Access::Write
    } else {
        probe::Access::Read
    };
    if !probe::accessible(view.address(), view.bytes() as usize, access) {
        return false;
    }
    let write = if writes { MDL_WRITE_OPERATION } else { 0 };
    view.set_flags(view.flags() | MDL_PAGES_LOCKED | write);
    MDLS.update(view.at(), |detail| detail.locked = true);
    true
}

/// `MmUnlockPages`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmunlockpages>
///
/// # Safety
///
/// `mdl` is a valid MDL.
pub unsafe extern "C" fn mm_unlock_pages(mdl: PMDL, caller: usize) {
    // SAFETY: the caller passes a valid MDL.
    let Some(view) = (unsafe { Mdl::from_raw(mdl) }) else {
        return;
    };
    let own = MDLS.update(view.at(), |detail| core::mem::replace(&mut detail.locked, false));
    if own != Some(true) || view.flags() & MDL_PAGES_LOCKED == 0 {
        let what = format_args!("MmUnlockPages of MDL {mdl:p} that this driver did not lock");
        report::finding(report::UNKNOWN, Some(caller), what);
        return;
    }
    view.set_flags(view.flags() & !(MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA | MDL_WRITE_OPERATION));
    view.set_mapped(core::ptr::null_mut());
}

/// `MmMapLockedPagesSpecifyCache`, kernel mode only. The mapping is the address itself.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmmaplockedpagesspecifycache>
///
/// # Safety
///
/// `mdl` is a valid MDL.
pub unsafe extern "C" fn mm_map_locked_pages_specify_cache(
    mdl: PMDL,
    mode: CCHAR,
    _cache: i32,
    _requested: PVOID,
    _bug_check: ULONG,
    _priority: u32,
) -> PVOID {
    // SAFETY: the caller passes a valid MDL.
    let Some(view) = (unsafe { Mdl::from_raw(mdl) }) else {
        return core::ptr::null_mut();
    };
    if mode != 0 {
        report::finding(
            report::UNKNOWN,
            None,
            format_args!("mapping into user mode is not emulated"),
        );
        return core::ptr::null_mut();
    }
    map_pages(view)
}

/// Maps locked pages; NULL when a fault is armed or they are not locked.
pub fn map_pages(view: Mdl) -> PVOID {
    if faults::strikes(Service::MapLockedPages) {
        return core::ptr::null_mut();
    }
    let flags = view.flags();
    if flags & (MDL_PAGES_LOCKED | MDL_PARTIAL) == 0 {
        let what = format_args!("mapping of MDL {:p} whose pages are not locked", view.as_ptr());
        report::finding(report::UNKNOWN, None, what);
        return core::ptr::null_mut();
    }
    if flags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL) != 0 {
        let what = format_args!("mapping of MDL {:p} that has a system address", view.as_ptr());
        report::finding(report::UNKNOWN, None, what);
    }
    let partial = if flags & MDL_PARTIAL != 0 {
        MDL_PARTIAL_HAS_BEEN_MAPPED
    } else {
        0
    };
    let address = core::ptr::with_exposed_provenance_mut(view.address());
    view.set_mapped(address);
    view.set_flags(flags | MDL_MAPPED_TO_SYSTEM_VA | partial);
    address
}

/// `MmUnmapLockedPages`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmunmaplockedpages>
///
/// # Safety
///
/// `mdl` is a valid MDL.
pub unsafe extern "C" fn mm_unmap_locked_pages(address: PVOID, mdl: PMDL) {
    // SAFETY: the caller passes a valid MDL.
    let Some(view) = (unsafe { Mdl::from_raw(mdl) }) else {
        return;
    };
    if view.flags() & MDL_MAPPED_TO_SYSTEM_VA == 0 || view.mapped() != address {
        let what = format_args!("MmUnmapLockedPages of MDL {mdl:p} that is not mapped at {address:p}");
        report::finding(report::UNKNOWN, None, what);
        return;
    }
    view.set_flags(view.flags() & !(MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED));
    view.set_mapped(core::ptr::null_mut());
}

/// `MmBuildMdlForNonPagedPool`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-mmbuildmdlfornonpagedpool>
///
/// # Safety
///
/// `mdl` is a valid MDL of nonpaged memory.
pub unsafe extern "C" fn mm_build_mdl_for_non_paged_pool(mdl: PMDL) {
    // SAFETY: the caller passes a valid MDL.
    let Some(view) = (unsafe { Mdl::from_raw(mdl) }) else {
        return;
    };
    if view.flags() & (MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL) != 0 {
        let what = format_args!("MmBuildMdlForNonPagedPool of MDL {mdl:p} that is locked, mapped or partial");
        report::finding(report::UNKNOWN, None, what);
    }
    view.set_mapped(core::ptr::with_exposed_provenance_mut(view.address()));
    view.set_flags(view.flags() | MDL_SOURCE_IS_NONPAGED_POOL);
}

/// `IoBuildPartialMdl`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iobuildpartialmdl>
///
/// # Safety
///
/// Both are valid MDLs.
pub unsafe extern "C" fn io_build_partial_mdl(source: PMDL, target: PMDL, address: PVOID, length: ULONG) {
    // SAFETY: the caller passes a valid MDL.
    let source = unsafe { Mdl::from_raw(source) };
    // SAFETY: as above.
    let target = unsafe { Mdl::from_raw(target) };
    let (Some(source), Some(target)) = (source, target) else {
        return;
    };
    let start = address.addr();
    let offset = start.wrapping_sub(source.address());
    let Some(rest) = (source.bytes() as usize).checked_sub(offset) else {
        report::finding(
            report::UNKNOWN,
            None,
            format_args!("IoBuildPartialMdl: {address:p} lies outside the source"),
        );
        return;
    };
    let bytes = if length == 0 { rest } else { length as usize };
    let fits = MDLS
        .get(target.at())
        .is_none_or(|held| start % PAGE_BYTES + bytes <= held.detail.capacity as usize);
    if bytes > rest || !fits {
        let what = "IoBuildPartialMdl: the range leaves the source or does not fit the target";
        report::finding(report::UNKNOWN, None, format_args!("{what}"));
        return;
    }
    if source.flags() & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL) == 0 {
        report::finding(
            report::UNKNOWN,
            None,
            format_args!("IoBuildPartialMdl: the source is neither locked nor nonpaged"),
        );
    }
    let inherited =
        source.flags() & (MDL_SOURCE_IS_NONPAGED_POOL | MDL_MAPPED_TO_SYSTEM_VA | MDL_IO_PAGE_READ);
    target.set_flags(target.flags() & MDL_ALLOCATED_FIXED_SIZE | inherited | MDL_PARTIAL);
    target.describe(start, bytes as u32);
    let mapped = if inherited & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL) == 0 {
        core::ptr::null_mut()
    } else {
        source.mapped().wrapping_byte_add(offset)
    };
    target.set_mapped(mapped);
}

/// MDLs outstanding, and of them those locked.
pub fn outstanding() -> (u32, u32) {
    (MDLS.count(|_| true), MDLS.count(|detail| detail.locked))
}

/// Reports the MDLs that the driver at `base` did not free.
pub fn report_leaks(driver: &str, base: usize) {
    MDLS.report_leaks(driver, base, |address, detail| {
        let locked = if detail.locked { ", pages locked" } else { "" };
        Some(alloc::format!("MDL {address:#x}{locked}"))
    });
}
