//! A DLL that Rust programs import and Wine before 9.0 lacks.

use anyhow::Result;
use fs_err as fs;

use crate::layout::Layout;
use crate::process::Command;
use crate::stamp::{self, Inputs};
use crate::step;
use crate::tools::Tools;

const NAME: &str = "bcryptprimitives.dll";

/// Builds it from one C file and puts it into the prefix, unless this Wine has it.
pub(super) fn install(layout: &Layout, tools: &Tools) -> Result<()> {
    if tools.wine.images.join(NAME).exists() {
        return Ok(());
    }
    let source = layout.root.join("xtask/wine/bcryptprimitives.c");
    let library = layout.out.join(NAME);
    let digest = Inputs::default().path(&source)?.digest();
    let stamp = layout.stamp("bcryptprimitives");
    if !stamp::fresh(&stamp, &digest) || !library.is_file() {
        let command = Command::new("x86_64-w64-mingw32-gcc")
            .args(["-O2", "-Wall", "-Werror", "-shared", "-s"])
            .arg(&source)
            .arg("-o")
            .arg(&library)
            .arg("-ladvapi32");
        step::run(layout, &format!("build {NAME} for Wine"), "wine-prng", &command)?;
        stamp::set(&stamp, &digest)?;
    }
    fs::copy(
        &library,
        layout.prefix().join("drive_c/windows/system32").join(NAME),
    )?;
    Ok(())
}
