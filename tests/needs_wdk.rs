//! What a machine is told that lacks something to build a driver with: one sentence, with the next step.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../crates/needs_wdk/look.rs"]
mod look;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::process::Command;

use look::Machine;

const VERSION: &str = "10.0.26100.0";

/// A Windows machine in a folder, with all that is needed until a test takes something away.
struct Pretended {
    folder: PathBuf,
    variables: BTreeMap<&'static str, String>,
    registry: Option<String>,
    libclang: Result<(), String>,
}

impl Pretended {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("needs_wdk")
            .join(test);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        for inner in ["km", "shared"] {
            fs::create_dir_all(folder.join("Include").join(VERSION).join(inner)).unwrap();
        }
        fs::create_dir_all(folder.join("Include/wdf/kmdf/1.15")).unwrap();
        for inner in ["km/x64", "km/ARM64"] {
            fs::create_dir_all(folder.join("Lib").join(VERSION).join(inner)).unwrap();
        }
        let variables = [
            ("HOST", "x86_64-pc-windows-msvc"),
            ("TARGET", "x86_64-pc-windows-msvc"),
            ("CARGO_CFG_TARGET_ARCH", "x86_64"),
            ("CARGO_CFG_TARGET_FEATURE", "crt-static,fxsr,sse"),
        ];
        Self {
            registry: Some(folder.display().to_string()),
            folder,
            variables: variables.map(|(name, value)| (name, value.to_owned())).into(),
            libclang: Ok(()),
        }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.variables.insert(name, value.to_owned());
    }

    fn remove(&self, inner: &str) {
        fs::remove_dir_all(self.folder.join(inner)).unwrap();
    }

    fn problem(&self) -> Option<String> {
        let machine = Machine {
            variable: &|name| self.variables.get(name).cloned(),
            registry: &|| self.registry.clone(),
            libclang: &|| self.libclang.clone(),
        };
        machine.problem()
    }

    /// One line, that has all of these.
    fn refused(&self, parts: &[&str]) {
        let problem = self.problem().unwrap();
        assert!(!problem.contains('\n'), "{problem}");
        for part in parts {
            assert!(problem.contains(part), "{part}: {problem}");
        }
    }
}

impl Drop for Pretended {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_machine_with_all_of_it_is_told_nothing() {
    let mut machine = Pretended::new("whole");
    assert_eq!(machine.problem(), None);
    machine.set("TARGET", "aarch64-pc-windows-msvc");
    machine.set("CARGO_CFG_TARGET_ARCH", "aarch64");
    assert_eq!(machine.problem(), None);
    // By the variables of an eWDK, and of a kit of packages.
    machine.registry = None;
    machine.set("WDKContentRoot", &machine.folder.display().to_string());
    assert_eq!(machine.problem(), None);
    machine.variables.remove("WDKContentRoot");
    fs::create_dir_all(machine.folder.join("Windows Kits/10.0")).unwrap();
    for inner in ["Include", "Lib"] {
        let to = machine.folder.join("Windows Kits/10.0").join(inner);
        fs::rename(machine.folder.join(inner), to).unwrap();
    }
    machine.set("MicrosoftKitRoot", &machine.folder.display().to_string());
    assert_eq!(machine.problem(), None);
}

#[test]
fn another_target_is_named_with_those_that_do() {
    let mut machine = Pretended::new("target");
    for target in [
        "x86_64-pc-windows-gnu",
        "i686-pc-windows-msvc",
        "x86_64-unknown-linux-gnu",
    ] {
        machine.set("TARGET", target);
        machine.refused(&[target, "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"]);
    }
    machine.set("HOST", "x86_64-unknown-linux-gnu");
    machine.refused(&["x86_64-unknown-linux-gnu", "cargo xtask build"]);
    machine.set("TARGET", "x86_64-pc-windows-msvc");
    machine.refused(&["found on Windows only", "cargo xtask build"]);
}

#[test]
fn a_dynamic_c_runtime_is_named_with_its_cause() {
    let mut machine = Pretended::new("crt");
    machine.set("CARGO_CFG_TARGET_FEATURE", "fxsr,sse");
    machine.refused(&["dynamic C runtime", "RUSTFLAGS", "+crt-static"]);
}

#[test]
fn a_kit_that_is_not_there_or_not_whole_is_named() {
    let mut machine = Pretended::new("kit");
    machine.remove("Include/wdf");
    machine.refused(&["wdf/kmdf/1.15 is missing", "install the WDK"]);
    machine.remove("Lib/10.0.26100.0/km/x64");
    machine.refused(&["x64 is missing", VERSION]);
    machine.remove("Include/10.0.26100.0/km");
    machine.refused(&["km is missing", "only the Windows SDK"]);
    // The version is the newest, or the one that is asked for.
    fs::create_dir_all(machine.folder.join("Lib/10.0.30000.0")).unwrap();
    machine.refused(&["10.0.30000.0"]);
    machine.set("Version_Number", "10.0.22621.0");
    machine.refused(&["10.0.22621.0"]);
    machine.variables.remove("Version_Number");
    machine.remove("Lib");
    machine.refused(&["no Windows Driver Kit", "install the WDK"]);
    machine.registry = None;
    machine.refused(&["no Windows Driver Kit was found", "install the WDK"]);
}

#[test]
fn libclang_that_is_missing_or_too_old_is_named() {
    let mut machine = Pretended::new("clang");
    machine.libclang = Err("couldn't find any\nlibrary".to_owned());
    machine.refused(&["couldn't find any library", "install LLVM", "LIBCLANG_PATH"]);
}

/// The sentence is what cargo shows, and the build ends with it.
#[cfg(target_os = "linux")]
#[test]
fn cargo_shows_the_sentence() {
    let output = Command::new(env!("CARGO"))
        .args(["build", "-p", "needs_wdk", "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("needs_wdk-build"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env_remove("WDKContentRoot")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("on this system `cargo xtask build` builds them"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}
