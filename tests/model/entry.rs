//! The routine and its arguments: KS-01 to KS-19b.

use std::rc::Rc;

use kswrite_core::{
    BufferMethod, Data, FileFlags, IoStatus, NtStatus, Patience, ProcessorMode, Snapshot, Statistics, managed,
};
use nt_model::{
    Address, BlockId, Change, Cpu, EventId, FastRoutine, Fault, FileId, Finding, IRP_MJ_WRITE, Irql,
    KERNEL_BASE, OnIrp, Packet, PortContext, Script, Service, World,
    schedule::{Scheduler, Seeded},
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, KINDS, LENGTH, METHODS, Rig, SIDES, STATUSES, SYNCHRONOUS, Side, Signal,
    WHOLE, Write, nothing, submit_by,
};

const INLINE: Script = Script::inline(BufferMethod::Buffered);
const HELD: Script = Script::hold(BufferMethod::Buffered);

/// The routine: an NTSTATUS of eight parameters, after the kernel and the counters.
type Routine = fn(
    &Cpu<'static>,
    &Statistics,
    FileId,
    Option<EventId>,
    Option<PortContext>,
    BlockId,
    Address,
    u32,
    u32,
    ProcessorMode,
) -> NtStatus;

/// The eight parameters stand in this order, and each comes to its place in the IRP.
#[test]
fn ks_01_eight_parameters() {
    let routine: Routine = managed::ks_write_file;
    let rig = Rig::new(Script::hold(BufferMethod::Neither), ASYNCHRONOUS);
    let context = PortContext(0x7777);
    let returned = routine(
        &rig.cpu(),
        &rig.statistics,
        rig.file,
        Some(rig.event),
        Some(context),
        rig.block,
        rig.buffer,
        7,
        0x1234,
        ProcessorMode::User,
    );
    assert_eq!(returned, NtStatus::PENDING);
    let (header, location) = rig.irp();
    assert_eq!(
        (header.file, header.user_event, header.user_apc_context),
        (Some(rig.file), Some(rig.event), Some(context))
    );
    assert_eq!(
        (header.user_iosb, header.user_buffer, header.requestor_mode),
        (Some(rig.block), Some(rig.buffer), ProcessorMode::User)
    );
    assert_eq!((location.length, location.key), (7, 0x1234));
    rig.complete_later(NtStatus::SUCCESS);
    rig.world.settle();
    assert_eq!(rig.effects().block.unwrap().information, 7);
    rig.check();
}

/// A write goes to the top of the device stack, by that driver's fast-I/O table and in the way in which that device
/// wants its bytes; the device that the file object names gets nothing.
#[test]
fn ks_02_the_top_of_the_stack() {
    for side in SIDES {
        for fast in [false, true] {
            let world = World::new();
            let below = world.device(INLINE.with_fast(FastRoutine::Accept));
            let middle = world.attach(below, INLINE.with_fast(FastRoutine::Accept));
            let neither = Script::inline(BufferMethod::Neither);
            let script = if fast {
                neither.with_fast(FastRoutine::Accept)
            } else {
                neither
            };
            let top = world.attach(middle, script);
            let rig = Rig::on(world, below, ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);

            assert!(rig.world.seen(below).is_empty() && rig.world.seen(middle).is_empty());
            let seen = rig.world.seen(top);
            assert_eq!(seen.len(), 1, "{side:?}");
            assert_eq!(seen[0].came.fast().is_some(), fast);
            if let Some((_, header, location)) = seen[0].came.irp() {
                assert_eq!((header.stack_count, header.user_buffer), (3, Some(rig.buffer)));
                assert_eq!((location.device, location.major), (Some(top), IRP_MJ_WRITE));
            }
            assert_eq!(rig.world.accepted(top), BYTES);
            rig.check();
        }
    }
}

