//! The digests that a sink keeps, computed on this side.
//!
//! Both sides digest what was *accepted*: a write that fails is not counted, and a short one counts with
//! the bytes that were taken.

use kswrite_wire::sink::{State, placement};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A running digest over writes in their order.
#[derive(Clone, Debug, Default)]
pub struct Digester {
    writes: u64,
    bytes: u64,
    sha256: Sha256,
    crc32c: u32,
    placement: u64,
}

impl Digester {
    /// A digest of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one accepted write, possibly of no bytes.
    ///
    /// `data` is shorter than 4 GiB, as every write is; a longer one is counted modulo 2^32 in the
    /// placement sum.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let crc = crc32c::crc32c(data);
        self.writes += 1;
        self.bytes += data.len() as u64;
        self.sha256.update(data);
        self.crc32c = crc32c::crc32c_combine(self.crc32c, crc, data.len());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "documented: the length of a write is 32 bits"
        )]
        let length = data.len() as u32;
        self.placement = self.placement.wrapping_add(placement(offset, length, crc));
    }

    /// The digests of what was taken in so far.
    pub fn finish(self) -> Digests {
        let sha256 = self.sha256.finalize();
        Digests::new(self.writes, self.bytes, &sha256, self.crc32c, self.placement)
    }
}

/// What one side says that it was given. Texts are lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Writes, zero-length ones included.
    pub writes: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes in order.
    pub sha256: String,
    /// CRC-32C of the bytes in order.
    pub crc32c: String,
    /// Sum of [`placement`] over the writes, whatever their order.
    pub placement: String,
}

impl Digests {
    fn new(writes: u64, bytes: u64, sha256: &[u8], crc32c: u32, placement: u64) -> Self {
        Self {
            writes,
            bytes,
            sha256: hex(sha256),
            crc32c: format!("{crc32c:08x}"),
            placement: format!("{placement:016x}"),
        }
    }
}

impl From<&State> for Digests {
    fn from(state: &State) -> Self {
        Self::new(
            state.writes,
            state.bytes,
            &state.sha256,
            state.crc32c,
            state.placement,
        )
    }
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every byte arrived once, in its place and in order.
    Agree,
    /// Every write arrived once and in its place, but in another order.
    Reordered,
    /// Something was lost, doubled, altered or misplaced.
    Differ,
}

impl Verdict {
    /// Compares what was sent with what arrived.
    pub fn of(expected: &Digests, found: &Digests) -> Self {
        if expected == found {
            return Self::Agree;
        }
        let same_writes = expected.writes == found.writes && expected.bytes == found.bytes;
        if same_writes && expected.placement == found.placement {
            Self::Reordered
        } else {
            Self::Differ
        }
    }

    /// Compares the bytes in their order, whatever the writes were that brought them.
    pub fn of_bytes(expected: &Digests, found: &Digests) -> Self {
        let bytes = |digests: &Digests| (digests.bytes, digests.sha256.clone(), digests.crc32c.clone());
        if bytes(expected) == bytes(found) {
            Self::Agree
        } else {
            Self::Differ
        }
    }

    /// The word used in tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Reordered => "reordered",
            Self::Differ => "differ",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(writes: &[(u64, &[u8])]) -> Digests {
        let mut digester = Digester::new();
        for (offset, data) in writes {
            digester.write(*offset, data);
        }
        digester.finish()
    }

    /// Check values: SHA-256 of "abc" (FIPS 180-4), CRC-32C of "123456789" (RFC 3720).
    #[test]
    fn published_values_come_out() {
        let abc = digest(&[(0, b"ab"), (2, b""), (2, b"c")]);
        assert_eq!(
            abc.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!((abc.writes, abc.bytes), (3, 3));
        assert_eq!(digest(&[(0, b"12345"), (5, b"6789")]).crc32c, "e3069283");
        let empty = digest(&[]);
        assert_eq!(
            empty.sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(empty.crc32c, "00000000");
    }

    #[test]
    fn a_sinks_state_compares_equal() {
        let sent = digest(&[(0, b"123456789")]);
        let state = State {
            writes: 1,
            bytes: 9,
            placement: placement(0, 9, 0xE306_9283),
            crc32c: 0xE306_9283,
            sha256: Sha256::digest(b"123456789").into(),
            ..State::default()
        };
        assert_eq!(Verdict::of(&sent, &Digests::from(&state)), Verdict::Agree);
    }

    #[test]
    fn bytes_may_come_in_other_writes() {
        let sent = digest(&[(0, b"one"), (3, b"two")]);
        assert_eq!(
            Verdict::of_bytes(&sent, &digest(&[(0, b"onetwo")])),
            Verdict::Agree
        );
        for damaged in [digest(&[(0, b"onetw")]), digest(&[(0, b"two"), (3, b"one")])] {
            assert_eq!(Verdict::of_bytes(&sent, &damaged), Verdict::Differ);
        }
    }

    #[test]
    fn verdicts_tell_reordered_from_lost() {
        let sent = digest(&[(0, b"one"), (3, b"two")]);
        assert_eq!(
            Verdict::of(&sent, &digest(&[(0, b"one"), (3, b"two")])),
            Verdict::Agree
        );
        assert_eq!(
            Verdict::of(&sent, &digest(&[(3, b"two"), (0, b"one")])),
            Verdict::Reordered
        );
        for damaged in [
            digest(&[(0, b"one")]),
            digest(&[(0, b"one"), (3, b"two"), (3, b"two")]),
            digest(&[(0, b"one"), (4, b"two")]),
            digest(&[(0, b"two"), (3, b"one")]),
            digest(&[(0, b"onetwo")]),
        ] {
            assert_eq!(Verdict::of(&sent, &damaged), Verdict::Differ, "{damaged:?}");
        }
    }
}
