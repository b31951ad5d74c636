//! The filter's write path on the model: every row is named by the contract point it shows.

use kswrite_core::{
    BufferMethod, Data, IoStatus, NtStatus, ProcessorMode, WriteCall, fast::TABLE_SIZE_WITH_WRITE,
};
use nt_model::{
    Address, FastRoutine, FastTable, Fault, Hook, KERNEL_BASE, Model, PAGE_BYTES, Pages, Script, Send, Step,
};

const AT: Address = Address(0x10_0000);
const BYTES: &[u8; 28] = b"every byte once and in order";
const LENGTH: u32 = 28;
const METHODS: [BufferMethod; 3] = [
    BufferMethod::Buffered,
    BufferMethod::Direct,
    BufferMethod::Neither,
];

const ACCEPTING: FastTable = FastTable {
    size: TABLE_SIZE_WITH_WRITE,
    write: Some(FastRoutine::Accept),
};

fn model(script: Script) -> Model {
    let model = Model::new(script);
    model.with_memory(|memory| memory.map(AT, BYTES));
    model
}

fn raw_call(model: &Model) -> WriteCall<Model> {
    model.call(Data::Raw(AT), LENGTH, ProcessorMode::User)
}

#[track_caller]
fn check(model: &Model) {
    let checked = model.check();
    assert!(checked.is_ok(), "{}", checked.err().unwrap_or_default());
}

/// KS-20: the attempt is forbidden for a user requestor in a thread whose previous mode is kernel, only.
#[test]
fn ks_20_gate() {
    use ProcessorMode::{Kernel, User};
    for (requestor, previous, allowed) in [
        (Kernel, Kernel, true),
        (Kernel, User, true),
        (User, User, true),
        (User, Kernel, false),
    ] {
        let model = model(Script {
            fast: Some(ACCEPTING),
            ..Script::default()
        });
        model.set_previous_mode(previous);
        let call = model.call(Data::Raw(AT), LENGTH, requestor);
        assert_eq!(model.write(&call), NtStatus::SUCCESS);
        let seen = model.statistics().snapshot();
        assert_eq!(
            (seen.fast, seen.irp),
            if allowed { (1, 0) } else { (0, 1) },
            "{requestor:?}/{previous:?}"
        );
        assert_eq!(model.accepted(), BYTES);
        check(&model);
    }
}

/// KS-21: no table, a table that ends before the slot, and an empty slot all mean an IRP.
#[test]
fn ks_21_no_routine() {
    let tables = [
        None,
        Some(FastTable {
            size: TABLE_SIZE_WITH_WRITE - 1,
            write: Some(FastRoutine::Accept),
        }),
        Some(FastTable {
            size: TABLE_SIZE_WITH_WRITE,
            write: None,
        }),
    ];
    for fast in tables {
        let model = model(Script {
            fast,
            ..Script::default()
        });
        assert_eq!(model.write(&raw_call(&model)), NtStatus::SUCCESS);
        let seen = model.statistics().snapshot();
        assert_eq!((seen.skipped, seen.fast, seen.irp), (1, 0, 1), "{fast:?}");
        assert_eq!(model.accepted(), BYTES);
        check(&model);
    }
}

/// KS-31: a write that is to go past the cache, and one at a raised IRQL, is an IRP whatever the table says.
#[test]
fn ks_31_writes_that_a_fast_routine_must_not_see() {
    const IRP_NOCACHE: u32 = 1;
    const IRP_PAGING_IO: u32 = 2;
    const SL_WRITE_THROUGH: u8 = 4;
    let model = || {
        model(Script {
            fast: Some(ACCEPTING),
            ..Script::default()
        })
    };
    let change: [fn(&mut WriteCall<Model>); 4] = [
        |call| call.irp_flags = IRP_NOCACHE,
        |call| call.irp_flags = IRP_PAGING_IO,
        |call| call.stack_flags = SL_WRITE_THROUGH,
        |call| call.may_page = false,
    ];
    for change in change {
        let model = model();
        let mut call = model.call(Data::System(AT), LENGTH, ProcessorMode::User);
        change(&mut call);
        assert_eq!(model.write(&call), NtStatus::SUCCESS);
        let seen = model.statistics().snapshot();
        assert_eq!((seen.skipped, seen.fast, seen.irp), (1, 0, 1));
        assert_eq!(model.accepted(), BYTES);
        check(&model);
    }
}