/// No lock is taken: two writes of two threads to one synchronous file object are in the driver at once.
#[test]
fn ks_03_the_caller_serialises() {
    for side in SIDES {
        let rig = Rig::new(HELD, SYNCHRONOUS);
        let (device, file) = (rig.device, rig.file);
        let bodies = [rig.thread, rig.world.thread(ProcessorMode::User)].map(|thread| {
            let write = Write {
                status_block: rig.world.status_block(),
                ..rig.write()
            };
            let statistics = Rc::clone(&rig.statistics);
            let body: Box<dyn FnOnce(&Cpu<'_>)> = Box::new(move |cpu| {
                assert_eq!(submit_by(side, cpu, &statistics, &write), NtStatus::SUCCESS);
            });
            (thread, body)
        });
        rig.world.later(move |cpu| {
            // A write that waited for the other one would never come.
            for _ in 0..1000 {
                cpu.pause();
            }
            assert_eq!(cpu.world().held(device).len(), 2, "{side:?}");
            let file = cpu.world().file_state(file);
            assert_eq!((file.busy, file.waiters, file.lock_uses), (false, 0, 0));
            assert!(cpu.complete_next(device, NtStatus::SUCCESS));
            assert!(cpu.complete_next(device, NtStatus::SUCCESS));
        });
        let outcome = rig
            .world
            .run(&mut Scheduler::new(), bodies.into(), &mut Seeded::new(3));
        assert!(outcome.unwrap().gave_up.is_empty());
        assert_eq!(rig.world.accepted(device).len(), 2 * BYTES.len());
        assert_eq!(rig.world.file_state(file).lock_uses, 0);
        rig.check();
    }
}

/// An event that is passed is cleared before anything is attempted: both the fast-I/O routine and the driver come
/// later, and the driver finds it clear.
#[test]
fn ks_04_the_event_is_cleared_first() {
    let answers = [
        OnIrp::Inline(NtStatus::SUCCESS),
        OnIrp::Inline(NtStatus::IO_DEVICE_ERROR),
        OnIrp::InlineAsPending(NtStatus::SUCCESS),
        OnIrp::Hold,
    ];
    for side in SIDES {
        for answer in answers {
            let script = INLINE.on_irp(answer).with_fast(FastRoutine::Decline);
            let rig = Rig::new(script, ASYNCHRONOUS);
            let _returned = rig.submit_by(side, &rig.write_with_event());
            // The next one is of the event of the file object, and comes after.
            assert!(
                rig.first("KeClearEvent") < rig.first("FastIoWrite"),
                "{side:?} {answer:?}"
            );
            assert_eq!(rig.calls("KeClearEvent"), 2);
            // The driver of an IRP that the I/O manager does not complete sees no event.
            let signalled = rig.world.seen(rig.device)[1].event_signalled;
            assert_eq!(signalled, (side == Side::Managed).then_some(false));
            if answer == OnIrp::Hold {
                assert_eq!(rig.effects().event, Signal::Cleared);
                rig.complete_later(NtStatus::SUCCESS);
                rig.world.settle();
            }
            let error = answer == OnIrp::Inline(NtStatus::IO_DEVICE_ERROR);
            let after = if error { Signal::Cleared } else { Signal::Set };
            assert_eq!(rig.effects().event, after, "{side:?} {answer:?}");
            rig.check();
        }
    }
}

/// However a write ends, as many references are on the event afterwards as before; while it is pended there is one
/// more, so that the program may close its handle.
#[test]
fn ks_05_references_on_the_event() {
    let fails = |service| (INLINE, Some(Fault::on(service, 0)));
    let cases = [
        (INLINE.with_fast(FastRoutine::Accept), None),
        (
            INLINE.with_fast(FastRoutine::Raise(NtStatus::ACCESS_VIOLATION)),
            None,
        ),
        (INLINE, None),
        (INLINE.on_irp(OnIrp::Inline(NtStatus::IO_DEVICE_ERROR)), None),
        (INLINE.on_irp(OnIrp::InlineAsPending(NtStatus::CANCELLED)), None),
        (HELD, None),
        fails(Service::Copy),
        fails(Service::Pool),
        fails(Service::AllocateIrp),
    ];
    for side in SIDES {
        for (script, fault) in cases {
            for cancel in [false, true] {
                let rig = Rig::new(script, ASYNCHRONOUS);
                if let Some(fault) = fault {
                    rig.world.inject(fault);
                }
                let returned = rig.submit_by(side, &rig.write_with_event());
                let held = rig.world.held(rig.device);
                if let Some(irp) = held.first() {
                    assert_eq!(returned, NtStatus::PENDING);
                    assert_eq!(rig.world.event_state(rig.event).pointers, 2);
                    rig.cpu().close_event(rig.event);
                    if cancel {
                        assert!(rig.cpu().cancel_irp(*irp));
                    } else {
                        rig.complete_later(NtStatus::SUCCESS);
                        rig.world.settle();
                    }
                }
                let references = rig.world.event_state(rig.event);
                let left = u32::from(held.is_empty());
                assert_eq!(
                    (references.pointers, references.handles),
                    (left, left),
                    "{script:?}"
                );
                rig.check();
            }
        }
    }
}

