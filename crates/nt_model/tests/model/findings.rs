//! A model that finds nothing proves nothing: each finding, produced by something that deserves it.

use std::rc::Rc;

use kswrite_core::{
    BufferMethod, Decision, FileObjects, FileWrite, IoStatus, Kernel, NtStatus, Patience, ProcessorMode,
    Statistics, WriteCall,
    fast::Outcome,
    managed::ThreadIrps,
    owned::{Request, SentWrite},
    payload::Payload,
};
use nt_model::{
    Address, FastRoutine, Finding, IRP_DEALLOCATE_BUFFER, Irql, KERNEL_BASE, Misbehaviour, OnIrp, OwnedWrite,
    Script, World,
    schedule::{Scheduler, Seeded},
};

use crate::stage::{LENGTH, METHODS, Stage};

fn misbehaving(how: Misbehaviour) -> Stage {
    let script = Script::inline(BufferMethod::Buffered).on_irp(OnIrp::Misbehave(how));
    Stage::asynchronous(script)
}

#[track_caller]
fn assert_found(stage: &Stage, wanted: &[fn(&Finding) -> bool]) {
    let found = stage.found();
    for (index, wanted) in wanted.iter().enumerate() {
        assert!(found.iter().any(wanted), "number {index} is not in {found:?}");
    }
    assert_eq!(found.len(), wanted.len(), "{found:?}");
}

macro_rules! is {
    ($($kind:ident),*) => {
        &[$(|finding| matches!(finding, Finding::$kind { .. })),*]
    };
}

#[test]
fn a_forgotten_irp() {
    let stage = misbehaving(Misbehaviour::Drop);
    let _status = stage.write();
    assert_found(
        &stage,
        is![IrpNotCompleted, IrpLeaked, QuotaLeaked, PoolLeaked, FileLeaked],
    );
}

#[test]
fn a_double_completion() {
    for defers in [true, false] {
        let stage = misbehaving(Misbehaviour::CompleteTwice);
        // With the last stage in an APC, the IRP is freed already the second time.
        stage.world.set_deferral(defers);
        let _status = stage.write();
        assert_found(&stage, is![IrpCompletedTwice]);
    }
}

#[test]
fn a_completion_with_pending() {
    let stage = misbehaving(Misbehaviour::CompleteWithPending);
    let _status = stage.write();
    assert_found(&stage, is![IrpCompletedWithPending]);
}

#[test]
fn a_completion_of_a_cancellable_irp() {
    let stage = misbehaving(Misbehaviour::CompleteCancellable);
    let _status = stage.write();
    assert_found(&stage, is![IrpCompletedCancellable]);
}

#[test]
fn a_mark_after_the_completion() {
    let stage = misbehaving(Misbehaviour::MarkAfterCompletion);
    let _status = stage.write();
    let found = stage.found();
    let touched = |finding: &Finding| matches!(finding, Finding::IrpTouchedAfterCompletion { .. });
    assert!(found.iter().any(touched), "{found:?}");
    assert!(
        found
            .iter()
            .any(|finding| matches!(finding, Finding::PendingNotMarked { .. })),
        "{found:?}"
    );
}

#[test]
fn pending_without_a_mark() {
    let stage = misbehaving(Misbehaviour::PendingNotMarked);
    assert_eq!(stage.write(), NtStatus::PENDING);
    assert!(
        stage
            .world
            .system()
            .complete_next(stage.device, NtStatus::SUCCESS)
    );
    // Nobody does the last stage: the caller was told that an APC will.
    assert_found(
        &stage,
        is![PendingNotMarked, IrpLeaked, FileLeaked, QuotaLeaked, PoolLeaked],
    );
}

#[test]
fn pending_without_a_mark_hangs_a_synchronous_write() {
    let script =
        Script::inline(BufferMethod::Neither).on_irp(OnIrp::Misbehave(Misbehaviour::PendingNotMarked));
    let stage = Stage::synchronous(script);
    let device = stage.device;
    stage
        .world
        .later(move |cpu| assert!(cpu.complete_next(device, NtStatus::SUCCESS)));
    let _status = stage.write();
    assert_found(&stage, is![PendingNotMarked, Hang, IrpLeaked, FileLeaked]);
}

