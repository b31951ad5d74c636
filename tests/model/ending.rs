//! How a write comes to its end: the last stage, who is woken, the cancel, the mark.

use std::rc::Rc;

use kswrite_core::{BufferMethod, FileObjects as _, IoStatus, NtStatus, Patience, ProcessorMode};
use nt_model::{
    Body, Cpu, FastRoutine, Finding, Invoke, Misbehaviour, NtWrite, OnIrp, PortContext, Script, World,
    schedule::{Enumerate, Scheduler},
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, INFORMATIONAL, LENGTH, METHODS, Rig, SIDES, Side, Signal, WHOLE, Write, submit_by,
};

const CONTEXT: PortContext = PortContext(0xC0);
const KEY: u64 = 7;

/// KS-65: with deferral, what was complete at once has its last stage in the thread of the caller, once, and no APC
/// is queued; without it, or after a pend, one APC does it, once.
#[test]
fn ks_65_the_last_stage_is_done_once() {
    for defers in [true, false] {
        for (irp, pends) in [
            (OnIrp::Inline(NtStatus::SUCCESS), false),
            (OnIrp::InlineAsPending(NtStatus::SUCCESS), true),
        ] {
            let rig = Rig::new(Script::default().on_irp(irp), ASYNCHRONOUS);
            rig.world.set_deferral(defers);
            let told = rig.submit(&rig.write_with_event()).status;
            assert_eq!(told == NtStatus::PENDING, pends);
            let apcs = u64::from(pends || !defers);
            assert_eq!(rig.world.apcs_queued(), apcs, "defers: {defers}, {irp:?}");
            let stages: Vec<_> = rig
                .world
                .calls()
                .into_iter()
                .filter(|(_, call)| *call == "IopCompleteRequest")
                .collect();
            assert_eq!(stages, [(rig.thread, "IopCompleteRequest")]);
            let flag = rig.irp().0.flags & nt_model::IRP_DEFER_IO_COMPLETION != 0;
            assert_eq!(flag, defers);
            assert_eq!(rig.effects().event, Signal::Set);
            rig.check();
        }
    }
}

/// KS-66: pages are unlocked before the last stage, and what an IRP carries is freed in it. An IRP with a packet is
/// the packet, and is freed when that is dequeued.
#[test]
fn ks_66_what_an_irp_carries_is_given_back_once() {
    for method in METHODS {
        let rig = Rig::new(Script::hold(method), ASYNCHRONOUS);
        let port = rig.with_port(KEY);
        let port_context = Some(CONTEXT);
        let write = Write {
            port_context,
            ..rig.write()
        };
        assert_eq!(rig.submit(&write).status, NtStatus::PENDING);
        let irp = rig.world.held(rig.device)[0];
        let direct = method == BufferMethod::Direct;
        assert_eq!(rig.world.locks_of(rig.buffer), u32::from(direct));
        let cpu = rig.cpu();
        // The last stage is an APC of this thread, and cannot come yet.
        cpu.enter_guarded_region();
        assert!(rig.world.system().complete_irp(irp, WHOLE));
        let before = rig.world.irp(irp).expect("the last stage has not come");
        assert_eq!(before.mdl.is_some(), direct);
        assert_eq!(before.system_buffer.is_some(), method == BufferMethod::Buffered);
        assert_eq!(rig.world.locks_of(rig.buffer), 0);
        assert_eq!(rig.effects().block, None);
        cpu.leave_guarded_region();
        let packet = rig.world.irp(irp).expect("the IRP is the packet");
        assert_eq!((packet.mdl, packet.system_buffer), (None, None));
        assert_eq!(rig.effects().block, Some(WHOLE));
        assert_eq!(rig.world.packets(port), 1);
        assert!(cpu.dequeue(port).is_some());
        assert_eq!(rig.world.irp(irp), None);
        rig.check();
    }
}

/// What a waiter is woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    Event,
    FileEvent,
    Packet,
}