/// Without an event a write to a synchronous file object returns when it is over, with the final status; errors
/// leave the status block alone.
#[test]
fn ks_06_synchronous_returns_when_over() {
    for side in SIDES {
        for status in STATUSES {
            for script in [HELD, INLINE.on_irp(OnIrp::InlineAsPending(status))] {
                let rig = Rig::new(script, SYNCHRONOUS);
                if script == HELD {
                    rig.complete_later(status);
                }
                assert_eq!(rig.submit_by(side, &rig.write()), status);
                let error = status.is_error();
                let io = IoStatus {
                    status,
                    information: if error { 0 } else { BYTES.len() },
                };
                let after = rig.effects();
                assert_eq!(after.block, (!error).then_some(io), "{side:?} {status}");
                assert_eq!(
                    (after.file_event, after.final_status, after.irps, after.accepted),
                    (Signal::Set, Some(status), 1, io.information)
                );
                assert_eq!(after.counters, side.counted(io.information));
                rig.check();
            }
        }
    }
}

/// Without an event a write to an asynchronous file object may go on: the event of the file object is clear when the
/// driver gets it, and is signalled by its end, which wakes who waits for the file.
#[test]
fn ks_07_the_event_of_the_file_object() {
    for side in SIDES {
        for status in STATUSES {
            let rig = Rig::new(HELD, ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::PENDING);
            assert_eq!(rig.world.seen(rig.device)[0].file_signalled, Some(false));
            assert_eq!(
                rig.effects(),
                Effects {
                    file_event: Signal::Cleared,
                    irps: 1,
                    counters: side.counted(0),
                    statistics: pended(side, None),
                    ..nothing()
                }
            );
            rig.complete_later(status);
            let woken = rig.cpu().wait_for_file_handle(rig.file, Patience::UNTIL_OVER);
            assert_eq!(woken, NtStatus::SUCCESS);
            let information = if status.is_error() { 0 } else { BYTES.len() };
            let io = IoStatus { status, information };
            assert_eq!(
                rig.effects(),
                Effects {
                    block: Some(io),
                    file_event: Signal::Set,
                    final_status: Some(status),
                    irps: 1,
                    accepted: information,
                    counters: side.counted(information),
                    statistics: pended(side, Some(io)),
                    ..nothing()
                },
                "{side:?}"
            );
            rig.check();
        }
    }
}

/// The counters of one write that was pended: what the I/O manager completes is not followed to its end.
fn pended(side: Side, ended: Option<IoStatus>) -> Snapshot {
    let sent = Snapshot {
        attempted: 1,
        skipped: 1,
        irp: 1,
        pended: 1,
        ..Snapshot::default()
    };
    match (side, ended) {
        (Side::Managed, _) => sent,
        (Side::Owned, None) => Snapshot { in_flight: 1, ..sent },
        (Side::Owned, Some(io)) => Snapshot {
            cancelled: u64::from(io.status == NtStatus::CANCELLED),
            failed: u64::from(!io.status.is_success() && io.status != NtStatus::CANCELLED),
            irp_bytes: io.information as u64,
            ..sent
        },
    }
}

/// An event for a synchronous file object is `STATUS_INVALID_PARAMETER`, and nothing has been touched: not the
/// events, not the status block, not the device, not a counter.
#[test]
fn ks_08_d1_event_and_synchronous() {
    for side in SIDES {
        for script in [INLINE, INLINE.with_fast(FastRoutine::Accept), HELD] {
            let rig = Rig::new(script, SYNCHRONOUS);
            let returned = rig.submit_by(side, &rig.write_with_event());
            assert_eq!(returned, NtStatus::INVALID_PARAMETER, "{side:?}");
            assert_eq!(rig.effects(), nothing());
            rig.check();
        }
    }
}

