//! What is counted: by the I/O manager for the process, and by the routine itself.

use std::rc::Rc;

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus, ProcessorMode, Snapshot, Statistics};
use nt_model::{
    Body, Counters, Cpu, FastRoutine, FastTable, Fault, NtWrite, OnIrp, Script, Service, World,
    schedule::{Enumerate, Scheduler},
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, KINDS, LENGTH, METHODS, Rig, SIDES, STATUSES, SYNCHRONOUS, Side, counted, nothing,
    submit_by,
};

/// Bytes that the device takes of a write.
const PART: u32 = 5;

const NOTHING: Counters = Counters {
    write_operations: 0,
    write_bytes: 0,
    other_bytes: 0,
};

/// A device that takes a part of every write.
fn part(irp: OnIrp) -> Script {
    Script {
        takes: Some(PART),
        ..Script::default().on_irp(irp)
    }
}

/// KS-80: one operation for each write that is accepted: at a fast success, or when the IRP is handed to the device,
/// whatever becomes of it.
#[test]
fn ks_80_one_operation_for_each_write_that_is_accepted() {
    for flags in KINDS {
        let rig = Rig::new(Script::default().with_fast(FastRoutine::Accept), flags);
        assert_eq!(rig.submit(&rig.write()).status, NtStatus::SUCCESS);
        assert_eq!(rig.world.counters(), counted(BYTES.len()));
        rig.check();
        for status in STATUSES {
            for irp in [OnIrp::Inline(status), OnIrp::InlineAsPending(status)] {
                let rig = Rig::new(Script::default().on_irp(irp), flags);
                let _told = rig.submit(&rig.write()).status;
                assert_eq!(rig.world.counters().write_operations, 1, "{irp:?}");
                rig.check();
            }
        }
        let rig = Rig::new(Script::default(), flags);
        rig.world.inject(Fault::on(Service::Send, 0));
        assert_eq!(rig.submit(&rig.write()).status, NtStatus::IO_DEVICE_ERROR);
        assert_eq!(rig.world.counters(), counted(0));
        rig.check();
    }
    let rig = Rig::new(Script::hold(BufferMethod::Neither), ASYNCHRONOUS);
    for held in 1..=3 {
        assert_eq!(rig.submit(&rig.write()).status, NtStatus::PENDING);
        assert_eq!(
            rig.world.counters().write_operations,
            held,
            "counted while it is held"
        );
    }
    for _ in 0..3 {
        assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
    }
    assert_eq!(rig.world.counters().write_operations, 3);
    rig.check();
}

/// KS-80: the operation is counted before the device sees the write: no other thread ever sees it the other way round.
#[test]
fn ks_80_an_operation_is_counted_before_the_device_runs() {
    let mut scheduler = Scheduler::new();
    let explored = Enumerate::new(2).explore(|chooser| {
        let rig = Rc::new(Rig::new(Script::default(), SYNCHRONOUS));
        let (writer, observer) = (Rc::clone(&rig), Rc::clone(&rig));
        let bodies: Vec<Body> = vec![
            (
                rig.thread,
                Box::new(move |cpu| {
                    let told = submit_by(Side::Managed, cpu, &writer.statistics, &writer.write());
                    assert_eq!(told, NtStatus::SUCCESS);
                }),
            ),
            (
                rig.world.thread(ProcessorMode::User),
                Box::new(move |_: &Cpu<'_>| {
                    let seen = observer.world.seen(observer.device).len() as u64;
                    assert!(observer.world.counters().write_operations >= seen);
                    assert!(observer.statistics.snapshot().irp >= seen);
                }),
            ),
        ];
        rig.world.run(&mut scheduler, bodies, chooser).unwrap();
        rig.world.check()
    });
    assert!(explored.is_ok(), "{explored:?}");
}

/// KS-81, KS-84: the bytes are counted, as written and not as other ones, when the write ended without an error, or
/// when it was pended for an asynchronous file object. An error at once has its operation and no bytes.
#[test]
fn ks_81_84_bytes_are_counted_where_the_end_is_reported() {
    let pends = |irp| matches!(irp, OnIrp::InlineAsPending(_));
    for flags in KINDS {
        for status in STATUSES {
            for irp in [OnIrp::Inline(status), OnIrp::InlineAsPending(status)] {
                let rig = Rig::new(part(irp), flags);
                let _told = rig.submit(&rig.write()).status;
                let reported = !status.is_error() || pends(irp) && !flags.is_synchronous();
                let bytes = if reported { PART as usize } else { 0 };
                assert_eq!(rig.world.counters(), counted(bytes), "{flags:?} {irp:?}");
                rig.check();
            }
        }
    }
    // By fast I/O too: what it wrote, not what it was asked to.
    let rig = Rig::new(part(OnIrp::Hold).with_fast(FastRoutine::Accept), ASYNCHRONOUS);
    assert_eq!(rig.submit(&rig.write()).status, NtStatus::SUCCESS);
    assert_eq!(rig.world.counters(), counted(PART as usize));
    rig.check();
}

