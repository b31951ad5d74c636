//! The calls of Windows.

use std::sync::Arc;

use kswrite_client::Win32Error;
use kswrite_conform::Venue;
use kswrite_conform::faces::Faces;
use kswrite_conform::win32::{
    Body, Buffer, Count, Data, From, Handle, NamedPipe, NtWrite, Open, Ov, Overlapped, OverlappedState,
    Packet, Patience, Protection, Resource, Returned, Routine, Waited, Win32,
};
use kswrite_core::NtStatus;
use kswrite_wire::sink::{Script, State};

use super::case::Case;
use super::{devices, files, pipes, processes, transfer, waiting};

/// The calls of Windows, for one thread of a case.
pub(super) struct Native(Arc<Case>);

impl Native {
    pub(super) const fn new(case: Arc<Case>) -> Self {
        Self(case)
    }

    pub(super) fn case(&self) -> &Case {
        &self.0
    }
}

impl Win32 for Native {
    fn venue(&self) -> Venue {
        self.0.venue
    }

    fn faces(&self) -> &dyn Faces {
        self
    }

    fn buffer(&self, bytes: &[u8]) -> Buffer {
        self.0.memory.buffer(bytes)
    }

    fn set_bytes(&self, buffer: Buffer, offset: usize, bytes: &[u8]) {
        self.0.memory.set_bytes(buffer, offset, bytes);
    }

    fn bytes(&self, buffer: Buffer) -> Vec<u8> {
        self.0.memory.bytes(buffer)
    }

    fn protect(&self, buffer: Buffer, protection: Protection) {
        self.0.memory.protect(buffer, protection);
    }

    fn overlapped(&self, content: &Overlapped) -> Ov {
        self.0.memory.overlapped(content)
    }

    fn overlapped_state(&self, overlapped: Ov) -> OverlappedState {
        self.0.memory.overlapped_state(overlapped)
    }

    fn scratch_path(&self, name: &str) -> String {
        self.0.folder.join(name).display().to_string()
    }

    fn create_file(&self, path: &str, open: Open) -> Result<Handle, Win32Error> {
        files::create_file(&self.0, path, open)
    }

    fn close(&self, handle: Handle) -> Result<(), Win32Error> {
        self.0.close(handle)
    }

    fn duplicate(&self, handle: Handle) -> Result<Handle, Win32Error> {
        files::duplicate(&self.0, handle)
    }

    fn file_size(&self, file: Handle) -> Result<u64, Win32Error> {
        files::file_size(file)
    }

    fn set_file_pointer(&self, file: Handle, distance: i64, from: From) -> Result<u64, Win32Error> {
        files::set_file_pointer(file, distance, from)
    }

    fn last_write_time(&self, file: Handle) -> Result<u64, Win32Error> {
        files::last_write_time(file)
    }

    fn make_sparse(&self, file: Handle) -> Result<(), Win32Error> {
        files::make_sparse(file)
    }

    fn lock_file(&self, file: Handle, offset: u64, length: u64, exclusive: bool) -> Result<(), Win32Error> {
        files::lock_file(file, offset, length, exclusive)
    }

    fn unlock_file(&self, file: Handle, offset: u64, length: u64) -> Result<(), Win32Error> {
        files::unlock_file(file, offset, length)
    }

    fn set_notification_modes(&self, file: Handle, modes: u8) -> Result<(), Win32Error> {
        files::set_notification_modes(file, modes)
    }

    fn lock_volume(&self, volume: Handle) -> Result<(), Win32Error> {
        files::lock_volume(volume)
    }

    fn dismount_volume(&self, volume: Handle) -> Result<(), Win32Error> {
        files::dismount_volume(volume)
    }

    fn sector_bytes(&self, file: Handle) -> u32 {
        files::sector_bytes(file)
    }

    fn create_pipe(&self, bytes: u32) -> Result<(Handle, Handle), Win32Error> {
        pipes::create_pipe(&self.0, bytes)
    }

    fn create_named_pipe(&self, pipe: &NamedPipe<'_>) -> Result<Handle, Win32Error> {
        pipes::create_named_pipe(&self.0, pipe)
    }

