//! `ksw stats`.

use ksw::cli::StatsArgs;
use ksw::exit::Exit;
use ksw::status::StatsReport;
use kswrite_wire::filter::{DeviceSelector, RESET_STATISTICS};

use super::device::Device;
use super::{Failure, print};

/// Runs the command.
pub(super) fn command(args: &StatsArgs) -> Result<Exit, Failure> {
    let filter = Device::filter()?;
    let index = if args.file_objects {
        DeviceSelector::FILE_OBJECTS
    } else {
        args.device_index.unwrap_or(DeviceSelector::ALL)
    };
    let counters = filter.statistics(index)?.into();
    if args.reset {
        let () = filter.ask("reset the statistics of", RESET_STATISTICS, &())?;
    }
    let report = StatsReport {
        device_index: args.device_index,
        file_objects: args.file_objects,
        counters,
        reset: args.reset,
    };
    print(&report, args.json.json)?;
    Ok(Exit::Success)
}