/// KS-82: an attempt that was declined, or whose answer does not count, and its IRP are one operation, and one attempt.
#[test]
fn ks_82_a_declined_attempt_is_counted_once() {
    let answer = |status| {
        FastRoutine::Answer(IoStatus {
            status,
            information: 11,
        })
    };
    for fast in [
        FastRoutine::Decline,
        answer(NtStatus::BUFFER_OVERFLOW),
        answer(NtStatus::IO_DEVICE_ERROR),
    ] {
        for side in SIDES {
            let rig = Rig::new(Script::default().with_fast(fast), ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
            assert_eq!(rig.world.counters(), side.counted(BYTES.len()), "{fast:?}");
            let seen = rig.statistics.snapshot();
            assert_eq!((seen.attempted, seen.declined, seen.irp, seen.fast), (1, 1, 1, 0));
            assert_eq!((seen.skipped, seen.fast_bytes), (0, 0));
            rig.check();
        }
    }
}

/// KS-83: a write that fails before the device is called is not counted for the process; the routine counts it as
/// rejected. One with arguments that make no sense is counted nowhere.
#[test]
fn ks_83_a_write_that_fails_before_the_device_is_not_counted() {
    let faults = [
        (BufferMethod::Buffered, Service::Pool),
        (BufferMethod::Buffered, Service::Quota),
        (BufferMethod::Buffered, Service::Copy),
        (BufferMethod::Buffered, Service::AllocateIrp),
        (BufferMethod::Direct, Service::AllocateMdl),
        (BufferMethod::Direct, Service::ProbeAndLock),
        (BufferMethod::Direct, Service::AllocateIrp),
        (BufferMethod::Neither, Service::AllocateIrp),
    ];
    let rejected = Snapshot {
        attempted: 1,
        skipped: 1,
        rejected: 1,
        ..Snapshot::default()
    };
    for side in SIDES {
        for (method, service) in faults {
            let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
            rig.world.inject(Fault::on(service, 0));
            assert_eq!(rig.submit_by(side, &rig.write()), service.usual());
            assert_eq!(rig.world.counters(), NOTHING, "{service:?}");
            assert_eq!(rig.statistics.snapshot(), rejected, "{service:?}");
            rig.check();
        }
        let rig = Rig::new(Script::default().with_fast(FastRoutine::Accept), ASYNCHRONOUS);
        rig.world
            .inject(Fault::on(Service::FastWrite, 0).with_status(NtStatus::ACCESS_VIOLATION));
        assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::ACCESS_VIOLATION);
        assert_eq!(rig.world.counters(), NOTHING, "a raising routine");
        let faulted = Snapshot {
            attempted: 1,
            faulted: 1,
            rejected: 1,
            ..Snapshot::default()
        };
        assert_eq!(rig.statistics.snapshot(), faulted);
        rig.check();

        let rig = Rig::new(Script::default(), SYNCHRONOUS);
        let told = rig.submit_by(side, &rig.write_with_event());
        assert_eq!((told, rig.effects()), (NtStatus::INVALID_PARAMETER, nothing()));
        rig.check();
    }
}

/// KS-85: when the system does not count I/O, the process has nothing; the routine's own counters go on.
#[test]
fn ks_85_counting_can_be_switched_off() {
    for fast in [None, Some(FastTable::FULL)] {
        let script = Script {
            table: fast,
            ..Script::default()
        };
        let rig = Rig::new(script, SYNCHRONOUS);
        rig.world.set_counting(false);
        assert_eq!(rig.submit(&rig.write()).status, NtStatus::SUCCESS);
        assert_eq!(rig.world.counters(), NOTHING);
        assert_eq!(rig.statistics.snapshot().attempted, 1);
        rig.world.set_counting(true);
        assert_eq!(rig.submit(&rig.write()).status, NtStatus::SUCCESS);
        assert_eq!(rig.world.counters(), counted(BYTES.len()));
        assert_eq!(rig.statistics.snapshot().attempted, 2);
        rig.check();
    }
}

/// What only the side that sees the end of a write counts: cancelled, failed, bytes.
type AtTheEnd = (u64, u64, u64);

