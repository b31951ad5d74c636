//! `UNICODE_STRING`s made from literals, without allocation.
#![expect(
    unsafe_code,
    reason = "reads the code units behind a UNICODE_STRING that the kernel gave"
)]

use core::marker::PhantomData;

use wdk_sys::{PCUNICODE_STRING, UNICODE_STRING};

/// A counted string of UTF-16 code units, borrowed.
///
/// <https://learn.microsoft.com/windows/win32/api/ntdef/ns-ntdef-_unicode_string>
#[repr(transparent)]
pub struct UnicodeString<'a> {
    raw: UNICODE_STRING,
    units: PhantomData<&'a [u16]>,
}

// SAFETY: it is a shared borrow of code units that nobody changes.
unsafe impl Sync for UnicodeString<'_> {}

impl<'a> UnicodeString<'a> {
    /// Borrows code units. What is beyond 32,767 units, the most that the type can count, is left out.
    pub const fn new(units: &'a [u16]) -> Self {
        let most = (u16::MAX / 2) as usize;
        let count = if units.len() < most { units.len() } else { most };
        #[expect(clippy::cast_possible_truncation, reason = "limited in the line above")]
        let bytes = (count * 2) as u16;
        Self {
            raw: UNICODE_STRING {
                Length: bytes,
                MaximumLength: bytes,
                // The kernel takes these strings as const.
                Buffer: units.as_ptr().cast_mut(),
            },
            units: PhantomData,
        }
    }

    /// What the kernel functions take.
    pub const fn as_ptr(&self) -> PCUNICODE_STRING {
        &raw const self.raw
    }

    /// The code units.
    pub const fn units(&self) -> &'a [u16] {
        if self.raw.Buffer.is_null() {
            return &[];
        }
        // SAFETY: `new` took both from a slice that is borrowed for `'a`.
        unsafe { core::slice::from_raw_parts(self.raw.Buffer, (self.raw.Length / 2) as usize) }
    }
}

/// Encodes an ASCII string as UTF-16; `N` is its length.
///
/// # Panics
///
/// Not ASCII, or another length. In [`unicode_string!`](crate::unicode_string) that does not compile.
pub const fn utf16<const N: usize>(text: &str) -> [u16; N] {
    assert!(
        text.len() == N && text.is_ascii(),
        "device names and the like are ASCII"
    );
    let mut units = [0; N];
    let mut rest: &mut [u16] = &mut units;
    let mut bytes = text.as_bytes();
    while let (Some((unit, after)), Some((byte, bytes_after))) = (rest.split_first_mut(), bytes.split_first())
    {
        *unit = *byte as u16;
        rest = after;
        bytes = bytes_after;
    }
    units
}

/// A `UnicodeString<'static>` of a constant ASCII `&str`.
#[macro_export]
macro_rules! unicode_string {
    ($text:expr) => {{
        const TEXT: &str = $text;
        static UNITS: [u16; TEXT.len()] = $crate::string::utf16(TEXT);
        $crate::UnicodeString::new(&UNITS)
    }};
}

/// Whether a string of the kernel equals an ASCII string, without regard to the case of ASCII letters.
pub fn eq_ignore_ascii_case(units: &[u16], text: &str) -> bool {
    units.len() == text.len()
        && units
            .iter()
            .zip(text.bytes())
            .all(|(unit, byte)| u8::try_from(*unit).is_ok_and(|unit| unit.eq_ignore_ascii_case(&byte)))
}
