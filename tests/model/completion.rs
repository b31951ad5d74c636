//! The end of a write: the completion table whole, and the rules around it.
//!
//! What is expected is written from the table of the contract, row by row; no code is shared with the core or with
//! the model.

use std::rc::Rc;

use kswrite_core::{
    BufferMethod, CancelOutcome, Completion, FileFlags, FileObjects as _, FileWrite, IoStatus, NtStatus,
    Patience, ProcessorMode, Snapshot, managed, owned,
};
use nt_model::{
    Cpu, DeviceId, Finding, Invoke, IrpId, Misbehaviour, NtWrite, OnIrp, OwnedWrite, Packet, PortContext,
    PortId, Script, World, WriteRecord,
    schedule::{Enumerate, Scheduler},
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, INFORMATIONAL, KINDS, LENGTH, METHODS, Rig, SIDES, STATUSES, SYNCHRONOUS,
    Side, Signal, WHOLE, Write, check, nothing,
};

/// When and how the device ends the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Before it returns, without a mark.
    Inline,
    /// Before it returns, but marked pending.
    Marked,
    /// Later.
    Later,
    /// Later, because it was cancelled.
    Cancelled,
}

/// One cell of the table.
#[derive(Clone, Copy, Debug)]
struct Case {
    side: Side,
    flags: FileFlags,
    event: bool,
    end: End,
    status: NtStatus,
    port: bool,
    context: Option<PortContext>,
    /// Whether the kernel lets the caller perform the last stage of what was complete at once.
    defers: bool,
}

const CONTEXT: PortContext = PortContext(0xC0);
const KEY: u64 = 7;
/// The device takes a part of every write, whatever it says of it.
const PART: u32 = 3;

/// A row of the table, for a write that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    returned: NtStatus,
    block: bool,
    event: Signal,
    file_event: Signal,
    final_status: bool,
    packet: bool,
}

impl Case {
    fn pends(self) -> bool {
        self.end != End::Inline
    }

    /// The table.
    #[expect(clippy::match_same_arms, reason = "one line for each row of the table")]
    fn expected(self) -> Row {
        use Signal::{Cleared, Set, Untouched};
        let Self { flags, status, .. } = self;
        let packet = self.port && self.context.is_some();
        // Only what did not pend can be spared its packet, and only with NT_SUCCESS: a warning has one.
        let inline_packet = packet && !(flags.skips_completion_port() && status.is_success());
        let file_event = if flags.skips_file_event() {
            Signal::Cleared
        } else {
            Signal::Set
        };
        let row = |returned, block, event, file_event, final_status, packet| Row {
            returned,
            block,
            event,
            file_event,
            final_status,
            packet,
        };
        let pending = NtStatus::PENDING;
        match (
            flags.is_synchronous(),
            self.event,
            self.pends(),
            status.is_error(),
        ) {
            // C1, C2, C3, C4
            (true, _, false, false) => row(status, true, Untouched, Set, true, false),
            (true, _, false, true) => row(status, false, Untouched, Cleared, false, false),
            (true, _, true, false) => row(status, true, Untouched, Set, true, false),
            (true, _, true, true) => row(status, false, Untouched, Set, true, false),
            // C5, C6, C7
            (false, true, false, false) => row(status, true, Set, Cleared, false, inline_packet),
            (false, true, false, true) => row(status, false, Cleared, Cleared, false, false),
            (false, true, true, _) => row(pending, true, Set, Cleared, false, packet),
            // C8, C9, C10
            (false, false, false, false) => row(status, true, Untouched, file_event, true, inline_packet),
            (false, false, false, true) => row(status, false, Untouched, Cleared, false, false),
            (false, false, true, _) => row(pending, true, Untouched, file_event, true, packet),
        }
    }

    fn script(self, method: BufferMethod) -> Script {
        let irp = match self.end {
            End::Inline => OnIrp::Inline(self.status),
            End::Marked => OnIrp::InlineAsPending(self.status),
            End::Later | End::Cancelled => OnIrp::Hold,
        };
        Script {
            takes: Some(PART),
            ..Script::inline(method).on_irp(irp)
        }
    }

