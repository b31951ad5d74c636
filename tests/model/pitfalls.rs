//! Mistakes that drivers make: the model finds each when a device or a naive caller makes it, and the routine does
//! not make it.

use std::rc::Rc;

use kswrite_core::{BufferMethod, Data, IoStatus, Kernel as _, NtStatus, ProcessorMode, WriteCall};
use nt_model::{
    Address, Body, Change, Cpu, FastRoutine, Finding, Irql, Misbehaviour, NtWrite, OnIrp, OwnedWrite,
    PAGE_BYTES, Protection, Script, USER_END, World,
    schedule::{Enumerate, Scheduler},
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, KINDS, LENGTH, METHODS, Rig, SIDES, SYNCHRONOUS, Side, Signal, WHOLE, Write,
};

/// Whether something was found.
#[track_caller]
fn assert_found(world: &World, is: impl Fn(&Finding) -> bool) {
    let findings = world.findings();
    assert!(findings.iter().any(is), "{findings:?}");
}

/// A device that misbehaves, and what a program's write to it leads to.
fn misbehaving(method: BufferMethod, how: Misbehaviour) -> Rig {
    let rig = Rig::new(Script::inline(method).on_irp(OnIrp::Misbehave(how)), ASYNCHRONOUS);
    let write = NtWrite::new(rig.file, rig.block, rig.buffer, LENGTH);
    let _told = rig.cpu().nt_write_file(&write);
    rig
}

/// PF-01: a device that completes what its cancel routine has taken is found; one that looks who took the routine away is
/// clean, in the same interleavings.
#[test]
fn pf_01_a_cancel_race_that_nobody_decides() {
    let careless = OnIrp::Misbehave(Misbehaviour::IgnoreCancelRace);
    for (irp, clean) in [(careless, false), (OnIrp::Hold, true)] {
        let mut scheduler = Scheduler::new();
        let explored = Enumerate::new(2).explore(|chooser| {
            let rig = Rc::new(Rig::new(Script::default().on_irp(irp), ASYNCHRONOUS));
            let (device, file, writer) = (rig.device, rig.file, Rc::clone(&rig));
            let threads = [(); 2].map(|()| rig.world.thread(ProcessorMode::User));
            let bodies: Vec<Body> = vec![
                (
                    rig.thread,
                    Box::new(move |cpu| {
                        let write = NtWrite::new(writer.file, writer.block, writer.buffer, LENGTH);
                        let _told = cpu.nt_write_file(&write);
                    }),
                ),
                (threads[0], Box::new(move |cpu| _ = cpu.cancel_io(file, None))),
                (
                    threads[1],
                    Box::new(move |cpu| _ = cpu.complete_any(device, NtStatus::SUCCESS)),
                ),
            ];
            rig.world.run(&mut scheduler, bodies, chooser).unwrap();
            rig.world.check()
        });
        match explored {
            Ok(_runs) => assert!(clean),
            Err((choices, report)) => {
                assert!(!clean, "{choices:?} {report}");
                let twice = |finding: &Finding| matches!(finding, Finding::IrpCompletedTwice { .. });
                assert!(report.findings.iter().any(twice), "{report}");
            }
        }
    }
}

/// PF-02: a cancel routine that completes under the cancel spin lock is found; that of the filter releases the lock
/// before it calls down.
#[test]
fn pf_02_the_cancel_spin_lock() {
    let rig = misbehaving(BufferMethod::Buffered, Misbehaviour::CancelUnderLock);
    rig.world.system().cancel_io(rig.file, None).unwrap();
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::CallUnderCancelLock { .. })
    });

    let world = World::new();
    let device = world.device(Script::hold(BufferMethod::Buffered));
    let _filter = world.attach_filter(device, false);
    let rig = Rig::on(world, device, ASYNCHRONOUS);
    assert_eq!(rig.submit(&rig.write()).status, NtStatus::PENDING);
    rig.world.system().cancel_io(rig.file, None).unwrap();
    assert_eq!(rig.effects().block, Some(IoStatus::failed(NtStatus::CANCELLED)));
    rig.check();
}

/// PF-03: completing twice, and completing with a cancel routine set.
#[test]
fn pf_03_double_completion() {
    let rig = misbehaving(BufferMethod::Buffered, Misbehaviour::CompleteTwice);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::IrpCompletedTwice { .. })
    });
    let rig = misbehaving(BufferMethod::Buffered, Misbehaviour::CompleteCancellable);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::IrpCompletedCancellable { .. })
    });
}

