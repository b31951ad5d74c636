//! What a program sees: system calls of processes with handles, under many schedules.

mod files;
mod pipes;

use std::{cell::RefCell, rc::Rc};

use kswrite_core::{FileFlags, IoStatus, NtStatus};
use nt_model::{
    BlockId, Body, Cpu, PortContext, World,
    schedule::{Scheduler, Seeded},
    user::{
        Creation, Disk, Extent, FileAccess, FileOptions, Handle, Mailslots, NtTransfer, Pipes, TimeOut,
        Volume, status,
    },
};

struct Rig {
    world: World,
    disk: Disk,
    pipes: Pipes,
    mailslots: Mailslots,
    volume: Volume,
}

impl Rig {
    fn new() -> Self {
        let world = World::new();
        Self {
            disk: Disk::new(&world),
            pipes: Pipes::new(&world),
            mailslots: Mailslots::new(&world),
            volume: Volume::new(&world, Extent::Volume),
            world,
        }
    }

    fn transfer(&self, file: Handle, bytes: &[u8]) -> NtTransfer {
        NtTransfer {
            file,
            event: None,
            apc: None,
            port_context: None,
            status_block: self.world.status_block(),
            buffer: self.world.user_buffer(bytes),
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            offset: Some(0),
        }
    }

    fn io(&self, block: BlockId) -> IoStatus {
        self.world.block(block).io
    }

    /// Reads, and what was read; of a synchronous handle.
    fn read(&self, cpu: &Cpu<'_>, file: Handle, bytes: usize) -> (NtStatus, Vec<u8>) {
        let read = self.transfer(file, &vec![0; bytes]);
        let status = cpu.nt_read(&NtTransfer { offset: None, ..read });
        if status.is_error() {
            return (status, Vec::new());
        }
        let count = self.io(read.status_block).information;
        (status, self.world.peek(read.buffer, count))
    }

    fn write(&self, cpu: &Cpu<'_>, file: Handle, bytes: &[u8]) -> NtStatus {
        cpu.nt_write(&self.transfer(file, bytes))
    }

    fn file(&self, cpu: &Cpu<'_>, name: &str, synchronous: bool) -> Handle {
        let options = FileOptions::new(FileAccess::READ_WRITE, synchronous);
        let opened = self.disk.open(cpu, name, Creation::Always, options);
        opened.unwrap_or(Handle(0))
    }
}

/// Runs the body as the first thread of a process under many schedules. Nothing may be found wrong, and nothing left.
#[track_caller]
fn under_all_schedules(body: impl Fn(&Cpu<'_>, &Rc<Rig>) + 'static) {
    let body = Rc::new(body);
    let mut scheduler = Scheduler::new();
    for seed in 0..40 {
        let rig = Rc::new(Rig::new());
        let (inner, body) = (Rc::clone(&rig), Rc::clone(&body));
        let main: Body = (
            rig.world.thread_of(rig.world.process()),
            Box::new(move |cpu| body(cpu, &inner)),
        );
        let run = rig.world.run(&mut scheduler, vec![main], &mut Seeded::new(seed));
        assert!(run.is_ok());
        let checked = rig.world.check();
        assert!(checked.is_ok(), "seed {seed}: {checked:?}");
    }
}

fn success(information: usize) -> IoStatus {
    IoStatus {
        status: NtStatus::SUCCESS,
        information,
    }
}

#[test]
fn handles_are_of_their_process_and_their_low_bits_mean_nothing() {
    under_all_schedules(|cpu, _| {
        let event = cpu.nt_create_event(true, false).expect("an event");
        assert_eq!(cpu.nt_set_event(Handle(event.0 | 1), true), Ok(()));
        assert_eq!(cpu.nt_wait_for(event, TimeOut::AtOnce), Ok(true));
        let kept = cpu.nt_create_event(true, false).expect("an event");
        let body = move |cpu: &Cpu<'_>| {
            assert_eq!(
                cpu.nt_set_event(kept, true),
                Err(NtStatus::INVALID_HANDLE),
                "not inherited"
            );
            assert_eq!(cpu.nt_set_event(event, false), Ok(()));
            // Its own handle is closed with it; the event stays.
            7
        };
        let process = cpu
            .nt_create_process(&[event], Box::new(body))
            .expect("a process");
        assert_eq!(cpu.nt_exit_code(event), Err(NtStatus::OBJECT_TYPE_MISMATCH));
        assert_eq!(cpu.nt_wait_for(process, TimeOut::Never), Ok(true));
        assert_eq!(cpu.nt_exit_code(process), Ok(7));
        assert_eq!(cpu.nt_wait_for(event, TimeOut::AtOnce), Ok(false));
        assert_eq!(cpu.nt_close(event), Ok(()));
        assert_eq!(cpu.nt_close(event), Err(NtStatus::INVALID_HANDLE));
        assert_eq!(
            cpu.nt_create_process(&[event], Box::new(|_| 0)),
            Err(NtStatus::INVALID_HANDLE)
        );
    });
}

#[test]
fn an_event_that_resets_itself_lets_one_waiter_go() {
    under_all_schedules(|cpu, _| {
        let event = cpu.nt_create_event(false, false).expect("an event");
        let woken = Rc::new(RefCell::new(0));
        let waiter = || {
            let counted = Rc::clone(&woken);
            let body = move |cpu: &Cpu<'_>| {
                let came = cpu.nt_wait_for(event, TimeOut::WhenIdle);
                *counted.borrow_mut() += u32::from(came == Ok(true));
            };
            cpu.nt_create_thread(Box::new(body)).expect("a thread")
        };
        let threads = [waiter(), waiter()];
        cpu.nt_set_event(event, true).expect("an event");
        for thread in threads {
            assert_eq!(cpu.nt_wait_for(thread, TimeOut::Never), Ok(true));
        }
        assert_eq!(*woken.borrow(), 1);
    });
}

