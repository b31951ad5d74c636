//! The same write by two paths: fast I/O and IRP, managed and owned, KsWriteFile and NtWriteFile.
//!
//! Nothing is expected here but that both come to the same.

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus, ProcessorMode};
use nt_model::{FastRoutine, IRP_DEALLOCATE_BUFFER, OnIrp, Script};

use crate::{
    program::{BOTH, End, How, Outcome, Setup, Shape, Told, contract},
    rig::{ASYNCHRONOUS, KINDS, METHODS, STATUSES, SYNCHRONOUS},
};

/// Lengths about the ends of pages and of nothing.
const LENGTHS: [u32; 6] = [0, 1, 28, 4095, 4096, 10_000];

/// A write that is over.
struct Done {
    setup: Setup,
    outcome: Outcome,
}

fn run(shape: Shape) -> Done {
    let setup = Setup::new(shape);
    let world = setup.world.clone();
    setup.prepare(&world.cpu(setup.submitter)).unwrap();
    let returned = setup.submit(&world.cpu(setup.submitter));
    world.settle();
    let outcome = setup.outcome(returned);
    if let Err(report) = world.check() {
        panic!("{shape:?}\n{report}");
    }
    Done { setup, outcome }
}

/// The flags, and where the end is told.
fn targets() -> Vec<(FileFlags, Told)> {
    let mut targets = vec![(SYNCHRONOUS, Told::File)];
    let skips = [
        FileFlags::default(),
        FileFlags::SKIP_COMPLETION_PORT,
        FileFlags::SKIP_SET_EVENT,
    ];
    for flags in skips.map(|flag| ASYNCHRONOUS | flag) {
        let told = [Told::File, Told::Event, Told::Port];
        targets.extend(told.map(|told| (flags, told)));
    }
    targets
}

/// KS-25, KS-27, KS-28: what a fast-I/O routine wrote, whole or in part, leaves the same status block, events, packet,
/// position and bytes as the same by an IRP. Only `FinalStatus` is not fast I/O's to set.
#[test]
fn ks_25_27_28_fast_and_irp_come_to_the_same() {
    let mut by_fast = 0;
    for how in BOTH {
        for filter in [false, true] {
            for (flags, told) in targets() {
                for length in LENGTHS {
                    for takes in [None, Some(length / 3)] {
                        for method in METHODS {
                            let script = Script {
                                takes,
                                moves_position: true,
                                ..Script::inline(method)
                            };
                            let accepts = script.with_fast(FastRoutine::Accept);
                            let shape = |script| Shape {
                                filter,
                                length,
                                ..Shape::new(how, flags, script).told(told)
                            };
                            let (fast, irp) = (run(shape(accepts)), run(shape(script)));
                            by_fast += usize::from(fast.setup.irps() == 0);
                            assert_eq!(irp.setup.irps(), 1);
                            let without_final_status = |done: Done| Outcome {
                                final_status: None,
                                ..done.outcome
                            };
                            let shape = fast.setup.shape;
                            let (fast, irp) = (without_final_status(fast), without_final_status(irp));
                            assert_eq!(fast, irp, "{shape:?}");
                        }
                    }
                }
            }
        }
    }
    assert!(by_fast > 1000, "only {by_fast} of the writes were fast");
}

/// KS-60, KS-61: a driver that completes its own IRP tells its caller what the I/O manager tells it, for every method,
/// every status, at once or later. Only the process does not count what the I/O manager does not see (KS-86).
#[test]
fn ks_60_61_86_managed_and_owned_come_to_the_same() {
    for (flags, told) in targets() {
        for method in METHODS {
            for status in STATUSES {
                let inline = OnIrp::Inline(status);
                for irp in [inline, OnIrp::InlineAsPending(status), OnIrp::Later(status)] {
                    for takes in [None, Some(9)] {
                        let script = Script {
                            takes,
                            moves_position: true,
                            ..Script::inline(method).on_irp(irp)
                        };
                        let [managed, owned, locked] = [How::Managed, How::Owned, How::OwnedLocked]
                            .map(|how| run(Shape::new(how, flags, script).told(told)));
                        let shape = managed.setup.shape;
                        assert_eq!(managed.outcome, owned.outcome, "{shape:?}");
                        assert_eq!(managed.outcome, locked.outcome, "from locked pages: {shape:?}");
                        let counted = |done: &Done| done.setup.world.counters().write_operations;
                        assert_eq!((counted(&managed), counted(&owned)), (1, 0));
                    }
                }
            }
        }
    }
}

