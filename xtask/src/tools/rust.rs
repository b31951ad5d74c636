//! Rust for the Windows targets, in one of two ways.
//!
//! * **Prebuilt**: the toolchain that runs this program has both targets, or rustup can add them.
//! * **Debian**: `rustc-web`, `cargo-web` and `rust-web-src` of Debian, which build the standard library
//!   themselves. No download but apt's.
//!
//! The first that is there is taken. `KSWRITE_WINDOWS_RUST=prebuilt` or `=debian` asks for one of them.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Purpose;
use crate::interrupt;
use crate::layout::Layout;
use crate::process::Command;
use crate::stamp;
use crate::step;

/// The drivers' target.
pub(crate) const MSVC: &str = "x86_64-pc-windows-msvc";
/// The drivers' target for ARM64, which a package has where the toolchain has it.
pub(crate) const ARM64: &str = "aarch64-pc-windows-msvc";
/// The user-mode programs' target.
pub(crate) const GNU: &str = "x86_64-pc-windows-gnu";

/// Chooses the way.
const CHOICE: &str = "KSWRITE_WINDOWS_RUST";
/// rustup waits for a dead network much longer than a user does.
const RUSTUP_TIMEOUT: Duration = Duration::from_mins(3);

/// A toolchain that builds for Windows.
#[derive(Clone, Debug)]
pub(crate) struct WindowsRust {
    /// cargo.
    pub(crate) cargo: PathBuf,
    /// rustc.
    pub(crate) rustc: PathBuf,
    /// Whether cargo has to build the standard library.
    pub(crate) build_std: bool,
}

impl WindowsRust {
    /// The toolchain that is ready.
    pub(crate) fn find(purpose: Purpose) -> Result<Self> {
        let rust = match env::var(CHOICE).as_deref() {
            Ok("prebuilt") => Self::prebuilt()?,
            Ok("debian") => Self::debian()?,
            Ok(other) => bail!("{CHOICE} is '{other}'; it may be 'prebuilt' or 'debian'"),
            Err(_) => Self::prebuilt().or_else(|_| Self::debian())?,
        };
        if purpose == Purpose::Lint && !rust.sibling("cargo-clippy").exists() {
            bail!("no clippy beside {}", rust.cargo.display());
        }
        Ok(rust)
    }

    fn prebuilt() -> Result<Self> {
        let rust = Self::own()?;
        let libraries = rust.sysroot()?.join("lib/rustlib");
        for target in [MSVC, GNU] {
            if !libraries.join(target).join("lib").is_dir() {
                bail!("the toolchain has no {target}");
            }
        }
        Ok(rust)
    }

    /// The toolchain that runs this program.
    fn own() -> Result<Self> {
        let cargo = PathBuf::from(env::var_os("CARGO").context("please start this as `cargo xtask`")?);
        Ok(Self {
            rustc: cargo.with_file_name("rustc"),
            cargo,
            build_std: false,
        })
    }

    fn debian() -> Result<Self> {
        let rust = Self {
            cargo: "/usr/bin/cargo".into(),
            rustc: "/usr/bin/rustc".into(),
            build_std: true,
        };
        if !rust.cargo.exists() || !rust.sysroot()?.join("lib/rustlib/src/rust/library").is_dir() {
            bail!("no system toolchain with the sources of the standard library");
        }
        let version = rust.version()?;
        let minor = version
            .split('.')
            .nth(1)
            .and_then(|minor| minor.parse::<u32>().ok());
        let needed = env!("CARGO_PKG_RUST_VERSION")
            .split('.')
            .nth(1)
            .and_then(|minor| minor.parse().ok());
        if minor < needed {
            bail!("{version} is too old");
        }
        Ok(rust)
    }

    /// Whether drivers can be built for ARM64. Asks rustup for the target, if there is one.
    pub(crate) fn has_arm64(&self, layout: &Layout) -> Result<bool> {
        let there = || {
            Ok::<bool, anyhow::Error>(
                self.sysroot()?
                    .join("lib/rustlib")
                    .join(ARM64)
                    .join("lib")
                    .is_dir(),
            )
        };
        if self.build_std || there()? {
            return Ok(true);
        }
        if which::which("rustup").is_ok() {
            let command = rustup().args(["target", "add", ARM64]);
            // That it cannot is no error: the package then says that it is for x64 alone.
            let _ = step::run(
                layout,
                "Rust target for ARM64 by rustup",
                "rustup-arm64",
                &command,
            );
            interrupt::check()?;
        }
        there()
    }

