//! Wine or Windows, and which.
#![expect(unsafe_code, reason = "asks ntdll")]

use std::ffi::{CStr, c_char};

use kswrite_conform::Venue;
use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;

type WineGetVersion = unsafe extern "C" fn() -> *const c_char;

/// `None` on Windows.
fn wine_version() -> Option<String> {
    // SAFETY: the name ends with a zero.
    let ntdll = unsafe { GetModuleHandleA(c"ntdll.dll".as_ptr().cast()) };
    // SAFETY: a loaded module, and a name that ends with a zero.
    let function = unsafe { GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()) }?;
    // SAFETY: Wine documents this function: no arguments, a text that stays.
    let function: WineGetVersion = unsafe { std::mem::transmute(function) };
    // SAFETY: as above.
    let version = unsafe { function() };
    // SAFETY: as above.
    Some(unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned())
}

/// The venue, and the system in words.
pub(super) fn venue() -> (Venue, String) {
    let mut version = OSVERSIONINFOW {
        dwOSVersionInfoSize: u32::try_from(size_of::<OSVERSIONINFOW>()).unwrap_or_default(),
        ..OSVERSIONINFOW::default()
    };
    // SAFETY: the structure has its size in it.
    unsafe { RtlGetVersion(&raw mut version) };
    let windows = format!(
        "Windows {}.{}.{}",
        version.dwMajorVersion, version.dwMinorVersion, version.dwBuildNumber
    );
    match wine_version() {
        Some(wine) => (Venue::Wine, format!("Wine {wine} as {windows}")),
        None => (Venue::Windows, windows),
    }
}
