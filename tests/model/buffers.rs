//! The three buffer methods, as the flags of the device say that gets the IRP: KS-50 to KS-59.

use kswrite_core::{BufferMethod, Carrier, Data, NtStatus, ProcessorMode, Snapshot};
use nt_model::{
    Address, Change, Fault, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER, KERNEL_BASE, PAGE_BYTES, Protection,
    Script, Service, USER_END,
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, Effects, KINDS, LENGTH, METHODS, Rig, SIDES, SYNCHRONOUS, Side, Signal, WHOLE,
    Write, nothing,
};

const BUFFERED: Script = Script::inline(BufferMethod::Buffered);
const DIRECT: Script = Script::inline(BufferMethod::Direct);
/// The methods for which the routine touches the buffer.
const TOUCHED: [BufferMethod; 2] = [BufferMethod::Buffered, BufferMethod::Direct];

/// `STATUS_IN_PAGE_ERROR`.
const IN_PAGE_ERROR: NtStatus = NtStatus(0xC000_0006_u32.cast_signed());
/// `STATUS_GUARD_PAGE_VIOLATION`: an exception whose code is not an error.
const GUARD_PAGE_VIOLATION: NtStatus = NtStatus(0x8000_0001_u32.cast_signed());

/// What is left of a write that failed before anything was sent: the events are clear, and the failure is counted.
fn refused(event: Signal) -> Effects {
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
}

/// The data is copied into a system buffer under the handler, so that what the program does to its memory then is not
/// seen. The buffer is charged to the quota until the write is over, and freed once.
#[test]
fn ks_50_a_system_buffer() {
    for side in SIDES {
        let rig = Rig::new(Script::hold(BufferMethod::Buffered), ASYNCHRONOUS);
        rig.world.set_quota(u64::from(LENGTH));
        assert_eq!(rig.submit_by(side, &rig.write_with_event()), NtStatus::PENDING);
        let (header, _) = rig.irp();
        assert!(header.system_buffer.is_some_and(Address::is_kernel), "{side:?}");
        assert_eq!((header.mdl, header.user_buffer), (None, None));
        let freed = if side == Side::Managed {
            IRP_DEALLOCATE_BUFFER
        } else {
            0
        };
        assert_eq!(
            header.flags & (IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER),
            IRP_BUFFERED_IO | freed
        );
        rig.world.change(&Change::Write(rig.buffer, vec![0; BYTES.len()]));
        rig.world.change(&Change::Unmap(rig.buffer));

        // The quota is used up, so there is none for another one until this one is over.
        let second = Write {
            status_block: rig.world.status_block(),
            data: Data::Raw(rig.world.user_buffer(BYTES)),
            ..rig.write()
        };
        assert_eq!(rig.submit_by(side, &second), NtStatus::QUOTA_EXCEEDED, "{side:?}");
        rig.complete_later(NtStatus::SUCCESS);
        rig.world.settle();
        let seen = &rig.world.seen(rig.device)[0];
        assert_eq!(seen.bytes_at_end.as_deref(), Some(BYTES.as_slice()));
        assert_eq!(
            (rig.effects().block, rig.effects().event),
            (Some(WHOLE), Signal::Set)
        );
        assert_eq!(rig.submit_by(side, &second), NtStatus::PENDING);
        rig.complete_later(NtStatus::IO_DEVICE_ERROR);
        rig.world.settle();
        rig.check();
    }
    let rig = Rig::new(BUFFERED, ASYNCHRONOUS);
    assert_eq!(
        rig.submit(&rig.write()).decision.carrier,
        Some(Carrier::SystemBuffer)
    );
    rig.check();
}

/// Without bytes there is no system buffer: nothing is allocated or charged, and of the buffer flags only the one is
/// set that names the method.
#[test]
fn ks_51_no_system_buffer_for_no_bytes() {
    for side in SIDES {
        let rig = Rig::new(BUFFERED, ASYNCHRONOUS);
        rig.world.set_quota(0);
        let write = Write {
            length: 0,
            ..rig.write()
        };
        assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS);
        let (header, _) = rig.irp();
        assert_eq!(
            (header.system_buffer, header.mdl, header.user_buffer),
            (None, None, None)
        );
        assert_eq!(
            header.flags & (IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER),
            IRP_BUFFERED_IO,
            "{side:?}"
        );
        assert_eq!(rig.calls("ExAllocatePoolQuotaZero"), 0);
        rig.check();
    }
    let rig = Rig::new(BUFFERED, ASYNCHRONOUS);
    let write = Write {
        length: 0,
        ..rig.write()
    };
    assert_eq!(rig.submit(&write).decision.carrier, Some(Carrier::Nothing));
}

