//! The part of the written file that can be read back.

use alloc::vec::Vec;

use kswrite_core::NtStatus;
use kswrite_wire::sink::WINDOW_BYTES;

/// Bytes of the window.
const SIZE: u64 = WINDOW_BYTES as u64;

/// The last [`WINDOW_BYTES`] below the highest offset written: a ring in which the byte at `offset` is at
/// `offset % SIZE`. What was never written reads as zero.
///
/// # Invariants
///
/// `ring` is empty or has `SIZE` bytes. Every byte of it that stands for an offset from `high_water` on is
/// zero. `base == high_water.saturating_sub(SIZE)`.
#[derive(Default)]
pub struct Window {
    ring: Vec<u8>,
    high_water: u64,
}

/// Why nothing can be read at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// At or past the highest offset written.
    EndOfFile,
    /// Negative, or below the window.
    OutOfWindow,
}

impl ReadError {
    /// The status of the read.
    pub const fn status(self) -> NtStatus {
        match self {
            Self::EndOfFile => NtStatus::END_OF_FILE,
            Self::OutOfWindow => NtStatus::INVALID_PARAMETER,
        }
    }
}

impl Window {
    /// One past the highest offset written.
    pub const fn high_water(&self) -> u64 {
        self.high_water
    }

    /// The lowest offset that can be read.
    pub const fn base(&self) -> u64 {
        self.high_water.saturating_sub(SIZE)
    }

    /// Allocates the memory, if it is not there.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn reserve(&mut self) -> Result<(), NtStatus> {
        if self.ring.is_empty() {
            let size = WINDOW_BYTES as usize;
            self.ring
                .try_reserve_exact(size)
                .map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
            self.ring.resize(size, 0);
        }
        Ok(())
    }

    /// Stores bytes at `offset`; those that are below the window by then are let go. Without memory nothing
    /// is stored.
    pub fn put(&mut self, offset: u64, bytes: &[u8]) {
        let Some(end) = offset.checked_add(bytes.len() as u64) else {
            return;
        };
        if bytes.is_empty() || self.ring.is_empty() {
            return;
        }
        self.advance(end);
        let start = offset.max(self.base());
        let Some(kept) = usize::try_from(start - offset)
            .ok()
            .and_then(|skip| bytes.get(skip..))
        else {
            return;
        };
        let (first, second) = self.parts_mut(start, kept.len());
        let (left, right) = kept.split_at(first.len());
        first.copy_from_slice(left);
        second.copy_from_slice(right);
    }

    /// The bytes from `offset` on, at most `length` and at most to the highest offset written: they lie in
    /// one or two pieces.
    ///
    /// # Errors
    ///
    /// There is nothing at that offset.
    pub fn get(&self, offset: i64, length: usize) -> Result<(&[u8], &[u8]), ReadError> {
        let offset = u64::try_from(offset).map_err(|_| ReadError::OutOfWindow)?;
        if offset >= self.high_water {
            return Err(ReadError::EndOfFile);
        }
        if offset < self.base() {
            return Err(ReadError::OutOfWindow);
        }
        let there = usize::try_from(self.high_water - offset).unwrap_or(usize::MAX);
        let length = length.min(there);
        let (before, after) = self.ring.split_at(index(offset).min(self.ring.len()));
        let in_first = length.min(after.len());
        let in_second = (length - in_first).min(before.len());
        Ok((
            after.get(..in_first).unwrap_or(&[]),
            before.get(..in_second).unwrap_or(&[]),
        ))
    }

    /// Forgets everything; the memory stays.
    pub fn clear(&mut self) {
        self.ring.fill(0);
        self.high_water = 0;
    }

    /// Raises the high water to `end`, and zeroes what the ring forgets by that.
    fn advance(&mut self, end: u64) {
        if end <= self.high_water {
            return;
        }
        let old_base = self.base();
        self.high_water = end;
        // The places of the offsets that fell out are those of the offsets that came in.
        let forgotten = (self.base() - old_base).min(SIZE);
        let Ok(forgotten) = usize::try_from(forgotten) else {
            return;
        };
        let (first, second) = self.parts_mut(old_base, forgotten);
        first.fill(0);
        second.fill(0);
    }

    /// The places of `length` bytes from `offset` on.
    fn parts_mut(&mut self, offset: u64, length: usize) -> (&mut [u8], &mut [u8]) {
        let size = self.ring.len();
        let (before, after) = self.ring.split_at_mut(index(offset).min(size));
        let in_first = length.min(after.len());
        let in_second = (length - in_first).min(before.len());
        (after.split_at_mut(in_first).0, before.split_at_mut(in_second).0)
    }
}

