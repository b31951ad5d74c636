//! The services of the file object.

use kswrite_core::{FileFlags, FileObjects, IoStatus, NtStatus};

use crate::kernel::Cpu;
use crate::pool::Pool;

impl FileObjects for Cpu {
    type Event = u32;
    type PortContext = usize;
    type StatusBlock = u32;

    #[inline(never)]
    fn file_flags(&self, (): ()) -> FileFlags {
        FileFlags(self.0.file.flags.get())
    }

    fn related_device(&self, (): ()) {}

    #[inline(never)]
    fn current_byte_offset(&self, (): ()) -> i64 {
        self.0.file.position.get()
    }

    #[inline(never)]
    fn set_current_byte_offset(&self, (): (), offset: i64) {
        self.0.file.position.set(offset);
    }

    #[inline(never)]
    fn locked_length(&self, _pages: usize) -> usize {
        usize::MAX
    }

    #[inline(never)]
    fn has_completion_port(&self, (): ()) -> bool {
        self.0.file.port.get()
    }

    #[inline(never)]
    fn completes_deferred(&self) -> bool {
        self.0.file.deferred.get()
    }

    #[inline(never)]
    fn clear_event(&self, event: u32) {
        self.0.events[event as usize].set(false);
    }

    #[inline(never)]
    fn clear_file_event(&self, (): ()) {
        self.0.file.event.set(false);
    }

    #[inline(never)]
    fn count_operation(&self) {
        Pool::count(&self.0.file.operations);
    }

    #[inline(never)]
    fn count_transfer(&self, bytes: usize) {
        let transferred = &self.0.file.transferred;
        transferred.set(transferred.get() + bytes as u64);
    }

    #[inline(never)]
    fn store_status(&self, block: u32, io: IoStatus) {
        self.0.status_blocks[block as usize].set(io);
    }

    #[inline(never)]
    fn load_status(&self, block: u32) -> IoStatus {
        self.0.status_blocks[block as usize].get()
    }

    #[inline(never)]
    fn set_event(&self, event: u32) {
        Pool::count(&self.0.locks);
        self.0.events[event as usize].set(true);
    }

    #[inline(never)]
    fn set_file_event(&self, (): ()) {
        Pool::count(&self.0.locks);
        self.0.file.event.set(true);
    }

    #[inline(never)]
    fn set_final_status(&self, (): (), status: NtStatus) {
        self.0.file.final_status.set(status.0);
    }

    #[inline(never)]
    fn post_packet(&self, (): (), _context: usize, _io: IoStatus) {
        Pool::count(&self.0.locks);
    }
}
