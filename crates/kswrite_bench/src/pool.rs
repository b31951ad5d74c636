//! Everything that there is, made once and used again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use kswrite_core::{BufferMethod, IoStatus, NtStatus, Statistics};

use crate::device::{Dispatch, FastRoutine};
use crate::request::Context;

/// Indices of free slots.
#[derive(Debug)]
pub(crate) struct FreeList {
    next: Box<[Cell<u32>]>,
    first: Cell<u32>,
}

const NONE: u32 = u32::MAX;

impl FreeList {
    fn new(slots: u32) -> Self {
        let next = (0..slots).map(|index| Cell::new(if index + 1 < slots { index + 1 } else { NONE }));
        Self {
            next: next.collect(),
            first: Cell::new(0),
        }
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<u32> {
        let index = self.first.get();
        self.first.set(self.next.get(index as usize)?.get());
        Some(index)
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        let after = |index: &u32| Some(self.next[*index as usize].get()).filter(|next| *next != NONE);
        std::iter::successors(Some(self.first.get()).filter(|first| *first != NONE), after).count()
    }

    #[inline]
    pub(crate) fn put(&self, index: u32) {
        self.next[index as usize].set(self.first.get());
        self.first.set(index);
    }
}

/// Bytes that begin a page, as a program's and a system buffer of some size do. Where two buffers of a copy lie within
/// their pages decides how fast it is, and must not be left to chance.
pub(crate) struct Pages {
    bytes: Box<[u8]>,
    start: usize,
}

const PAGE_BYTES: usize = 4096;

impl Pages {
    fn new(size: usize) -> Self {
        let bytes = vec![0x5A; size + PAGE_BYTES].into_boxed_slice();
        let start = bytes.as_ptr().align_offset(PAGE_BYTES);
        Self { bytes, start }
    }

    /// Copies `length` bytes that lie `from` the start of `source` to the start of these.
    pub(crate) fn copy(&mut self, source: &Self, from: usize, length: usize) {
        let from = source.start + from;
        self.bytes[self.start..self.start + length].copy_from_slice(&source.bytes[from..from + length]);
    }
}

/// What carries the bytes of an IRP.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Carried {
    #[default]
    Nothing,
    /// A system buffer that is freed with the IRP.
    Buffer(u32),
    /// A system buffer of somebody else.
    Borrowed(usize),
    /// An MDL that is freed with the IRP.
    Mdl(u32),
    Raw(usize),
}

/// The fields of an IRP and of its stack location.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    dead_code,
    reason = "this device reads few of them; that they are filled is what counts"
)]
pub(crate) struct Irp {
    pub(crate) carried: Carried,
    pub(crate) length: u32,
    pub(crate) key: u32,
    pub(crate) offset: i64,
    pub(crate) flags: u32,
    pub(crate) stack_flags: u8,
    pub(crate) user: bool,
    pub(crate) event: Option<u32>,
    pub(crate) port_context: Option<usize>,
    pub(crate) status_block: u32,
}

/// A slot for an IRP.
pub(crate) struct IrpSlot {
    pub(crate) irp: Cell<Irp>,
    pub(crate) io: Cell<IoStatus>,
    /// Of a write that the driver completes.
    pub(crate) context: Cell<Option<Rc<Context>>>,
}

/// The pages of an MDL.
#[derive(Clone, Copy, Debug, Default)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct Mdl {
    pub(crate) address: usize,
    pub(crate) length: u32,
    pub(crate) locked: bool,
}

/// A kernel, with one device, one file object and its events.
pub struct Pool {
    /// What raw addresses point into.
    pub(crate) memory: RefCell<Pages>,
    /// Where the device puts what it takes.
    pub(crate) taken: RefCell<Pages>,
    pub(crate) buffers: Box<[RefCell<Pages>]>,
    pub(crate) free_buffers: FreeList,
    pub(crate) mdls: Box<[Cell<Mdl>]>,
    pub(crate) free_mdls: FreeList,
    pub(crate) irps: Box<[IrpSlot]>,
    pub(crate) free_irps: FreeList,
    pub(crate) contexts: RefCell<Vec<Rc<Context>>>,
    pub(crate) status_blocks: Box<[Cell<IoStatus>]>,
    pub(crate) events: Box<[Cell<bool>]>,
    /// IRPs that the device holds, a ring.
    pub(crate) held: Box<[Cell<u32>]>,
    pub(crate) held_first: Cell<usize>,
    pub(crate) held_count: Cell<usize>,
    /// Services that take a lock in a real kernel.
    pub(crate) locks: Cell<u64>,
    /// Things taken from a free list.
    pub(crate) takes: Cell<u64>,
    pub(crate) statistics: Statistics,
    pub(crate) device: Device,
    pub(crate) file: File,
}

