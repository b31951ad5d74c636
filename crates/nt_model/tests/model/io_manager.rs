//! Completion, cancel, ports, threads, files: what the I/O manager does with a driver that behaves.

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus, ProcessorMode, fast::Skip};
use nt_model::{
    FastRoutine, Invoke, Irql, NtWrite, OnIrp, Packet, PortContext, Script, UNTOUCHED,
    schedule::{Scheduler, Seeded},
};

use crate::stage::{BYTES, LENGTH, METHODS, Stage};

fn hold() -> Stage {
    Stage::asynchronous(Script::hold(BufferMethod::Buffered))
}

fn done(information: usize) -> IoStatus {
    IoStatus {
        status: NtStatus::SUCCESS,
        information,
    }
}

#[test]
fn what_is_complete_at_once_needs_no_apc() {
    for (defers, marked, apcs) in [(true, false, 0), (false, false, 1), (true, true, 1)] {
        let irp = if marked {
            OnIrp::InlineAsPending(NtStatus::SUCCESS)
        } else {
            OnIrp::Inline(NtStatus::SUCCESS)
        };
        let stage = Stage::asynchronous(Script::inline(BufferMethod::Direct).on_irp(irp));
        stage.world.set_deferral(defers);
        let _status = stage.write();
        assert_eq!(stage.world.apcs_queued(), apcs);
        assert_eq!(stage.world.block(stage.block).writes, 1);
        stage.check();
    }
}

#[test]
fn an_apc_waits_until_the_thread_can_take_it() {
    let stage = hold();
    assert_eq!(stage.write(), NtStatus::PENDING);
    stage.cpu.enter_guarded_region();
    let irql = stage.cpu.raise_irql(Irql::Apc);
    assert!(
        stage
            .world
            .system()
            .complete_next(stage.device, NtStatus::SUCCESS)
    );
    assert_eq!(stage.world.block(stage.block).io, UNTOUCHED);
    stage.cpu.lower_irql(irql);
    assert_eq!(stage.world.block(stage.block).io, UNTOUCHED);
    stage.cpu.leave_guarded_region();
    assert_eq!(stage.world.block(stage.block).io, done(5));
    stage.check();
}

#[test]
fn a_cancel_routine_is_called_once_and_without_one_there_is_only_the_flag() {
    for cancellable in [true, false] {
        let script = Script {
            cancellable,
            ..Script::hold(BufferMethod::Buffered)
        };
        let stage = Stage::asynchronous(script);
        assert_eq!(stage.write(), NtStatus::PENDING);
        let irp = stage.world.held(stage.device)[0];
        assert_eq!(stage.cpu.cancel_irp(irp), cancellable);
        if cancellable {
            assert_eq!(stage.world.block(stage.block).io.status, NtStatus::CANCELLED);
        } else {
            assert!(stage.world.irp(irp).is_some_and(|header| header.cancel));
            assert!(!stage.cpu.cancel_irp(irp));
            assert!(stage.cpu.complete_irp(irp, done(5)));
        }
        stage.check();
    }
}

#[test]
fn a_completion_routine_is_called_as_its_bits_say() {
    let invoke = |on_success, on_error, on_cancel| Invoke {
        on_success,
        on_error,
        on_cancel,
    };
    let error = NtStatus::IO_DEVICE_ERROR;
    for (invoke, status, cancel, calls) in [
        (invoke(true, false, false), NtStatus::SUCCESS, false, 1),
        (invoke(true, false, false), NtStatus::BUFFER_OVERFLOW, false, 0),
        (invoke(true, false, false), error, false, 0),
        (invoke(false, true, false), error, false, 1),
        (invoke(false, true, false), NtStatus::SUCCESS, false, 0),
        (invoke(false, false, true), NtStatus::SUCCESS, false, 0),
        (invoke(false, false, true), NtStatus::SUCCESS, true, 1),
        (invoke(true, true, true), error, true, 1),
    ] {
        let script = Script {
            cancellable: false,
            ..Script::hold(BufferMethod::Buffered)
        };
        let stage = Stage::asynchronous(script);
        let top = stage.world.attach_pass_through(stage.device, invoke);
        assert_eq!(stage.write(), NtStatus::PENDING);
        let irp = stage.world.held(stage.device)[0];
        assert_eq!(stage.world.stack(irp).len(), 2);
        if cancel {
            assert!(!stage.cpu.cancel_irp(irp));
        }
        assert!(stage.cpu.complete_irp(irp, IoStatus::failed(status)));
        assert_eq!(
            stage.world.routine_calls(top),
            calls,
            "{invoke:?} {status} {cancel}"
        );
        assert_eq!(stage.world.block(stage.block).io.status, status);
        stage.check();
    }
}

