//! The writes of one thread: offsets, bytes and pace, all from a seed, so that they can be had again to verify.

use std::time::Duration;

use super::plan::Offsets;
use crate::run::{Next, RunError, Workload};

/// What decides the writes of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The order of the offsets.
    pub offsets: Offsets,
    /// Bytes of one write; not 0.
    pub block_bytes: u32,
    /// The first block of this thread.
    pub first_block: u64,
    /// How many blocks it has; not 0.
    pub blocks: u64,
    /// For the bytes.
    pub seed: u64,
    /// For the offsets of this thread.
    pub stream: u64,
    /// Whether each write gets bytes that tell its offset.
    pub stamped: bool,
    /// Nothing is issued from this time of the loop's clock on.
    pub end: Option<Duration>,
    /// Or after so many writes.
    pub writes: Option<u64>,
    /// Time from one write to the next; `None`: at once.
    pub interval: Option<Duration>,
}

impl Load {
    /// The writes, from the first.
    pub fn begin(self) -> Writes {
        Writes {
            load: self,
            issued: 0,
            random: self.stream,
            began: None,
        }
    }

    /// Fills a buffer with the bytes that every write has; a write's own, if any, are put in at its time.
    pub fn fill(&self, data: &mut [u8]) {
        let mut state = self.seed;
        for chunk in data.chunks_mut(8) {
            let bytes = scramble(&mut state).to_le_bytes();
            for (place, byte) in chunk.iter_mut().zip(bytes) {
                *place = byte;
            }
        }
    }

    /// Puts the bytes that tell the offset at the beginning of the data.
    pub fn stamp(&self, offset: u64, data: &mut [u8]) {
        let mut state = self.seed ^ offset;
        let bytes = scramble(&mut state).to_le_bytes();
        for (place, byte) in data.iter_mut().zip(bytes) {
            *place = byte;
        }
    }

    /// The same writes without pace and end, for as long as one asks.
    #[must_use]
    pub fn again(self) -> Self {
        Self {
            end: None,
            writes: None,
            interval: None,
            ..self
        }
    }
}

