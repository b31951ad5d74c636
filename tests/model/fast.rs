//! The fast-I/O attempt: KS-20 to KS-34.

use kswrite_core::{
    BufferMethod, Data, FileFlags, IoStatus, NtStatus, Patience, ProcessorMode, Snapshot,
    fast::{Outcome, Skip, TABLE_SIZE_WITH_WRITE},
    managed,
};
use nt_model::{
    Address, Change, FastArguments, FastRoutine, FastTable, KERNEL_BASE, OnIrp, Packet, PortContext, Script,
    Service, World,
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, INFORMATIONAL, KINDS, LENGTH, METHODS, Rig, SIDES, SYNCHRONOUS, Side,
    Signal, WHOLE, Write, nothing,
};

const INLINE: Script = Script::inline(BufferMethod::Buffered);
const ACCEPTS: Script = INLINE.with_fast(FastRoutine::Accept);

/// The counters of one write that fast I/O did.
fn by_fast(bytes: u64) -> Snapshot {
    Snapshot {
        attempted: 1,
        fast: 1,
        fast_bytes: bytes,
        ..Snapshot::default()
    }
}

/// The counters of one write that was done by an IRP at once. The end of one that the I/O manager completes is not
/// followed.
fn by_irp(side: Side, attempt: Snapshot) -> Snapshot {
    Snapshot {
        attempted: 1,
        irp: 1,
        inline: 1,
        irp_bytes: if side == Side::Owned { u64::from(LENGTH) } else { 0 },
        ..attempt
    }
}

fn declined() -> Snapshot {
    Snapshot {
        declined: 1,
        ..Snapshot::default()
    }
}

fn skipped() -> Snapshot {
    Snapshot {
        skipped: 1,
        ..Snapshot::default()
    }
}

/// What an IRP that was done at once leaves behind, for a write without an event.
fn irp_effects(side: Side, attempt: Snapshot) -> Effects {
    Effects {
        block: Some(WHOLE),
        file_event: Signal::Set,
        final_status: Some(NtStatus::SUCCESS),
        irps: 1,
        accepted: BYTES.len(),
        counters: side.counted(BYTES.len()),
        statistics: by_irp(side, attempt),
        ..nothing()
    }
}

/// The routine believes the previous mode. It is called but for a user-mode requestor in a thread whose previous mode
/// is kernel. That mode is the thread's: of two threads that write at one time each has its own.
#[test]
fn ks_20_d7_the_gate() {
    use ProcessorMode::{Kernel, User};
    for side in SIDES {
        for (requestor, previous, allowed) in [
            (Kernel, Kernel, true),
            (Kernel, User, true),
            (User, User, true),
            (User, Kernel, false),
        ] {
            for kind in KINDS {
                let rig = Rig::new(ACCEPTS, kind);
                rig.world.set_previous_mode(rig.thread, previous);
                let write = Write {
                    mode: requestor,
                    ..rig.write()
                };
                assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
                let after = rig.effects();
                let came = (after.fast, after.irps);
                assert_eq!(
                    came,
                    if allowed { (1, 0) } else { (0, 1) },
                    "{side:?} {requestor:?}/{previous:?}"
                );
                let statistics = if allowed {
                    by_fast(LENGTH.into())
                } else {
                    by_irp(side, skipped())
                };
                assert_eq!(after.statistics, statistics);
                assert_eq!(rig.world.accepted(rig.device), BYTES);
                rig.check();
            }
        }
    }
    let rig = Rig::new(ACCEPTS, ASYNCHRONOUS);
    let of_the_system = rig.world.thread(Kernel);
    for (thread, attempt) in [
        (of_the_system, Outcome::Skipped(Skip::Mode)),
        (rig.thread, Outcome::Done(WHOLE)),
    ] {
        let cpu = rig.world.cpu(thread);
        let write = Write {
            status_block: rig.world.status_block(),
            ..rig.write()
        };
        let submitted = managed::write(&cpu, &rig.statistics, &write);
        assert_eq!(submitted.decision.attempt, attempt);
    }
    rig.check();
}

