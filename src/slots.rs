//! What is kept of each filtered device, in one static table: its counters and its policy.
//!
//! The table outlives the devices, so that a reader needs no lock and a write may be counted at any moment.

use core::{
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use kswrite_core::{Snapshot, Statistics};
use kswrite_state::policy::DevicePolicy;
use kswrite_wire::{
    filter::{self, DeviceSelector, MAX_DEVICES},
    policy::{Policies, Policy},
};

/// The place of one device.
pub struct Slot {
    taken: AtomicBool,
    /// Where its writes are counted.
    pub statistics: Statistics,
    /// What may be done with them.
    pub policy: DevicePolicy,
}

impl Slot {
    const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            statistics: Statistics::new(),
            policy: DevicePolicy::new(),
        }
    }

    /// The number of the device.
    pub fn number(&'static self) -> u32 {
        let position = TABLE.iter().position(|slot| ptr::eq(slot, self));
        position
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(DeviceSelector::FILE_OBJECTS)
    }
}

static TABLE: [Slot; MAX_DEVICES] = [const { Slot::new() }; MAX_DEVICES];

/// The place of the writes to file objects that the control device was asked for.
pub static FILE_OBJECTS: Slot = Slot::new();

/// The slot of one device, as long as the device exists.
pub struct Taken {
    slot: &'static Slot,
    shared: bool,
}

impl Taken {
    /// A slot that is as new, or the last one, shared, when all are taken: more than one stack or two is rare for a
    /// filter.
    pub fn acquire() -> Self {
        let free = TABLE.iter().find(|slot| !slot.taken.swap(true, Ordering::AcqRel));
        if let Some(slot) = free {
            slot.statistics.reset();
            slot.policy.set(Policy::Fast);
            return Self { slot, shared: false };
        }
        let [.., last] = &TABLE;
        Self {
            slot: last,
            shared: true,
        }
    }

    /// The slot.
    pub const fn slot(&self) -> &'static Slot {
        self.slot
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.shared {
            self.slot.taken.store(false, Ordering::Release);
        }
    }
}

/// The devices that are there, by their numbers.
fn taken() -> impl Iterator<Item = (u32, &'static Slot)> {
    let all = (0..).zip(&TABLE);
    all.filter(|(_, slot)| slot.taken.load(Ordering::Acquire))
}

/// Those of them that have this number; all have [`DeviceSelector::ALL`].
fn selected(number: u32) -> impl Iterator<Item = &'static Slot> {
    let wanted = move |other| number == DeviceSelector::ALL || number == other;
    taken()
        .filter(move |(number, _)| wanted(*number))
        .map(|(_, slot)| slot)
}

/// The counters of the device with this number, the sum over all, or those of the writes to file objects;
/// `None`: there is no such device.
pub fn statistics(selector: DeviceSelector) -> Option<filter::Statistics> {
    if selector.index == DeviceSelector::FILE_OBJECTS {
        return Some(on_the_wire(0, &FILE_OBJECTS.statistics.snapshot()));
    }
    let mut sum = Snapshot::default();
    let mut devices = 0;
    for slot in selected(selector.index) {
        sum.add(&slot.statistics.snapshot());
        devices += 1;
    }
    (devices != 0 || selector.index == DeviceSelector::ALL).then(|| on_the_wire(devices, &sum))
}

/// Sets every event counter to zero.
pub fn reset_statistics() {
    FILE_OBJECTS.statistics.reset();
    taken().for_each(|(_, slot)| slot.statistics.reset());
}

/// The policies of all devices.
pub fn policies() -> Policies {
    let mut policies = Policies::NONE;
    for (place, slot) in policies.by_device.iter_mut().zip(&TABLE) {
        if slot.taken.load(Ordering::Acquire) {
            // There are three.
            *place = u8::try_from(slot.policy.get() as u32).unwrap_or_default();
        }
    }
    policies
}

/// Sets the policy of the device with this number, or of all. FALSE: there is no such device.
pub fn set_policy(device: u32, policy: Policy) -> bool {
    let mut found = device == DeviceSelector::ALL;
    for slot in selected(device) {
        slot.policy.set(policy);
        found = true;
    }
    found
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
        bypassed: seen.bypassed,
    }
}