/// PF-04: an IRP that nobody completes, and a request that somebody forgets.
#[test]
fn pf_04_a_lost_irp() {
    let rig = misbehaving(BufferMethod::Direct, Misbehaviour::Drop);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::IrpNotCompleted { .. })
    });
    let report = rig.world.check().unwrap_err();
    let leaked = |finding: &Finding| matches!(finding, Finding::IrpLeaked { .. });
    assert!(report.findings.iter().any(leaked), "{report}");

    let rig = Rig::new(Script::default(), ASYNCHRONOUS);
    drop(OwnedWrite::new(&rig.cpu(), &rig.write(), &rig.statistics).unwrap());
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::RequestForgotten { .. })
    });
}

/// PF-05: `STATUS_PENDING` without the mark, and the mark without `STATUS_PENDING`.
#[test]
fn pf_05_the_mark_and_the_returned_status() {
    let rig = misbehaving(BufferMethod::Neither, Misbehaviour::PendingNotMarked);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::PendingNotMarked { .. })
    });
    let rig = misbehaving(BufferMethod::Neither, Misbehaviour::MarkedNotPending);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::MarkedNotPending { .. })
    });
}

/// PF-06: using an IRP, or what it carries, after its completion. The routine does not: after the send it asks for
/// nothing of an IRP that is not its own.
#[test]
fn pf_06_use_after_completion() {
    let rig = misbehaving(BufferMethod::Buffered, Misbehaviour::MarkAfterCompletion);
    assert_found(&rig.world, |finding| {
        let touched = matches!(finding, Finding::IrpTouchedAfterFree { .. });
        touched || matches!(finding, Finding::IrpTouchedAfterCompletion { .. })
    });
    let rig = misbehaving(BufferMethod::Buffered, Misbehaviour::ReadAfterCompletion);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::BadKernelAddress { .. })
    });
    let rig = misbehaving(BufferMethod::Direct, Misbehaviour::ReadAfterCompletion);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::MdlTouchedAfterFree { .. })
    });
    for flags in KINDS {
        for status in [NtStatus::SUCCESS, NtStatus::IO_DEVICE_ERROR] {
            for irp in [OnIrp::Inline(status), OnIrp::InlineAsPending(status)] {
                for side in SIDES {
                    let rig = Rig::new(Script::default().on_irp(irp), flags);
                    let _told = rig.submit_by(side, &rig.write());
                    rig.check();
                }
            }
        }
    }
}

/// PF-07, PF-08: an IRP of the driver's own is freed by the driver, once, after its pages are unlocked; one of a thread
/// is freed by the I/O manager alone. What somebody keeps is found.
#[test]
fn pf_07_08_who_frees_an_irp() {
    for method in METHODS {
        for (side, frees) in [(Side::Managed, 0), (Side::Owned, 1)] {
            let rig = Rig::new(Script::hold(method), ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::PENDING);
            let irp = rig.world.held(rig.device)[0];
            assert!(rig.world.irp(irp).is_some());
            assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
            assert_eq!(rig.world.irp(irp), None, "{side:?}");
            assert_eq!(rig.calls("IoFreeIrp"), frees, "{side:?}");
            assert_eq!(rig.world.locks_of(rig.buffer), 0);
            rig.check();
        }
    }
    let rig = Rig::new(Script::default(), ASYNCHRONOUS);
    let kept = rig
        .cpu()
        .lock_pages(rig.buffer, LENGTH, ProcessorMode::User)
        .unwrap();
    let report = rig.world.check().unwrap_err();
    assert!(report.findings.contains(&Finding::MdlLeaked { mdl: kept.id() }));
    assert!(report.findings.contains(&Finding::PagesLocked { pages: 1 }));
    drop(kept);
    rig.check();
}

/// A buffer of two pages and a bit.
const THREE_PAGES: u32 = 2 * 4096 + 10;

fn three_pages(rig: &Rig) -> Write {
    let buffer = rig.world.user_buffer(&vec![7; THREE_PAGES as usize]);
    Write {
        data: Data::Raw(buffer),
        length: THREE_PAGES,
        ..rig.write()
    }
}

fn address_of(write: &Write) -> Address {
    match write.data {
        Data::Raw(address) | Data::System(address) | Data::Locked { address, .. } => address,
    }
}

