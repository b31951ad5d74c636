//! Puts the drivers into the prefix and loads them.

use anyhow::Result;
use fs_err as fs;

use super::{Load, Session, prefix};
use crate::build;
use crate::layout::Layout;

/// Files of `C:\kswrite`; SetupAPI takes the sink from there, and programs the library.
const FOLDER_FILES: [&str; 3] = ["ksw.exe", "ksink.sys", build::LIBRARY];
/// INF files of the same folder.
const INF_FILES: [&str; 2] = ["ksink.inf", "kswrite.inf"];
/// Files that go where Wine looks for drivers. Wine's loader finds `WDFLDR.SYS` there for all that import it.
const DRIVER_FILES: [&str; 2] = ["kswrite.sys", "WDFLDR.SYS"];

/// Copies what was built into the prefix.
pub(super) fn copy(layout: &Layout) -> Result<()> {
    let prefix = layout.prefix();
    for name in FOLDER_FILES {
        fs::copy(layout.artifact(name), prefix::folder(&prefix).join(name))?;
    }
    for name in INF_FILES {
        fs::copy(layout.wine_inf().join(name), prefix::folder(&prefix).join(name))?;
    }
    for name in DRIVER_FILES {
        fs::copy(layout.artifact(name), prefix::drivers(&prefix).join(name))?;
    }
    Ok(())
}

/// Loads the sink from its INF, then the filter, then lets the host put the filter above the sinks.
pub(super) fn load(session: &Session<'_>, load: Load) -> Result<()> {
    if load == Load::Nothing {
        return Ok(());
    }
    let sink = ["ksw", "install", "sink", "--inf", r"C:\kswrite\ksink.inf"];
    session.run("install ksink.sys", "wine-install-sink", &sink)?;
    let image = r"C:\windows\system32\drivers\kswrite.sys";
    let filter = ["ksw", "install", "filter", "--image", image];
    session.run("load kswrite.sys", "wine-install-filter", &filter)?;
    if load == Load::Filter {
        session.attach()?;
    }
    Ok(())
}

/// Unloads both drivers. The host then looks for what they have left behind, and writes it to the log.
pub(super) fn unload(session: &Session<'_>) -> Result<()> {
    session.detach()?;
    session.run(
        "unload kswrite.sys",
        "wine-uninstall-filter",
        &["ksw", "uninstall", "filter"],
    )?;
    session.run(
        "unload ksink.sys",
        "wine-uninstall-sink",
        &["ksw", "uninstall", "sink"],
    )
}