/// A device with what both sides count of a write to it, and what only one does.
fn paths() -> [(Script, Snapshot, AtTheEnd); 7] {
    let fast = |routine| Script::default().with_fast(routine);
    let one = Snapshot {
        attempted: 1,
        ..Snapshot::default()
    };
    let by_irp = Snapshot {
        skipped: 1,
        irp: 1,
        inline: 1,
        ..one
    };
    let bytes = BYTES.len() as u64;
    [
        (
            fast(FastRoutine::Accept),
            Snapshot {
                fast: 1,
                fast_bytes: bytes,
                ..one
            },
            (0, 0, 0),
        ),
        (
            fast(FastRoutine::Decline),
            Snapshot {
                declined: 1,
                skipped: 0,
                ..by_irp
            },
            (0, 0, bytes),
        ),
        (Script::default(), by_irp, (0, 0, bytes)),
        (
            Script::default().on_irp(OnIrp::InlineAsPending(NtStatus::SUCCESS)),
            Snapshot {
                inline: 0,
                pended: 1,
                ..by_irp
            },
            (0, 0, bytes),
        ),
        (
            part(OnIrp::Inline(NtStatus::CANCELLED)),
            by_irp,
            (1, 0, PART.into()),
        ),
        (
            part(OnIrp::Inline(NtStatus::IO_DEVICE_ERROR)),
            by_irp,
            (0, 1, PART.into()),
        ),
        (
            part(OnIrp::Inline(NtStatus::BUFFER_OVERFLOW)),
            by_irp,
            (0, 1, PART.into()),
        ),
    ]
}

/// KS-86: the routine has counters of its own, per path. What the I/O manager completes is counted until it is handed
/// over, what the driver completes until its end.
#[test]
fn ks_86_counters_of_its_own_for_every_path() {
    for side in SIDES {
        for (script, common, (cancelled, failed, irp_bytes)) in paths() {
            let rig = Rig::new(script, ASYNCHRONOUS);
            let _told = rig.submit_by(side, &rig.write());
            let expected = match side {
                Side::Managed => common,
                Side::Owned => Snapshot {
                    cancelled,
                    failed,
                    irp_bytes,
                    ..common
                },
            };
            assert_eq!(rig.statistics.snapshot(), expected, "{side:?} {script:?}");
            rig.check();
        }
    }
}

/// KS-86: writes that are under way are counted as such, and no others; a reset leaves them.
#[test]
fn ks_86_writes_under_way() {
    for method in METHODS {
        let rig = Rig::new(Script::hold(method), ASYNCHRONOUS);
        for under_way in 1..=4 {
            assert_eq!(rig.submit_by(Side::Owned, &rig.write()), NtStatus::PENDING);
            assert_eq!(rig.statistics.snapshot().in_flight, under_way);
        }
        rig.statistics.reset();
        let seen = rig.statistics.snapshot();
        let in_flight = 4;
        assert_eq!(
            seen,
            Snapshot {
                in_flight,
                ..Snapshot::default()
            }
        );
        let ends = [
            NtStatus::SUCCESS,
            NtStatus::CANCELLED,
            NtStatus::IO_DEVICE_ERROR,
            NtStatus::SUCCESS,
        ];
        for (done, status) in (1..).zip(ends) {
            assert!(rig.world.system().complete_next(rig.device, status));
            assert_eq!(rig.statistics.snapshot().in_flight, 4 - done);
        }
        let seen = rig.statistics.snapshot();
        assert_eq!((seen.cancelled, seen.failed), (1, 1));
        assert_eq!(seen.irp_bytes, 2 * BYTES.len() as u64);
        rig.check();
    }
}

/// KS-86: the counters of several devices add up.
#[test]
fn ks_86_counters_add_up() {
    let rigs = [FastRoutine::Accept, FastRoutine::Decline].map(|fast| {
        let rig = Rig::new(Script::default().with_fast(fast), SYNCHRONOUS);
        assert_eq!(rig.submit_by(Side::Owned, &rig.write()), NtStatus::SUCCESS);
        rig.check();
        rig.statistics.snapshot()
    });
    let mut sum = Snapshot::default();
    for seen in &rigs {
        sum.add(seen);
    }
    let bytes = BYTES.len() as u64;
    let expected = Snapshot {
        attempted: 2,
        fast: 1,
        declined: 1,
        irp: 1,
        inline: 1,
        fast_bytes: bytes,
        irp_bytes: bytes,
        ..Snapshot::default()
    };
    assert_eq!(sum, expected);
    assert_eq!(Statistics::new().snapshot(), Snapshot::default());
}

/// KS-86: a filter counts what it passes on, by both ways.
#[test]
fn ks_86_a_filter_counts_both_ways() {
    let world = World::new();
    let device = world.device(Script::default().with_fast(FastRoutine::Accept));
    let filter = world.attach_filter(device, true);
    let rig = Rig::on(world, device, FileFlags::SYNCHRONOUS_IO);
    assert_eq!(rig.submit(&rig.write()).status, NtStatus::SUCCESS);
    let passed_on = rig.world.statistics(filter).snapshot();
    let expected = Snapshot {
        forwarded_fast: 1,
        ..Snapshot::default()
    };
    assert_eq!(passed_on, expected);
    let block = rig.world.status_block();
    let write = NtWrite::new(rig.file, block, rig.buffer, LENGTH);
    assert_eq!(rig.cpu().nt_write_file(&write), NtStatus::SUCCESS);
    let both = rig.world.statistics(filter).snapshot();
    let expected = Snapshot {
        attempted: 1,
        fast: 1,
        fast_bytes: BYTES.len() as u64,
        ..expected
    };
    assert_eq!(both, expected);
    rig.check();
}
