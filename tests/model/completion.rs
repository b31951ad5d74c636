//! The end of a write: the completion table whole, and the rules around it.
//!
//! What is expected is written from the table of the contract, row by row; no code is shared with the core or with
//! the model.

use std::rc::Rc;

use kswrite_core::{
    BufferMethod, CancelOutcome, Completion, FileFlags, FileObjects as _, IoStatus, NtStatus, Patience,
    Snapshot, owned,
};
use nt_model::{Cpu, OnIrp, OwnedWrite, Packet, PortContext, PortId, Script, WriteRecord};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, INFORMATIONAL, KINDS, METHODS, Rig, SIDES, STATUSES, SYNCHRONOUS, Side,
    Signal, Write, check, nothing,
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
