//! How cargo is called for the Windows targets.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use crate::interrupt;
use crate::layout::Layout;
use crate::process::Command;
use crate::stamp::{self, Inputs};
use crate::step;
use crate::tools::{ARM64, GNU, MSVC, Tools};
use crate::wdk;

/// What lld-link leaves out for `/DRIVER`, and link.exe does: non-pageable sections, a discardable INIT and
/// resource section, and a checksum in the header, without which Windows does not load a driver.
const DRIVER_LINK_ARGS: [&str; 7] = [
    "/RELEASE",
    "/SECTION:.text,ERP",
    "/SECTION:.rdata,RP",
    "/SECTION:.data,RWP",
    "/SECTION:.pdata,RP",
    "/SECTION:INIT,ERD",
    "/SECTION:.rsrc,RD",
];

/// `cargo SUBCOMMAND` for the drivers and the Wine host.
pub(crate) fn driver_cargo(layout: &Layout, tools: &Tools, subcommand: &str) -> Command {
    driver_cargo_in(layout, tools, subcommand, &layout.cargo_target())
}

/// The same, with a target folder of its own.
pub(crate) fn driver_cargo_in(layout: &Layout, tools: &Tools, subcommand: &str, target: &Path) -> Command {
    let command = windows_cargo(layout, tools, subcommand, target).args(["--target", MSVC]);
    let command = build_core(command, tools);
    // Cargo adds these to the flags of .cargo/config.toml.
    let command = command.env("CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_RUSTFLAGS", link_flags());
    wdk::driver_environment(offline(command), layout, tools)
}

/// `cargo SUBCOMMAND` for the drivers, for ARM64.
pub(crate) fn arm64_driver_cargo(layout: &Layout, tools: &Tools, subcommand: &str) -> Command {
    let command = windows_cargo(layout, tools, subcommand, &layout.cargo_target()).args(["--target", ARM64]);
    let command = command.env("CARGO_TARGET_AARCH64_PC_WINDOWS_MSVC_RUSTFLAGS", link_flags());
    wdk::arm64::environment(offline(build_core(command, tools)), layout, tools)
}

fn link_flags() -> String {
    DRIVER_LINK_ARGS.map(|arg| format!("-Clink-arg={arg}")).join(" ")
}

/// Where the toolchain has no core for the target, cargo builds it.
fn build_core(command: Command, tools: &Tools) -> Command {
    if !tools.rust.build_std {
        return command;
    }
    command.args([
        "-Zbuild-std=core,alloc",
        "-Zbuild-std-features=compiler-builtins-mem",
    ])
}

/// `cargo SUBCOMMAND` for the user-mode programs.
pub(crate) fn user_cargo(layout: &Layout, tools: &Tools, subcommand: &str) -> Command {
    let mut command =
        windows_cargo(layout, tools, subcommand, &layout.cargo_target()).args(["--target", GNU]);
    if tools.rust.build_std {
        command = command.arg("-Zbuild-std=std,panic_abort,test");
    }
    offline(command)
}

/// The same for ARM64, without Microsoft's libraries: see [`wdk::crt`].
pub(crate) fn arm64_user_cargo(layout: &Layout, tools: &Tools, subcommand: &str) -> Command {
    let mut command =
        windows_cargo(layout, tools, subcommand, &layout.cargo_target()).args(["--target", ARM64]);
    if tools.rust.build_std {
        command = command.arg("-Zbuild-std=std,panic_abort");
    }
    let llvm = &tools.llvm;
    offline(command)
        .env("LIB", wdk::crt::folder(layout))
        .env("RC_PATH", llvm.program("llvm-rc"))
        .env("CC_aarch64_pc_windows_msvc", llvm.program("clang"))
        .env("AR_aarch64_pc_windows_msvc", llvm.program("llvm-ar"))
        .env(
            "CARGO_TARGET_AARCH64_PC_WINDOWS_MSVC_LINKER",
            llvm.program("lld-link"),
        )
}

/// `cargo tree` over the normal dependencies of the Windows targets, one package a line.
pub(crate) fn tree_cargo(layout: &Layout, tools: &Tools) -> Command {
    let command = configured(layout, tools, "tree");
    offline(command).args(["--target", MSVC, "--edges", "normal", "--prefix", "none"])
}

fn windows_cargo(layout: &Layout, tools: &Tools, subcommand: &str, target: &Path) -> Command {
    configured(layout, tools, subcommand)
        .arg("--release")
        .arg("--target-dir")
        .arg(target)
}

/// With the patched wdk-build and the lock file that names it.
fn configured(layout: &Layout, tools: &Tools, subcommand: &str) -> Command {
    tools
        .rust
        .cargo(subcommand)
        .dir(&layout.root)
        .arg("--config")
        .arg(setting("patch.crates-io.wdk-build.path", &layout.wdk_build()))
        .arg("--config")
        .arg(setting("resolver.lockfile-path", &layout.lock_file()))
        .arg("-Zlockfile-path")
}

fn setting(key: &str, path: &Path) -> OsString {
    let mut text = OsString::from(key);
    text.push("='");
    text.push(path);
    text.push("'");
    text
}

fn offline(command: Command) -> Command {
    command.arg("--offline")
}

/// Downloads every crate of the lock file, once; after that nothing asks the network.
pub(super) fn fetch(layout: &Layout, tools: &Tools) -> Result<()> {
    let digest = Inputs::default()
        .path(&layout.root.join("Cargo.lock"))?
        .word(tools.rust.version()?)
        .word(tools.rust.cargo.as_os_str().as_encoded_bytes())
        .digest();
    let stamp = layout.stamp("fetch");
    if stamp::fresh(&stamp, &digest) {
        return Ok(());
    }
    let mut command = configured(layout, tools, "fetch");
    if tools.rust.build_std {
        command = command.arg("-Zbuild-std=std,panic_abort,test");
    }
    if step::run(layout, "download crates", "fetch", &command).is_ok() {
        return stamp::set(&stamp, &digest);
    }
    interrupt::check()?;
    // No network: what an earlier run has fetched may well be enough.
    eprintln!("crates cannot be downloaded now; going on with those that are here");
    Ok(())
}
