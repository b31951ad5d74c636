//! Memory that a case lends to the system: buffers with an inaccessible page behind, and `OVERLAPPED`s.
//!
//! Nothing here is freed before [`Memory::free`], which its caller may call only when no operation is left. A case
//! that leaves one behind keeps its memory until the process ends.
#![expect(
    unsafe_code,
    reason = "the system reads and writes this memory while no borrow of it exists"
)]

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kswrite_conform::win32::{Buffer, Data, Ov, Overlapped, OverlappedState, Protection, UNTOUCHED};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_NOACCESS, PAGE_PROTECTION_FLAGS, PAGE_READONLY,
    PAGE_READWRITE, VirtualAlloc, VirtualFree, VirtualProtect,
};

use super::raw;

/// Bytes of a page, on the processors that Windows runs on now.
const PAGE: usize = 4096;

/// A buffer: `pages` bytes of memory from `base` on, of which the last `length` are the case's.
#[derive(Clone, Copy)]
struct Block {
    base: usize,
    pages: usize,
    length: usize,
    protection: Protection,
}

impl Block {
    fn address(&self) -> usize {
        self.base + self.pages - self.length
    }

    fn protect(&self, protection: Protection) {
        let flags: PAGE_PROTECTION_FLAGS = match protection {
            Protection::ReadWrite => PAGE_READWRITE,
            Protection::ReadOnly => PAGE_READONLY,
            Protection::NoAccess => PAGE_NOACCESS,
        };
        let mut before = 0;
        // SAFETY: the pages are this block's, and its owner accesses them through the functions here alone, which
        // make them accessible first.
        unsafe { VirtualProtect(pointer(self.base), self.pages, flags, &raw mut before) };
    }
}

fn pointer(address: usize) -> *mut c_void {
    ptr::with_exposed_provenance_mut(address)
}

/// All memory of a case.
#[derive(Default)]
pub(super) struct Memory {
    blocks: Mutex<Vec<Block>>,
    /// Addresses of leaked boxes: an `OVERLAPPED` is small, and a stray pointer to it must not hurt.
    overlapped: Mutex<Vec<usize>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The index of something that was just pushed.
fn last_index<T>(list: &[T]) -> u32 {
    u32::try_from(list.len().saturating_sub(1)).unwrap_or(u32::MAX)
}

impl Memory {
    fn block(&self, buffer: Buffer) -> Option<Block> {
        lock(&self.blocks).get(buffer.0 as usize).copied()
    }

    /// New memory with these bytes, which end where a page without access begins.
    pub(super) fn buffer(&self, bytes: &[u8]) -> Buffer {
        let pages = bytes.len().max(1).next_multiple_of(PAGE);
        // SAFETY: a new range of addresses, one page more than what is committed.
        let base = unsafe { VirtualAlloc(ptr::null(), pages + PAGE, MEM_RESERVE, PAGE_NOACCESS) };
        // SAFETY: within that range, if there is one.
        let committed = unsafe { VirtualAlloc(base, pages, MEM_COMMIT, PAGE_READWRITE) };
        if base.is_null() || committed.is_null() {
            handle_alloc_error(Layout::for_value(bytes));
        }
        let block = Block {
            base: base.expose_provenance(),
            pages,
            length: bytes.len(),
            protection: Protection::ReadWrite,
        };
        let mut blocks = lock(&self.blocks);
        blocks.push(block);
        let buffer = Buffer(last_index(&blocks));
        drop(blocks);
        self.set_bytes(buffer, 0, bytes);
        buffer
    }

    pub(super) fn set_bytes(&self, buffer: Buffer, offset: usize, bytes: &[u8]) {
        let Some(block) = self.block(buffer) else { return };
        let room = block.length.saturating_sub(offset);
        let bytes = bytes.get(..bytes.len().min(room)).unwrap_or(&[]);
        block.protect(Protection::ReadWrite);
        let to = pointer(block.address() + offset).cast();
        // SAFETY: within the block, which is accessible now.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        block.protect(block.protection);
    }

