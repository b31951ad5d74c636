//! Files and volumes.

use kswrite_core::NtStatus;
use nt_model::user::{Creation, FileAccess, FileOptions, NtTransfer, TimeOut, status};

use super::{success, under_all_schedules};

#[test]
fn locks_are_of_a_handle_and_go_with_it() {
    under_all_schedules(|cpu, rig| {
        let file = rig.file(cpu, "locked", true);
        assert_eq!(rig.write(cpu, file, b"0123456789"), NtStatus::SUCCESS);
        let options = FileOptions::new(FileAccess::READ_WRITE, true);
        let other = rig.disk.open(cpu, "locked", Creation::Never, options);
        let other = other.expect("the file");
        assert_eq!(rig.disk.lock(cpu, file, 4, 4, true), Ok(()));
        for (start, length, locked) in [(0, 4, Ok(())), (7, 1, Err(())), (8, 2, Ok(())), (5, 0, Ok(()))] {
            let range = NtTransfer {
                offset: Some(start),
                ..rig.transfer(other, &vec![b'x'; length])
            };
            let wanted = locked.map_or(status::FILE_LOCK_CONFLICT, |()| NtStatus::SUCCESS);
            assert_eq!(cpu.nt_write(&range), wanted, "{start} {length}");
            assert_eq!(cpu.nt_read(&range), wanted, "{start} {length}");
        }
        assert_eq!(
            rig.disk.lock(cpu, other, 0, 5, false),
            Err(status::LOCK_NOT_GRANTED)
        );
        assert_eq!(rig.disk.unlock(cpu, other, 4, 4), Err(status::RANGE_NOT_LOCKED));
        assert_eq!(rig.disk.unlock(cpu, file, 4, 3), Err(status::RANGE_NOT_LOCKED));
        cpu.nt_close(file).expect("its handle");
        assert_eq!(rig.disk.lock(cpu, other, 0, 5, false), Ok(()));
        assert_eq!(
            rig.disk.lock(cpu, other, 0, 5, false),
            Ok(()),
            "shared locks share"
        );
        assert_eq!(rig.disk.unlock(cpu, other, 0, 5), Ok(()));
    });
}

#[test]
fn a_file_is_read_as_it_was_written() {
    under_all_schedules(|cpu, rig| {
        let file = rig.file(cpu, "file", true);
        let far = NtTransfer {
            offset: Some(5 << 32),
            ..rig.transfer(file, b"far")
        };
        assert_eq!(cpu.nt_write(&far), NtStatus::SUCCESS);
        assert_eq!(rig.disk.size(cpu, file), Ok((5 << 32) + 3));
        assert_eq!(cpu.nt_position(file), Ok((5 << 32) + 3));
        assert_eq!(rig.read(cpu, file, 1).0, NtStatus::END_OF_FILE);
        cpu.nt_set_position(file, (5 << 32) - 1).expect("a position");
        assert_eq!(rig.read(cpu, file, 9), (NtStatus::SUCCESS, b"\0far".to_vec()));
        assert_eq!(cpu.nt_set_position(file, -1), Err(NtStatus::INVALID_PARAMETER));
        let beyond = NtTransfer {
            offset: Some(i64::MAX - 1),
            ..far
        };
        assert_eq!(cpu.nt_write(&beyond), NtStatus::INVALID_PARAMETER);
        // Made anew it is empty.
        let again = rig.file(cpu, "file", true);
        assert_eq!(rig.disk.size(cpu, again), Ok(0));
    });
}

#[test]
fn an_uncached_write_completes_later_and_cannot_be_cancelled() {
    under_all_schedules(|cpu, rig| {
        let options = FileOptions {
            no_buffering: true,
            ..FileOptions::new(FileAccess::READ_WRITE, false)
        };
        let file = rig
            .disk
            .open(cpu, "file", Creation::Always, options)
            .expect("a file");
        let event = cpu.nt_create_event(true, true).expect("an event");
        let write = NtTransfer {
            event: Some(event),
            buffer: rig.world.user_buffer(&[7; 4096]),
            length: 4096,
            ..rig.transfer(file, b"")
        };
        assert_eq!(cpu.nt_write(&write), NtStatus::PENDING);
        let _late = cpu.nt_cancel_io_ex(file, None);
        assert_eq!(cpu.nt_wait_for(event, TimeOut::Never), Ok(true));
        assert_eq!(rig.io(write.status_block), success(4096));
    });
}

#[test]
fn a_volume_is_locked_by_its_only_user() {
    under_all_schedules(|cpu, rig| {
        let options = FileOptions::new(FileAccess::READ_WRITE, true);
        let [mine, other] = [(); 2].map(|()| rig.volume.open(cpu, options).expect("a volume"));
        assert_eq!(rig.volume.lock(cpu, mine), Err(NtStatus::ACCESS_DENIED));
        cpu.nt_close(other).expect("its handle");
        assert_eq!(rig.volume.lock(cpu, mine), Ok(()));
        let inside = NtTransfer {
            offset: Some(1 << 20),
            ..rig.transfer(mine, &[1; 512])
        };
        assert_eq!(cpu.nt_write(&inside), NtStatus::SUCCESS);
        let odd = NtTransfer {
            length: 511,
            ..inside
        };
        assert_eq!(cpu.nt_write(&odd), NtStatus::INVALID_PARAMETER);
        assert_eq!(cpu.nt_read(&inside), NtStatus::SUCCESS);
        assert_eq!(rig.world.peek(inside.buffer, 512), [1; 512]);
    });
}
