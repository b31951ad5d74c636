//! The nightly toolchain, for what only it has: sanitizers and coverage-guided fuzzing.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::rust::clean_cargo;
use crate::layout::Layout;
use crate::process::Command;
use crate::step;

/// A download of a toolchain.
const TIMEOUT: Duration = Duration::from_mins(15);

/// A nightly toolchain with the sources of the standard library.
#[derive(Clone, Debug)]
pub(crate) struct Nightly {
    bin: PathBuf,
}

impl Nightly {
    /// Finds it; has rustup install what is missing.
    pub(crate) fn ensure(layout: &Layout) -> Result<Self> {
        if which::which("rustup").is_err() {
            bail!("please install rustup, then run this again: only a nightly toolchain can do this");
        }
        if sysroot().is_none() {
            let add = rustup(&["toolchain", "install", "nightly", "--profile", "minimal"]);
            step::run(layout, "nightly toolchain by rustup", "rustup-nightly", &add)?;
        }
        let root = sysroot().context("rustup has no nightly toolchain")?;
        if !root.join("lib/rustlib/src/rust/library").is_dir() {
            let add = rustup(&["component", "add", "rust-src", "--toolchain", "nightly"]);
            step::run(
                layout,
                "sources of the standard library by rustup",
                "rustup-nightly",
                &add,
            )?;
        }
        Ok(Self {
            bin: root.join("bin"),
        })
    }

    /// `cargo SUBCOMMAND` of this toolchain.
    pub(crate) fn cargo(&self, layout: &Layout, subcommand: &str) -> Command {
        clean_cargo(&self.bin.join("cargo"), subcommand).dir(&layout.root)
    }
}

fn sysroot() -> Option<PathBuf> {
    let asked = duct::cmd("rustup", ["run", "nightly", "rustc", "--print", "sysroot"]);
    let root = asked.stderr_null().read().ok()?;
    Some(PathBuf::from(root.trim()))
}

fn rustup(args: &[&str]) -> Command {
    Command::new("rustup").args(args).timeout(TIMEOUT)
}