/// The next number of a sequence that looks random: SplitMix64.
fn scramble(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A seed for one of several that begin with the same number.
pub fn derive_seed(seed: u64, number: u64) -> u64 {
    let mut state = seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    scramble(&mut state)
}

/// The writes of a load, one after the other.
#[derive(Clone, Debug)]
pub struct Writes {
    load: Load,
    issued: u64,
    random: u64,
    began: Option<Duration>,
}

impl Writes {
    fn block(&mut self) -> u64 {
        let blocks = self.load.blocks.max(1);
        let index = match self.load.offsets {
            Offsets::Sequential => self.issued % blocks,
            // The high half of the product: as even as a remainder, without the division.
            Offsets::Random => {
                let random = u128::from(scramble(&mut self.random));
                u64::try_from((random * u128::from(blocks)) >> 64).unwrap_or_default()
            }
        };
        self.load.first_block + index
    }
}

impl Workload for Writes {
    fn next(&mut self, now: Duration) -> Next {
        let load = &self.load;
        let over = load.end.is_some_and(|end| now >= end);
        if over || load.writes.is_some_and(|writes| self.issued >= writes) {
            return Next::End;
        }
        if let Some(interval) = load.interval {
            let began = *self.began.get_or_insert(now);
            let nanoseconds = interval.as_nanos().saturating_mul(u128::from(self.issued));
            let due = began + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
            if now < due {
                return Next::Later(load.end.map_or(due, |end| due.min(end)));
            }
        }
        let offset = self.block() * u64::from(self.load.block_bytes);
        self.issued += 1;
        Next::Write(offset, self.load.block_bytes)
    }

    fn fill(&mut self, offset: u64, data: &mut [u8]) -> Result<(), RunError> {
        if self.load.stamped {
            self.load.stamp(offset, data);
        }
        Ok(())
    }
}

/// The writes again, with all their bytes: nothing filled the buffers before.
#[derive(Debug)]
pub struct Verified(pub Writes);

impl Workload for Verified {
    fn next(&mut self, now: Duration) -> Next {
        self.0.next(now)
    }

    fn fill(&mut self, offset: u64, data: &mut [u8]) -> Result<(), RunError> {
        self.0.load.fill(data);
        self.0.fill(offset, data)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn load() -> Load {
        Load {
            offsets: Offsets::Sequential,
            block_bytes: 16,
            first_block: 10,
            blocks: 4,
            seed: 7,
            stream: 9,
            stamped: true,
            end: None,
            writes: None,
            interval: None,
        }
    }

    fn offsets(load: Load, count: usize) -> Vec<u64> {
        let mut writes = load.begin();
        let mut next = || match writes.next(Duration::ZERO) {
            Next::Write(offset, 16) => offset,
            other => panic!("{other:?}"),
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn sequential_offsets_begin_again_inside_the_part() {
        assert_eq!(offsets(load(), 6), [160, 176, 192, 208, 160, 176]);
    }

    #[test]
    fn random_offsets_come_again_from_their_seed_and_reach_every_block() {
        let random = Load {
            offsets: Offsets::Random,
            ..load()
        };
        let first = offsets(random, 200);
        assert_eq!(first, offsets(random, 200));
        assert_ne!(first, offsets(Load { stream: 10, ..random }, 200));
        for block in 10..14 {
            let hits = first.iter().filter(|offset| **offset == block * 16).count();
            assert!((20..=80).contains(&hits), "{block}: {hits}");
        }
        assert!(first.iter().all(|offset| (160..224).contains(offset)));
    }

    #[test]
    fn a_load_ends_by_count_or_by_time() {
        let mut counted = Load {
            writes: Some(2),
            ..load()
        }
        .begin();
        assert_eq!(counted.next(Duration::ZERO), Next::Write(160, 16));
        assert_eq!(counted.next(Duration::MAX), Next::Write(176, 16));
        assert_eq!(counted.next(Duration::ZERO), Next::End);
        let end = Duration::from_secs(1);
        let mut timed = Load {
            end: Some(end),
            ..load()
        }
        .begin();
        assert_eq!(timed.next(Duration::ZERO), Next::Write(160, 16));
        assert_eq!(timed.next(end), Next::End);
    }

    #[test]
    fn pace_is_kept_from_the_first_write() {
        let ms = Duration::from_millis;
        let mut paced = Load {
            interval: Some(ms(10)),
            end: Some(ms(135)),
            ..load()
        }
        .begin();
        assert_eq!(paced.next(ms(100)), Next::Write(160, 16));
        assert_eq!(paced.next(ms(101)), Next::Later(ms(110)));
        assert_eq!(paced.next(ms(125)), Next::Write(176, 16), "late");
        assert_eq!(paced.next(ms(125)), Next::Write(192, 16), "in time again");
        assert_eq!(paced.next(ms(126)), Next::Later(ms(130)));
        assert_eq!(paced.next(ms(130)), Next::Write(208, 16));
        assert_eq!(paced.next(ms(130)), Next::Later(ms(135)), "not beyond the end");
    }

    #[test]
    fn bytes_tell_seed_and_offset() {
        let bytes = |load: Load, offset| {
            let mut data = [0; 20];
            let mut again = Verified(load.begin());
            again.fill(offset, &mut data).unwrap();
            data
        };
        assert_ne!(bytes(load(), 0), bytes(load(), 16));
        assert_eq!(bytes(load(), 0)[8..], bytes(load(), 16)[8..]);
        let other = Load { seed: 8, ..load() };
        assert_ne!(bytes(load(), 0)[8..], bytes(other, 0)[8..]);
        let mut short = [0; 3];
        load().stamp(16, &mut short);
        assert_eq!(short[..], bytes(load(), 16)[..3]);
    }
}
