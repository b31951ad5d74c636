//! What a write can have that KsWriteFile has no parameter for: a cancel token, bytes in the caller's locked pages, a
//! time limit.

use std::{collections::BTreeSet, rc::Rc};

use kswrite_core::{
    BufferMethod, CancelOutcome, Data, Decision, FileWrite, IoStatus, NtStatus, ProcessorMode,
    fast::{Outcome, Skip},
    managed, owned,
};
use nt_model::{
    Body, Change, Cpu, FastRoutine, Fault, OnIrp, OwnedWrite, Script, Service, WriteRecord,
    schedule::{Enumerate, Scheduler},
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, KINDS, LENGTH, METHODS, Rig, SIDES, SYNCHRONOUS, Side, Signal, WHOLE,
    Write, nothing, rebound,
};

const CANCELLED: IoStatus = IoStatus {
    status: NtStatus::CANCELLED,
    information: 0,
};

/// Submits a write whose token is asked for before.
fn with_token(rig: &Rig, write: &Write, before: impl FnOnce(&WriteRecord)) -> (NtStatus, WriteRecord) {
    let cpu = rig.cpu();
    let request = OwnedWrite::new(&cpu, write, &rig.statistics).unwrap();
    let record = request.record();
    before(&record);
    (owned::write(&cpu, &rig.statistics, write, request), record)
}

/// A token that was cancelled before keeps the write from being attempted, by fast I/O as by an IRP. The event is
/// cleared, as for any write that fails at once.
#[test]
fn a_token_cancelled_before_the_write_begins() {
    for method in METHODS {
        for flags in KINDS {
            let rig = Rig::new(Script::hold(method).with_fast(FastRoutine::Accept), flags);
            let asynchronous = flags == ASYNCHRONOUS;
            let write = if asynchronous {
                rig.write_with_event()
            } else {
                rig.write()
            };
            let (told, record) = with_token(&rig, &write, |record| {
                assert!(!record.cancel(&rig.cpu()), "nothing is under way");
            });
            assert_eq!(told, NtStatus::CANCELLED);
            let event = if asynchronous {
                Signal::Cleared
            } else {
                Signal::Untouched
            };
            let expected = Effects { event, ..nothing() };
            assert_eq!(rig.effects(), expected, "{method:?} {flags:?}");
            assert_eq!(
                (record.refused(), record.ended()),
                (Some(NtStatus::CANCELLED), None)
            );
            let decision = record.decision().unwrap();
            assert_eq!(decision.attempt, Outcome::Skipped(Skip::Cancelled));
            assert_eq!(decision.cancel, CancelOutcome::BeforeSend);
            assert_eq!((decision.carrier, decision.completion), (None, None));
            rig.check();
        }
    }
}

/// A caller's MDL that does not cover the write is refused before anything is touched.
#[test]
fn an_mdl_that_is_too_short() {
    for method in METHODS {
        let rig = Rig::new(
            Script::inline(method).with_fast(FastRoutine::Accept),
            ASYNCHRONOUS,
        );
        let pages = rig
            .cpu()
            .lock_pages(rig.buffer, LENGTH - 1, ProcessorMode::User)
            .unwrap();
        let write = rig.write_with_event().with_mdl(pages.id(), rig.buffer);
        assert_eq!(
            rig.submit_by(Side::Owned, &write),
            NtStatus::INVALID_PARAMETER,
            "{method:?}"
        );
        drop(pages);
        assert_eq!(rig.effects(), nothing());
        rig.check();
    }
}