#[test]
fn a_mark_without_pending() {
    let stage = misbehaving(Misbehaviour::MarkedNotPending);
    let _status = stage.write();
    assert_found(&stage, is![MarkedNotPending, FinalStageTwice]);
}

#[test]
fn too_many_bytes() {
    let stage = misbehaving(Misbehaviour::TooManyBytes);
    let _status = stage.write();
    assert_found(&stage, is![TooManyBytes]);
}

#[test]
fn a_completion_under_the_cancel_lock() {
    let stage = misbehaving(Misbehaviour::CancelUnderLock);
    assert_eq!(stage.write(), NtStatus::PENDING);
    assert!(stage.cpu.cancel_io(stage.file, None).is_ok());
    assert_found(&stage, is![CallUnderCancelLock]);
}

/// The cancel routine runs while another thread completes: a seed is enough to show it.
#[test]
fn a_cancel_race_that_nobody_decides() {
    let found = (0..200).any(|seed| {
        let stage = misbehaving(Misbehaviour::IgnoreCancelRace);
        assert_eq!(stage.write(), NtStatus::PENDING);
        let [irp] = stage.world.held(stage.device)[..] else {
            panic!("it holds one")
        };
        let completer = stage.world.thread(ProcessorMode::Kernel);
        let io = IoStatus::failed(NtStatus::SUCCESS);
        let bodies: Vec<nt_model::Body> = vec![
            (completer, Box::new(move |cpu| _ = cpu.complete_irp(irp, io))),
            (stage.cpu.thread(), Box::new(move |cpu| _ = cpu.cancel_irp(irp))),
        ];
        let run = stage
            .world
            .run(&mut Scheduler::new(), bodies, &mut Seeded::new(seed));
        assert!(run.is_ok());
        let twice = |finding: &Finding| matches!(finding, Finding::IrpCompletedTwice { .. });
        stage.world.findings().iter().any(twice)
    });
    assert!(found);
}

#[test]
fn buffers_that_are_read_after_the_completion() {
    let script = |method| Script::inline(method).on_irp(OnIrp::Misbehave(Misbehaviour::ReadAfterCompletion));
    let buffered = Stage::asynchronous(script(BufferMethod::Buffered));
    let _status = buffered.write();
    assert_found(&buffered, is![BadKernelAddress]);
    let direct = Stage::asynchronous(script(BufferMethod::Direct));
    let _status = direct.write();
    assert_found(&direct, is![MdlTouchedAfterFree]);
}

#[test]
fn an_irp_that_nobody_ends() {
    let stage = Stage::asynchronous(Script::hold(BufferMethod::Direct));
    assert_eq!(stage.write(), NtStatus::PENDING);
    assert_found(&stage, is![IrpLeaked, FileLeaked, MdlLeaked, PagesLocked]);
}

#[test]
fn a_wait_that_nobody_ends() {
    let stage = Stage::synchronous(Script::hold(BufferMethod::Neither));
    let _status = stage.write();
    let hang = Finding::Hang {
        thread: stage.cpu.thread(),
    };
    assert!(stage.found().contains(&hang), "{:?}", stage.found());
}

#[test]
fn a_deadlock_of_threads() {
    let stage = Stage::synchronous(Script::hold(BufferMethod::Neither));
    let (file, block, buffer) = (stage.file, stage.block, stage.buffer);
    let body: nt_model::Body = (
        stage.cpu.thread(),
        Box::new(move |cpu| {
            let mode = ProcessorMode::User;
            let request = FileWrite::new(file, None, None, block, buffer, LENGTH, 0, mode);
            let _submitted = kswrite_core::managed::write(cpu, &Statistics::new(), &request);
        }),
    );
    let outcome = stage
        .world
        .run(&mut Scheduler::new(), vec![body], &mut Seeded::new(0));
    assert!(outcome.is_ok_and(|outcome| !outcome.gave_up.is_empty()));
    let hang = |finding: &Finding| matches!(finding, Finding::Hang { .. });
    assert!(stage.world.findings().iter().any(hang));
}

