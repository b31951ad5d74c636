//! Whether memory is there.
#![expect(unsafe_code, reason = "asks the system about an address range")]

use wdk_sys::{NTSTATUS, STATUS_SUCCESS};

use crate::sys;

const MEM_COMMIT: u32 = 0x1000;
const PAGE_GUARD: u32 = 0x100;
const PAGE_READWRITE: u32 = 0x04;
const PAGE_WRITECOPY: u32 = 0x08;
const PAGE_EXECUTE_READWRITE: u32 = 0x40;
const PAGE_EXECUTE_WRITECOPY: u32 = 0x80;
const WRITABLE: u32 = PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
const READABLE: u32 = WRITABLE | 0x02 | 0x20;

/// What the memory is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It will be read.
    Read,
    /// It will be written.
    Write,
}

/// Whether every byte from `address` on may be accessed. No bytes are always accessible.
///
/// In Wine "user" and "kernel" buffers are both memory of this process, so that a range is judged by
/// whether it is mapped, not by which side of a boundary it lies on.
pub fn accessible(address: usize, bytes: usize, access: Access) -> bool {
    let Some(end) = address.checked_add(bytes) else {
        return false;
    };
    let wanted = match access {
        Access::Read => READABLE,
        Access::Write => WRITABLE,
    };
    let mut at = address;
    while at < end {
        let Some(region) = query(at) else {
            return false;
        };
        if region.state != MEM_COMMIT
            || region.protect & PAGE_GUARD != 0
            || region.protect & wanted == 0
            || region.region_size == 0
        {
            return false;
        }
        at = region.base_address.saturating_add(region.region_size);
    }
    true
}

fn query(address: usize) -> Option<sys::MemoryBasicInformation> {
    let mut region = sys::MemoryBasicInformation::default();
    let mut returned = 0;
    // SAFETY: the address is only asked about; both results may be written.
    let status: NTSTATUS = unsafe {
        sys::ZwQueryVirtualMemory(
            sys::CURRENT_PROCESS,
            core::ptr::without_provenance_mut(address),
            0,
            &raw mut region,
            size_of::<sys::MemoryBasicInformation>(),
            &raw mut returned,
        )
    };
    (status == STATUS_SUCCESS).then_some(region)
}
