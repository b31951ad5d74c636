//! `cargo xtask check --wdk DIR`: the drivers and the table of facts against a real WDK's headers.
//!
//! The headers are Microsoft's and cannot come with this project. `DIR` is a copy of `Windows Kits\10` of a Windows
//! machine, of which `Include` is enough, or Microsoft's published metadata of the WDK in the same shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::build;
use crate::layout::Layout;
use crate::platform::symlink;
use crate::process::Command;
use crate::step;
use crate::tools::{MSVC, Tools};
use crate::wdk::KMDF;

/// What the headers were written for: a compiler of Microsoft's, whose extensions clang knows.
const FLAGS: &str = "--target=x86_64-pc-windows-msvc -fmsc-version=1940 -Wno-everything";

/// Compiles the facts, then type-checks the drivers.
pub(super) fn check(layout: &Layout, tools: &Tools, kit: &Path) -> Result<()> {
    let kit = Kit::find(layout, kit)?;
    step::work("WDK-shaped folder of the real headers", || kit.link(layout))?;
    facts(layout, tools, &kit)?;
    let flags = kit.flags();
    // A folder of its own: other headers would have everything built anew, there and back.
    let target = layout.root.join("target/real");
    let command = build::driver_cargo_in(layout, tools, "check", &target)
        .args(["-p", "kswrite", "-p", "ksink", "-p", "kmdf"])
        .env("WDKContentRoot", &kit.linked)
        .env("Version_Number", &kit.version)
        .env("BINDGEN_EXTRA_CLANG_ARGS", &flags)
        .env(format!("CFLAGS_{}", MSVC.replace('-', "_")), &flags);
    step::run(
        layout,
        "the drivers against the real headers",
        "check-real",
        &command,
    )
}

/// Where the headers are, and where they are linked to.
struct Kit {
    include: PathBuf,
    version: String,
    linked: PathBuf,
}

impl Kit {
    fn find(layout: &Layout, kit: &Path) -> Result<Self> {
        let include = kit.join("Include");
        let mut versions: Vec<String> = fs::read_dir(&include)
            .with_context(|| format!("{} is no copy of Windows Kits\\10", kit.display()))?
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("km").is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        versions.sort();
        let Some(version) = versions.pop() else {
            bail!(
                "{} has no version with kernel headers (a folder km)",
                include.display()
            );
        };
        if !include.join("wdf/kmdf").join(KMDF).is_dir() {
            bail!("{} has no headers of KMDF {KMDF}", include.display());
        }
        Ok(Self {
            include,
            version,
            linked: layout.out.join("wdk-real"),
        })
    }

    fn flags(&self) -> String {
        let ucrt = self.linked.join("Include").join(&self.version).join("ucrt");
        if ucrt.is_dir() {
            return format!("{FLAGS} -isystem {}", ucrt.display());
        }
        FLAGS.to_owned()
    }

    /// Links every header under the names by which others ask for it: Windows does not mind their case.
    fn link(&self, layout: &Layout) -> Result<()> {
        if self.linked.exists() {
            fs::remove_dir_all(&self.linked)?;
        }
        let (from, to) = (
            self.include.join(&self.version),
            self.linked.join("Include").join(&self.version),
        );
        for part in ["km", "shared", "ucrt"] {
            if from.join(part).is_dir() {
                link_folder(&from.join(part), &to.join(part))?;
            }
        }
        // wdk-build looks for it, whether or not anybody includes from it.
        fs::create_dir_all(to.join("km/ufx/1.1"))?;
        let kmdf = Path::new("wdf/kmdf").join(KMDF);
        link_folder(
            &self.include.join(&kmdf),
            &self.linked.join("Include").join(&kmdf),
        )?;
        // Nothing is linked against them, but wdk-build wants to see libraries.
        let libraries = self.linked.join("Lib");
        fs::create_dir_all(&libraries)?;
        for entry in fs::read_dir(layout.wdk().join("Lib"))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = if name == "wdf" {
                name
            } else {
                self.version.clone().into()
            };
            symlink(&entry.path(), &libraries.join(name))?;
        }
        Ok(())
    }
}