/// The device.
pub(crate) struct Device {
    pub(crate) method: Cell<BufferMethod>,
    pub(crate) table_size: Cell<Option<u32>>,
    pub(crate) fast: Cell<Option<FastRoutine>>,
    pub(crate) dispatch: Cell<Dispatch>,
}

/// The file object, and what the process counts.
#[derive(Default)]
pub(crate) struct File {
    pub(crate) flags: Cell<u32>,
    pub(crate) position: Cell<i64>,
    pub(crate) references: Cell<u32>,
    pub(crate) event: Cell<bool>,
    pub(crate) event_references: Cell<u32>,
    pub(crate) final_status: Cell<i32>,
    pub(crate) port: Cell<bool>,
    pub(crate) operations: Cell<u64>,
    pub(crate) transferred: Cell<u64>,
    pub(crate) user_thread: Cell<bool>,
    pub(crate) deferred: Cell<bool>,
}

impl Pool {
    /// A kernel for writes of up to `size` bytes, `outstanding` of them at a time, to such a device.
    pub(crate) fn new(size: usize, outstanding: u32, device: Device) -> &'static Self {
        let slots = outstanding + 1;
        let bytes = || Pages::new(size);
        let fresh = IoStatus::failed(NtStatus::PENDING);
        let pool = Self {
            memory: RefCell::new(bytes()),
            taken: RefCell::new(bytes()),
            buffers: (0..slots).map(|_| RefCell::new(bytes())).collect(),
            free_buffers: FreeList::new(slots),
            mdls: (0..slots).map(|_| Cell::default()).collect(),
            free_mdls: FreeList::new(slots),
            irps: (0..slots).map(|_| IrpSlot::new(fresh)).collect(),
            free_irps: FreeList::new(slots),
            contexts: RefCell::new((0..slots).map(|_| Rc::new(Context::empty())).collect()),
            status_blocks: (0..slots).map(|_| Cell::new(fresh)).collect(),
            events: (0..slots).map(|_| Cell::default()).collect(),
            held: (0..slots).map(|_| Cell::default()).collect(),
            held_first: Cell::default(),
            held_count: Cell::default(),
            locks: Cell::default(),
            takes: Cell::default(),
            statistics: Statistics::new(),
            device,
            file: File::default(),
        };
        // It lives as long as the program: what a write owns points to it, and nothing here has a lifetime.
        pool.file.deferred.set(true);
        Box::leak(Box::new(pool))
    }

    /// Services that take a lock in a real kernel, as often as they were called: setting an event, queueing a packet,
    /// locking pages, waiting, cancelling.
    pub fn locks(&self) -> u64 {
        self.locks.get()
    }

    /// How often something was taken from a list of free IRPs, MDLs, system buffers or contexts.
    pub fn takes(&self) -> u64 {
        self.takes.get()
    }

    /// How many of each are free.
    #[cfg(test)]
    pub(crate) fn free(&self) -> [usize; 4] {
        let contexts = self.contexts.borrow().len();
        [
            self.free_irps.count(),
            self.free_mdls.count(),
            self.free_buffers.count(),
            contexts,
        ]
    }

    pub(crate) fn count(counter: &Cell<u64>) {
        counter.set(counter.get() + 1);
    }

    /// Puts an IRP into the ring of those that the device holds.
    pub(crate) fn hold(&self, irp: u32) {
        let at = (self.held_first.get() + self.held_count.get()) % self.held.len();
        self.held[at].set(irp);
        self.held_count.set(self.held_count.get() + 1);
    }

    /// Takes the oldest out of it.
    pub(crate) fn release(&self) -> Option<u32> {
        let count = self.held_count.get().checked_sub(1)?;
        let first = self.held_first.get();
        self.held_first.set((first + 1) % self.held.len());
        self.held_count.set(count);
        Some(self.held[first].get())
    }

    /// Gives back what an IRP carried, and the IRP.
    pub(crate) fn free_irp(&self, irp: u32) {
        match self.irps[irp as usize].irp.get().carried {
            Carried::Buffer(index) => self.free_buffers.put(index),
            Carried::Mdl(index) => self.free_mdls.put(index),
            Carried::Nothing | Carried::Borrowed(_) | Carried::Raw(_) => {}
        }
        self.free_irps.put(irp);
    }
}

impl IrpSlot {
    fn new(fresh: IoStatus) -> Self {
        Self {
            irp: Cell::default(),
            io: Cell::new(fresh),
            context: Cell::default(),
        }
    }
}
