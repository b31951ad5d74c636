//! Images in the system's folder of drivers. On Windows an INF leaves them in the driver store; what is here is put
//! there by the older way and by Wine.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kswrite_client::{Error, Win32Error};

/// `C:\Windows`.
pub(super) fn windows() -> PathBuf {
    let root = std::env::var_os("SystemRoot").or_else(|| std::env::var_os("windir"));
    root.map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from)
}

fn drivers() -> PathBuf {
    windows().join(r"System32\drivers")
}

fn failure(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("{what} {}", path.display()), Win32Error::from_io(error))
}

/// Copies an image there unless the same one is there. Returns its path, and whether it was copied.
pub(super) fn copy_driver(image: &Path) -> Result<(PathBuf, bool), Error> {
    let target = drivers().join(image.file_name().unwrap_or_default());
    let new = std::fs::read(image).map_err(|error| failure("read", image, &error))?;
    if std::fs::read(&target).is_ok_and(|old| old == new) {
        return Ok((target, false));
    }
    std::fs::write(&target, new).map_err(|error| failure("write", &target, &error))?;
    Ok((target, true))
}

/// Deletes the image of a service. Returns its path, and whether it was there.
pub(super) fn remove_driver(service: &str) -> Result<(PathBuf, bool), Error> {
    let target = drivers().join(format!("{service}.sys"));
    match std::fs::remove_file(&target) {
        Ok(()) => Ok((target, true)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((target, false)),
        Err(error) => Err(failure("delete", &target, &error)),
    }
}
