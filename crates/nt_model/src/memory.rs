//! The pages of a process, and the kernel's half.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
};

use kswrite_core::{NtStatus, ProcessorMode};

use crate::{MdlId, id::Table, mdl::Mdl};

/// Bytes of a page.
pub const PAGE_BYTES: u64 = PAGE as u64;
const PAGE: usize = 4096;
/// Addresses below are the process's: `MmUserProbeAddress`.
pub const USER_END: u64 = 0x0000_7FFF_FFFF_0000;
/// Addresses from here on are the kernel's.
pub const KERNEL_BASE: u64 = 0xFFFF_8000_0000_0000;

/// A virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

impl Address {
    /// The address so many bytes on.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// Whether it is in the kernel's half.
    #[must_use]
    pub const fn is_kernel(self) -> bool {
        self.0 >= KERNEL_BASE
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What a program may do with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// `PAGE_READWRITE`.
    ReadWrite,
    /// `PAGE_READONLY`.
    ReadOnly,
    /// `PAGE_NOACCESS`.
    NoAccess,
}

/// Something that another thread of the program does to its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Protects the page of the address.
    Protect(Address, Protection),
    /// Unmaps the page of the address. Whoever has it locked keeps it.
    Unmap(Address),
    /// Writes bytes.
    Write(Address, Vec<u8>),
}

/// The memory behind a page.
pub(crate) struct Frame {
    bytes: RefCell<Box<[u8]>>,
    locks: Cell<u32>,
}

impl Frame {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            bytes: RefCell::new(vec![0; PAGE].into_boxed_slice()),
            locks: Cell::new(0),
        })
    }

    /// How many MDLs hold it.
    pub(crate) fn locks(&self) -> u32 {
        self.locks.get()
    }

    pub(crate) fn read(&self, offset: usize, length: usize, into: &mut Vec<u8>) {
        into.extend_from_slice(
            self.bytes
                .borrow()
                .get(offset..offset + length)
                .unwrap_or_default(),
        );
    }
}

struct Page {
    frame: Rc<Frame>,
    protection: Protection,
}

/// What is at an address of the kernel's half.
pub(crate) enum Region {
    /// Bytes that nobody frees.
    Bytes(Vec<u8>),
    /// Pool, charged to the quota of the process.
    Pool(Vec<u8>),
    /// The pages of an MDL, mapped.
    Mapping(MdlId, u32),
}

impl Region {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) | Self::Pool(bytes) => bytes.len() as u64,
            Self::Mapping(_, length) => u64::from(*length),
        }
    }
}

/// Why memory could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The access raises; a handler catches it.
    Raises(NtStatus),
    /// It is a kernel address without memory. No handler catches that.
    Fatal(Address),
}

/// The memory that a write may name.
pub(crate) struct Memory {
    pages: BTreeMap<u64, Page>,
    regions: BTreeMap<u64, Region>,
    pub(crate) mdls: Table<MdlId, Option<Mdl>>,
    next_user: u64,
    next_kernel: u64,
    touches: u64,
    changes: Vec<(u64, Change)>,
    locked_pages: u64,
    pub(crate) working_set_pages: Option<u64>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            pages: BTreeMap::new(),
            regions: BTreeMap::new(),
            mdls: Table::default(),
            next_user: 0x1_0000,
            next_kernel: KERNEL_BASE + PAGE_BYTES,
            touches: 0,
            changes: Vec::new(),
            locked_pages: 0,
            working_set_pages: None,
        }
    }
}

impl Memory {
    /// Maps the pages under `length` bytes, with zeroes; pages that are there stay.
    pub(crate) fn map(&mut self, address: Address, length: usize, protection: Protection) {
        for page in pages_of(address, length as u64) {
            let frame = Frame::new();
            self.pages.entry(page).or_insert(Page { frame, protection });
        }
    }