/// No table, a table that ends before the slot, an empty slot: an IRP, and nothing is read that is not there.
#[test]
fn ks_21_no_routine() {
    let table = |size, has_write| Some(FastTable { size, has_write });
    let tables = [
        (None, Skip::NoTable),
        (table(0, true), Skip::ShortTable),
        (table(TABLE_SIZE_WITH_WRITE - 8, true), Skip::ShortTable),
        (table(TABLE_SIZE_WITH_WRITE - 1, true), Skip::ShortTable),
        (table(TABLE_SIZE_WITH_WRITE, false), Skip::EmptySlot),
    ];
    for (table, why) in tables {
        for side in SIDES {
            let rig = Rig::new(Script { table, ..INLINE }, ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
            assert_eq!(rig.effects(), irp_effects(side, skipped()), "{side:?} {table:?}");
            rig.check();
        }
        let rig = Rig::new(Script { table, ..INLINE }, ASYNCHRONOUS);
        let submitted = rig.submit(&rig.write());
        assert_eq!(submitted.decision.attempt, Outcome::Skipped(why));
    }
    // One that just reaches over the slot has the routine.
    let table = table(TABLE_SIZE_WITH_WRITE, true);
    let rig = Rig::new(Script { table, ..ACCEPTS }, ASYNCHRONOUS);
    assert_eq!(rig.submit(&rig.write()).status, NtStatus::SUCCESS);
    assert_eq!(rig.effects().fast, 1);
}

/// The routine gets the file object, a copy of the offset, length, whether it may wait, key and buffer, and the
/// device to which the write goes. A routine that moves the position does not move its own argument.
#[test]
fn ks_22_arguments() {
    for side in SIDES {
        for kind in KINDS {
            let script = Script {
                moves_position: true,
                ..ACCEPTS
            };
            let world = World::new();
            let below = world.device(INLINE);
            let top = world.attach(below, script);
            let rig = Rig::on(world, below, kind);
            rig.world.set_position(rig.file, 0x1_0000_0005);
            let write = Write {
                key: 0x1234,
                length: 9,
                ..rig.write()
            };
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
            let seen = rig.world.seen(top);
            let arguments = FastArguments {
                file: Some(rig.file),
                offset: 0x1_0000_0005,
                length: 9,
                wait: kind == SYNCHRONOUS,
                key: 0x1234,
                buffer: rig.buffer,
            };
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].came.fast(), Some(arguments), "{side:?}");
            let moved = if kind == SYNCHRONOUS { 9 } else { 0 };
            assert_eq!(rig.effects().position, 0x1_0000_0005 + moved);
            rig.check();
        }
    }
}

/// The routine gets the raw address whatever the buffer method is. No IRP, MDL or system buffer is made before it, or
/// for it.
#[test]
fn ks_23_the_raw_address() {
    for method in METHODS {
        let rig = Rig::new(Script { method, ..ACCEPTS }, SYNCHRONOUS);
        assert_eq!(rig.submit(&rig.write()).status, NtStatus::SUCCESS);
        assert_eq!(rig.fast().buffer, rig.buffer, "{method:?}");
        // Nothing else was called that could fail.
        assert_eq!(rig.world.fault_points(), [Service::FastWrite]);
        assert_eq!(rig.world.accepted(rig.device), BYTES);
        rig.check();
    }
}

/// FALSE leaves no trace: one IRP, which finds the event clear; one write is counted; nothing else happens than
/// without a routine.
#[test]
fn ks_24_declined() {
    for side in SIDES {
        for script in [INLINE, Script::hold(BufferMethod::Direct)] {
            let rig = Rig::new(script.with_fast(FastRoutine::Decline), ASYNCHRONOUS);
            let returned = rig.submit_by(side, &rig.write_with_event());
            let seen = rig.world.seen(rig.device);
            assert!(!seen[1].event_signalled.unwrap_or_default());
            if returned == NtStatus::PENDING {
                assert_eq!(
                    (rig.effects().block, rig.effects().event),
                    (None, Signal::Cleared)
                );
                rig.complete_later(NtStatus::SUCCESS);
                rig.world.settle();
            }
            let after = rig.effects();
            assert_eq!((after.fast, after.irps, after.accepted), (1, 1, BYTES.len()));
            assert_eq!((after.block, after.event), (Some(WHOLE), Signal::Set));
            assert_eq!(after.counters, side.counted(BYTES.len()), "{side:?}");
            let statistics = after.statistics;
            assert_eq!(
                (
                    statistics.attempted,
                    statistics.declined,
                    statistics.irp,
                    statistics.fast
                ),
                (1, 1, 1, 0)
            );
            rig.check();
        }
        let rig = Rig::new(INLINE.with_fast(FastRoutine::Decline), ASYNCHRONOUS);
        assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
        let fast = Effects {
            fast: 1,
            ..irp_effects(side, declined())
        };
        assert_eq!(rig.effects(), fast);
        rig.check();
    }
}

