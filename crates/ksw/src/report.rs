//! What a write run found. Text and JSON print the same structure, so they cannot disagree.

use std::fmt;

use kswrite_client::Win32Error;
use kswrite_wire::filter::Statistics;
use kswrite_wire::sink::State;
use serde::{Deserialize, Serialize};

use crate::digest::{Digests, Verdict};
use crate::exit::Exit;
use crate::measure::{AchievedDepth, Latency};
use crate::plan::WritePlan;
use crate::size::ByteSize;
use crate::table::{Align, Table, duration, grouped};

/// The result of `ksw write`; with `--json`, this is the one object on standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriteReport {
    /// What was asked for.
    pub plan: WritePlan,
    /// Length of the file when the run began.
    pub file_bytes: u64,
    /// Writes issued.
    pub writes: u64,
    /// Bytes that the device took.
    pub bytes: u64,
    /// Writes that failed.
    pub failed: u64,
    /// Writes that succeeded with fewer bytes than asked for.
    pub short: u64,
    /// The first write that failed.
    pub first_failure: Option<WriteFailure>,
    /// From just before the first write until the last completion. Opening and verifying are not in it.
    pub elapsed_ns: u64,
    /// `bytes` per second of `elapsed_ns`, in MiB.
    pub mib_per_second: f64,
    /// `writes` per second of `elapsed_ns`.
    pub writes_per_second: f64,
    /// From just before the call until the completion was seen. `None`: no write.
    pub latency: Option<Latency>,
    /// The call alone. `None`: no write.
    pub submission: Option<Latency>,
    /// Writes that were complete, well or not, when the call returned. For the APC engine this is whether
    /// the status block was final right after the call, for WriteFileEx itself does not tell.
    pub immediate: u64,
    /// Writes that completed later.
    pub pending: u64,
    /// Writes that were cancelled because the run was stopped; what became of them was not waited for.
    #[serde(default)]
    pub abandoned: u64,
    /// Whether the run was stopped before the end of the file.
    #[serde(default)]
    pub stopped: bool,
    /// Writes outstanding.
    pub depth: AchievedDepth,
    /// What the filter counted during the run, over all devices that it filters. `None`: no filter answers.
    pub filter: Option<FilterCounters>,
    /// What the sink says of this handle. `None`: the device is no sink, or the handle cannot be read.
    pub sink: Option<SinkState>,
    /// The comparison. `None`: not asked for.
    pub verification: Option<Verification>,
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteFailure {
    /// Which write, in order of issue, from 0.
    pub number: u64,
    /// Byte offset of the write.
    pub offset: u64,
    /// Bytes that it asked for.
    pub length: u32,
    /// The Win32 error code.
    pub code: u32,
    /// Its name and number, the cause and the next step.
    pub message: String,
}

impl WriteFailure {
    /// With a message that has the error's name and number, the cause and the next step.
    pub fn new(number: u64, offset: u64, length: u32, code: Win32Error) -> Self {
        Self {
            number,
            offset,
            length,
            code: code.0,
            message: format!("{code}: {}; {}", code.cause(), code.next_step()),
        }
    }
}

/// What the filter did, per path: [`Statistics`] with names in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterCounters {
    /// Filtered devices that the numbers cover.
    pub devices: u32,
    /// Writes sent down and not complete yet.
    pub in_flight: u32,
    /// Writes that reached the filter.
    pub attempted: u64,
    /// Done by fast I/O.
    pub fast: u64,
    /// Fast I/O was tried and declined.
    pub declined: u64,
    /// Fast I/O was not tried.
    pub skipped: u64,
    /// Fast I/O raised an exception.
    pub faulted: u64,
    /// Sent as an IRP.
    pub irp: u64,
    /// The IRP completed before the device below returned.
    pub inline: u64,
    /// The device below returned `STATUS_PENDING`.
    pub pended: u64,
    /// Completed with `STATUS_CANCELLED`.
    pub cancelled: u64,
    /// Completed with another error.
    pub failed: u64,
    /// Failed before anything was sent.
    pub rejected: u64,
    /// Bytes written by fast I/O.
    pub fast_bytes: u64,
    /// Bytes written by IRPs.
    pub irp_bytes: u64,
    /// Calls that came in through the filter's own FastIoWrite.
    pub forwarded_fast: u64,
    /// Writes that went down untouched, by policy.
    pub bypassed: u64,
}

