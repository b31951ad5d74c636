//! Facts about the machine.
#![expect(unsafe_code, reason = "calls the system for what no safe crate tells")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use ksw::install::system::{CodeIntegrity, Machine, System};
use windows_sys::Wdk::System::SystemInformation::NtQuerySystemInformation;
use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::Foundation::{CloseHandle, FALSE, HANDLE};
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, IsWow64Process2, OpenProcessToken};
use windows_sys::core::{s, w};

use super::super::devices::size;
use super::registry;

/// Asks for all of it. What cannot be known is left unknown: this serves reports too.
pub(in super::super) fn read() -> System {
    System {
        version: version(),
        wine: wine(),
        native: native(),
        process: Machine::of_this_program(),
        processors: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        elevated: elevated(),
        code_integrity: code_integrity(),
        secure_boot: registry::number(
            r"SYSTEM\CurrentControlSet\Control\SecureBoot\State",
            "UEFISecureBootEnabled",
        )
        .map(|value| value != 0),
        memory_integrity: registry::number(
            r"SYSTEM\CurrentControlSet\Control\DeviceGuard\Scenarios\HypervisorEnforcedCodeIntegrity",
            "Enabled",
        )
        .map(|value| value != 0),
    }
}

/// The real version, whatever the program's manifest says.
fn version() -> [u32; 3] {
    let mut info = OSVERSIONINFOW {
        dwOSVersionInfoSize: size::<OSVERSIONINFOW>(),
        ..OSVERSIONINFOW::default()
    };
    // SAFETY: the structure has its size set; the call always succeeds.
    unsafe { RtlGetVersion(&raw mut info) };
    [info.dwMajorVersion, info.dwMinorVersion, info.dwBuildNumber]
}

/// Wine's version, which its ntdll tells.
fn wine() -> Option<String> {
    // SAFETY: a zero-terminated constant; ntdll is in every process.
    let ntdll = unsafe { GetModuleHandleW(w!("ntdll.dll")) };
    // SAFETY: the module is loaded, the name ends with a zero.
    let address = unsafe { GetProcAddress(ntdll, s!("wine_get_version")) }?;
    // SAFETY: so Wine declares the function of this name, which nothing else has.
    let tell: unsafe extern "C" fn() -> *const c_char = unsafe { std::mem::transmute(address) };
    // SAFETY: no preconditions.
    let text = unsafe { tell() };
    // SAFETY: a constant text of ntdll, which ends with a zero.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

fn native() -> Machine {
    let (mut process, mut native) = (0, 0);
    // SAFETY: no preconditions.
    let this = unsafe { GetCurrentProcess() };
    // SAFETY: a handle of this process, and room for both answers.
    let told = unsafe { IsWow64Process2(this, &raw mut process, &raw mut native) };
    if told == FALSE {
        return Machine::of_this_program();
    }
    Machine::from_image(native)
}

fn elevated() -> bool {
    let mut token: HANDLE = ptr::null_mut();
    // SAFETY: no preconditions.
    let this = unsafe { GetCurrentProcess() };
    // SAFETY: a handle of this process, and room for the token.
    if unsafe { OpenProcessToken(this, TOKEN_QUERY, &raw mut token) } == FALSE {
        return false;
    }
    let mut elevation = TOKEN_ELEVATION::default();
    let mut got = 0;
    // SAFETY: the token is open; the room is that of the structure which this class fills in.
    let told = unsafe {
        GetTokenInformation(
            token,
            TokenElevation,
            (&raw mut elevation).cast(),
            size::<TOKEN_ELEVATION>(),
            &raw mut got,
        )
    };
    // SAFETY: the token is open, and this is its last use.
    unsafe { CloseHandle(token) };
    told != FALSE && elevation.TokenIsElevated != 0
}

/// `SYSTEM_CODEINTEGRITY_INFORMATION`.
#[repr(C)]
struct CodeIntegrityInformation {
    length: u32,
    options: u32,
}

/// `SystemCodeIntegrityInformation`.
const CODE_INTEGRITY_CLASS: i32 = 103;

fn code_integrity() -> Option<CodeIntegrity> {
    let mut information = CodeIntegrityInformation {
        length: size::<CodeIntegrityInformation>(),
        options: 0,
    };
    // SAFETY: the structure of this class, with its length set, and its size.
    let status = unsafe {
        NtQuerySystemInformation(
            CODE_INTEGRITY_CLASS,
            (&raw mut information).cast::<c_void>(),
            size::<CodeIntegrityInformation>(),
            ptr::null_mut(),
        )
    };
    (status >= 0).then(|| information.options.into())
}