/// PF-09, PF-17: a page that goes while it is probed, locked or copied: at each single touch the status is the
/// exception, the device is not called, and no page stays locked.
#[test]
fn pf_09_17_pages_that_go_while_they_are_used() {
    for side in SIDES {
        for (method, touches) in [
            (BufferMethod::Buffered, 3),
            (BufferMethod::Direct, 3),
            (BufferMethod::Neither, 0),
        ] {
            for page in 0..3 {
                for change in [Change::Unmap as fn(Address) -> Change, |page| {
                    Change::Protect(page, Protection::NoAccess)
                }] {
                    let rig = Rig::new(Script::hold(method), SYNCHRONOUS);
                    let write = three_pages(&rig);
                    let gone = address_of(&write).plus(page * PAGE_BYTES);
                    // Just before that page is looked at; a device that takes raw addresses looks itself.
                    rig.world.at_touch(page, change(gone));
                    let told = rig.submit_by(side, &write);
                    assert_eq!(told, NtStatus::ACCESS_VIOLATION, "{side:?} {method:?} {page}");
                    let effects = rig.effects();
                    assert_eq!((effects.irps, effects.block), (usize::from(touches == 0), None));
                    for page in 0..3 {
                        let page = address_of(&write).plus(page * PAGE_BYTES);
                        assert_eq!(rig.world.locks_of(page), 0);
                    }
                    rig.check();
                }
            }
        }
    }
}

/// PF-10: pages are locked for reading: those that a program may only read can be written from, those that it may not
/// read cannot.
#[test]
fn pf_10_pages_are_locked_for_reading() {
    for side in SIDES {
        for method in [BufferMethod::Buffered, BufferMethod::Direct] {
            for (protection, status) in [
                (Protection::ReadOnly, NtStatus::SUCCESS),
                (Protection::NoAccess, NtStatus::ACCESS_VIOLATION),
            ] {
                let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
                rig.world.change(&Change::Protect(rig.buffer, protection));
                assert_eq!(rig.submit_by(side, &rig.write()), status, "{side:?} {method:?}");
                let written = status == NtStatus::SUCCESS;
                assert_eq!(rig.effects().irps, usize::from(written));
                assert_eq!(rig.effects().block, written.then_some(WHOLE));
                rig.check();
            }
        }
    }
}

/// PF-11: a part of an MDL that outlives the whole.
#[test]
fn pf_11_a_part_that_outlives_its_whole() {
    let rig = Rig::new(Script::default(), ASYNCHRONOUS);
    let cpu = rig.cpu();
    let whole = cpu.lock_pages(rig.buffer, LENGTH, ProcessorMode::User).unwrap();
    let part = cpu.partial_mdl(whole.id(), 4).unwrap();
    drop(whole);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::MdlPartsOutliveIt { .. })
    });
    drop(part);
}

/// PF-12: the program closes the event and the file while the write is under way: both live until it is over, and are
/// gone then. One that is signalled without a reference of its own is found.
#[test]
fn pf_12_objects_that_are_closed_under_a_write() {
    for side in SIDES {
        let script = Script {
            cancellable: false,
            ..Script::hold(BufferMethod::Buffered)
        };
        let rig = Rig::new(script, ASYNCHRONOUS);
        assert_eq!(rig.submit_by(side, &rig.write_with_event()), NtStatus::PENDING);
        let cpu = rig.cpu();
        cpu.close_event(rig.event);
        cpu.close_file(rig.file);
        assert_eq!(rig.world.event_state(rig.event).pointers, 1);
        assert!(!rig.world.file_state(rig.file).deleted);
        assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
        assert_eq!(rig.effects().block, Some(WHOLE));
        assert_eq!(rig.effects().event, Signal::Set, "while it was still there");
        assert_eq!(rig.world.event_state(rig.event).pointers, 0);
        assert!(rig.world.file_state(rig.file).deleted);
        rig.check();
    }
    let rig = Rig::new(Script::default(), ASYNCHRONOUS);
    rig.cpu().close_event(rig.event);
    rig.cpu().signal(rig.event);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::EventTouchedAfterFree { .. })
    });
}

/// PF-14: each page of the buffer is touched once: when it is copied, or when it is locked. Of a raw address nothing is.
#[test]
fn pf_14_user_data_is_fetched_once() {
    for side in SIDES {
        for (method, touches) in [
            (BufferMethod::Buffered, 3),
            (BufferMethod::Direct, 3),
            (BufferMethod::Neither, 3),
        ] {
            let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
            let write = three_pages(&rig);
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
            // The device itself reads a raw address; that is the one time then.
            assert_eq!(rig.world.touches(), touches, "{side:?} {method:?}");
            rig.check();
        }
        // A declined attempt leaves the one fetch to the IRP.
        let rig = Rig::new(Script::default().with_fast(FastRoutine::Decline), ASYNCHRONOUS);
        assert_eq!(rig.submit_by(side, &three_pages(&rig)), NtStatus::SUCCESS);
        assert_eq!(rig.world.touches(), 3);
        rig.check();
    }
}