/// A packet with the key of the file object, the context of the write, its status and its bytes is queued if there
/// is a port and a context, and the write is not an error at once.
#[test]
fn ks_09_packets() {
    for side in SIDES {
        for status in STATUSES {
            for inline in [true, false] {
                for (port, context) in [(true, true), (true, false), (false, true)] {
                    let script = if inline {
                        INLINE.on_irp(OnIrp::Inline(status))
                    } else {
                        HELD
                    };
                    let rig = Rig::new(script, ASYNCHRONOUS);
                    let port = port.then(|| rig.with_port(0xFEED));
                    let write = Write {
                        port_context: context.then_some(PortContext(0xC0)),
                        ..rig.write()
                    };
                    let returned = rig.submit_by(side, &write);
                    assert_eq!(returned, if inline { status } else { NtStatus::PENDING });
                    if !inline {
                        assert!(port.is_none_or(|port| rig.world.packets(port) == 0));
                        rig.complete_later(status);
                        rig.world.settle();
                    }
                    let due = context && !(inline && status.is_error());
                    let packet = Packet {
                        key: 0xFEED,
                        context: PortContext(0xC0),
                        io: IoStatus {
                            status,
                            information: if status.is_error() { 0 } else { BYTES.len() },
                        },
                    };
                    if let Some(port) = port {
                        let queued = rig.cpu().dequeue(port);
                        assert_eq!(queued, due.then_some(packet), "{side:?} {status} {inline}");
                        assert_eq!(rig.world.packets(port), 0);
                    }
                    rig.check();
                }
            }
        }
    }
}

/// The status block is trusted whatever the modes are: it is never looked at before it is written.
#[test]
fn ks_10_the_status_block_is_trusted() {
    use ProcessorMode::{Kernel, User};
    for (requestor, previous) in [(User, User), (User, Kernel), (Kernel, User), (Kernel, Kernel)] {
        for side in SIDES {
            let rig = Rig::new(INLINE, ASYNCHRONOUS);
            rig.world.set_previous_mode(rig.thread, previous);
            let write = Write {
                mode: requestor,
                ..rig.write()
            };
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
            assert_eq!(rig.effects().block, Some(WHOLE));
            // One for the copy of the buffer, and none for the block.
            assert_eq!((rig.world.touches(), rig.calls("load status")), (1, 0));
            rig.check();
        }
    }
}

/// The status block is written by the end of the write, once, and not by its submission. An error at once does not
/// write it, nor does an error before.
#[test]
fn ks_11_d5_the_status_block_is_written_by_the_end() {
    for side in SIDES {
        for kind in KINDS {
            let rig = Rig::new(HELD, kind);
            let (device, block) = (rig.device, rig.block);
            let looked = Rc::new(std::cell::Cell::new(None));
            let look = Rc::clone(&looked);
            rig.world.later(move |cpu| {
                look.set(Some(cpu.world().block(block).writes));
                assert!(cpu.complete_next(device, NtStatus::SUCCESS));
            });
            let returned = rig.submit_by(side, &rig.write());
            if kind == ASYNCHRONOUS {
                assert_eq!(returned, NtStatus::PENDING);
                assert_eq!(rig.world.block(block).writes, 0);
                rig.world.settle();
            }
            assert_eq!(looked.get(), Some(0), "{side:?}");
            assert_eq!(rig.world.block(block).writes, 1);
            assert_eq!(rig.effects().block, Some(WHOLE));
            rig.check();

            let error = NtStatus::IO_DEVICE_ERROR;
            for (service, script) in [
                (None, INLINE.on_irp(OnIrp::Inline(error))),
                (Some(Service::AllocateIrp), INLINE),
            ] {
                let rig = Rig::new(script, kind);
                if let Some(service) = service {
                    rig.world.inject(Fault::on(service, 0).with_status(error));
                }
                assert_eq!(rig.submit_by(side, &rig.write()), error);
                assert_eq!(rig.world.block(rig.block).writes, 0, "{side:?} {service:?}");
                rig.check();
            }
        }
    }
}

/// The buffer of a user-mode requestor is probed as such, and what the access raises is caught and returned.
#[test]
fn ks_12_the_buffer_is_probed_in_the_mode_of_the_requestor() {
    for side in SIDES {
        for (method, service) in [
            (BufferMethod::Buffered, Service::Copy),
            (BufferMethod::Direct, Service::ProbeAndLock),
        ] {
            let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
            rig.world.inject(Fault::on(service, 0).with_status(IN_PAGE_ERROR));
            assert_eq!(rig.submit_by(side, &rig.write()), IN_PAGE_ERROR, "{side:?}");
            assert_eq!((rig.effects().irps, rig.effects().block), (0, None));
            rig.check();

            // A page that goes away at the touch of the kernel.
            let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
            rig.world.at_touch(0, Change::Unmap(rig.buffer));
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::ACCESS_VIOLATION);
            assert_eq!((rig.effects().irps, rig.effects().block), (0, None));
            rig.check();

            // A kernel address is good for a kernel requestor only.
            let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
            let secret = rig.world.kernel_buffer(BYTES);
            for (mode, status) in [
                (ProcessorMode::User, NtStatus::ACCESS_VIOLATION),
                (ProcessorMode::Kernel, NtStatus::SUCCESS),
            ] {
                let write = Write {
                    mode,
                    data: Data::Raw(secret),
                    ..rig.write()
                };
                assert_eq!(
                    rig.submit_by(side, &write),
                    status,
                    "{side:?} {method:?} {mode:?}"
                );
            }
            assert_eq!(
                (rig.effects().irps, rig.world.accepted(rig.device)),
                (1, BYTES.to_vec())
            );
            rig.check();
        }
    }
}