/// The pages are locked while the driver has the write, once each, and for reading: pages that the program may only
/// read will do. A program that unmaps them does not take them away. They are unlocked at the end.
#[test]
fn ks_52_locked_pages() {
    let page = usize::try_from(PAGE_BYTES).unwrap();
    let bytes: Vec<u8> = (0..=250).cycle().take(2 * page).collect();
    for side in SIDES {
        for protection in [Protection::ReadWrite, Protection::ReadOnly] {
            for mode in [ProcessorMode::User, ProcessorMode::Kernel] {
                let rig = Rig::new(Script::hold(BufferMethod::Direct), ASYNCHRONOUS);
                // Not from the start of a page, so that three pages are touched by two pages of bytes.
                let start = Address(0x40_0000 + 100);
                rig.world.map(start, &bytes, protection);
                let write = Write {
                    data: Data::Raw(start),
                    length: u32::try_from(2 * page).unwrap(),
                    mode,
                    ..rig.write()
                };
                assert_eq!(rig.submit_by(side, &write), NtStatus::PENDING, "{protection:?}");
                let (header, _) = rig.irp();
                assert!(header.mdl.is_some(), "{side:?}");
                assert_eq!((header.system_buffer, header.user_buffer), (None, None));
                let at_dispatch = &rig.world.seen(rig.device)[0];
                assert_eq!(at_dispatch.page_locks, Some(1));
                let pages = [0, 1, 2].map(|number| start.plus(number * PAGE_BYTES));
                assert_eq!(pages.map(|page| rig.world.locks_of(page)), [1, 1, 1]);
                rig.world.change(&Change::Unmap(start.plus(PAGE_BYTES)));
                rig.complete_later(NtStatus::SUCCESS);
                rig.world.settle();
                assert_eq!(rig.world.accepted(rig.device), bytes);
                assert_eq!(pages.map(|page| rig.world.locks_of(page)), [0, 0, 0]);
                rig.check();
            }
        }
    }
    let rig = Rig::new(DIRECT, ASYNCHRONOUS);
    assert_eq!(rig.submit(&rig.write()).decision.carrier, Some(Carrier::Mdl));
    rig.check();
}

/// What probing, locking, charging or copying raises is the result, unchanged. The driver is not called, the events are
/// clear, the status block is untouched, no operation is counted, and nothing stays; what was not locked is not unlocked.
#[test]
fn ks_53_exceptions_are_the_result() {
    let codes = [
        NtStatus::ACCESS_VIOLATION,
        NtStatus::QUOTA_EXCEEDED,
        NtStatus::WORKING_SET_QUOTA,
        NtStatus::NO_MEMORY,
        IN_PAGE_ERROR,
        GUARD_PAGE_VIOLATION,
    ];
    for side in SIDES {
        for (method, service) in [
            (BufferMethod::Buffered, Service::Quota),
            (BufferMethod::Buffered, Service::Copy),
            (BufferMethod::Direct, Service::ProbeAndLock),
        ] {
            for code in codes {
                let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
                rig.world.inject(Fault::on(service, 0).with_status(code));
                let returned = rig.submit_by(side, &rig.write_with_event());
                assert_eq!(returned, code, "{side:?} {service:?}");
                assert_eq!(
                    rig.effects(),
                    refused(Signal::Cleared),
                    "{side:?} {service:?} {code}"
                );
                assert_eq!(rig.calls("IoCallDriver"), 0);
                rig.check();
            }
        }
        // The causes themselves.
        let rig = Rig::new(BUFFERED, SYNCHRONOUS);
        rig.world.set_quota(u64::from(LENGTH) - 1);
        assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::QUOTA_EXCEEDED);
        assert_eq!(rig.effects(), refused(Signal::Untouched));
        rig.check();

        let rig = Rig::new(DIRECT, SYNCHRONOUS);
        rig.world.set_working_set(0);
        assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::WORKING_SET_QUOTA);
        assert_eq!(rig.effects(), refused(Signal::Untouched));
        rig.check();

        let rig = Rig::new(BUFFERED, SYNCHRONOUS);
        rig.world.inject(Fault::on(Service::Copy, 0));
        assert_eq!(rig.submit_by(side, &rig.write()), NtStatus::ACCESS_VIOLATION);
        assert_eq!(rig.effects(), refused(Signal::Untouched));
        rig.check();
    }
}