impl From<Statistics> for FilterCounters {
    fn from(s: Statistics) -> Self {
        Self {
            devices: s.devices,
            in_flight: s.in_flight,
            attempted: s.attempted,
            fast: s.fast,
            declined: s.declined,
            skipped: s.skipped,
            faulted: s.faulted,
            irp: s.irp,
            inline: s.inline,
            pended: s.pended,
            cancelled: s.cancelled,
            failed: s.failed,
            rejected: s.rejected,
            fast_bytes: s.fast_bytes,
            irp_bytes: s.irp_bytes,
            forwarded_fast: s.forwarded_fast,
            bypassed: s.bypassed,
        }
    }
}

impl FilterCounters {
    /// What was counted since `before`. `devices` and `in_flight` are what is there now. Counters that
    /// were reset in between count as zero, never as a huge number.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            devices: self.devices,
            in_flight: self.in_flight,
            attempted: self.attempted.saturating_sub(before.attempted),
            fast: self.fast.saturating_sub(before.fast),
            declined: self.declined.saturating_sub(before.declined),
            skipped: self.skipped.saturating_sub(before.skipped),
            faulted: self.faulted.saturating_sub(before.faulted),
            irp: self.irp.saturating_sub(before.irp),
            inline: self.inline.saturating_sub(before.inline),
            pended: self.pended.saturating_sub(before.pended),
            cancelled: self.cancelled.saturating_sub(before.cancelled),
            failed: self.failed.saturating_sub(before.failed),
            rejected: self.rejected.saturating_sub(before.rejected),
            fast_bytes: self.fast_bytes.saturating_sub(before.fast_bytes),
            irp_bytes: self.irp_bytes.saturating_sub(before.irp_bytes),
            forwarded_fast: self.forwarded_fast.saturating_sub(before.forwarded_fast),
            bypassed: self.bypassed.saturating_sub(before.bypassed),
        }
    }

    /// What was counted in both. `devices` and `in_flight` are those of `other`, the later one.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            devices: other.devices,
            in_flight: other.in_flight,
            attempted: self.attempted.saturating_add(other.attempted),
            fast: self.fast.saturating_add(other.fast),
            declined: self.declined.saturating_add(other.declined),
            skipped: self.skipped.saturating_add(other.skipped),
            faulted: self.faulted.saturating_add(other.faulted),
            irp: self.irp.saturating_add(other.irp),
            inline: self.inline.saturating_add(other.inline),
            pended: self.pended.saturating_add(other.pended),
            cancelled: self.cancelled.saturating_add(other.cancelled),
            failed: self.failed.saturating_add(other.failed),
            rejected: self.rejected.saturating_add(other.rejected),
            fast_bytes: self.fast_bytes.saturating_add(other.fast_bytes),
            irp_bytes: self.irp_bytes.saturating_add(other.irp_bytes),
            forwarded_fast: self.forwarded_fast.saturating_add(other.forwarded_fast),
            bypassed: self.bypassed.saturating_add(other.bypassed),
        }
    }

    /// Which ways the writes took: `fast`, `irp`, `fast+irp`, `bypass`; `forwarded` when the filter was called by fast I/O
    /// itself, or `none` when nothing passed the filter.
    pub const fn path(&self) -> &'static str {
        match (self.fast > 0, self.irp > 0) {
            (true, true) => "fast+irp",
            (true, false) => "fast",
            (false, true) => "irp",
            (false, false) if self.bypassed > 0 => "bypass",
            (false, false) if self.forwarded_fast > 0 => "forwarded",
            (false, false) => "none",
        }
    }

    /// Every counter with its name, in the order of the structure.
    pub fn rows(&self) -> [(&'static str, u64); 17] {
        [
            ("devices", u64::from(self.devices)),
            ("in flight", u64::from(self.in_flight)),
            ("attempted", self.attempted),
            ("fast", self.fast),
            ("declined", self.declined),
            ("skipped", self.skipped),
            ("faulted", self.faulted),
            ("irp", self.irp),
            ("inline", self.inline),
            ("pended", self.pended),
            ("cancelled", self.cancelled),
            ("failed", self.failed),
            ("rejected", self.rejected),
            ("fast bytes", self.fast_bytes),
            ("irp bytes", self.irp_bytes),
            ("forwarded fast", self.forwarded_fast),
            ("bypassed", self.bypassed),
        ]
    }
}

