//! The trace records of one write.

use core::num::NonZeroU64;

use kswrite_core::{CancelOutcome, Completion, Decision, Ended, IoStatus, NtStatus, ProcessorMode, fast};
use kswrite_wire::trace::{Record, parts};

use crate::words;

/// A write that is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number, which is used once.
    pub number: NonZeroU64,
    /// When it came, in units of 100 nanoseconds. `None`: its start is in another record.
    pub came: Option<u64>,
}

/// What is known of a write whatever becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The number of the device that it came to.
    pub device: u32,
    /// `ByteOffset`, as the caller gave it.
    pub offset: i64,
    /// Bytes to write.
    pub length: u32,
    /// The process that asked for it, or 0.
    pub process: u32,
    /// The mode of the requestor.
    pub mode: ProcessorMode,
}

impl Facts {
    fn record(&self, operation: Operation) -> Record {
        Record {
            operation: operation.number.get(),
            device: self.device,
            offset: self.offset,
            length: self.length,
            process: self.process,
            mode: words::mode(self.mode) as u32,
            ..Record::default()
        }
    }
}

/// An IRP is about to be sent.
pub fn started(operation: Operation, facts: &Facts, decision: &Decision) -> Record {
    with_start(facts.record(operation), operation, decision)
}

/// The write is over, at the time `now`. If it was sent, this is the second record of it.
pub fn ended(operation: Operation, facts: &Facts, ended: &Ended, now: u64) -> Record {
    let record = facts.record(operation);
    let completion = Some(ended.completion);
    let record = with_end(record, ended.io, completion, ended.cancel, now);
    match ended.completion {
        // No IRP was sent, so there is no other record.
        Completion::Fast => with_start(record, operation, &Decision::new(fast::Outcome::Done(ended.io))),
        Completion::Inline { .. } | Completion::Pended => record,
    }
}

/// Nothing was sent.
pub fn refused(
    operation: Operation,
    facts: &Facts,
    decision: &Decision,
    status: NtStatus,
    now: u64,
) -> Record {
    let record = with_end(
        facts.record(operation),
        IoStatus::failed(status),
        None,
        decision.cancel,
        now,
    );
    with_start(record, operation, decision)
}

/// The write is over, and this is the one record of it: the IRP was not this driver's to follow.
pub fn whole(operation: Operation, facts: &Facts, decision: &Decision, io: IoStatus, now: u64) -> Record {
    let record = with_end(
        facts.record(operation),
        io,
        decision.completion,
        decision.cancel,
        now,
    );
    with_start(record, operation, decision)
}

fn with_start(record: Record, operation: Operation, decision: &Decision) -> Record {
    let (attempt, attempt_status, skip) = words::attempt(decision.attempt);
    Record {
        parts: record.parts | parts::START,
        start: operation.came.unwrap_or_default(),
        attempt: attempt as u32,
        attempt_status,
        skip: skip as u32,
        carrier: words::carrier(decision.carrier) as u32,
        ..record
    }
}

fn with_end(
    record: Record,
    io: IoStatus,
    completion: Option<Completion>,
    cancel: CancelOutcome,
    now: u64,
) -> Record {
    Record {
        parts: record.parts | parts::END,
        end: now,
        information: io.information as u64,
        status: io.status.0,
        completion: words::completion(completion) as u32,
        cancel: words::cancel(cancel) as u32,
        ..record
    }
}

#[cfg(test)]
mod tests {
    use kswrite_core::Carrier;
    use kswrite_wire::file_write as wire;

    use super::*;

    const OPERATION: Operation = Operation {
        number: NonZeroU64::MIN,
        came: Some(100),
    };
    const LATER: Operation = Operation {
        came: None,
        ..OPERATION
    };
    const FACTS: Facts = Facts {
        device: 3,
        offset: -1,
        length: 512,
        process: 77,
        mode: ProcessorMode::User,
    };
    const WHOLE: IoStatus = IoStatus {
        status: NtStatus::SUCCESS,
        information: 512,
    };

    #[test]
    fn a_fast_write_has_one_record_with_both_parts() {
        let end = Ended {
            io: WHOLE,
            completion: Completion::Fast,
            cancel: CancelOutcome::NotAsked,
        };
        let record = ended(OPERATION, &FACTS, &end, 150).check().unwrap();
        let (begun, over) = (record.begun.unwrap(), record.over.unwrap());
        assert_eq!((begun.at, begun.attempt), (100, wire::Attempt::Done));
        assert_eq!(begun.carrier, wire::Carrier::None);
        assert_eq!((over.at, over.completion), (150, wire::Completion::Fast));
        assert_eq!((over.status, over.information), (0, 512));
        assert_eq!((record.device, record.offset, record.length), (3, -1, 512));
        assert_eq!((record.process, record.mode), (77, wire::Mode::User));
    }

    #[test]
    fn an_irp_has_a_record_for_its_start_and_one_for_its_end() {
        let mut decision = Decision::new(fast::Outcome::Declined);
        decision.carrier = Some(Carrier::Mdl);
        let record = started(OPERATION, &FACTS, &decision).check().unwrap();
        assert_eq!(record.over, None);
        let begun = record.begun.unwrap();
        assert_eq!(
            (begun.attempt, begun.carrier, begun.at),
            (wire::Attempt::Declined, wire::Carrier::Mdl, 100)
        );
        let end = Ended {
            io: IoStatus::failed(NtStatus::CANCELLED),
            completion: Completion::Pended,
            cancel: CancelOutcome::Cancelled,
        };
        let record = ended(LATER, &FACTS, &end, 900).check().unwrap();
        assert_eq!((record.begun, record.operation), (None, 1));
        let over = record.over.unwrap();
        assert_eq!(over.cancel, wire::Cancel::Cancelled);
        assert_eq!((over.status, over.at), (NtStatus::CANCELLED.0, 900));
    }

    #[test]
    fn what_was_refused_was_not_sent() {
        let decision = Decision::new(fast::Outcome::Skipped(fast::Skip::Policy));
        let status = NtStatus::ACCESS_VIOLATION;
        let record = refused(OPERATION, &FACTS, &decision, status, 101)
            .check()
            .unwrap();
        let (begun, over) = (record.begun.unwrap(), record.over.unwrap());
        assert_eq!(
            (begun.attempt, begun.skip),
            (wire::Attempt::Skipped, wire::Skip::Policy)
        );
        assert_eq!(
            (over.completion, over.status, over.information),
            (wire::Completion::None, status.0, 0)
        );
    }

    #[test]
    fn a_write_of_the_io_manager_has_one_record() {
        let mut decision = Decision::new(fast::Outcome::Declined);
        decision.carrier = Some(Carrier::SystemBuffer);
        decision.completion = Some(Completion::Pended);
        decision.cancel = CancelOutcome::TooLate;
        let record = whole(OPERATION, &FACTS, &decision, WHOLE, 300).check().unwrap();
        let (begun, over) = (record.begun.unwrap(), record.over.unwrap());
        assert_eq!(begun.carrier, wire::Carrier::SystemBuffer);
        assert_eq!(
            (over.completion, over.cancel, over.information),
            (wire::Completion::Pended, wire::Cancel::TooLate, 512)
        );
    }
}
