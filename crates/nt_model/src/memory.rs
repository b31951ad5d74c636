//! Pages of a process, and the kernel's half.

use std::collections::BTreeMap;

use kswrite_core::NtStatus;

/// Bytes of a page.
pub const PAGE_BYTES: u64 = PAGE_LENGTH as u64;
const PAGE_LENGTH: usize = 4096;
/// Addresses from here on belong to the kernel.
pub const KERNEL_BASE: u64 = 0xFFFF_8000_0000_0000;

/// A virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub u64);

/// One page of the process.
#[derive(Clone, Debug)]
pub struct Page {
    /// Whether it can be read now. A page that cannot is as good as unmapped.
    pub readable: bool,
    /// How many MDLs hold it locked.
    pub locks: u32,
    bytes: Box<[u8; PAGE_LENGTH]>,
}

/// The memory that a write may name.
#[derive(Default, Debug)]
pub struct Memory {
    pages: BTreeMap<u64, Page>,
}

impl Memory {
    /// Maps the pages under `bytes` and fills them.
    pub fn map(&mut self, address: Address, bytes: &[u8]) {
        for (offset, byte) in bytes.iter().enumerate() {
            let at = address.0 + offset as u64;
            let page = self.pages.entry(at / PAGE_BYTES).or_insert_with(|| Page {
                readable: true,
                locks: 0,
                bytes: Box::new([0; PAGE_LENGTH]),
            });
            if let Some(slot) = page.bytes.get_mut(offset_in_page(at)) {
                *slot = *byte;
            }
        }
    }

    /// Makes the page of an address unreadable, or readable again.
    pub fn set_readable(&mut self, address: Address, readable: bool) {
        if let Some(page) = self.pages.get_mut(&(address.0 / PAGE_BYTES)) {
            page.readable = readable;
        }
    }

    /// Reads bytes. A locked page is readable whatever became of its protection.
    ///
    /// # Errors
    ///
    /// `STATUS_ACCESS_VIOLATION`, as the exception that the access raises.
    pub fn read(&self, address: Address, length: u32) -> Result<Vec<u8>, NtStatus> {
        (0..u64::from(length))
            .map(|offset| {
                let at = address.0.checked_add(offset).ok_or(NtStatus::ACCESS_VIOLATION)?;
                let page = self
                    .pages
                    .get(&(at / PAGE_BYTES))
                    .ok_or(NtStatus::ACCESS_VIOLATION)?;
                if !page.readable && page.locks == 0 {
                    return Err(NtStatus::ACCESS_VIOLATION);
                }
                page.bytes
                    .get(offset_in_page(at))
                    .copied()
                    .ok_or(NtStatus::ACCESS_VIOLATION)
            })
            .collect()
    }

    /// Locks every page of a range, or none.
    ///
    /// # Errors
    ///
    /// `STATUS_ACCESS_VIOLATION`.
    pub fn lock(&mut self, address: Address, length: u32) -> Result<(), NtStatus> {
        let range = Self::pages_of(address, length);
        if !range
            .clone()
            .all(|page| self.pages.get(&page).is_some_and(|page| page.readable))
        {
            return Err(NtStatus::ACCESS_VIOLATION);
        }
        for page in range {
            if let Some(page) = self.pages.get_mut(&page) {
                page.locks += 1;
            }
        }
        Ok(())
    }

    /// Unlocks what [`lock`](Self::lock) locked. FALSE if a page was not locked.
    pub fn unlock(&mut self, address: Address, length: u32) -> bool {
        Self::pages_of(address, length).all(|page| {
            self.pages.get_mut(&page).is_some_and(|page| {
                let held = page.locks > 0;
                page.locks = page.locks.saturating_sub(1);
                held
            })
        })
    }

    /// Locks over all pages.
    pub fn locks(&self) -> u32 {
        self.pages.values().map(|page| page.locks).sum()
    }

    fn pages_of(address: Address, length: u32) -> std::ops::RangeInclusive<u64> {
        let last = address.0 + u64::from(length.max(1)) - 1;
        address.0 / PAGE_BYTES..=last / PAGE_BYTES
    }
}

fn offset_in_page(at: u64) -> usize {
    // Below 4096, so it fits any usize.
    usize::try_from(at % PAGE_BYTES).unwrap_or_default()
}