    /// An address with unmapped pages on both sides of `length` bytes.
    pub(crate) fn reserve_user(&mut self, length: usize) -> Address {
        let address = self.next_user;
        self.next_user += (length as u64 / PAGE_BYTES + 2) * PAGE_BYTES;
        Address(address)
    }

    /// Puts something into the kernel's half.
    pub(crate) fn add_region(&mut self, region: Region) -> Address {
        let address = self.next_kernel;
        // The byte after it is never there.
        self.next_kernel += region.length().next_multiple_of(16) + 16;
        self.regions.insert(address, region);
        Address(address)
    }

    pub(crate) fn remove_region(&mut self, address: Address) -> Option<Region> {
        self.regions.remove(&address.0)
    }

    /// What a program, or the program's other thread, does; what is not mapped is left alone.
    pub(crate) fn change(&mut self, change: &Change) {
        match change {
            Change::Protect(address, protection) => {
                if let Some(page) = self.pages.get_mut(&page_of(*address)) {
                    page.protection = *protection;
                }
            }
            Change::Unmap(address) => {
                self.pages.remove(&page_of(*address));
            }
            Change::Write(address, bytes) => self.write(*address, bytes),
        }
    }

    /// At the touch number `n` from now, just before it, the change is made.
    pub(crate) fn at_touch(&mut self, n: u64, change: Change) {
        self.changes.push((self.touches + n, change));
    }

    pub(crate) fn touches(&self) -> u64 {
        self.touches
    }

    fn write(&mut self, address: Address, bytes: &[u8]) {
        if let Some((start, Region::Bytes(region))) = self.regions.range_mut(..=address.0).next_back() {
            let offset = usize::try_from(address.0 - start).unwrap_or(usize::MAX);
            let slots = region.iter_mut().skip(offset);
            slots.zip(bytes).for_each(|(slot, byte)| *slot = *byte);
            return;
        }
        let mut at = 0;
        for (page, offset, length) in pieces(address, bytes.len()) {
            let piece = bytes.get(at..at + length).unwrap_or_default();
            at += length;
            if let Some(page) = self.pages.get(&page)
                && let Some(slot) = page.frame.bytes.borrow_mut().get_mut(offset..offset + length)
            {
                slot.copy_from_slice(piece);
            }
        }
    }

    /// What is in pages of the process, whatever their protection. It is no touch.
    pub(crate) fn peek(&self, address: Address, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        for (page, offset, length) in pieces(address, length) {
            match self.pages.get(&page) {
                Some(page) => page.frame.read(offset, length, &mut bytes),
                None => bytes.resize(bytes.len() + length, 0),
            }
        }
        bytes
    }

    /// Reads as code of the kernel does. Every page of the process that is read is one touch; no bytes are none.
    pub(crate) fn read(&mut self, address: Address, length: usize) -> Result<Vec<u8>, Unreadable> {
        if length == 0 {
            return Ok(Vec::new());
        }
        if address.is_kernel() {
            return self.read_kernel(address, length);
        }
        if address
            .0
            .checked_add(length as u64)
            .is_none_or(|end| end > USER_END)
        {
            return Err(Unreadable::Raises(NtStatus::ACCESS_VIOLATION));
        }
        let mut bytes = Vec::with_capacity(length);
        for (page, offset, length) in pieces(address, length) {
            self.touch();
            self.readable(page)?.read(offset, length, &mut bytes);
        }
        Ok(bytes)
    }

    pub(crate) fn read_kernel(&self, address: Address, length: usize) -> Result<Vec<u8>, Unreadable> {
        let fatal = Unreadable::Fatal(address);
        let (start, region) = self.regions.range(..=address.0).next_back().ok_or(fatal)?;
        let skipped = address.0 - start;
        if skipped + length as u64 > region.length() {
            return Err(fatal);
        }
        match region {
            Region::Bytes(bytes) | Region::Pool(bytes) => {
                let from = usize::try_from(skipped).map_err(|_| fatal)?;
                bytes.get(from..from + length).map(<[u8]>::to_vec).ok_or(fatal)
            }
            Region::Mapping(mdl, _) => self.read_mdl(*mdl, skipped, length).ok_or(fatal),
        }
    }

