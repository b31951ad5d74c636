//! The command `ksw`.

use std::process::ExitCode;

#[cfg(not(windows))]
mod elsewhere;
#[cfg(windows)]
mod windows;

#[cfg(windows)]
fn main() -> ExitCode {
    windows::main().into()
}

#[cfg(not(windows))]
fn main() -> ExitCode {
    elsewhere::main().into()
}
