//! What works on other systems than Windows: the commands that need no device.

use clap::Parser;
use ksw::cli::{Cli, Command};
use ksw::exit::{Exit, Failure};

const NOT_HERE: &str = "this needs Windows devices: build ksw for x86_64-pc-windows-gnu (`cargo xtask build`) and run \
                        it on Windows or in Wine (`cargo xtask wine -- ksw --help`); `ksw conform --venue model` works \
                        everywhere";

/// Parses, runs, reports.
pub(crate) fn main() -> Exit {
    let not_here = || Failure::new(Exit::Usage, NOT_HERE);
    let done = match Cli::parse().command {
        Command::Conform(args) => ksw::conform::command(&args, || Err(not_here())),
        _ => Err(not_here()),
    };
    done.unwrap_or_else(|failure| failure.report())
}
