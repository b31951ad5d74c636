//! `ksw install`, `ksw uninstall`, `ksw diag`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::JsonArg;
use crate::install::judge::FilterWay;

const INSTALL_EXAMPLES: &str = r"Examples:
  ksw install all                                        (the package around ksw.exe)
  ksw install all --dir C:\kswrite\x64 --json
  ksw install all --by registry                          (UpperFilters in place of the INF's AddFilter)
  ksw install sink --inf C:\kswrite\ksink.inf";

/// Subcommands of `ksw install`. All keep what is installed already.
#[derive(Debug, Subcommand)]
#[command(after_help = INSTALL_EXAMPLES)]
pub enum InstallCommand {
    /// Add both driver packages, make the three sinks, and put the filter on them
    ///
    /// Each step is reported as done or kept. Nothing is changed when rights, signature or architecture are wrong.
    All(InstallAll),
    /// Make the three root-enumerated sinks and install ksink.sys from its INF
    Sink {
        /// The INF, ksink.inf; ksink.sys lies beside it
        #[arg(long, value_name = "PATH")]
        inf: PathBuf,
    },
    /// Create and start a service for kswrite.sys: for Wine, where INF files cannot name filters
    ///
    /// A service alone loads the driver, which then filters nothing: on Windows the INF puts the filter above the
    /// sinks, which `ksw install all` sees to.
    Filter {
        /// The image, kswrite.sys
        #[arg(long, value_name = "PATH")]
        image: PathBuf,
    },
}

/// Options of `ksw install all`.
#[derive(Debug, Args)]
#[command(after_help = INSTALL_EXAMPLES)]
pub struct InstallAll {
    /// The folder with ksink.inf, kswrite.inf and what they name; that of ksw.exe when left out
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// How the filter gets into the stacks; by the INF where the system knows AddFilter, when left out
    #[arg(long, value_enum)]
    pub by: Option<FilterWay>,
    /// Form of the output.
    #[command(flatten)]
    pub json: JsonArg,
}

const UNINSTALL_EXAMPLES: &str =
    "Examples:\n  ksw uninstall all\n  ksw uninstall all --json\n  ksw uninstall sink";

/// Subcommands of `ksw uninstall`. What is not there is no error.
#[derive(Clone, Copy, Debug, Subcommand)]
#[command(after_help = UNINSTALL_EXAMPLES)]
pub enum UninstallCommand {
    /// Remove everything: filter, devices, services, packages in the driver store, files
    ///
    /// Nothing is removed while a program has a sink open.
    All(JsonArg),
    /// Remove the sinks, and stop and delete their service; the package stays
    Sink,
    /// Stop and delete the filter's service; the package stays
    Filter,
}

const DIAG_EXAMPLES: &str = "Examples:\n  ksw diag\n  ksw diag --out C:\\report\\kswrite.json --force";

/// Options of `ksw diag`.
#[derive(Debug, Args)]
#[command(after_help = DIAG_EXAMPLES)]
pub struct DiagArgs {
    /// The file to write
    #[arg(long, value_name = "F", default_value = "ksw-diag.json")]
    pub out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}
