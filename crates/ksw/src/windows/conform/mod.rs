//! The native venue of `ksw conform`: the calls of Windows, or of Wine.

mod case;
mod console;
mod devices;
mod faces;
mod files;
mod memory;
mod native;
mod pipes;
mod processes;
mod request;
mod runner;
mod transfer;
mod venue;
mod waiting;
mod words;

use ksw::cli::conform::PlayArgs;
use ksw::exit::{Exit, Failure};
use kswrite_conform::suite::Runner;

use super::interrupt;
pub(super) use words::dos_error;
use words::{checked, last_error, made, preset, raw, wide};

/// The native venue.
pub(super) fn open() -> Result<Box<dyn Runner>, Failure> {
    interrupt::install()?;
    match runner::NativeRunner::new() {
        Ok(runner) => Ok(Box::new(runner)),
        Err(why) => Err(Failure::new(Exit::Io, why)),
    }
}

/// Plays a role, and ends this process with the role's exit code.
pub(super) fn play(args: &PlayArgs) -> Result<Exit, Failure> {
    match processes::play(&args.role, &args.handles) {
        Some(code) => std::process::exit(code.cast_signed()),
        None => Err(Failure::new(
            Exit::Usage,
            format!("no role is called '{}'", args.role),
        )),
    }
}