#[test]
fn an_irp_is_the_packet_until_it_is_dequeued() {
    let stage = hold();
    let port = stage.world.port();
    assert_eq!(stage.world.associate(stage.file, port, 9), Ok(()));
    assert_eq!(
        stage.world.associate(stage.file, port, 9),
        Err(NtStatus::INVALID_PARAMETER)
    );
    assert_eq!(stage.write_with_packet(4), NtStatus::PENDING);
    let irp = stage.world.held(stage.device)[0];
    assert!(stage.cpu.complete_irp(irp, done(5)));
    assert!(stage.world.irp(irp).is_some());
    let context = PortContext(4);
    let packet = Packet {
        key: 9,
        context,
        io: done(5),
    };
    assert_eq!(stage.cpu.dequeue(port), Some(packet));
    assert_eq!(stage.world.irp(irp), None);
    stage.check();
}

#[test]
fn a_thread_that_exits_takes_its_irps_along() {
    let stage = hold();
    assert_eq!(stage.write(), NtStatus::PENDING);
    stage.cpu.exit_thread();
    assert_eq!(stage.world.block(stage.block).io.status, NtStatus::CANCELLED);
    stage.check();
}

#[test]
fn an_irp_that_cannot_be_cancelled_outlives_its_thread_and_touches_nothing() {
    let script = Script {
        cancellable: false,
        ..Script::hold(BufferMethod::Direct)
    };
    let stage = Stage::asynchronous(script);
    assert_eq!(stage.write(), NtStatus::PENDING);
    stage.cpu.exit_thread();
    stage.cpu.discard_block(stage.block);
    assert!(
        stage
            .world
            .system()
            .complete_next(stage.device, NtStatus::SUCCESS)
    );
    assert_eq!(stage.world.block(stage.block).io, UNTOUCHED);
    assert!(!stage.world.file_state(stage.file).signalled);
    stage.check();
}

#[test]
fn the_last_close_cancels_what_can_be_cancelled_and_the_last_reference_deletes() {
    let stage = hold();
    assert_eq!(stage.write(), NtStatus::PENDING);
    stage.cpu.duplicate_file(stage.file);
    stage.cpu.close_file(stage.file);
    assert_eq!(stage.world.block(stage.block).writes, 0);
    stage.cpu.close_file(stage.file);
    assert_eq!(stage.world.block(stage.block).io.status, NtStatus::CANCELLED);
    assert!(stage.world.file_state(stage.file).deleted);
    stage.check();
}

#[test]
fn a_file_stays_while_an_irp_refers_to_it() {
    let script = Script {
        cancellable: false,
        ..Script::hold(BufferMethod::Neither)
    };
    let stage = Stage::asynchronous(script);
    assert_eq!(stage.write(), NtStatus::PENDING);
    stage.cpu.close_file(stage.file);
    assert!(!stage.world.file_state(stage.file).deleted);
    assert!(
        stage
            .world
            .system()
            .complete_next(stage.device, NtStatus::SUCCESS)
    );
    assert!(stage.world.file_state(stage.file).deleted);
    stage.check();
}

#[test]
fn counters_count_by_the_flag_of_the_irp_and_can_be_switched_off() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither));
    assert_eq!(stage.write(), NtStatus::SUCCESS);
    let counted = stage.world.counters();
    assert_eq!(
        (counted.write_operations, counted.write_bytes, counted.other_bytes),
        (1, 5, 0)
    );
    stage.world.set_counting(false);
    assert_eq!(stage.write(), NtStatus::SUCCESS);
    assert_eq!(stage.world.counters(), counted);
    stage.check();
}