#[test]
fn the_wait_that_began_first_is_over_first() {
    under_all_schedules(|cpu, _| {
        let never = cpu.nt_create_event(true, false).expect("an event");
        let begun = cpu.nt_create_event(true, false).expect("an event");
        let order = Rc::new(RefCell::new(Vec::new()));
        let theirs = Rc::clone(&order);
        let body = move |cpu: &Cpu<'_>| {
            assert_eq!(cpu.nt_wait_for(begun, TimeOut::Never), Ok(true));
            assert_eq!(cpu.nt_wait_for(never, TimeOut::WhenIdle), Ok(false));
            theirs.borrow_mut().push("second");
        };
        let thread = cpu.nt_create_thread(Box::new(body)).expect("a thread");
        // The other thread cannot begin its wait before this one is over.
        assert_eq!(cpu.nt_wait_for(never, TimeOut::WhenIdle), Ok(false));
        order.borrow_mut().push("first");
        cpu.nt_set_event(begun, true).expect("an event");
        assert_eq!(cpu.nt_wait_for(thread, TimeOut::Never), Ok(true));
        assert_eq!(*order.borrow(), ["first", "second"]);
    });
}

#[test]
fn packets_go_with_the_last_handle_of_their_port() {
    under_all_schedules(|cpu, rig| {
        let port = cpu.nt_create_port().expect("a port");
        let another = cpu.nt_duplicate(port).expect("a handle");
        let file = rig.file(cpu, "file", false);
        assert_eq!(cpu.nt_associate(file, port, 5), Ok(()));
        assert_eq!(cpu.nt_associate(file, port, 5), Err(NtStatus::INVALID_PARAMETER));
        let write = || {
            let write = NtTransfer {
                port_context: Some(PortContext(1)),
                ..rig.transfer(file, b"hello")
            };
            assert_eq!(cpu.nt_write(&write), NtStatus::PENDING);
        };
        write();
        cpu.nt_close(port).expect("its handle");
        write();
        let packet = cpu.nt_remove_completion(another, TimeOut::Never).expect("a port");
        assert_eq!(
            packet.map(|packet| (packet.key, packet.io)),
            Some((5, success(5)))
        );
        cpu.nt_close(another).expect("its handle");
        // The file goes on without its port.
        write();
    });
}

#[test]
fn a_packet_is_for_one_of_two_threads() {
    under_all_schedules(|cpu, rig| {
        let port = cpu.nt_create_port().expect("a port");
        let file = rig.file(cpu, "file", false);
        cpu.nt_associate(file, port, 5).expect("a port");
        let packets = Rc::new(RefCell::new(0));
        let dequeuer = || {
            let counted = Rc::clone(&packets);
            let body = move |cpu: &Cpu<'_>| {
                let packet = cpu.nt_remove_completion(port, TimeOut::WhenIdle);
                *counted.borrow_mut() += u32::from(packet.expect("a port").is_some());
            };
            cpu.nt_create_thread(Box::new(body)).expect("a thread")
        };
        let threads = [dequeuer(), dequeuer()];
        let write = NtTransfer {
            port_context: Some(PortContext(1)),
            ..rig.transfer(file, b"hello")
        };
        assert_eq!(cpu.nt_write(&write), NtStatus::PENDING);
        for thread in threads {
            assert_eq!(cpu.nt_wait_for(thread, TimeOut::Never), Ok(true));
        }
        assert_eq!(*packets.borrow(), 1);
    });
}

#[test]
fn an_exception_ends_the_process_with_its_code() {
    under_all_schedules(|cpu, rig| {
        let (reader, writer) = rig.pipes.create_anonymous(cpu, 16).expect("a pipe");
        let body = |cpu: &Cpu<'_>| {
            cpu.unhandled_exception(0xC000_0005);
            unreachable!("it does not come back")
        };
        let process = cpu
            .nt_create_process(&[writer], Box::new(body))
            .expect("a process");
        cpu.nt_close(writer).expect("its handle");
        assert_eq!(cpu.nt_wait_for(process, TimeOut::Never), Ok(true));
        assert_eq!(cpu.nt_exit_code(process), Ok(0xC000_0005));
        // Its handle was the last of that end.
        assert_eq!(rig.read(cpu, reader, 1).0, status::PIPE_BROKEN);
    });
}

#[test]
fn a_thread_outside_of_a_process_has_no_handles() {
    let world = World::new();
    let cpu = world.system();
    assert_eq!(cpu.nt_create_event(true, false), Err(NtStatus::INVALID_HANDLE));
    assert_eq!(cpu.nt_close(Handle(4)), Err(NtStatus::INVALID_HANDLE));
    let options = FileOptions::new(FileAccess::READ, true);
    let device = world.device(nt_model::Script::default());
    let opened = cpu.open_device(device, options, FileFlags::default());
    assert_eq!(opened, Err(NtStatus::INVALID_HANDLE));
}

#[test]
fn an_offset_that_makes_no_sense_is_refused_before_the_event_is_touched() {
    under_all_schedules(|cpu, rig| {
        let event = cpu.nt_create_event(true, true).expect("an event");
        for (synchronous, offset) in [(true, -3), (false, -3), (false, -2), (true, i64::MIN)] {
            let write = NtTransfer {
                event: Some(event),
                offset: Some(offset),
                ..rig.transfer(rig.file(cpu, "file", synchronous), b"hello")
            };
            assert_eq!(cpu.nt_write(&write), NtStatus::INVALID_PARAMETER);
            assert_eq!(cpu.nt_wait_for(event, TimeOut::AtOnce), Ok(true));
            assert_eq!(rig.world.block(write.status_block).writes, 0);
        }
    });
}
