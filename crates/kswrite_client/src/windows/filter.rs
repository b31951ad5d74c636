//! The control device of the filter: counters, policies and the trace.

use kswrite_wire::filter::{self, DeviceSelector, Statistics, Version, WIRE_VERSION};
use kswrite_wire::policy::{GET_POLICIES, Policies, Policy, PolicyChange, SET_POLICY};
use kswrite_wire::trace::{
    Batch, CheckedRecord, Cursor, GET_TRACE, MAX_BATCH, READ_TRACE, Record, SET_TRACE, Settings, State, parse,
};
use kswrite_wire::{ControlCode, names};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::control::{control, control_bytes};
use super::file::{Access, File};
use crate::{Error, Win32Error};

/// A device of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// All that are there.
    All,
    /// The one with this number.
    Number(u32),
}

impl Devices {
    const fn selector(self) -> u32 {
        match self {
            Self::All => DeviceSelector::ALL,
            Self::Number(number) => number,
        }
    }
}

/// The filter's control device, open, of a driver that speaks the protocol of this crate.
#[derive(Debug)]
pub struct Filter(File);

impl Filter {
    /// Opens the device and asks for the version of the driver.
    ///
    /// # Errors
    ///
    /// Why it could not be opened; `ERROR_REVISION_MISMATCH` for a driver of another version.
    pub fn open() -> Result<Self, Error> {
        let filter = Self(File::open(names::CONTROL_PATH, Access::ReadWrite)?);
        let version: Version = filter.ask("read the version of", filter::GET_VERSION, &())?;
        if version.wire == WIRE_VERSION {
            return Ok(filter);
        }
        let action = format!(
            "use {}: the driver, version {}.{}.{}, speaks protocol {}, and this program {WIRE_VERSION}",
            names::CONTROL_PATH,
            version.major,
            version.minor,
            version.patch,
            version.wire
        );
        Err(Error::new(action, Win32Error::REVISION_MISMATCH))
    }

    /// What was counted for the writes of these devices.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_PARAMETER`: there is no such device.
    pub fn statistics(&self, devices: Devices) -> Result<Statistics, Error> {
        self.statistics_of(devices.selector())
    }

    /// What was counted for the writes to file objects ([`FileObjectWrite`](crate::FileObjectWrite)).
    ///
    /// # Errors
    ///
    /// Those of the request.
    pub fn file_object_statistics(&self) -> Result<Statistics, Error> {
        self.statistics_of(DeviceSelector::FILE_OBJECTS)
    }

    fn statistics_of(&self, index: u32) -> Result<Statistics, Error> {
        let selector = DeviceSelector { index };
        self.ask("read the statistics of", filter::GET_STATISTICS, &selector)
    }

    /// The policy of each device, by its number.
    ///
    /// # Errors
    ///
    /// Those of the request; `ERROR_INVALID_DATA` for an answer that makes no sense.
    pub fn policies(&self) -> Result<Vec<(u32, Policy)>, Error> {
        const WHAT: &str = "read the policies of";
        let answer: Policies = self.ask(WHAT, GET_POLICIES, &())?;
        let policies = answer
            .devices()
            .map(|(device, policy)| policy.map(|policy| (device, policy)));
        policies.collect::<Option<_>>().ok_or_else(|| nonsense(WHAT))
    }

    /// Sets the policy, for the writes that come from now on.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_PARAMETER`: there is no such device.
    pub fn set_policy(&self, devices: Devices, policy: Policy) -> Result<(), Error> {
        let what = match devices {
            Devices::All => "set the policy of all devices of".to_owned(),
            Devices::Number(number) => format!("set the policy of device {number} of"),
        };
        self.ask(&what, SET_POLICY, &PolicyChange::new(devices.selector(), policy))
    }

    /// Whether records are kept, and which.
    ///
    /// # Errors
    ///
    /// Those of the request.
    pub fn trace_state(&self) -> Result<State, Error> {
        self.ask("read the state of the trace of", GET_TRACE, &())
    }

    /// Keeps so many records from now on; `None`: none.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_PARAMETER` for a number that is out of bounds, `ERROR_NO_SYSTEM_RESOURCES`.
    pub fn set_trace(&self, records: Option<u32>) -> Result<State, Error> {
        let settings = records.map_or(Settings::OFF, Settings::on);
        self.ask("switch the trace of", SET_TRACE, &settings)
    }

    /// Reads records from the one with this sequence number on.
    ///
    /// # Errors
    ///
    /// `ERROR_NOT_READY`: the trace is off. `ERROR_INVALID_DATA` for an answer that makes no sense.
    pub fn read_trace(&self, from: u64) -> Result<TraceBatch, Error> {
        const WHAT: &str = "read the trace of";
        let room = size_of::<Batch>() + MAX_BATCH as usize * size_of::<Record>();
        let answer = control_bytes(&self.0, READ_TRACE.0, Cursor::at(from).as_bytes(), room)
            .map_err(|error| Error::new(named(WHAT), error))?;
        TraceBatch::parse(&answer).ok_or_else(|| nonsense(WHAT))
    }

    fn ask<I, O>(&self, what: &str, code: ControlCode, input: &I) -> Result<O, Error>
    where
        I: IntoBytes + Immutable,
        O: FromBytes,
    {
        control(&self.0, code, input).map_err(|error| Error::new(named(what), error))
    }
}

fn named(what: &str) -> String {
    format!("{what} {}", names::CONTROL_PATH)
}

fn nonsense(what: &str) -> Error {
    Error::new(named(what), Win32Error::INVALID_DATA)
}

/// Records that were read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceBatch {
    /// Where to go on.
    pub next: u64,
    /// Records that were overwritten before they could be read.
    pub lost: u64,
    /// The others, in their order.
    pub records: Vec<CheckedRecord>,
}

impl TraceBatch {
    fn parse(answer: &[u8]) -> Option<Self> {
        let (head, records) = parse(answer)?;
        Some(Self {
            next: head.next,
            lost: head.lost,
            records: records.collect::<Option<_>>()?,
        })
    }
}

/// A reader of the trace. It switches the trace on if it is off, and off again when it is dropped; a trace that was
/// on stays as it is.
#[derive(Debug)]
pub struct TraceReader<'a> {
    filter: &'a Filter,
    next: u64,
    started: bool,
}

impl<'a> TraceReader<'a> {
    /// Begins with the record that comes next.
    ///
    /// # Errors
    ///
    /// Those of [`Filter::set_trace`].
    pub fn follow(filter: &'a Filter, records: u32) -> Result<Self, Error> {
        let state = filter.trace_state()?;
        let started = state.on == 0;
        let next = if started {
            filter.set_trace(Some(records))?.next
        } else {
            state.next
        };
        Ok(Self {
            filter,
            next,
            started,
        })
    }

    /// The records that have come since the last call, at most [`MAX_BATCH`].
    ///
    /// # Errors
    ///
    /// Those of [`Filter::read_trace`]; somebody else may have switched the trace off.
    pub fn read(&mut self) -> Result<TraceBatch, Error> {
        let batch = self.filter.read_trace(self.next)?;
        self.next = batch.next;
        Ok(batch)
    }
}

impl Drop for TraceReader<'_> {
    fn drop(&mut self) {
        if self.started {
            // Without the device there is no trace either.
            let _off = self.filter.set_trace(None);
        }
    }
}
