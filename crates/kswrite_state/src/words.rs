//! What `kswrite_core` decided, in the words of the wire protocol.

use kswrite_core::{self as core_types, CancelOutcome, ProcessorMode, fast};
use kswrite_wire::file_write::{Attempt, Cancel, Carrier, Completion, Mode, Skip};

/// What came of fast I/O, the NTSTATUS that goes with it, and why no routine was called.
pub const fn attempt(outcome: fast::Outcome) -> (Attempt, i32, Skip) {
    match outcome {
        fast::Outcome::Done(io) => (Attempt::Done, io.status.0, Skip::None),
        fast::Outcome::Skipped(why) => (Attempt::Skipped, 0, skip(why)),
        fast::Outcome::Declined => (Attempt::Declined, 0, Skip::None),
        fast::Outcome::NotSuccess(status) => (Attempt::NotSuccess, status.0, Skip::None),
        fast::Outcome::Faulted(code) => (Attempt::Faulted, code.0, Skip::None),
    }
}

const fn skip(why: fast::Skip) -> Skip {
    match why {
        fast::Skip::Mode => Skip::Mode,
        fast::Skip::Irql => Skip::Irql,
        fast::Skip::Uncached => Skip::Uncached,
        fast::Skip::Context => Skip::Context,
        fast::Skip::NoAddress => Skip::NoAddress,
        fast::Skip::NoFile => Skip::NoFile,
        fast::Skip::Packet => Skip::Packet,
        fast::Skip::BadParameter => Skip::BadParameter,
        fast::Skip::Cancelled => Skip::Cancelled,
        fast::Skip::Policy => Skip::Policy,
        fast::Skip::NoTable => Skip::NoTable,
        fast::Skip::ShortTable => Skip::ShortTable,
        fast::Skip::EmptySlot => Skip::EmptySlot,
    }
}

/// How an IRP carried the bytes; `None`: there was none.
pub const fn carrier(how: Option<core_types::Carrier>) -> Carrier {
    match how {
        None => Carrier::None,
        Some(core_types::Carrier::Nothing) => Carrier::Nothing,
        Some(core_types::Carrier::BorrowedSystemBuffer) => Carrier::BorrowedSystemBuffer,
        Some(core_types::Carrier::SystemBuffer) => Carrier::SystemBuffer,
        Some(core_types::Carrier::Mdl) => Carrier::Mdl,
        Some(core_types::Carrier::UserBuffer) => Carrier::UserBuffer,
    }
}

/// How a write came to its end; `None`: nothing was sent.
pub const fn completion(how: Option<core_types::Completion>) -> Completion {
    match how {
        None => Completion::None,
        Some(core_types::Completion::Fast) => Completion::Fast,
        Some(core_types::Completion::Inline { .. }) => Completion::Inline,
        Some(core_types::Completion::Pended) => Completion::Pended,
    }
}

/// What a cancel did.
pub const fn cancel(what: CancelOutcome) -> Cancel {
    match what {
        CancelOutcome::NotAsked => Cancel::NotAsked,
        CancelOutcome::BeforeSend => Cancel::BeforeSend,
        CancelOutcome::Cancelled => Cancel::Cancelled,
        CancelOutcome::TooLate => Cancel::TooLate,
    }
}

/// The mode of a requestor.
pub const fn mode(mode: ProcessorMode) -> Mode {
    match mode {
        ProcessorMode::Kernel => Mode::Kernel,
        ProcessorMode::User => Mode::User,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kswrite_core::{IoStatus, NtStatus};

    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        use fast::Skip as Why;
        let all = [
            Why::Mode,
            Why::Irql,
            Why::Uncached,
            Why::Context,
            Why::NoAddress,
            Why::NoFile,
            Why::Packet,
            Why::BadParameter,
            Why::Cancelled,
            Why::Policy,
            Why::NoTable,
            Why::ShortTable,
            Why::EmptySlot,
        ];
        let words: BTreeSet<_> = all.iter().map(|why| skip(*why) as u32).collect();
        // All but that for none.
        assert_eq!(words.len(), Skip::ALL.len() - 1);
        assert!(!words.contains(&(Skip::None as u32)));
    }

    #[test]
    fn an_attempt_keeps_its_status() {
        use fast::Outcome;

        let status = NtStatus(5);
        let io = IoStatus {
            status,
            information: 1,
        };
        for (outcome, expected) in [
            (Outcome::Done(io), (Attempt::Done, 5, Skip::None)),
            (
                Outcome::Skipped(fast::Skip::Irql),
                (Attempt::Skipped, 0, Skip::Irql),
            ),
            (Outcome::Declined, (Attempt::Declined, 0, Skip::None)),
            (Outcome::NotSuccess(status), (Attempt::NotSuccess, 5, Skip::None)),
            (Outcome::Faulted(status), (Attempt::Faulted, 5, Skip::None)),
        ] {
            assert_eq!(attempt(outcome), expected);
        }
    }

    #[test]
    fn what_did_not_happen_is_none() {
        assert_eq!(carrier(None), Carrier::None);
        assert_eq!(completion(None), Completion::None);
        assert_eq!(cancel(CancelOutcome::NotAsked), Cancel::NotAsked);
        let returned = NtStatus::SUCCESS;
        let inline = core_types::Completion::Inline { returned };
        assert_eq!(completion(Some(inline)), Completion::Inline);
        assert_eq!(carrier(Some(core_types::Carrier::Mdl)), Carrier::Mdl);
        assert_eq!(cancel(CancelOutcome::TooLate), Cancel::TooLate);
        assert_eq!(
            (mode(ProcessorMode::Kernel), mode(ProcessorMode::User)),
            (Mode::Kernel, Mode::User)
        );
    }
}
