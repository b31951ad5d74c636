//! A suite is worth what it finds: calls that break a rule, and the rules whose cases must see it.

mod calls;
mod faces;

use std::{collections::BTreeSet, sync::Arc};

use kswrite_conform::{
    Venue,
    model::ModelRunner,
    result::{Row, Verdict},
    suite::{self, CaseBody, Runner, Selection},
    target::Target,
};

use crate::{UNSEEN, everything, rules};
use Defect as D;
use calls::Wrong;

/// What the calls do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A handle for reading can write.
    ReadIsWrite,
    /// FILE_APPEND_DATA is any writing.
    AppendIsWrite,
    /// FILE_FLAG_OVERLAPPED is ignored.
    NeverOverlapped,
    /// FILE_FLAG_WRITE_THROUGH is ignored.
    NeverWriteThrough,
    /// FILE_FLAG_WRITE_THROUGH is assumed.
    AlwaysWriteThrough,
    /// FILE_FLAG_NO_BUFFERING is ignored.
    NeverUnbuffered,
    /// Files are not signalled.
    HandleNotSignalled,
    /// An offset is cut to 32 bits, but for the one that appends.
    OffsetOf32Bits,
    /// The low bit of hEvent is ignored.
    LowBitIgnored,
    /// The offset in the OVERLAPPED changes.
    OffsetChanges,
    /// Internal says that all is well.
    InternalIsSuccess,
    /// A file is longer than it is.
    FileGrows,
    /// The position is always 0.
    PositionStays,
    /// Time goes back.
    TimeGoesBack,
    /// Locks lock nothing.
    LocksIgnored,
    /// Volumes are not locked or dismounted.
    VolumesStayMounted,
    /// Notification modes are ignored.
    ModesIgnored,
    /// The cursor of a console does not move.
    CursorStays,
    /// Timeouts of serial ports are errors.
    TimeoutIsError,
    /// A pipe always waits.
    PipesWait,
    /// Pipes have more room than they should.
    PipesAreWide,
    /// WriteFile leaves the count alone on a failure.
    CountUntouched,
    /// WriteFile wants a count.
    CountRequired,
    /// WriteFile counts a byte too few.
    CountTooSmall,
    /// WriteFile makes an OVERLAPPED up.
    OverlappedMadeUp,
    /// WriteFile ignores the OVERLAPPED of a synchronous handle.
    OverlappedIgnored,
    /// WriteFile writes a byte where none was given.
    NothingIsAByte,
    /// WriteFile sets the last error to 0 on success.
    LastErrorCleared,
    /// WriteFile has one error for everything.
    OneError,
    /// WriteFile does not know ERROR_IO_PENDING.
    PendingIsFailure,
    /// WriteFile sets the event when it returns.
    EventSetAtOnce,
    /// WriteFile resets the event when it returns TRUE.
    EventNotSet,
    /// WriteFile refuses offsets.
    OffsetRefused,
    /// Nothing can be written.
    EverythingDenied,
    /// What is read has another first byte.
    ReadsWrong,
    /// NtWriteFile takes any negative offset for 0.
    NegativeIsZero,
    /// NtWriteFile and WriteFileEx forget the routine.
    RoutineForgotten,
    /// A completion routine runs twice.
    RoutineTwice,
    /// GetOverlappedResult never says ERROR_IO_INCOMPLETE.
    NeverIncomplete,
    /// GetOverlappedResult counts a byte too few.
    ResultTooSmall,
    /// CancelIo cancels what all threads have pending.
    CancelIoOfAll,
    /// CancelIo does nothing, and says so.
    CancelIoRefused,
    /// CancelIoEx without an OVERLAPPED cancels what this thread has pending.
    CancelIoExOfThread,
    /// CancelIoEx cancels everything.
    CancelIoExOfAll,
    /// No cancel does anything.
    CancelsIgnored,
    /// A file is not bound to its port.
    PortIgnored,
    /// Packets have no key.
    KeyLost,
    /// Packets are lost.
    PacketLost,
    /// There is always one more packet.
    PacketInvented,
    /// Another process does nothing.
    ProcessDoesNothing,
    /// Nothing runs out.
    NothingRunsOut,
    /// WriteAsync writes another first byte.
    StreamBytesWrong,
    /// WriteAsync changes the caller's buffer.
    StreamTouchesBuffer,
    /// WriteAsync counts a byte too few.
    StreamCountTooSmall,
    /// A stream takes any argument.
    StreamTakesAnything,
    /// WriteAsync does not know ERROR_IO_PENDING.
    StreamPendingIsOk,
    /// A stream has one error for everything.
    StreamOneError,
    /// WriteAsync sets the event when it returns.
    StreamEventSetAtOnce,
    /// OverlappedResult does not wait.
    StreamNeverWaits,
    /// OverlappedResult never says ERROR_IO_INCOMPLETE.
    StreamNeverIncomplete,
    /// CancelIo of a stream cancels nothing.
    StreamCancelsNothing,
    /// CancelIo of a stream cancels what this thread has begun.
    StreamCancelsOwn,
    /// CancelIo of a stream fails if nothing is pending.
    StreamCancelNotFound,
    /// Release keeps the last reference.
    ReleaseKeepsOne,
    /// WriteAsync moves the seek pointer.
    StreamMovesPointer,
    /// WTSVirtualChannelWrite changes the caller's buffer.
    WtsTouchesBuffer,
    /// WTSVirtualChannelWrite counts a byte too few.
    WtsCountTooSmall,
    /// WTSVirtualChannelWrite and Read do not fail.
    WtsNeverFails,
    /// WTSVirtualChannelWrite makes two messages of one.
    WtsTwoMessages,
    /// WTSVirtualChannelQuery gives a synchronous handle of its own.
    WtsQueryOpens,
    /// A read into a small buffer is a read of nothing.
    WtsSmallBuffer,
    /// Reads never see headers.
    WtsHidesHeaders,
    /// A read that is too late has read nothing, with success.
    WtsTimeoutIsSuccess,
    /// Names are cut.
    WtsNamesCut,
    /// Flags that there are not are ignored.
    WtsFlagsIgnored,
    /// A channel is opened again under another name.
    WtsOpensTwice,
    /// Any session will do.
    WtsAnySession,
    /// Purges fail.
    WtsPurgeFails,
    /// WTSVirtualChannelClose does nothing, and says so.
    WtsCloseForgets,
    /// IWTSVirtualChannel::Write waits until the peer has taken the message.
    ChannelWaits,
    /// It writes another first byte.
    ChannelBytesWrong,
    /// A channel has no bound.
    ChannelUnbounded,
    /// Close does nothing.
    ChannelCloseForgets,
    /// Write takes any argument.
    ChannelTakesAnything,
    /// Write never fails.
    ChannelNeverFails,
    /// OnClose is called twice.
    ChannelClosesTwice,
    /// Every third message is lost.
    ChannelLosesThirds,
    /// Nothing can be called within a callback.
    ChannelNotReentrant,
    /// OnDataReceived has a chunk at most.
    ChannelCutsMessages,
    /// The callback reads its buffer after the call.
    ChannelReadsLate,
}

