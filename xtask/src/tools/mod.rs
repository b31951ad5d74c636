//! What must be installed: found, and where it can be, installed.
//!
//! The probes look for the programs and files themselves, not for packages, so any system that has them will
//! do. What is missing is installed on Debian and Ubuntu through apt; elsewhere one sentence says what to
//! install.

mod apt;
mod llvm;
mod mingw;
mod rust;
mod wine;

use anyhow::{Result, bail};

pub(crate) use llvm::Llvm;
pub(crate) use mingw::Mingw;
pub(crate) use rust::{GNU, MSVC, WindowsRust};
pub(crate) use wine::Wine;

use crate::layout::Layout;

/// Everything that the commands start or read and that is no part of the checkout.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) llvm: Llvm,
    pub(crate) mingw: Mingw,
    pub(crate) rust: WindowsRust,
    pub(crate) wine: Wine,
}

impl Tools {
    /// Says what was found.
    pub(crate) fn print(&self) {
        let std = if self.rust.build_std { " (builds its standard library)" } else { "" };
        println!("Rust   {}{std}", self.rust.cargo.display());
        println!("LLVM   {} in {}", self.llvm.version, self.llvm.bin.display());
        println!("mingw  headers in {}", self.mingw.include.display());
        println!("Wine   {}", self.wine.loader.display());
    }
}

/// What a command needs beyond the tools of a build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Build, run, test.
    Build,
    /// Also clippy for the Windows targets.
    Lint,
}

/// Finds all tools; installs what is missing.
pub(crate) fn ensure(layout: &Layout, purpose: Purpose) -> Result<Tools> {
    rust::add_targets(layout, purpose)?;
    if let Ok(tools) = find(purpose) {
        return Ok(tools);
    }
    let missing = Missing::look(purpose);
    if !apt::available() {
        bail!("{}", missing.sentence());
    }
    apt::install(layout, &missing)?;
    find(purpose)
}

fn find(purpose: Purpose) -> Result<Tools> {
    Ok(Tools {
        llvm: Llvm::find()?,
        mingw: Mingw::find()?,
        rust: WindowsRust::find(purpose)?,
        wine: Wine::find()?,
    })
}

/// Which of the tools are not there.
pub(crate) struct Missing {
    llvm: bool,
    mingw: bool,
    rust: bool,
    clippy: bool,
    wine: bool,
}

impl Missing {
    fn look(purpose: Purpose) -> Self {
        Self {
            llvm: Llvm::find().is_err(),
            mingw: Mingw::find().is_err(),
            rust: WindowsRust::find(Purpose::Build).is_err(),
            clippy: purpose == Purpose::Lint && WindowsRust::find(purpose).is_err(),
            wine: Wine::find().is_err(),
        }
    }

    fn sentence(&self) -> String {
        let mut things = Vec::new();
        if self.llvm {
            things.push("clang, lld-link, llvm-lib, llvm-dlltool and libclang of LLVM 16 or newer");
        }
        if self.mingw {
            things.push("the mingw-w64 compiler for x86_64 with its DDK headers");
        }
        if self.rust {
            things.push("the Rust targets x86_64-pc-windows-msvc and x86_64-pc-windows-gnu (rustup target add)");
        }
        if self.clippy {
            things.push("clippy of the same Rust toolchain");
        }
        if self.wine {
            things.push("64-bit Wine 8 or newer");
        }
        format!("please install {}, then run this again", things.join("; "))
    }
}
