//! Stamps: a piece of work is done again only when what it is made from has changed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;
use sha2::{Digest, Sha256};

/// Gathers everything that a piece of work depends on.
#[derive(Default)]
pub(crate) struct Inputs(Sha256);

impl Inputs {
    /// A word, such as a version or a path.
    pub(crate) fn word(mut self, word: impl AsRef<[u8]>) -> Self {
        let word = word.as_ref();
        self.0.update(word.len().to_le_bytes());
        self.0.update(word);
        self
    }

    /// The content of a file, or of all files of a folder, with their names.
    pub(crate) fn path(mut self, path: &Path) -> Result<Self> {
        if path.is_dir() {
            let mut entries: Vec<PathBuf> = fs::read_dir(path)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<std::io::Result<_>>()?;
            entries.sort();
            for entry in entries {
                self = self.path(&entry)?;
            }
            return Ok(self);
        }
        self = self.word(path.as_os_str().as_encoded_bytes());
        Ok(self.word(fs::read(path)?))
    }

    /// The digest of all of it.
    pub(crate) fn digest(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Was the work of `stamp` done from inputs with this digest?
pub(crate) fn fresh(stamp: &Path, digest: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|text| text == digest)
}

/// Says that the work of `stamp` is done.
pub(crate) fn set(stamp: &Path, digest: &str) -> Result<()> {
    Ok(fs::write(stamp, digest)?)
}

/// Writes a file only when its content changes, so that nothing downstream is made again without need.
pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Whoever reads the file sees the old or the new one, never a part.
    let mut partial = path.as_os_str().to_os_string();
    partial.push(".partial");
    fs::write(&partial, content)?;
    fs::rename(&partial, path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_apart() {
        let one = Inputs::default().word("ab").word("c").digest();
        let two = Inputs::default().word("a").word("bc").digest();
        assert_ne!(one, two);
    }
}
