//! Handles that are never used twice.

use alloc::vec::Vec;

/// Handles lie in an address range that no processor maps, so that a driver that takes one for a pointer
/// faults at once.
const BASE: u64 = 0x00D1_0000_0000_0000;
/// Low bits that are always zero, as in a pointer.
const ALIGN_BITS: u32 = 4;
const INDEX_BITS: u32 = 20;
const GENERATION_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// What a handle stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It is live.
    Live(T),
    /// It was handed out once and is gone.
    Stale,
    /// It was never handed out.
    Unknown,
}

/// Values by handle.
///
/// A handle is an index with a generation: after its value is removed it stays invalid until the
/// generation, 24 bits for each slot, comes round.
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    live: u32,
}

impl<T> Slab<T> {
    /// An empty slab.
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            live: 0,
        }
    }

    /// How many values there are.
    pub const fn len(&self) -> u32 {
        self.live
    }

    /// Whether there is no value.
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Stores what `make` makes of its own handle. `None` when there is no memory or no free handle.
    pub fn insert_with(&mut self, make: impl FnOnce(u64) -> T) -> Option<u64> {
        let index = if let Some(index) = self.free.pop() {
            index
        } else {
            let index = u32::try_from(self.slots.len()).ok()?;
            if u64::from(index) > INDEX_MASK {
                return None;
            }
            self.slots.try_reserve(1).ok()?;
            // Room for the day when this slot is given back, so that removal cannot fail.
            self.free.try_reserve(self.slots.len() + 1).ok()?;
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            index
        };
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        let handle = encode(index, slot.generation);
        slot.value = Some(make(handle));
        self.live += 1;
        Some(handle)
    }

    /// Takes the value of `handle` out; the handle is stale from now on.
    pub fn remove(&mut self, handle: u64) -> Option<T> {
        let (index, generation) = decode(handle)?;
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        self.free.push(index);
        self.live -= 1;
        Some(value)
    }

    /// Every value, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }
}

impl<T: Clone> Slab<T> {
    /// What `handle` stands for.
    pub fn get(&self, handle: u64) -> Lookup<T> {
        let Some((index, generation)) = decode(handle) else {
            return Lookup::Unknown;
        };
        let Some(slot) = usize::try_from(index)
            .ok()
            .and_then(|index| self.slots.get(index))
        else {
            return Lookup::Unknown;
        };
        match &slot.value {
            Some(value) if slot.generation == generation => Lookup::Live(value.clone()),
            _ if generation != 0 && generation <= slot.generation => Lookup::Stale,
            _ => Lookup::Unknown,
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn encode(index: u32, generation: u32) -> u64 {
    BASE | (u64::from(generation) << INDEX_BITS | u64::from(index)) << ALIGN_BITS
}

fn decode(handle: u64) -> Option<(u32, u32)> {
    let low = handle.checked_sub(BASE)?;
    if low & ((1 << ALIGN_BITS) - 1) != 0 || low >> (ALIGN_BITS + INDEX_BITS + GENERATION_BITS) != 0 {
        return None;
    }
    let index = u32::try_from(low >> ALIGN_BITS & INDEX_MASK).ok()?;
    let generation = u32::try_from(low >> (ALIGN_BITS + INDEX_BITS)).ok()?;
    Some((index, generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_handle_stays_stale_when_its_slot_is_used_again() {
        let mut slab = Slab::new();
        let first = slab.insert_with(|_| 'a').unwrap();
        assert_eq!(slab.get(first), Lookup::Live('a'));
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert_with(|_| 'b').unwrap();
        assert_ne!(first, second);
        assert_eq!(slab.get(first), Lookup::Stale);
        assert_eq!(slab.get(second), Lookup::Live('b'));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn what_was_never_a_handle_is_unknown() {
        let mut slab = Slab::new();
        let handle = slab.insert_with(|_| ()).unwrap();
        for wrong in [
            0,
            8,
            BASE,
            handle + 1,
            handle + (1 << 4),
            0x7FFE_0000_1000,
            u64::MAX,
        ] {
            assert_eq!(slab.get(wrong), Lookup::Unknown, "{wrong:#x}");
        }
    }

    #[test]
    fn the_handle_given_to_the_maker_is_the_handle() {
        let mut slab = Slab::new();
        let mut seen = 0;
        let handle = slab
            .insert_with(|handle| {
                seen = handle;
                handle
            })
            .unwrap();
        assert_eq!(seen, handle);
        assert_eq!(slab.iter().copied().collect::<alloc::vec::Vec<_>>(), [handle]);
    }
}