/// KS-71, D8: a token ends a write that the device holds, once, and the bytes are those that the device had taken. A
/// second cancel, and one after the end, do nothing.
#[test]
fn ks_71_d8_a_token_cancels_a_write_under_way() {
    for method in METHODS {
        for takes in [0, 5] {
            let script = Script {
                takes: Some(takes),
                ..Script::hold(method)
            };
            let rig = Rig::new(script, ASYNCHRONOUS);
            let (told, record) = with_token(&rig, &rig.write_with_event(), |_| ());
            assert_eq!(told, NtStatus::PENDING);
            assert!(!record.is_over());
            let system = rig.world.system();
            assert!(record.cancel(&system));
            assert!(!record.cancel(&system));
            let io = IoStatus {
                information: takes as usize,
                ..CANCELLED
            };
            let effects = rig.effects();
            assert_eq!((effects.block, effects.event), (Some(io), Signal::Set));
            assert_eq!(effects.accepted, takes as usize);
            assert_eq!(rig.world.accepted(rig.device), BYTES[..takes as usize]);
            let ended = record.ended().unwrap();
            assert_eq!((ended.io, ended.cancel), (io, CancelOutcome::Cancelled));
            assert_eq!(effects.statistics.cancelled, 1);
            rig.check();
        }
    }
}

/// A cancel that the device does not follow, and one that comes after the end, leave the write as it is.
#[test]
fn a_token_cancelled_too_late() {
    let script = Script {
        cancellable: false,
        ..Script::hold(BufferMethod::Direct)
    };
    let rig = Rig::new(script, ASYNCHRONOUS);
    let (_told, record) = with_token(&rig, &rig.write(), |_| ());
    let system = rig.world.system();
    assert!(record.cancel(&system), "it was under way");
    assert!(!record.is_over());
    assert!(system.complete_next(rig.device, NtStatus::SUCCESS));
    let ended = record.ended().unwrap();
    assert_eq!((ended.io, ended.cancel), (WHOLE, CancelOutcome::TooLate));
    assert_eq!(rig.effects().block, Some(WHOLE));
    rig.check();

    for irp in [
        OnIrp::Inline(NtStatus::SUCCESS),
        OnIrp::InlineAsPending(NtStatus::SUCCESS),
    ] {
        let rig = Rig::new(Script::default().on_irp(irp), ASYNCHRONOUS);
        let (_told, record) = with_token(&rig, &rig.write(), |_| ());
        let before = rig.effects();
        assert!(!record.cancel(&rig.cpu()));
        assert_eq!(rig.effects(), before);
        assert_eq!(record.ended().unwrap().cancel, CancelOutcome::NotAsked);
        rig.check();
    }
}

/// PF-01: two cancels of one token and the end of the write, in every interleaving: at most one cancel goes on, and
/// the write ends once, whole or cancelled or not sent.
#[test]
fn pf_01_a_token_races_the_completion() {
    for flags in KINDS {
        let mut scheduler = Scheduler::new();
        let mut ends = BTreeSet::new();
        let explored = Enumerate::new(2).explore(|chooser| {
            let rig = Rc::new(Rig::new(Script::hold(BufferMethod::Direct), flags));
            let cpu = rig.cpu();
            let request = OwnedWrite::new(&cpu, &rig.write(), &rig.statistics).unwrap();
            let record = request.record();
            let writer = Rc::clone(&rig);
            let write: Box<dyn FnOnce(&Cpu<'_>)> = Box::new(move |cpu| {
                let _told = owned::write(cpu, &writer.statistics, &rebound(&writer.write()), request);
            });
            let won = Rc::new(std::cell::Cell::new(0));
            let mut bodies: Vec<Body> = vec![(rig.thread, write)];
            for _ in 0..2 {
                let (won, record) = (Rc::clone(&won), record.clone());
                let cancel = move |cpu: &Cpu<'_>| {
                    let goes_on = record.cancel(cpu);
                    won.set(won.get() + u32::from(goes_on));
                };
                bodies.push((rig.world.thread(ProcessorMode::User), Box::new(cancel)));
            }
            let device = rig.device;
            let complete = move |cpu: &Cpu<'_>| {
                cpu.complete_any(device, NtStatus::SUCCESS);
            };
            bodies.push((rig.world.thread(ProcessorMode::User), Box::new(complete)));
            rig.world.run(&mut scheduler, bodies, chooser).unwrap();
            assert!(won.get() <= 1);
            let whole = rig.effects().accepted == BYTES.len();
            match (record.refused(), record.ended()) {
                (Some(refused), None) => {
                    assert_eq!((refused, whole, won.get()), (NtStatus::CANCELLED, false, 0));
                    ends.insert("not sent");
                }
                (None, Some(ended)) if whole => {
                    assert_eq!(ended.io, WHOLE);
                    ends.insert("whole");
                }
                (None, Some(ended)) => {
                    assert_eq!((ended.io, won.get()), (CANCELLED, 1));
                    ends.insert("cancelled");
                }
                both => panic!("neither refused nor ended, or both: {both:?}"),
            }
            rig.world.check()
        });
        assert!(explored.is_ok(), "{explored:?}");
        assert_eq!(ends.len(), 3, "{ends:?}");
    }
}

