//! The record of what was decided for a write, and why.

use kswrite_core::{
    BufferMethod, CancelOutcome, Carrier, Completion, Decision, IoStatus, NtStatus, ProcessorMode,
    fast::{Outcome, Skip, TABLE_SIZE_WITH_WRITE},
};
use nt_model::{FastRoutine, FastTable, OnIrp, PortContext, Script};

use crate::rig::{ASYNCHRONOUS, Rig, WHOLE, Write};

/// A device, with what is decided for a write to it.
fn decided() -> Vec<(Script, Outcome, Option<Carrier>, Option<Completion>)> {
    let full = |fast| Script::default().with_fast(fast);
    let table = |size, has_write| Script {
        table: Some(FastTable { size, has_write }),
        ..Script::default()
    };
    let answer = FastRoutine::Answer(IoStatus::failed(NtStatus::DEVICE_BUSY));
    let inline = Some(Completion::Inline {
        returned: NtStatus::SUCCESS,
    });
    let copy = Some(Carrier::SystemBuffer);
    vec![
        (
            full(FastRoutine::Accept),
            Outcome::Done(WHOLE),
            None,
            Some(Completion::Fast),
        ),
        (full(FastRoutine::Decline), Outcome::Declined, copy, inline),
        (
            full(answer),
            Outcome::NotSuccess(NtStatus::DEVICE_BUSY),
            copy,
            inline,
        ),
        (
            full(FastRoutine::Raise(NtStatus::ACCESS_VIOLATION)),
            Outcome::Faulted(NtStatus::ACCESS_VIOLATION),
            None,
            None,
        ),
        (Script::default(), Outcome::Skipped(Skip::NoTable), copy, inline),
        (
            table(TABLE_SIZE_WITH_WRITE - 1, true),
            Outcome::Skipped(Skip::ShortTable),
            copy,
            inline,
        ),
        (
            table(TABLE_SIZE_WITH_WRITE, false),
            Outcome::Skipped(Skip::EmptySlot),
            copy,
            inline,
        ),
        (
            Script::inline(BufferMethod::Direct),
            Outcome::Skipped(Skip::NoTable),
            Some(Carrier::Mdl),
            inline,
        ),
        (
            Script::inline(BufferMethod::Neither),
            Outcome::Skipped(Skip::NoTable),
            Some(Carrier::UserBuffer),
            inline,
        ),
        (
            Script::default().on_irp(OnIrp::InlineAsPending(NtStatus::SUCCESS)),
            Outcome::Skipped(Skip::NoTable),
            copy,
            Some(Completion::Pended),
        ),
    ]
}

/// The record says why fast I/O was or was not taken, what carried the bytes, how the write ended, and what a cancel did.
#[test]
fn the_record_of_a_write() {
    for (script, attempt, carrier, completion) in decided() {
        let rig = Rig::new(script, ASYNCHRONOUS);
        let decision = Decision {
            attempt,
            carrier,
            completion,
            cancel: CancelOutcome::NotAsked,
        };
        assert_eq!(rig.submit(&rig.write()).decision, decision, "{script:?}");
        rig.check();

        let rig = Rig::new(script, ASYNCHRONOUS);
        let (_told, record) = rig.cpu().owned_write(&rig.statistics, &rig.write()).unwrap();
        let ended = record.ended().map(|ended| ended.completion);
        assert_eq!(ended, completion, "{script:?}");
        if completion != Some(Completion::Fast) {
            let at_send = Decision {
                completion: None,
                ..decision
            };
            assert_eq!(record.decision(), Some(at_send));
        }
        rig.check();
    }
}

/// The record of writes for which no attempt may be made.
#[test]
fn the_record_of_a_write_without_an_attempt() {
    let script = Script::default().with_fast(FastRoutine::Accept);
    let rig = Rig::new(script, ASYNCHRONOUS);
    rig.world.set_previous_mode(rig.thread, ProcessorMode::Kernel);
    let attempt = rig.submit(&rig.write()).decision.attempt;
    assert_eq!(attempt, Outcome::Skipped(Skip::Mode));
    rig.check();

    let rig = Rig::new(script, ASYNCHRONOUS);
    let port = rig.with_port(1);
    let port_context = Some(PortContext(2));
    let write = Write {
        port_context,
        ..rig.write()
    };
    let attempt = rig.submit(&write).decision.attempt;
    assert_eq!(attempt, Outcome::Skipped(Skip::Packet));
    assert!(rig.cpu().dequeue(port).is_some());
    rig.check();

    let rig = Rig::new(script, ASYNCHRONOUS);
    let nothing = Write {
        length: 0,
        ..rig.write()
    };
    rig.world
        .set_script(rig.device, Script::inline(BufferMethod::Direct));
    let decision = rig.submit(&nothing).decision;
    assert_eq!(decision.carrier, Some(Carrier::Nothing));
    rig.check();
}
