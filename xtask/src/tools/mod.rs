//! What must be installed: found, and where it can be, installed.
//!
//! The probes look for the programs and files themselves, not for packages, so any system that has them will
//! do. What is missing is installed on Debian and Ubuntu through apt; elsewhere one sentence says what to
//! install.

mod apt;
mod browser;
mod installed;
mod llvm;
mod mingw;
mod nightly;
mod rust;
mod wine;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub(crate) use installed::{CARGO_FUZZ, CARGO_MUTANTS};
pub(crate) use llvm::Llvm;
pub(crate) use mingw::Mingw;
pub(crate) use nightly::Nightly;
pub(crate) use rust::{ARM64, GNU, MSVC, WindowsRust, host_cargo};
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
        let std = if self.rust.build_std {
            " (builds its standard library)"
        } else {
            ""
        };
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
    rust::ask_rustup(layout, purpose)?;
    let missing = Need::missing(purpose);
    if !missing.is_empty() {
        install(layout, &missing)?;
    }
    Ok(Tools {
        llvm: Llvm::find()?,
        mingw: Mingw::find()?,
        rust: WindowsRust::find(purpose)?,
        wine: Wine::find()?,
    })
}

/// Finds valgrind; installs it if it is missing.
pub(crate) fn valgrind(layout: &Layout) -> Result<PathBuf> {
    let find = || which::which("valgrind").context("no valgrind");
    if find().is_err() {
        install(layout, &[Need::Valgrind])?;
    }
    find()
}

/// Finds a browser that takes screenshots; installs one if there is none.
pub(crate) fn browser(layout: &Layout) -> Result<PathBuf> {
    if browser::find().is_err() {
        install(layout, &[Need::Browser])?;
    }
    browser::find()
}

/// Finds osslsigncode, and openssl beside it; installs them if they are missing.
pub(crate) fn osslsigncode(layout: &Layout) -> Result<PathBuf> {
    let find = || {
        which::which("openssl").context("no openssl")?;
        which::which("osslsigncode").context("no osslsigncode")
    };
    if find().is_err() {
        install(layout, &[Need::Osslsigncode])?;
    }
    find()
}

/// Installs what is missing, or says what to install.
fn install(layout: &Layout, missing: &[Need]) -> Result<()> {
    if !apt::available() {
        let things: Vec<&str> = missing.iter().map(|need| need.thing()).collect();
        bail!("please install {}, then run this again", things.join("; "));
    }
    apt::install(layout, missing)
}

/// Something that can be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Wine,
    Mingw,
    Llvm,
    Rust,
    Clippy,
    Valgrind,
    Osslsigncode,
    Browser,
}

impl Need {
    /// All that is not there.
    fn missing(purpose: Purpose) -> Vec<Self> {
        let mut missing = Vec::new();
        let mut look = |need, there: bool| {
            if !there {
                missing.push(need);
            }
        };
        look(Self::Wine, Wine::find().is_ok());
        look(Self::Mingw, Mingw::find().is_ok());
        look(Self::Llvm, Llvm::find().is_ok());
        look(Self::Rust, WindowsRust::find(Purpose::Build).is_ok());
        if purpose == Purpose::Lint {
            look(Self::Clippy, WindowsRust::find(purpose).is_ok());
        }
        missing
    }

    /// What a user of another system has to install.
    fn thing(self) -> &'static str {
        match self {
            Self::Wine => "64-bit Wine 8 or newer",
            Self::Mingw => "the mingw-w64 compilers of C and C++ for x86_64 with the DDK headers",
            Self::Llvm => {
                "clang, lld-link, llvm-ar, llvm-lib, llvm-dlltool, llvm-nm, llvm-rc and libclang of LLVM 16 or newer"
            }
            Self::Rust => {
                "the Rust targets x86_64-pc-windows-msvc and x86_64-pc-windows-gnu (rustup target add)"
            }
            Self::Valgrind => "valgrind",
            Self::Osslsigncode => "osslsigncode and openssl",
            Self::Browser => "Chromium, or its headless shell",
            Self::Clippy => "clippy of the toolchain that builds for Windows",
        }
    }
}
