//! Requests to the drivers' control devices and to sinks, with errors that name request and device.

use kswrite_client::{Access, Error, File, OpenFlags, control};
use kswrite_wire::filter::{self, DeviceSelector, Statistics};
use kswrite_wire::sink::{self, State};
use kswrite_wire::{ControlCode, names};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// An open device that remembers its path.
pub(super) struct Device {
    pub(super) file: File,
    path: String,
}

impl Device {
    pub(super) fn open(path: &str, access: Access) -> Result<Self, Error> {
        Self::open_with(path, access, OpenFlags::default())
    }

    pub(super) fn open_with(path: &str, access: Access, flags: OpenFlags) -> Result<Self, Error> {
        Ok(Self {
            file: File::open_with(path, access, flags)?,
            path: path.to_owned(),
        })
    }

    /// The filter's control device.
    pub(super) fn filter() -> Result<Self, Error> {
        Self::open(names::CONTROL_PATH, Access::ReadWrite)
    }

    /// Sends a request; `what` completes "cannot ...".
    pub(super) fn ask<I, O>(&self, what: &str, code: ControlCode, input: &I) -> Result<O, Error>
    where
        I: IntoBytes + Immutable,
        O: FromBytes,
    {
        control(&self.file, code, input).map_err(|error| Error::new(format!("{what} {}", self.path), error))
    }

    /// The filter's counters.
    pub(super) fn statistics(&self, index: u32) -> Result<Statistics, Error> {
        self.ask(
            "read the statistics of",
            filter::GET_STATISTICS,
            &DeviceSelector { index },
        )
    }

    /// A sink's state for this handle.
    pub(super) fn sink_state(&self) -> Result<State, Error> {
        self.ask("read the state of", sink::GET_STATE, &())
    }
}
