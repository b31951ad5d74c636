//! Pages that are not what they were, quota, and working sets.

use kswrite_core::{BufferMethod, NtStatus, ProcessorMode};
use nt_model::{Address, Change, Fault, OnIrp, PAGE_BYTES, Protection, Script, Service, USER_END};

use crate::stage::{BYTES, LENGTH, Stage};

fn direct() -> Stage {
    Stage::asynchronous(Script::hold(BufferMethod::Direct))
}

#[test]
fn a_locked_page_stays_when_the_program_unmaps_it() {
    let stage = direct();
    assert_eq!(stage.write(), NtStatus::PENDING);
    assert_eq!(stage.world.locks_of(stage.buffer), 1);
    stage.world.change(&Change::Unmap(stage.buffer));
    assert!(
        stage
            .world
            .system()
            .complete_next(stage.device, NtStatus::SUCCESS)
    );
    assert_eq!(stage.world.accepted(stage.device), BYTES);
    stage.check();
}

#[test]
fn a_locked_page_changes_under_the_device_and_a_copy_does_not() {
    for (method, wanted) in [
        (BufferMethod::Direct, b"jello"),
        (BufferMethod::Buffered, b"hello"),
    ] {
        let stage = Stage::asynchronous(Script::hold(method));
        assert_eq!(stage.write(), NtStatus::PENDING);
        stage.world.change(&Change::Write(stage.buffer, b"j".to_vec()));
        assert!(
            stage
                .world
                .system()
                .complete_next(stage.device, NtStatus::SUCCESS)
        );
        let seen = stage.world.seen(stage.device);
        assert_eq!(seen[0].bytes.as_deref(), Ok(BYTES));
        assert_eq!(seen[0].bytes_at_end.as_deref(), Some(&wanted[..]));
        stage.check();
    }
}

#[test]
fn every_access_to_a_page_is_a_point_at_which_it_can_go() {
    let bytes = vec![7; 3 * usize::try_from(PAGE_BYTES).unwrap()];
    let length = u32::try_from(bytes.len()).unwrap();
    for method in [BufferMethod::Buffered, BufferMethod::Direct] {
        for touch in 0..4 {
            let stage = Stage::asynchronous(Script::inline(method));
            let buffer = stage.world.user_buffer(&bytes);
            let page = buffer.plus(touch.min(2) * PAGE_BYTES);
            stage.world.at_touch(touch, Change::Unmap(page));
            let request = kswrite_core::FileWrite {
                data: kswrite_core::Data::Raw(buffer),
                length,
                ..stage.request()
            };
            let status = kswrite_core::managed::write(&stage.cpu, &stage.statistics, &request).status;
            // Three pages are touched once each.
            let wanted = if touch < 3 {
                NtStatus::ACCESS_VIOLATION
            } else {
                NtStatus::SUCCESS
            };
            assert_eq!(status, wanted, "{method:?} {touch}");
            stage.check();
        }
    }
}

#[test]
fn ranges_that_are_not_the_programs() {
    let stage = direct();
    let user = ProcessorMode::User;
    for address in [USER_END, USER_END - 4, u64::MAX - 2, 0] {
        let locked = stage.cpu.lock_pages(Address(address), LENGTH, user).map(drop);
        assert_eq!(locked, Err(NtStatus::ACCESS_VIOLATION), "{address:#x}");
    }
    stage.check();
}

#[test]
fn a_read_only_page_can_be_written_from() {
    for protection in [Protection::ReadOnly, Protection::ReadWrite] {
        let stage = direct();
        stage.world.change(&Change::Protect(stage.buffer, protection));
        drop(
            stage
                .cpu
                .lock_pages(stage.buffer, LENGTH, ProcessorMode::User)
                .expect("readable"),
        );
        stage.check();
    }
}

#[test]
fn quota_and_working_set_have_their_own_status() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Buffered));
    stage.world.set_quota(u64::from(LENGTH) - 1);
    assert_eq!(stage.write(), NtStatus::QUOTA_EXCEEDED);
    stage.world.set_quota(u64::from(LENGTH));
    assert_eq!(stage.write(), NtStatus::SUCCESS);
    stage.check();

    let stage = direct();
    stage.world.set_working_set(0);
    assert_eq!(stage.write(), NtStatus::WORKING_SET_QUOTA);
    stage.check();
}

#[test]
fn mapped_pages_are_read_at_a_kernel_address_until_they_are_unlocked() {
    let stage = direct();
    let mdl = stage
        .cpu
        .lock_pages(stage.buffer, LENGTH, ProcessorMode::User)
        .expect("readable");
    let address = stage.cpu.system_address(mdl.id()).expect("memory");
    assert!(address.is_kernel());
    assert_eq!(stage.cpu.system_address(mdl.id()), Ok(address));
    let part = kswrite_core::Kernel::partial_mdl(&stage.cpu, mdl.id(), 2).expect("memory");
    drop(kswrite_core::Kernel::capture(&stage.cpu, address, LENGTH).expect("mapped"));
    drop(part);
    drop(mdl);
    stage.check();
    let gone = kswrite_core::Kernel::capture(&stage.cpu, address, LENGTH).map(drop);
    assert_eq!(gone, Err(NtStatus::ACCESS_VIOLATION));
    assert_eq!(stage.found(), [nt_model::Finding::BadKernelAddress { address }]);
}

#[test]
fn a_fault_strikes_where_it_is_told_to() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Buffered));
    assert_eq!(stage.write(), NtStatus::SUCCESS);
    let met = stage.world.fault_points();
    let wanted = [
        Service::Pool,
        Service::Quota,
        Service::Copy,
        Service::AllocateIrp,
        Service::Send,
    ];
    assert_eq!(met, wanted);
    for (point, service) in (0..).zip(met) {
        stage.world.inject(Fault::at_point(point));
        assert_eq!(stage.write(), service.usual());
        stage
            .world
            .inject(Fault::on(service, 1).with_status(NtStatus::NO_MEMORY));
        assert_eq!(stage.write(), NtStatus::SUCCESS);
        assert_eq!(stage.write(), NtStatus::NO_MEMORY);
    }
    stage.check();
}

#[test]
fn a_device_that_reads_a_raw_address_says_what_the_access_raised() {
    let stage = Stage::asynchronous(Script::inline(BufferMethod::Neither));
    stage.world.change(&Change::Unmap(stage.buffer));
    assert_eq!(stage.write(), NtStatus::ACCESS_VIOLATION);
    assert_eq!(
        stage.world.seen(stage.device)[0].bytes,
        Err(NtStatus::ACCESS_VIOLATION)
    );
    stage.check();
}

#[test]
fn a_device_takes_what_it_says() {
    for (irp, status) in [
        (OnIrp::Inline(NtStatus::SUCCESS), NtStatus::SUCCESS),
        (
            OnIrp::Inline(NtStatus::BUFFER_OVERFLOW),
            NtStatus::BUFFER_OVERFLOW,
        ),
    ] {
        let script = Script {
            takes: Some(2),
            ..Script::inline(BufferMethod::Direct).on_irp(irp)
        };
        let stage = Stage::asynchronous(script);
        assert_eq!(stage.write(), status);
        assert_eq!(stage.world.block(stage.block).io.information, 2);
        assert_eq!(stage.world.accepted(stage.device), b"he");
        stage.check();
    }
}
