//! The filter's records of writes, one line for each write.

use std::collections::BTreeMap;
use std::fmt;

use kswrite_core::NtStatus;
use kswrite_wire::file_write::{Attempt, Cancel, Carrier, Completion, Mode, Skip};
use kswrite_wire::filter::DeviceSelector;
use kswrite_wire::trace::{Begun, CheckedRecord, Over};
use serde::{Deserialize, Serialize};

use crate::table::duration;

/// Nanoseconds in a unit of the records' clock.
const NS_PER_UNIT: u64 = 100;
/// Writes whose end is waited for. Ends may be lost, so there must be a bound.
const MOST_OPEN: usize = 65_536;

/// One write. What did not happen, or is not known because its record was lost, is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLine {
    /// The number of the write.
    pub operation: u64,
    /// The number of the filtered device; `None`: a write to a file object.
    pub device: Option<u32>,
    /// The process that asked for it; `None`: the system, or not known.
    pub process: Option<u32>,
    /// The mode of the requestor.
    pub mode: String,
    /// Where; -1 is the end of the file, -2 the position of the file object.
    pub offset: i64,
    /// Bytes to write.
    pub length: u32,
    /// What came of fast I/O.
    pub fast: Option<String>,
    /// Why no fast-I/O routine was called.
    pub why: Option<String>,
    /// NTSTATUS of the fast-I/O routine, if it was called and did not say success.
    pub fast_status: Option<i32>,
    /// How an IRP carried the bytes.
    pub carrier: Option<String>,
    /// How the write came to its end: fast, inline or pended.
    pub completion: Option<String>,
    /// What a cancel did to it.
    pub cancel: Option<String>,
    /// The final NTSTATUS; `None`: the write is outstanding.
    pub status: Option<i32>,
    /// Its name, if this program knows it.
    pub status_name: Option<String>,
    /// Bytes written.
    pub bytes: Option<u64>,
    /// When it came, on a clock that is the driver's.
    pub start_ns: Option<u64>,
    /// How long it took, or has been taking if it is outstanding.
    pub duration_ns: Option<u64>,
}

/// A word of the wire protocol; its dash says that there is nothing to say.
fn word(word: &str) -> Option<String> {
    (word != "-").then(|| word.to_owned())
}

impl TraceLine {
    fn new(record: &CheckedRecord, begun: Option<Begun>, over: Option<Over>, process: u32) -> Self {
        let mut line = Self {
            operation: record.operation,
            device: Some(record.device).filter(|device| *device != DeviceSelector::FILE_OBJECTS),
            process: Some(process).filter(|process| *process != 0),
            mode: Mode::word(record.mode).to_owned(),
            offset: record.offset,
            length: record.length,
            fast: None,
            why: None,
            fast_status: None,
            carrier: None,
            completion: None,
            cancel: None,
            status: None,
            status_name: None,
            bytes: None,
            start_ns: None,
            duration_ns: None,
        };
        if let Some(begun) = begun {
            line.fast = word(Attempt::word(begun.attempt));
            line.why = word(Skip::word(begun.skip));
            line.fast_status = Some(begun.attempt_status).filter(|status| *status != 0);
            line.carrier = word(Carrier::word(begun.carrier));
            line.start_ns = Some(begun.at.saturating_mul(NS_PER_UNIT));
        }
        if let Some(over) = over {
            line.completion = word(Completion::word(over.completion));
            line.cancel = word(Cancel::word(over.cancel));
            line.status = Some(over.status);
            line.status_name = NtStatus(over.status).name().map(|name| format!("STATUS_{name}"));
            line.bytes = Some(over.information);
            line.until(over.at);
        }
        line
    }

    fn until(&mut self, now: u64) {
        let now = now.saturating_mul(NS_PER_UNIT);
        self.duration_ns = self.start_ns.map(|start| now.saturating_sub(start));
    }