/// `STATUS_IN_PAGE_ERROR`.
const IN_PAGE_ERROR: NtStatus = NtStatus(0xC000_0006_u32.cast_signed());

/// Length 0 is a write: the device gets it, with no system buffer and no MDL, and nobody looks at the buffer, not
/// even at whether its address can be one.
#[test]
fn ks_13_zero_length() {
    let addresses = [0, 0x7000, KERNEL_BASE, u64::MAX].map(Address);
    for side in SIDES {
        for kind in KINDS {
            for method in METHODS {
                for address in addresses {
                    let rig = Rig::new(Script::inline(method).with_fast(FastRoutine::Decline), kind);
                    let write = Write {
                        data: Data::Raw(address),
                        length: 0,
                        ..rig.write()
                    };
                    assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS, "{address:?}");
                    let (header, location) = rig.irp();
                    let user = (method == BufferMethod::Neither).then_some(address);
                    assert_eq!(
                        (header.system_buffer, header.mdl, header.user_buffer),
                        (None, None, user)
                    );
                    assert_eq!(location.length, 0);
                    for service in ["ExAllocatePoolQuotaZero", "IoAllocateMdl", "MmProbeAndLockPages"] {
                        assert_eq!(rig.calls(service), 0, "{side:?} {method:?}: {service}");
                    }
                    assert_eq!(rig.world.touches(), 0);
                    let empty = IoStatus {
                        information: 0,
                        ..WHOLE
                    };
                    assert_eq!(
                        (rig.effects().block, rig.effects().counters),
                        (Some(empty), side.counted(0))
                    );
                    rig.check();
                }
            }
        }
    }
}

/// The key comes to the stack location and to the fast-I/O routine as it is.
#[test]
fn ks_14_the_key() {
    for side in SIDES {
        for key in [0, 0x1234, 0x8000_0001, u32::MAX] {
            let rig = Rig::new(INLINE.with_fast(FastRoutine::Decline), ASYNCHRONOUS);
            let write = Write { key, ..rig.write() };
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
            assert_eq!((rig.fast().key, rig.irp().1.key), (key, key), "{side:?}");
            assert_eq!((rig.fast().length, rig.irp().1.length), (LENGTH, LENGTH));
            rig.check();
        }
    }
}

/// The mode of the IRP is the one that was passed, not the previous mode.
#[test]
fn ks_15_the_requestor_mode() {
    use ProcessorMode::{Kernel, User};
    for side in SIDES {
        for requestor in [User, Kernel] {
            for previous in [User, Kernel] {
                let rig = Rig::new(INLINE, ASYNCHRONOUS);
                rig.world.set_previous_mode(rig.thread, previous);
                let write = Write {
                    mode: requestor,
                    ..rig.write()
                };
                assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
                assert_eq!(rig.irp().0.requestor_mode, requestor, "{side:?} {previous:?}");
                rig.check();
            }
        }
    }
}

/// A write starts at the position of the file object: all 64 bits of it, as they are when it is submitted, and none
/// of its values means anything else. A file object has no access that would be checked, so this holds for one that
/// was opened to append too.
#[test]
fn ks_16_18_the_position() {
    for side in SIDES {
        for kind in KINDS {
            for position in [
                0,
                5,
                0xFFFF_FFFF,
                0x1_0000_0005,
                0xFFFF_FFFF_0000_0000_u64.cast_signed(),
                -1,
                -2,
                i64::MAX,
            ] {
                let rig = Rig::new(HELD.with_fast(FastRoutine::Decline), kind);
                rig.world.set_position(rig.file, 77);
                let write = rig.write();
                rig.world.set_position(rig.file, position);
                let (device, file) = (rig.device, rig.file);
                rig.world.later(move |cpu| {
                    cpu.world().set_position(file, 99);
                    assert!(cpu.complete_next(device, NtStatus::SUCCESS));
                });
                let _pending_or_over = rig.submit_by(side, &write);
                rig.world.settle();
                assert_eq!(
                    (rig.fast().offset, rig.irp().1.offset),
                    (position, position),
                    "{side:?} {kind:?}"
                );
                assert_eq!(rig.effects().position, 99);
                rig.check();
            }
        }
    }
}

