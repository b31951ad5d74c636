//! What differs between Linux and the other systems that this program is compiled on.

use std::io;
use std::path::Path;

/// Makes `link` point to the file or folder `original`.
pub(crate) fn symlink(original: &Path, link: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(original, link);
    #[cfg(not(unix))]
    return Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("{} is to point to {}", link.display(), original.display()),
    ));
}

/// Whether this process may install packages without sudo.
pub(crate) fn is_root() -> bool {
    #[cfg(unix)]
    return std::fs::metadata("/proc/self")
        .is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    #[cfg(not(unix))]
    return false;
}