#[test]
fn a_write_above_passive_level() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither));
    let irql = stage.cpu.raise_irql(Irql::Apc);
    let _status = stage.write();
    stage.cpu.lower_irql(irql);
    let found = stage.found();
    assert!(
        found
            .iter()
            .any(|finding| matches!(finding, Finding::IrqlTooHigh { .. })),
        "{found:?}"
    );
}

#[test]
fn an_irql_that_is_not_restored() {
    let world = World::new();
    let cpu = world.cpu(world.thread(ProcessorMode::User));
    cpu.raise_irql(Irql::Dispatch);
    cpu.raise_irql(Irql::Apc);
    let thread = cpu.thread();
    let what = "the IRQL";
    assert_eq!(
        world.check().err().map(|report| report.findings),
        Some(vec![
            Finding::IrqlOrder { thread },
            Finding::NotRestored { thread, what }
        ])
    );
}

#[test]
fn a_write_in_a_guarded_region() {
    let stage = Stage::synchronous(
        Script::inline(BufferMethod::Neither).on_irp(OnIrp::InlineAsPending(NtStatus::SUCCESS)),
    );
    stage.cpu.enter_guarded_region();
    let _status = stage.write();
    stage.cpu.leave_guarded_region();
    let found = stage.found();
    for wanted in [
        |finding: &Finding| matches!(finding, Finding::ApcsHeldOff { .. }),
        |finding: &Finding| matches!(finding, Finding::Hang { .. }),
    ] {
        assert!(found.iter().any(wanted), "{found:?}");
    }
}

#[test]
fn an_apc_that_cannot_come() {
    let stage = Stage::asynchronous(Script::hold(BufferMethod::Neither));
    assert_eq!(stage.write(), NtStatus::PENDING);
    stage.cpu.enter_guarded_region();
    assert!(
        stage
            .world
            .system()
            .complete_next(stage.device, NtStatus::SUCCESS)
    );
    assert_found(&stage, is![ApcsPending, NotRestored, IrpLeaked, FileLeaked]);
    stage.cpu.leave_guarded_region();
    stage.check();
}

#[test]
fn references_that_nobody_took() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither));
    let (file, event) = (stage.file, stage.world.event());
    // An IRP whose end will drop references, sent without taking them.
    let call = stage.call();
    let request = FileWrite {
        event: Some(event),
        ..stage.request()
    };
    let payload = Payload::User(stage.buffer);
    let irp = stage.cpu.allocate_irp(&request, &call, Some(event), payload);
    let (_, irp) = stage.cpu.queue_and_send(irp.expect("memory"), stage.device);
    stage.cpu.complete_deferred(irp);
    assert_eq!(
        stage.found(),
        [
            Finding::EventUnderReferenced { event },
            Finding::FileUnderReferenced { file }
        ]
    );
}

#[test]
fn references_that_stay() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither));
    let (file, event) = (stage.file, stage.world.event());
    stage.cpu.reference_file(file);
    stage.cpu.reference_event(event);
    let references = 1;
    assert_eq!(
        stage.found(),
        [
            Finding::FileLeaked { file, references },
            Finding::EventLeaked { event, references }
        ]
    );
}

#[test]
fn objects_that_are_gone() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither));
    let event = stage.world.event();
    stage.cpu.close_event(event);
    stage.cpu.close_file(stage.file);
    assert!(stage.world.file_state(stage.file).deleted);
    stage.cpu.set_event(event);
    stage.cpu.set_file_event(stage.file);
    stage.cpu.discard_block(stage.block);
    stage
        .cpu
        .store_status(stage.block, IoStatus::failed(NtStatus::SUCCESS));
    assert_found(
        &stage,
        is![EventTouchedAfterFree, FileTouchedAfterFree, StatusBlockGone],
    );
}