    /// What rustc says of itself.
    pub(crate) fn version(&self) -> Result<String> {
        self.ask(&["--version"])
    }

    fn sysroot(&self) -> Result<PathBuf> {
        Ok(self.ask(&["--print", "sysroot"])?.into())
    }

    fn ask(&self, args: &[&str]) -> Result<String> {
        Ok(duct::cmd(&self.rustc, args)
            .env_remove("LD_LIBRARY_PATH")
            .stderr_null()
            .read()?)
    }

    fn sibling(&self, name: &str) -> PathBuf {
        self.cargo.with_file_name(name)
    }

    /// `cargo SUBCOMMAND` of this toolchain.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        clean_cargo(&self.cargo, subcommand)
            .env("RUSTC", &self.rustc)
            // For -Zlockfile-path and -Zbuild-std. No crate of the project uses an unstable feature.
            .env("RUSTC_BOOTSTRAP", "1")
    }
}

/// `cargo SUBCOMMAND` of a toolchain, free of what the cargo that runs this program has put into the environment.
pub(super) fn clean_cargo(cargo: &Path, subcommand: &str) -> Command {
    let command = plain_cargo(cargo, subcommand);
    OTHERS.iter().fold(command, Command::env_remove)
}

/// `cargo SUBCOMMAND` without what cargo sets for the program that it runs, with the rest of its toolchain first in the
/// path, and with an output that reads well in a log.
fn plain_cargo(cargo: &Path, subcommand: &str) -> Command {
    let mut command = Command::new(cargo).arg(subcommand);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|front| text.starts_with(front))
        {
            command = command.env_remove(name);
        }
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let own = cargo.parent().unwrap_or(Path::new("/usr/bin"));
    let path = env::join_paths([own.to_path_buf()].into_iter().chain(env::split_paths(&path)));
    command
        .env("PATH", path.unwrap_or_default())
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("RUST_BACKTRACE")
        .env("TERM", "dumb")
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
}

/// `cargo SUBCOMMAND` for this machine, with the toolchain that runs this program.
pub(crate) fn host_cargo(layout: &Layout, subcommand: &str) -> Result<Command> {
    let own = WindowsRust::own()?;
    Ok(plain_cargo(&own.cargo, subcommand).dir(&layout.root))
}

/// Meant for the toolchain and the target of the user's other builds.
const OTHERS: [&str; 6] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// Asks rustup, once, for the targets where nothing builds for Windows yet, and for the lint tools where they
/// are wanted. That it cannot is no error: the other way remains.
pub(crate) fn ask_rustup(layout: &Layout, purpose: Purpose) -> Result<()> {
    let own = WindowsRust::own()?;
    if which::which("rustup").is_err() {
        return Ok(());
    }
    if purpose == Purpose::Lint && !own.sibling("cargo-clippy").exists() {
        let command = rustup().args(["component", "add", "clippy", "rustfmt"]);
        step::run(layout, "clippy and rustfmt by rustup", "rustup-lint", &command)?;
    }
    let refused = layout.stamp("rustup-refused");
    let version = own.version()?;
    let wanted = env::var(CHOICE).as_deref() != Ok("debian") && WindowsRust::find(Purpose::Build).is_err();
    if !wanted || stamp::fresh(&refused, &version) {
        return Ok(());
    }
    let command = rustup().args(["target", "add", MSVC, GNU]);
    if step::run(layout, "Rust targets by rustup", "rustup", &command).is_err() {
        interrupt::check()?;
        eprintln!("rustup cannot add the Windows targets here; using the system's toolchain instead");
        stamp::set(&refused, &version)?;
    }
    Ok(())
}

fn rustup() -> Command {
    Command::new("rustup").timeout(RUSTUP_TIMEOUT)
}
