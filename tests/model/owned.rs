//! What KsWriteFile has no parameter for: a cancel token, bytes in the caller's locked pages, a time limit, the
//! position, an offset, a batch with one drain, and the record of what was decided.

use std::{collections::BTreeSet, rc::Rc};

use kswrite_core::{
    BufferMethod, ByteOffset, CancelOutcome, Carrier, Completion, Data, Decision, FileFlags, FileWrite,
    IoStatus, NtStatus, Patience, Position, ProcessorMode, Snapshot,
    batch::Submission,
    fast::{Outcome, Skip, TABLE_SIZE_WITH_WRITE},
    managed, owned,
};
use nt_model::{
    Body, Change, Cpu, DeviceId, FastRoutine, FastTable, Fault, OnIrp, OwnedWrite, PortContext, Script,
    Service, World, WriteRecord,
    schedule::{Enumerate, Scheduler},
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, KINDS, LENGTH, METHODS, Rig, SIDES, SYNCHRONOUS, Side, Signal, WHOLE,
    Write, nothing,
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

/// A token that was cancelled before keeps the write from being sent. The write fails at once, as any other does.
#[test]
fn a_token_cancelled_before_the_write_is_sent() {
    for method in METHODS {
        for flags in KINDS {
            let rig = Rig::new(Script::hold(method), flags);
            let (told, record) = with_token(&rig, &rig.write(), |record| {
                assert!(!record.cancel(&rig.cpu()), "nothing is under way");
            });
            assert_eq!(told, NtStatus::CANCELLED);
            let expected = Effects {
                file_event: Signal::Cleared,
                statistics: Snapshot {
                    attempted: 1,
                    skipped: 1,
                    rejected: 1,
                    ..Snapshot::default()
                },
                ..nothing()
            };
            assert_eq!(rig.effects(), expected, "{method:?} {flags:?}");
            assert_eq!(
                (record.refused(), record.ended()),
                (Some(NtStatus::CANCELLED), None)
            );
            let decision = record.decision().unwrap();
            assert_eq!(decision.cancel, CancelOutcome::BeforeSend);
            assert_eq!(decision.completion, None);
            rig.check();
        }
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

/// A write, for a thread that is run side by side with others.
fn write_of<'a>(rig: &Rig) -> FileWrite<Cpu<'a>> {
    let mode = ProcessorMode::User;
    FileWrite::new(rig.file, None, None, rig.block, rig.buffer, LENGTH, 0, mode)
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
                let _told = owned::write(cpu, &writer.statistics, &write_of(&writer), request);
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
                    ..write_of(&writer)
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

/// KS-16: an explicit offset reaches the device as it is, by both ways; -1 is for the device to understand, -2 is the
/// position; any other negative one is refused before anything is touched.
#[test]
fn ks_16_explicit_offsets() {
    let position = 0x1_0000_0005;
    let rows = [
        (ByteOffset::Current, Some(position)),
        (ByteOffset::At(0), Some(0)),
        (ByteOffset::At(0x7_FFFF_FFFF), Some(0x7_FFFF_FFFF)),
        (ByteOffset::At(0xFFFF_FFFF), Some(0xFFFF_FFFF)),
        (ByteOffset::At(i64::MAX), Some(i64::MAX)),
        (ByteOffset::At(-1), Some(-1)),
        (ByteOffset::At(-2), Some(position)),
        (ByteOffset::At(-3), None),
        (ByteOffset::At(i64::MIN), None),
    ];
    for side in SIDES {
        for flags in KINDS {
            for fast in [true, false] {
                for (offset, expected) in rows {
                    let script = Script::default();
                    let script = if fast {
                        script.with_fast(FastRoutine::Accept)
                    } else {
                        script
                    };
                    let rig = Rig::new(script, flags);
                    rig.world.set_position(rig.file, position);
                    let told = rig.submit_by(side, &rig.write().at(offset));
                    if let Some(expected) = expected {
                        assert_eq!(told, NtStatus::SUCCESS, "{offset:?}");
                        let came = if fast {
                            rig.fast().offset
                        } else {
                            rig.irp().1.offset
                        };
                        assert_eq!(came, expected);
                        assert_eq!(rig.effects().position, position, "nobody moved it");
                    } else {
                        assert_eq!(told, NtStatus::INVALID_PARAMETER, "{offset:?}");
                        let untouched = Effects {
                            position,
                            ..nothing()
                        };
                        assert_eq!(rig.effects(), untouched);
                    }
                    rig.check();
                }
            }
        }
    }
}

/// KS-17: who moves the position: the driver, if it does, or this routine, if it is told to: to the byte after the last
/// one written, once, whoever else moved it; never for an error, an append, or an asynchronous file object.
#[test]
fn ks_17_the_position() {
    const START: i64 = 100;
    const PART: i64 = 5;
    use ByteOffset::{At, Current};
    use Position::{Advance, LeftToDriver};
    // Who, the offset, whether the driver moves it, the end: where it is afterwards, for a synchronous file object.
    let ok = NtStatus::SUCCESS;
    let rows = [
        (LeftToDriver, Current, false, ok, START),
        (LeftToDriver, Current, true, ok, START + PART),
        (LeftToDriver, At(500), false, ok, START),
        (Advance, Current, false, ok, START + PART),
        (Advance, Current, true, ok, START + PART),
        (Advance, At(500), false, ok, 500 + PART),
        (Advance, At(500), true, ok, 500 + PART),
        (Advance, At(-2), false, ok, START + PART),
        (Advance, At(-1), false, ok, START),
        (Advance, At(i64::MAX), false, ok, i64::MAX),
        (Advance, Current, false, NtStatus::BUFFER_OVERFLOW, START + PART),
        (Advance, Current, false, NtStatus::IO_DEVICE_ERROR, START),
        (Advance, Current, false, NtStatus::CANCELLED, START),
    ];
    for side in SIDES {
        for flags in KINDS {
            for way in ["fast", "inline", "pended"] {
                for (position, offset, moves_position, status, expected) in rows {
                    let (fast, pended) = (way == "fast", way == "pended");
                    if fast && status != ok {
                        continue;
                    }
                    let end = if pended {
                        OnIrp::InlineAsPending(status)
                    } else {
                        OnIrp::Inline(status)
                    };
                    let script = Script {
                        takes: Some(5),
                        moves_position,
                        table: fast.then_some(FastTable::FULL),
                        ..Script::default().on_irp(end)
                    };
                    let rig = Rig::new(script, flags);
                    rig.world.set_position(rig.file, START);
                    let write = Write {
                        position,
                        ..rig.write().at(offset)
                    };
                    let told = rig.submit_by(side, &write);
                    let synchronous = flags.is_synchronous();
                    let waits = pended && !synchronous;
                    assert_eq!(told, if waits { NtStatus::PENDING } else { status });
                    let expected = if synchronous { expected } else { START };
                    let what = format!("{side:?} {flags:?} {way} {position:?} {offset:?} {status}");
                    assert_eq!(rig.effects().position, expected, "{what}");
                    rig.check();
                }
            }
        }
    }
}

/// A program with writes to several devices of one world.
struct Several {
    world: World,
    rigs: Vec<Rig>,
}

impl Several {
    fn new(scripts: &[Script], flags: FileFlags) -> Self {
        let world = World::new();
        let rigs = scripts.iter().map(|script| {
            let device = world.device(*script);
            Rig::on(world.clone(), device, flags)
        });
        Self {
            rigs: rigs.collect(),
            world,
        }
    }

    /// Submits one write for each device, and returns their records.
    fn submit(&self, drain: &nt_model::Drain, writes: &[Write]) -> (Submission, Vec<WriteRecord>) {
        let rig = &self.rigs[0];
        let cpu = rig.cpu();
        let requests: Vec<_> = writes
            .iter()
            .map(|write| {
                let request = OwnedWrite::new(&cpu, write, &rig.statistics).unwrap();
                (*write, request)
            })
            .collect();
        let records = requests.iter().map(|(_, request)| request.record()).collect();
        (cpu.submit_batch(&rig.statistics, drain, requests), records)
    }
}

/// A batch: every write is submitted whatever became of the one before, the counts say what came of it, and the drain is
/// signalled once, by the last that ends.
#[test]
fn a_batch_has_one_drain() {
    let hold = Script::hold(BufferMethod::Direct);
    let scripts = [
        hold,
        Script::default(),
        Script::default().on_irp(OnIrp::Inline(NtStatus::IO_DEVICE_ERROR)),
        Script::default().with_fast(FastRoutine::Accept),
        hold,
        Script::default().on_irp(OnIrp::Inline(NtStatus::BUFFER_OVERFLOW)),
        Script::default(),
        hold,
    ];
    let several = Several::new(&scripts, ASYNCHRONOUS);
    let drain = several.world.drain();
    let mut writes: Vec<Write> = several.rigs.iter().map(Rig::write_with_event).collect();
    // This one makes no sense.
    writes[6] = writes[6].at(ByteOffset::At(-7));
    let (submission, records) = several.submit(&drain, &writes);
    let expected = Submission {
        done: 3,
        failed: 2,
        pending: 3,
        drained: false,
    };
    assert_eq!(submission, expected);
    assert_eq!(records[6].refused(), Some(NtStatus::INVALID_PARAMETER));
    let system = several.world.system();
    for (done, (number, status)) in (1..).zip([
        (4, NtStatus::SUCCESS),
        (0, NtStatus::IO_DEVICE_ERROR),
        (7, NtStatus::CANCELLED),
    ]) {
        assert_eq!(several.world.event_state(drain.event()).sets, 0);
        assert_eq!(drain.batch().outstanding(), 4 - done);
        let rig = &several.rigs[number];
        if status == NtStatus::CANCELLED {
            assert!(records[number].cancel(&system));
        } else {
            assert!(system.complete_next(rig.device, status));
        }
        assert_eq!(
            rig.effects().block.map(|io| io.status),
            Some(status),
            "each reports"
        );
        assert_eq!(rig.effects().event, Signal::Set);
    }
    let state = several.world.event_state(drain.event());
    assert_eq!((state.signalled, state.sets), (true, 1));
    assert_eq!(drain.batch().outstanding(), 0);
    assert!(records.iter().all(WriteRecord::is_over));
    several.rigs[0].check();
}

/// A batch that is over when all of it was submitted says so, and its drain is not signalled; an empty one too.
#[test]
fn a_batch_that_is_over_at_once() {
    for count in [0, 1, 5] {
        let several = Several::new(&[Script::default(); 5], SYNCHRONOUS);
        let drain = several.world.drain();
        let writes: Vec<Write> = several.rigs.iter().take(count).map(Rig::write).collect();
        let (submission, _records) = several.submit(&drain, &writes);
        let expected = Submission {
            done: u32::try_from(count).unwrap(),
            drained: true,
            ..Submission::default()
        };
        assert_eq!(submission, expected);
        assert_eq!(several.world.event_state(drain.event()).sets, 0);
        several.rigs[0].check();
    }
}

/// A large batch, completed from its end.
#[test]
fn a_batch_of_five_hundred() {
    let several = Several::new(&vec![Script::hold(BufferMethod::Buffered); 500], ASYNCHRONOUS);
    let drain = several.world.drain();
    let writes: Vec<Write> = several.rigs.iter().map(Rig::write).collect();
    let (submission, _records) = several.submit(&drain, &writes);
    assert_eq!((submission.pending, submission.drained), (500, false));
    for rig in several.rigs.iter().rev() {
        assert_eq!(several.world.event_state(drain.event()).sets, 0);
        assert!(
            several
                .world
                .system()
                .complete_next(rig.device, NtStatus::SUCCESS)
        );
    }
    assert_eq!(several.world.event_state(drain.event()).sets, 1);
    several.rigs[0].check();
}

/// The writes of a batch may end while others are still being submitted: either the submitter is told that all is
/// over, or the drain is signalled, once; never both, never neither.
#[test]
fn a_batch_drains_once_in_every_interleaving() {
    let mut scheduler = Scheduler::new();
    let mut drained = BTreeSet::new();
    let explored = Enumerate::new(2).explore(|chooser| {
        let several = Rc::new(Several::new(
            &[Script::hold(BufferMethod::Buffered); 2],
            ASYNCHRONOUS,
        ));
        let world = several.world.clone();
        let drain = world.drain();
        let (submitter, of_submitter) = (Rc::clone(&several), drain.clone());
        let told = Rc::new(std::cell::Cell::new(false));
        let result = Rc::clone(&told);
        let submit = move |cpu: &Cpu<'_>| {
            let statistics = &submitter.rigs[0].statistics;
            let writes = submitter.rigs.iter().map(|rig| {
                let write = write_of(rig);
                (write, OwnedWrite::new(cpu, &write, statistics).unwrap())
            });
            let writes = writes.collect();
            let submission = cpu.submit_batch(statistics, &of_submitter, writes);
            result.set(submission.drained);
            if !submission.drained {
                let woken = cpu.wait_for(of_submitter.event(), Patience::UNTIL_OVER);
                assert_eq!(woken, NtStatus::SUCCESS);
            }
            assert_eq!(of_submitter.batch().outstanding(), 0);
        };
        let mut bodies: Vec<Body> = vec![(several.rigs[0].thread, Box::new(submit))];
        for rig in &several.rigs {
            let device: DeviceId = rig.device;
            let complete = move |cpu: &Cpu<'_>| {
                cpu.complete_any(device, NtStatus::SUCCESS);
            };
            bodies.push((world.thread(ProcessorMode::User), Box::new(complete)));
        }
        world.run(&mut scheduler, bodies, chooser).unwrap();
        let sets = world.event_state(drain.event()).sets;
        assert_eq!(sets, u32::from(!told.get()));
        drained.insert(told.get());
        world.check()
    });
    assert!(explored.is_ok(), "{explored:?}");
    assert_eq!(drained.len(), 2);
}

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
