//! Wine: the loader, its server, and its own ntoskrnl.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Folders of Wine's own Windows images.
const IMAGES: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows",
    "/usr/lib/wine/x86_64-windows",
    "/usr/lib64/wine/x86_64-windows",
    "/opt/wine-stable/lib64/wine/x86_64-windows",
    "/opt/wine-stable/lib/wine/x86_64-windows",
];

/// The installed Wine.
#[derive(Clone, Debug)]
pub(crate) struct Wine {
    /// Starts Windows programs.
    pub(crate) loader: PathBuf,
    /// The server that all programs of a prefix share.
    pub(crate) server: PathBuf,
    /// Folder of Wine's own Windows images, `ntoskrnl.exe` among them.
    pub(crate) images: PathBuf,
}

impl Wine {
    pub(crate) fn find() -> Result<Self> {
        // Debian's programs come first: its `wine` in the PATH is a wrapper that asks for 32-bit Wine.
        let loader = first(&["/usr/lib/wine/wine64"], &["wine64", "wine"]).context("no Wine")?;
        let server = first(&["/usr/lib/wine/wineserver64"], &["wineserver"]).context("no wineserver")?;
        let mut folders = IMAGES.iter().map(PathBuf::from);
        let images = folders
            .find(|folder| folder.join("ntoskrnl.exe").exists())
            .context("Wine has no 64-bit ntoskrnl.exe")?;
        Ok(Self {
            loader,
            server,
            images,
        })
    }

    /// Version as Wine says it.
    pub(crate) fn version(&self) -> Result<String> {
        Ok(duct::cmd(&self.loader, ["--version"])
            .env("WINEDEBUG", "-all")
            .read()?)
    }
}

fn first(paths: &[&str], names: &[&str]) -> Option<PathBuf> {
    let path = paths.iter().map(PathBuf::from).find(|path| path.exists());
    path.or_else(|| names.iter().find_map(|name| which::which(name).ok()))
}
