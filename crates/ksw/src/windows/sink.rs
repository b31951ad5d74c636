//! `ksw sink`.

use std::fmt;
use std::io::{Write, stdout};

use ksw::cli::{SinkCommand, SinkDevice};
use ksw::exit::Exit;
use ksw::plan::device_path;
use ksw::report::SinkState;
use ksw::table::{Align, Table};
use kswrite_client::{Access, Error};
use kswrite_wire::sink::{RELEASE, RESET, Released, SET_SCRIPT, WINDOW_BYTES};
use serde::Serialize;

use super::device::Device;
use super::write::read_at;
use super::{Failure, print};

/// A sink's state as a table.
#[derive(Serialize)]
#[serde(transparent)]
struct Shown(SinkState);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([("state", Align::Left), ("value", Align::Left)]);
        for (name, value) in self.0.rows() {
            table.row([name.to_owned(), value]);
        }
        table.fmt(f)
    }
}

fn open(sink: &SinkDevice) -> Result<Device, Error> {
    Device::open(&device_path(&sink.device), Access::ReadWrite)
}

/// Runs the command.
pub(super) fn command(command: SinkCommand) -> Result<Exit, Failure> {
    match command {
        SinkCommand::Script { sink, script } => {
            let () = open(&sink)?.ask("set the script of", SET_SCRIPT, &script.wire())?;
            println!("accepted by {}: {script}", device_path(&sink.device));
        }
        SinkCommand::State { sink, json } => {
            print(&Shown(SinkState::from(&open(&sink)?.sink_state()?)), json.json)?;
        }
        SinkCommand::Release { sink } => {
            let released: Released = open(&sink)?.ask("release the held writes of", RELEASE, &())?;
            println!("released {}", released.count);
        }
        SinkCommand::Reset { sink } => {
            let () = open(&sink)?.ask("reset the state of", RESET, &())?;
            println!("reset {}", device_path(&sink.device));
        }
        SinkCommand::Read { sink, offset, length } => {
            let length = usize::try_from(length.0.min(u64::from(WINDOW_BYTES))).unwrap_or_default();
            let bytes = read_at(&device_path(&sink.device), &open(&sink)?, offset, length)?;
            stdout().write_all(&bytes).map_err(|error| Failure::io(&error))?;
        }
    }
    Ok(Exit::Success)
}
