//! The driver store.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/install/how-setupapi-copies-inf-files>
#![expect(unsafe_code, reason = "calls SetupAPI and newdev")]

use std::path::Path;
use std::ptr;

use ksw::install::judge::Signature;
use ksw::install::system::System;
use kswrite_client::{Error, Win32Error};
use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    DiInstallDriverW, DiUninstallDriverW, SP_INF_SIGNER_INFO_V2_W, SPOST_PATH, SUOI_FORCEDELETE,
    SetupCopyOEMInfW, SetupUninstallOEMInfW, SetupVerifyInfFileW,
};
use windows_sys::Win32::Foundation::{FALSE, MAX_PATH};
use windows_sys::core::BOOL;

use super::super::devices::{last_error, size, wide};
use super::files;

/// `ERROR_AUTHENTICODE_TRUSTED_PUBLISHER`: signed by somebody whom the system trusts to publish.
const TRUSTED_PUBLISHER: Win32Error = Win32Error(0xE000_0241);

/// The text up to its zero.
fn text(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(units.get(..end).unwrap_or_default())
}

/// What the system says of the signature of an INF. Wine has no such call.
pub(super) fn signature(system: &System, inf: &Path) -> Signature {
    if system.wine.is_some() {
        return Signature::NotAsked;
    }
    let path = wide(&inf.display().to_string());
    let mut signer = SP_INF_SIGNER_INFO_V2_W {
        cbSize: size::<SP_INF_SIGNER_INFO_V2_W>(),
        ..SP_INF_SIGNER_INFO_V2_W::default()
    };
    // SAFETY: the path ends with a zero; this platform; the structure has its size set.
    let valid = unsafe { SetupVerifyInfFileW(path.as_ptr(), ptr::null(), &raw mut signer) };
    if valid == FALSE {
        let code = last_error("verify").code();
        if code != TRUSTED_PUBLISHER {
            return Signature::Refused(code);
        }
    }
    Signature::By(text(&signer.DigitalSigner))
}

/// Adds a package. Returns the name that the INF is published under.
///
/// <https://learn.microsoft.com/windows/win32/api/setupapi/nf-setupapi-setupcopyoeminfw>
pub(super) fn add(inf: &Path) -> Result<String, Error> {
    let shown = inf.display().to_string();
    let path = wide(&shown);
    let folder = wide(&inf.parent().unwrap_or(inf).display().to_string());
    let mut published = [0_u16; MAX_PATH as usize];
    // SAFETY: both paths end with a zero; the buffer has the room that is given; the rest is left out.
    let added = unsafe {
        SetupCopyOEMInfW(
            path.as_ptr(),
            folder.as_ptr(),
            SPOST_PATH,
            0,
            published.as_mut_ptr(),
            MAX_PATH,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if added == FALSE {
        return Err(last_error(&format!("add the package of {shown}")));
    }
    let published = text(&published);
    Ok(published.rsplit('\\').next().unwrap_or(&published).to_owned())
}

/// Installs a package on every device that it fits. Returns whether the system wants a restart.
///
/// <https://learn.microsoft.com/windows/win32/api/newdev/nf-newdev-diinstalldriverw>
pub(super) fn install(inf: &Path) -> Result<bool, Error> {
    let shown = inf.display().to_string();
    let path = wide(&shown);
    let mut restart: BOOL = FALSE;
    // SAFETY: no window; the path ends with a zero.
    let installed = unsafe { DiInstallDriverW(ptr::null_mut(), path.as_ptr(), 0, &raw mut restart) };
    if installed == FALSE {
        return Err(last_error(&format!("install {shown}")));
    }
    Ok(restart != FALSE)
}

/// Takes a package off its devices and out of the driver store. Returns whether the system wants a restart.
///
/// <https://learn.microsoft.com/windows/win32/api/newdev/nf-newdev-diuninstalldriverw>,
/// <https://learn.microsoft.com/windows/win32/api/setupapi/nf-setupapi-setupuninstalloeminfw>
pub(super) fn remove(published: &str, wine: bool) -> Result<bool, Error> {
    let mut restart: BOOL = FALSE;
    let what = format!("delete the package {published}");
    if !wine {
        let path = wide(&files::windows().join("INF").join(published).display().to_string());
        // SAFETY: no window; the path ends with a zero.
        let removed = unsafe { DiUninstallDriverW(ptr::null_mut(), path.as_ptr(), 0, &raw mut restart) };
        if removed == FALSE {
            return Err(last_error(&what));
        }
    }
    let name = wide(published);
    // SAFETY: the name ends with a zero; the last parameter is reserved.
    let deleted = unsafe { SetupUninstallOEMInfW(name.as_ptr(), SUOI_FORCEDELETE, ptr::null()) };
    if deleted == FALSE {
        let error = last_error(&what);
        // The call before has done it.
        if !error.code().is_absence() {
            return Err(error);
        }
    }
    Ok(restart != FALSE)
}
