//! Are the signatures of a package such as Windows' own functions accept? Runs in Wine, with Wine's wintrust, which
//! knows digests and signatures but asks nothing of the signer; and on Windows, with the certificate trusted.
//!
//! `cargo xtask test` makes a package and says where it is.
#![cfg(windows)]
#![expect(unsafe_code, reason = "WinVerifyTrust")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on has failed; sizes of structures are small"
)]

use std::os::windows::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::{TRUST_E_BAD_DIGEST, TRUST_E_CERT_SIGNATURE, TRUST_E_NOSIGNATURE};
use windows_sys::Win32::Security::WinTrust::{
    WINTRUST_ACTION_GENERIC_VERIFY_V2, WINTRUST_DATA, WINTRUST_DATA_0, WINTRUST_FILE_INFO, WTD_CHOICE_FILE,
    WTD_REVOKE_NONE, WTD_STATEACTION_CLOSE, WTD_STATEACTION_VERIFY, WTD_UI_NONE, WinVerifyTrust,
};

const DRIVERS: [&str; 2] = ["kswrite", "ksink"];

/// A file of the package, or one that was made of it.
fn file(name: &str) -> PathBuf {
    let folder = std::env::var_os("KSWRITE_PACKAGE").expect("cargo xtask test says where the package is");
    Path::new(&folder).join("x64").join(name)
}

/// What WinVerifyTrust says of a file; 0 if it is right.
fn verdict(path: &Path) -> i32 {
    let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let mut file = WINTRUST_FILE_INFO {
        cbStruct: size_of::<WINTRUST_FILE_INFO>() as u32,
        pcwszFilePath: path.as_ptr(),
        hFile: ptr::null_mut(),
        pgKnownSubject: ptr::null_mut(),
    };
    let mut data = WINTRUST_DATA {
        cbStruct: size_of::<WINTRUST_DATA>() as u32,
        dwUIChoice: WTD_UI_NONE,
        fdwRevocationChecks: WTD_REVOKE_NONE,
        dwUnionChoice: WTD_CHOICE_FILE,
        Anonymous: WINTRUST_DATA_0 { pFile: &raw mut file },
        dwStateAction: WTD_STATEACTION_VERIFY,
        ..WINTRUST_DATA::default()
    };
    let mut action = WINTRUST_ACTION_GENERIC_VERIFY_V2;
    // SAFETY: the structures say their sizes and live; no window is asked for.
    let verdict = unsafe { WinVerifyTrust(ptr::null_mut(), &raw mut action, (&raw mut data).cast()) };
    data.dwStateAction = WTD_STATEACTION_CLOSE;
    // SAFETY: as above; gives up what the first call has kept.
    unsafe { WinVerifyTrust(ptr::null_mut(), &raw mut action, (&raw mut data).cast()) };
    verdict
}

/// The verdict on a copy with one bit changed, this many bytes from the end where negative.
fn changed(name: &str, at: isize) -> i32 {
    let mut bytes = std::fs::read(file(name)).expect("the package is whole");
    let at = if at < 0 {
        bytes.len() - at.unsigned_abs()
    } else {
        at.unsigned_abs()
    };
    bytes[at] ^= 1;
    let copy = file(&format!("changed-{at}-{name}"));
    std::fs::write(&copy, bytes).expect("the folder of the package can be written");
    let verdict = verdict(&copy);
    std::fs::remove_file(copy).expect("the copy can be removed");
    verdict
}

#[test]
fn drivers_have_a_signature_over_all_of_them() {
    for name in DRIVERS.map(|name| format!("{name}.sys")) {
        assert_eq!(verdict(&file(&name)), 0, "{name}");
        // A header, a byte of code, the signature itself.
        assert_eq!(changed(&name, 0x150), TRUST_E_BAD_DIGEST, "{name}");
        assert_eq!(changed(&name, 0x500), TRUST_E_BAD_DIGEST, "{name}");
        assert_eq!(changed(&name, -200), TRUST_E_CERT_SIGNATURE, "{name}");
        let unsigned =
            Path::new(&std::env::var_os("KSWRITE_ARTIFACTS").expect("set beside the package")).join(&name);
        assert_eq!(verdict(&unsigned), TRUST_E_NOSIGNATURE, "{name}");
    }
}

/// Wine looks at the signature, not at whether it is of these members: `cargo xtask package --verify` does that.
#[test]
fn catalogues_are_signed() {
    for name in DRIVERS.map(|name| format!("{name}.cat")) {
        assert_eq!(verdict(&file(&name)), 0, "{name}");
        assert_eq!(changed(&name, -20), TRUST_E_CERT_SIGNATURE, "{name}");
    }
}