/// What a sink says of one handle: [`State`] with names in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkState {
    /// Counts and digests of what was accepted.
    pub digests: Digests,
    /// Of the writes, those that came by FastIoWrite.
    pub fast_writes: u64,
    /// Writes that a script failed.
    pub failed: u64,
    /// Writes cancelled while pended or held.
    pub cancelled: u64,
    /// One past the highest byte offset written.
    pub high_water: u64,
    /// Offset of the first byte that ReadFile still sees.
    pub window_base: u64,
    /// Writes accepted and not complete yet.
    pub outstanding: u32,
}

impl From<&State> for SinkState {
    fn from(state: &State) -> Self {
        Self {
            digests: Digests::from(state),
            fast_writes: state.fast_writes,
            failed: state.failed,
            cancelled: state.cancelled,
            high_water: state.high_water,
            window_base: state.window_base,
            outstanding: state.outstanding,
        }
    }
}

impl SinkState {
    /// Every figure with its name.
    pub fn rows(&self) -> [(&'static str, String); 11] {
        [
            ("writes", grouped(self.digests.writes)),
            ("bytes", grouped(self.digests.bytes)),
            ("fast writes", grouped(self.fast_writes)),
            ("failed", grouped(self.failed)),
            ("cancelled", grouped(self.cancelled)),
            ("outstanding", grouped(u64::from(self.outstanding))),
            ("high water", grouped(self.high_water)),
            ("window base", grouped(self.window_base)),
            ("crc32c", self.digests.crc32c.clone()),
            ("placement", self.digests.placement.clone()),
            ("sha256", self.digests.sha256.clone()),
        ]
    }
}

/// Where the other side of a comparison came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerifiedBy {
    /// The digests that the sink kept.
    SinkState,
    /// The device was read back: it is a plain file.
    ReadBack,
}

/// A comparison of what was sent with what arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Where `found` came from.
    pub by: VerifiedBy,
    /// Over the writes that the device said it took.
    pub expected: Digests,
    /// What arrived.
    pub found: Digests,
    /// The comparison of the two.
    pub verdict: Verdict,
    /// Whether the bytes that ReadFile sees are those of the file. `None`: the device has no window, the face
    /// puts headers between the bytes, or a write failed or fell short, so that the file does not say what the
    /// window holds.
    pub window: Option<bool>,
    /// The messages of a channel, put together again from what ReadFile sees. `None`: the face is no channel, or the
    /// sink's window does not hold all that was written.
    #[serde(default)]
    pub messages: Option<Messages>,
}

/// A comparison of messages, without the headers that they were sent with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Over the messages that the channel took.
    pub expected: Digests,
    /// Over those that arrived.
    pub found: Digests,
    /// The comparison of the two.
    pub verdict: Verdict,
}

impl Verification {
    /// Whether everything that was compared agrees.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Agree && self.window != Some(false) && !self.messages_differ()
    }

    fn messages_differ(&self) -> bool {
        let messages = self.messages.as_ref();
        messages.is_some_and(|messages| messages.verdict != Verdict::Agree)
    }

    /// The word for tables: the verdict, or what alone disagrees: `window`, `messages`.
    pub fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Agree if self.window == Some(false) => "window",
            Verdict::Agree if self.messages_differ() => "messages",
            verdict => verdict.word(),
        }
    }
}

impl WriteReport {
    /// The exit code that this result deserves. A wrong digest outranks a failed write.
    pub fn exit(&self) -> Exit {
        if self
            .verification
            .as_ref()
            .is_some_and(|verification| !verification.passed())
        {
            Exit::Verification
        } else if self.failed > 0 || self.short > 0 || self.abandoned > 0 {
            Exit::Io
        } else {
            Exit::Success
        }
    }

    fn issued_text(&self) -> String {
        let stopped = if self.stopped {
            format!(", {} cancelled: stopped before the end", self.abandoned)
        } else {
            String::new()
        };
        format!(
            "{} issued, {} failed, {} short{stopped}",
            grouped(self.writes),
            self.failed,
            self.short
        )
    }

    fn filter_text(&self) -> String {
        let Some(filter) = &self.filter else {
            return "not there".to_owned();
        };
        let shown = filter.rows().into_iter().skip(2).filter(|(_, value)| *value > 0);
        let counts: Vec<String> = shown
            .map(|(name, value)| format!("{name} {}", grouped(value)))
            .collect();
        if counts.is_empty() {
            "saw no write".to_owned()
        } else {
            counts.join(", ")
        }
    }

    fn sink_text(&self) -> String {
        self.sink.as_ref().map_or_else(
            || "not asked".to_owned(),
            |sink| {
                format!(
                    "writes {}, fast {}, bytes {}, failed {}, cancelled {}, outstanding {}",
                    grouped(sink.digests.writes),
                    grouped(sink.fast_writes),
                    grouped(sink.digests.bytes),
                    grouped(sink.failed),
                    grouped(sink.cancelled),
                    sink.outstanding
                )
            },
        )
    }