/// KS-46, D6: an IRP of the driver's own is on no thread's list: the exit of the thread leaves it alone. Its rundown is
/// its token, or the close of the file.
#[test]
fn ks_46_d6_a_write_of_the_driver_outlives_its_thread() {
    for by_token in [true, false] {
        let rig = Rig::new(Script::hold(BufferMethod::Buffered), ASYNCHRONOUS);
        let (_told, record) = with_token(&rig, &rig.write(), |_| ());
        rig.cpu().exit_thread();
        assert_eq!(rig.world.held(rig.device).len(), 1);
        assert!(!record.is_over());
        if by_token {
            assert!(record.cancel(&rig.world.system()));
        }
        rig.world.system().close_file(rig.file);
        assert_eq!(record.ended().unwrap().io, CANCELLED);
        assert!(rig.world.file_state(rig.file).deleted);
        rig.check();
    }
}

/// PF-09, PF-11: bytes in the caller's locked pages: a device of every method gets them, as far as they are to be
/// written, however it ends the write; the pages stay locked once, for the caller, and what was made of them for
/// the write is gone with it.
#[test]
fn pf_09_11_locked_pages_of_the_caller() {
    let ends = [OnIrp::Inline(NtStatus::SUCCESS), OnIrp::Hold];
    for method in METHODS {
        for end in ends {
            for mapped in [true, false] {
                for length in [LENGTH, 10, 0] {
                    let rig = Rig::new(Script::inline(method).on_irp(end), ASYNCHRONOUS);
                    let cpu = rig.cpu();
                    let mdl = cpu.lock_pages(rig.buffer, LENGTH, ProcessorMode::User).unwrap();
                    if mapped {
                        cpu.system_address(mdl.id()).unwrap();
                    }
                    let write = Write {
                        length,
                        ..rig.write().with_mdl(mdl.id(), rig.buffer)
                    };
                    let _told = rig.submit_by(Side::Owned, &write);
                    if end == OnIrp::Hold {
                        assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
                    }
                    let bytes = &BYTES[..length as usize];
                    assert_eq!(
                        rig.world.accepted(rig.device),
                        bytes,
                        "{method:?} {end:?} {mapped}"
                    );
                    let header = rig.irp().0;
                    assert_ne!(header.mdl, Some(mdl.id()), "a part of it, not it itself");
                    assert_eq!(rig.world.locks_of(rig.buffer), 1);
                    drop(mdl);
                    assert_eq!(rig.world.locks_of(rig.buffer), 0);
                    rig.check();
                }
            }
        }
    }
}

/// PF-17: locked pages are stable: what the program does to its mapping after the lock does not reach the write.
#[test]
fn pf_17_locked_pages_cannot_be_taken_away() {
    for method in [BufferMethod::Buffered, BufferMethod::Direct] {
        let rig = Rig::new(Script::hold(method), ASYNCHRONOUS);
        let mdl = rig
            .cpu()
            .lock_pages(rig.buffer, LENGTH, ProcessorMode::User)
            .unwrap();
        rig.world.change(&Change::Unmap(rig.buffer));
        let write = rig.write().with_mdl(mdl.id(), rig.buffer);
        assert_eq!(rig.submit_by(Side::Owned, &write), NtStatus::PENDING);
        assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
        assert_eq!(rig.world.accepted(rig.device), BYTES);
        drop(mdl);
        rig.check();
    }
}