/// TRUE with `STATUS_SUCCESS` is the end: its bytes are in the status block, the event is signalled, no IRP is sent,
/// and one write with these bytes is counted.
#[test]
fn ks_25_success() {
    for side in SIDES {
        for takes in [None, Some(5), Some(0)] {
            let rig = Rig::new(Script { takes, ..ACCEPTS }, ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write_with_event()), NtStatus::SUCCESS);
            let bytes = takes.unwrap_or(LENGTH) as usize;
            assert_eq!(
                rig.effects(),
                Effects {
                    block: Some(IoStatus {
                        information: bytes,
                        ..WHOLE
                    }),
                    event: Signal::Set,
                    fast: 1,
                    accepted: bytes,
                    counters: side.counted(bytes),
                    statistics: by_fast(bytes as u64),
                    ..nothing()
                },
                "{side:?}"
            );
            let woken = rig.cpu().wait_for(rig.event, Patience::UNTIL_OVER);
            assert_eq!(woken, NtStatus::SUCCESS);
            rig.check();
        }
    }
}

/// TRUE with any other status does not count as done, not even one of success: an IRP is sent, once, and what it comes
/// to is the result.
#[test]
fn ks_26_d2_another_status() {
    let statuses = [
        INFORMATIONAL,
        NtStatus::TIMEOUT,
        NtStatus::PENDING,
        NtStatus::BUFFER_OVERFLOW,
        NtStatus::IO_DEVICE_ERROR,
        NtStatus::CANCELLED,
    ];
    for status in statuses {
        let answer = FastRoutine::Answer(IoStatus {
            status,
            information: 3,
        });
        for side in SIDES {
            let rig = Rig::new(INLINE.with_fast(answer), ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write_with_event()), NtStatus::SUCCESS);
            assert_eq!(
                rig.effects(),
                Effects {
                    fast: 1,
                    event: Signal::Set,
                    file_event: Signal::Cleared,
                    final_status: None,
                    ..irp_effects(side, declined())
                },
                "{side:?} {status}"
            );
            rig.check();

            let fails = OnIrp::Inline(NtStatus::DEVICE_NOT_READY);
            let rig = Rig::new(INLINE.with_fast(answer).on_irp(fails), ASYNCHRONOUS);
            let returned = rig.submit_by(side, &rig.write_with_event());
            assert_eq!(returned, NtStatus::DEVICE_NOT_READY, "{side:?} {status}");
            let after = rig.effects();
            assert_eq!((after.block, after.event, after.irps), (None, Signal::Cleared, 1));
            rig.check();
        }
        let rig = Rig::new(INLINE.with_fast(answer), ASYNCHRONOUS);
        let attempt = rig.submit(&rig.write()).decision.attempt;
        assert_eq!(attempt, Outcome::NotSuccess(status));
    }
}