    /// Makes the changes that are due at this touch.
    fn touch(&mut self) {
        let now = self.touches;
        self.touches += 1;
        if self.changes.is_empty() {
            return;
        }
        let (due, later) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|(at, _)| *at == now);
        self.changes = later;
        for (_, change) in &due {
            self.change(change);
        }
    }

    fn readable(&self, page: u64) -> Result<&Rc<Frame>, Unreadable> {
        match self.pages.get(&page) {
            Some(page) if page.protection != Protection::NoAccess => Ok(&page.frame),
            _ => Err(Unreadable::Raises(NtStatus::ACCESS_VIOLATION)),
        }
    }

    /// Locks every page of a range of the process for reading, or none.
    pub(crate) fn lock(
        &mut self,
        address: Address,
        length: u32,
        mode: ProcessorMode,
    ) -> Result<Vec<Rc<Frame>>, Unreadable> {
        let end = address.0.checked_add(u64::from(length));
        if end.is_none_or(|end| end > USER_END) {
            let raises = Unreadable::Raises(NtStatus::ACCESS_VIOLATION);
            return Err(match mode {
                ProcessorMode::User => raises,
                ProcessorMode::Kernel => Unreadable::Fatal(address),
            });
        }
        let mut frames = Vec::new();
        for page in pages_of(address, u64::from(length)) {
            self.touch();
            frames.push(Rc::clone(self.readable(page)?));
        }
        let wanted = self.locked_pages + frames.len() as u64;
        if self.working_set_pages.is_some_and(|limit| wanted > limit) {
            return Err(Unreadable::Raises(NtStatus::WORKING_SET_QUOTA));
        }
        self.locked_pages = wanted;
        for frame in &frames {
            frame.locks.set(frame.locks.get() + 1);
        }
        Ok(frames)
    }

    pub(crate) fn unlock(&mut self, frames: &[Rc<Frame>]) {
        for frame in frames {
            frame.locks.set(frame.locks.get().saturating_sub(1));
            self.locked_pages = self.locked_pages.saturating_sub(1);
        }
    }

    /// Bytes of pool that are allocated.
    pub(crate) fn pool_bytes(&self) -> u64 {
        let pool = self
            .regions
            .values()
            .filter(|region| matches!(region, Region::Pool(_)));
        pool.map(Region::length).sum()
    }

    pub(crate) fn locked_pages(&self) -> u64 {
        self.locked_pages
    }

    /// How many MDLs hold the page of an address.
    pub(crate) fn locks_of(&self, address: Address) -> u32 {
        let page = self.pages.get(&page_of(address));
        page.map_or(0, |page| page.frame.locks())
    }
}

/// Whether the range is the process's and does not wrap.
pub(crate) fn is_user_range(address: Address, length: u32) -> bool {
    let end = address.0.checked_add(u64::from(length));
    end.is_some_and(|end| end <= USER_END)
}

fn page_of(address: Address) -> u64 {
    address.0 / PAGE_BYTES
}

fn pages_of(address: Address, length: u64) -> std::ops::RangeInclusive<u64> {
    let last = address.0.saturating_add(length.max(1) - 1);
    page_of(address)..=last / PAGE_BYTES
}

/// A range, page by page: number, first byte in it, bytes in it.
pub(crate) fn pieces(address: Address, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = address.0;
    let mut left = length;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let offset = usize::try_from(at % PAGE_BYTES).unwrap_or_default();
        let here = left.min(PAGE - offset);
        let piece = (at / PAGE_BYTES, offset, here);
        left -= here;
        at = at.wrapping_add(here as u64);
        Some(piece)
    })
}
