//! The WDK-shaped folder for ARM64, beside the one for x64: the same headers but for two, and libraries of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

use super::{VERSION, env};
use crate::layout::Layout;
use crate::platform::symlink;
use crate::process::Command;
use crate::stamp::{self, Inputs};
use crate::step;
use crate::tools::{ARM64, Tools};

/// Headers of mingw-w64 that stop at architectures they do not know, and take 64 bits for those of x64 alone.
const PATCHED: [&str; 2] = ["wdm.h", "ntddk.h"];
/// Libraries that are asked for and of which the drivers need nothing.
const EMPTY: [&str; 4] = ["wmilib", "BufferOverflowFastFailK", "rpcrt4", "arm64rt"];
/// Import libraries, by the names of their definitions in the folder for x64.
const IMPORTS: [&str; 3] = ["ntoskrnl", "hal", "WdfLdr"];

fn folder(layout: &Layout) -> PathBuf {
    layout.out.join("wdk-arm64")
}

/// Makes the folder, if what it is made from has changed. The one for x64 must be there.
pub(crate) fn prepare(layout: &Layout, tools: &Tools) -> Result<()> {
    let folder = folder(layout);
    let digest = Inputs::default()
        .word(layout.wdk().as_os_str().as_encoded_bytes())
        .path(&layout.wdk_sources())?
        .path(&layout.root.join("xtask/src/wdk"))?
        .digest();
    let stamp = layout.stamp("wdk-arm64");
    if stamp::fresh(&stamp, &digest) && folder.join("Lib").is_dir() {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    step::work("WDK-shaped folder for ARM64: headers", || {
        headers(layout, &folder)
    })?;
    libraries(layout, tools, &folder)?;
    stamp::set(&stamp, &digest)
}

fn headers(layout: &Layout, folder: &Path) -> Result<()> {
    let (from, to) = (layout.wdk().join("Include"), folder.join("Include"));
    let km = Path::new(VERSION).join("km");
    fs::create_dir_all(to.join(&km))?;
    for name in [Path::new("wdf").to_path_buf(), Path::new(VERSION).join("shared")] {
        symlink(&from.join(&name), &to.join(&name))?;
    }
    for entry in fs::read_dir(from.join(&km))? {
        let entry = entry?;
        let (name, to) = (entry.file_name(), to.join(&km).join(entry.file_name()));
        if PATCHED.iter().any(|patched| name == *patched) {
            fs::write(to, patched(&fs::read_to_string(entry.path())?))?;
        } else {
            symlink(&entry.path(), &to)?;
        }
    }
    Ok(())
}

/// Without the errors, and with what is packed on 32 bits left as it is on all 64.
fn patched(text: &str) -> String {
    text.replace("#error Unknown Architecture", "")
        .replace("!defined(_AMD64_) && !defined(_IA64_)", "!defined(_WIN64)")
}

fn libraries(layout: &Layout, tools: &Tools, folder: &Path) -> Result<()> {
    // wdk-build writes the architecture so.
    let to = folder.join("Lib").join(VERSION).join("km/ARM64");
    fs::create_dir_all(&to)?;
    fs::create_dir_all(folder.join("Lib/wdf/kmdf/ARM64").join(super::KMDF))?;
    let from = layout.wdk().join("Lib").join(VERSION).join("km/x64");
    for name in IMPORTS {
        let command = Command::new(tools.llvm.program("llvm-dlltool"))
            .args(["-m", "arm64", "-d"])
            .arg(from.join(name).with_extension("def"))
            .arg("-l")
            .arg(to.join(name).with_extension("lib"));
        step::run(
            layout,
            &format!("import library {name} for ARM64"),
            "lib-arm64",
            &command,
        )?;
    }
    let nothing = from.join("nothing.c");
    let entry = layout.wdk_sources().join("lib/entry.c");
    let empty = EMPTY.iter().map(|name| (*name, &nothing));
    for (name, source) in empty.chain([("WdfDriverEntry", &entry)]) {
        let object = to.join(name).with_extension("obj");
        let compile = Command::new(tools.llvm.program("clang"))
            .arg(format!("--target={ARM64}"))
            .args([
                "-O2",
                "-ffreestanding",
                "-fno-stack-protector",
                "-Wall",
                "-Werror",
                "-c",
            ])
            .arg(source)
            .arg("-o")
            .arg(&object);
        step::run(
            layout,
            &format!("compile {name} for ARM64"),
            "lib-arm64",
            &compile,
        )?;
        let mut out = std::ffi::OsString::from("/out:");
        out.push(to.join(name).with_extension("lib"));
        let pack = Command::new(tools.llvm.program("llvm-lib")).arg(out).arg(&object);
        step::run(layout, &format!("library {name} for ARM64"), "lib-arm64", &pack)?;
    }
    Ok(())
}

/// Adds to `command` what a build for ARM64 looks for.
pub(crate) fn environment(command: Command, layout: &Layout, tools: &Tools) -> Command {
    env::environment(command, layout, tools, &folder(layout), "aarch64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_lose_their_errors_and_their_packing() {
        let text = "#else\n#error Unknown Architecture\n#endif\n#if !defined(_AMD64_) && !defined(_IA64_)\n";
        assert_eq!(patched(text), "#else\n\n#endif\n#if !defined(_WIN64)\n");
    }
}
