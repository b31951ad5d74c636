//! What the methods of an interface return.

use std::fmt;

use kswrite_client::Win32Error;

/// HRESULT. Prints as its number in hexadecimal.
///
/// <https://learn.microsoft.com/windows/win32/com/structure-of-com-error-codes>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HResult(pub u32);

impl HResult {
    /// `S_OK`.
    pub const OK: Self = Self(0);
    /// `S_FALSE`.
    pub const FALSE: Self = Self(1);
    /// `E_INVALIDARG`.
    pub const INVALID_ARG: Self = Self(0x8007_0057);
    /// `E_POINTER`.
    pub const POINTER: Self = Self(0x8000_4003);
    /// `E_OUTOFMEMORY`.
    pub const OUT_OF_MEMORY: Self = Self(0x8007_000E);
    /// `STG_E_INVALIDFUNCTION`.
    pub const STG_INVALID_FUNCTION: Self = Self(0x8003_0001);
    /// `STG_E_INVALIDPOINTER`.
    pub const STG_INVALID_POINTER: Self = Self(0x8003_0009);

    /// `HRESULT_FROM_WIN32`, of an error below 65536.
    #[must_use]
    pub const fn from_win32(error: Win32Error) -> Self {
        Self(if error.0 == 0 {
            0
        } else {
            0x8007_0000 | error.0 & 0xFFFF
        })
    }

    /// The Win32 error in it, if there is one.
    #[must_use]
    pub const fn win32(self) -> Option<Win32Error> {
        if self.0 >> 16 == 0x8007 {
            Some(Win32Error(self.0 & 0xFFFF))
        } else {
            None
        }
    }
}

impl From<Win32Error> for HResult {
    fn from(error: Win32Error) -> Self {
        Self::from_win32(error)
    }
}

impl From<Result<(), HResult>> for HResult {
    fn from(result: Result<(), HResult>) -> Self {
        result.err().unwrap_or(Self::OK)
    }
}

impl fmt::Display for HResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_win32_error_and_back() {
        let pending = HResult::from(Win32Error::IO_PENDING);
        assert_eq!(pending.to_string(), "0x800703E5");
        assert_eq!(pending.win32(), Some(Win32Error::IO_PENDING));
        assert_eq!(HResult::POINTER.win32(), None);
        assert_eq!(HResult::from_win32(Win32Error(0)), HResult::OK);
    }
}