/// The rules that must find each defect.
const FOUND: &[(Defect, &[&str])] = &[
    (D::ReadIsWrite, &["WF-01"]),
    (D::AppendIsWrite, &["WF-16"]),
    (D::NeverOverlapped, &["WF-02", "WF-20", "WF-44", "WF-60"]),
    (D::NeverWriteThrough, &["WF-40"]),
    (D::AlwaysWriteThrough, &["WF-40"]),
    (D::NeverUnbuffered, &["WF-43"]),
    (D::HandleNotSignalled, &["WF-48"]),
    (D::OffsetOf32Bits, &["WF-13"]),
    (D::LowBitIgnored, &["WF-64"]),
    (D::OffsetChanges, &["WF-49", "WF-53", "WF-56"]),
    (
        D::InternalIsSuccess,
        &["WF-17", "WF-31", "WF-47", "WF-51", "WF-53"],
    ),
    (D::FileGrows, &["WF-05"]),
    (D::PositionStays, &["WF-15", "WF-54", "WF-55"]),
    (D::TimeGoesBack, &["WF-35"]),
    (D::LocksIgnored, &["WF-34"]),
    (D::VolumesStayMounted, &["WF-41"]),
    (D::ModesIgnored, &["WF-62", "WF-65"]),
    (D::CursorStays, &["WF-37"]),
    (D::TimeoutIsError, &["WF-38"]),
    (D::PipesWait, &["WF-61"]),
    (D::PipesAreWide, &["WF-60"]),
    (D::CountUntouched, &["WF-08"]),
    (D::CountRequired, &["WF-09"]),
    (D::CountTooSmall, &["WF-06", "WF-18", "WF-22"]),
    (D::OverlappedMadeUp, &["WF-11"]),
    (D::OverlappedIgnored, &["WF-12", "WF-55", "WF-57"]),
    (D::NothingIsAByte, &["WF-05", "WF-06"]),
    (D::LastErrorCleared, &["WF-18"]),
    (
        D::OneError,
        &["WF-19", "WF-34", "WF-58", "WF-59", "WF-63", "WF-68"],
    ),
    (D::PendingIsFailure, &["WF-03", "WF-19", "WF-20"]),
    (D::EventSetAtOnce, &["WF-50", "WF-51", "WF-52"]),
    (D::EventNotSet, &["WF-21", "WF-57"]),
    (D::OffsetRefused, &["WF-14"]),
    (D::EverythingDenied, &["WF-41", "WF-42"]),
    (D::ReadsWrong, &["WF-03", "WF-04", "WF-13", "WF-54"]),
    (D::NegativeIsZero, &["WF-17"]),
    (D::RoutineForgotten, &["WF-66", "WF-71"]),
    (D::RoutineTwice, &["WF-71"]),
    (D::NeverIncomplete, &["WF-47", "WF-48"]),
    (D::ResultTooSmall, &["WF-45"]),
    (D::CancelIoOfAll, &["WF-25"]),
    (D::CancelIoRefused, &["WF-26"]),
    (D::CancelIoExOfThread, &["WF-27"]),
    (D::CancelIoExOfAll, &["WF-28"]),
    (
        D::CancelsIgnored,
        &["WF-25", "WF-27", "WF-28", "WF-29", "WF-31", "WF-32", "WF-33"],
    ),
    (D::PortIgnored, &["WF-46", "WF-62", "WF-66", "WF-67"]),
    (D::KeyLost, &["WF-46"]),
    (D::PacketLost, &["WF-30", "WF-46", "WF-62", "WV-17"]),
    (D::PacketInvented, &["WF-30", "WF-62", "WF-63", "WF-64"]),
    (D::ProcessDoesNothing, &["WF-10", "WF-34", "WF-67"]),
    (D::NothingRunsOut, &["WF-23", "WF-24"]),
    (D::StreamBytesWrong, &["SA-01", "SA-07"]),
    (D::StreamTouchesBuffer, &["SA-02"]),
    (D::StreamCountTooSmall, &["SA-03"]),
    (D::StreamTakesAnything, &["SA-02", "SA-04", "SA-08"]),
    (D::StreamPendingIsOk, &["SA-05", "SA-06", "SA-07"]),
    (D::StreamOneError, &["SA-05", "SA-08", "SA-09"]),
    (D::StreamEventSetAtOnce, &["SA-06", "SA-07"]),
    (D::StreamNeverWaits, &["SA-08"]),
    (D::StreamNeverIncomplete, &["SA-08", "SA-10"]),
    (D::StreamCancelsNothing, &["SA-09", "SA-10"]),
    (D::StreamCancelsOwn, &["SA-10"]),
    (D::StreamCancelNotFound, &["SA-09"]),
    (D::ReleaseKeepsOne, &["SA-11", "DV-09"]),
    (D::StreamMovesPointer, &["SA-12"]),
    (D::WtsTouchesBuffer, &["WV-01"]),
    (D::WtsCountTooSmall, &["WV-02", "WV-10"]),
    (D::WtsNeverFails, &["WV-03", "WV-10", "WV-16"]),
    (D::WtsTwoMessages, &["WV-04", "WV-07"]),
    (D::WtsQueryOpens, &["WV-05", "WV-06", "WV-17"]),
    (D::WtsSmallBuffer, &["WV-08"]),
    (D::WtsHidesHeaders, &["WV-09"]),
    (D::WtsTimeoutIsSuccess, &["WV-10"]),
    (D::WtsNamesCut, &["WV-11", "WV-12"]),
    (D::WtsFlagsIgnored, &["WV-12"]),
    (D::WtsOpensTwice, &["WV-13"]),
    (D::WtsAnySession, &["WV-14"]),
    (D::WtsPurgeFails, &["WV-15"]),
    (D::WtsCloseForgets, &["WV-06", "WV-16"]),
    (D::ChannelWaits, &["DV-01"]),
    (D::ChannelBytesWrong, &["DV-02", "DV-14"]),
    (D::ChannelUnbounded, &["DV-03"]),
    (D::ChannelCloseForgets, &["DV-04", "DV-07", "DV-12"]),
    (D::ChannelTakesAnything, &["DV-05"]),
    (D::ChannelNeverFails, &["DV-06", "DV-07"]),
    (D::ChannelClosesTwice, &["DV-08", "DV-09"]),
    (D::ChannelLosesThirds, &["DV-10"]),
    (D::ChannelNotReentrant, &["DV-11"]),
    (D::ChannelCutsMessages, &["DV-12"]),
    (D::ChannelReadsLate, &["DV-13"]),
];

