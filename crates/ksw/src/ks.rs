//! One write to a file object through the filter's control device, and what was decided for it.

use std::fmt;

use kswrite_wire::file_write::CheckedReport;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::table::{Align, Table};

/// The result of `ksw ks`. Words are those of the wire protocol; NTSTATUS values are numbers in JSON, and in
/// hexadecimal in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KsReport {
    /// The device or file that was written to.
    pub device: String,
    /// Bytes that were to be written.
    pub length: u64,
    /// What the routine returned.
    pub returned: i32,
    /// The final NTSTATUS.
    pub final_status: i32,
    /// NTSTATUS in the status block; `None` if it was left alone.
    pub block_status: Option<i32>,
    /// Bytes in the status block; `None` if it was left alone.
    pub information: Option<u64>,
    /// What came of fast I/O.
    pub attempt: String,
    /// NTSTATUS that goes with it, if it is not success.
    pub attempt_status: Option<i32>,
    /// Why no fast-I/O routine was called.
    pub skip: Option<String>,
    /// How an IRP carried the bytes; `None` without an IRP.
    pub carrier: Option<String>,
    /// How the write came to its end; `None` if nothing was sent.
    pub completion: Option<String>,
    /// What a cancel did to it; `None` if nobody asked.
    pub cancel: Option<String>,
    /// Whether the event of the caller was signalled at the end; `None` without one.
    pub event_set: Option<bool>,
}

/// A word of the wire protocol; its dash says that there is nothing to say.
fn word(word: &str) -> Option<String> {
    (word != "-").then(|| word.to_owned())
}

impl KsReport {
    /// Of what the driver reported.
    pub fn new(device: String, length: u64, report: &CheckedReport, event_set: Option<bool>) -> Self {
        Self {
            device,
            length,
            returned: report.returned,
            final_status: report.final_status,
            block_status: report.block.map(|(status, _)| status),
            information: report.block.map(|(_, bytes)| bytes),
            attempt: report.attempt.word().to_owned(),
            attempt_status: Some(report.attempt_status).filter(|status| *status != 0),
            skip: word(report.skip.word()),
            carrier: word(report.carrier.word()),
            completion: word(report.completion.word()),
            cancel: word(report.cancel.word()),
            event_set,
        }
    }

    /// Whether the write succeeded: not an error, by the severity of its status.
    pub const fn exit(&self) -> Exit {
        if self.final_status.cast_unsigned() >> 30 == 3 {
            Exit::Io
        } else {
            Exit::Success
        }
    }
}

fn status(value: i32) -> String {
    format!("0x{value:08X}")
}

impl fmt::Display for KsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mut table = Table::new([("write", Align::Left), ("value", Align::Left)]);
        table.row(["device", &self.device]);
        table.row(["length", &self.length.to_string()]);
        table.row(["returned", &status(self.returned)]);
        table.row(["final status", &status(self.final_status)]);
        table.row(["status block", &or_dash(self.block_status.map(status))]);
        table.row([
            "information",
            &or_dash(self.information.map(|bytes| bytes.to_string())),
        ]);
        table.row(["fast I/O", &self.attempt]);
        table.row(["fast status", &or_dash(self.attempt_status.map(status))]);
        table.row(["skipped for", &or_dash(self.skip.clone())]);
        table.row(["carried by", &or_dash(self.carrier.clone())]);
        table.row(["completion", &or_dash(self.completion.clone())]);
        table.row(["cancel", &or_dash(self.cancel.clone())]);
        let event = self
            .event_set
            .map(|set| if set { "signalled" } else { "clear" }.to_owned());
        table.row(["event", &or_dash(event)]);
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kswrite_wire::file_write::{Attempt, Cancel, Carrier, Completion, Skip};

    const PENDED: CheckedReport = CheckedReport {
        returned: 0x103,
        final_status: 0,
        block: Some((0, 512)),
        attempt: Attempt::Declined,
        attempt_status: 0,
        skip: Skip::None,
        carrier: Carrier::Mdl,
        completion: Completion::Pended,
        cancel: Cancel::NotAsked,
    };

    #[test]
    fn what_did_not_happen_is_absent() {
        let report = KsReport::new("d".to_owned(), 512, &PENDED, None);
        assert_eq!(
            (report.skip.as_deref(), report.carrier.as_deref()),
            (None, Some("mdl"))
        );
        assert_eq!((report.information, report.event_set), (Some(512), None));
        assert_eq!(report.exit(), Exit::Success);
        let text = report.to_string();
        assert!(text.contains("returned      0x00000103"), "{text}");
    }

    #[test]
    fn an_error_is_the_exit_code() {
        let failed = CheckedReport {
            final_status: 0xC000_0005_u32.cast_signed(),
            block: None,
            ..PENDED
        };
        let report = KsReport::new("d".to_owned(), 512, &failed, Some(false));
        assert_eq!(report.exit(), Exit::Io);
        assert!(report.to_string().contains("0xC0000005"));
    }
}
