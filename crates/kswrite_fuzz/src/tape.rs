//! Decisions from bytes.

/// Bytes, read from the front. Behind the end are zeroes, so that every input means something.
pub(crate) struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u8) -> u8 {
        self.byte() % end.max(1)
    }

    pub(crate) fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// An index into something that has so many, at least one.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// One of these, of which there is at least one.
    #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
    pub(crate) fn of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        let at = self.index(N);
        all[at]
    }

    /// TRUE once in `every` times, and not behind the end.
    pub(crate) fn rarely(&mut self, every: u8) -> bool {
        self.byte() % every == every - 1
    }
}
