//! The command `ksw`.

use std::process::ExitCode;

#[cfg(windows)]
mod windows;

#[cfg(windows)]
fn main() -> ExitCode {
    windows::main().into()
}

#[cfg(not(windows))]
fn main() -> ExitCode {
    eprintln!(
        "ksw writes to Windows devices: build it for x86_64-pc-windows-gnu (`cargo xtask build`) and run it on \
         Windows or in Wine (`cargo xtask wine -- ksw --help`)."
    );
    ksw::exit::Exit::Usage.into()
}
