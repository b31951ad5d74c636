//! The `Lib` half of the WDK-shaped folder.
//!
//! The import libraries hold the names of `imports.csv` and nothing else: a driver that uses another one does
//! not link.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use super::imports::Imports;
use super::{KMDF, VERSION};
use crate::layout::Layout;
use crate::process::Command;
use crate::step;
use crate::tools::Llvm;

/// Libraries that the WDK has and wdk-build links, of which the drivers need nothing.
/// rpcrt4 is asked for by `tracelogging`, for a function that makes GUIDs, which no driver calls.
const EMPTY: [&str; 3] = ["wmilib", "BufferOverflowFastFailK", "rpcrt4"];

/// Makes all of them anew.
pub(super) fn make(layout: &Layout, llvm: &Llvm) -> Result<()> {
    let folder = layout.wdk().join("Lib").join(VERSION).join("km/x64");
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(layout.wdk().join("Lib/wdf/kmdf/x64").join(KMDF))?;
    let imports = Imports::read(&layout.wdk_sources().join("imports.csv"))?;
    let maker = Maker { layout, llvm };
    maker.import_library(&folder, "ntoskrnl", "ntoskrnl.exe", imports.of("ntoskrnl.exe"))?;
    maker.import_library(&folder, "hal", "HAL.dll", imports.of("HAL.dll"))?;
    maker.import_library(&folder, "WdfLdr", "WDFLDR.SYS", imports.of("WDFLDR.SYS"))?;

    let nothing = folder.join("nothing.c");
    fs::write(&nothing, "/* C needs one declaration. */ extern int nothing;\n")?;
    for name in EMPTY {
        maker.object_library(&folder, name, &nothing)?;
    }
    maker.object_library(
        &folder,
        "WdfDriverEntry",
        &layout.wdk_sources().join("lib/entry.c"),
    )?;
    Ok(())
}

struct Maker<'a> {
    layout: &'a Layout,
    llvm: &'a Llvm,
}

impl Maker<'_> {
    /// `NAME.lib`, through which `names` are imported from `module`.
    fn import_library<'n>(
        &self,
        folder: &Path,
        name: &str,
        module: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<()> {
        let mut text = format!("LIBRARY {module}\nEXPORTS\n");
        for name in names {
            text.push_str(name);
            text.push('\n');
        }
        let definition = folder.join(name).with_extension("def");
        fs::write(&definition, text)?;
        let command = Command::new(self.llvm.program("llvm-dlltool"))
            .args(["-m", "i386:x86-64", "-d"])
            .arg(&definition)
            .arg("-l")
            .arg(folder.join(name).with_extension("lib"));
        step::run(
            self.layout,
            &format!("import library {name}"),
            &format!("lib-{name}"),
            &command,
        )
    }

    /// `NAME.lib` with the object code of one C file.
    fn object_library(&self, folder: &Path, name: &str, source: &Path) -> Result<()> {
        let object = folder.join(name).with_extension("obj");
        let compile = Command::new(self.llvm.program("clang"))
            .args([
                "--target=x86_64-pc-windows-msvc",
                "-O2",
                "-ffreestanding",
                "-fno-stack-protector",
            ])
            .args(["-Wall", "-Werror", "-c"])
            .arg(source)
            .arg("-o")
            .arg(&object);
        step::run(
            self.layout,
            &format!("compile {name}"),
            &format!("lib-{name}"),
            &compile,
        )?;
        let mut out = std::ffi::OsString::from("/out:");
        out.push(folder.join(name).with_extension("lib"));
        let pack = Command::new(self.llvm.program("llvm-lib")).arg(out).arg(&object);
        step::run(
            self.layout,
            &format!("library {name}"),
            &format!("lib-{name}"),
            &pack,
        )
    }
}