/// The position is moved by the driver or not at all, and never twice; that of an asynchronous file object is never
/// moved.
#[test]
fn ks_17_the_driver_moves_the_position() {
    let paths = [
        INLINE,
        HELD,
        INLINE.on_irp(OnIrp::InlineAsPending(NtStatus::SUCCESS)),
        INLINE.with_fast(FastRoutine::Accept),
    ];
    for side in SIDES {
        for kind in KINDS {
            for script in paths {
                for moves_position in [false, true] {
                    let rig = Rig::new(
                        Script {
                            moves_position,
                            ..script
                        },
                        kind,
                    );
                    rig.world.set_position(rig.file, 1000);
                    if script == HELD {
                        rig.complete_later(NtStatus::SUCCESS);
                    }
                    let _pending_or_over = rig.submit_by(side, &rig.write());
                    rig.world.settle();
                    let moved = moves_position && kind == SYNCHRONOUS;
                    let after = if moved { 1000 + i64::from(LENGTH) } else { 1000 };
                    assert_eq!(rig.effects().position, after, "{side:?} {script:?}");
                    assert_eq!(rig.calls("write CurrentByteOffset"), 0);
                    rig.check();
                }
            }
        }
    }
}

/// Nothing is checked for alignment: the device below a file object without buffering gets what was asked for, and
/// its judgement is the result.
#[test]
fn ks_19_no_alignment() {
    for side in SIDES {
        for method in METHODS {
            for judgement in [NtStatus::SUCCESS, NtStatus::INVALID_PARAMETER] {
                let script = Script::inline(method).on_irp(OnIrp::Inline(judgement));
                let rig = Rig::new(script, ASYNCHRONOUS | FileFlags::NO_INTERMEDIATE_BUFFERING);
                rig.world.set_position(rig.file, 13);
                let write = Write {
                    data: Data::Raw(rig.buffer.plus(1)),
                    length: 3,
                    ..rig.write()
                };
                assert_eq!(rig.submit_by(side, &write), judgement, "{side:?} {method:?}");
                assert_eq!((rig.irp().1.length, rig.irp().1.offset), (3, 13));
                assert_eq!(rig.world.seen(rig.device)[0].bytes, Ok(BYTES[1..4].to_vec()));
                rig.check();
            }
        }
    }
}

/// A call above `PASSIVE_LEVEL`, or with special kernel APCs disabled, is found by the model; where it is allowed
/// nothing is found.
#[test]
fn ks_19b_passive_level_with_apcs() {
    for irql in [Irql::Passive, Irql::Apc, Irql::Dispatch] {
        for side in SIDES {
            let rig = Rig::new(INLINE, ASYNCHRONOUS);
            let cpu = rig.cpu();
            let before = cpu.raise_irql(irql);
            let _returned = rig.submit_by(side, &rig.write());
            cpu.lower_irql(before);
            let is_found =
                |finding: &Finding| matches!(finding, Finding::IrqlTooHigh { irql: at, .. } if *at == irql);
            assert_eq!(
                rig.world.findings().iter().any(is_found),
                irql != Irql::Passive,
                "{side:?}"
            );
        }
    }
    for (script, kind) in [(INLINE, ASYNCHRONOUS), (HELD, SYNCHRONOUS)] {
        let rig = Rig::new(script, kind);
        let cpu = rig.cpu();
        cpu.enter_guarded_region();
        if script == HELD {
            rig.complete_later(NtStatus::SUCCESS);
        }
        let _returned = rig.submit(&rig.write());
        let findings = rig.world.findings();
        let held_off = |finding: &Finding| matches!(finding, Finding::ApcsHeldOff { thread, .. } if *thread == rig.thread);
        assert!(findings.iter().any(held_off), "{findings:?}");
        // What an APC completes is never over while none can come.
        assert_eq!(
            findings.contains(&Finding::Hang { thread: rig.thread }),
            script == HELD
        );
        cpu.leave_guarded_region();
    }
}
