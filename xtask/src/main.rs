//! Every developer command of the project: `cargo xtask --help`.
//!
//! ```text
//! tools/   what must be installed: found, or installed through apt
//! wdk/     the WDK-shaped folder and the patched wdk-build
//! build/   the drivers, the host and the user-mode programs
//! wine/    a Wine session: prefix, drivers loaded, log read at the end
//! run/     the main job and its table; the benchmark in Wine
//! cost/    what the core costs: instructions and time
//! test/    every test on every venue, and the totals
//! package/ what a Windows machine installs, signed
//! check/   format, lints, dependency edges
//! ```
//! The files beside this one are what all of them use: where things lie (`layout`), how a command is run
//! and shown (`step`), when work can be skipped (`stamp`), how two commands keep out of each other's way (`lock`).

mod build;
mod check;
mod clean;
mod cli;
mod cost;
mod fuzz;
mod inf;
mod interrupt;
mod layout;
mod libtest;
mod lock;
mod mutants;
mod package;
mod platform;
mod process;
mod progress;
mod run;
mod sanitize;
mod stamp;
mod step;
mod test;
mod tools;
mod wdk;
mod wine;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match interrupt::install().and_then(|()| cli::dispatch(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
