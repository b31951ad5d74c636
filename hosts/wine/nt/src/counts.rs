//! What is outstanding, by driver.

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::lock::Lock;

/// One thing that a driver holds.
#[derive(Clone, Copy, Debug)]
pub struct Held<T> {
    /// Base of the driver's image.
    pub driver: usize,
    /// Where it was taken.
    pub caller: usize,
    /// What is known of it.
    pub detail: T,
}

/// Things that drivers hold, by address.
pub struct Table<T> {
    entries: Lock<BTreeMap<usize, Held<T>>>,
}

impl<T: Copy> Table<T> {
    /// An empty table.
    pub const fn new() -> Self {
        Self {
            entries: Lock::new(BTreeMap::new()),
        }
    }

    /// Notes that the driver at `caller` holds `address` now.
    pub fn insert(&self, address: usize, caller: usize, detail: T) {
        let driver = crate::drivers::by_address(caller).map_or(0, |driver| driver.base());
        self.entries.lock().insert(
            address,
            Held {
                driver,
                caller,
                detail,
            },
        );
    }

    /// Takes the entry of `address` out.
    pub fn remove(&self, address: usize) -> Option<Held<T>> {
        self.entries.lock().remove(&address)
    }

    /// The entry of `address`.
    pub fn get(&self, address: usize) -> Option<Held<T>> {
        self.entries.lock().get(&address).copied()
    }

    /// Changes the entry of `address`, if there is one.
    pub fn update<R>(&self, address: usize, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.entries
            .lock()
            .get_mut(&address)
            .map(|held| change(&mut held.detail))
    }

    /// How many entries there are for which `counts` says yes.
    pub fn count(&self, counts: impl Fn(&T) -> bool) -> u32 {
        let entries = self.entries.lock();
        let number = entries.values().filter(|held| counts(&held.detail)).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Sum over all entries.
    pub fn sum(&self, of: impl Fn(&T) -> u64) -> u64 {
        self.entries.lock().values().map(|held| of(&held.detail)).sum()
    }

    /// Takes out and reports every entry of the driver at `base` for which `leaks` says what it is.
    pub fn report_leaks(&self, driver: &str, base: usize, leaks: impl Fn(usize, &T) -> Option<String>) {
        loop {
            let found = {
                let mut entries = self.entries.lock();
                let address = entries
                    .iter()
                    .find(|(_, held)| held.driver == base)
                    .map(|(address, _)| *address);
                address.and_then(|address| entries.remove(&address).map(|held| (address, held)))
            };
            let Some((address, held)) = found else {
                return;
            };
            if let Some(what) = leaks(address, &held.detail) {
                crate::report::finding(driver, Some(held.caller), format_args!("leak at unload: {what}"));
            }
        }
    }
}

impl<T: Copy> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}