/// KS-69: whoever is woken, by whatever, finds the status block written; in every interleaving.
#[test]
fn ks_69_the_status_block_is_written_before_anybody_is_woken() {
    let scripts = [
        Script::default(),
        Script::hold(BufferMethod::Buffered),
        Script::default().with_fast(FastRoutine::Accept),
    ];
    let mut scheduler = Scheduler::new();
    for side in SIDES {
        for wake in [Wake::Event, Wake::FileEvent, Wake::Packet] {
            for script in scripts {
                let explored = Enumerate::new(2).explore(|chooser| {
                    let rig = Rc::new(Rig::new(script, ASYNCHRONOUS));
                    rig.world.set_file_event(rig.file, false);
                    rig.cpu().clear_event(rig.event);
                    let port = rig.with_port(KEY);
                    let waiter = rig.world.thread(ProcessorMode::User);
                    let (of_writer, of_waiter) = (Rc::clone(&rig), Rc::clone(&rig));
                    if script.irp == OnIrp::Hold {
                        rig.complete_later(NtStatus::SUCCESS);
                    }
                    let writer = move |cpu: &Cpu<'_>| {
                        let context = (wake == Wake::Packet).then_some(CONTEXT);
                        let event = (wake == Wake::Event).then_some(of_writer.event);
                        let write = Write {
                            event,
                            port_context: context,
                            ..of_writer.write()
                        };
                        let _told = submit_by(side, cpu, &of_writer.statistics, &write);
                    };
                    let wait = move |cpu: &Cpu<'_>| {
                        match wake {
                            Wake::Event => {
                                let _woken = cpu.wait_for(of_waiter.event, Patience::UNTIL_OVER);
                            }
                            Wake::FileEvent => {
                                let _woken = cpu.wait_for_file_handle(of_waiter.file, Patience::UNTIL_OVER);
                            }
                            Wake::Packet => assert_eq!(cpu.wait_for_packet(port).unwrap().io, WHOLE),
                        }
                        assert_eq!(of_waiter.world.block(of_waiter.block).io, WHOLE);
                    };
                    let bodies: Vec<Body> = vec![(rig.thread, Box::new(writer)), (waiter, Box::new(wait))];
                    rig.world.run(&mut scheduler, bodies, chooser).unwrap();
                    rig.world.check()
                });
                assert!(explored.is_ok(), "{side:?} {wake:?} {explored:?}");
            }
        }
    }
}

/// KS-70: without a cancel routine a cancel only sets the flag of the IRP; with one, it is called once, and is not
/// there any more when it is; a second cancel does nothing.
#[test]
fn ks_70_a_cancel_calls_the_cancel_routine_once() {
    for cancellable in [true, false] {
        let script = Script {
            cancellable,
            ..Script::hold(BufferMethod::Buffered)
        };
        let rig = Rig::new(script, ASYNCHRONOUS);
        assert_eq!(rig.submit(&rig.write_with_event()).status, NtStatus::PENDING);
        let irp = rig.world.held(rig.device)[0];
        let header = rig.world.irp(irp).unwrap();
        assert_eq!((header.cancel, header.has_cancel_routine), (false, cancellable));
        let system = rig.world.system();
        assert_eq!(system.cancel_irp(irp), cancellable);
        if cancellable {
            assert_eq!(rig.world.irp(irp), None, "it is complete");
            assert_eq!(rig.effects().block, Some(IoStatus::failed(NtStatus::CANCELLED)));
        } else {
            let header = rig.world.irp(irp).unwrap();
            assert_eq!((header.cancel, header.has_cancel_routine), (true, false));
            assert!(!system.cancel_irp(irp), "a second cancel");
            assert_eq!(rig.effects().block, None);
            assert!(system.complete_next(rig.device, NtStatus::SUCCESS));
            assert_eq!(rig.effects().block, Some(WHOLE), "too late");
        }
        let called = rig
            .world
            .calls()
            .iter()
            .filter(|(_, call)| call.trim() == "cancel routine")
            .count();
        assert_eq!(called, usize::from(cancellable));
        assert_eq!(rig.effects().event, Signal::Set);
        rig.check();
    }
}

/// KS-70: completion routines are called for success, error and cancel as they asked for it.
#[test]
fn ks_70_completion_routines_are_called_for_what_they_asked_for() {
    // The status, and whether the IRP was cancelled.
    let ends = [
        (NtStatus::SUCCESS, false),
        (NtStatus::SUCCESS, true),
        (INFORMATIONAL, false),
        (NtStatus::BUFFER_OVERFLOW, false),
        (NtStatus::IO_DEVICE_ERROR, false),
        (NtStatus::CANCELLED, true),
    ];
    for (status, cancel) in ends {
        for asked in 0..8 {
            let invoke = Invoke {
                on_success: asked & 1 != 0,
                on_error: asked & 2 != 0,
                on_cancel: asked & 4 != 0,
            };
            let world = World::new();
            let device = world.device(Script {
                cancellable: false,
                ..Script::hold(BufferMethod::Buffered)
            });
            let above = world.attach_pass_through(device, invoke);
            let rig = Rig::on(world, device, ASYNCHRONOUS);
            assert_eq!(rig.submit(&rig.write()).status, NtStatus::PENDING);
            if cancel {
                assert!(!rig.world.system().cancel_irp(rig.world.held(device)[0]));
            }
            assert!(rig.world.system().complete_next(device, status));
            let called = status.is_success() && invoke.on_success
                || !status.is_success() && invoke.on_error
                || cancel && invoke.on_cancel;
            assert_eq!(
                rig.world.routine_calls(above),
                u32::from(called),
                "{status} {invoke:?}"
            );
            assert_eq!(rig.effects().block.map(|io| io.status), Some(status));
            rig.check();
        }
    }
}

