//! What a program or library for ARM64 links where Microsoft's own are not: a small start of ours, and import libraries
//! of the names that mingw-w64 knows for x64, which are the same.

use std::path::PathBuf;

use anyhow::{Result, bail};
use fs_err as fs;

use crate::layout::Layout;
use crate::process::Command;
use crate::stamp::{self, Inputs};
use crate::step;
use crate::tools::{ARM64, Tools};

/// What Rust's standard library names, and the C library of Windows.
const IMPORTED: [&str; 6] = ["dbghelp", "kernel32", "ntdll", C_LIBRARY, "userenv", "ws2_32"];
/// The latter.
const C_LIBRARY: &str = "ucrtbase";
/// Functions that mingw-w64 has code of its own for, and that ucrtbase.dll has as well.
const OWN_CODE: [&str; 1] = ["pow"];
/// Sources in `xtask/wdk/crt`.
const SOURCES: [&str; 4] = ["crt.c", "program.c", "library.c", "chkstk.S"];
/// The library that rustc asks for; what is imported of the C library is in it as well.
const RUNTIME: &str = "libcmt.lib";

/// Where the libraries are.
pub(crate) fn folder(layout: &Layout) -> PathBuf {
    layout.out.join("crt-arm64")
}

/// Makes them, if what they are made from has changed.
pub(crate) fn prepare(layout: &Layout, tools: &Tools) -> Result<()> {
    let folder = folder(layout);
    let digest = Inputs::default()
        .word(tools.llvm.bin.as_os_str().as_encoded_bytes())
        .word(tools.mingw.include.as_os_str().as_encoded_bytes())
        .path(&layout.wdk_sources().join("crt"))?
        .path(&layout.root.join("xtask/src/wdk/crt.rs"))?
        .digest();
    let stamp = layout.stamp("crt-arm64");
    if stamp::fresh(&stamp, &digest) && folder.join(RUNTIME).is_file() {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    for name in IMPORTED {
        import_library(layout, tools, name)?;
    }
    runtime(layout, tools)?;
    stamp::set(&stamp, &digest)
}

fn import_library(layout: &Layout, tools: &Tools, name: &str) -> Result<()> {
    let mut text = format!("LIBRARY {name}.dll\nEXPORTS\n");
    let mut exports = names(layout, tools, name)?;
    if name == C_LIBRARY {
        exports.extend(OWN_CODE.map(str::to_owned));
    }
    for export in exports {
        text.push_str(&export);
        text.push('\n');
    }
    let definition = folder(layout).join(name).with_extension("def");
    fs::write(&definition, text)?;
    let command = Command::new(tools.llvm.program("llvm-dlltool"))
        .args(["-m", "arm64", "-d"])
        .arg(&definition)
        .arg("-l")
        .arg(folder(layout).join(name).with_extension("lib"));
    step::run(
        layout,
        &format!("import library {name} for ARM64"),
        "crt-arm64",
        &command,
    )
}

/// The functions of a library of mingw-w64.
fn names(layout: &Layout, tools: &Tools, name: &str) -> Result<Vec<String>> {
    let find = Command::new("x86_64-w64-mingw32-gcc").arg(format!("-print-file-name=lib{name}.a"));
    let found = step::capture(layout, &format!("find lib{name}.a"), "crt-arm64", &find)?;
    let list = Command::new(tools.llvm.program("llvm-nm")).arg(found.text.trim());
    let listed = step::capture(layout, &format!("names of {name}.dll"), "crt-arm64", &list)?;
    if listed.code != Some(0) {
        bail!("{}", listed.failure);
    }
    let functions = listed.text.lines().filter_map(|line| line.split_once(" T "));
    let mut names: Vec<String> = functions
        .map(|(_, name)| name.to_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Our objects, and the import library of the C library, as one.
fn runtime(layout: &Layout, tools: &Tools) -> Result<()> {
    let folder = folder(layout);
    let mut out = std::ffi::OsString::from("/out:");
    out.push(folder.join(RUNTIME));
    let mut pack = Command::new(tools.llvm.program("llvm-lib"))
        .arg(out)
        .arg(folder.join(C_LIBRARY).with_extension("lib"));
    for source in SOURCES {
        let object = folder.join(source).with_extension("obj");
        let compile = Command::new(tools.llvm.program("clang"))
            .arg(format!("--target={ARM64}"))
            .args(["-O2", "-ffreestanding", "-fno-stack-protector"])
            .args(["-Wall", "-Wextra", "-Werror", "-c"])
            .arg(layout.wdk_sources().join("crt").join(source))
            .arg("-o")
            .arg(&object);
        step::run(
            layout,
            &format!("compile {source} for ARM64"),
            "crt-arm64",
            &compile,
        )?;
        pack = pack.arg(&object);
    }
    step::run(layout, "start of programs for ARM64", "crt-arm64", &pack)
}
