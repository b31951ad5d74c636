//! wdk-build, made to run on Linux: the crate as published, with our patch applied, below `target/`.
//!
//! Cargo is told of it on the command line, so that the manifests stay those that build on Windows. The
//! lock file of the checkout names the published crate; a copy of it, in which cargo puts the patched one,
//! serves the builds here.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::layout::Layout;
use crate::process::Command;
use crate::stamp::{self, Inputs};
use crate::step;

/// Must be the version that `Cargo.toml` pins.
const CRATE: &str = "wdk-build-0.6.0";

/// Applies the patch and copies the lock file, if either has changed.
pub(super) fn prepare(layout: &Layout) -> Result<()> {
    let patch = layout.wdk_sources().join(format!("{CRATE}.patch"));
    let lock = layout.root.join("Cargo.lock");
    let digest = Inputs::default()
        .path(&patch)?
        .path(&lock)?
        .path(&layout.root.join("xtask/src/wdk/patch.rs"))?
        .digest();
    let stamp = layout.stamp("wdk-build");
    if stamp::fresh(&stamp, &digest) && layout.wdk_build().is_dir() && layout.lock_file().is_file() {
        return Ok(());
    }
    let source = published(layout)?;
    step::work("patch wdk-build", || apply(&source, &patch, &layout.wdk_build()))?;
    stamp::write_if_changed(&layout.lock_file(), &fs::read(&lock)?)?;
    stamp::set(&stamp, &digest)
}

/// The unpacked crate in cargo's registry; cargo fetches it if it is not there yet.
fn published(layout: &Layout) -> Result<PathBuf> {
    if let Some(path) = unpacked()? {
        return Ok(path);
    }
    let cargo = env::var_os("CARGO").context("please start this as `cargo xtask`")?;
    let command = Command::new(cargo).args(["fetch", "--locked"]).dir(&layout.root);
    step::run(layout, "download crates", "fetch", &command)?;
    unpacked()?.with_context(|| format!("cargo did not unpack {CRATE}"))
}

fn unpacked() -> Result<Option<PathBuf>> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let Ok(registries) = fs::read_dir(home.join("registry/src")) else {
        return Ok(None);
    };
    for registry in registries {
        let path = registry?.path().join(CRATE);
        if path.join("Cargo.toml").is_file() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Copies `source` to `target` and applies `patch` to the copy.
///
/// A file whose text stays the same is not written, so that a new lock file does not build it again.
fn apply(source: &Path, patch: &Path, target: &Path) -> Result<()> {
    let text = fs::read(patch)?;
    let mut patched = Vec::new();
    for part in file_patches(&text) {
        let patch = diffy::Patch::from_bytes(&part)?;
        let name = patch.modified().context("a patch names its file")?;
        let name = std::str::from_utf8(name)?;
        let name = PathBuf::from(name.strip_prefix("b/").unwrap_or(name));
        let content = diffy::apply_bytes(&fs::read(source.join(&name))?, &patch)
            .with_context(|| format!("{} does not fit the patch", name.display()))?;
        stamp::write_if_changed(&target.join(&name), &content)?;
        patched.push(name);
    }
    copy_folder(source, target, Path::new(""), &patched)
}

/// The patch, one part for each file.
fn file_patches(text: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"--- a/") {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.extend_from_slice(line);
        }
    }
    parts
}

fn copy_folder(source: &Path, target: &Path, inner: &Path, except: &[PathBuf]) -> Result<()> {
    for entry in fs::read_dir(source.join(inner))? {
        let entry = entry?;
        let name = inner.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(source, target, &name, except)?;
        } else if !except.contains(&name) {
            stamp::write_if_changed(&target.join(&name), &fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Makes sure that cargo took the patched crate: it only warns when it does not.
pub(crate) fn check_lock(layout: &Layout) -> Result<()> {
    let text = fs::read_to_string(layout.lock_file())?;
    let mut found = 0;
    for package in text
        .split("[[package]]")
        .filter(|package| package.contains("name = \"wdk-build\""))
    {
        if package.contains("source = ") {
            bail!("cargo did not use the patched wdk-build: its version is not that of {CRATE}.patch");
        }
        found += 1;
    }
    if found != 1 {
        bail!(
            "{} names wdk-build {found} times",
            layout.show(&layout.lock_file())
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_falls_apart_by_files() {
        let parts = file_patches(b"--- a/x\n+++ b/x\n@@\n-- a\n--- a/y\r\n+++ b/y\r\n");
        assert_eq!(parts.len(), 2);
        assert!(parts[1].starts_with(b"--- a/y\r\n"));
    }
}
