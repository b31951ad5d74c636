//! `ksw diag`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use ksw::cli::install::DiagArgs;
use ksw::exit::Exit;
use ksw::install::diag::{ABOUT, Diag, Trace, log_sections, redact};
use ksw::install::package;
use ksw::report::FilterCounters;
use ksw::table::{Align, Table};
use ksw::trace::Joiner;
use kswrite_client::{Error, Filter};
use kswrite_wire::filter::{DeviceSelector, WIRE_VERSION};
use kswrite_wire::names::{FILTER_SERVICE, SINK_SERVICE};

use super::super::device::Device;
use super::super::{Failure, status};
use super::{files, system};

/// How the hardware IDs of the sinks begin, behind the bus.
const DEVICES: &str = "KsSink";
/// Writes of the trace that are taken.
const TRACE_WRITES: usize = 2000;
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
        trace: status::answer(trace()),
        setup_log: setup_log(),
    };
    let json = text(&diag).map_err(|error| Failure::io(&error))?;
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

/// The file's text, without what must not leave the machine.
fn text(diag: &Diag) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(diag)?;
    redact(&mut value, std::env::var("COMPUTERNAME").ok().as_deref());
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// The filter's ring of decision records.
fn trace() -> Result<Trace, Error> {
    let filter = Filter::open()?;
    let state = filter.trace_state()?;
    let mut trace = Trace {
        on: state.on != 0,
        ..Trace::default()
    };
    let (mut joiner, mut lines, mut from) = (Joiner::default(), Vec::new(), state.oldest);
    while trace.on && from < state.next {
        let batch = filter.read_trace(from)?;
        from = batch.next;
        trace.lost += batch.lost;
        lines.extend(batch.records.into_iter().filter_map(|record| joiner.add(record)));
    }
    lines.extend(joiner.outstanding(state.now));
    trace.writes = lines.split_off(lines.len().saturating_sub(TRACE_WRITES));
    Ok(trace)
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