/// No memory for the MDL, or for the system buffer: `STATUS_INSUFFICIENT_RESOURCES`, and no page was looked at.
#[test]
fn ks_54_no_mdl() {
    for side in SIDES {
        for (script, service) in [(DIRECT, Service::AllocateMdl), (BUFFERED, Service::Pool)] {
            let rig = Rig::new(script, ASYNCHRONOUS);
            rig.world.inject(Fault::on(service, 0));
            let returned = rig.submit_by(side, &rig.write_with_event());
            assert_eq!(returned, NtStatus::INSUFFICIENT_RESOURCES, "{side:?} {service:?}");
            assert_eq!(rig.effects(), refused(Signal::Cleared));
            assert_eq!(rig.world.touches(), 0);
            rig.check();
        }
    }
}

/// Without bytes there is no MDL, and nothing is locked.
#[test]
fn ks_55_no_mdl_for_no_bytes() {
    for side in SIDES {
        let rig = Rig::new(DIRECT, ASYNCHRONOUS);
        rig.world.set_working_set(0);
        let write = Write {
            length: 0,
            ..rig.write()
        };
        assert_eq!(rig.submit_by(side, &write), NtStatus::SUCCESS, "{side:?}");
        let (header, _) = rig.irp();
        assert_eq!(
            (header.system_buffer, header.mdl, header.user_buffer),
            (None, None, None)
        );
        assert_eq!(header.flags & (IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER), 0);
        assert_eq!(
            (rig.calls("IoAllocateMdl"), rig.calls("MmProbeAndLockPages")),
            (0, 0)
        );
        rig.check();
    }
}

/// A device of neither method gets the address itself, whatever it is: no copy, no MDL, no check. What it is worth is
/// its driver's business.
#[test]
fn ks_56_the_address_itself() {
    for side in SIDES {
        for kind in KINDS {
            for (address, status) in [
                (None, NtStatus::SUCCESS),
                (Some(Address(0x7000)), NtStatus::ACCESS_VIOLATION),
                (Some(Address(USER_END - 2)), NtStatus::ACCESS_VIOLATION),
            ] {
                let rig = Rig::new(Script::inline(BufferMethod::Neither), kind);
                let address = address.unwrap_or(rig.buffer);
                let write = Write {
                    data: Data::Raw(address),
                    ..rig.write()
                };
                assert_eq!(rig.submit_by(side, &write), status, "{side:?} {address:?}");
                let (header, _) = rig.irp();
                assert_eq!(
                    (header.user_buffer, header.system_buffer, header.mdl),
                    (Some(address), None, None)
                );
                assert_eq!(header.flags & (IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER), 0);
                assert_eq!(
                    (rig.calls("IoAllocateMdl"), rig.calls("ExAllocatePoolQuotaZero")),
                    (0, 0)
                );
                rig.check();
            }
        }
    }
    // A kernel address of a user-mode requestor is passed on as well: this device is asked nothing but to write.
    let rig = Rig::new(Script::inline(BufferMethod::Neither), ASYNCHRONOUS);
    let secret = rig.world.kernel_buffer(BYTES);
    let write = Write {
        data: Data::Raw(secret),
        ..rig.write()
    };
    let submitted = rig.submit(&write);
    assert_eq!(submitted.decision.carrier, Some(Carrier::UserBuffer));
    assert_eq!(rig.irp().0.user_buffer, Some(secret));
    rig.check();
}

