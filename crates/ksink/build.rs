//! Asks wdk-build for the linker flags of a kernel-mode driver.
//!
//! On Windows it finds the installed WDK; on Linux `cargo xtask build` points `WDKContentRoot` at the
//! WDK-shaped folder that it makes. What is missing is named by `needs_wdk`, which `cargo make` builds first.

use version_resource::{Kind, embed};

fn main() {
    embed(Kind::Driver, "ksink.sys");
    if let Err(error) = wdk_build::configure_wdk_binary_build() {
        println!("cargo::error={}", error.to_string().replace('\n', " "));
    }
}
