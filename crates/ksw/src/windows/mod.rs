//! The Windows part: opens devices, runs engines, asks drivers, installs.

mod bench;
mod conform;
mod device;
mod devices;
mod engine;
mod etw;
mod faces;
mod host;
mod install;
mod interrupt;
mod ks;
mod policy;
mod service;
mod setup;
mod sink;
mod stats;
mod status;
mod stress;
mod trace;
mod version;
mod write;

use std::fmt;

use clap::Parser;
use ksw::cli::{Cli, Command, InstallCommand, UninstallCommand};
use ksw::exit::{Exit, Failure};
use serde::Serialize;

/// Parses, runs, reports.
pub(crate) fn main() -> Exit {
    // Exits by itself, with the code of `Exit::Usage`, when the command line makes no sense.
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(exit) => exit,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Conform(args) => ksw::conform::command(&args, conform::open),
        Command::PlayRole(args) => conform::play(&args),
        Command::Bench(args) => bench::command(&args),
        Command::Write(args) => write::command(args),
        Command::Ks(args) => ks::command(&args),
        Command::Stress(args) => stress::command(args),
        Command::Stats(args) => stats::command(&args),
        Command::Trace(args) => trace::command(&args),
        Command::Policy(args) => policy::command(&args),
        Command::Sink(command) => sink::command(command),
        Command::Status(json) => status::command(json.json),
        Command::Host(command) => host::command(&command),
        Command::Install(InstallCommand::All(args)) => install::install_all(&args),
        Command::Install(InstallCommand::Sink { inf }) => setup::install_sinks(&inf),
        Command::Install(InstallCommand::Filter { image }) => service::install_filter(&image),
        Command::Uninstall(UninstallCommand::All(json)) => install::uninstall_all(json.json),
        Command::Uninstall(UninstallCommand::Sink) => setup::uninstall_sinks(),
        Command::Uninstall(UninstallCommand::Filter) => service::uninstall_filter(),
        Command::Diag(args) => install::diag::command(&args),
    }
}

/// Prints one result, as JSON or as text.
fn print<T: Serialize + fmt::Display>(result: &T, json: bool) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string(result).map_err(|error| Failure::io(&error))?;
        println!("{text}");
    } else {
        print!("{result}");
    }
    Ok(())
}
