//! Pipes, sockets, mailslots.

use kswrite_core::NtStatus;
use nt_model::{
    BlockId, Cpu,
    user::{FileAccess, FileOptions, Handle, NtTransfer, PipeOptions, status},
};

use super::{Rig, success, under_all_schedules};

/// A pipe of 8 bytes with 6 in it, and two writes that wait, the first of which is cancelled.
fn with_two_stalled_writes(cpu: &Cpu<'_>, rig: &Rig) -> (Handle, [BlockId; 2]) {
    let pipe = PipeOptions {
        name: "stalled",
        messages: false,
        synchronous: true,
        quota: 8,
    };
    let server = rig.pipes.create(cpu, &pipe).unwrap_or(Handle(0));
    let options = FileOptions::new(FileAccess::READ_WRITE, false);
    let client = rig.pipes.open(cpu, "stalled", options).unwrap_or(Handle(0));
    assert_eq!(rig.write(cpu, client, b"123456"), NtStatus::SUCCESS);
    let [long, short] = [b"abcdef".as_slice(), b"xy"].map(|bytes| rig.transfer(client, bytes));
    assert_eq!(cpu.nt_write(&long), NtStatus::PENDING);
    assert_eq!(
        cpu.nt_write(&short),
        NtStatus::PENDING,
        "it has room, but is not first"
    );
    assert_eq!(cpu.nt_cancel_io_ex(client, Some(long.status_block)), Ok(()));
    (server, [long, short].map(|write| write.status_block))
}

#[test]
fn a_cancelled_write_vanishes_and_makes_room_for_the_next() {
    under_all_schedules(|cpu, rig| {
        let (server, [long, short]) = with_two_stalled_writes(cpu, rig);
        assert_eq!(rig.io(long).status, NtStatus::CANCELLED);
        assert_eq!(rig.io(short), success(2));
        assert_eq!(
            rig.read(cpu, server, 20),
            (NtStatus::SUCCESS, b"123456xy".to_vec())
        );
    });
}

#[test]
fn messages_are_read_one_by_one_and_in_parts() {
    under_all_schedules(|cpu, rig| {
        let pipe = PipeOptions {
            name: "messages",
            messages: true,
            synchronous: true,
            quota: 64,
        };
        let server = rig.pipes.create(cpu, &pipe).expect("a pipe");
        assert_eq!(rig.pipes.create(cpu, &pipe), Err(status::INSTANCE_NOT_AVAILABLE));
        let options = FileOptions::new(FileAccess::READ_WRITE, true);
        assert_eq!(
            rig.pipes.open(cpu, "other", options),
            Err(NtStatus::OBJECT_NAME_NOT_FOUND)
        );
        assert_eq!(rig.read(cpu, server, 1).0, status::PIPE_LISTENING);
        let client = rig.pipes.open(cpu, "MESSAGES", options).expect("its client");
        assert_eq!(
            rig.pipes.open(cpu, "messages", options),
            Err(status::PIPE_NOT_AVAILABLE)
        );
        for message in [b"hello".as_slice(), b"", b"!"] {
            assert_eq!(rig.write(cpu, client, message), NtStatus::SUCCESS);
        }
        let part = (NtStatus::BUFFER_OVERFLOW, b"hel".to_vec());
        assert_eq!(rig.read(cpu, server, 3), part);
        assert_eq!(rig.read(cpu, server, 9), (NtStatus::SUCCESS, b"lo".to_vec()));
        assert_eq!(rig.read(cpu, server, 9), (NtStatus::SUCCESS, Vec::new()));
        assert_eq!(rig.pipes.set_modes(cpu, server, true, false), Ok(()));
        assert_eq!(rig.read(cpu, server, 9), (NtStatus::SUCCESS, b"!".to_vec()));
        assert_eq!(rig.read(cpu, server, 9).0, status::PIPE_EMPTY, "it does not wait");
        cpu.nt_close(client).expect("its handle");
        assert_eq!(rig.read(cpu, server, 9).0, status::PIPE_BROKEN);
        assert_eq!(rig.write(cpu, server, b"x"), status::PIPE_CLOSING);
    });
}

