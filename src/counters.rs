//! The counters of all filtered devices, in one static table.
//!
//! They outlive the devices, so that a reader needs no lock and a write may be counted at any moment.

use core::sync::atomic::{AtomicBool, Ordering};

use kswrite_core::{Snapshot, Statistics};
use kswrite_wire::filter;

/// Devices that have counters of their own. More than one stack or two is rare for a filter; devices beyond
/// share the last slot.
const SLOTS: usize = 64;

struct Slot {
    taken: AtomicBool,
    statistics: Statistics,
}

static TABLE: [Slot; SLOTS] = [const {
    Slot {
        taken: AtomicBool::new(false),
        statistics: Statistics::new(),
    }
}; SLOTS];

/// The counters of the writes to file objects that the control device was asked for.
pub static FILE_OBJECTS: Statistics = Statistics::new();

/// The counters of one device, as long as the device exists.
pub struct Counters {
    slot: &'static Slot,
    shared: bool,
}

impl Counters {
    /// Counters that start at zero, or the shared ones when all are taken.
    pub fn acquire() -> Self {
        let free = TABLE.iter().find(|slot| !slot.taken.swap(true, Ordering::AcqRel));
        if let Some(slot) = free {
            slot.statistics.reset();
            return Self { slot, shared: false };
        }
        let [.., last] = &TABLE;
        Self {
            slot: last,
            shared: true,
        }
    }

    /// Where to count.
    pub const fn statistics(&self) -> &'static Statistics {
        &self.slot.statistics
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        if !self.shared {
            self.slot.taken.store(false, Ordering::Release);
        }
    }
}

fn taken() -> impl Iterator<Item = &'static Slot> {
    TABLE.iter().filter(|slot| slot.taken.load(Ordering::Acquire))
}

/// The counters of the device with this number, the sum over all, or those of the writes to file objects;
/// `None`: there is no such device.
pub fn read(selector: filter::DeviceSelector) -> Option<filter::Statistics> {
    if selector.index == filter::DeviceSelector::FILE_OBJECTS {
        return Some(on_the_wire(0, &FILE_OBJECTS.snapshot()));
    }
    let mut sum = Snapshot::default();
    let mut devices = 0;
    let wanted = usize::try_from(selector.index).ok()?;
    for (index, slot) in taken().enumerate() {
        if selector.index == filter::DeviceSelector::ALL || index == wanted {
            sum.add(&slot.statistics.snapshot());
            devices += 1;
        }
    }
    (devices != 0 || selector.index == filter::DeviceSelector::ALL).then(|| on_the_wire(devices, &sum))
}

/// Sets every event counter to zero.
pub fn reset() {
    FILE_OBJECTS.reset();
    taken().for_each(|slot| slot.statistics.reset());
}

fn on_the_wire(devices: u32, seen: &Snapshot) -> filter::Statistics {
    filter::Statistics {
        devices,
        in_flight: seen.in_flight,
        attempted: seen.attempted,
        fast: seen.fast,
        declined: seen.declined,
        skipped: seen.skipped,
        faulted: seen.faulted,
        irp: seen.irp,
        inline: seen.inline,
        pended: seen.pended,
        cancelled: seen.cancelled,
        failed: seen.failed,
        rejected: seen.rejected,
        fast_bytes: seen.fast_bytes,
        irp_bytes: seen.irp_bytes,
        forwarded_fast: seen.forwarded_fast,
    }
}
