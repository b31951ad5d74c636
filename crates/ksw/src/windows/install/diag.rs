//! `ksw diag`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use ksw::cli::install::DiagArgs;
use ksw::exit::Exit;
use ksw::install::diag::{ABOUT, Diag, log_sections, redacted};
use ksw::install::package;
use ksw::report::FilterCounters;
use ksw::status::Answer;
use ksw::table::{Align, Table};
use kswrite_wire::filter::{DeviceSelector, WIRE_VERSION};
use kswrite_wire::names::{FILTER_SERVICE, SINK_SERVICE};

use super::super::device::Device;
use super::super::{Failure, status};
use super::{files, system};

/// How the hardware IDs of the sinks begin, behind the bus.
const DEVICES: &str = "KsSink";
/// Lines of SetupAPI's log that are taken.
const LOG_LINES: usize = 200;

/// Gathers everything, writes the file, and says what it holds.
pub(in super::super) fn command(args: &DiagArgs) -> Result<Exit, Failure> {
    let counters = |index| {
        let filter = Device::filter().and_then(|filter| filter.statistics(index));
        status::answer(filter.map(FilterCounters::from))
    };
    let diag = Diag {
        about: ABOUT.to_owned(),
        ksw: env!("CARGO_PKG_VERSION").to_owned(),
        wire: WIRE_VERSION,
        system: system::read(),
        status: status::read()?,
        counters: counters(DeviceSelector::ALL),
        file_object_counters: counters(DeviceSelector::FILE_OBJECTS),
        trace: trace(),
        setup_log: setup_log(),
    };
    let json = serde_json::to_string_pretty(&diag).map_err(|error| Failure::io(&error))?;
    let json = redacted(&json, &private());
    write(args, &json)?;
    println!("{}: {} bytes", args.out.display(), json.len());
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    for (part, what) in diag.contents() {
        table.row([part.to_owned(), what]);
    }
    print!("{table}");
    Ok(Exit::Success)
}

fn write(args: &DiagArgs, json: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if !args.force {
        options.create_new(true);
    }
    let path = args.out.display();
    let written = options
        .open(&args.out)
        .and_then(|mut file| file.write_all(json.as_bytes()));
    written.map_err(|error| {
        let message = if error.kind() == ErrorKind::AlreadyExists {
            format!("{path} exists already: name another file by --out, or give --force")
        } else {
            format!("cannot write {path}: {error}; name another file by --out")
        };
        Failure::new(Exit::Io, message)
    })
}

/// The filter's ring of decision records.
fn trace() -> Answer<serde_json::Value> {
    Answer::Absent
}

/// What SetupAPI wrote about these drivers; none in Wine, which keeps no such log.
fn setup_log() -> Vec<String> {
    let path = files::windows().join(r"INF\setupapi.dev.log");
    let Ok(bytes) = std::fs::read(path) else {
        return Vec::new();
    };
    log_sections(
        &package::text(&bytes),
        &[FILTER_SERVICE, SINK_SERVICE, DEVICES],
        LOG_LINES,
    )
}

/// What must not leave the machine, and what stands in its place. The longest first: a folder holds the name of its
/// user.
fn private() -> Vec<(String, &'static str)> {
    let of = |name: &str, stand_in| Some((std::env::var(name).ok()?, stand_in));
    let profile = std::env::var("USERPROFILE").ok();
    // In JSON, backslashes are doubled.
    let escaped = profile.map(|path| (path.replace('\\', r"\\"), "%USERPROFILE%"));
    [
        escaped,
        of("USERNAME", "<user>"),
        of("COMPUTERNAME", "<computer>"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
