//! For build scripts: gives a program, library or driver its version resource, with the version of its package.
//!
//! Explorer shows it, `ksw status` reads it of the installed drivers, and a debugger of every image in a dump.

use std::env;

use winresource::{VersionInfo, WindowsResource};

/// What a file is, by the numbers of `VS_FIXEDFILEINFO`.
///
/// <https://learn.microsoft.com/windows/win32/api/verrsrc/ns-verrsrc-vs_fixedfileinfo>
#[derive(Clone, Copy)]
pub enum Kind {
    /// `VFT_APP`.
    Program,
    /// `VFT_DLL`.
    Library,
    /// `VFT_DRV`, and of drivers `VFT2_DRV_SYSTEM`.
    Driver,
}

impl Kind {
    /// File type and subtype.
    const fn numbers(self) -> (u64, u64) {
        match self {
            Self::Program => (1, 0),
            Self::Library => (2, 0),
            Self::Driver => (3, 7),
        }
    }
}

/// Compiles the resource and has it linked, where the target is Windows. `file` is the name that the file is known by.
///
/// What goes wrong is shown by cargo, which then fails.
pub fn embed(kind: Kind, file: &str) {
    // For the description; another version is another package to cargo.
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-env-changed=RC_PATH");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("windows") {
        return;
    }
    let variable = |name| env::var(name).unwrap_or_default();
    let (version, description) = (variable("CARGO_PKG_VERSION"), variable("CARGO_PKG_DESCRIPTION"));
    let (file_type, subtype) = kind.numbers();
    let mut resource = WindowsResource::new();
    resource
        .set_version_info(VersionInfo::FILETYPE, file_type)
        .set_version_info(VersionInfo::FILESUBTYPE, subtype)
        .set("CompanyName", "kswrite project")
        .set("FileDescription", &description)
        .set("FileVersion", &version)
        .set("InternalName", file)
        .set("LegalCopyright", "MIT OR Apache-2.0")
        .set("OriginalFilename", file)
        .set("ProductName", "kswrite")
        .set("ProductVersion", &version);
    if let Err(error) = resource.compile() {
        println!(
            "cargo::error=the version resource of {file} was not compiled: {error}; rc.exe of the Windows SDK does it, \
             elsewhere windres of mingw-w64 or llvm-rc, and RC_PATH names another place of rc"
        );
    }
}
