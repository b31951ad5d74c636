//! `FastIoWrite` routines.

use kswrite_core::{Data, FileFlags, IoStatus, NtStatus, ProcessorMode, WriteCall, fast};

use crate::{
    Address, Cpu, DeviceId, Finding, Irql, Service,
    device::{FastRoutine, FastWriteRoutine, Kind},
    seen::{Came, FastArguments, Seen},
    state::State,
};

impl State {
    /// What must hold whatever the routine does.
    fn check_fast(
        &mut self,
        routine: FastWriteRoutine,
        device: DeviceId,
        user: bool,
        previous: ProcessorMode,
    ) {
        if user && previous == ProcessorMode::Kernel {
            self.find(Finding::FastIoTrustsUser { device });
        }
        if self.devices[device].driver != routine.0 {
            self.find(Finding::ForeignDevice { device });
        }
    }

    fn see_fast(&mut self, cpu: &Cpu<'_>, device: DeviceId, arguments: FastArguments) {
        let file = arguments.file.map(|file| self.files[file]);
        let seen = Seen {
            came: Came::Fast(arguments),
            thread: cpu.thread(),
            irql: self.threads[cpu.thread()].irql,
            bytes: Ok(Vec::new()),
            bytes_at_end: None,
            ended: None,
            event_signalled: None,
            file_signalled: file.map(|file| file.signalled),
            file_pointers: file.map(|file| file.pointers),
            event_pointers: None,
            on_thread_list: false,
            page_locks: None,
        };
        self.devices[device].seen.push(seen);
    }

    /// What the routine of a device says of the write that it saw last.
    fn end_fast(&mut self, device: DeviceId, kind: Kind, io: IoStatus) {
        if let Some(seen) = self.devices[device].seen.last_mut()
            && kind == Kind::Scripted
        {
            seen.ended = Some(io);
        }
    }

    /// The routine touches the address that it was given.
    fn take_fast(&mut self, device: DeviceId, from: Address, length: u32) -> Result<IoStatus, NtStatus> {
        let most = self.devices[device].script.takes.unwrap_or(length).min(length) as usize;
        let bytes = match self.memory.read(from, most) {
            Ok(bytes) => bytes,
            Err(unreadable) => return Err(self.raise(unreadable)),
        };
        let target = &mut self.devices[device];
        target.accepted.extend_from_slice(&bytes);
        let io = IoStatus {
            status: NtStatus::SUCCESS,
            information: bytes.len(),
        };
        if let Some(seen) = target.seen.last_mut() {
            seen.bytes_at_end = Some(bytes.clone());
            seen.bytes = Ok(bytes);
        }
        Ok(io)
    }
}

impl Cpu<'_> {
    /// Calls a routine. `aliased`: its offset is the `CurrentByteOffset` of the file object itself.
    pub(crate) fn call_fast(
        &self,
        routine: FastWriteRoutine,
        call: &WriteCall<Cpu<'_>>,
        buffer: Address,
        aliased: bool,
    ) -> Result<Option<IoStatus>, NtStatus> {
        let device = call.device;
        self.enter(
            "FastIoWrite",
            Irql::Apc,
            &[device.into(), buffer.into(), call.length.into()],
        );
        self.fault(Service::FastWrite)?;
        let user = call.mode == ProcessorMode::User;
        let previous = self.previous_mode_of_thread();
        let arguments = FastArguments {
            file: call.file,
            offset: call.offset,
            length: call.length,
            wait: call.may_wait,
            key: call.key,
            buffer,
        };
        let kind = self.with(|state| {
            state.check_fast(routine, device, user, previous);
            state.see_fast(self, device, arguments);
            state.devices[device].kind
        });
        let answer = match kind {
            Kind::Scripted => self.scripted_fast(device, arguments, aliased),
            Kind::Driven => match self.routines_of(device) {
                Some(routines) => routines.fast_write(self, &arguments),
                None => Ok(None),
            },
            Kind::Filter | Kind::PassThrough(_) => self.forward_fast(device, call, buffer),
        };
        let result = match answer {
            Ok(Some(io)) => {
                self.with(|state| state.end_fast(device, kind, io));
                io.status
            }
            Ok(None) => {
                self.note("  FastIoWrite returned FALSE", &[]);
                return answer;
            }
            Err(raised) => raised,
        };
        self.note("  FastIoWrite ended", &[result.into()]);
        answer
    }

    fn scripted_fast(
        &self,
        device: DeviceId,
        arguments: FastArguments,
        aliased: bool,
    ) -> Result<Option<IoStatus>, NtStatus> {
        let script = self.with(|state| state.devices[device].script);
        let nothing = IoStatus {
            status: NtStatus::SUCCESS,
            information: 0,
        };
        let flags = arguments
            .file
            .map(|file| self.with(|state| state.files[file].flags));
        match script.fast {
            FastRoutine::Decline => Ok(None),
            FastRoutine::Answer(io) => Ok(Some(io)),
            FastRoutine::Raise(status) => Err(status),
            FastRoutine::AcceptAsFileSystem if arguments.length == 0 => Ok(Some(nothing)),
            FastRoutine::AcceptAsFileSystem if flags.is_some_and(FileFlags::is_write_through) => Ok(None),
            FastRoutine::Accept | FastRoutine::AcceptAsFileSystem => {
                let io = self.with(|state| state.take_fast(device, arguments.buffer, arguments.length))?;
                if script.moves_position && io.information > 0 {
                    self.move_fast(arguments, io.information, aliased);
                }
                Ok(Some(io))
            }
        }
    }

    fn move_fast(&self, arguments: FastArguments, written: usize, aliased: bool) {
        self.with(|state| {
            state.move_position(arguments.file, arguments.offset, written);
            let Some(file) = arguments.file else { return };
            // The routine looks at its argument once more: it must still say where this write began.
            let now = if aliased {
                state.files[file].position
            } else {
                arguments.offset
            };
            if now != arguments.offset {
                state.find(Finding::OffsetAliased { file });
            }
        });
    }

    /// The routine of a filter: the write goes on to the routine of the device below, if there is one.
    fn forward_fast(
        &self,
        device: DeviceId,
        call: &WriteCall<Cpu<'_>>,
        buffer: Address,
    ) -> Result<Option<IoStatus>, NtStatus> {
        let Some(lower) = self.with(|state| state.devices[device].lower) else {
            return Ok(None);
        };
        let Ok(routine) = fast::routine(self, lower) else {
            return Ok(None);
        };
        self.with(|state| state.devices[device].statistics.forwarded_fast());
        let call = WriteCall {
            device: lower,
            data: Data::Raw(buffer),
            file: call.file,
            ..*call
        };
        self.call_fast(routine, &call, buffer, false)
    }
}