/// PF-16, KS-57: length 0 is no way around a check, and the check is of the whole length: a range that leaves the user's
/// half, or wraps, is refused before any page is touched.
#[test]
fn pf_16_ks_57_the_whole_length_is_checked() {
    let last = Address(USER_END - 4);
    for side in SIDES {
        for method in [BufferMethod::Buffered, BufferMethod::Direct] {
            for (address, length) in [
                (last, 5),
                (last, u32::MAX),
                (Address(u64::MAX), 2),
                (Address(USER_END), 1),
            ] {
                let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
                rig.world.map(last, &[1; 4], Protection::ReadWrite);
                let write = Write {
                    data: Data::Raw(address),
                    length,
                    ..rig.write()
                };
                assert_eq!(
                    rig.submit_by(side, &write),
                    NtStatus::ACCESS_VIOLATION,
                    "{address}"
                );
                assert_eq!((rig.world.touches(), rig.effects().irps), (0, 0));
                assert_eq!(
                    rig.calls("ExAllocatePoolQuotaZero") + rig.calls("IoAllocateMdl"),
                    0
                );
                rig.check();
            }
            // With no length there is nothing to check, and nothing is used either.
            let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
            let write = Write {
                data: Data::Raw(Address(u64::MAX)),
                length: 0,
                ..rig.write()
            };
            assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
            let header = rig.irp().0;
            assert_eq!(
                (header.system_buffer, header.mdl, rig.world.touches()),
                (None, None, 0)
            );
            rig.check();
        }
    }
    // The last bytes of the user's half are the user's.
    let rig = Rig::new(Script::inline(BufferMethod::Direct), ASYNCHRONOUS);
    rig.world.map(last, &[1; 4], Protection::ReadWrite);
    let write = Write {
        data: Data::Raw(last),
        length: 4,
        ..rig.write()
    };
    assert_eq!(rig.submit(&write).status, NtStatus::SUCCESS);
    rig.check();
}

/// PF-18: a fast-I/O routine has a raw address that may go while it reads: the exception is the result, at each touch. A
/// naive call with a user's address under the previous mode of the kernel is found.
#[test]
fn pf_18_a_fast_routine_has_a_raw_address() {
    let accepting = Script::default().with_fast(FastRoutine::Accept);
    for side in SIDES {
        for page in 0..3 {
            let rig = Rig::new(accepting, ASYNCHRONOUS);
            let event = Some(rig.event);
            let write = Write {
                event,
                ..three_pages(&rig)
            };
            let gone = address_of(&write).plus(page * PAGE_BYTES);
            rig.world.at_touch(page, Change::Unmap(gone));
            assert_eq!(rig.submit_by(side, &write), NtStatus::ACCESS_VIOLATION);
            let effects = rig.effects();
            assert_eq!((effects.fast, effects.irps, effects.accepted), (1, 0, 0));
            assert_eq!((effects.block, effects.event), (None, Signal::Cleared));
            rig.check();
        }
    }
    let rig = Rig::new(accepting, ASYNCHRONOUS);
    rig.world.set_previous_mode(rig.thread, ProcessorMode::Kernel);
    let cpu = rig.cpu();
    let routine = cpu.fast_write_slot(rig.device).unwrap();
    let naive: WriteCall<Cpu<'static>> = WriteCall {
        file: Some(rig.file),
        device: rig.device,
        data: Data::Raw(rig.buffer),
        length: LENGTH,
        offset: 0,
        key: 0,
        mode: ProcessorMode::User,
        in_requestor_context: true,
        may_page: true,
        may_wait: false,
        bypasses_cache: false,
        stack_flags: 0,
        irp_flags: 0,
    };
    let _believed = cpu.fast_write(routine, &naive, rig.buffer);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::FastIoTrustsUser { .. })
    });
}

