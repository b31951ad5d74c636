//! The command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::layout::Layout;
use crate::tools::{self, Purpose};
use crate::wine::WineOptions;
use crate::{build, clean, wine};

/// Every developer command of kswrite.
///
/// Each command does its own set-up: it finds or installs what is missing (Debian and Ubuntu, through apt),
/// builds what has changed, and leaves nothing running. Everything that is made lies in target/kswrite; the
/// log of each step is in target/kswrite/logs.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find the tools, install what is missing, and build nothing.
    Setup,
    /// Build kswrite.sys, ksink.sys, ksw.exe and the Wine host, and print their sizes.
    Build,
    /// Run a Windows program in the prepared Wine prefix, with the drivers loaded.
    ///
    /// The exit code is the program's, or 1 when the drivers' log shows a failure.
    Wine(WineOptions),
    /// Remove the Wine prefix, and stop what still runs in it.
    CleanHost,
}

/// Does what was asked for.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode> {
    let layout = Layout::find()?;
    match cli.command {
        Command::Setup => tools::ensure(&layout, Purpose::Lint).map(|tools| tools.print()),
        Command::Build => {
            let tools = tools::ensure(&layout, Purpose::Build)?;
            build::all(&layout, &tools)?;
            build::print_sizes(&layout)
        }
        Command::Wine(options) => return wine::command(&layout, &options),
        Command::CleanHost => clean::clean(&layout),
    }?;
    Ok(ExitCode::SUCCESS)
}
