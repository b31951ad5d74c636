//! The environment in which a driver is built.

use crate::layout::Layout;
use crate::process::Command;
use crate::tools::Tools;

/// Adds to `command` what wdk-build, bindgen, cc and rustc look for.
pub(crate) fn driver_environment(command: Command, layout: &Layout, tools: &Tools) -> Command {
    let llvm = &tools.llvm;
    let flags = format!(
        "-include {} --target=x86_64-w64-windows-gnu -DSTRICT=1 -fno-ms-compatibility -fgnuc-version=12.0 \
         -Wno-everything",
        layout.wdk_sources().join("include/compat.h").display(),
    );
    command
        .env("WDKContentRoot", layout.wdk())
        .env("Version_Number", super::VERSION)
        .env("LIBCLANG_PATH", &llvm.lib)
        .env(
            "BINDGEN_EXTRA_CLANG_ARGS",
            format!("{flags} -isystem {}", llvm.headers.display()),
        )
        .env("CC_x86_64_pc_windows_msvc", llvm.program("clang"))
        .env("AR_x86_64_pc_windows_msvc", llvm.program("llvm-ar"))
        .env("CFLAGS_x86_64_pc_windows_msvc", flags)
        .env("RC_PATH", llvm.program("llvm-rc"))
        .env(
            "CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER",
            llvm.program("lld-link"),
        )
}