/// Links the files of a folder, also under every other case in which one of them includes another.
fn link_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut files = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            link_folder(&entry.path(), &to.join(&name))?;
            continue;
        }
        let text = fs::read(entry.path())?;
        for line in String::from_utf8_lossy(&text).lines() {
            let included = line.trim_start().strip_prefix('#').map(str::trim_start);
            let Some(rest) = included.and_then(|rest| rest.strip_prefix("include")) else {
                continue;
            };
            let name = rest
                .trim()
                .trim_matches(['<', '"', '>'])
                .split(['>', '"'])
                .next()
                .unwrap_or_default();
            wanted
                .entry(name.to_lowercase())
                .or_default()
                .insert(name.to_owned());
        }
        files.push(name);
    }
    for file in &files {
        let lower = file.to_lowercase();
        let mut names = wanted.get(&lower).cloned().unwrap_or_default();
        names.extend([lower, file.clone()]);
        for name in names {
            let link = to.join(&name);
            if !name.contains('/') && link.symlink_metadata().is_err() {
                symlink(&from.join(file), &link)?;
            }
        }
    }
    Ok(())
}

/// The table of facts as C, one assertion for each row.
fn assertions(table: &str) -> Result<String> {
    let mut text = String::from("#include <ntifs.h>\n#include <wdf.h>\n");
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [kind, name, value, ..] = fields.as_slice() else {
            bail!("facts.csv: '{line}' has too few fields");
        };
        let what = match (*kind, name.split_once('.')) {
            ("size", None) => format!("sizeof({name})"),
            ("offset" | "unnamed", Some((structure, field))) => {
                format!("__builtin_offsetof({structure}, {field})")
            }
            ("value", None) => format!("(unsigned)({name})"),
            _ => bail!("facts.csv: '{line}' is no size, offset or value"),
        };
        writeln!(text, "_Static_assert({what} == {value}, \"{name}\");")?;
    }
    Ok(text)
}

fn facts(layout: &Layout, tools: &Tools, kit: &Kit) -> Result<()> {
    let table = fs::read_to_string(layout.wdk_sources().join("facts.csv"))?;
    let source = kit.linked.join("facts.c");
    fs::write(&source, assertions(&table)?)?;
    let headers = kit.linked.join("Include").join(&kit.version);
    let command = Command::new(tools.llvm.program("clang"))
        .args(FLAGS.split(' '))
        .args(["-fsyntax-only", "-D_AMD64_", "-D_WIN64", "-D_WIN32_WINNT=0x0A00"])
        .args(["-DKMDF_VERSION_MAJOR=1", "-DKMDF_VERSION_MINOR=15"])
        .arg("-I")
        .arg(headers.join("km/crt"))
        .arg("-I")
        .arg(headers.join("km"))
        .arg("-I")
        .arg(headers.join("shared"))
        .arg("-I")
        .arg(kit.linked.join("Include/wdf/kmdf").join(KMDF))
        .arg("-isystem")
        .arg(headers.join("ucrt"))
        .arg(&source);
    let title = format!("{} facts against the real headers", table.lines().count() - 1);
    step::run(layout, &title, "check-facts", &command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_becomes_an_assertion() {
        let head = "kind,name,value,header,page\n";
        let text = assertions(&format!(
            "{head}size,IRP,208,wdm.h,/x\noffset,IRP.Tail.X,120,wdm.h,/x\nvalue,IRP_MJ_WRITE,0x4,wdm.h,/x\n"
        ))
        .unwrap();
        for line in [
            "_Static_assert(sizeof(IRP) == 208, \"IRP\");",
            "_Static_assert(__builtin_offsetof(IRP, Tail.X) == 120, \"IRP.Tail.X\");",
            "_Static_assert((unsigned)(IRP_MJ_WRITE) == 0x4, \"IRP_MJ_WRITE\");",
        ] {
            assert!(text.contains(line), "{text}");
        }
        for row in ["size,IRP", "offset,IRP,1,wdm.h,/x", "colour,IRP,1,wdm.h,/x"] {
            assert!(assertions(&format!("{head}{row}\n")).is_err(), "{row}");
        }
    }

    #[test]
    fn headers_are_linked_in_the_case_that_others_ask_for() {
        let folder = std::env::temp_dir().join(format!("xtask-real-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::write(from.join("One.H"), "#include <TWO.h>\n").unwrap();
        fs::write(from.join("two.h"), "").unwrap();
        link_folder(&from, &to).unwrap();
        for name in ["One.H", "one.h", "two.h", "TWO.h"] {
            assert!(to.join(name).is_file(), "{name}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