/// KS-24, KS-25, KS-26: only TRUE with `STATUS_SUCCESS` is done; anything else is written by IRP, once.
#[test]
fn ks_24_25_26_what_counts_as_done() {
    let answer = |status| {
        FastRoutine::Answer(IoStatus {
            status,
            information: 3,
        })
    };
    let rows = [
        (FastRoutine::Accept, true),
        (FastRoutine::Decline, false),
        (answer(NtStatus::BUFFER_OVERFLOW), false),
        (answer(NtStatus::IO_DEVICE_ERROR), false),
        (answer(NtStatus(0x4000_0000)), false),
        (answer(NtStatus::PENDING), false),
    ];
    for (routine, done) in rows {
        let table = FastTable {
            size: TABLE_SIZE_WITH_WRITE,
            write: Some(routine),
        };
        let model = model(Script {
            fast: Some(table),
            ..Script::default()
        });
        assert_eq!(model.write(&raw_call(&model)), NtStatus::SUCCESS);
        let seen = model.statistics().snapshot();
        assert_eq!(
            (seen.fast, seen.declined, seen.irp),
            if done { (1, 0, 0) } else { (0, 1, 1) },
            "{routine:?}"
        );
        assert_eq!(
            model.completed(),
            Some(IoStatus {
                status: NtStatus::SUCCESS,
                information: BYTES.len()
            })
        );
        assert_eq!(model.accepted(), BYTES);
        check(&model);
    }
}

/// KS-30: an exception on the requestor's own address is the result; with captured data the IRP decides.
#[test]
fn ks_30_a_raising_routine() {
    let table = FastTable {
        size: TABLE_SIZE_WITH_WRITE,
        write: Some(FastRoutine::Raise(NtStatus::ACCESS_VIOLATION)),
    };
    let script = Script {
        fast: Some(table),
        ..Script::default()
    };

    let raw = model(script);
    assert_eq!(raw.write(&raw_call(&raw)), NtStatus::ACCESS_VIOLATION);
    assert_eq!(raw.statistics().snapshot().irp, 0);
    check(&raw);

    let captured = model(script);
    let call = captured.call(Data::System(AT), LENGTH, ProcessorMode::User);
    assert_eq!(captured.write(&call), NtStatus::SUCCESS);
    assert_eq!(captured.statistics().snapshot().faulted, 1);
    assert_eq!(captured.accepted(), BYTES);
    check(&captured);
}

/// A user address outside the requestor's address space is neither given to a fast routine nor believed.
#[test]
fn addresses_of_another_context_are_not_used() {
    for method in [BufferMethod::Buffered, BufferMethod::Direct] {
        let model = model(Script {
            method,
            fast: Some(ACCEPTING),
            ..Script::default()
        });
        let call = WriteCall {
            in_requestor_context: false,
            ..raw_call(&model)
        };
        assert_eq!(model.write(&call), NtStatus::ACCESS_VIOLATION, "{method:?}");
        assert!(model.accepted().is_empty());
        check(&model);
    }
}

/// KS-50, KS-52, KS-56: every source of bytes reaches a device of every method.
#[test]
fn ks_50_52_56_payloads() {
    let sources = [
        Data::Raw(AT),
        Data::System(AT),
        Data::Locked {
            mdl: Pages {
                address: AT,
                mapped: None,
            },
            address: AT,
        },
        Data::Locked {
            mdl: Pages {
                address: AT,
                mapped: Some(AT),
            },
            address: AT,
        },
    ];
    for method in METHODS {
        for data in sources {
            for send in [
                Send::Inline(NtStatus::SUCCESS),
                Send::InlineAsPending(NtStatus::SUCCESS),
                Send::Hold,
            ] {
                let model = model(Script {
                    method,
                    send,
                    ..Script::default()
                });
                model.schedule(Hook::AfterDispatch, Step::Complete(NtStatus::SUCCESS));
                let returned = model.write(&model.call(data, LENGTH, ProcessorMode::User));
                let inline = matches!(send, Send::Inline(_));
                assert_eq!(
                    returned,
                    if inline {
                        NtStatus::SUCCESS
                    } else {
                        NtStatus::PENDING
                    }
                );
                assert_eq!(model.accepted(), BYTES, "{method:?} {send:?}");
                check(&model);
            }
        }
    }
}

/// KS-51, KS-55: a zero-length write is sent, and nothing is copied, locked or allocated for it.
#[test]
fn ks_51_55_zero_length() {
    for method in METHODS {
        let model = model(Script {
            method,
            ..Script::default()
        });
        for fault in [Fault::Pool, Fault::AllocateMdl, Fault::Map] {
            model.inject(fault);
        }
        let call = model.call(Data::Raw(Address(0)), 0, ProcessorMode::User);
        assert_eq!(model.write(&call), NtStatus::SUCCESS, "{method:?}");
        assert_eq!(model.statistics().snapshot().irp, 1);
        check(&model);
    }
}