    fn io(self) -> IoStatus {
        IoStatus {
            status: self.status,
            information: PART as usize,
        }
    }
}

/// Every cell: each kind of write with each way to end, each status, each flag.
fn cases() -> Vec<Case> {
    let flags = [
        FileFlags::SKIP_COMPLETION_PORT,
        FileFlags::SKIP_SET_EVENT,
        FileFlags::SKIP_SET_FAST_IO,
    ];
    let flag_sets: Vec<FileFlags> = (0..8_usize)
        .map(|set| {
            let chosen = flags.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
            chosen.fold(FileFlags::default(), |sum, (_, flag)| sum | *flag)
        })
        .collect();
    let ends = [
        (End::Inline, &STATUSES[..]),
        (End::Marked, &STATUSES[..]),
        (End::Later, &STATUSES[..]),
        (End::Cancelled, &[NtStatus::CANCELLED][..]),
    ];
    // A synchronous file object has neither a port nor an event.
    let kinds = [
        (SYNCHRONOUS, false, false),
        (ASYNCHRONOUS, false, false),
        (ASYNCHRONOUS, false, true),
        (ASYNCHRONOUS, true, false),
        (ASYNCHRONOUS, true, true),
    ];
    let mut cases = Vec::new();
    for side in SIDES {
        for (kind, event, port) in kinds {
            for context in [None, Some(CONTEXT)] {
                for skip in &flag_sets {
                    for (end, statuses) in ends {
                        for status in statuses {
                            for defers in [true, false] {
                                cases.push(Case {
                                    side,
                                    flags: kind | *skip,
                                    event,
                                    end,
                                    status: *status,
                                    port,
                                    context,
                                    defers,
                                });
                            }
                        }
                    }
                }
            }
        }
    }
    cases
}

/// What a write leaves as long as the device has it.
#[track_caller]
fn assert_under_way(case: Case, rig: &Rig, port: PortId) {
    let event = if case.event {
        Signal::Cleared
    } else {
        Signal::Untouched
    };
    let seen = rig.effects();
    let wanted = Effects {
        event,
        file_event: Signal::Cleared,
        irps: 1,
        counters: case.side.counted(0),
        statistics: seen.statistics,
        ..nothing()
    };
    assert_eq!(seen, wanted, "{case:?}");
    assert_eq!(rig.world.packets(port), 0, "{case:?}");
    let references = rig.world.file_state(rig.file).pointers;
    assert_eq!(references, 2, "the handle's and the write's: {case:?}");
    let references = rig.world.event_state(rig.event).pointers;
    assert_eq!(references, 1 + u32::from(case.event), "{case:?}");
}

/// The device ends a write that it holds.
fn end_held(case: Case, rig: &Rig, cpu: &Cpu<'_>, record: Option<&WriteRecord>) {
    let irp = rig.world.held(rig.device)[0];
    match (case.end, record) {
        (End::Cancelled, None) => assert!(cpu.cancel_irp(irp), "{case:?}"),
        (End::Cancelled, Some(record)) => assert!(record.cancel(cpu), "{case:?}"),
        _ => assert!(cpu.complete_irp(irp, case.io()), "{case:?}"),
    }
}

/// Writes, and lets the device end it. Returns what the routine returned, and the port.
fn run(case: Case, rig: &Rc<Rig>) -> (NtStatus, PortId) {
    let port = if case.port {
        rig.with_port(KEY)
    } else {
        rig.world.port()
    };
    rig.world.set_deferral(case.defers);
    let write = Write {
        event: case.event.then_some(rig.event),
        port_context: case.context,
        ..rig.write()
    };
    let cpu = rig.cpu();
    let request = (case.side == Side::Owned).then(|| OwnedWrite::new(&cpu, &write, &rig.statistics).unwrap());
    let record = request.as_ref().map(OwnedWrite::record);
    if matches!(case.end, End::Later | End::Cancelled) {
        let (rig, record) = (Rc::clone(rig), record.clone());
        rig.world.clone().later(move |cpu| {
            assert_under_way(case, &rig, port);
            end_held(case, &rig, cpu, record.as_ref());
        });
    }
    let returned = match request {
        None => rig.submit(&write).status,
        Some(request) => owned::write(&cpu, &rig.statistics, &write, request),
    };
    rig.world.settle();
    if let Some(record) = record {
        let completion = if case.pends() {
            Completion::Pended
        } else {
            Completion::Inline { returned }
        };
        let ended = record.ended().expect("every write ends");
        assert_eq!((ended.io, ended.completion), (case.io(), completion), "{case:?}");
        let cancel = match case.end {
            End::Cancelled => CancelOutcome::Cancelled,
            _ => CancelOutcome::NotAsked,
        };
        assert_eq!(ended.cancel, cancel, "{case:?}");
    }
    (returned, port)
}

