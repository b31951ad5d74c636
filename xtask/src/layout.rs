//! Where everything lies.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;

/// Paths of the checkout and of what xtask makes below `target/kswrite`.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// `target/kswrite`: the artefacts, and all that xtask makes.
    pub(crate) out: PathBuf,
}

/// Name of the folder in the Wine prefix that holds the programs and the INF files.
pub(crate) const PREFIX_FOLDER: &str = "kswrite";

impl Layout {
    /// The layout of the checkout that this program was built in.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in a folder of the checkout")?
            .to_path_buf();
        let out = root.join("target/kswrite");
        fs::create_dir_all(out.join("logs"))?;
        fs::create_dir_all(out.join("stamps"))?;
        Ok(Self { root, out })
    }

    /// Sources of the WDK-shaped folder.
    pub(crate) fn wdk_sources(&self) -> PathBuf {
        self.root.join("xtask/wdk")
    }

    /// The WDK-shaped folder.
    pub(crate) fn wdk(&self) -> PathBuf {
        self.out.join("wdk")
    }

    /// The patched copy of wdk-build.
    pub(crate) fn wdk_build(&self) -> PathBuf {
        self.out.join("wdk-build")
    }

    /// The lock file of the Windows builds: the checkout's own, but for the patched wdk-build.
    ///
    /// In a folder of its own: wdk-build takes the first folder above its output that has a lock file for
    /// the root of the workspace.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.out.join("lock/Cargo.lock")
    }

    /// Cargo's target folder of the Windows builds.
    pub(crate) fn cargo_target(&self) -> PathBuf {
        self.root.join("target/windows")
    }

    /// A log.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.out.join("logs").join(format!("{name}.log"))
    }

    /// A stamp: says what a piece of work was done from.
    pub(crate) fn stamp(&self, name: &str) -> PathBuf {
        self.out.join("stamps").join(name)
    }

    /// The INF files in the form that Wine knows.
    pub(crate) fn wine_inf(&self) -> PathBuf {
        self.out.join("wine-inf")
    }

    /// The Wine prefix.
    pub(crate) fn prefix(&self) -> PathBuf {
        self.out.join("prefix")
    }

    /// A built file that is meant to be used: `kswrite.sys`, `ksw.exe`, ...
    pub(crate) fn artifact(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// `path` as it is shown to the user: relative to the checkout where it lies in it.
    pub(crate) fn show<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
