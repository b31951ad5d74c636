//! Pipes, anonymous and named, and connected stream sockets, which are pipes without a wait for the reader.

use std::{cell::RefCell, rc::Rc};

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus};

use super::{
    handle::{FileAccess, FileOptions, Handle},
    pipe_instance::{CLIENT, Instance, Nature, Phase, SERVER, Table},
    pipe_queue::Done,
    status,
    transfer::FO_NAMED_PIPE,
};
use crate::{Arrived, Cpu, DeviceId, FileId, IrpId, Reply, Routines, World};

/// Bytes that a socket takes before anybody reads them.
const SOCKET_BYTES: usize = 1 << 16;
/// Bytes of the buffer of an anonymous pipe that names no size.
const DEFAULT_BYTES: usize = 4096;

/// NtCreateNamedPipeFile: one instance, for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeOptions<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is of messages, and its server reads by message.
    pub messages: bool,
    /// Whether the server's handle is synchronous.
    pub synchronous: bool,
    /// Bytes of each buffer.
    pub quota: u32,
}

/// The named pipe file system.
pub struct Pipes {
    device: DeviceId,
    instances: Rc<Instances>,
}

#[derive(Default)]
struct Instances(RefCell<Table>);

impl Instances {
    /// Does something with an end; then the requests that it ended are completed.
    fn with_end<R>(
        &self,
        cpu: &Cpu<'_>,
        file: FileId,
        f: impl FnOnce(&mut Instance, usize, &mut Vec<Done>) -> Result<R, NtStatus>,
    ) -> Result<R, NtStatus> {
        let mut done = Vec::new();
        let result = {
            let mut table = self.0.borrow_mut();
            let (instance, end) = table.end(file)?;
            f(instance, end, &mut done)
        };
        complete(cpu, done);
        result
    }
}

/// Nothing of a pipe may be borrowed here: whatever the ends of requests set off may come back to it.
fn complete(cpu: &Cpu<'_>, done: Vec<Done>) {
    for one in done {
        if !one.bytes.is_empty() {
            cpu.give_bytes(one.irp, one.bytes);
        }
        cpu.complete_claimed(one.irp, one.io);
    }
}

impl Routines for Instances {
    fn write(&self, cpu: &Cpu<'_>, write: &Arrived) -> Reply {
        let written = cpu.bytes_of(write).and_then(|bytes| {
            self.with_end(cpu, write.file, |instance, end, done| {
                instance.write(cpu, end, write, bytes, done)
            })
        });
        match written {
            Ok(Some(io)) => Reply::Complete(io),
            Ok(None) => Reply::Keep,
            Err(status) => Reply::Complete(IoStatus::failed(status)),
        }
    }

    fn read(&self, cpu: &Cpu<'_>, read: &Arrived) -> Reply {
        let done = self.with_end(cpu, read.file, |instance, end, done| {
            instance.read(cpu, end, read, done)
        });
        match done {
            Ok(Some((io, bytes))) => {
                cpu.give_bytes(read.irp, bytes);
                Reply::Complete(io)
            }
            Ok(None) => Reply::Keep,
            Err(status) => Reply::Complete(IoStatus::failed(status)),
        }
    }

    fn cancelled(&self, cpu: &Cpu<'_>, irp: IrpId) -> usize {
        let mut done = Vec::new();
        {
            let mut table = self.0.borrow_mut();
            let instances = table.instances.iter_mut();
            let queues = instances.flat_map(|instance| &mut instance.queues);
            queues.for_each(|queue| queue.forget(cpu, irp, &mut done));
        }
        complete(cpu, done);
        0
    }

    fn clean_up(&self, cpu: &Cpu<'_>, file: FileId) {
        let closed = self.with_end(cpu, file, |instance, end, done| {
            instance.close(cpu, end, done);
            Ok(())
        });
        if closed.is_ok() {
            self.0.borrow_mut().opens.remove(&file);
        }
    }
}