/// The counters of the routine for one write by IRP.
fn statistics(case: Case) -> Snapshot {
    let seen = Snapshot {
        attempted: 1,
        skipped: 1,
        irp: 1,
        inline: u64::from(!case.pends()),
        pended: u64::from(case.pends()),
        ..Snapshot::default()
    };
    match case.side {
        Side::Managed => seen,
        Side::Owned => Snapshot {
            cancelled: u64::from(case.status == NtStatus::CANCELLED),
            failed: u64::from(case.status != NtStatus::CANCELLED && !case.status.is_success()),
            irp_bytes: PART.into(),
            ..seen
        },
    }
}

/// KS-60, C1 to C10: for every kind of write, end, status and flag: the returned status, the status block, the event,
/// the event and the final status of the file object, the packet, and besides the references, the counters and
/// the APCs, are what the table says; by both ways to complete.
#[test]
fn ks_60_c1_c2_c3_c4_c5_c6_c7_c8_c9_c10_the_completion_table() {
    for (number, case) in cases().into_iter().enumerate() {
        let rig = Rc::new(Rig::new(case.script(METHODS[number % 3]), case.flags));
        let (returned, port) = run(case, &rig);
        let expected = case.expected();
        let effects = rig.effects();
        let row = Row {
            returned,
            block: effects.block.is_some(),
            event: effects.event,
            file_event: effects.file_event,
            final_status: effects.final_status.is_some(),
            packet: rig.world.packets(port) == 1,
        };
        assert_eq!(row, expected, "{case:?}");
        let bytes = if expected.block { PART as usize } else { 0 };
        let wanted = Effects {
            block: expected.block.then_some(case.io()),
            event: expected.event,
            file_event: expected.file_event,
            final_status: expected.final_status.then_some(case.status),
            position: 0,
            fast: 0,
            irps: 1,
            accepted: PART as usize,
            counters: case.side.counted(bytes),
            statistics: statistics(case),
        };
        assert_eq!(effects, wanted, "{case:?}");
        let packet = Packet {
            key: KEY,
            context: CONTEXT,
            io: case.io(),
        };
        assert_eq!(
            rig.cpu().dequeue(port),
            expected.packet.then_some(packet),
            "{case:?}"
        );
        assert_eq!(rig.world.packets(port), 0, "{case:?}");
        let by_apc = case.side == Side::Managed && (case.pends() || !case.defers);
        assert_eq!(rig.world.apcs_queued(), u64::from(by_apc), "{case:?}");
        assert_eq!(rig.world.accepted(rig.device), BYTES[..PART as usize]);
        rig.check();
    }
}

/// A write, for a thread that is run side by side with others.
fn write_of<'a>(rig: &Rig, event: bool, port_context: Option<PortContext>) -> FileWrite<Cpu<'a>> {
    FileWrite::new(
        rig.file,
        event.then_some(rig.event),
        port_context,
        rig.block,
        rig.buffer,
        LENGTH,
        0,
        ProcessorMode::User,
    )
}

/// Submits it there.
fn submit<'a>(side: Side, cpu: &Cpu<'a>, rig: &Rig, write: &FileWrite<Cpu<'a>>) -> NtStatus {
    match side {
        Side::Managed => managed::write(cpu, &rig.statistics, write).status,
        Side::Owned => cpu.owned_write(&rig.statistics, write).unwrap().0,
    }
}

