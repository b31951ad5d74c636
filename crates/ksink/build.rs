//! Asks wdk-build for the linker flags of a kernel-mode driver.
//!
//! On Windows it finds the installed WDK; on Linux `cargo xtask build` points `WDKContentRoot` at the
//! WDK-shaped folder that it makes. Without either the error names what is missing.

fn main() -> Result<(), wdk_build::ConfigError> {
    wdk_build::configure_wdk_binary_build()
}