    fn disconnect_named_pipe(&self, server: Handle) -> Result<(), Win32Error> {
        pipes::disconnect_named_pipe(server)
    }

    fn set_pipe_wait(&self, pipe: Handle, message: bool, waits: bool) -> Result<(), Win32Error> {
        pipes::set_pipe_wait(pipe, message, waits)
    }

    fn socket_pair(&self) -> Result<(Handle, Handle), Win32Error> {
        pipes::socket_pair(&self.0)
    }

    fn create_mailslot(&self, name: &str) -> Result<Handle, Win32Error> {
        pipes::create_mailslot(&self.0, name)
    }

    fn console_cursor(&self, console: Handle) -> Result<(i16, i16), Win32Error> {
        pipes::console_cursor(console)
    }

    fn set_comm_write_timeout(&self, comm: Handle, milliseconds: u32) -> Result<(), Win32Error> {
        pipes::set_comm_write_timeout(comm, milliseconds)
    }

    fn write_file(
        &self,
        file: Handle,
        data: Data,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Returned {
        transfer::write_file(&self.0, file, data, length, count, overlapped)
    }

    fn read_file(
        &self,
        file: Handle,
        into: Buffer,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Returned {
        transfer::read_file(&self.0, file, into, length, count, overlapped)
    }

    fn write_file_ex(&self, file: Handle, data: Data, length: u32, overlapped: Ov) -> Returned {
        transfer::write_file_ex(&self.0, file, data, length, overlapped)
    }

    fn nt_write_file(&self, write: &NtWrite) -> NtStatus {
        transfer::nt_write_file(&self.0, write)
    }

    fn get_overlapped_result(&self, file: Handle, overlapped: Ov, wait: bool) -> Returned {
        transfer::get_overlapped_result(&self.0, file, overlapped, wait)
    }

    fn cancel_io(&self, file: Handle) -> Returned {
        transfer::cancel_io(file)
    }

    fn cancel_io_ex(&self, file: Handle, overlapped: Option<Ov>) -> Returned {
        transfer::cancel_io_ex(&self.0, file, overlapped)
    }

    fn cancel_synchronous_io(&self, thread: Handle) -> Returned {
        transfer::cancel_synchronous_io(thread)
    }

    fn create_event(&self, manual_reset: bool, signalled: bool) -> Result<Handle, Win32Error> {
        waiting::create_event(&self.0, manual_reset, signalled)
    }

    fn set_event(&self, event: Handle, signalled: bool) -> Result<(), Win32Error> {
        waiting::set_event(event, signalled)
    }

    fn wait(&self, object: Handle, patience: Patience) -> Result<Waited, Win32Error> {
        waiting::wait(object, patience)
    }

    fn sleep(&self, patience: Patience) -> Vec<Routine> {
        waiting::sleep(&self.0, patience)
    }

    fn create_port(&self) -> Result<Handle, Win32Error> {
        waiting::create_port(&self.0)
    }

    fn associate(&self, file: Handle, port: Handle, key: u64) -> Result<(), Win32Error> {
        waiting::associate(file, port, key)
    }

    fn dequeue(&self, port: Handle, patience: Patience) -> Result<Option<Packet>, Win32Error> {
        waiting::dequeue(&self.0, port, patience)
    }

    fn spawn(&self, body: Body) -> Result<Handle, Win32Error> {
        processes::spawn(&self.0, body)
    }

    fn spawn_process(&self, role: &str, handles: &[Handle]) -> Result<Handle, Win32Error> {
        processes::spawn_process(&self.0, role, handles)
    }

    fn exit_code(&self, process: Handle) -> Result<u32, Win32Error> {
        processes::exit_code(process)
    }

    fn set_script(&self, sink: Handle, script: &Script) -> Result<(), String> {
        devices::set_script(sink, script)
    }

    fn release(&self, sink: Handle) -> Result<u32, String> {
        devices::release(sink)
    }

    fn sink_state(&self, sink: Handle) -> Result<State, String> {
        devices::state(sink)
    }

    fn exhaust(&self, resource: Resource) -> Result<(), String> {
        devices::exhaust(self.0.venue, self.0.filtered, resource)
    }
}