#[test]
fn a_status_block_that_nobody_wrote() {
    let stage = Stage::asynchronous(Script::default());
    let _garbage = stage.cpu.load_status(stage.block);
    assert_found(&stage, is![StatusBlockNotWritten]);
}

#[test]
fn an_irp_that_is_gone() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither));
    let _status = stage.write();
    let Some((irp, ..)) = stage.world.seen(stage.device)[0].came.irp() else {
        panic!("it came by an IRP")
    };
    assert!(!stage.cpu.cancel_irp(irp));
    let call = "IoCancelIrp";
    assert_eq!(stage.found(), [Finding::IrpTouchedAfterFree { irp, call }]);
}

#[test]
fn mdls_that_stay_or_go_too_early() {
    let stage = Stage::asynchronous(Script::default());
    let whole = stage
        .cpu
        .lock_pages(stage.buffer, LENGTH, ProcessorMode::User)
        .expect("readable");
    let part = stage.cpu.partial_mdl(whole.id(), 2).expect("memory");
    drop(whole);
    assert_found(&stage, is![MdlPartsOutliveIt, MdlLeaked]);
    drop(part);
    assert_found(&stage, is![MdlPartsOutliveIt]);
}

#[test]
fn pages_of_a_user_that_were_probed_as_the_kernels() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Direct));
    let mdl = stage
        .cpu
        .probe_and_lock(stage.buffer, LENGTH, ProcessorMode::Kernel)
        .expect("readable");
    let payload = Payload::Mdl(mdl);
    let irp = stage
        .cpu
        .allocate_irp(&stage.request(), &stage.call(), None, payload)
        .expect("memory");
    stage.cpu.reference_file(stage.file);
    let (_, irp) = stage.cpu.queue_and_send(irp, stage.device);
    stage.cpu.complete_deferred(irp);
    assert_found(&stage, is![MdlOfWrongMode]);
}

#[test]
fn memory_for_no_bytes() {
    let stage = Stage::asynchronous(Script::default());
    drop(stage.cpu.capture(stage.buffer, 0));
    drop(stage.cpu.probe_and_lock(stage.buffer, 0, ProcessorMode::User));
    assert_found(&stage, is![NoBytes, NoBytes]);
}

#[test]
fn a_kernel_address_that_is_not_there() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Buffered));
    let nowhere = Address(KERNEL_BASE);
    let captured = stage.cpu.capture(nowhere, LENGTH).map(drop);
    assert_eq!(captured, Err(NtStatus::ACCESS_VIOLATION));
    assert_eq!(stage.found(), [Finding::BadKernelAddress { address: nowhere }]);
}

#[test]
fn a_fast_routine_that_believes_a_user() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither).with_fast(FastRoutine::Accept));
    stage
        .world
        .set_previous_mode(stage.cpu.thread(), ProcessorMode::Kernel);
    let routine = stage.cpu.fast_write_slot(stage.device).expect("it has one");
    let answer = stage.cpu.fast_write(routine, &stage.call(), stage.buffer);
    assert!(answer.is_ok());
    assert_found(&stage, is![FastIoTrustsUser]);
}

#[test]
fn a_fast_routine_that_is_given_another_drivers_device() {
    let script = Script::inline(BufferMethod::Neither).with_fast(FastRoutine::Accept);
    let stage = Stage::asynchronous(script);
    let routine = stage.cpu.fast_write_slot(stage.device).expect("it has one");
    let device = stage.world.device(script);
    let call = WriteCall {
        device,
        ..stage.call()
    };
    assert!(stage.cpu.fast_write(routine, &call, stage.buffer).is_ok());
    assert_eq!(stage.found(), [Finding::ForeignDevice { device }]);
}

#[test]
fn a_fast_table_that_is_not_there() {
    let stage = Stage::asynchronous(Script::default());
    assert!(stage.cpu.fast_write_slot(stage.device).is_none());
    assert_found(&stage, is![NoFastIoTable]);
}