/// KS-71: a cancel and a completion of the same write, in every interleaving with the submission: the write ends once,
/// whole or with `STATUS_CANCELLED` and no bytes, and is reported as a pended one. Both ends occur.
#[test]
fn ks_71_cancel_races_completion_exactly_once() {
    let mut scheduler = Scheduler::new();
    for event in [true, false] {
        let mut ends = std::collections::BTreeSet::new();
        let explored = Enumerate::new(3).explore(|chooser| {
            let rig = Rc::new(Rig::new(Script::hold(BufferMethod::Buffered), ASYNCHRONOUS));
            let world = rig.world.clone();
            let threads = [(); 2].map(|()| world.thread(ProcessorMode::User));
            let (writer, device, file) = (Rc::clone(&rig), rig.device, rig.file);
            let bodies: Vec<Body> = vec![
                (
                    rig.thread,
                    Box::new(move |cpu| {
                        let write = if event {
                            writer.write_with_event()
                        } else {
                            writer.write()
                        };
                        let told = submit_by(Side::Managed, cpu, &writer.statistics, &write);
                        assert_eq!(told, NtStatus::PENDING);
                    }),
                ),
                (
                    threads[0],
                    Box::new(move |cpu| _ = cpu.complete_oldest(device, NtStatus::SUCCESS)),
                ),
                (
                    threads[1],
                    Box::new(move |cpu| {
                        let _there_may_be_none = cpu.cancel_io(file, None);
                    }),
                ),
            ];
            world.run(&mut scheduler, bodies, chooser).unwrap();
            world.system().complete_oldest(device, NtStatus::SUCCESS);
            let effects = rig.effects();
            let io = effects.block.expect("every write ends");
            let whole = io == WHOLE && effects.accepted == BYTES.len();
            let nothing = io == IoStatus::failed(NtStatus::CANCELLED) && effects.accepted == 0;
            assert!(whole || nothing, "{effects:?}");
            let signals = if event {
                (Signal::Set, Signal::Cleared)
            } else {
                (Signal::Untouched, Signal::Set)
            };
            assert_eq!((effects.event, effects.file_event), signals);
            ends.insert(whole);
            world.check()
        });
        assert!(explored.is_ok(), "{explored:?}");
        assert_eq!(ends.len(), 2);
    }
}

/// KS-72, KS-73: a device that completes with `STATUS_PENDING`, or twice, or whose mark and returned status do not
/// fit, is found; and only that.
#[test]
fn ks_72_73_devices_that_break_the_rules_of_completion_are_found() {
    type Is = fn(&Finding) -> bool;
    let rows: [(Misbehaviour, Is); 4] = [
        (Misbehaviour::CompleteWithPending, |finding| {
            matches!(finding, Finding::IrpCompletedWithPending { .. })
        }),
        (Misbehaviour::CompleteTwice, |finding| {
            matches!(finding, Finding::IrpCompletedTwice { .. })
        }),
        (Misbehaviour::PendingNotMarked, |finding| {
            matches!(finding, Finding::PendingNotMarked { .. })
        }),
        (Misbehaviour::MarkedNotPending, |finding| {
            matches!(finding, Finding::MarkedNotPending { .. })
        }),
    ];
    for (how, is) in rows {
        let rig = Rig::new(Script::default().on_irp(OnIrp::Misbehave(how)), ASYNCHRONOUS);
        let write = NtWrite::new(rig.file, rig.block, rig.buffer, LENGTH);
        let _told = rig.cpu().nt_write_file(&write);
        let findings = rig.world.findings();
        assert!(findings.iter().any(is), "{how:?}: {findings:?}");
        let report = rig.world.check().expect_err("a finding");
        assert!(
            report.trace.iter().any(|line| line.contains("IoCallDriver")),
            "{report}"
        );
    }
    let good = Rig::new(Script::default(), ASYNCHRONOUS);
    assert_eq!(good.submit(&good.write()).status, NtStatus::SUCCESS);
    good.check();
}

/// KS-73: through a stack of devices that pass the IRP on, the mark comes up with the IRP, and the write is
/// reported as a pended one.
#[test]
fn ks_73_the_mark_comes_up_through_a_stack() {
    let always = Invoke {
        on_success: true,
        on_error: true,
        on_cancel: true,
    };
    let never = Invoke {
        on_success: false,
        on_error: false,
        on_cancel: false,
    };
    for invoke in [always, never] {
        for status in [NtStatus::SUCCESS, NtStatus::IO_DEVICE_ERROR] {
            for irp in [OnIrp::Inline(status), OnIrp::InlineAsPending(status), OnIrp::Hold] {
                let world = World::new();
                let device = world.device(Script::default().on_irp(irp));
                let _middle = world.attach_pass_through(device, invoke);
                let _top = world.attach_pass_through(device, invoke);
                let rig = Rig::on(world, device, ASYNCHRONOUS);
                let told = rig.submit(&rig.write_with_event()).status;
                let inline = irp == OnIrp::Inline(status);
                assert_eq!(told, if inline { status } else { NtStatus::PENDING });
                if irp == OnIrp::Hold {
                    assert!(rig.world.system().complete_next(device, status));
                }
                let reported = !inline || !status.is_error();
                let effects = rig.effects();
                assert_eq!(effects.block.is_some(), reported, "{irp:?}");
                assert_eq!(effects.event == Signal::Set, reported, "{irp:?}");
                rig.check();
            }
        }
    }
}