/// KS-02, KS-41, KS-42, KS-43: by IRP, KsWriteFile sends what NtWriteFile sends, and it ends the same: the two share no
/// code from the device on, and little before.
#[test]
fn ks_02_41_42_43_ks_and_nt_write_file_come_to_the_same() {
    let special = [
        FileFlags::default(),
        FileFlags::WRITE_THROUGH,
        FileFlags::NO_INTERMEDIATE_BUFFERING,
    ];
    for (flags, told) in targets() {
        for flags in special.map(|flag| flags | flag) {
            for method in METHODS {
                for status in STATUSES {
                    for irp in [OnIrp::Inline(status), OnIrp::Later(status)] {
                        for length in [0, 28] {
                            let script = Script::inline(method).on_irp(irp);
                            let [ks, nt] = [How::Managed, How::Nt].map(|how| {
                                run(Shape {
                                    length,
                                    ..Shape::new(how, flags, script).told(told)
                                })
                            });
                            let shape = ks.setup.shape;
                            assert_eq!(ks.outcome, nt.outcome, "{shape:?}");
                            assert_eq!(ks.setup.world.counters(), nt.setup.world.counters());
                            let sent = |done: &Done| {
                                let seen = done.setup.world.seen(done.setup.device);
                                (seen[0].came, seen[0].bytes.clone())
                            };
                            assert_eq!(sent(&ks), sent(&nt), "{shape:?}");
                        }
                    }
                }
            }
        }
    }
}

/// KS-58: a kernel requestor's bytes, wherever they are, reach the device as a user's do.
#[test]
fn ks_58_both_modes_come_to_the_same() {
    for how in BOTH {
        for (flags, method) in KINDS
            .into_iter()
            .flat_map(|flags| METHODS.map(|method| (flags, method)))
        {
            for fast in [None, Some(FastRoutine::Accept)] {
                let script = Script::inline(method);
                let script = fast.map_or(script, |fast| script.with_fast(fast));
                let [user, kernel] = [ProcessorMode::User, ProcessorMode::Kernel].map(|mode| {
                    run(Shape {
                        mode,
                        ..Shape::new(how, flags, script)
                    })
                });
                assert_eq!(user.outcome, kernel.outcome);
                assert_eq!(user.outcome.returned, NtStatus::SUCCESS);
            }
        }
    }
}

/// KS-57, PF-18: an address that is not in the user half is refused to a user requestor by both paths: a fast-I/O
/// routine, which has no mode to judge by, is not given it, and kernel memory does not become data.
#[test]
fn ks_57_pf_18_a_kernel_address_of_a_user_by_both_paths() {
    for how in BOTH {
        for method in [BufferMethod::Buffered, BufferMethod::Direct] {
            for fast in [None, Some(FastRoutine::Accept)] {
                for filter in [false, true] {
                    let script = Script::inline(method);
                    let script = fast.map_or(script, |fast| script.with_fast(fast));
                    let shape = Shape {
                        filter,
                        ..Shape::new(how, ASYNCHRONOUS, script).told(Told::Event)
                    };
                    let setup = Setup::new(shape);
                    let secret = setup.world.kernel_buffer(&shape.bytes());
                    let returned = setup.submit_from(&setup.world.cpu(setup.submitter), secret);
                    assert!(setup.world.seen(setup.device).is_empty(), "{shape:?}");
                    let refused = IoStatus::failed(NtStatus::ACCESS_VIOLATION);
                    assert_eq!(setup.outcome(returned), contract(&shape, End::Inline(refused)));
                    setup.world.check().unwrap();
                }
            }
        }
    }
}

/// KS-50: a filter changes nothing for the device: the same bytes, offset, key and flags by the same method. Only the
/// buffer is the filter's caller's, who frees it.
#[test]
fn ks_50_a_filter_between_changes_nothing() {
    let bare = |flags: u32| flags & !(IRP_DEALLOCATE_BUFFER | nt_model::IRP_DEFER_IO_COMPLETION);
    for how in [How::Managed, How::Nt] {
        for (flags, told) in targets() {
            for method in METHODS {
                for status in STATUSES {
                    for irp in [OnIrp::Inline(status), OnIrp::Later(status)] {
                        let shape = Shape::new(how, flags, Script::inline(method).on_irp(irp)).told(told);
                        let (direct, filtered) = (run(shape), run(shape.filtered()));
                        assert_eq!(direct.outcome, filtered.outcome, "{shape:?}");
                        let counters = |done: &Done| done.setup.world.counters();
                        assert_eq!(counters(&direct), counters(&filtered));
                        let sent = |done: &Done| {
                            let seen = done.setup.world.seen(done.setup.device);
                            let (_, header, location) = seen[0].came.irp().unwrap();
                            let location = (location.offset, location.key, location.length, location.flags);
                            (
                                bare(header.flags),
                                header.requestor_mode,
                                location,
                                seen[0].bytes.clone(),
                            )
                        };
                        assert_eq!(sent(&direct), sent(&filtered), "{shape:?}");
                    }
                }
            }
        }
    }
}