#[test]
fn write_file_comes_to_the_filter_with_every_method() {
    for method in METHODS {
        for synchronous in [false, true] {
            let stage = Stage::synchronous(Script::hold(method));
            let top = stage.world.attach_filter(stage.device, true);
            let file = stage.world.open(stage.device, synchronous);
            let device = stage.device;
            stage
                .world
                .later(move |cpu| assert!(cpu.complete_next(device, NtStatus::SUCCESS)));
            let write = NtWrite::new(file, stage.block, stage.buffer, LENGTH);
            let status = stage.cpu.nt_write_file(&write);
            stage.world.settle();
            assert_eq!(status == NtStatus::PENDING, !synchronous);
            assert_eq!(stage.world.block(stage.block).io, done(5), "{method:?}");
            assert_eq!(stage.world.accepted(device), BYTES);
            assert_eq!(stage.world.file_state(file).lock_uses, u32::from(synchronous));
            assert_eq!(stage.world.statistics(top).snapshot().irp, 1);
            stage.check();
        }
    }
}

#[test]
fn write_file_needs_an_offset_if_there_is_no_position() {
    let stage = hold();
    let write = NtWrite {
        offset: None,
        ..NtWrite::new(stage.file, stage.block, stage.buffer, LENGTH)
    };
    assert_eq!(stage.cpu.nt_write_file(&write), NtStatus::INVALID_PARAMETER);
    stage.check();
}

#[test]
fn a_filter_forwards_fast_writes_with_the_device_below() {
    let script = Script::inline(BufferMethod::Buffered).with_fast(FastRoutine::Accept);
    let stage = Stage::asynchronous(script);
    let top = stage.world.attach_filter(stage.device, true);
    assert_eq!(stage.write(), NtStatus::SUCCESS);
    assert_eq!(stage.world.statistics(top).snapshot().forwarded_fast, 1);
    let seen = stage.world.seen(stage.device);
    assert!(
        seen[0]
            .came
            .fast()
            .is_some_and(|arguments| arguments.buffer == stage.buffer)
    );
    assert_eq!(stage.world.accepted(stage.device), BYTES);
    stage.check();
}

#[test]
fn a_filter_without_a_table_hides_the_routine_below() {
    let script = Script::inline(BufferMethod::Buffered).with_fast(FastRoutine::Decline);
    let stage = Stage::asynchronous(script);
    let _top = stage.world.attach_filter(stage.device, false);
    let submitted = kswrite_core::managed::write(&stage.cpu, &stage.statistics, &stage.request());
    let wanted = kswrite_core::fast::Outcome::Skipped(Skip::NoTable);
    assert_eq!(
        (submitted.status, submitted.decision.attempt),
        (NtStatus::SUCCESS, wanted)
    );
    stage.check();
}

#[test]
fn two_writers_of_a_synchronous_file_take_turns_in_nt_write_file() {
    for seed in 0..50 {
        let stage = Stage::synchronous(Script::hold(BufferMethod::Neither));
        let (file, buffer, device) = (stage.file, stage.buffer, stage.device);
        let mut bodies: Vec<nt_model::Body> = Vec::new();
        for _ in 0..2 {
            let block = stage.world.status_block();
            let write = NtWrite::new(file, block, buffer, LENGTH);
            let thread = stage.world.thread(ProcessorMode::User);
            bodies.push((
                thread,
                Box::new(move |cpu| assert_eq!(cpu.nt_write_file(&write), NtStatus::SUCCESS)),
            ));
            stage.world.later(move |cpu| {
                assert!(cpu.complete_next(device, NtStatus::SUCCESS));
                assert!(cpu.world().held(device).is_empty(), "both are in the driver");
            });
        }
        let run = stage
            .world
            .run(&mut Scheduler::new(), bodies, &mut Seeded::new(seed));
        assert!(run.is_ok());
        assert_eq!(stage.world.file_state(file).lock_uses, 2);
        stage.check();
    }
}

#[test]
fn the_flags_of_a_file_keep_its_event_and_its_packet_away() {
    let flags = FileFlags::SKIP_SET_EVENT | FileFlags::SKIP_COMPLETION_PORT;
    let stage = Stage::new(Script::inline(BufferMethod::Neither), flags);
    let port = stage.world.port();
    assert_eq!(stage.world.associate(stage.file, port, 1), Ok(()));
    assert_eq!(stage.write_with_packet(3), NtStatus::SUCCESS);
    assert_eq!(stage.world.packets(port), 0);
    assert!(!stage.world.file_state(stage.file).signalled);
    assert_eq!(stage.world.file_state(stage.file).final_status, NtStatus::SUCCESS);
    stage.check();
}
