//! The `Include` half of the WDK-shaped folder.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use super::{KMDF, VERSION};
use crate::layout::Layout;
use crate::platform::symlink;
use crate::tools::Mingw;

/// Headers of compiler intrinsics that stand empty before clang's own: those declare AMX types, which
/// bindgen cannot lay out, and no driver uses them.
const INTRINSICS: [&str; 10] = [
    "mmintrin",
    "xmmintrin",
    "emmintrin",
    "pmmintrin",
    "tmmintrin",
    "smmintrin",
    "nmmintrin",
    "wmmintrin",
    "immintrin",
    "x86intrin",
];

/// Makes it anew.
pub(super) fn make(layout: &Layout, mingw: &Mingw) -> Result<()> {
    let include = layout.wdk().join("Include");
    if include.exists() {
        fs::remove_dir_all(&include)?;
    }
    let version = include.join(VERSION);
    let km = version.join("km");
    let kmdf = include.join("wdf/kmdf").join(KMDF);
    for folder in ["crt", "ufx/1.1", "mingw-ddk"] {
        fs::create_dir_all(km.join(folder))?;
    }
    fs::create_dir_all(&kmdf)?;
    for name in INTRINSICS {
        fs::write(km.join("crt").join(name).with_extension("h"), "")?;
    }
    let ours = layout.wdk_sources().join("include");
    link_folder(&mingw.include.join("ddk"), &km)?;
    // Ours stand in front of mingw-w64's, which they include by the longer name.
    link_over(&mingw.include.join("ddk/ntifs.h"), &km.join("mingw-ddk/ntifs.h"))?;
    link_folder(&ours.join("km"), &km)?;
    link_folder(&ours.join("wdf"), &kmdf)?;
    symlink(&mingw.include, &version.join("shared"))?;
    Ok(())
}

/// Links every file of `from` into `to`.
fn link_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        link_over(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn link_over(from: &Path, to: &Path) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        fs::remove_file(to)?;
    }
    Ok(symlink(from, to)?)
}
