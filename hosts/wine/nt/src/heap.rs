//! The host's own memory, from Wine's pool (which is the process heap).
#![expect(
    unsafe_code,
    reason = "a global allocator is an unsafe trait over foreign calls"
)]

use core::alloc::{GlobalAlloc, Layout};

use crate::sys;

const TAG: u32 = u32::from_le_bytes(*b"KsHo");
/// What the process heap of a 64-bit process gives.
const HEAP_ALIGN: usize = 16;

/// Allocates from the process heap. It is separate from [`crate::pool`]: what the host needs for itself is
/// not counted against a driver.
pub struct HostHeap;

// SAFETY: blocks come from one heap, are unique until freed, and are at least as large as asked for; an
// alignment that the heap does not give is refused.
unsafe impl GlobalAlloc for HostHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > HEAP_ALIGN {
            return core::ptr::null_mut();
        }
        // SAFETY: any size may be asked for; NULL is a valid answer of `alloc`.
        let block = unsafe { sys::ExAllocatePoolWithTag(0, layout.size() as u64, TAG) };
        block.cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller hands back a block of `alloc`, which came from the pool.
        unsafe { sys::ExFreePoolWithTag(block.cast(), TAG) };
    }
}