/// KS-61: what the dispatch routine returned is returned, even if the IRP was completed with something else; the
/// IRP alone decides what is written and signalled.
#[test]
fn ks_61_the_returned_status_is_that_of_the_dispatch_routine() {
    let rows = [
        (NtStatus::SUCCESS, NtStatus::BUFFER_OVERFLOW),
        (NtStatus::SUCCESS, NtStatus::IO_DEVICE_ERROR),
        (NtStatus::IO_DEVICE_ERROR, NtStatus::SUCCESS),
        (NtStatus::IO_DEVICE_ERROR, NtStatus::CANCELLED),
        (INFORMATIONAL, NtStatus::SUCCESS),
    ];
    for side in SIDES {
        for flags in KINDS {
            for (returned, status) in rows {
                let script = Script {
                    takes: Some(PART),
                    ..Script::default().on_irp(OnIrp::ReturnOther { returned, status })
                };
                let rig = Rig::new(script, flags);
                let told = rig.submit_by(side, &rig.write());
                assert_eq!(told, returned, "{side:?} {flags:?}");
                let io = IoStatus {
                    status,
                    information: PART as usize,
                };
                let effects = rig.effects();
                let reported = !status.is_error();
                assert_eq!(effects.block, reported.then_some(io));
                assert_eq!(effects.final_status, reported.then_some(status));
                assert_eq!(
                    effects.file_event,
                    if reported { Signal::Set } else { Signal::Cleared }
                );
                rig.check();
            }
        }
    }
}

/// KS-62: a synchronous write that pended returns the final status of the file object, and looks at nothing else:
/// after an error the status block still holds what was there before.
#[test]
fn ks_62_a_synchronous_write_waits_for_the_file_object() {
    for side in SIDES {
        let rig = Rig::new(Script::hold(BufferMethod::Buffered), SYNCHRONOUS);
        for (status, writes) in [(NtStatus::SUCCESS, 1), (NtStatus::IO_DEVICE_ERROR, 1)] {
            rig.complete_later(status);
            let told = rig.submit_by(side, &rig.write());
            assert_eq!(told, status, "{side:?}");
            let block = rig.world.block(rig.block);
            assert_eq!((block.io, block.writes), (WHOLE, writes), "stale, and left so");
            let file = rig.world.file_state(rig.file);
            assert_eq!((file.final_status, file.signalled), (status, true));
        }
        rig.check();
    }
}

/// KS-63: the wait is for the event of the file object, which is no pageable memory, whatever the mode of the
/// requestor is.
#[test]
fn ks_63_the_wait_object_is_never_on_a_stack() {
    for mode in [ProcessorMode::User, ProcessorMode::Kernel] {
        let rig = Rig::new(Script::hold(BufferMethod::Buffered), SYNCHRONOUS);
        rig.complete_later(NtStatus::SUCCESS);
        let write = Write { mode, ..rig.write() };
        assert_eq!(rig.submit(&write).status, NtStatus::SUCCESS);
        let trace = rig.world.trace();
        let waits: Vec<_> = trace
            .iter()
            .filter(|line| line.contains("KeWaitForSingleObject"))
            .collect();
        assert_eq!(waits.len(), 1);
        assert!(waits[0].ends_with(&format!("KeWaitForSingleObject({})", rig.file)));
        rig.check();
    }
}

/// What breaks a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Alert,
    UserApc,
    Termination,
}

/// KS-64: a wait is alertable if the file object is. One that is broken cancels the write, once, and the routine
/// still returns only after the write is over; with the status that it came to.
#[test]
fn ks_64_a_broken_wait_cancels_and_still_waits() {
    use ProcessorMode::{Kernel, User};
    let rows = [
        (Break::Alert, SYNCHRONOUS, User, false),
        (Break::Alert, SYNCHRONOUS | FileFlags::ALERTABLE_IO, User, true),
        (Break::Alert, SYNCHRONOUS | FileFlags::ALERTABLE_IO, Kernel, true),
        (Break::UserApc, SYNCHRONOUS, User, false),
        (Break::UserApc, SYNCHRONOUS | FileFlags::ALERTABLE_IO, User, true),
        (
            Break::UserApc,
            SYNCHRONOUS | FileFlags::ALERTABLE_IO,
            Kernel,
            false,
        ),
        (Break::Termination, SYNCHRONOUS, User, true),
        (
            Break::Termination,
            SYNCHRONOUS | FileFlags::ALERTABLE_IO,
            User,
            true,
        ),
        (
            Break::Termination,
            SYNCHRONOUS | FileFlags::ALERTABLE_IO,
            Kernel,
            false,
        ),
    ];
    for side in SIDES {
        for (how, flags, mode, breaks) in rows {
            for cancellable in [true, false] {
                broken_wait(side, how, flags, mode, breaks, cancellable);
            }
        }
    }
}