/// KS-53, PF-23: what a write from locked pages needs may fail: that is its status, and the caller's lock stays.
#[test]
fn ks_53_pf_23_failures_of_a_write_from_locked_pages() {
    for (method, service) in [
        (BufferMethod::Direct, Service::AllocateMdl),
        (BufferMethod::Buffered, Service::Map),
        (BufferMethod::Direct, Service::AllocateIrp),
        (BufferMethod::Buffered, Service::AllocateIrp),
    ] {
        let rig = Rig::new(Script::inline(method), SYNCHRONOUS);
        let mdl = rig
            .cpu()
            .lock_pages(rig.buffer, LENGTH, ProcessorMode::User)
            .unwrap();
        rig.world.inject(Fault::on(service, 0));
        let write = rig.write().with_mdl(mdl.id(), rig.buffer);
        assert_eq!(rig.submit_by(Side::Owned, &write), service.usual());
        assert_eq!((rig.effects().block, rig.effects().irps), (None, 0));
        assert_eq!(rig.world.locks_of(rig.buffer), 1);
        drop(mdl);
        rig.check();
    }
}

/// KS-20: with locked pages, a fast-I/O routine is given the address of the requestor if that is a user, and one of the
/// system if that is the kernel and there is one; pages are not mapped just for an attempt.
#[test]
fn ks_20_fast_io_from_locked_pages() {
    use ProcessorMode::{Kernel, User};
    for (mode, mapped, fast) in [
        (User, false, true),
        (User, true, true),
        (Kernel, false, false),
        (Kernel, true, true),
    ] {
        let script = Script::inline(BufferMethod::Direct).with_fast(FastRoutine::Accept);
        let rig = Rig::new(script, ASYNCHRONOUS);
        let cpu = rig.cpu();
        let mdl = cpu.lock_pages(rig.buffer, LENGTH, mode).unwrap();
        let system = mapped.then(|| cpu.system_address(mdl.id()).unwrap());
        let write = Write {
            mode,
            ..rig.write().with_mdl(mdl.id(), rig.buffer)
        };
        let (told, record) = cpu.owned_write(&rig.statistics, &write).unwrap();
        assert_eq!(told, NtStatus::SUCCESS);
        assert_eq!(rig.effects().fast, usize::from(fast), "{mode:?} {mapped}");
        if fast {
            let address = if mode == User { Some(rig.buffer) } else { system };
            assert_eq!(Some(rig.fast().buffer), address);
        } else {
            let attempt = record.decision().unwrap().attempt;
            assert_eq!(attempt, Outcome::Skipped(Skip::NoAddress));
        }
        assert_eq!(rig.world.accepted(rig.device), BYTES);
        drop(mdl);
        rig.check();
    }
}

/// The I/O manager unlocks and frees what an IRP of its own carries, so it is not lent the caller's: refused, before
/// anything is touched.
#[test]
fn the_io_manager_is_not_lent_what_it_would_free() {
    let rig = Rig::new(Script::inline(BufferMethod::Direct), ASYNCHRONOUS);
    let mdl = rig
        .cpu()
        .lock_pages(rig.buffer, LENGTH, ProcessorMode::User)
        .unwrap();
    let locked = rig.write_with_event().with_mdl(mdl.id(), rig.buffer);
    let system = Write {
        data: Data::System(rig.world.kernel_buffer(BYTES)),
        ..rig.write_with_event()
    };
    for write in [locked, system] {
        let submitted = rig.submit(&write);
        let decision = Decision::new(Outcome::Skipped(Skip::BadParameter));
        assert_eq!(
            (submitted.status, submitted.decision),
            (NtStatus::NOT_SUPPORTED, decision)
        );
        assert_eq!(rig.effects(), nothing());
    }
    // The driver can do it with both.
    for write in [locked, system] {
        assert_eq!(rig.submit_by(Side::Owned, &write), NtStatus::SUCCESS);
    }
    assert_eq!(rig.world.accepted(rig.device), [*BYTES, *BYTES].concat());
    drop(mdl);
    rig.check();
}