    fn digest_text(&self) -> String {
        let Some(verification) = &self.verification else {
            return "not asked".to_owned();
        };
        let Verification {
            expected,
            found,
            messages,
            ..
        } = verification;
        let word = verification.word();
        match messages {
            _ if !verification.passed() => {
                let (expected, found) = match messages {
                    Some(messages) if word == "messages" => (&messages.expected, &messages.found),
                    _ => (expected, found),
                };
                format!(
                    "{}\n  expected {}\n  found    {}",
                    word.to_uppercase(),
                    digests_text(expected),
                    digests_text(found)
                )
            }
            Some(Messages { found, .. }) => format!(
                "agree, sha256 {} of {} messages without their headers",
                found.sha256,
                grouped(found.writes)
            ),
            None if self.plan.face.is_channel() => format!(
                "agree, sha256 {} with headers; the sink's window has only the end of it, so no message was decoded",
                found.sha256
            ),
            None => format!("agree, sha256 {}", found.sha256),
        }
    }
}

fn digests_text(digests: &Digests) -> String {
    format!(
        "writes {} bytes {} placement {} crc32c {} sha256 {}",
        digests.writes, digests.bytes, digests.placement, digests.crc32c, digests.sha256
    )
}

fn latency_text(latency: Option<&Latency>) -> String {
    latency.map_or_else(
        || "no write".to_owned(),
        |l| {
            format!(
                "p50 {}, p90 {}, p99 {}, max {}",
                duration(l.p50_ns),
                duration(l.p90_ns),
                duration(l.p99_ns),
                duration(l.max_ns)
            )
        },
    )
}

