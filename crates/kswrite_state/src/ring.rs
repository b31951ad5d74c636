//! A bounded ring of records, of which the oldest make room for the newest.
//!
//! A ring is for one thread at a time: the driver has it under a spin lock, which is held for the copy of one
//! record, or of one answer to a reader, and is taken only while the trace is on. So a record is written whole
//! before anybody can read it, and a torn read is impossible. A sequence lock would let a reader copy what a
//! writer is changing and throw it away; in Rust that is a data race unless each word is atomic, and it would
//! spare writers nothing, since they would still have to agree on the slot.

use alloc::{collections::TryReserveError, vec::Vec};

/// A ring. Every record gets a sequence number; `next` is that of the next one.
///
/// # Invariants
///
/// `records` has at least one, and does not grow. The record with the number `n` is at `n % records.len()`, for the
/// last `records.len()` numbers from `first` on.
#[derive(Debug)]
pub struct Ring<R> {
    records: Vec<R>,
    first: u64,
    next: u64,
}

/// What a reader got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Read {
    /// Records.
    pub count: usize,
    /// Records from the wanted one on that were overwritten before.
    pub lost: u64,
    /// Where to go on.
    pub next: u64,
}

impl<R: Copy + Default> Ring<R> {
    /// An empty ring for so many records, at least one.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(capacity: usize) -> Result<Self, TryReserveError> {
        let capacity = capacity.max(1);
        let mut records = Vec::new();
        records.try_reserve_exact(capacity)?;
        // Within what was reserved.
        records.resize(capacity, R::default());
        // INVARIANT: there is no record yet.
        Ok(Self {
            records,
            first: 0,
            next: 0,
        })
    }

    /// Gives the first record of an empty ring this number.
    pub const fn begin_at(&mut self, first: u64) {
        if self.next == self.first {
            self.first = first;
            self.next = first;
        }
    }

    /// How many records it keeps.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.records.len()
    }

    /// The number of the oldest record that is there.
    #[must_use]
    pub const fn oldest(&self) -> u64 {
        let kept = self.next.saturating_sub(self.capacity() as u64);
        if kept > self.first { kept } else { self.first }
    }

    /// The number that the next record gets.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Keeps what `record` makes of its number.
    pub fn push(&mut self, record: impl FnOnce(u64) -> R) {
        let slot = slot(self.next, self.records.len());
        if let Some(place) = self.records.get_mut(slot) {
            *place = record(self.next);
            self.next += 1;
        }
    }

    /// Gives records to `take` in their order, from the number `from` on, until it is given `most` or there are no
    /// more. `None`: there is no such number yet.
    pub fn read(&self, from: u64, most: usize, mut take: impl FnMut(&R)) -> Option<Read> {
        if from > self.next {
            return None;
        }
        let begin = from.max(self.oldest());
        let mut count = 0;
        let mut next = begin;
        while next < self.next && count < most {
            take(self.records.get(slot(next, self.records.len()))?);
            next += 1;
            count += 1;
        }
        Some(Read {
            count,
            lost: begin - from,
            next,
        })
    }
}

/// The place of a number.
fn slot(number: u64, capacity: usize) -> usize {
    let slot = number.checked_rem(capacity as u64).unwrap_or_default();
    // It is below the capacity.
    usize::try_from(slot).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, thread, vec, vec::Vec};

    use super::*;

    fn all(ring: &Ring<u64>, from: u64, most: usize) -> Option<(Vec<u64>, Read)> {
        let mut seen = Vec::new();
        let read = ring.read(from, most, |record| seen.push(*record))?;
        Some((seen, read))
    }

    #[test]
    fn an_empty_ring_has_nothing() {
        let mut ring = Ring::<u64>::new(4).unwrap();
        ring.begin_at(10);
        assert_eq!((ring.oldest(), ring.next(), ring.capacity()), (10, 10, 4));
        let nothing = |lost| Read {
            count: 0,
            lost,
            next: 10,
        };
        assert_eq!(all(&ring, 10, 9), Some((vec![], nothing(0))));
        assert_eq!(all(&ring, 3, 9), Some((vec![], nothing(7))), "of an earlier ring");
        assert_eq!(all(&ring, 11, 9), None, "there is no such number yet");
    }

    #[test]
    fn the_oldest_make_room_and_the_reader_is_told() {
        let mut ring = Ring::new(4).unwrap();
        for _ in 0..11 {
            ring.push(|number| number);
        }
        assert_eq!((ring.oldest(), ring.next()), (7, 11));
        ring.begin_at(0);
        assert_eq!(ring.next(), 11, "it is not empty");
        let (seen, read) = all(&ring, 0, 100).unwrap();
        assert_eq!((seen, read.lost, read.next), (vec![7, 8, 9, 10], 7, 11));
        let (seen, read) = all(&ring, 8, 2).unwrap();
        assert_eq!((seen, read.lost, read.next), (vec![8, 9], 0, 10));
        let (seen, read) = all(&ring, read.next, 2).unwrap();
        assert_eq!((seen, read.lost, read.next), (vec![10], 0, 11));
        let (seen, read) = all(&ring, 5, 0).unwrap();
        assert_eq!((seen, read.lost, read.next), (vec![], 2, 7));
    }

    #[test]
    fn a_ring_of_no_size_keeps_one() {
        let mut ring = Ring::new(0).unwrap();
        ring.push(|number| number);
        ring.push(|number| number);
        assert_eq!(all(&ring, 0, 9).unwrap().0, [1]);
    }

    #[test]
    fn a_size_that_no_memory_has_is_an_error() {
        assert!(Ring::<u64>::new(usize::MAX).is_err());
    }

    /// A record that was torn would not agree with itself.
    #[derive(Clone, Copy, Default)]
    struct Whole([u64; 12]);

    impl Whole {
        fn of(number: u64) -> Self {
            Self([number; 12])
        }

        fn number(&self) -> u64 {
            assert!(self.0.iter().all(|word| *word == self.0[0]), "torn");
            self.0[0]
        }
    }

    /// Under a lock, as in the driver: a reader that follows sees every number once, in order, or is told that it
    /// was lost, and no record is torn.
    #[test]
    fn a_reader_that_follows_sees_or_misses_every_record_once() {
        const WRITERS: u64 = 4;
        const EACH: u64 = 20_000;
        let ring = Mutex::new(Ring::<Whole>::new(64).unwrap());
        let (mut seen, mut lost, mut from) = (0, 0, 0);
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        ring.lock().unwrap().push(Whole::of);
                    }
                });
            }
            while from < WRITERS * EACH {
                let mut expected = None;
                let read = ring.lock().unwrap().read(from, 16, |record| {
                    let number = record.number();
                    assert_eq!(number, expected.unwrap_or(number));
                    expected = Some(number + 1);
                });
                let read = read.expect("the number was told before");
                assert_eq!(read.next, from + read.lost + read.count as u64);
                seen += read.count as u64;
                lost += read.lost;
                from = read.next;
            }
        });
        assert_eq!(seen + lost, WRITERS * EACH);
    }
}
