//! Counted UTF-16 strings.
#![expect(unsafe_code, reason = "UNICODE_STRING is a pointer and two lengths")]

use alloc::string::String;
use alloc::vec::Vec;

use wdk_sys::{PCUNICODE_STRING, UNICODE_STRING};

/// A UTF-16 string that the host owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wide(Vec<u16>);

impl Wide {
    /// From text.
    pub fn new(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }

    /// Copies a counted string; NULL and an empty one give an empty one.
    ///
    /// # Safety
    ///
    /// `string` is NULL or points to a string whose buffer holds `Length` bytes.
    pub unsafe fn from_counted(string: PCUNICODE_STRING) -> Self {
        // SAFETY: the caller says that the pointer is valid or NULL.
        let Some(string) = (unsafe { string.as_ref() }) else {
            return Self::default();
        };
        if string.Buffer.is_null() {
            return Self::default();
        }
        let length = usize::from(string.Length) / 2;
        // SAFETY: the caller says that the buffer holds `Length` bytes.
        let characters = unsafe { core::slice::from_raw_parts(string.Buffer, length) };
        Self(characters.to_vec())
    }

    /// Whether there is no character.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The characters.
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// A counted string that points into this one. It must not be written through or outlive it.
    pub fn counted(&self) -> UNICODE_STRING {
        let bytes = u16::try_from(self.0.len() * 2).unwrap_or(u16::MAX - 1);
        UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: self.0.as_ptr().cast_mut(),
        }
    }

    /// As text, for a log line.
    pub fn text(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }

    /// What follows the last backslash.
    pub fn last_component(&self) -> String {
        let start = self
            .0
            .iter()
            .rposition(|unit| *unit == u16::from(b'\\'))
            .map_or(0, |at| at + 1);
        String::from_utf16_lossy(self.0.get(start..).unwrap_or_default())
    }
}
