//! The records that the filter keeps of writes, if it is told to.
//!
//! They are in a ring, so the oldest make room for the newest, and each has a sequence number. A reader asks for
//! those from a number on, is told how many of them it came too late for, and where to go on.
//!
//! A write that fast I/O did, or that came to nothing, has one record. One that was sent as an IRP has two with
//! the same operation number: its start and its end. So a write that a device does not complete can be seen.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    file_write::{Attempt, Cancel, Carrier, Completion, Mode, Skip},
    filter::WIRE_VERSION,
    ioctl::{Access, ControlCode},
};

/// In: [`Settings`]. Out: [`State`]. A ring of another size than before begins empty; sequence numbers go on.
pub const SET_TRACE: ControlCode = ControlCode::new(0x04, Access::Write);
/// Out: [`State`].
pub const GET_TRACE: ControlCode = ControlCode::new(0x05, Access::Read);
/// In: [`Cursor`]. Out: [`Batch`], and as many [`Record`]s behind it as it says; at most [`MAX_BATCH`].
/// `STATUS_DEVICE_NOT_READY` while the trace is off.
pub const READ_TRACE: ControlCode = ControlCode::new(0x06, Access::Read);

/// The smallest ring, in records.
pub const MIN_RECORDS: u32 = 64;
/// The largest ring, in records: 6 MiB.
pub const MAX_RECORDS: u32 = 65_536;
/// The most records of one answer.
pub const MAX_BATCH: u32 = 256;

/// Whether to keep records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Settings {
    /// [`WIRE_VERSION`] of the caller.
    pub version: u32,
    /// 1: yes. 0: no, and those that there are go away.
    pub on: u32,
    /// How many, between [`MIN_RECORDS`] and [`MAX_RECORDS`]. 0 if `on` is.
    pub records: u32,
    /// Zero.
    pub reserved: u32,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceError {
    /// The caller speaks another version of the protocol.
    Version,
    /// A value makes no sense.
    Value,
}

impl Settings {
    /// Records are kept, so many at a time.
    #[must_use]
    pub const fn on(records: u32) -> Self {
        Self {
            version: WIRE_VERSION,
            on: 1,
            records,
            reserved: 0,
        }
    }

    /// None are kept.
    pub const OFF: Self = Self {
        version: WIRE_VERSION,
        on: 0,
        records: 0,
        reserved: 0,
    };

    /// How many records to keep; `None`: none.
    ///
    /// # Errors
    ///
    /// The first thing that makes no sense.
    pub fn check(&self) -> Result<Option<u32>, TraceError> {
        match *self {
            Self { version, .. } if version != WIRE_VERSION => Err(TraceError::Version),
            Self {
                on: 0,
                records: 0,
                reserved: 0,
                ..
            } => Ok(None),
            Self {
                on: 1,
                records: records @ MIN_RECORDS..=MAX_RECORDS,
                reserved: 0,
                ..
            } => Ok(Some(records)),
            _ => Err(TraceError::Value),
        }
    }
}

/// What is kept now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct State {
    /// 1 if records are kept.
    pub on: u32,
    /// The size of the ring, in records.
    pub records: u32,
    /// The sequence number of the oldest record that is there.
    pub oldest: u64,
    /// The sequence number that the next record gets.
    pub next: u64,
    /// What the clock of the records shows now, in units of 100 nanoseconds.
    pub now: u64,
}

/// From where to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Cursor {
    /// [`WIRE_VERSION`] of the caller.
    pub version: u32,
    /// Zero.
    pub reserved: u32,
    /// The sequence number of the first record wanted, at most that of the next one.
    pub from: u64,
}

impl Cursor {
    /// At this number.
    #[must_use]
    pub const fn at(from: u64) -> Self {
        Self {
            version: WIRE_VERSION,
            reserved: 0,
            from,
        }
    }

    /// The number. Whether it is beyond the next record the ring knows.
    ///
    /// # Errors
    ///
    /// The first thing that makes no sense.
    pub const fn check(&self) -> Result<u64, TraceError> {
        if self.version != WIRE_VERSION {
            return Err(TraceError::Version);
        }
        if self.reserved != 0 {
            return Err(TraceError::Value);
        }
        Ok(self.from)
    }
}

/// What stands before the records of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Batch {
    /// Where to go on.
    pub next: u64,
    /// Records from the wanted one on that were overwritten before they could be read.
    pub lost: u64,
    /// Records behind this.
    pub count: u32,
    /// Zero.
    pub reserved: u32,
}

