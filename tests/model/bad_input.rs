//! Every parameter's bad value: the status that it is, and what it leaves behind.
//!
//! | parameter | bad value | status | touched |
//! |---|---|---|---|
//! | file object | none: whoever calls has one, and a reference on it | | |
//! | event | any, for a synchronous file object | `STATUS_INVALID_PARAMETER` | nothing |
//! | port context | none: without a port it means nothing | | |
//! | status block | none: it is trusted | | |
//! | buffer | not readable, and the routine reads it | what the access raises | the events are clear |
//! | buffer | not readable, and the device is to read it | what the device says | as any error at once |
//! | length | more than is readable | as the buffer | |
//! | key | none: it is the device's | | |
//! | requestor mode | user, with a kernel address | `STATUS_ACCESS_VIOLATION` | the events are clear |
//! | offset | negative, but for the two special values | `STATUS_INVALID_PARAMETER` | nothing |
//! | bytes | not at a raw address, for an IRP that the I/O manager completes | `STATUS_NOT_SUPPORTED` | nothing |
//! | time limit | none: 0 is over at once | `STATUS_CANCELLED` | as any pended error |

use kswrite_core::{
    BufferMethod, ByteOffset, CancelOutcome, Data, IoStatus, NtStatus, ProcessorMode, Snapshot,
    fast::{Outcome, Skip},
};
use nt_model::{Address, FastRoutine, KERNEL_BASE, PAGE_BYTES, PortContext, Protection, Script, USER_END};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, KINDS, LENGTH, METHODS, Rig, SIDES, SYNCHRONOUS, Side, Signal, WHOLE,
    Write, nothing,
};

const INLINE: Script = Script::inline(BufferMethod::Buffered);
/// A device that would take any write, in any way.
const TAKES_ALL: Script = INLINE.with_fast(FastRoutine::Accept);

/// Nothing was touched, and nothing is outstanding: no event, no status block, no device, no counter, no packet.
#[track_caller]
fn untouched(rig: &Rig, why: &str) {
    assert_eq!(rig.effects(), nothing(), "{why}");
    let references = (
        rig.world.file_state(rig.file).pointers,
        rig.world.event_state(rig.event).pointers,
    );
    assert_eq!(references, (1, 1), "{why}");
    rig.check();
}

/// D1, KS-08: an event for a synchronous file object, whatever else is good or bad about the write.
#[test]
fn an_event_for_a_synchronous_file() {
    for side in SIDES {
        for buffer in [None, Some(Address(0)), Some(Address(KERNEL_BASE))] {
            for length in [0, LENGTH, u32::MAX] {
                let rig = Rig::new(TAKES_ALL, SYNCHRONOUS);
                let write = Write {
                    data: Data::Raw(buffer.unwrap_or(rig.buffer)),
                    length,
                    ..rig.write_with_event()
                };
                let returned = rig.submit_by(side, &write);
                assert_eq!(returned, NtStatus::INVALID_PARAMETER, "{side:?}");
                untouched(&rig, "event");
            }
        }
    }
    let rig = Rig::new(TAKES_ALL, SYNCHRONOUS);
    let decision = rig.submit(&rig.write_with_event()).decision;
    assert_eq!(decision.attempt, Outcome::Skipped(Skip::BadParameter));
    assert_eq!((decision.carrier, decision.completion), (None, None));
}

/// A negative offset is refused, but for -1, which the device understands, and -2, which is the position.
#[test]
fn offsets() {
    for side in SIDES {
        for kind in KINDS {
            for offset in [-3, i64::MIN] {
                let rig = Rig::new(TAKES_ALL, kind);
                let write = rig.write().at(ByteOffset::At(offset));
                let returned = rig.submit_by(side, &write);
                assert_eq!(returned, NtStatus::INVALID_PARAMETER, "{side:?} {offset}");
                untouched(&rig, "offset");
            }
            for (offset, seen) in [(-1, -1), (-2, 5), (0, 0), (i64::MAX, i64::MAX)] {
                let rig = Rig::new(INLINE.with_fast(FastRoutine::Decline), kind);
                rig.world.set_position(rig.file, 5);
                let write = rig.write().at(ByteOffset::At(offset));
                assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
                assert_eq!(
                    (rig.fast().offset, rig.irp().1.offset),
                    (seen, seen),
                    "{side:?} {offset}"
                );
                assert_eq!((rig.effects().block, rig.effects().position), (Some(WHOLE), 5));
                rig.check();
            }
        }
    }
}