    /// The heads of the columns that [`Display`](fmt::Display) prints.
    pub fn head() -> String {
        columns(&[
            "operation",
            "device",
            "process",
            "offset",
            "length",
            "fast I/O",
            "why",
            "by",
            "end",
            "cancel",
            "status",
            "bytes",
            "time",
        ])
    }
}

/// One line, in columns that are wide enough for what is usual: lines come one by one.
fn columns(cells: &[&str; 13]) -> String {
    let [
        operation,
        device,
        process,
        offset,
        length,
        fast,
        why,
        by,
        end,
        cancel,
        status,
        bytes,
        time,
    ] = cells;
    let text = format!(
        "{operation:>9}  {device:<6}  {process:>7}  {offset:>14}  {length:>9}  {fast:<11}  {why:<13}  {by:<22}  \
         {end:<11}  {cancel:<11}  {status:<36}  {bytes:>9}  {time}"
    );
    text.trim_end().to_owned()
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn or_dash<T: ToString>(value: Option<T>) -> String {
            value.map_or_else(|| "-".to_owned(), |value| value.to_string())
        }
        let device = self
            .device
            .map_or_else(|| "file".to_owned(), |device| device.to_string());
        let why = self.why.clone();
        let why = why.or_else(|| self.fast_status.map(|status| format!("0x{status:08X}")));
        let end = match (&self.completion, self.status) {
            (Some(completion), _) => completion,
            (None, Some(_)) => "not sent",
            (None, None) => "outstanding",
        };
        f.write_str(&columns(&[
            &self.operation.to_string(),
            &device,
            &or_dash(self.process),
            &self.offset.to_string(),
            &self.length.to_string(),
            &or_dash(self.fast.as_ref()),
            &or_dash(why),
            &or_dash(self.carrier.as_ref()),
            end,
            &or_dash(self.cancel.as_ref()),
            &or_dash(self.status.map(NtStatus)),
            &or_dash(self.bytes),
            &or_dash(self.duration_ns.map(duration)),
        ]))
    }
}

/// Puts the start of a write and its end together.
#[derive(Debug, Default)]
pub struct Joiner {
    /// Writes whose end has not come, by their numbers.
    open: BTreeMap<u64, CheckedRecord>,
}

impl Joiner {
    /// Takes the next record, and gives the line of a write that is over, or of the oldest one whose end seems lost.
    pub fn add(&mut self, record: CheckedRecord) -> Option<TraceLine> {
        let Some(over) = record.over else {
            self.open.insert(record.operation, record);
            if self.open.len() <= MOST_OPEN {
                return None;
            }
            let (_, oldest) = self.open.pop_first()?;
            return Some(TraceLine::new(&oldest, oldest.begun, None, oldest.process));
        };
        let start = self.open.remove(&record.operation);
        let begun = record.begun.or(start.and_then(|start| start.begun));
        let process = start.map_or(record.process, |start| start.process);
        Some(TraceLine::new(&record, begun, Some(over), process))
    }

    /// Writes that are not over at the time `now` of the records' clock, the oldest first.
    pub fn outstanding(&self, now: u64) -> impl Iterator<Item = TraceLine> {
        self.open.values().map(move |record| {
            let mut line = TraceLine::new(record, record.begun, None, record.process);
            line.until(now);
            line
        })
    }
}

/// Records that were overwritten before they could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many.
    pub lost: u64,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records were overwritten before they were read", self.lost)
    }
}

/// Whose writes to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All.
    Any,
    /// Those of the device with this number, or of file objects.
    Device(u32),
}

