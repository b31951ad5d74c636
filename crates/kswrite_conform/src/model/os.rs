//! The calls of a thread of a case.

use std::rc::Rc;

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_wire::sink::{Script, State};
use nt_model::{Cpu, Fault, Service, user::PipeOptions};

use super::{
    error::win32_error,
    kernel32::{Call, Direction, bool_of, nt, overlapped_of, time_out},
    machine::Machine,
};
use crate::{
    Venue, cases,
    faces::Faces,
    win32::{
        Body, Buffer, Count, Data, From, Handle, NamedPipe, NtWrite, Open, Ov, Overlapped, OverlappedState,
        Packet, Patience, Protection, Resource, Returned, Routine, Waited, Win32,
    },
};

/// `ERROR_NEGATIVE_SEEK`.
const NEGATIVE_SEEK: Win32Error = Win32Error(131);
/// `ERROR_FILE_NOT_FOUND`.
const FILE_NOT_FOUND: Win32Error = Win32Error(2);

/// A thread of a case.
pub(super) struct ModelThread<'a> {
    pub(super) cpu: &'a Cpu<'a>,
    pub(super) machine: Rc<Machine>,
}

impl<'a> ModelThread<'a> {
    pub(super) fn new(cpu: &'a Cpu<'a>, machine: Rc<Machine>) -> Self {
        Self { cpu, machine }
    }
}

/// A handle as a case knows it.
fn made(handle: nt_model::user::Handle) -> Handle {
    Handle(handle.0)
}

fn new(handle: Result<nt_model::user::Handle, NtStatus>) -> Result<Handle, Win32Error> {
    handle.map(made).map_err(win32_error)
}

fn both(
    handles: Result<(nt_model::user::Handle, nt_model::user::Handle), NtStatus>,
) -> Result<(Handle, Handle), Win32Error> {
    handles.map(|(a, b)| (made(a), made(b))).map_err(win32_error)
}

