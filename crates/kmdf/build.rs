//! Compiles the structured exception handlers.

use std::{env, path::PathBuf, process::Command};

const SOURCE: &str = "src/seh.c";

fn main() {
    println!("cargo:rerun-if-changed={SOURCE}");
    let mut build = cc::Build::new();
    let compiler = build.get_compiler();
    if compiler.is_like_clang() && !compiler.is_like_msvc() {
        // The environment's flags come last and may name a MinGW target, for the sake of the headers that
        // other crates need. Unwind data of that target does not belong to its function, and a linker that
        // drops what nobody names would drop the handlers. So the target is said here, and no flag taken.
        let object = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("seh.obj");
        let status = Command::new(compiler.path())
            .arg(format!("--target={}", env::var("TARGET").unwrap_or_default()))
            .args(["-O2", "-ffreestanding", "-gcodeview"])
            .args(["-Wall", "-Wextra", "-Werror", "-c", SOURCE, "-o"])
            .arg(&object)
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "clang could not compile {SOURCE}"
        );
        build.object(object);
    } else {
        build.file(SOURCE);
    }
    build.compile("kmdf_seh");
}
