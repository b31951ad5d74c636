//! Gives the program its version resource.

use version_resource::{Kind, embed};

fn main() {
    embed(Kind::Program, "ksw.exe");
    // The same sources make the same file: it does not say when.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-insert-timestamp");
    }
}