impl Whose {
    /// Whether a write is one of them.
    pub fn includes(self, record: &CheckedRecord) -> bool {
        match self {
            Self::Any => true,
            Self::Device(number) => record.device == number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: CheckedRecord = CheckedRecord {
        sequence: 0,
        operation: 7,
        device: 1,
        offset: 4096,
        length: 512,
        process: 44,
        mode: Mode::User,
        begun: Some(Begun {
            at: 1_000,
            attempt: Attempt::Declined,
            attempt_status: 0,
            skip: Skip::None,
            carrier: Carrier::Mdl,
        }),
        over: None,
    };

    const END: CheckedRecord = CheckedRecord {
        sequence: 1,
        process: 0,
        begun: None,
        over: Some(Over {
            at: 5_000,
            status: 0,
            information: 512,
            completion: Completion::Pended,
            cancel: Cancel::NotAsked,
        }),
        ..START
    };

    #[test]
    fn two_records_are_one_line() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.add(START), None);
        let waiting: Vec<_> = joiner.outstanding(2_000).collect();
        assert_eq!((waiting[0].status, waiting[0].duration_ns), (None, Some(100_000)));
        assert!(waiting[0].to_string().contains("outstanding"));
        let line = joiner.add(END).unwrap();
        assert_eq!(
            (line.operation, line.device, line.process),
            (7, Some(1), Some(44))
        );
        assert_eq!(
            (line.fast.as_deref(), line.why.as_deref()),
            (Some("declined"), None)
        );
        assert_eq!(
            (line.carrier.as_deref(), line.completion.as_deref()),
            (Some("mdl"), Some("pended"))
        );
        assert_eq!((line.bytes, line.duration_ns), (Some(512), Some(400_000)));
        assert_eq!(line.status_name.as_deref(), Some("STATUS_SUCCESS"));
        assert_eq!(joiner.outstanding(0).count(), 0);
    }

    #[test]
    fn an_end_without_its_start_says_what_it_knows() {
        let line = Joiner::default().add(END).unwrap();
        assert_eq!((line.fast, line.start_ns, line.duration_ns), (None, None, None));
        assert_eq!((line.status, line.process), (Some(0), None));
    }

    #[test]
    fn a_line_has_its_columns_under_their_heads() {
        let mut joiner = Joiner::default();
        let failed = CheckedRecord {
            begun: START.begun.map(|begun| Begun {
                attempt: Attempt::Skipped,
                skip: Skip::Policy,
                carrier: Carrier::None,
                ..begun
            }),
            over: END.over.map(|over| Over {
                status: 0xC000_0005_u32.cast_signed(),
                information: 0,
                completion: Completion::None,
                ..over
            }),
            device: DeviceSelector::FILE_OBJECTS,
            ..START
        };
        let (heads, text) = (TraceLine::head(), joiner.add(failed).unwrap().to_string());
        for (head, value) in [
            ("device", "file"),
            ("fast I/O", "skipped"),
            ("why", "policy"),
            ("by", "-"),
            ("end", "not sent"),
            ("status", "STATUS_ACCESS_VIOLATION (0xC0000005)"),
            ("time", "400 us"),
        ] {
            let column = heads.find(&format!("  {head}")).unwrap() + 2;
            assert!(text[column..].starts_with(value), "{head}: {text}");
        }
        for (head, value) in [
            ("process", "44"),
            ("offset", "4096"),
            ("length", "512"),
            ("bytes", "0"),
        ] {
            let end = heads.find(head).unwrap() + head.len();
            assert!(text[..end].ends_with(value), "{head}: {text}");
        }
    }

    #[test]
    fn starts_whose_ends_were_lost_do_not_pile_up() {
        let mut joiner = Joiner::default();
        for operation in 1..=MOST_OPEN as u64 {
            assert_eq!(joiner.add(CheckedRecord { operation, ..START }), None);
        }
        let line = joiner
            .add(CheckedRecord {
                operation: u64::MAX,
                ..START
            })
            .unwrap();
        assert_eq!((line.operation, line.status), (1, None));
        assert_eq!(joiner.outstanding(0).count(), MOST_OPEN);
    }

    #[test]
    fn a_device_has_its_own_writes() {
        assert!(Whose::Any.includes(&START));
        assert!(Whose::Device(1).includes(&START));
        assert!(!Whose::Device(0).includes(&START));
    }
}