#[test]
fn a_request_that_is_forgotten() {
    let stage = Stage::asynchronous(Script::default());
    let statistics = Rc::new(Statistics::new());
    drop(OwnedWrite::new(&stage.cpu, &stage.request(), &statistics).expect("memory"));
    assert_found(&stage, is![RequestForgotten, FileLeaked]);
}

#[test]
fn a_write_that_is_finished_while_the_device_has_it() {
    let stage = Stage::asynchronous(Script::hold(BufferMethod::Neither));
    let request = OwnedWrite::new(&stage.cpu, &stage.request(), &Rc::new(Statistics::new())).expect("memory");
    let decision = Decision::new(Outcome::Declined);
    let payload = Payload::User(stage.buffer);
    let Ok(sent) = request.begin(&stage.cpu, &stage.call(), payload, decision) else {
        panic!("memory")
    };
    assert_eq!(sent.send(&stage.cpu, stage.device), NtStatus::PENDING);
    let request = sent.clone().finish(&stage.cpu);
    assert_found(&stage, is![IrpFreedInFlight, FileLeaked]);
    let _status = request.refuse(&stage.cpu, NtStatus::CANCELLED, decision);
    sent.wake(&stage.cpu);
    assert_found(&stage, is![IrpFreedInFlight, WriteTouchedAfterFinish]);
}

#[test]
fn an_event_that_is_freed_while_a_thread_waits_for_it() {
    let stage = Stage::synchronous(Script::hold(BufferMethod::Neither));
    let request = OwnedWrite::new(&stage.cpu, &stage.request(), &Rc::new(Statistics::new())).expect("memory");
    let decision = Decision::new(Outcome::Declined);
    let payload = Payload::User(stage.buffer);
    let Ok(sent) = request.begin(&stage.cpu, &stage.call(), payload, decision) else {
        panic!("memory")
    };
    let waited = sent.clone();
    stage.world.later(move |cpu| {
        let request = sent.finish(cpu);
        let _status = request.refuse(cpu, NtStatus::CANCELLED, decision);
    });
    let _woken = waited.wait(&stage.cpu, Patience::UNTIL_OVER);
    assert_found(&stage, is![EventFreedWhileAwaited, Hang]);
}

#[test]
fn a_buffer_that_is_somebody_elses_and_freed_with_the_irp() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Buffered));
    let address = stage.world.kernel_buffer(b"hello");
    let call = WriteCall {
        irp_flags: stage.call().irp_flags | IRP_DEALLOCATE_BUFFER,
        ..stage.call()
    };
    let payload = Payload::BorrowedSystem(address);
    let irp = stage
        .cpu
        .allocate_irp(&stage.request(), &call, None, payload)
        .expect("memory");
    stage.cpu.reference_file(stage.file);
    let (_, irp) = stage.cpu.queue_and_send(irp, stage.device);
    stage.cpu.complete_deferred(irp);
    assert_eq!(stage.found(), [Finding::PoolFreedTwice { address }]);
}

#[test]
fn packets_and_actions_that_are_left() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither));
    let port = stage.world.port();
    assert_eq!(stage.world.associate(stage.file, port, 1), Ok(()));
    assert_eq!(stage.write_with_packet(7), NtStatus::SUCCESS);
    stage.world.later(|_| ());
    let packets = 1;
    let actions = 1;
    assert_eq!(
        stage.found(),
        [
            Finding::PacketsQueued { port, packets },
            Finding::ActionsLeft { actions }
        ]
    );
}