/// Reads an answer to [`READ_TRACE`]: what stands before the records, and each of them; `None` for one that makes no
/// sense. `None`: the answer has another length than it says.
pub fn parse(answer: &[u8]) -> Option<(Batch, impl Iterator<Item = Option<CheckedRecord>>)> {
    let (head, rest) = Batch::read_from_prefix(answer).ok()?;
    let records = rest.chunks_exact(size_of::<Record>());
    if records.len() != head.count as usize || !records.remainder().is_empty() || head.reserved != 0 {
        return None;
    }
    let check = |bytes| Record::read_from_bytes(bytes).ok()?.check();
    Some((head, records.map(check)))
}

/// Bits of [`Record::parts`].
pub mod parts {
    /// What was decided before an IRP was sent: [`start`](super::Record::start) and the attempt.
    pub const START: u32 = 1;
    /// How it ended: [`end`](super::Record::end) and the status.
    pub const END: u32 = 2;
}

/// What was decided for a write, or how it ended, or both. The fields of a part that is not there are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Record {
    /// The number of the record.
    pub sequence: u64,
    /// The number of the write, from 1. It is not used again.
    pub operation: u64,
    /// Bits of [`parts`].
    pub parts: u32,
    /// The number of the filtered device, or
    /// [`DeviceSelector::FILE_OBJECTS`](crate::filter::DeviceSelector::FILE_OBJECTS).
    pub device: u32,
    /// When the write came, in units of 100 nanoseconds. START.
    pub start: u64,
    /// When it was over, in the same units. END.
    pub end: u64,
    /// `ByteOffset`, as the caller gave it.
    pub offset: i64,
    /// Bytes to write.
    pub length: u32,
    /// The process that asked for the write; 0: the system, or none that is known.
    pub process: u32,
    /// Bytes written. END.
    pub information: u64,
    /// The final NTSTATUS. END.
    pub status: i32,
    /// An [`Attempt`]. START.
    pub attempt: u32,
    /// NTSTATUS that goes with it. START.
    pub attempt_status: i32,
    /// A [`Skip`]. START.
    pub skip: u32,
    /// A [`Carrier`]. START.
    pub carrier: u32,
    /// A [`Completion`]. END.
    pub completion: u32,
    /// A [`Cancel`]. END.
    pub cancel: u32,
    /// A [`Mode`]: the requestor's.
    pub mode: u32,
}

/// What was decided before an IRP was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// When the write came, in units of 100 nanoseconds.
    pub at: u64,
    /// What came of fast I/O.
    pub attempt: Attempt,
    /// NTSTATUS that goes with it.
    pub attempt_status: i32,
    /// Why no fast-I/O routine was called.
    pub skip: Skip,
    /// How an IRP carries the bytes.
    pub carrier: Carrier,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// When, in the units of [`Begun::at`].
    pub at: u64,
    /// The final NTSTATUS.
    pub status: i32,
    /// Bytes written.
    pub information: u64,
    /// How the write came to its end.
    pub completion: Completion,
    /// What a cancel did to it.
    pub cancel: Cancel,
}

/// A [`Record`] whose values make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedRecord {
    /// The number of the record.
    pub sequence: u64,
    /// The number of the write.
    pub operation: u64,
    /// The number of the device.
    pub device: u32,
    /// Where.
    pub offset: i64,
    /// How many bytes.
    pub length: u32,
    /// The process that asked for it.
    pub process: u32,
    /// The mode of the requestor.
    pub mode: Mode,
    /// What was decided, if this record says.
    pub begun: Option<Begun>,
    /// How it ended, if this record says.
    pub over: Option<Over>,
}

impl Record {
    /// Checks every field; `None`: one makes no sense.
    pub fn check(&self) -> Option<CheckedRecord> {
        let (start, end) = (self.parts & parts::START != 0, self.parts & parts::END != 0);
        if self.parts & !(parts::START | parts::END) != 0 || self.parts == 0 || self.operation == 0 {
            return None;
        }
        Some(CheckedRecord {
            sequence: self.sequence,
            operation: self.operation,
            device: self.device,
            offset: self.offset,
            length: self.length,
            process: self.process,
            mode: Mode::from_u32(self.mode)?,
            begun: if start { Some(self.begun()?) } else { None },
            over: if end { Some(self.over()?) } else { None },
        })
    }

