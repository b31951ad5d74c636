//! `ksw status`.

use ksw::exit::Exit;
use ksw::status::{Answer, FilterVersion, SinkAnswer, StatusReport};
use kswrite_client::{Access, Error};
use kswrite_wire::filter::{GET_VERSION, Version};
use kswrite_wire::names::SinkKind;
use kswrite_wire::wine_host;

use super::device::Device;
use super::setup::sink_interface_paths;
use super::{Failure, host, print};

/// Runs the command.
pub(super) fn command(json: bool) -> Result<Exit, Failure> {
    let sinks = SinkKind::ALL.into_iter().map(|kind| SinkAnswer {
        kind: kind.word().to_owned(),
        path: kind.path().to_owned(),
        answer: answer(
            Device::open(kind.path(), Access::ReadWrite)
                .and_then(|sink| sink.sink_state())
                .map(drop),
        ),
    });
    let report = StatusReport {
        filter: answer(filter_version()),
        wine_host: answer(
            Device::open(wine_host::CONTROL_PATH, Access::ReadWrite).and_then(|host| host::counters(&host)),
        ),
        sinks: sinks.collect(),
        interfaces: sink_interface_paths()?,
    };
    print(&report, json)?;
    Ok(report.exit())
}

fn filter_version() -> Result<FilterVersion, Error> {
    let version: Version = Device::filter()?.ask("read the version of", GET_VERSION, &())?;
    Ok(version.into())
}

fn answer<T>(asked: Result<T, Error>) -> Answer<T> {
    match asked {
        Ok(value) => Answer::Present(value),
        Err(error) if error.code().is_absence() => Answer::Absent,
        Err(error) => Answer::Failed(error.to_string()),
    }
}