#[test]
fn requests_that_wait_end_when_the_other_end_goes() {
    under_all_schedules(|cpu, rig| {
        for (pipe, disconnects) in [("closed", false), ("disconnected", true)] {
            let options = PipeOptions {
                name: pipe,
                messages: false,
                synchronous: true,
                quota: 2,
            };
            let server = rig.pipes.create(cpu, &options).expect("a pipe");
            let options = FileOptions::new(FileAccess::READ_WRITE, false);
            let client = rig.pipes.open(cpu, pipe, options).expect("its client");
            let (read, write) = (rig.transfer(client, &[0]), rig.transfer(client, b"long"));
            assert_eq!(cpu.nt_read(&read), NtStatus::PENDING);
            assert_eq!(cpu.nt_write(&write), NtStatus::PENDING);
            let ended = if disconnects {
                assert_eq!(
                    rig.pipes.disconnect(cpu, client),
                    Err(NtStatus::INVALID_DEVICE_REQUEST)
                );
                rig.pipes.disconnect(cpu, server).expect("a server");
                status::PIPE_DISCONNECTED
            } else {
                cpu.nt_close(server).expect("its handle");
                status::PIPE_BROKEN
            };
            for block in [read.status_block, write.status_block] {
                assert_eq!(rig.io(block).status, ended, "{pipe}");
            }
        }
    });
}

#[test]
fn a_socket_takes_bytes_without_a_reader_and_ends_with_none() {
    under_all_schedules(|cpu, rig| {
        let (mine, peer) = rig.pipes.socket_pair(cpu).expect("two sockets");
        assert_eq!(rig.write(cpu, mine, b"hello"), NtStatus::SUCCESS);
        let no_offset = NtTransfer {
            offset: None,
            ..rig.transfer(mine, b"hello")
        };
        assert_eq!(cpu.nt_write(&no_offset), NtStatus::INVALID_PARAMETER);
        let into = rig.transfer(peer, &[0; 9]);
        assert_eq!(
            (cpu.nt_read(&into), rig.io(into.status_block).information),
            (NtStatus::SUCCESS, 5)
        );
        let waits = rig.transfer(peer, &[0; 9]);
        assert_eq!(cpu.nt_read(&waits), NtStatus::PENDING);
        cpu.nt_close(mine).expect("its handle");
        assert_eq!(rig.io(waits.status_block), success(0), "the end of the stream");
        assert_eq!(rig.write(cpu, peer, b"x"), status::CONNECTION_RESET);
    });
}

#[test]
fn a_mailslot_keeps_messages_for_a_reader_that_does_not_wait() {
    under_all_schedules(|cpu, rig| {
        let slot = rig.mailslots.create(cpu, "slot").expect("a mailslot");
        assert_eq!(
            rig.mailslots.create(cpu, "SLOT"),
            Err(NtStatus::OBJECT_NAME_COLLISION)
        );
        let options = FileOptions::new(FileAccess::WRITE, true);
        let writer = rig.mailslots.open(cpu, "slot", options).expect("its writer");
        assert_eq!(rig.read(cpu, slot, 9).0, status::IO_TIMEOUT);
        assert_eq!(rig.write(cpu, writer, b"hello"), NtStatus::SUCCESS);
        assert_eq!(rig.read(cpu, writer, 9).0, NtStatus::ACCESS_DENIED);
        assert_eq!(rig.write(cpu, slot, b"x"), NtStatus::ACCESS_DENIED);
        assert_eq!(rig.read(cpu, slot, 4).0, NtStatus::BUFFER_TOO_SMALL);
        assert_eq!(rig.read(cpu, slot, 5), (NtStatus::SUCCESS, b"hello".to_vec()));
        cpu.nt_close(slot).expect("its handle");
        assert_eq!(rig.write(cpu, writer, b"x"), NtStatus::OBJECT_NAME_NOT_FOUND);
        assert_eq!(
            rig.mailslots.open(cpu, "slot", options),
            Err(NtStatus::OBJECT_NAME_NOT_FOUND)
        );
    });
}

#[test]
fn a_write_of_no_bytes_wakes_no_reader_of_a_pipe_of_bytes() {
    under_all_schedules(|cpu, rig| {
        let (reader, writer) = rig.pipes.socket_pair(cpu).expect("two ends");
        let read = rig.transfer(reader, &[0; 4]);
        assert_eq!(cpu.nt_read(&read), NtStatus::PENDING);
        assert_eq!(rig.write(cpu, writer, b""), NtStatus::SUCCESS);
        assert_eq!(rig.world.block(read.status_block).writes, 0);
        assert_eq!(rig.write(cpu, writer, b"ab"), NtStatus::SUCCESS);
        assert_eq!(rig.io(read.status_block), success(2));
    });
}
