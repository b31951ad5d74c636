//! Linker flags of the host, and the table of function names out of `functions.csv`.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=functions.csv");
    let csv = fs::read_to_string("functions.csv")?;
    let names = names(&csv)?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("functions.rs"), source(&names)?)?;
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("windows") {
        link_flags();
    }
    Ok(())
}

/// The second column, after a check that the first one counts up from 0.
fn names(csv: &str) -> Result<Vec<&str>> {
    let mut names = Vec::new();
    for line in csv.lines().skip(1) {
        let (index, name) = line
            .split_once(',')
            .ok_or_else(|| format!("no comma in '{line}'"))?;
        if index.parse() != Ok(names.len()) {
            return Err(format!("'{line}' should have index {}", names.len()).into());
        }
        names.push(name);
    }
    Ok(names)
}

fn source(names: &[&str]) -> Result<String> {
    let count = names.len();
    let mut source = String::new();
    writeln!(source, "/// Names of the functions, by index.")?;
    writeln!(source, "pub(crate) static NAMES: [&str; {count}] = {names:?};")?;
    writeln!(source, "/// A trap for each function, by index.")?;
    writeln!(source, "const TRAPS: [Slot; {count}] = [")?;
    for index in 0..count {
        writeln!(source, "    Slot(trap::<{index}> as *const ()),")?;
    }
    writeln!(source, "];")?;
    Ok(source)
}

/// A kernel-mode image without a C library. Wine never calls the entry of such a module.
fn link_flags() {
    for flag in [
        "/SUBSYSTEM:NATIVE",
        "/NODEFAULTLIB",
        "/ENTRY:HostEntry",
        "/DYNAMICBASE",
        "/NXCOMPAT",
        "/OPT:REF,ICF",
    ] {
        println!("cargo::rustc-cdylib-link-arg={flag}");
    }
    // wdk-sys names the WDK's libraries; nothing is taken from them, but the linker opens them.
    println!("cargo::rerun-if-env-changed=WDKContentRoot");
    println!("cargo::rerun-if-env-changed=Version_Number");
    if let (Some(root), Some(version)) = (env::var_os("WDKContentRoot"), env::var_os("Version_Number")) {
        let libraries = PathBuf::from(root)
            .join("Lib")
            .join(version)
            .join("km")
            .join("x64");
        println!("cargo::rustc-link-search=native={}", libraries.display());
    }
}
