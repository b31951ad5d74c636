//! Pool with flags, tags and zeroing.
#![expect(unsafe_code, reason = "hands out and takes back raw memory")]

use kswrite_wire::wine_host::Service;
use wdk_sys::{PVOID, SIZE_T, STATUS_INSUFFICIENT_RESOURCES, STATUS_QUOTA_EXCEEDED, ULONG};

use crate::counts::Table;
use crate::{faults, irql, report, sys};

const FLAG_USE_QUOTA: u64 = 0x01;
const FLAG_UNINITIALIZED: u64 = 0x02;
const FLAG_RAISE_ON_FAILURE: u64 = 0x20;
const FLAG_NON_PAGED: u64 = 0x40;
const FLAG_NON_PAGED_EXECUTE: u64 = 0x80;
const FLAG_PAGED: u64 = 0x100;
const PAGE_BYTES: usize = 4096;
/// What freed memory is filled with, so that a late read shows.
const FREED: u8 = 0xDD;
/// Bytes of a freed block that are filled.
const FREED_BYTES: usize = 4096;
/// More than this at once is refused, as a kernel would: Wine takes minutes over absurd sizes.
const LIMIT_BYTES: u64 = 1 << 34;

/// What is known of an allocation.
#[derive(Clone, Copy, Debug)]
pub struct Detail {
    tag: u32,
    bytes: usize,
    /// What the process heap gave; the address handed out may lie within it.
    block: usize,
}

/// Allocations of drivers.
pub static ALLOCATIONS: Table<Detail> = Table::new();

struct Tag(u32);

impl core::fmt::Display for Tag {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for byte in self.0.to_le_bytes() {
            let shown = if byte.is_ascii_graphic() { byte } else { b'.' };
            write!(out, "{}", char::from(shown))?;
        }
        Ok(())
    }
}

/// `ExAllocatePool2`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepool2>
///
/// # Safety
///
/// None beyond the convention of the call.
pub unsafe extern "C" fn ex_allocate_pool2(flags: u64, bytes: SIZE_T, tag: ULONG, caller: usize) -> PVOID {
    check_flags(flags, tag, caller);
    let failed = if flags & FLAG_USE_QUOTA != 0 && faults::strikes(Service::Quota) {
        STATUS_QUOTA_EXCEEDED
    } else {
        let address = allocate(bytes, tag, caller, flags & FLAG_UNINITIALIZED == 0);
        if !address.is_null() {
            return address;
        }
        STATUS_INSUFFICIENT_RESOURCES
    };
    if flags & FLAG_RAISE_ON_FAILURE != 0 {
        // SAFETY: no lock of the host is held; the driver asked for an exception, and handles it.
        unsafe { sys::RtlRaiseStatus(failed) };
    }
    core::ptr::null_mut()
}

fn check_flags(flags: u64, tag: u32, caller: usize) {
    let kinds = [FLAG_NON_PAGED, FLAG_NON_PAGED_EXECUTE, FLAG_PAGED];
    let named = kinds.iter().filter(|kind| flags & **kind != 0).count();
    if named != 1 {
        let what = format_args!("ExAllocatePool2: flags {flags:#x} do not name one pool");
        report::finding(report::UNKNOWN, Some(caller), what);
    }
    if tag == 0 {
        let what = format_args!("ExAllocatePool2: the tag is 0");
        report::finding(report::UNKNOWN, Some(caller), what);
    }
    if flags & FLAG_PAGED != 0 && irql::current() >= irql::DISPATCH_LEVEL {
        let what = format_args!("ExAllocatePool2: paged pool at DISPATCH_LEVEL");
        report::finding(report::UNKNOWN, Some(caller), what);
    }
}

/// `ExAllocatePoolWithTag`, which older drivers call.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepoolwithtag>
///
/// # Safety
///
/// None beyond the convention of the call.
pub unsafe extern "C" fn ex_allocate_pool_with_tag(
    _pool: i32,
    bytes: SIZE_T,
    tag: ULONG,
    caller: usize,
) -> PVOID {
    allocate(bytes, tag, caller, false)
}

fn allocate(bytes: u64, tag: u32, caller: usize, zero: bool) -> PVOID {
    if faults::strikes(Service::Pool) || bytes > LIMIT_BYTES {
        return core::ptr::null_mut();
    }
    let bytes = bytes as usize;
    // A page and more comes page-aligned.
    let slack = if bytes >= PAGE_BYTES { PAGE_BYTES } else { 0 };
    // SAFETY: any size may be asked for; the result is checked.
    let block = unsafe { sys::ExAllocatePoolWithTag(0, (bytes + slack) as u64, tag) };
    if block.is_null() {
        return block;
    }
    let start = block.expose_provenance();
    let address = if slack == 0 {
        start
    } else {
        start.next_multiple_of(PAGE_BYTES)
    };
    let given: *mut u8 = core::ptr::with_exposed_provenance_mut(address);
    // What is not zeroed is filled, so that a read of it shows.
    let fill = if zero { 0 } else { 0xCD };
    // SAFETY: `bytes` bytes from the address lie in the block: the slack covers the alignment.
    unsafe { given.write_bytes(fill, bytes) };
    let detail = Detail {
        tag,
        bytes,
        block: start,
    };
    ALLOCATIONS.insert(address, caller, detail);
    given.cast()
}

/// `ExFreePoolWithTag`. A tag of 0 matches any.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exfreepoolwithtag>
///
/// # Safety
///
/// `address` came from one of the functions above; anything else is reported and left alone.
pub unsafe extern "C" fn ex_free_pool_with_tag(address: PVOID, tag: ULONG, caller: usize) {
    let Some(held) = ALLOCATIONS.remove(address.addr()) else {
        let what = format_args!("free of {address:p}, which this driver did not allocate, or freed before");
        report::finding(report::UNKNOWN, Some(caller), what);
        return;
    };
    if tag != 0 && tag != held.detail.tag {
        let what = format_args!(
            "free with tag '{}' of {address:p}, allocated with tag '{}' at {}",
            Tag(tag),
            Tag(held.detail.tag),
            crate::caller::Place(held.caller)
        );
        report::finding(report::UNKNOWN, Some(caller), what);
    }
    let filled = held.detail.bytes.min(FREED_BYTES);
    // SAFETY: the allocation is live and at least this long.
    unsafe { address.cast::<u8>().write_bytes(FREED, filled) };
    // SAFETY: `block` is what the process heap gave for it, and it is freed once: its entry is gone.
    unsafe { sys::ExFreePoolWithTag(core::ptr::with_exposed_provenance_mut(held.detail.block), 0) };
}

/// `ExFreePool`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exfreepool>
///
/// # Safety
///
/// As [`ex_free_pool_with_tag`].
pub unsafe extern "C" fn ex_free_pool(address: PVOID, caller: usize) {
    // SAFETY: the same contract.
    unsafe { ex_free_pool_with_tag(address, 0, caller) };
}

/// Allocations outstanding, and their bytes.
pub fn outstanding() -> (u32, u64) {
    (
        ALLOCATIONS.count(|_| true),
        ALLOCATIONS.sum(|detail| detail.bytes as u64),
    )
}

/// Reports what the driver at `base` did not free.
pub fn report_leaks(driver: &str, base: usize) {
    ALLOCATIONS.report_leaks(driver, base, |address, detail| {
        Some(alloc::format!(
            "pool {address:#x}, {} bytes, tag '{}'",
            detail.bytes,
            Tag(detail.tag)
        ))
    });
}