fn broken_wait(
    side: Side,
    how: Break,
    flags: FileFlags,
    mode: ProcessorMode,
    breaks: bool,
    cancellable: bool,
) {
    let what = format!("{side:?} {how:?} {flags:?} {mode:?} cancellable: {cancellable}");
    let script = Script {
        cancellable,
        ..Script::hold(BufferMethod::Direct)
    };
    let rig = Rig::new(script, flags);
    let (thread, device) = (rig.thread, rig.device);
    rig.world.later(move |cpu| match how {
        Break::Alert => cpu.alert(thread),
        Break::UserApc => cpu.queue_user_apc(thread),
        Break::Termination => cpu.terminate(thread),
    });
    let cancelled = breaks && cancellable;
    if !cancelled {
        rig.world.later(move |cpu| {
            let irp = cpu.world().held(device)[0];
            let asked = cpu.world().irp(irp).unwrap().cancel;
            assert_eq!(asked, breaks, "the device still has the write");
            assert!(cpu.complete_next(device, NtStatus::SUCCESS));
        });
    }
    let write = Write { mode, ..rig.write() };
    let (told, cancel) = match side {
        Side::Managed => {
            let submitted = rig.submit(&write);
            assert_eq!(submitted.decision.completion, Some(Completion::Pended), "{what}");
            (submitted.status, submitted.decision.cancel)
        }
        Side::Owned => {
            let (status, record) = rig.cpu().owned_write(&rig.statistics, &write).unwrap();
            (status, record.ended().unwrap().cancel)
        }
    };
    let (status, outcome) = match (breaks, cancellable) {
        (false, _) => (NtStatus::SUCCESS, CancelOutcome::NotAsked),
        (true, false) => (NtStatus::SUCCESS, CancelOutcome::TooLate),
        (true, true) => (NtStatus::CANCELLED, CancelOutcome::Cancelled),
    };
    assert_eq!((told, cancel), (status, outcome), "{what}");
    let effects = rig.effects();
    let written = status.is_success();
    assert_eq!(effects.block, written.then_some(WHOLE), "{what}");
    assert_eq!(effects.accepted, if written { BYTES.len() } else { 0 }, "{what}");
    assert_eq!(
        (effects.file_event, effects.final_status),
        (Signal::Set, Some(status)),
        "{what}"
    );
    let cancels = rig
        .world
        .calls()
        .iter()
        .filter(|(_, call)| *call == "IoCancelIrp")
        .count();
    assert_eq!(cancels, usize::from(breaks), "{what}");
    assert!(rig.world.held(device).is_empty(), "{what}");
    rig.check();
}

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

/// KS-67: a warning is reported as a success is; only for the packet of what was complete at once, with
/// `FO_SKIP_COMPLETION_PORT`, does it matter.
#[test]
fn ks_67_a_warning_is_reported_as_a_success() {
    for case in cases()
        .into_iter()
        .filter(|case| case.status == NtStatus::SUCCESS)
    {
        let warning = Case {
            status: NtStatus::BUFFER_OVERFLOW,
            ..case
        };
        let outcome = |case: Case| {
            let rig = Rc::new(Rig::new(case.script(BufferMethod::Buffered), case.flags));
            let (returned, port) = run(case, &rig);
            let effects = rig.effects();
            assert_eq!(effects.block, Some(case.io()), "{case:?}");
            let final_status = effects.final_status == Some(case.status);
            let packets = rig.world.packets(port);
            let _packet = rig.cpu().dequeue(port);
            rig.check();
            let waits = returned == NtStatus::PENDING;
            (
                waits,
                effects.event,
                effects.file_event,
                final_status,
                effects.counters,
                packets,
            )
        };
        let (mut of_success, of_warning) = (outcome(case), outcome(warning));
        if !case.pends() && case.flags.skips_completion_port() {
            assert_eq!(of_success.5, 0, "{case:?}");
            of_success.5 = usize::from(case.port && case.context.is_some());
        }
        assert_eq!(of_success, of_warning, "{case:?}");
    }
}

