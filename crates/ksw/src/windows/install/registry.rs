//! Values of `HKEY_LOCAL_MACHINE`, read only.

use windows_registry::LOCAL_MACHINE;

/// A number; `None` where key or value is not there, or is none.
pub(super) fn number(key: &str, value: &str) -> Option<u32> {
    LOCAL_MACHINE.open(key).ok()?.get_u32(value).ok()
}

/// A text; `None` likewise.
pub(super) fn text(key: &str, value: &str) -> Option<String> {
    LOCAL_MACHINE.open(key).ok()?.get_string(value).ok()
}