/// KS-64: a time limit ends the wait, not the write: it is cancelled, waited for, and its status is what it came to.
#[test]
fn ks_64_a_time_limit() {
    // Over in time; cancelled; over all the same, because the device does not follow the cancel.
    let rows = [
        (false, true, WHOLE.status, CancelOutcome::NotAsked),
        (true, true, NtStatus::CANCELLED, CancelOutcome::Cancelled),
        (true, false, WHOLE.status, CancelOutcome::TooLate),
    ];
    for side in SIDES {
        for (too_long, cancellable, status, outcome) in rows {
            let script = Script {
                cancellable,
                ..Script::hold(BufferMethod::Direct)
            };
            let rig = Rig::new(script, SYNCHRONOUS);
            if too_long {
                rig.world
                    .inject(Fault::on(Service::Wait, 0).with_status(NtStatus::TIMEOUT));
            }
            let whole = status == WHOLE.status;
            if whole {
                rig.complete_later(NtStatus::SUCCESS);
            }
            let write = Write {
                time_limit: Some(10_000),
                ..rig.write()
            };
            let (told, cancel) = match side {
                Side::Managed => {
                    let submitted = rig.submit(&write);
                    (submitted.status, submitted.decision.cancel)
                }
                Side::Owned => {
                    let (told, record) = rig.cpu().owned_write(&rig.statistics, &write).unwrap();
                    (told, record.ended().unwrap().cancel)
                }
            };
            assert_eq!((told, cancel), (status, outcome), "{side:?}");
            let effects = rig.effects();
            assert_eq!(effects.block, whole.then_some(WHOLE));
            assert_eq!(effects.final_status, Some(status));
            assert_eq!(effects.accepted, if whole { BYTES.len() } else { 0 });
            rig.check();
        }
    }
    // An asynchronous write is not waited for, so it has no limit.
    for side in SIDES {
        let rig = Rig::new(Script::hold(BufferMethod::Direct), ASYNCHRONOUS);
        let write = Write {
            time_limit: Some(0),
            ..rig.write()
        };
        assert_eq!(rig.submit_by(side, &write), NtStatus::PENDING);
        assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
        rig.check();
    }
}

/// KS-64: the end of the limit and the end of the write meet in every way.
#[test]
fn ks_64_a_time_limit_races_the_completion() {
    let mut scheduler = Scheduler::new();
    for side in SIDES {
        let mut told = BTreeSet::new();
        let explored = Enumerate::new(2).explore(|chooser| {
            let rig = Rc::new(Rig::new(Script::hold(BufferMethod::Buffered), SYNCHRONOUS));
            let writer = Rc::clone(&rig);
            let returned = Rc::new(std::cell::Cell::new(NtStatus::PENDING));
            let (result, device) = (Rc::clone(&returned), rig.device);
            let write = move |cpu: &Cpu<'_>| {
                let write = FileWrite {
                    time_limit: Some(1),
                    ..rebound(&writer.write())
                };
                result.set(match side {
                    Side::Managed => managed::write(cpu, &writer.statistics, &write).status,
                    Side::Owned => cpu.owned_write(&writer.statistics, &write).unwrap().0,
                });
            };
            let complete = move |cpu: &Cpu<'_>| {
                cpu.complete_any(device, NtStatus::SUCCESS);
            };
            let bodies: Vec<Body> = vec![
                (rig.thread, Box::new(write)),
                (rig.world.thread(ProcessorMode::User), Box::new(complete)),
            ];
            rig.world.run(&mut scheduler, bodies, chooser).unwrap();
            let effects = rig.effects();
            let whole = returned.get() == NtStatus::SUCCESS;
            assert!(whole || returned.get() == NtStatus::CANCELLED);
            assert_eq!(effects.block, whole.then_some(WHOLE));
            assert_eq!(effects.accepted, if whole { BYTES.len() } else { 0 });
            assert_eq!(effects.final_status, Some(returned.get()));
            told.insert(whole);
            rig.world.check()
        });
        assert!(explored.is_ok(), "{side:?} {explored:?}");
        assert_eq!(told.len(), 2, "{side:?}");
    }
}