/// The place of an offset in the ring.
const fn index(offset: u64) -> usize {
    (offset % SIZE) as usize
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the numbers of the tests are small"
)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    fn window() -> Window {
        let mut window = Window::default();
        window.reserve().unwrap();
        window
    }

    fn read(window: &Window, offset: i64, length: usize) -> Result<Vec<u8>, ReadError> {
        window
            .get(offset, length)
            .map(|(first, second)| [first, second].concat())
    }

    #[test]
    fn an_empty_window_ends_at_once() {
        assert_eq!(read(&window(), 0, 1), Err(ReadError::EndOfFile));
        assert_eq!(read(&Window::default(), 0, 1), Err(ReadError::EndOfFile));
        assert_eq!(read(&window(), -1, 1), Err(ReadError::OutOfWindow));
    }

    #[test]
    fn gaps_read_as_zero_and_reads_stop_at_the_high_water() {
        let mut window = window();
        window.put(10, b"abc");
        assert_eq!(read(&window, 8, 100).unwrap(), b"\0\0abc");
        assert_eq!(read(&window, 12, 1).unwrap(), b"c");
        assert_eq!(read(&window, 13, 1), Err(ReadError::EndOfFile));
    }

    #[test]
    fn what_falls_out_comes_back_as_zero() {
        let mut window = window();
        window.put(0, &vec![7; SIZE as usize]);
        assert_eq!(window.base(), 0);
        // A gap of three bytes, then one: four old bytes are gone, and the gap does not show them.
        window.put(SIZE + 3, b"x");
        assert_eq!(window.base(), 4);
        assert_eq!(read(&window, 3, 1), Err(ReadError::OutOfWindow));
        assert_eq!(read(&window, SIZE as i64 - 1, 100).unwrap(), b"\x07\0\0\0x");
        assert_eq!(read(&window, 4, usize::MAX).unwrap().len() as u64, SIZE);
    }

    #[test]
    fn a_jump_beyond_the_size_leaves_zeroes() {
        let mut window = window();
        window.put(0, &[7; 100]);
        window.put(10 * SIZE, b"x");
        assert_eq!(
            read(&window, (9 * SIZE + 1) as i64, 1 << 20).unwrap()[..(SIZE - 1) as usize],
            vec![0; (SIZE - 1) as usize]
        );
    }

    #[test]
    fn bytes_below_the_window_are_let_go() {
        let mut window = window();
        window.put(SIZE, b"x");
        // Offsets 0 and 1; the window begins at 1.
        window.put(0, b"ab");
        assert_eq!(read(&window, 1, 1).unwrap(), b"b");
        assert_eq!(window.high_water(), SIZE + 1);
        window.put(0, b"a");
        assert_eq!(read(&window, 1, 1).unwrap(), b"b");
    }

    #[test]
    fn a_write_longer_than_the_window_keeps_its_end() {
        let mut window = window();
        let bytes: Vec<u8> = (0..SIZE + 5).map(|i| i as u8).collect();
        window.put(0, &bytes);
        assert_eq!(window.base(), 5);
        assert_eq!(read(&window, 5, bytes.len()).unwrap(), bytes[5..]);
    }

    /// Random writes against a model that keeps every byte.
    #[test]
    fn agrees_with_a_plain_file() {
        let mut window = window();
        let mut file: Vec<u8> = Vec::new();
        let mut seed = 1_u64;
        let mut next = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..300_u32 {
            let at = next(3 * SIZE);
            let bytes = vec![(round % 255) as u8 + 1; next(40_000) as usize];
            if !bytes.is_empty() {
                let end = at as usize + bytes.len();
                file.resize(file.len().max(end), 0);
            }
            // The model forgets what is below the window, as the window does.
            window.put(at, &bytes);
            let base = window.base() as usize;
            for (i, byte) in bytes.iter().enumerate() {
                file[at as usize + i] = *byte;
            }
            file[..base].fill(0);
            let from = base + next(SIZE) as usize;
            if from < file.len() {
                assert_eq!(
                    read(&window, from as i64, 5000).unwrap(),
                    file[from..file.len().min(from + 5000)]
                );
            }
        }
        assert_eq!(window.high_water(), file.len() as u64);
    }
}