/// KS-40, KS-53, KS-54: whatever fails before the send is the result, and everything is given back.
#[test]
fn ks_40_53_54_failures_before_the_send() {
    for (method, fault) in [
        (BufferMethod::Buffered, Fault::AllocateIrp),
        (BufferMethod::Direct, Fault::AllocateIrp),
        (BufferMethod::Neither, Fault::AllocateIrp),
        (BufferMethod::Buffered, Fault::Pool),
        (BufferMethod::Direct, Fault::AllocateMdl),
    ] {
        let model = model(Script {
            method,
            ..Script::default()
        });
        model.inject(fault);
        assert_eq!(
            model.write(&raw_call(&model)),
            NtStatus::INSUFFICIENT_RESOURCES,
            "{method:?} {fault:?}"
        );
        let seen = model.statistics().snapshot();
        assert_eq!((seen.rejected, seen.irp), (1, 0));
        assert!(model.accepted().is_empty());
        check(&model);
    }
}

/// KS-53, KS-57, KS-59: a bad address is the exception it raises; the device is not called.
#[test]
fn ks_53_57_59_bad_addresses() {
    for method in [BufferMethod::Buffered, BufferMethod::Direct] {
        let script = Script {
            method,
            ..Script::default()
        };
        let second_page = Address((AT.0 / PAGE_BYTES + 1) * PAGE_BYTES - 4);
        for (address, length) in [
            (Address(0x7000), LENGTH),
            (Address(KERNEL_BASE), LENGTH),
            (Address(KERNEL_BASE - 1), 2),
            (Address(u64::MAX - 3), LENGTH),
            (second_page, 8),
        ] {
            let model = model(script);
            let returned = model.write(&model.call(Data::Raw(address), length, ProcessorMode::User));
            assert_eq!(returned, NtStatus::ACCESS_VIOLATION, "{method:?} {address:?}");
            assert_eq!(model.statistics().snapshot().irp, 0);
            check(&model);
        }
    }
}

/// KS-70 to KS-73: a cancel and a completion may come at any two points of the write's life, in any order;
/// the request completes once, with the right kind of return, and everything is given back.
#[test]
fn ks_70_73_every_interleaving_of_cancel_and_completion() {
    use Hook::{AfterDispatch, AfterSend, BeforeArm, BeforeSend, InCancel, InCompletion, InSend};
    let hooks = [
        BeforeArm,
        BeforeSend,
        InSend,
        AfterSend,
        InCompletion,
        InCancel,
        AfterDispatch,
    ];
    let sends = [
        Send::Inline(NtStatus::SUCCESS),
        Send::InlineAsPending(NtStatus::SUCCESS),
        Send::Hold,
    ];
    let mut outcomes = std::collections::BTreeSet::new();
    for send in sends {
        for cancellable in [false, true] {
            for cancel_at in hooks.map(Some).into_iter().chain([None]) {
                for complete_at in hooks {
                    for cancel_first in [false, true] {
                        let model = model(Script {
                            send,
                            cancellable,
                            ..Script::default()
                        });
                        let mut steps = vec![(complete_at, Step::Complete(NtStatus::SUCCESS))];
                        if let Some(hook) = cancel_at {
                            steps.insert(usize::from(!cancel_first), (hook, Step::Cancel));
                        }
                        for (hook, step) in steps {
                            model.schedule(hook, step);
                        }
                        // Whatever is still held then is completed.
                        model.schedule(AfterDispatch, Step::Complete(NtStatus::SUCCESS));
                        let returned = model.write(&raw_call(&model));
                        if let Err(report) = model.check() {
                            panic!(
                                "{send:?} cancellable={cancellable} cancel {cancel_at:?} complete {complete_at:?}\n{report}"
                            );
                        }
                        let io = model.completed().expect("checked above");
                        let whole = io.status == NtStatus::SUCCESS && model.accepted() == BYTES;
                        let nothing = io.status == NtStatus::CANCELLED && model.accepted().is_empty();
                        assert!(whole || nothing, "{io:?}");
                        outcomes.insert((returned == NtStatus::PENDING, whole));
                    }
                }
            }
        }
    }
    // The set is not trivial: all four combinations of pending or not, written or cancelled, were met.
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
}
