//! The Wine prefix: made once, and put back to how it was made before each session.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use fs_err as fs;

use super::session::{stop_server, wine_environment};
use crate::layout::{Layout, PREFIX_FOLDER};
use crate::process::Command;
use crate::stamp::{self, Inputs};
use crate::step;
use crate::tools::Wine;

/// The three files of Wine's registry.
const REGISTRY: [&str; 3] = ["system.reg", "user.reg", "userdef.reg"];
/// Wine makes a prefix in 10 s on a slow machine; more than this is a hang.
const MAKE_TIMEOUT: Duration = Duration::from_mins(5);
/// What stops Wine from starting a debugger for half a second whenever a driver dies.
const NO_DEBUGGER: [&str; 9] = [
    "reg",
    "add",
    r"HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug",
    "/v",
    "Debugger",
    "/t",
    "REG_SZ",
    "/d",
    "",
];

/// Makes the prefix if there is none for this Wine.
pub(super) fn ensure(layout: &Layout, wine: &Wine) -> Result<()> {
    let prefix = layout.prefix();
    let digest = Inputs::default()
        .word(wine.version()?)
        .word(wine.loader.as_os_str().as_encoded_bytes())
        .path(&layout.root.join("xtask/src/wine/prefix.rs"))?
        .digest();
    let stamp = prefix.join("kswrite-stamp");
    if stamp::fresh(&stamp, &digest) {
        return Ok(());
    }
    if prefix.exists() {
        stop_server(wine, &prefix);
        fs::remove_dir_all(&prefix)?;
    }
    fs::create_dir_all(&prefix)?;
    let wineboot = Command::new(&wine.loader).args(["wineboot", "-u"]);
    step::run(
        layout,
        "make the Wine prefix",
        "wine-prefix",
        &quiet(wineboot, &prefix),
    )?;
    let registry = Command::new(&wine.loader).args(NO_DEBUGGER).arg("/f");
    step::run(
        layout,
        "set up the Wine prefix",
        "wine-prefix-setup",
        &quiet(registry, &prefix),
    )?;
    // The registry is on disk when the last program of the prefix is gone.
    let wait = Command::new(&wine.server).arg("-w");
    step::run(layout, "wait for Wine", "wine-prefix-wait", &quiet(wait, &prefix))?;
    fs::create_dir_all(pristine(&prefix))?;
    for name in REGISTRY {
        fs::copy(prefix.join(name), pristine(&prefix).join(name))?;
    }
    stamp::set(&stamp, &digest)
}

fn quiet(command: Command, prefix: &Path) -> Command {
    wine_environment(command, prefix)
        .env("WINEDEBUG", "-all")
        .timeout(MAKE_TIMEOUT)
}

fn pristine(prefix: &Path) -> PathBuf {
    prefix.join("pristine")
}

/// Folder of the prefix that Windows programs see as `C:\kswrite`.
pub(super) fn folder(prefix: &Path) -> PathBuf {
    prefix.join("drive_c").join(PREFIX_FOLDER)
}

/// Folder that Wine loads drivers from.
pub(super) fn drivers(prefix: &Path) -> PathBuf {
    prefix.join("drive_c/windows/system32/drivers")
}

/// Takes back what an earlier session left: its services and devices, drivers and INF files.
pub(super) fn reset(prefix: &Path) -> Result<()> {
    for name in REGISTRY {
        fs::copy(pristine(prefix).join(name), prefix.join(name))?;
    }
    if folder(prefix).exists() {
        fs::remove_dir_all(folder(prefix))?;
    }
    fs::create_dir_all(folder(prefix))?;
    for name in ["kswrite.sys", "ksink.sys", "WDFLDR.SYS", "wdfldr.sys"] {
        let file = drivers(prefix).join(name);
        if file.exists() {
            fs::remove_file(file)?;
        }
    }
    for entry in fs::read_dir(prefix.join("drive_c/windows/inf"))? {
        let entry = entry?;
        // Wine publishes an INF without a catalogue under its own name.
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("oem") || ["ksink.inf", "kswrite.inf"].contains(&name.as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
