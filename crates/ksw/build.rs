//! Gives the program its version resource.

use version_resource::{Kind, embed};

fn main() {
    embed(Kind::Program, "ksw.exe");
    // The same sources make the same file: it does not say when.
    let is = |what, value| std::env::var(what).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_OS", "windows") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-insert-timestamp");
    }
}
