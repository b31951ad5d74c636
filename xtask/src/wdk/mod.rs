//! A stand-in for the Windows Driver Kit: a folder of the shape that wdk-build looks for, made from
//! mingw-w64's headers, a few of our own, and import libraries of exactly the names in `imports.csv`.

pub(crate) mod arm64;
pub(crate) mod crt;
mod env;
mod headers;
mod imports;
mod libs;
mod patch;

use anyhow::Result;

pub(crate) use env::driver_environment;
pub(crate) use patch::check_lock;

use crate::layout::Layout;
use crate::stamp::{self, Inputs};
use crate::step;
use crate::tools::Tools;

/// The version that the folder claims to be. The drivers use nothing that is newer than Windows 10.
pub(crate) const VERSION: &str = "10.0.26100.0";
/// The framework version that the drivers target.
pub(crate) const KMDF: &str = "1.15";

/// Makes the folder and the patched wdk-build, each only if what it is made from has changed.
pub(crate) fn prepare(layout: &Layout, tools: &Tools) -> Result<()> {
    patch::prepare(layout)?;
    prepare_headers(layout, tools)?;
    prepare_libs(layout, tools)
}

fn prepare_headers(layout: &Layout, tools: &Tools) -> Result<()> {
    // Our headers are linked, not copied: cargo itself sees when one of them changes.
    let digest = Inputs::default()
        .word(VERSION)
        .word(KMDF)
        .word(layout.wdk_sources().as_os_str().as_encoded_bytes())
        .word(tools.mingw.include.as_os_str().as_encoded_bytes())
        .path(&layout.root.join("xtask/src/wdk/headers.rs"))?
        .digest();
    let stamp = layout.stamp("wdk-headers");
    if stamp::fresh(&stamp, &digest) && layout.wdk().join("Include").is_dir() {
        return Ok(());
    }
    step::work("WDK-shaped folder: headers", || {
        headers::make(layout, &tools.mingw)
    })?;
    stamp::set(&stamp, &digest)
}

fn prepare_libs(layout: &Layout, tools: &Tools) -> Result<()> {
    let digest = Inputs::default()
        .word(VERSION)
        .word(KMDF)
        .word(tools.llvm.bin.as_os_str().as_encoded_bytes())
        .path(&layout.wdk_sources().join("imports.csv"))?
        .path(&layout.wdk_sources().join("lib"))?
        .path(&layout.root.join("xtask/src/wdk/libs.rs"))?
        .digest();
    let stamp = layout.stamp("wdk-libs");
    if stamp::fresh(&stamp, &digest) && layout.wdk().join("Lib").is_dir() {
        return Ok(());
    }
    libs::make(layout, &tools.llvm)?;
    crate::build::forget_images(layout)?;
    stamp::set(&stamp, &digest)
}
