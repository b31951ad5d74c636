//! Programs of the Rust world, in the version that the project is tested with, in a folder of the checkout.

use std::path::PathBuf;

use anyhow::Result;

use super::rust::host_cargo;
use crate::layout::Layout;
use crate::stamp;
use crate::step;

/// A program, by the names of its package and its file.
pub(crate) struct Program {
    name: &'static str,
    version: &'static str,
}

/// Puts mistakes into the sources and runs the tests.
pub(crate) const CARGO_MUTANTS: Program = Program {
    name: "cargo-mutants",
    version: "27.1.0",
};
/// Builds and runs fuzz targets.
pub(crate) const CARGO_FUZZ: Program = Program {
    name: "cargo-fuzz",
    version: "0.13.2",
};

impl Program {
    /// Its path; it is built first if it is not there, or not in this version.
    pub(crate) fn ensure(&self, layout: &Layout) -> Result<PathBuf> {
        let root = layout.out.join("tools");
        let path = root.join("bin").join(self.name);
        let stamp = layout.stamp(self.name);
        if path.exists() && stamp::fresh(&stamp, self.version) {
            return Ok(path);
        }
        let install = host_cargo(layout, "install")?
            .args(["--locked", "--force", "--root"])
            .arg(&root)
            .arg(format!("{}@{}", self.name, self.version));
        step::run(layout, &format!("install {}", self.name), self.name, &install)?;
        stamp::set(&stamp, self.version)?;
        Ok(path)
    }
}
