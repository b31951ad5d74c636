//! What the IRP carries, and whose it is: KS-40 to KS-47.

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus, Patience, ProcessorMode, Snapshot, managed};
use nt_model::{
    FastRoutine, Fault, Header, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER, IRP_DEFER_IO_COMPLETION,
    IRP_MJ_WRITE, IRP_WRITE_OPERATION, Location, OnIrp, PortContext, Script, Service, World,
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, KINDS, LENGTH, METHODS, Rig, SIDES, STATUSES, SYNCHRONOUS, Side, Signal,
    WHOLE, Write, nothing,
};

const IRP_NOCACHE: u32 = 1;
const SL_WRITE_THROUGH: u8 = 4;

const INLINE: Script = Script::inline(BufferMethod::Buffered);
const HELD: Script = Script::hold(BufferMethod::Buffered);

/// An IRP has as many stack locations as its device needs. If there is none the result is
/// `STATUS_INSUFFICIENT_RESOURCES`: nothing is sent, everything is given back, the event is clear, the status block
/// untouched, no operation counted.
#[test]
fn ks_40_no_irp() {
    for side in SIDES {
        for method in METHODS {
            for kind in KINDS {
                let rig = Rig::new(Script::inline(method), kind);
                rig.world.inject(Fault::on(Service::AllocateIrp, 0));
                let write = if kind == ASYNCHRONOUS {
                    rig.write_with_event()
                } else {
                    rig.write()
                };
                let returned = rig.submit_by(side, &write);
                assert_eq!(returned, NtStatus::INSUFFICIENT_RESOURCES, "{side:?} {method:?}");
                let event = if kind == ASYNCHRONOUS {
                    Signal::Cleared
                } else {
                    Signal::Untouched
                };
                assert_eq!(
                    rig.effects(),
                    Effects {
                        event,
                        file_event: Signal::Cleared,
                        statistics: Snapshot {
                            attempted: 1,
                            skipped: 1,
                            rejected: 1,
                            ..Snapshot::default()
                        },
                        ..nothing()
                    }
                );
                assert_eq!(rig.world.event_state(rig.event).pointers, 1);
                assert_eq!(rig.world.file_state(rig.file).pointers, 1);
                rig.check();
            }
        }
        for above in 0..4 {
            let world = World::new();
            let device = world.device(INLINE);
            for _ in 0..above {
                let _top = world.attach(device, INLINE);
            }
            let rig = Rig::on(world, device, ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
            let top = rig.world.seen(rig.world.top_of(device));
            assert_eq!(top[0].came.irp().unwrap().1.stack_count, above + 1, "{side:?}");
            rig.check();
        }
    }
}

/// The header, field by field, for a write with everything and for one with nothing optional.
#[test]
fn ks_41_the_header() {
    let context = Some(PortContext(0x7777));
    for kind in KINDS {
        for (mode, previous) in [
            (ProcessorMode::User, ProcessorMode::User),
            (ProcessorMode::Kernel, ProcessorMode::User),
            (ProcessorMode::User, ProcessorMode::Kernel),
        ] {
            for optional in [false, true] {
                if optional && kind == SYNCHRONOUS {
                    continue;
                }
                let rig = Rig::new(Script::inline(BufferMethod::Neither), kind);
                rig.world.set_previous_mode(rig.thread, previous);
                let write = Write {
                    mode,
                    event: optional.then_some(rig.event),
                    port_context: context.filter(|_| optional),
                    ..rig.write()
                };
                assert_eq!(rig.submit(&write).status, NtStatus::SUCCESS);
                let expected = Header {
                    flags: IRP_WRITE_OPERATION | IRP_DEFER_IO_COMPLETION,
                    requestor_mode: mode,
                    thread: Some(rig.thread),
                    file: Some(rig.file),
                    user_iosb: Some(rig.block),
                    user_event: write.event,
                    user_apc_context: write.port_context,
                    pending_returned: false,
                    cancel: false,
                    has_cancel_routine: false,
                    system_buffer: None,
                    mdl: None,
                    user_buffer: Some(rig.buffer),
                    io: rig.irp().0.io,
                    stack_count: 1,
                };
                assert_eq!(rig.irp().0, expected);
                assert_eq!(rig.world.seen(rig.device)[0].thread, rig.thread);
                rig.check();
            }
        }
    }
    // One that the routine completes reports to nobody but the routine.
    let rig = Rig::new(INLINE, ASYNCHRONOUS);
    let write = Write {
        port_context: context,
        ..rig.write_with_event()
    };
    assert_eq!(rig.submit_by(Side::Owned, &write), NtStatus::SUCCESS);
    let (header, _) = rig.irp();
    assert_eq!(
        (header.user_iosb, header.user_event, header.user_apc_context),
        (None, None, None)
    );
    assert_eq!((header.thread, header.file), (Some(rig.thread), Some(rig.file)));
    rig.check();
}

/// The stack location: write, minor 0, the file object, length, key and offset, and `SL_WRITE_THROUGH` if and only if
/// the file object is write-through.
#[test]
fn ks_42_the_stack_location() {
    for side in SIDES {
        for (flags, expected) in [
            (ASYNCHRONOUS, 0),
            (SYNCHRONOUS, 0),
            (FileFlags::NO_INTERMEDIATE_BUFFERING, 0),
            (FileFlags::WRITE_THROUGH, SL_WRITE_THROUGH),
            (SYNCHRONOUS | FileFlags::WRITE_THROUGH, SL_WRITE_THROUGH),
        ] {
            let rig = Rig::new(INLINE, flags);
            rig.world.set_position(rig.file, 0x1_0000_0005);
            let write = Write {
                key: 0x1234,
                length: 9,
                ..rig.write()
            };
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
            let (_, location) = rig.irp();
            let expected = Location {
                major: IRP_MJ_WRITE,
                minor: 0,
                flags: expected,
                // Only the routine has a completion routine, and it is not the contract's business.
                control: location.control,
                length: 9,
                key: 0x1234,
                offset: 0x1_0000_0005,
                file: Some(rig.file),
                device: Some(rig.device),
            };
            assert_eq!(location, expected, "{side:?} {flags:?}");
            if side == Side::Managed {
                assert_eq!(location.control, 0);
            }
            rig.check();
        }
    }
}

/// The flags of the IRP, exactly: a write; past the cache if the file object is; deferred if the caller completes; and
/// those of the buffer.
#[test]
fn ks_43_the_flags() {
    for side in SIDES {
        for kind in KINDS {
            for uncached in [false, true] {
                for deferral in [false, true] {
                    for method in METHODS {
                        for length in [0, LENGTH] {
                            let no_cache = if uncached {
                                FileFlags::NO_INTERMEDIATE_BUFFERING
                            } else {
                                FileFlags::default()
                            };
                            let rig = Rig::new(Script::inline(method), kind | no_cache);
                            rig.world.set_deferral(deferral);
                            let write = Write {
                                length,
                                ..rig.write()
                            };
                            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
                            let bit = |wanted, bit| if wanted { bit } else { 0 };
                            let buffered = method == BufferMethod::Buffered;
                            // The I/O manager frees the buffer of its IRP, and the routine that of its own.
                            let freed = buffered && length > 0 && side == Side::Managed;
                            let expected = IRP_WRITE_OPERATION
                                | bit(uncached, IRP_NOCACHE)
                                | bit(deferral, IRP_DEFER_IO_COMPLETION)
                                | bit(buffered, IRP_BUFFERED_IO)
                                | bit(freed, IRP_DEALLOCATE_BUFFER);
                            let flags = rig.irp().0.flags;
                            assert_eq!(flags, expected, "{side:?} {method:?} {length}: {flags:#x}");
                            rig.check();
                        }
                    }
                }
            }
        }
    }
}

/// The event of the file object is cleared between the fast-I/O attempt, which still finds it as it was, and the
/// dispatch, which finds it clear.
#[test]
fn ks_44_the_event_of_the_file_object_is_cleared() {
    for side in SIDES {
        for kind in KINDS {
            let rig = Rig::new(INLINE.with_fast(FastRoutine::Decline), kind);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
            let seen = rig.world.seen(rig.device);
            let signalled = seen.iter().map(|seen| seen.file_signalled).collect::<Vec<_>>();
            assert_eq!(signalled, [Some(true), Some(false)], "{side:?} {kind:?}");
            assert_eq!(rig.effects().file_event, Signal::Set);
            rig.check();
        }
    }
    // It is that of the file object that is cleared, whether or not there is another one.
    let rig = Rig::new(
        INLINE.on_irp(OnIrp::Inline(NtStatus::IO_DEVICE_ERROR)),
        ASYNCHRONOUS,
    );
    let returned = rig.submit(&rig.write_with_event()).status;
    assert_eq!(returned, NtStatus::IO_DEVICE_ERROR);
    assert_eq!(rig.effects().file_event, Signal::Cleared);
    rig.check();
}

/// An IRP in flight owns a reference on the file object and one on the event. It drops each once: a program that closes
/// both handles has them deleted by the completion, and not before.
#[test]
fn ks_45_references() {
    for side in SIDES {
        for status in STATUSES {
            for close in [false, true] {
                // The last handle cancels what can be cancelled.
                let script = Script {
                    cancellable: false,
                    ..HELD
                };
                let rig = Rig::new(script, ASYNCHRONOUS);
                assert_eq!(rig.submit_by(side, &rig.write_with_event()), NtStatus::PENDING);
                assert_eq!(rig.world.seen(rig.device)[0].file_pointers, Some(2), "{side:?}");
                let references = || {
                    let file = rig.world.file_state(rig.file).pointers;
                    (file, rig.world.event_state(rig.event).pointers)
                };
                assert_eq!(references(), (2, 2));
                if close {
                    rig.cpu().close_event(rig.event);
                    rig.cpu().close_file(rig.file);
                    assert_eq!(references(), (1, 1));
                    assert!(!rig.world.file_state(rig.file).deleted);
                }
                rig.complete_later(status);
                rig.world.settle();
                let left = u32::from(!close);
                assert_eq!(references(), (left, left), "{side:?} {status}");
                assert_eq!(rig.world.file_state(rig.file).deleted, close);
                rig.check();
            }
        }
    }
    // One that ends at once has dropped them when it returns, and one that is not sent never took them.
    for script in [INLINE, INLINE.on_irp(OnIrp::Inline(NtStatus::IO_DEVICE_ERROR))] {
        let rig = Rig::new(script, ASYNCHRONOUS);
        let _returned = rig.submit(&rig.write_with_event());
        assert_eq!(rig.world.seen(rig.device)[0].file_pointers, Some(2));
        assert_eq!(rig.world.file_state(rig.file).pointers, 1);
        rig.check();
    }
}

/// An IRP is on the list of its thread before the driver has it. A thread that exits cancels it and waits for it, and
/// it is completed once.
#[test]
fn ks_46_a_thread_that_exits() {
    let rig = Rig::new(HELD, ASYNCHRONOUS);
    assert_eq!(rig.submit(&rig.write()).status, NtStatus::PENDING);
    assert!(rig.first("IopQueueIrpToThread") < rig.first("IoCallDriver"));
    let irp = rig.world.held(rig.device)[0];
    rig.cpu().exit_thread();
    assert!(rig.world.held(rig.device).is_empty());
    assert_eq!(rig.world.irp(irp), None);
    assert_eq!(rig.calls("IoCompleteRequest"), 1);
    let cancelled = IoStatus::failed(NtStatus::CANCELLED);
    assert_eq!(
        (rig.effects().block, rig.effects().file_event),
        (Some(cancelled), Signal::Set)
    );
    rig.check();

    // One that cannot be cancelled ends when the driver ends it, and touches nothing of the thread.
    let script = Script {
        cancellable: false,
        ..HELD
    };
    let rig = Rig::new(script, ASYNCHRONOUS);
    assert_eq!(rig.submit(&rig.write_with_event()).status, NtStatus::PENDING);
    let irp = rig.world.held(rig.device)[0];
    rig.cpu().exit_thread();
    rig.cpu().discard_block(rig.block);
    assert!(rig.world.irp(irp).unwrap().cancel);
    let system = rig.world.system();
    assert!(system.complete_irp(irp, WHOLE));
    assert_eq!(
        (rig.effects().block, rig.effects().event),
        (None, Signal::Cleared)
    );
    assert_eq!(rig.world.event_state(rig.event).pointers, 1);
    rig.check();

    // A synchronous write is waited for by its thread, so it can exit only when the write is over.
    let rig = Rig::new(HELD, SYNCHRONOUS);
    let thread = rig.thread;
    rig.world.later(move |cpu| cpu.terminate(thread));
    assert_eq!(rig.submit(&rig.write()).status, NtStatus::CANCELLED);
    rig.cpu().exit_thread();
    assert_eq!(rig.calls("IoCompleteRequest"), 1);
    rig.check();
}

/// After the driver returned the IRP is gone, or may be: nothing of it is touched. Whether it was complete at once or
/// later, deferred or by an APC, the model finds no use of a freed one.
#[test]
fn ks_47_the_irp_is_not_touched_after_it_was_sent() {
    let answers = [
        OnIrp::Inline(NtStatus::SUCCESS),
        OnIrp::Inline(NtStatus::IO_DEVICE_ERROR),
        OnIrp::InlineAsPending(NtStatus::SUCCESS),
        OnIrp::InlineAsPending(NtStatus::IO_DEVICE_ERROR),
        OnIrp::ReturnOther {
            returned: NtStatus::BUFFER_OVERFLOW,
            status: NtStatus::SUCCESS,
        },
        OnIrp::Hold,
    ];
    for kind in KINDS {
        for answer in answers {
            for deferral in [false, true] {
                let rig = Rig::new(INLINE.on_irp(answer), kind);
                rig.world.set_deferral(deferral);
                if answer == OnIrp::Hold {
                    rig.complete_later(NtStatus::SUCCESS);
                }
                let returned = managed::write(&rig.cpu(), &rig.statistics, &rig.write()).status;
                let irp = rig.world.seen(rig.device)[0].came.irp().unwrap().0;
                if returned != NtStatus::PENDING {
                    assert_eq!(rig.world.irp(irp), None, "{answer:?}");
                }
                rig.world.settle();
                assert_eq!(rig.world.irp(irp), None);
                let ended_well = !matches!(
                    answer,
                    OnIrp::Inline(status) | OnIrp::InlineAsPending(status) if status.is_error()
                );
                assert_eq!(
                    rig.world.accepted(rig.device).len(),
                    if ended_well { BYTES.len() } else { 0 }
                );
                rig.check();
            }
        }
    }
    // Who waits and is interrupted when the write is just over cancels nothing that is freed.
    let rig = Rig::new(HELD, SYNCHRONOUS | FileFlags::ALERTABLE_IO);
    let (device, thread) = (rig.device, rig.thread);
    rig.world.later(move |cpu| {
        cpu.alert(thread);
        assert!(cpu.complete_next(device, NtStatus::SUCCESS));
    });
    assert_eq!(rig.submit(&rig.write()).status, NtStatus::SUCCESS);
    let _again = rig.cpu().wait_for_file_handle(rig.file, Patience::UNTIL_OVER);
    rig.check();
}
