//! Byte counts as people write them: `512`, `64KiB`, `1MiB`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// The units, largest first. `K`, `M` and `G` alone mean the same as `KiB`, `MiB` and `GiB`.
const UNITS: [(&str, &str, u32); 3] = [("GiB", "G", 30), ("MiB", "M", 20), ("KiB", "K", 10)];

/// Why a text is no byte count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeError(String);

impl std::error::Error for SizeError {}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a byte count below 2^64; write a whole number with B, KiB, MiB, GiB or no unit, e.g. 64KiB",
            self.0
        )
    }
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError(text.to_owned());
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = text.get(digits.len()..).ok_or_else(error)?;
        let shift = match unit {
            "" | "B" => 0,
            _ => UNITS
                .into_iter()
                .find(|(long, short, _)| unit.eq_ignore_ascii_case(long) || unit.eq_ignore_ascii_case(short))
                .map(|(_, _, shift)| shift)
                .ok_or_else(error)?,
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        let number: u64 = digits.parse().map_err(|_| error())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    /// The largest unit that divides the number exactly, so that nothing is rounded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, _, shift) in UNITS {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_two() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("7B", 7),
            ("64KiB", 65536),
            ("64kib", 65536),
            ("64K", 65536),
            ("1MiB", 1 << 20),
            ("4GiB", 1 << 32),
            ("17179869183GiB", 17_179_869_183 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "KiB",
            "-1",
            "+1",
            "1.5MiB",
            "64KB",
            "64 KiB",
            "0x10",
            "17179869184GiB",
            "99999999999999999999",
        ] {
            assert_eq!(
                text.parse::<ByteSize>(),
                Err(SizeError(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn display_is_exact_and_readable_back() {
        for bytes in [0, 1, 1000, 65536, 65537, 1 << 20, 3 << 30] {
            let text = ByteSize(bytes).to_string();
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        assert_eq!(ByteSize(65536).to_string(), "64KiB");
    }
}