#[test]
fn an_irp_without_a_stack_location() {
    for method in METHODS {
        let stage = Stage::asynchronous(Script::inline(method));
        let call = stage.call();
        let payload = Payload::Empty(method);
        let irp = stage
            .cpu
            .allocate_irp(&stage.request(), &call, None, payload)
            .expect("memory");
        // The device is attached after the IRP was allocated for the stack as it was.
        let invoke = nt_model::Invoke {
            on_success: true,
            on_error: true,
            on_cancel: true,
        };
        let top = stage.world.attach_pass_through(stage.device, invoke);
        stage.cpu.reference_file(stage.file);
        let _sent = stage.cpu.queue_and_send(irp, top);
        let found = stage.found();
        assert!(
            found
                .iter()
                .any(|finding| matches!(finding, Finding::NoStackLocation { .. })),
            "{found:?}"
        );
    }
}

#[test]
fn a_report_says_what_and_how() {
    let stage = misbehaving(Misbehaviour::CompleteTwice);
    let _status = stage.write();
    let report = stage.world.check().expect_err("it did").to_string();
    assert!(
        report.starts_with("IRP 0 was completed twice\nafter:\n"),
        "{report}"
    );
    assert!(
        report.contains("thread 1: IoCallDriver(IRP 0, device 0)"),
        "{report}"
    );
    assert!(report.contains("FINDING: IRP 0 was completed twice"), "{report}");
}

#[test]
fn a_wait_in_user_mode_ends_with_the_thread() {
    let stage = Stage::asynchronous(Script::default());
    let event = stage.world.event();
    let thread = stage.cpu.thread();
    stage.world.later(move |cpu| cpu.terminate(thread));
    let patience = Patience {
        mode: ProcessorMode::User,
        ..Patience::UNTIL_OVER
    };
    assert_eq!(stage.cpu.wait_for(event, patience), NtStatus::USER_APC);
    stage.check();
}

/// What only a routine with a known defect does.
#[cfg(feature = "defects")]
mod defects {
    use super::*;

    #[test]
    fn an_event_on_a_stack() {
        let stage = Stage::asynchronous(Script::hold(BufferMethod::Neither));
        let event = stage.cpu.stack_event();
        stage.cpu.reference_event(event);
        assert_eq!(stage.found(), [Finding::EventIsNoObject { event }]);
        stage.world.later(move |cpu| cpu.set_event(event));
        let patience = Patience {
            mode: ProcessorMode::User,
            ..Patience::UNTIL_OVER
        };
        assert_eq!(stage.cpu.wait_for_event(event, patience), NtStatus::SUCCESS);
        assert_found(&stage, is![EventIsNoObject, WaitOnPageableMemory]);
    }

    #[test]
    fn a_user_event_on_a_stack_that_is_gone() {
        let stage = Stage::asynchronous(Script::hold(BufferMethod::Neither));
        let event = Some(stage.cpu.stack_event());
        let payload = Payload::User(stage.buffer);
        let irp = stage
            .cpu
            .allocate_irp(&stage.request(), &stage.call(), event, payload);
        stage.cpu.reference_file(stage.file);
        let _sent = stage.cpu.queue_and_send(irp.expect("memory"), stage.device);
        assert!(
            stage
                .world
                .system()
                .complete_next(stage.device, NtStatus::SUCCESS)
        );
        assert_found(&stage, is![EventTouchedAfterFree, EventTouchedAfterFree]);
    }

    #[test]
    fn a_copy_without_a_handler() {
        let stage = Stage::asynchronous(Script::default());
        let captured = stage.cpu.capture_unguarded(Address(0), LENGTH).map(drop);
        assert_eq!(captured, Err(NtStatus::ACCESS_VIOLATION));
        assert_eq!(
            stage.found(),
            [Finding::UnhandledException { address: Address(0) }]
        );
    }

    #[test]
    fn an_offset_that_is_the_position_itself() {
        let script = Script {
            moves_position: true,
            ..Script::inline(BufferMethod::Neither).with_fast(FastRoutine::Accept)
        };
        let stage = Stage::synchronous(script);
        let routine = stage.cpu.fast_write_slot(stage.device).expect("it has one");
        let answer = stage
            .cpu
            .fast_write_aliasing(routine, &stage.call(), stage.buffer);
        assert!(answer.is_ok());
        assert_found(&stage, is![OffsetAliased]);
    }
}