/// The event is signalled after a fast success, unless the file object says that it is not to be.
#[test]
fn ks_27_the_event_after_a_fast_success() {
    for side in SIDES {
        for (flags, event) in [
            (ASYNCHRONOUS, Signal::Set),
            (FileFlags::SKIP_SET_EVENT, Signal::Set),
            (FileFlags::SKIP_SET_FAST_IO, Signal::Cleared),
        ] {
            let rig = Rig::new(ACCEPTS, flags);
            assert_eq!(rig.submit_by(side, &rig.write_with_event()), NtStatus::SUCCESS);
            let after = rig.effects();
            assert_eq!((after.event, after.fast), (event, 1), "{side:?} {flags:?}");
            assert_eq!((after.block, after.file_event), (Some(WHOLE), Signal::Untouched));
            rig.check();
        }
        // The flag is about fast I/O only.
        let rig = Rig::new(INLINE, FileFlags::SKIP_SET_FAST_IO);
        assert_eq!(rig.submit_by(side, &rig.write_with_event()), NtStatus::SUCCESS);
        assert_eq!(rig.effects().event, Signal::Set);
        rig.check();
    }
}

/// After a fast success without an event the event of the file object is signalled, whatever it was before, unless
/// an asynchronous one says that it is not to be; and even then it is not left clear if it was not.
#[test]
fn ks_28_d3_the_event_of_the_file_object() {
    for side in SIDES {
        for kind in KINDS {
            for skip in [false, true] {
                for before in [false, true] {
                    let flags = if skip {
                        kind | FileFlags::SKIP_SET_EVENT
                    } else {
                        kind
                    };
                    let rig = Rig::new(ACCEPTS, flags);
                    rig.world.set_file_event(rig.file, before);
                    assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
                    let after = rig.world.file_state(rig.file);
                    let set = kind == SYNCHRONOUS || !skip;
                    assert_eq!(
                        (after.signalled, after.sets),
                        (before || set, u32::from(set)),
                        "{side:?} {flags:?}"
                    );
                    assert_eq!(after.final_status, nt_model::UNTOUCHED.status);
                    assert_eq!((rig.effects().fast, rig.effects().block), (1, Some(WHOLE)));
                    rig.check();
                }
            }
        }
    }
}

/// A packet that is due is never lost to fast I/O: where one would be, the attempt is not made, the record says so, and
/// an IRP becomes the packet.
#[test]
fn ks_29_d4_packets() {
    for side in SIDES {
        for port in [false, true] {
            for context in [false, true] {
                for skip in [false, true] {
                    let flags = if skip {
                        FileFlags::SKIP_COMPLETION_PORT
                    } else {
                        ASYNCHRONOUS
                    };
                    let rig = Rig::new(ACCEPTS, flags);
                    let port = port.then(|| rig.with_port(0xFEED));
                    let write = Write {
                        port_context: context.then_some(PortContext(5)),
                        ..rig.write_with_event()
                    };
                    assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
                    let due = port.is_some() && context && !skip;
                    let after = rig.effects();
                    assert_eq!(
                        (after.fast, after.irps),
                        if due { (0, 1) } else { (1, 0) },
                        "{side:?}"
                    );
                    assert_eq!((after.block, after.event), (Some(WHOLE), Signal::Set));
                    let packet = Packet {
                        key: 0xFEED,
                        context: PortContext(5),
                        io: WHOLE,
                    };
                    if let Some(port) = port {
                        assert_eq!(rig.cpu().dequeue(port), due.then_some(packet));
                        assert_eq!(rig.world.packets(port), 0);
                    }
                    rig.check();
                }
            }
        }
    }
    let rig = Rig::new(ACCEPTS, ASYNCHRONOUS);
    let _port = rig.with_port(1);
    let write = Write {
        port_context: Some(PortContext(5)),
        ..rig.write()
    };
    let attempt = rig.submit(&write).decision.attempt;
    assert_eq!(attempt, Outcome::Skipped(Skip::Packet));
}