/// The I/O manager frees what its IRPs carry, so it is not lent the caller's pages or system buffer, not even for a
/// write that fast I/O could do.
#[test]
fn bytes_that_are_somebody_elses() {
    for kind in KINDS {
        for method in METHODS {
            let rig = Rig::new(Script { method, ..TAKES_ALL }, kind);
            let mdl = rig
                .cpu()
                .lock_pages(rig.buffer, LENGTH, ProcessorMode::User)
                .unwrap();
            let locked = rig.write().with_mdl(mdl.id(), rig.buffer);
            let system = Write {
                data: Data::System(rig.world.kernel_buffer(BYTES)),
                ..rig.write()
            };
            for write in [locked, system] {
                for event in [None, Some(rig.event)] {
                    let write = Write { event, ..write };
                    let submitted = rig.submit(&write);
                    assert_eq!(submitted.status, NtStatus::NOT_SUPPORTED, "{method:?}");
                    assert_eq!(rig.world.locks_of(rig.buffer), 1);
                    let attempt = submitted.decision.attempt;
                    assert_eq!(attempt, Outcome::Skipped(Skip::BadParameter));
                }
            }
            drop(mdl);
            untouched(&rig, "bytes");
        }
    }
}

/// A buffer that cannot be read where the routine reads it: what the access raises is the status, the events are clear,
/// the status block is untouched, nothing was sent, one failure before the send is counted.
#[test]
fn buffers_that_the_routine_reads() {
    let no_access = Address(0x50_0000);
    let rows = [
        ("NULL", 0, LENGTH),
        ("the first page", 8, LENGTH),
        ("not mapped", 0x7000, LENGTH),
        ("no access", no_access.0, LENGTH),
        ("between the halves", USER_END, LENGTH),
        ("not canonical", 0x0001_0000_0000_0000, LENGTH),
        ("the kernel's", KERNEL_BASE + PAGE_BYTES, LENGTH),
        ("the last byte there is", u64::MAX, 1),
        ("wraps", u64::MAX - 3, LENGTH),
        ("longer than the page", 0x60_0000, 4097),
        ("longer than everything", 0x60_0000, u32::MAX),
    ];
    for side in SIDES {
        for method in [BufferMethod::Buffered, BufferMethod::Direct] {
            for kind in KINDS {
                for (name, address, length) in rows {
                    let rig = Rig::new(Script::inline(method).with_fast(FastRoutine::Decline), kind);
                    rig.world.map(no_access, BYTES, Protection::NoAccess);
                    rig.world
                        .map(Address(0x60_0000), &[7; 4096], Protection::ReadWrite);
                    let event = (kind == ASYNCHRONOUS).then_some(rig.event);
                    let write = Write {
                        event,
                        data: Data::Raw(Address(address)),
                        length,
                        ..rig.write()
                    };
                    let returned = rig.submit_by(side, &write);
                    assert_eq!(
                        returned,
                        NtStatus::ACCESS_VIOLATION,
                        "{side:?} {method:?}: {name}"
                    );
                    let cleared = Signal::Cleared;
                    // A routine is not given what it must not believe.
                    let end = address.checked_add(length.into());
                    let fast = end.is_some_and(|end| end <= USER_END);
                    let expected = Effects {
                        event: event.map_or(Signal::Untouched, |_| cleared),
                        file_event: cleared,
                        fast: usize::from(fast),
                        statistics: Snapshot {
                            attempted: 1,
                            declined: u64::from(fast),
                            skipped: u64::from(!fast),
                            rejected: 1,
                            ..Snapshot::default()
                        },
                        ..nothing()
                    };
                    assert_eq!(rig.effects(), expected, "{side:?} {method:?}: {name}");
                    rig.check();
                }
            }
        }
    }
}

/// A buffer that cannot be read where the device reads it: the device judges, and its error is one like any other.
#[test]
fn buffers_that_the_device_reads() {
    for side in SIDES {
        for (address, length) in [(0, LENGTH), (0x7000, LENGTH), (USER_END - 2, LENGTH)] {
            let rig = Rig::new(Script::inline(BufferMethod::Neither), ASYNCHRONOUS);
            let port = rig.with_port(1);
            let write = Write {
                data: Data::Raw(Address(address)),
                length,
                port_context: Some(PortContext(5)),
                ..rig.write_with_event()
            };
            let returned = rig.submit_by(side, &write);
            assert_eq!(returned, NtStatus::ACCESS_VIOLATION, "{side:?} {address:#x}");
            let expected = Effects {
                event: Signal::Cleared,
                file_event: Signal::Cleared,
                irps: 1,
                counters: side.counted(0),
                statistics: Snapshot {
                    attempted: 1,
                    skipped: 1,
                    irp: 1,
                    inline: 1,
                    failed: u64::from(side == Side::Owned),
                    ..Snapshot::default()
                },
                ..nothing()
            };
            assert_eq!(rig.effects(), expected);
            assert_eq!(rig.world.packets(port), 0);
            rig.check();
        }
        // A fast-I/O routine of such a device is given the address as well, and what it raises is the result.
        let rig = Rig::new(
            Script {
                method: BufferMethod::Neither,
                ..TAKES_ALL
            },
            ASYNCHRONOUS,
        );
        let write = Write {
            data: Data::Raw(Address(0x7000)),
            ..rig.write_with_event()
        };
        assert_eq!(rig.submit_by(side, &write), NtStatus::ACCESS_VIOLATION);
        let expected = Effects {
            event: Signal::Cleared,
            fast: 1,
            statistics: Snapshot {
                attempted: 1,
                faulted: 1,
                rejected: 1,
                ..Snapshot::default()
            },
            ..nothing()
        };
        assert_eq!(rig.effects(), expected, "{side:?}");
        rig.check();
    }
}

