//! Bytes at addresses that stand for a program's: in pages of this process behind which there is none.
#![expect(unsafe_code, reason = "allocates and fills pages")]

use wdk_sys::{NTSTATUS, PVOID, SIZE_T, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use crate::sys;

const PAGE_BYTES: usize = 4096;
/// `MEM_RESERVE | MEM_COMMIT`.
const RESERVE_AND_COMMIT: u32 = 0x3000;
const MEM_RELEASE: u32 = 0x8000;
const PAGE_NOACCESS: u32 = 0x01;
const PAGE_READONLY: u32 = 0x02;
const PAGE_READWRITE: u32 = 0x04;

fn check(status: NTSTATUS) -> Result<(), NTSTATUS> {
    if status == STATUS_SUCCESS {
        Ok(())
    } else {
        Err(status)
    }
}

/// Makes the pages and gives the address of the first byte. The last byte is the last of its page.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER` for no bytes, or what the system says.
pub fn map(bytes: &[u8]) -> Result<u64, NTSTATUS> {
    if bytes.is_empty() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let readable = bytes.len().next_multiple_of(PAGE_BYTES);
    let mut base: PVOID = core::ptr::null_mut();
    let mut size = (readable + PAGE_BYTES) as SIZE_T;
    // SAFETY: both variables may be written; no address is asked for.
    check(unsafe {
        sys::ZwAllocateVirtualMemory(
            sys::CURRENT_PROCESS,
            &raw mut base,
            0,
            &raw mut size,
            RESERVE_AND_COMMIT,
            PAGE_READWRITE,
        )
    })?;
    let start = base.cast::<u8>().wrapping_add(readable - bytes.len());
    // SAFETY: the pages are new, and the bytes end where the readable ones do.
    unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    protect(base, readable, PAGE_READONLY)?;
    protect(base.wrapping_byte_add(readable), PAGE_BYTES, PAGE_NOACCESS)?;
    Ok(start.expose_provenance() as u64)
}

fn protect(base: PVOID, bytes: usize, protection: u32) -> Result<(), NTSTATUS> {
    let (mut base, mut size, mut old) = (base, bytes as SIZE_T, 0);
    // SAFETY: the range is one of the pages that `map` made.
    check(unsafe {
        sys::ZwProtectVirtualMemory(
            sys::CURRENT_PROCESS,
            &raw mut base,
            &raw mut size,
            protection,
            &raw mut old,
        )
    })
}

/// Takes the pages of [`map`] away.
///
/// # Errors
///
/// What the system says.
pub fn unmap(address: u64) -> Result<(), NTSTATUS> {
    let start = address as usize / PAGE_BYTES * PAGE_BYTES;
    let (mut base, mut size) = (core::ptr::with_exposed_provenance_mut(start), 0);
    // SAFETY: the address is one that `map` gave, and the first page is the base of its allocation.
    check(unsafe {
        sys::ZwFreeVirtualMemory(sys::CURRENT_PROCESS, &raw mut base, &raw mut size, MEM_RELEASE)
    })
}
