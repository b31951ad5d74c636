//! `ksw ks`.

use ksw::cli::KsArgs;
use ksw::exit::Exit;
use ksw::ks::KsReport;
use ksw::plan::device_path;
use kswrite_client::{Access, Error, Event, FileObjectWrite, Win32Error};
use kswrite_wire::file_write::{MAX_BYTES, Mode};
use kswrite_wire::sink;

use super::device::Device;
use super::{Failure, print};

/// Units of 100 nanoseconds in a microsecond.
const UNITS_PER_US: u64 = 10;

/// Runs the command.
pub(super) fn command(args: &KsArgs) -> Result<Exit, Failure> {
    let bytes = std::fs::read(&args.file).map_err(|error| {
        let what = format!("read the file {}", args.file.display());
        Failure::io(&Error::new(what, Win32Error::from_io(&error)))
    })?;
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|length| *length <= MAX_BYTES);
    let length = length.ok_or_else(|| {
        let message = format!("--file is one write here, of at most {} MiB", MAX_BYTES >> 20);
        Failure::new(Exit::Usage, message)
    })?;
    let filter = Device::filter()?;
    let path = device_path(&args.device);
    let device = Device::open(&path, Access::ReadWrite)?;
    if let Some(script) = &args.script {
        let () = device.ask("set the script of", sink::SET_SCRIPT, &script.wire())?;
    }
    let event = args.event.then(|| Event::new(false)).transpose()?;
    let write = match Mode::from(args.mode) {
        Mode::Kernel => FileObjectWrite::new(&device.file, &bytes),
        Mode::User => FileObjectWrite::at_address(&device.file, bytes.as_ptr().addr() as u64, length),
    };
    let report = with_options(write, args, event.as_ref())
        .write(&filter.file)
        .map_err(|error| Failure::from(Error::new(format!("write to the file object of {path}"), error)))?;
    // The driver reads these bytes until the write is over.
    drop(bytes);
    let event_set = event.as_ref().map(Event::is_set);
    let report = KsReport::new(path, u64::from(length), &report, event_set);
    print(&report, args.json.json)?;
    Ok(report.exit())
}

fn with_options(mut write: FileObjectWrite, args: &KsArgs, event: Option<&Event>) -> FileObjectWrite {
    write = write.key(args.key).completer(args.completer.into());
    if let Some(event) = event {
        write = write.event(event);
    }
    if let Some(offset) = args.offset {
        write = write.at(offset);
    }
    if args.advance {
        write = write.advance();
    }
    if let Some(limit) = args.time_limit_us {
        write = write.time_limit(limit.saturating_mul(UNITS_PER_US));
    }
    write
}
