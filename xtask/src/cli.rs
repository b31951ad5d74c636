//! The command line.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use crate::check::CheckOptions;
use crate::cost::CoreOptions;
use crate::fuzz::FuzzOptions;
use crate::layout::Layout;
use crate::mutants::MutantsOptions;
use crate::package::PackageOptions;
use crate::run::{BenchOptions, RunOptions};
use crate::sanitize::SanitizeOptions;
use crate::test::TestOptions;
use crate::tools::{self, Purpose};
use crate::wine::WineOptions;
use crate::{build, check, clean, cost, fuzz, mutants, package, run, sanitize, test, wine};

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
    /// Build kswrite.sys, ksink.sys, ksw.exe, kswrite_client.dll and the Wine host, and print their sizes.
    Build,
    /// Write a file through the filter to each sink, by each engine, on both paths, and verify every byte.
    ///
    /// Prints one table: what each row did with the filter, and the rate without it beside. The exit code is
    /// 0 only if all digests agree, every write took the path it should, and nothing is outstanding.
    Run(RunOptions),
    /// Measure: in Wine, writes of 4 KiB with and without the filter, at depth 1 and 32, on one CPU and on all;
    /// or what the core costs by itself.
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(subcommand)]
        what: Option<Bench>,
        #[command(flatten)]
        options: BenchOptions,
    },
    /// Run every test: on Linux, over the built images, and in Wine with the drivers loaded.
    ///
    /// The last line is the totals: `N passed, N failed`.
    Test(TestOptions),
    /// Build known defects into the core, one at a time, and show which tests find each.
    ///
    /// The exit code is 0 only if every one is found. With --all: the changes that cargo-mutants makes.
    Mutants(MutantsOptions),
    /// Run the tests of the core and of the model under AddressSanitizer and ThreadSanitizer.
    ///
    /// Needs a nightly toolchain with the sources of the standard library; has rustup install them.
    Sanitize(SanitizeOptions),
    /// Feed the fuzz targets with inputs of libFuzzer's: programs of the model, and whatever a program can send to a
    /// driver.
    ///
    /// The exit code is 0 only if nothing is found. A finding is shown with the command that makes it again; what is
    /// learnt is kept in target/kswrite/fuzz, and the next run goes on from there. Needs a nightly toolchain, which
    /// rustup is asked for, and cargo-fuzz, which is built into target/kswrite/tools.
    Fuzz(FuzzOptions),
    /// Make the package that a Windows test machine installs: stamped INF files, signed drivers and catalogues, symbols,
    /// the harness and a guide, in target/kswrite/package.
    ///
    /// Signs with a test certificate that is made for this machine when there is none. The same commit makes the same
    /// bytes. The exit code is 0 only if the package then verifies.
    Package(PackageOptions),
    /// Check format, lints for Linux and for the Windows targets, and dependency edges.
    Check(CheckOptions),
    /// Run a Windows program in the prepared Wine prefix, with the drivers loaded.
    ///
    /// The exit code is the program's, or 1 when the drivers' log shows a failure.
    Wine(WineOptions),
    /// Remove the Wine prefix, and stop what still runs in it.
    CleanHost,
}

/// What else there is to measure.
#[derive(Subcommand)]
enum Bench {
    /// Count the instructions and the nanoseconds of a write in kswrite_core, beside the floor: the bare call of the
    /// device's routine.
    ///
    /// Needs no Wine and no Windows tools, but valgrind, for callgrind. The numbers are of this machine; nothing of
    /// them is Windows'. Takes about three minutes; the machine should have nothing else to do.
    Core(CoreOptions),
}

/// Does what was asked for.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode> {
    if cfg!(windows) {
        bail!("these commands are for Linux; on Windows the drivers build with the WDK: see Makefile.toml");
    }
    let layout = Layout::find()?;
    match cli.command {
        Command::Setup => tools::ensure(&layout, Purpose::Lint).map(|tools| tools.print()),
        Command::Build => {
            let tools = tools::ensure(&layout, Purpose::Build)?;
            build::all(&layout, &tools)?;
            build::print_sizes(&layout)
        }
        Command::Run(options) => return run::run(&layout, &options),
        Command::Bench { what, options } => {
            return match what {
                Some(Bench::Core(options)) => cost::core(&layout, &options),
                None => run::bench(&layout, &options),
            };
        }
        Command::Test(options) => return test::test(&layout, &options),
        Command::Mutants(options) => return mutants::mutants(&layout, &options),
        Command::Fuzz(options) => return fuzz::fuzz(&layout, &options),
        Command::Sanitize(options) => return sanitize::sanitize(&layout, &options),
        Command::Package(options) => return package::package(&layout, &options),
        Command::Check(options) => return check::check(&layout, &options),
        Command::Wine(options) => return wine::command(&layout, &options),
        Command::CleanHost => clean::clean(&layout),
    }?;
    Ok(ExitCode::SUCCESS)
}