impl fmt::Display for WriteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        table.row(["device".to_owned(), plan.device.clone()]);
        table.row([
            "file".to_owned(),
            format!("{}, {} bytes", plan.file.display(), grouped(self.file_bytes)),
        ]);
        table.row(["face".to_owned(), format!("{}: {}", plan.face, plan.face.call())]);
        let block = ByteSize(u64::from(plan.block_bytes));
        table.row([
            "plan".to_owned(),
            format!("{}, block {block}, depth {}", plan.engine, plan.depth),
        ]);
        if let Some(script) = &plan.script {
            table.row(["script".to_owned(), script.to_string()]);
        }
        table.row(["writes".to_owned(), self.issued_text()]);
        table.row(["bytes".to_owned(), grouped(self.bytes)]);
        table.row(["time".to_owned(), duration(self.elapsed_ns)]);
        let rate = format!(
            "{:.1} MiB/s, {:.0} writes/s",
            self.mib_per_second, self.writes_per_second
        );
        table.row(["throughput".to_owned(), rate]);
        table.row(["latency".to_owned(), latency_text(self.latency.as_ref())]);
        table.row(["submission".to_owned(), latency_text(self.submission.as_ref())]);
        let completions = format!(
            "{} immediate, {} pending",
            grouped(self.immediate),
            grouped(self.pending)
        );
        table.row(["completions".to_owned(), completions]);
        let AchievedDepth { asked, mean, max } = self.depth;
        table.row([
            "queue depth".to_owned(),
            format!("asked {asked}, mean {mean:.2}, max {max}"),
        ]);
        table.row(["filter".to_owned(), self.filter_text()]);
        table.row(["sink".to_owned(), self.sink_text()]);
        table.row(["digest".to_owned(), self.digest_text()]);
        if let Some(failure) = &self.first_failure {
            let WriteFailure {
                offset,
                length,
                message,
                ..
            } = failure;
            table.row([
                "first failure".to_owned(),
                format!("{length} bytes at offset {offset}: {message}"),
            ]);
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digester;
    use crate::face::Face;
    use crate::plan::{Access, Engine};

    fn report() -> WriteReport {
        let mut sent = Digester::new();
        sent.write(0, b"abc");
        let digests = sent.finish();
        WriteReport {
            plan: WritePlan {
                device: r"\\.\KsSinkDirect".to_owned(),
                file: "in.bin".into(),
                face: Face::File,
                block_bytes: 65536,
                depth: 32,
                engine: Engine::Iocp,
                access: Access::ReadWrite,
                verify: true,
                script: Some("completion=pended".parse().unwrap()),
            },
            file_bytes: 3,
            writes: 1,
            bytes: 3,
            failed: 0,
            short: 0,
            first_failure: None,
            elapsed_ns: 1_500_000,
            mib_per_second: 2.0,
            writes_per_second: 666.0,
            latency: Some(Latency {
                p50_ns: 1,
                p90_ns: 2,
                p99_ns: 3,
                max_ns: 4,
            }),
            submission: None,
            immediate: 0,
            pending: 1,
            abandoned: 0,
            stopped: false,
            depth: AchievedDepth {
                asked: 32,
                mean: 1.0,
                max: 1,
            },
            filter: Some(FilterCounters {
                devices: 3,
                irp: 1,
                attempted: 1,
                ..FilterCounters::default()
            }),
            sink: Some(SinkState::from(&State::default())),
            verification: Some(Verification {
                by: VerifiedBy::SinkState,
                expected: digests.clone(),
                found: digests,
                verdict: Verdict::Agree,
                window: Some(true),
                messages: None,
            }),
        }
    }

    #[test]
    fn json_is_read_back_unchanged() {
        let report = report();
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<WriteReport>(&json).unwrap(), report);
        assert!(
            json.contains(r#""engine":"iocp""#) && json.contains(r#""verdict":"agree""#),
            "{json}"
        );
    }

    #[test]
    fn absent_parts_are_null_in_json_and_words_in_text() {
        let report = WriteReport {
            filter: None,
            sink: None,
            verification: None,
            latency: None,
            ..report()
        };
        let json = serde_json::to_value(&report).unwrap();
        for key in ["filter", "sink", "verification", "latency"] {
            assert!(json[key].is_null(), "{key}");
        }
        let text = report.to_string();
        assert!(text.contains("filter       not there"), "{text}");
        assert!(text.contains("digest       not asked"), "{text}");
    }

    #[test]
    fn only_a_clean_run_exits_with_zero() {
        assert_eq!(report().exit(), Exit::Success);
        assert_eq!(
            WriteReport {
                failed: 1,
                ..report()
            }
            .exit(),
            Exit::Io
        );
        assert_eq!(WriteReport { short: 1, ..report() }.exit(), Exit::Io);
        for (verdict, window) in [
            (Verdict::Differ, None),
            (Verdict::Reordered, Some(true)),
            (Verdict::Agree, Some(false)),
        ] {
            let mut wrong = WriteReport {
                failed: 1,
                ..report()
            };
            let verification = wrong.verification.as_mut().unwrap();
            (verification.verdict, verification.window) = (verdict, window);
            assert_eq!(wrong.exit(), Exit::Verification, "{verdict:?} {window:?}");
            assert!(wrong.to_string().contains("expected writes 1 bytes 3"), "{wrong}");
        }
    }

    #[test]
    fn a_channel_is_compared_with_and_without_headers() {
        let channel = |verdict| {
            let mut report = report();
            report.plan.face = Face::Wts;
            let verification = report.verification.as_mut().unwrap();
            verification.messages = Some(Messages {
                expected: verification.expected.clone(),
                found: Digester::new().finish(),
                verdict,
            });
            report
        };
        let good = channel(Verdict::Agree);
        assert_eq!(good.exit(), Exit::Success);
        let text = good.to_string();
        assert!(
            text.contains("face         wts: WTSVirtualChannelWrite"),
            "{text}"
        );
        assert!(text.contains("of 0 messages without their headers"), "{text}");
        let wrong = channel(Verdict::Differ);
        assert_eq!(wrong.exit(), Exit::Verification);
        let text = wrong.to_string();
        assert!(
            text.contains("MESSAGES") && text.contains("found    writes 0 bytes 0"),
            "{text}"
        );
        let mut long = channel(Verdict::Agree);
        long.verification.as_mut().unwrap().messages = None;
        let text = long.to_string();
        assert!(
            text.contains("with headers; the sink's window has only the end"),
            "{text}"
        );
    }

    #[test]
    fn deltas_do_not_wrap() {
        let before = FilterCounters {
            irp: 10,
            fast: 5,
            ..FilterCounters::default()
        };
        let after = FilterCounters {
            devices: 3,
            irp: 12,
            fast: 1,
            ..FilterCounters::default()
        };
        let delta = after.since(&before);
        assert_eq!((delta.devices, delta.irp, delta.fast), (3, 2, 0));
        assert_eq!(delta.path(), "irp");
        let forwarded = FilterCounters {
            forwarded_fast: 1,
            ..FilterCounters::default()
        };
        assert_eq!(forwarded.path(), "forwarded");
    }
}
