//! `cargo xtask clean-host`.

use anyhow::Result;
use fs_err as fs;

use crate::layout::Layout;
use crate::tools::Wine;
use crate::wine;

/// Stops what runs in the prefix and removes it.
pub(crate) fn clean(layout: &Layout) -> Result<()> {
    let prefix = layout.prefix();
    if !prefix.exists() {
        println!("there is no Wine prefix");
        return Ok(());
    }
    let lock = wine::lock(layout)?;
    if let Ok(found) = Wine::find() {
        wine::stop_server(&found, &prefix);
    }
    fs::remove_dir_all(&prefix)?;
    drop(lock);
    println!("removed {}", layout.show(&prefix));
    Ok(())
}
