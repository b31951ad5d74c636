//! Installs Debian and Ubuntu packages.

use std::io::{IsTerminal, stdin};

use anyhow::{Context, Result, bail};

use super::{Need, llvm};
use crate::layout::Layout;
use crate::platform;
use crate::process::Command;
use crate::step;

/// Is this a system with apt?
pub(super) fn available() -> bool {
    which::which("apt-get").is_ok() && which::which("dpkg").is_ok()
}

/// Installs the packages that have what is missing.
pub(super) fn install(layout: &Layout, missing: &[Need]) -> Result<()> {
    let front = privilege()?;
    step::run(layout, "package lists", "apt-update", &apt(&front).arg("update"))?;
    let mut packages = Vec::new();
    for need in missing {
        packages.extend(packages_of(*need)?);
    }
    eprintln!("installing through apt: {}", packages.join(" "));
    let command = apt(&front)
        .args(["install", "-y", "--no-install-recommends"])
        .args(&packages);
    step::run(layout, "install packages", "apt-install", &command)
}

fn packages_of(need: Need) -> Result<Vec<String>> {
    let names: &[&str] = match need {
        Need::Wine => &["wine64"],
        Need::Mingw => &["gcc-mingw-w64-x86-64-win32", "g++-mingw-w64-x86-64-win32"],
        Need::Rust => &["rustc-web", "cargo-web", "rust-web-src"],
        Need::Clippy => &["rust-web-clippy"],
        Need::Valgrind => &["valgrind"],
        Need::Osslsigncode => &["osslsigncode", "openssl"],
        Need::Browser => &["chromium-headless-shell"],
        Need::Llvm => {
            let version = newest_llvm()?;
            let names = ["clang-#", "lld-#", "llvm-#", "libclang-#-dev"];
            return Ok(names.map(|name| name.replace('#', &version.to_string())).into());
        }
    };
    for name in names {
        if search(&name.replace('+', r"\+"))?.is_empty() {
            bail!(
                "apt knows no package {name}; please install {}, then run this again",
                need.thing()
            );
        }
    }
    Ok(names.iter().map(|name| (*name).to_owned()).collect())
}

/// The words in front of apt-get: none for root, sudo for others.
fn privilege() -> Result<Vec<&'static str>> {
    if platform::is_root() {
        return Ok(Vec::new());
    }
    if which::which("sudo").is_err() {
        bail!("packages are missing; please run `cargo xtask setup` once as root");
    }
    if stdin().is_terminal() {
        // Asks for the password now: the step that follows has no terminal.
        duct::cmd("sudo", ["-v"]).run().context("sudo was refused")?;
    }
    Ok(vec!["sudo", "-n"])
}

fn apt(front: &[&str]) -> Command {
    // Another apt may be at work, for example the daily update of a new machine.
    let words = [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=300",
    ];
    let mut all = front.iter().copied().chain(words);
    let program = all.next().unwrap_or("apt-get");
    Command::new(program).args(all)
}

/// The LLVM version to install: the one that this project is tested with, else the newest.
fn newest_llvm() -> Result<u32> {
    let versions = search("clang-[0-9]+")?;
    let versions = versions
        .iter()
        .filter_map(|name| name.strip_prefix("clang-")?.parse().ok());
    llvm::prefer(versions).context("no package of LLVM 16 or newer is known to apt")
}

/// Names of packages that match `pattern` as a whole.
fn search(pattern: &str) -> Result<Vec<String>> {
    let pattern = format!("^{pattern}$");
    let text = duct::cmd("apt-cache", ["search", "--names-only", &pattern]).read()?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}
