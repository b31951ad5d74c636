//! The environment in which a driver is built.

use std::path::Path;

use crate::layout::Layout;
use crate::process::Command;
use crate::tools::Tools;

/// Adds to `command` what wdk-build, bindgen, cc and rustc look for in a build for x64.
pub(crate) fn driver_environment(command: Command, layout: &Layout, tools: &Tools) -> Command {
    environment(command, layout, tools, &layout.wdk(), "x86_64")
}

/// The same for an architecture, as Rust and clang both call it, with the WDK-shaped folder `wdk`.
pub(super) fn environment(
    command: Command,
    layout: &Layout,
    tools: &Tools,
    wdk: &Path,
    architecture: &str,
) -> Command {
    let llvm = &tools.llvm;
    let flags = format!(
        "-include {} --target={architecture}-w64-windows-gnu -DSTRICT=1 -fno-ms-compatibility -fgnuc-version=12.0 \
         -Wno-everything",
        layout.wdk_sources().join("include/compat.h").display(),
    );
    let target = format!("{architecture}_pc_windows_msvc");
    command
        .env("WDKContentRoot", wdk)
        .env("Version_Number", super::VERSION)
        .env("LIBCLANG_PATH", &llvm.lib)
        .env(
            "BINDGEN_EXTRA_CLANG_ARGS",
            format!("{flags} -isystem {}", llvm.headers.display()),
        )
        .env(format!("CC_{target}"), llvm.program("clang"))
        .env(format!("AR_{target}"), llvm.program("llvm-ar"))
        .env(format!("CFLAGS_{target}"), flags)
        .env("RC_PATH", llvm.program("llvm-rc"))
        .env(
            format!("CARGO_TARGET_{}_LINKER", target.to_ascii_uppercase()),
            llvm.program("lld-link"),
        )
}