    pub(super) fn bytes(&self, buffer: Buffer) -> Vec<u8> {
        let Some(block) = self.block(buffer) else {
            return Vec::new();
        };
        let mut bytes = vec![0; block.length];
        if block.protection == Protection::NoAccess {
            block.protect(Protection::ReadOnly);
        }
        let from = pointer(block.address()).cast_const().cast();
        // SAFETY: the block is accessible now, and as long as the vector.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), block.length) };
        if block.protection == Protection::NoAccess {
            block.protect(Protection::NoAccess);
        }
        bytes
    }

    pub(super) fn protect(&self, buffer: Buffer, protection: Protection) {
        if let Some(block) = lock(&self.blocks).get_mut(buffer.0 as usize) {
            block.protection = protection;
            block.protect(protection);
        }
    }

    /// What a call is given as `lpBuffer`.
    pub(super) fn data(&self, data: Data) -> *mut u8 {
        match data {
            Data::Null => ptr::null_mut(),
            Data::Of(buffer) => self
                .block(buffer)
                .map_or(ptr::null_mut(), |block| pointer(block.address()).cast()),
        }
    }

    /// A new `OVERLAPPED`, which is never freed.
    pub(super) fn overlapped(&self, content: &Overlapped) -> Ov {
        let [low, high] = [content.offset, content.offset >> 32].map(|word| word & 0xFFFF_FFFF);
        let event = content.event.map_or(ptr::null_mut(), raw);
        let event = event.map_addr(|address| address | usize::from(content.no_packet));
        let made = Box::new(OVERLAPPED {
            Internal: UNTOUCHED as usize,
            InternalHigh: UNTOUCHED as usize,
            Anonymous: OVERLAPPED_0 {
                Anonymous: OVERLAPPED_0_0 {
                    Offset: u32::try_from(low).unwrap_or_default(),
                    OffsetHigh: u32::try_from(high).unwrap_or_default(),
                },
            },
            hEvent: event,
        });
        let mut all = lock(&self.overlapped);
        all.push(Box::into_raw(made).expose_provenance());
        Ov(last_index(&all))
    }

    /// What a call is given as `lpOverlapped`.
    pub(super) fn overlapped_pointer(&self, overlapped: Option<Ov>) -> *mut OVERLAPPED {
        let all = lock(&self.overlapped);
        overlapped
            .and_then(|overlapped| all.get(overlapped.0 as usize))
            .map_or(ptr::null_mut(), |address| pointer(*address).cast())
    }

    /// Whose pointer this is.
    pub(super) fn overlapped_at(&self, address: usize) -> Option<Ov> {
        let all = lock(&self.overlapped);
        let index = all.iter().position(|known| *known == address)?;
        Some(Ov(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    pub(super) fn overlapped_state(&self, overlapped: Ov) -> OverlappedState {
        let all = lock(&self.overlapped);
        all.get(overlapped.0 as usize).map_or(
            OverlappedState {
                internal: 0,
                internal_high: 0,
                offset: 0,
            },
            |address| {
                let from = pointer(*address).cast_const().cast::<OVERLAPPED>();
                // SAFETY: it is never freed. The system may write to it at the same time, so that an old or a new
                // value of each field is read.
                let now = unsafe { from.read_volatile() };
                // SAFETY: all bit patterns are values of this member.
                let offset = unsafe { now.Anonymous.Anonymous };
                OverlappedState {
                    internal: now.Internal as u64,
                    internal_high: now.InternalHigh as u64,
                    offset: u64::from(offset.OffsetHigh) << 32 | u64::from(offset.Offset),
                }
            },
        )
    }

    /// Frees the buffers.
    ///
    /// # Safety
    ///
    /// No operation that was given one of them is still going on.
    pub(super) unsafe fn free(&self) {
        for block in lock(&self.blocks).drain(..) {
            // SAFETY: the whole range, which nobody uses, as the caller promises.
            unsafe { VirtualFree(pointer(block.base), 0, MEM_RELEASE) };
        }
    }
}