    fn begun(&self) -> Option<Begun> {
        Some(Begun {
            at: self.start,
            attempt: Attempt::from_u32(self.attempt)?,
            attempt_status: self.attempt_status,
            skip: Skip::from_u32(self.skip)?,
            carrier: Carrier::from_u32(self.carrier)?,
        })
    }

    fn over(&self) -> Option<Over> {
        Some(Over {
            at: self.end,
            status: self.status,
            information: self.information,
            completion: Completion::from_u32(self.completion)?,
            cancel: Cancel::from_u32(self.cancel)?,
        })
    }
}

const _: () = assert!(size_of::<Settings>() == 16);
const _: () = assert!(size_of::<State>() == 32);
const _: () = assert!(size_of::<Cursor>() == 16);
const _: () = assert!(size_of::<Batch>() == 24);
const _: () = assert!(size_of::<Record>() == 96);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_by_field() {
        assert_eq!(Settings::OFF.check(), Ok(None));
        assert_eq!(Settings::on(MIN_RECORDS).check(), Ok(Some(MIN_RECORDS)));
        assert_eq!(Settings::on(MAX_RECORDS).check(), Ok(Some(MAX_RECORDS)));
        let on = Settings::on(MIN_RECORDS);
        let wrong = [
            (Settings { version: 2, ..on }, TraceError::Version),
            (Settings::on(0), TraceError::Value),
            (Settings::on(MIN_RECORDS - 1), TraceError::Value),
            (Settings::on(MAX_RECORDS + 1), TraceError::Value),
            (Settings::on(u32::MAX), TraceError::Value),
            (Settings { on: 0, ..on }, TraceError::Value),
            (Settings { on: 2, ..on }, TraceError::Value),
            (Settings { reserved: 1, ..on }, TraceError::Value),
        ];
        for (settings, error) in wrong {
            assert_eq!(settings.check(), Err(error), "{settings:?}");
        }
    }

    #[test]
    fn a_cursor_is_checked_by_field() {
        assert_eq!(Cursor::at(u64::MAX).check(), Ok(u64::MAX));
        let cursor = Cursor::at(1);
        assert_eq!(Cursor { version: 0, ..cursor }.check(), Err(TraceError::Version));
        assert_eq!(
            Cursor {
                reserved: 1,
                ..cursor
            }
            .check(),
            Err(TraceError::Value)
        );
    }

    #[test]
    fn an_answer_has_the_length_that_it_says() {
        let head = Batch {
            next: 9,
            count: 2,
            ..Batch::default()
        };
        let good = Record {
            operation: 1,
            parts: parts::END,
            ..Record::default()
        };
        let answer = [head.as_bytes(), good.as_bytes(), Record::default().as_bytes()].concat();
        let (seen, records) = parse(&answer).unwrap();
        let records: std::vec::Vec<_> = records.map(|record| record.is_some()).collect();
        assert_eq!((seen, records), (head, std::vec![true, false]));
        for length in 0..answer.len() {
            assert!(parse(&answer[..length]).is_none(), "{length}");
        }
        let empty = Batch::default();
        assert!(parse(empty.as_bytes()).is_some());
        let wrong = Batch { reserved: 1, ..empty };
        assert!(parse(wrong.as_bytes()).is_none());
    }

    #[test]
    fn a_record_is_checked_by_field() {
        let start = Record {
            operation: 1,
            parts: parts::START,
            attempt: Attempt::Declined as u32,
            ..Record::default()
        };
        let end = Record {
            parts: parts::END,
            attempt: 0,
            ..start
        };
        let seen = start.check().map(|record| (record.begun.is_some(), record.over));
        assert_eq!(seen, Some((true, None)));
        let seen = end.check().map(|record| (record.begun, record.over.is_some()));
        assert_eq!(seen, Some((None, true)));
        let wrong = [
            Record {
                operation: 0,
                ..start
            },
            Record { parts: 0, ..start },
            Record { parts: 4, ..start },
            Record { attempt: 0, ..start },
            Record { skip: 14, ..start },
            Record { carrier: 6, ..start },
            Record { mode: 2, ..start },
            Record { completion: 4, ..end },
            Record { cancel: 4, ..end },
        ];
        for record in wrong {
            assert_eq!(record.check(), None, "{record:?}");
        }
    }
}
