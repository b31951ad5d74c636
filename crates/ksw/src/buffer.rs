//! Buffers whose data lies at an aligned address, and a store of them.

use std::ops::Range;

use crate::run::RunError;

/// A buffer that is lent with each write: an aligned part of a block of memory.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    part: Range<usize>,
}

impl Buffer {
    /// Zeroes, at an address that is a multiple of `alignment`, a power of two.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn new(length: u32, alignment: usize) -> Result<Self, RunError> {
        let memory = || RunError::Memory(length);
        let length_bytes = usize::try_from(length).map_err(|_| memory())?;
        let whole = length_bytes.checked_add(alignment - 1).ok_or_else(memory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(whole).map_err(|_| memory())?;
        bytes.resize(whole, 0);
        let start = bytes.as_ptr().align_offset(alignment).min(alignment - 1);
        let part = start..start + length_bytes;
        Ok(Self { bytes, part })
    }

    /// Puts together what [`Buffer::into_parts`] gave.
    pub fn from_parts(bytes: Vec<u8>, part: Range<usize>) -> Self {
        Self { bytes, part }
    }

    /// The memory, and which part of it is the data.
    pub fn into_parts(self) -> (Vec<u8>, Range<usize>) {
        (self.bytes, self.part)
    }

    /// The data.
    pub fn data(&self) -> &[u8] {
        self.bytes.get(self.part.clone()).unwrap_or_default()
    }

    /// The data, to be filled.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.part.clone()).unwrap_or_default()
    }
}

/// Idle buffers. Each serves writes of at most the length that it was made for.
#[derive(Debug)]
pub struct Pool {
    idle: Vec<Buffer>,
    length: u32,
    alignment: usize,
}

impl Pool {
    /// An empty store of buffers for writes of at most `length` bytes.
    pub fn new(length: u32, alignment: usize) -> Self {
        Self {
            idle: Vec::new(),
            length,
            alignment,
        }
    }

    /// Makes buffers until so many are idle, so that none need be made later; `fill` fills each.
    ///
    /// # Errors
    ///
    /// There is no memory for them.
    pub fn prepare(&mut self, count: usize, fill: impl Fn(&mut [u8])) -> Result<(), RunError> {
        while self.idle.len() < count {
            let mut buffer = Buffer::new(self.length, self.alignment)?;
            fill(buffer.data_mut());
            self.idle.push(buffer);
        }
        Ok(())
    }

    /// A buffer whose data has this length, with whatever bytes; a new one if none is idle.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn take(&mut self, length: u32) -> Result<Buffer, RunError> {
        let mut buffer = match self.idle.pop() {
            Some(buffer) => buffer,
            None => Buffer::new(self.length, self.alignment)?,
        };
        let length = usize::try_from(length.min(self.length)).map_err(|_| RunError::Memory(length))?;
        buffer.part.end = buffer.part.start + length;
        Ok(buffer)
    }

    /// Takes a buffer back.
    pub fn give_back(&mut self, buffer: Buffer) {
        self.idle.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_aligned_and_as_long_as_asked() {
        for alignment in [1, 512, 4096] {
            for length in [0, 1, 511, 65536] {
                let mut buffer = Buffer::new(length, alignment).unwrap();
                assert_eq!(buffer.data().len(), length as usize);
                assert!(buffer.data().as_ptr().addr().is_multiple_of(alignment));
                buffer.data_mut().fill(7);
                let (bytes, part) = buffer.into_parts();
                assert!(bytes[part].iter().all(|byte| *byte == 7));
            }
        }
    }

    #[test]
    fn buffers_are_used_again_and_regain_their_length() {
        let mut pool = Pool::new(100, 16);
        pool.prepare(1, |data| data.fill(9)).unwrap();
        let short = pool.take(30).unwrap();
        assert_eq!(short.data(), [9; 30]);
        let address = short.data().as_ptr();
        pool.give_back(short);
        let whole = pool.take(100).unwrap();
        assert_eq!((whole.data().as_ptr(), whole.data().len()), (address, 100));
        assert_eq!(pool.take(100).unwrap().data(), [0; 100]);
    }

    #[test]
    fn no_memory_is_said() {
        #[cfg(target_pointer_width = "64")]
        {
            let refused = Buffer::new(u32::MAX, 1 << 62).unwrap_err();
            assert!(refused.to_string().contains("no memory"), "{refused}");
        }
    }
}