/// The model, with a defect in front.
struct WrongRunner(ModelRunner<'static>, Defect);

impl Runner for WrongRunner {
    fn venue(&self) -> Venue {
        self.0.venue()
    }

    fn system(&self) -> String {
        self.0.system()
    }

    fn prepare(&mut self, target: &Target) -> Result<(), String> {
        self.0.prepare(target)
    }

    fn run(&mut self, body: CaseBody) -> Result<(), String> {
        let defect = self.1;
        self.0.run(Box::new(move |os| {
            body(&Wrong::new(os, defect, Arc::default()));
        }))
    }
}

#[test]
fn defects_are_found_by_the_rules_that_they_break() {
    for (defect, rules) in FOUND {
        let selection = Selection {
            only: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            ..everything()
        };
        let mut runner = WrongRunner(ModelRunner::with_seed(0), *defect);
        let results = suite::run(&mut runner, &selection, &mut |_| {}).expect("rules that there are");
        let failed = |row: &&Row| row.verdict == Verdict::Fail;
        let found: BTreeSet<&str> = results
            .rows
            .iter()
            .filter(failed)
            .map(|row| row.id.as_str())
            .collect();
        let missed: Vec<&&str> = rules.iter().filter(|rule| !found.contains(**rule)).collect();
        assert!(missed.is_empty(), "{defect:?} is not found by {missed:?}");
    }
}

/// What passes the calls on does not break anything by itself.
#[test]
fn a_defect_is_not_found_by_other_rules() {
    let selection = Selection {
        only: ["SA-xx", "WV-xx", "DV-xx"].map(str::to_owned).into(),
        ..everything()
    };
    let mut runner = WrongRunner(ModelRunner::with_seed(0), D::CursorStays);
    let results = suite::run(&mut runner, &selection, &mut |_| {}).expect("rules that there are");
    assert!(results.rows.iter().all(|row| row.verdict == Verdict::Pass));
}

#[test]
fn every_rule_finds_a_defect() {
    let finding: BTreeSet<&str> = FOUND.iter().flat_map(|(_, rules)| *rules).copied().collect();
    let blind: Vec<String> = rules().filter(|rule| !finding.contains(rule.as_str())).collect();
    assert_eq!(blind, UNSEEN);
}
