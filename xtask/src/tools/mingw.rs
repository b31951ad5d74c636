//! mingw-w64: the linker of the user-mode programs, the compilers of the tests, and the headers of the Windows API and DDK.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The first one also links; the second one compiles programs of the tests.
const COMPILERS: [&str; 2] = ["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-g++"];
/// Where systems put the headers.
const INCLUDE: [&str; 3] = [
    "/usr/share/mingw-w64/include",
    "/usr/x86_64-w64-mingw32/include",
    "/usr/x86_64-w64-mingw32/sys-root/mingw/include",
];

/// The installed mingw-w64.
#[derive(Clone, Debug)]
pub(crate) struct Mingw {
    /// Folder of `windows.h`, with the DDK's headers in its `ddk`.
    pub(crate) include: PathBuf,
}

impl Mingw {
    pub(crate) fn find() -> Result<Self> {
        for compiler in COMPILERS {
            which::which(compiler).with_context(|| format!("no {compiler}"))?;
        }
        let mut folders = INCLUDE.iter().map(PathBuf::from);
        let include = folders
            .find(|folder| folder.join("ddk/ntifs.h").exists())
            .context("no DDK headers of mingw-w64")?;
        Ok(Self { include })
    }
}
