//! clang, lld and libclang.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;

/// The version that this project is tested with: bindgen lays out some structures wrong with others.
const TESTED: u32 = 22;
/// Older ones were not tried.
const OLDEST: u32 = 16;
/// What must be in the folder of programs.
const PROGRAMS: [&str; 7] = [
    "clang",
    "lld-link",
    "llvm-ar",
    "llvm-dlltool",
    "llvm-lib",
    "llvm-nm",
    "llvm-rc",
];

/// One installed LLVM.
#[derive(Clone, Debug)]
pub(crate) struct Llvm {
    /// Folder of the programs.
    pub(crate) bin: PathBuf,
    /// Folder of libclang.
    pub(crate) lib: PathBuf,
    /// Folder of clang's own headers.
    pub(crate) headers: PathBuf,
    /// Major version.
    pub(crate) version: u32,
}

impl Llvm {
    /// The best of those installed.
    pub(crate) fn find() -> Result<Self> {
        let mut found: Vec<Self> = candidates().iter().filter_map(|bin| Self::at(bin).ok()).collect();
        let version = prefer(found.iter().map(|llvm| llvm.version)).context("no LLVM 16 or newer")?;
        found.retain(|llvm| llvm.version == version);
        found.into_iter().next().context("no LLVM")
    }

    fn at(bin: &Path) -> Result<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|name| !bin.join(name).exists()) {
            bail!("{} has no {missing}", bin.display());
        }
        let resources = duct::cmd(bin.join("clang"), ["-print-resource-dir"]).read()?;
        let resources = PathBuf::from(resources.trim());
        // The folder is called after the version: "22", or "16.0.6" with older ones.
        let name = resources
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let version = name.split('.').next().unwrap_or_default().parse()?;
        let real = fs::canonicalize(bin)?;
        let lib = real.parent().context("no folder above")?.join("lib");
        if !has_libclang(&lib) {
            bail!("{} has no libclang", lib.display());
        }
        Ok(Self {
            bin: bin.to_path_buf(),
            lib,
            headers: resources.join("include"),
            version,
        })
    }

    /// Path of one of its programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// The tested version if it is there, else the newest that is new enough.
pub(crate) fn prefer(versions: impl Iterator<Item = u32>) -> Option<u32> {
    versions
        .filter(|version| *version >= OLDEST)
        .max_by_key(|version| (*version == TESTED, *version))
}

fn candidates() -> Vec<PathBuf> {
    let versioned = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versioned
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"))
        .map(|entry| entry.path().join("bin"))
        .collect();
    folders.extend(
        which::which("lld-link")
            .ok()
            .and_then(|path| Some(path.parent()?.to_path_buf())),
    );
    folders
}

fn has_libclang(lib: &Path) -> bool {
    let names = fs::read_dir(lib).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name()).any(|name| {
        let name = name.to_string_lossy();
        name.starts_with("libclang.so") || (name.starts_with("libclang-") && name.contains(".so"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tested_version_wins_then_the_newest() {
        assert_eq!(prefer([14, 19, 22, 23].into_iter()), Some(22));
        assert_eq!(prefer([14, 16, 19].into_iter()), Some(19));
        assert_eq!(prefer([13, 14].into_iter()), None);
    }
}
