//! `ksw status`.

use ksw::exit::Exit;
use ksw::status::{Answer, FilterVersion, SinkAnswer, StatusReport};
use kswrite_client::{Access, Error};
use kswrite_wire::filter::{GET_VERSION, Version};
use kswrite_wire::names::SinkKind;
use kswrite_wire::wine_host;

use super::device::Device;
use super::setup::sink_interface_paths;
use super::{Failure, host, install, print};

/// Runs the command.
pub(super) fn command(json: bool) -> Result<Exit, Failure> {
    let report = read()?;
    print(&report, json)?;
    Ok(report.exit())
}

/// Asks the drivers and the system.
pub(super) fn read() -> Result<StatusReport, Failure> {
    let sinks = SinkKind::ALL.into_iter().map(|kind| SinkAnswer {
        kind: kind.word().to_owned(),
        path: kind.path().to_owned(),
        answer: answer(
            Device::open(kind.path(), Access::ReadWrite)
                .and_then(|sink| sink.sink_state())
                .map(drop),
        ),
    });
    Ok(StatusReport {
        filter: answer(filter_version()),
        wine_host: answer(
            Device::open(wine_host::CONTROL_PATH, Access::ReadWrite).and_then(|host| host::counters(&host)),
        ),
        sinks: sinks.collect(),
        interfaces: sink_interface_paths()?,
        installed: install::stack::installed()?,
    })
}

fn filter_version() -> Result<FilterVersion, Error> {
    let version: Version = Device::filter()?.ask("read the version of", GET_VERSION, &())?;
    Ok(version.into())
}

/// What came of asking.
pub(super) fn answer<T>(asked: Result<T, Error>) -> Answer<T> {
    match asked {
        Ok(value) => Answer::Present(value),
        Err(error) if error.code().is_absence() => Answer::Absent,
        Err(error) => Answer::Failed(error.to_string()),
    }
}