/// A user-mode requestor's range that is not wholly in the user half, or wraps, is `STATUS_ACCESS_VIOLATION` before
/// anything is allocated; the device is not called. The last byte counts as the first does.
#[test]
fn ks_57_the_range_of_a_user() {
    let rows = [
        (KERNEL_BASE, LENGTH),
        (KERNEL_BASE + PAGE_BYTES, 1),
        (KERNEL_BASE - 1, 2),
        (USER_END, 1),
        (USER_END - 1, 2),
        (USER_END - u64::from(LENGTH) + 1, LENGTH),
        (u64::MAX, 1),
        (u64::MAX - 3, LENGTH),
        (0x1_0000, u32::MAX),
        (USER_END - 1, u32::MAX),
        (0, LENGTH),
        (0x7000, LENGTH),
    ];
    for side in SIDES {
        for method in TOUCHED {
            for (address, length) in rows {
                let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
                let outside = address
                    .checked_add(length.into())
                    .is_none_or(|end| end > USER_END);
                let write = Write {
                    data: Data::Raw(Address(address)),
                    length,
                    ..rig.write_with_event()
                };
                let returned = rig.submit_by(side, &write);
                assert_eq!(
                    returned,
                    NtStatus::ACCESS_VIOLATION,
                    "{side:?} {address:#x}+{length}"
                );
                assert_eq!(rig.effects(), refused(Signal::Cleared));
                if outside {
                    assert!(rig.world.fault_points().is_empty());
                    assert_eq!(rig.world.touches(), 0);
                }
                rig.check();
            }
            // The last range that there is.
            let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
            let last = Address(USER_END - u64::from(LENGTH));
            rig.world.map(last, BYTES, Protection::ReadOnly);
            let write = Write {
                data: Data::Raw(last),
                ..rig.write()
            };
            assert_eq!(
                rig.submit_by(side, &write),
                NtStatus::SUCCESS,
                "{side:?} {method:?}"
            );
            assert_eq!(rig.world.accepted(rig.device), BYTES);
            rig.check();
        }
    }
}

/// A kernel requestor's range is not checked: its own memory is good for every method, and so is the program's.
#[test]
fn ks_58_a_kernel_requestor() {
    for side in SIDES {
        for method in METHODS {
            for previous in [ProcessorMode::User, ProcessorMode::Kernel] {
                let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
                rig.world.set_previous_mode(rig.thread, previous);
                for address in [rig.world.kernel_buffer(BYTES), rig.buffer] {
                    let write = Write {
                        data: Data::Raw(address),
                        mode: ProcessorMode::Kernel,
                        status_block: rig.world.status_block(),
                        ..rig.write()
                    };
                    assert_eq!(
                        rig.submit_by(side, &write),
                        NtStatus::SUCCESS,
                        "{side:?} {method:?}"
                    );
                }
                assert_eq!(rig.world.accepted(rig.device), [BYTES.as_slice(), BYTES].concat());
                rig.check();
            }
        }
    }
}

/// A buffer of which a part cannot be read is not written in part: an error, no bytes, and the driver is not called,
/// whether its second page was never there, may not be read, or goes away between the two.
#[test]
fn ks_59_all_or_nothing() {
    enum Second {
        Missing,
        NoAccess,
        GoesAway,
    }
    for side in SIDES {
        for method in TOUCHED {
            for second in [Second::Missing, Second::NoAccess, Second::GoesAway] {
                let rig = Rig::new(Script::inline(method), ASYNCHRONOUS);
                let start = Address(0x80_0000 - 4);
                let next = Address(0x80_0000);
                rig.world.map(start, &BYTES[..4], Protection::ReadWrite);
                match second {
                    Second::Missing => {}
                    Second::NoAccess => rig.world.map(next, &BYTES[4..], Protection::NoAccess),
                    Second::GoesAway => {
                        rig.world.map(next, &BYTES[4..], Protection::ReadWrite);
                        rig.world.at_touch(1, Change::Unmap(next));
                    }
                }
                let write = Write {
                    data: Data::Raw(start),
                    ..rig.write_with_event()
                };
                let returned = rig.submit_by(side, &write);
                assert_eq!(returned, NtStatus::ACCESS_VIOLATION, "{side:?} {method:?}");
                assert_eq!(rig.world.touches(), 2);
                assert_eq!(rig.effects(), refused(Signal::Cleared));
                assert_eq!(rig.world.locks_of(start), 0);
                rig.check();
            }
        }
    }
}
