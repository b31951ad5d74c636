//! The wait for a write to a synchronous file object.

use kswrite_core::{BufferMethod, CancelOutcome, Completion, FileFlags, NtStatus, ProcessorMode};
use nt_model::Script;

use crate::rig::{BYTES, Rig, SIDES, SYNCHRONOUS, Side, Signal, WHOLE, Write};

/// KS-62: a synchronous write that pended returns the final status of the file object, and looks at nothing else:
/// after an error the status block still holds what was there before.
#[test]
fn ks_62_a_synchronous_write_waits_for_the_file_object() {
    for side in SIDES {
        let rig = Rig::new(Script::hold(BufferMethod::Buffered), SYNCHRONOUS);
        for (status, writes) in [(NtStatus::SUCCESS, 1), (NtStatus::IO_DEVICE_ERROR, 1)] {
            rig.complete_later(status);
            let told = rig.submit_by(side, &rig.write());
            assert_eq!(told, status, "{side:?}");
            let block = rig.world.block(rig.block);
            assert_eq!((block.io, block.writes), (WHOLE, writes), "stale, and left so");
            let file = rig.world.file_state(rig.file);
            assert_eq!((file.final_status, file.signalled), (status, true));
        }
        rig.check();
    }
}

/// KS-63, PF-13: the wait is for the event of the file object, or for one of the driver's own in non-paged pool, whatever
/// the mode of the requestor is: a wait in user mode for memory of a stack would be found.
#[test]
fn ks_63_pf_13_the_wait_object_is_never_on_a_stack() {
    for side in SIDES {
        for mode in [ProcessorMode::User, ProcessorMode::Kernel] {
            let rig = Rig::new(Script::hold(BufferMethod::Buffered), SYNCHRONOUS);
            rig.complete_later(NtStatus::SUCCESS);
            let write = Write { mode, ..rig.write() };
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
            assert_eq!(rig.calls("KeWaitForSingleObject"), 1);
            let of_the_file = format!("KeWaitForSingleObject({})", rig.file);
            let waits = rig
                .world
                .trace()
                .iter()
                .filter(|line| line.ends_with(&of_the_file))
                .count();
            assert_eq!(waits, usize::from(side == Side::Managed));
            rig.check();
        }
    }
}

/// What breaks a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Alert,
    UserApc,
    Termination,
}

/// KS-64: a wait is alertable if the file object is. One that is broken cancels the write, once, and the routine
/// still returns only after the write is over; with the status that it came to.
#[test]
fn ks_64_a_broken_wait_cancels_and_still_waits() {
    use ProcessorMode::{Kernel, User};
    let rows = [
        (Break::Alert, SYNCHRONOUS, User, false),
        (Break::Alert, SYNCHRONOUS | FileFlags::ALERTABLE_IO, User, true),
        (Break::Alert, SYNCHRONOUS | FileFlags::ALERTABLE_IO, Kernel, true),
        (Break::UserApc, SYNCHRONOUS, User, false),
        (Break::UserApc, SYNCHRONOUS | FileFlags::ALERTABLE_IO, User, true),
        (
            Break::UserApc,
            SYNCHRONOUS | FileFlags::ALERTABLE_IO,
            Kernel,
            false,
        ),
        (Break::Termination, SYNCHRONOUS, User, true),
        (
            Break::Termination,
            SYNCHRONOUS | FileFlags::ALERTABLE_IO,
            User,
            true,
        ),
        (
            Break::Termination,
            SYNCHRONOUS | FileFlags::ALERTABLE_IO,
            Kernel,
            false,
        ),
    ];
    for side in SIDES {
        for (how, flags, mode, breaks) in rows {
            for cancellable in [true, false] {
                broken_wait(side, how, flags, mode, breaks, cancellable);
            }
        }
    }
}

fn broken_wait(
    side: Side,
    how: Break,
    flags: FileFlags,
    mode: ProcessorMode,
    breaks: bool,
    cancellable: bool,
) {
    let what = format!("{side:?} {how:?} {flags:?} {mode:?} cancellable: {cancellable}");
    let script = Script {
        cancellable,
        ..Script::hold(BufferMethod::Direct)
    };
    let rig = Rig::new(script, flags);
    let (thread, device) = (rig.thread, rig.device);
    rig.world.later(move |cpu| match how {
        Break::Alert => cpu.alert(thread),
        Break::UserApc => cpu.queue_user_apc(thread),
        Break::Termination => cpu.terminate(thread),
    });
    let cancelled = breaks && cancellable;
    if !cancelled {
        rig.world.later(move |cpu| {
            let irp = cpu.world().held(device)[0];
            let asked = cpu.world().irp(irp).unwrap().cancel;
            assert_eq!(asked, breaks, "the device still has the write");
            assert!(cpu.complete_next(device, NtStatus::SUCCESS));
        });
    }
    let write = Write { mode, ..rig.write() };
    let (told, cancel) = match side {
        Side::Managed => {
            let submitted = rig.submit(&write);
            assert_eq!(submitted.decision.completion, Some(Completion::Pended), "{what}");
            (submitted.status, submitted.decision.cancel)
        }
        Side::Owned => {
            let (status, record) = rig.cpu().owned_write(&rig.statistics, &write).unwrap();
            (status, record.ended().unwrap().cancel)
        }
    };
    let (status, outcome) = match (breaks, cancellable) {
        (false, _) => (NtStatus::SUCCESS, CancelOutcome::NotAsked),
        (true, false) => (NtStatus::SUCCESS, CancelOutcome::TooLate),
        (true, true) => (NtStatus::CANCELLED, CancelOutcome::Cancelled),
    };
    assert_eq!((told, cancel), (status, outcome), "{what}");
    let effects = rig.effects();
    let written = status.is_success();
    assert_eq!(effects.block, written.then_some(WHOLE), "{what}");
    assert_eq!(effects.accepted, if written { BYTES.len() } else { 0 }, "{what}");
    assert_eq!(
        (effects.file_event, effects.final_status),
        (Signal::Set, Some(status)),
        "{what}"
    );
    let cancels = rig
        .world
        .calls()
        .iter()
        .filter(|(_, call)| *call == "IoCancelIrp")
        .count();
    assert_eq!(cancels, usize::from(breaks), "{what}");
    assert!(rig.world.held(device).is_empty(), "{what}");
    rig.check();
}