impl Win32 for ModelThread<'_> {
    fn venue(&self) -> Venue {
        Venue::Model
    }

    fn faces(&self) -> &dyn Faces {
        self
    }

    fn buffer(&self, bytes: &[u8]) -> Buffer {
        self.machine.buffer(bytes)
    }

    fn set_bytes(&self, buffer: Buffer, offset: usize, bytes: &[u8]) {
        self.machine.set_bytes(buffer, offset, bytes);
    }

    fn bytes(&self, buffer: Buffer) -> Vec<u8> {
        self.machine.bytes(buffer)
    }

    fn protect(&self, buffer: Buffer, protection: Protection) {
        self.machine.protect(buffer, protection);
    }

    fn overlapped(&self, content: &Overlapped) -> Ov {
        self.machine.new_overlapped(*content)
    }

    fn overlapped_state(&self, overlapped: Ov) -> OverlappedState {
        let cell = self.machine.overlapped(overlapped);
        let io = self.machine.world.block(cell.block).io;
        OverlappedState {
            internal: io.status.0.cast_unsigned().into(),
            internal_high: io.information as u64,
            offset: cell.content.offset,
        }
    }

    fn scratch_path(&self, name: &str) -> String {
        format!(r"C:\case\{name}")
    }

    fn create_file(&self, path: &str, open: Open) -> Result<Handle, Win32Error> {
        new(self.machine.open(self.cpu, path, open))
    }

    fn close(&self, handle: Handle) -> Result<(), Win32Error> {
        self.cpu.nt_close(nt(handle)).map_err(win32_error)
    }

    fn duplicate(&self, handle: Handle) -> Result<Handle, Win32Error> {
        new(self.cpu.nt_duplicate(nt(handle)))
    }

    fn file_size(&self, file: Handle) -> Result<u64, Win32Error> {
        self.machine.disk.size(self.cpu, nt(file)).map_err(win32_error)
    }

    fn set_file_pointer(&self, file: Handle, distance: i64, from: From) -> Result<u64, Win32Error> {
        let start = match from {
            From::Begin => 0,
            From::Current => self.cpu.nt_position(nt(file)).map_err(win32_error)?,
            From::End => self.file_size(file)?.cast_signed(),
        };
        let position = start.saturating_add(distance);
        let unsigned = u64::try_from(position).map_err(|_| NEGATIVE_SEEK)?;
        let set = self.cpu.nt_set_position(nt(file), position);
        set.map(|()| unsigned).map_err(win32_error)
    }

    fn last_write_time(&self, file: Handle) -> Result<u64, Win32Error> {
        self.machine
            .disk
            .last_write(self.cpu, nt(file))
            .map_err(win32_error)
    }

    fn make_sparse(&self, file: Handle) -> Result<(), Win32Error> {
        // Every file of the model is.
        self.file_size(file).map(|_| ())
    }

    fn lock_file(&self, file: Handle, offset: u64, length: u64, exclusive: bool) -> Result<(), Win32Error> {
        let locked = self
            .machine
            .disk
            .lock(self.cpu, nt(file), offset, length, exclusive);
        locked.map_err(win32_error)
    }

    fn unlock_file(&self, file: Handle, offset: u64, length: u64) -> Result<(), Win32Error> {
        let unlocked = self.machine.disk.unlock(self.cpu, nt(file), offset, length);
        unlocked.map_err(win32_error)
    }

    fn set_notification_modes(&self, file: Handle, modes: u8) -> Result<(), Win32Error> {
        let set = self.cpu.nt_set_notification_modes(nt(file), modes);
        set.map_err(win32_error)
    }

    fn lock_volume(&self, volume: Handle) -> Result<(), Win32Error> {
        let locked = self.machine.volume().lock(self.cpu, nt(volume));
        locked.map_err(win32_error)
    }

    fn dismount_volume(&self, volume: Handle) -> Result<(), Win32Error> {
        let done = self.machine.volume().dismount(self.cpu, nt(volume));
        done.map_err(win32_error)
    }

    fn sector_bytes(&self, _file: Handle) -> u32 {
        self.machine.disk.sector_bytes()
    }

    fn create_pipe(&self, bytes: u32) -> Result<(Handle, Handle), Win32Error> {
        both(self.machine.pipes.create_anonymous(self.cpu, bytes))
    }

    fn create_named_pipe(&self, pipe: &NamedPipe<'_>) -> Result<Handle, Win32Error> {
        let options = PipeOptions {
            name: pipe.name,
            messages: pipe.message,
            synchronous: !pipe.overlapped,
            quota: pipe.quota,
        };
        new(self.machine.pipes.create(self.cpu, &options))
    }

    fn disconnect_named_pipe(&self, server: Handle) -> Result<(), Win32Error> {
        let done = self.machine.pipes.disconnect(self.cpu, nt(server));
        done.map_err(win32_error)
    }

    fn set_pipe_wait(&self, pipe: Handle, message: bool, waits: bool) -> Result<(), Win32Error> {
        let set = self.machine.pipes.set_modes(self.cpu, nt(pipe), message, waits);
        set.map_err(win32_error)
    }

    fn socket_pair(&self) -> Result<(Handle, Handle), Win32Error> {
        both(self.machine.pipes.socket_pair(self.cpu))
    }

    fn create_mailslot(&self, name: &str) -> Result<Handle, Win32Error> {
        new(self.machine.mailslots.create(self.cpu, name))
    }

    fn console_cursor(&self, console: Handle) -> Result<(i16, i16), Win32Error> {
        let cursor = self.machine.console.cursor(self.cpu, nt(console));
        cursor.map_err(win32_error)
    }

    fn set_comm_write_timeout(&self, comm: Handle, milliseconds: u32) -> Result<(), Win32Error> {
        let serial = &self.machine.serial;
        let set = serial.set_write_time(self.cpu, nt(comm), milliseconds);
        set.map_err(win32_error)
    }

    fn write_file(
        &self,
        file: Handle,
        data: Data,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Returned {
        let call = Call {
            direction: Direction::Write,
            file: nt(file),
            data,
            length,
            count,
        };
        self.transfer(&call, overlapped)
    }

    fn read_file(
        &self,
        file: Handle,
        into: Buffer,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Returned {
        let call = Call {
            direction: Direction::Read,
            file: nt(file),
            data: Data::Of(into),
            length,
            count,
        };
        self.transfer(&call, overlapped)
    }

    fn write_file_ex(&self, file: Handle, data: Data, length: u32, overlapped: Ov) -> Returned {
        let call = Call {
            direction: Direction::Write,
            file: nt(file),
            data,
            length,
            count: Count::Null,
        };
        self.transfer_ex(&call, overlapped)
    }

    fn nt_write_file(&self, write: &NtWrite) -> NtStatus {
        self.native_write(write)
    }

    fn get_overlapped_result(&self, file: Handle, overlapped: Ov, wait: bool) -> Returned {
        self.overlapped_result(nt(file), overlapped, wait)
    }

    fn cancel_io(&self, file: Handle) -> Returned {
        bool_of(self.cpu.nt_cancel_io(nt(file)))
    }

    fn cancel_io_ex(&self, file: Handle, overlapped: Option<Ov>) -> Returned {
        let block = overlapped.map(|overlapped| self.machine.overlapped(overlapped).block);
        bool_of(self.cpu.nt_cancel_io_ex(nt(file), block))
    }

    fn cancel_synchronous_io(&self, thread: Handle) -> Returned {
        bool_of(self.cpu.nt_cancel_synchronous_io(nt(thread)))
    }

    fn create_event(&self, manual_reset: bool, signalled: bool) -> Result<Handle, Win32Error> {
        new(self.cpu.nt_create_event(manual_reset, signalled))
    }

    fn set_event(&self, event: Handle, signalled: bool) -> Result<(), Win32Error> {
        self.cpu.nt_set_event(nt(event), signalled).map_err(win32_error)
    }

    fn wait(&self, object: Handle, patience: Patience) -> Result<Waited, Win32Error> {
        let signalled = self.cpu.nt_wait_for(nt(object), time_out(patience));
        signalled.map_err(win32_error).map(|signalled| {
            if signalled {
                Waited::Signalled
            } else {
                Waited::TimedOut
            }
        })
    }

    fn sleep(&self, patience: Patience) -> Vec<Routine> {
        let apcs = self.cpu.nt_delay(time_out(patience)).into_iter();
        let routine = |apc: nt_model::UserApc| {
            let error = if apc.io.status.is_success() {
                Win32Error(0)
            } else {
                win32_error(apc.io.status)
            };
            Some(Routine {
                error,
                bytes: u32::try_from(apc.io.information).unwrap_or(u32::MAX),
                overlapped: overlapped_of(apc.context)?,
            })
        };
        apcs.filter_map(routine).collect()
    }

    fn create_port(&self) -> Result<Handle, Win32Error> {
        new(self.cpu.nt_create_port())
    }

    fn associate(&self, file: Handle, port: Handle, key: u64) -> Result<(), Win32Error> {
        let associated = self.cpu.nt_associate(nt(file), nt(port), key);
        associated.map_err(win32_error)
    }

    fn dequeue(&self, port: Handle, patience: Patience) -> Result<Option<Packet>, Win32Error> {
        let packet = self.cpu.nt_remove_completion(nt(port), time_out(patience));
        let packet = packet.map_err(win32_error)?;
        Ok(packet.map(|packet| Packet {
            error: (!packet.io.status.is_success()).then(|| win32_error(packet.io.status)),
            bytes: u32::try_from(packet.io.information).unwrap_or(u32::MAX),
            key: packet.key,
            overlapped: overlapped_of(packet.context.0),
        }))
    }

    fn spawn(&self, body: Body) -> Result<Handle, Win32Error> {
        let machine = Rc::clone(&self.machine);
        let body = Box::new(move |cpu: &Cpu<'_>| body(&ModelThread::new(cpu, machine)));
        new(self.cpu.nt_create_thread(body))
    }

    fn spawn_process(&self, role: &str, handles: &[Handle]) -> Result<Handle, Win32Error> {
        let found = cases::ROLES.iter().find(|(name, _)| *name == role);
        let (_, act) = *found.ok_or(FILE_NOT_FOUND)?;
        let machine = Rc::clone(&self.machine);
        let inherited: Vec<_> = handles.iter().copied().map(nt).collect();
        let handles = handles.to_vec();
        let body = Box::new(move |cpu: &Cpu<'_>| act(&ModelThread::new(cpu, machine), &handles));
        new(self.cpu.nt_create_process(&inherited, body))
    }

    fn exit_code(&self, process: Handle) -> Result<u32, Win32Error> {
        self.cpu.nt_exit_code(nt(process)).map_err(win32_error)
    }

    fn set_script(&self, sink: Handle, script: &Script) -> Result<(), String> {
        let checked = script.check();
        let checked = checked.map_err(|error| format!("the script is refused: {error:?}"))?;
        self.cpu.pause();
        let sink = self.machine.sink(self.cpu, nt(sink))?;
        sink.set_script(&self.machine.world, checked);
        Ok(())
    }

    fn release(&self, sink: Handle) -> Result<u32, String> {
        self.cpu.pause();
        Ok(self.machine.sink(self.cpu, nt(sink))?.release(self.cpu))
    }

    fn sink_state(&self, sink: Handle) -> Result<State, String> {
        self.cpu.pause();
        Ok(self.machine.sink(self.cpu, nt(sink))?.state())
    }

    fn exhaust(&self, resource: Resource) -> Result<(), String> {
        let fault = match resource {
            Resource::Irp => Fault::on(Service::AllocateIrp, 0),
            Resource::Mdl => Fault::on(Service::AllocateMdl, 0),
            Resource::Quota => Fault::on(Service::Quota, 0),
            Resource::WorkingSet => {
                Fault::on(Service::ProbeAndLock, 0).with_status(NtStatus::WORKING_SET_QUOTA)
            }
        };
        self.machine.world.inject(fault);
        Ok(())
    }
}