impl Pipes {
    /// Without any.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let instances = Rc::new(Instances::default());
        let routines = Rc::clone(&instances) as Rc<dyn Routines>;
        let device = world.device_with(BufferMethod::Buffered, None, routines);
        Self { device, instances }
    }

    fn add(&self, instance: Instance) -> usize {
        let mut table = self.instances.0.borrow_mut();
        table.instances.push(instance);
        table.instances.len() - 1
    }

    fn open_end(
        &self,
        cpu: &Cpu<'_>,
        instance: usize,
        end: usize,
        options: FileOptions,
        flags: FileFlags,
    ) -> Result<Handle, NtStatus> {
        let (handle, file) = cpu.open_device(self.device, options, flags)?;
        let mut table = self.instances.0.borrow_mut();
        table.opens.insert(file, (instance, end));
        if let Ok((instance, end)) = table.end(file)
            && let Some(end) = instance.ends.get_mut(end)
        {
            end.open = true;
        }
        Ok(handle)
    }

    /// NtCreateNamedPipeFile: the server's end.
    ///
    /// # Errors
    ///
    /// `STATUS_INSTANCE_NOT_AVAILABLE`: the name has its one instance.
    pub fn create(&self, cpu: &Cpu<'_>, pipe: &PipeOptions<'_>) -> Result<Handle, NtStatus> {
        if self.find(pipe.name, |_| true).is_some() {
            return Err(status::INSTANCE_NOT_AVAILABLE);
        }
        let name = Some(pipe.name.to_owned());
        let mut instance = Instance::new(name, Nature::Pipe, pipe.messages, pipe.quota as usize);
        instance.phase = Phase::Listening;
        let [server, _] = &mut instance.ends;
        server.by_message = pipe.messages;
        let options = FileOptions::new(FileAccess::READ_WRITE, pipe.synchronous);
        self.open_end(cpu, self.add(instance), SERVER, options, FO_NAMED_PIPE)
    }

    fn find(&self, name: &str, wanted: impl Fn(&Instance) -> bool) -> Option<usize> {
        let table = self.instances.0.borrow();
        table.instances.iter().position(|instance| {
            let named = instance.name.as_deref();
            let server = instance.end(SERVER).open;
            server && named.is_some_and(|named| named.eq_ignore_ascii_case(name)) && wanted(instance)
        })
    }

    /// NtCreateFile of the client's end. It reads bytes.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND`; `STATUS_PIPE_NOT_AVAILABLE`: it has a client.
    pub fn open(&self, cpu: &Cpu<'_>, name: &str, options: FileOptions) -> Result<Handle, NtStatus> {
        let any = self.find(name, |_| true);
        any.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        let listening = self.find(name, |instance| instance.phase == Phase::Listening);
        let number = listening.ok_or(status::PIPE_NOT_AVAILABLE)?;
        if let Some(instance) = self.instances.0.borrow_mut().instances.get_mut(number) {
            instance.phase = Phase::Connected;
        }
        self.open_end(cpu, number, CLIENT, options, FO_NAMED_PIPE)
    }

    /// CreatePipe: the reading and the writing end, both synchronous.
    ///
    /// # Errors
    ///
    /// The thread has no process.
    pub fn create_anonymous(&self, cpu: &Cpu<'_>, bytes: u32) -> Result<(Handle, Handle), NtStatus> {
        let quota = if bytes == 0 { DEFAULT_BYTES } else { bytes as usize };
        let number = self.add(Instance::new(None, Nature::Pipe, false, quota));
        let reader = FileOptions::new(FileAccess::READ, true);
        let writer = FileOptions::new(FileAccess::WRITE, true);
        Ok((
            self.open_end(cpu, number, SERVER, reader, FO_NAMED_PIPE)?,
            self.open_end(cpu, number, CLIENT, writer, FO_NAMED_PIPE)?,
        ))
    }

    /// Two connected stream sockets, asynchronous.
    ///
    /// # Errors
    ///
    /// The thread has no process.
    pub fn socket_pair(&self, cpu: &Cpu<'_>) -> Result<(Handle, Handle), NtStatus> {
        let number = self.add(Instance::new(None, Nature::Socket, false, SOCKET_BYTES));
        let options = FileOptions::new(FileAccess::READ_WRITE, false);
        let no_flags = FileFlags::default();
        Ok((
            self.open_end(cpu, number, SERVER, options, no_flags)?,
            self.open_end(cpu, number, CLIENT, options, no_flags)?,
        ))
    }

    /// `FSCTL_PIPE_DISCONNECT`, by the server.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_INVALID_DEVICE_REQUEST`: it is no server's end of a pipe.
    pub fn disconnect(&self, cpu: &Cpu<'_>, server: Handle) -> Result<(), NtStatus> {
        let file = cpu.file_of(server)?;
        self.instances.with_end(cpu, file, |instance, end, done| {
            if end != SERVER {
                return Err(NtStatus::INVALID_DEVICE_REQUEST);
            }
            instance.disconnect(cpu, done);
            Ok(())
        })
    }

    /// NtSetInformationFile with `FilePipeInformation`: whether an end reads by message, and whether it waits.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_INVALID_DEVICE_REQUEST`: it is no end of a pipe; `STATUS_INVALID_READ_MODE`:
    /// messages, of a pipe of bytes.
    pub fn set_modes(
        &self,
        cpu: &Cpu<'_>,
        pipe: Handle,
        by_message: bool,
        waits: bool,
    ) -> Result<(), NtStatus> {
        let file = cpu.file_of(pipe)?;
        self.instances.with_end(cpu, file, |instance, end, _| {
            if by_message && !instance.messages {
                return Err(status::INVALID_READ_MODE);
            }
            if let Some(end) = instance.ends.get_mut(end) {
                (end.by_message, end.waits) = (by_message, waits);
            }
            Ok(())
        })
    }
}