/// PF-20: what a routine says it did counts only with `STATUS_SUCCESS`; otherwise the IRP does the write, and the bytes
/// are there once.
#[test]
fn pf_20_an_attempt_that_does_not_count_leaves_the_bytes_to_the_irp() {
    for side in SIDES {
        for information in [0, 3, BYTES.len()] {
            let status = NtStatus::BUFFER_OVERFLOW;
            let answer = FastRoutine::Answer(IoStatus { status, information });
            let rig = Rig::new(Script::default().with_fast(answer), SYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
            assert_eq!(rig.world.accepted(rig.device), BYTES);
            assert_eq!(rig.effects().block, Some(WHOLE), "nothing is left of the answer");
            rig.check();
        }
    }
}

/// PF-21: a write above `PASSIVE_LEVEL`, and a lock of pageable memory at `DISPATCH_LEVEL`, are found. A write may be
/// completed at up to `DISPATCH_LEVEL`, by both sides and through the filter.
#[test]
fn pf_21_irql() {
    for irql in [Irql::Apc, Irql::Dispatch] {
        let rig = Rig::new(Script::default(), ASYNCHRONOUS);
        let cpu = rig.cpu();
        let before = cpu.raise_irql(irql);
        let _told = rig.submit(&rig.write()).status;
        cpu.lower_irql(before);
        assert_found(&rig.world, |finding| {
            matches!(
                finding,
                Finding::IrqlTooHigh {
                    limit: Irql::Passive,
                    ..
                }
            )
        });
    }
    let rig = Rig::new(Script::default(), ASYNCHRONOUS);
    let cpu = rig.cpu();
    let before = cpu.raise_irql(Irql::Dispatch);
    drop(cpu.lock_pages(rig.buffer, LENGTH, ProcessorMode::User));
    cpu.lower_irql(before);
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::IrqlTooHigh { limit: Irql::Apc, .. })
    });
    for filtered in [true, false] {
        for side in SIDES {
            let world = World::new();
            let device = world.device(Script::hold(BufferMethod::Direct));
            if filtered {
                let _filter = world.attach_filter(device, true);
            }
            let rig = Rig::on(world, device, ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write_with_event()), NtStatus::PENDING);
            let system = rig.world.system();
            let before = system.raise_irql(Irql::Dispatch);
            assert!(system.complete_irp(rig.world.held(device)[0], WHOLE));
            system.lower_irql(before);
            assert_eq!(rig.effects().block, Some(WHOLE), "{side:?} filtered: {filtered}");
            assert_eq!(rig.effects().event, Signal::Set);
            rig.check();
        }
    }
}

/// PF-22: the thread of an IRP of the driver's own is the one that submits it.
#[test]
fn pf_22_the_thread_of_an_irp() {
    for side in SIDES {
        let rig = Rig::new(Script::default(), ASYNCHRONOUS);
        assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::SUCCESS);
        assert_eq!(rig.irp().0.thread, Some(rig.thread));
        rig.check();
    }
}

/// PF-24: pages that are locked change under the device, a copy does not.
#[test]
fn pf_24_a_buffer_that_changes_under_the_device() {
    for side in SIDES {
        for (method, changes) in [(BufferMethod::Direct, true), (BufferMethod::Buffered, false)] {
            let rig = Rig::new(Script::hold(method), ASYNCHRONOUS);
            assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::PENDING);
            rig.world.change(&Change::Write(rig.buffer, b"EVERY".to_vec()));
            assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
            let seen = &rig.world.seen(rig.device)[0];
            assert_eq!(seen.bytes, Ok(BYTES.to_vec()));
            let end = if changes { &b"EVERY byte"[..] } else { &BYTES[..10] };
            assert_eq!(
                &seen.bytes_at_end.as_ref().unwrap()[..10],
                end,
                "{side:?} {method:?}"
            );
            rig.check();
        }
    }
}

/// PF-25: with special kernel APCs held off, a write whose last stage is an APC is found before it hangs, and the hang is
/// found.
#[test]
fn pf_25_a_wait_for_an_apc_that_cannot_come() {
    let rig = Rig::new(Script::hold(BufferMethod::Buffered), SYNCHRONOUS);
    rig.complete_later(NtStatus::SUCCESS);
    let cpu = rig.cpu();
    cpu.enter_guarded_region();
    let _never = rig.submit(&rig.write()).status;
    cpu.leave_guarded_region();
    let thread = rig.thread;
    assert_found(&rig.world, |finding| {
        matches!(finding, Finding::ApcsHeldOff { .. })
    });
    assert_found(&rig.world, |finding| *finding == Finding::Hang { thread });

    // What the driver completes needs no APC.
    let rig = Rig::new(Script::hold(BufferMethod::Buffered), SYNCHRONOUS);
    rig.complete_later(NtStatus::SUCCESS);
    let cpu = rig.cpu();
    cpu.enter_guarded_region();
    assert_eq!(rig.submit_by(Side::Owned, &rig.write()), NtStatus::SUCCESS);
    cpu.leave_guarded_region();
    rig.check();
}