/// A routine that raises does not take the caller with it: the code is returned, no IRP is sent, the event is clear,
/// the status block untouched, and nothing stays.
#[test]
fn ks_30_a_raising_routine() {
    const IN_PAGE_ERROR: NtStatus = NtStatus(0xC000_0006_u32.cast_signed());
    for side in SIDES {
        let raises = |status| INLINE.with_fast(FastRoutine::Raise(status));
        let unmapped: [(Script, NtStatus, bool); 3] = [
            (
                raises(NtStatus::ACCESS_VIOLATION),
                NtStatus::ACCESS_VIOLATION,
                false,
            ),
            (raises(IN_PAGE_ERROR), IN_PAGE_ERROR, false),
            // The routine reads the page of the program, which is gone.
            (ACCEPTS, NtStatus::ACCESS_VIOLATION, true),
        ];
        for (script, code, gone) in unmapped {
            let rig = Rig::new(script, ASYNCHRONOUS);
            if gone {
                rig.world.change(&Change::Unmap(rig.buffer));
            }
            assert_eq!(rig.submit_by(side, &rig.write_with_event()), code, "{side:?}");
            let statistics = Snapshot {
                attempted: 1,
                faulted: 1,
                rejected: 1,
                ..Snapshot::default()
            };
            let after = rig.effects();
            assert_eq!((after.fast, after.irps, after.accepted), (1, 0, 0));
            assert_eq!(
                (after.event, after.block, after.final_status),
                (Signal::Cleared, None, None)
            );
            assert_eq!(
                (after.counters, after.statistics),
                (nothing().counters, statistics)
            );
            rig.check();
        }
    }
}

/// A routine that declines a write-through file leaves it to the IRP, which says so; the routine is asked all the same.
#[test]
fn ks_31_write_through() {
    const SL_WRITE_THROUGH: u8 = 4;
    for side in SIDES {
        for (flags, fast) in [(ASYNCHRONOUS, true), (FileFlags::WRITE_THROUGH, false)] {
            let rig = Rig::new(INLINE.with_fast(FastRoutine::AcceptAsFileSystem), flags);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
            let after = rig.effects();
            assert_eq!((after.fast, after.irps), (1, usize::from(!fast)), "{side:?}");
            if !fast {
                assert_eq!(rig.irp().1.flags & SL_WRITE_THROUGH, SL_WRITE_THROUGH);
                assert_eq!(after.statistics, by_irp(side, declined()));
            }
            assert_eq!((after.block, after.accepted), (Some(WHOLE), BYTES.len()));
            rig.check();
        }
    }
}

/// A routine that takes 0 bytes has written 0 bytes with success; nobody looks at the buffer, whatever it is.
#[test]
fn ks_32_zero_length() {
    for side in SIDES {
        for address in [0, 0x7000, KERNEL_BASE, u64::MAX] {
            let rig = Rig::new(INLINE.with_fast(FastRoutine::AcceptAsFileSystem), ASYNCHRONOUS);
            let write = Write {
                data: Data::Raw(Address(address)),
                length: 0,
                ..rig.write_with_event()
            };
            assert_eq!(
                rig.submit_by(side, &write),
                NtStatus::SUCCESS,
                "{side:?} {address:#x}"
            );
            assert_eq!(
                rig.effects(),
                Effects {
                    block: Some(IoStatus {
                        information: 0,
                        ..WHOLE
                    }),
                    event: Signal::Set,
                    fast: 1,
                    counters: side.counted(0),
                    statistics: by_fast(0),
                    ..nothing()
                }
            );
            assert_eq!(rig.world.touches(), 0);
            rig.check();
        }
    }
}

/// The routine of a device is tried for every file object: synchronous or not, cached or not.
#[test]
fn ks_33_tried_for_every_file() {
    for side in SIDES {
        for kind in KINDS {
            for flags in [
                FileFlags::default(),
                FileFlags::NO_INTERMEDIATE_BUFFERING,
                FileFlags::WRITE_THROUGH,
                FileFlags::ALERTABLE_IO,
            ] {
                let rig = Rig::new(ACCEPTS, kind | flags);
                assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
                assert_eq!(
                    (rig.effects().fast, rig.effects().irps),
                    (1, 0),
                    "{side:?} {flags:?}"
                );
                rig.check();
            }
        }
    }
}

/// The routine may wait if the caller of a write may: for a synchronous file object, and no other.
#[test]
fn ks_34_whether_it_may_wait() {
    for side in SIDES {
        for kind in KINDS {
            let rig = Rig::new(ACCEPTS, kind | FileFlags::ALERTABLE_IO);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
            assert_eq!(rig.fast().wait, kind == SYNCHRONOUS, "{side:?}");
            rig.check();
        }
    }
}
