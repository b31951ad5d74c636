//! Looks for the target, the WDK and libclang, and names what is missing.

#[path = "look.rs"]
mod look;

use std::env;

use look::Machine;

/// Environment variables that change what is found.
const VARIABLES: [&str; 6] = [
    "WDKContentRoot",
    "MicrosoftKitRoot",
    "WDKKitVersion",
    "Version_Number",
    "LIBCLANG_PATH",
    "Path",
];

fn main() {
    for variable in VARIABLES {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let machine = Machine {
        variable: &|name| env::var(name).ok(),
        registry: &registry,
        libclang: &libclang,
    };
    if let Some(problem) = machine.problem() {
        println!("cargo::error={problem}");
    }
}

/// `KitsRoot10`, which the installers of SDK and WDK write; wdk-build looks there as well.
fn registry() -> Option<String> {
    ["SOFTWARE", r"SOFTWARE\Wow6432Node"].iter().find_map(|key| {
        let key = format!(r"HKLM\{key}\Microsoft\Windows Kits\Installed Roots");
        let output = std::process::Command::new("reg")
            .args(["query", &key, "/v", "KitsRoot10"])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(text.split_once("REG_SZ")?.1.trim().to_owned())
    })
}

/// Whether bindgen will find a libclang that it can use.
fn libclang() -> Result<(), String> {
    clang_sys::load()?;
    let version = clang_sys::get_library().and_then(|library| library.version());
    match version {
        Some(version) if version < clang_sys::Version::V16_0 => {
            Err(format!("the libclang that was found is of LLVM {version}"))
        }
        _ => Ok(()),
    }
}
