//! Builds what runs on Windows and in Wine: the drivers, the Wine host, the harness and the library for C.

mod cargo;
mod publish;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use cargo::{arm64_driver_cargo, driver_cargo, driver_cargo_in, tree_cargo, user_cargo};
pub(crate) use publish::{ARM64_IMPORTS, HEADER, IMAGES, IMPORTS, LIBRARY, forget_images};

use crate::inf;
use crate::layout::Layout;
use crate::step;
use crate::tools::Tools;
use crate::wdk;

/// Makes what every build needs: the WDK-shaped folder, the patched wdk-build, the crates.
pub(crate) fn prepare(layout: &Layout, tools: &Tools) -> Result<()> {
    wdk::prepare(layout, tools)?;
    cargo::fetch(layout, tools)
}

/// Makes every artefact in `target/kswrite` anew whose sources have changed.
pub(crate) fn all(layout: &Layout, tools: &Tools) -> Result<()> {
    prepare(layout, tools)?;
    let drivers =
        driver_cargo(layout, tools, "build").args(["-p", "kswrite", "-p", "ksink", "-p", "wine_kmdf"]);
    step::run(
        layout,
        "build the drivers and the Wine host",
        "build-drivers",
        &drivers,
    )?;
    wdk::check_lock(layout)?;
    let programs = user_cargo(layout, tools, "build").args(["-p", "ksw", "-p", "kswrite_dll"]);
    step::run(
        layout,
        "build ksw.exe and kswrite_client.dll",
        "build-ksw",
        &programs,
    )?;
    publish::all(layout)?;
    inf::stamp_all(layout)
}

/// Builds drivers and programs for ARM64 and gives the folder that they are in; `None` where the toolchain cannot.
pub(crate) fn arm64(layout: &Layout, tools: &Tools) -> Result<Option<PathBuf>> {
    if !tools.rust.has_arm64(layout)? {
        return Ok(None);
    }
    wdk::arm64::prepare(layout, tools)?;
    let drivers = arm64_driver_cargo(layout, tools, "build").args(["-p", "kswrite", "-p", "ksink"]);
    step::run(layout, "build the drivers for ARM64", "build-arm64", &drivers)?;
    wdk::crt::prepare(layout, tools)?;
    let programs = cargo::arm64_user_cargo(layout, tools, "build").args(["-p", "ksw", "-p", "kswrite_dll"]);
    step::run(
        layout,
        "build ksw.exe and kswrite_client.dll for ARM64",
        "build-ksw-arm64",
        &programs,
    )?;
    publish::arm64(layout).map(Some)
}

/// Prints what there is, with sizes in bytes.
pub(crate) fn print_sizes(layout: &Layout) -> Result<()> {
    publish::print_sizes(layout)
}
