//! Gives the library its version resource.

use version_resource::{Kind, embed};

fn main() {
    embed(Kind::Library, "kswrite_client.dll");
    // The same sources make the same file: it does not say when.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo::rustc-link-arg-cdylib=-Wl,--no-insert-timestamp");
    }
}