/// A user-mode requestor has its kernel address refused, although the thread could read it, and although a fast-I/O
/// routine would.
#[test]
fn a_kernel_address_with_a_users_word() {
    for side in SIDES {
        for previous in [ProcessorMode::User, ProcessorMode::Kernel] {
            for method in [BufferMethod::Buffered, BufferMethod::Direct] {
                let rig = Rig::new(Script { method, ..TAKES_ALL }, ASYNCHRONOUS);
                rig.world.set_previous_mode(rig.thread, previous);
                let write = Write {
                    data: Data::Raw(rig.world.kernel_buffer(BYTES)),
                    ..rig.write()
                };
                let returned = rig.submit_by(side, &write);
                assert_eq!(returned, NtStatus::ACCESS_VIOLATION, "{side:?} {previous:?}");
                let after = rig.effects();
                assert_eq!((after.irps, after.accepted, after.block), (0, 0, None));
                assert_eq!((after.fast, after.statistics.rejected), (0, 1));
                rig.check();
            }
        }
    }
}

/// What no value is bad for: a key, a port context without a port, and no bytes at any address.
#[test]
fn values_that_are_not_judged() {
    for side in SIDES {
        for key in [0, 1, u32::MAX] {
            let rig = Rig::new(INLINE, ASYNCHRONOUS);
            let write = Write {
                key,
                port_context: Some(PortContext(u64::MAX)),
                ..rig.write()
            };
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
            assert_eq!(rig.irp().1.key, key, "{side:?}");
            assert_eq!(rig.effects().block, Some(WHOLE));
            rig.check();
        }
        for address in [0, KERNEL_BASE, u64::MAX] {
            let rig = Rig::new(INLINE, SYNCHRONOUS);
            let write = Write {
                data: Data::Raw(Address(address)),
                length: 0,
                ..rig.write()
            };
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS, "{side:?}");
            assert_eq!((rig.effects().irps, rig.effects().accepted), (1, 0));
            rig.check();
        }
    }
}

/// A time limit of 0 is over at once: the write is cancelled and waited for, and ends as any pended error does. Where
/// nobody waits it means nothing.
#[test]
fn no_time_at_all() {
    for side in SIDES {
        let rig = Rig::new(Script::hold(BufferMethod::Direct), SYNCHRONOUS);
        let write = Write {
            time_limit: Some(0),
            ..rig.write()
        };
        assert_eq!(rig.submit_by(side, &write), NtStatus::CANCELLED, "{side:?}");
        let after = rig.effects();
        assert_eq!((after.block, after.file_event), (None, Signal::Set));
        assert_eq!(
            (after.final_status, after.accepted),
            (Some(NtStatus::CANCELLED), 0)
        );
        assert_eq!((after.irps, after.counters), (1, side.counted(0)));
        rig.check();

        let rig = Rig::new(Script::hold(BufferMethod::Direct), ASYNCHRONOUS);
        let write = Write {
            time_limit: Some(0),
            ..rig.write()
        };
        assert_eq!(rig.submit_by(side, &write), NtStatus::PENDING);
        assert_eq!(rig.world.held(rig.device).len(), 1);
        rig.complete_later(NtStatus::SUCCESS);
        rig.world.settle();
        let whole: IoStatus = WHOLE;
        assert_eq!(rig.effects().block, Some(whole));
        rig.check();
    }
    let rig = Rig::new(Script::hold(BufferMethod::Direct), SYNCHRONOUS);
    let write = Write {
        time_limit: Some(0),
        ..rig.write()
    };
    assert_eq!(rig.submit(&write).decision.cancel, CancelOutcome::Cancelled);
}