/// KS-68: with an event, only the event is signalled: a wait for the handle of the file is not ended by the write.
#[test]
fn ks_68_the_event_of_the_file_object_is_not_signalled_besides() {
    let now = Patience {
        time_limit: Some(0),
        ..Patience::UNTIL_OVER
    };
    for side in SIDES {
        for irp in [
            OnIrp::Inline(NtStatus::SUCCESS),
            OnIrp::InlineAsPending(NtStatus::SUCCESS),
        ] {
            let rig = Rig::new(Script::default().on_irp(irp), ASYNCHRONOUS);
            let _told = rig.submit_by(side, &rig.write_with_event());
            assert_eq!(rig.cpu().wait_for(rig.event, now), NtStatus::SUCCESS);
            assert_eq!(rig.cpu().wait_for_file_handle(rig.file, now), NtStatus::TIMEOUT);
            rig.check();

            let rig = Rig::new(Script::default().on_irp(irp), ASYNCHRONOUS);
            rig.cpu().clear_event(rig.event);
            let _told = rig.submit_by(side, &rig.write());
            assert_eq!(rig.cpu().wait_for(rig.event, now), NtStatus::TIMEOUT);
            assert_eq!(rig.cpu().wait_for_file_handle(rig.file, now), NtStatus::SUCCESS);
            rig.check();
        }
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
        Script::default().with_fast(nt_model::FastRoutine::Accept),
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
                        let write = write_of(&of_writer, wake == Wake::Event, context);
                        let _told = submit(side, cpu, &of_writer, &write);
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
                    let bodies: Vec<nt_model::Body> =
                        vec![(rig.thread, Box::new(writer)), (waiter, Box::new(wait))];
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
            let bodies: Vec<nt_model::Body> = vec![
                (
                    rig.thread,
                    Box::new(move |cpu| {
                        let told = submit(Side::Managed, cpu, &writer, &write_of(&writer, event, None));
                        assert_eq!(told, NtStatus::PENDING);
                    }),
                ),
                (threads[0], Box::new(move |cpu| end_first(cpu, device))),
                (
                    threads[1],
                    Box::new(move |cpu| {
                        let _there_may_be_none = cpu.cancel_io(file, None);
                    }),
                ),
            ];
            world.run(&mut scheduler, bodies, chooser).unwrap();
            end_first(&world.system(), device);
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

/// The device completes what it holds, if it holds something, and if no cancel is faster.
fn end_first(cpu: &Cpu<'_>, device: DeviceId) {
    let held: Option<IrpId> = cpu.world().held(device).first().copied();
    if let Some(irp) = held {
        let _won = cpu.complete_irp(irp, WHOLE);
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

/// KS-74: what is returned is `STATUS_SUCCESS`, `STATUS_PENDING`, or the status of whoever ended the write, as it is.
#[test]
fn ks_74_no_status_is_invented() {
    let private = [
        NtStatus(0x2000_1234),
        NtStatus(0xA000_1234_u32.cast_signed()),
        NtStatus(-1),
    ];
    for side in SIDES {
        for flags in KINDS {
            for status in STATUSES.into_iter().chain(private) {
                let rig = Rig::new(Script::default().on_irp(OnIrp::Inline(status)), flags);
                assert_eq!(rig.submit_by(side, &rig.write()), status);
                rig.check();

                let rig = Rig::new(Script::hold(BufferMethod::Direct), flags);
                rig.complete_later(status);
                let told = rig.submit_by(side, &rig.write());
                let waits = flags.is_synchronous();
                assert_eq!(told, if waits { status } else { NtStatus::PENDING });
                rig.world.settle();
                assert_eq!(rig.effects().final_status, Some(status));
                check(&rig.world);
            }
        }
    }
}
