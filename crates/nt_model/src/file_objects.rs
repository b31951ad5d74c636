//! The services for file objects and events.

use kswrite_core::{FileFlags, FileObjects, IoStatus, NtStatus};

use crate::{BlockId, Cpu, DeviceId, EventId, FileId, Irql, MdlId, PortContext, trace::io_args};

impl FileObjects for Cpu<'_> {
    type Event = EventId;
    type PortContext = PortContext;
    type StatusBlock = BlockId;

    fn file_flags(&self, file: FileId) -> FileFlags {
        self.with(|state| state.live_file(file, "FILE_OBJECT.Flags").flags)
    }

    fn related_device(&self, file: FileId) -> DeviceId {
        // Every write to a file object comes by here, so this is where its IRQL is checked.
        self.enter("IoGetRelatedDeviceObject", Irql::Passive, &[file.into()]);
        let device = self.with(|state| state.live_file(file, "IoGetRelatedDeviceObject").device);
        self.world().top_of(device)
    }

    fn current_byte_offset(&self, file: FileId) -> i64 {
        self.enter("read CurrentByteOffset", Irql::Passive, &[file.into()]);
        self.with(|state| state.live_file(file, "FILE_OBJECT.CurrentByteOffset").position)
    }

    fn set_current_byte_offset(&self, file: FileId, offset: i64) {
        let args = [file.into(), offset.into()];
        self.enter("write CurrentByteOffset", Irql::Dispatch, &args);
        self.with(|state| state.live_file(file, "FILE_OBJECT.CurrentByteOffset").position = offset);
    }

    fn locked_length(&self, pages: MdlId) -> usize {
        self.with(|state| state.mdl_length(pages))
    }

    fn has_completion_port(&self, file: FileId) -> bool {
        self.with(|state| {
            state
                .live_file(file, "FILE_OBJECT.CompletionContext")
                .port
                .is_some()
        })
    }

    fn completes_deferred(&self) -> bool {
        self.with(|state| state.defers)
    }

    fn clear_event(&self, event: EventId) {
        self.enter("KeClearEvent", Irql::Dispatch, &[event.into()]);
        self.with(|state| state.change_event(event, false, "KeClearEvent"));
    }

    fn clear_file_event(&self, file: FileId) {
        self.enter("KeClearEvent", Irql::Dispatch, &[file.into()]);
        self.with(|state| state.change_file_event(file, false, "KeClearEvent"));
    }

    fn count_operation(&self) {
        self.with(|state| state.count(|counters| counters.write_operations += 1));
    }

    fn count_transfer(&self, bytes: usize) {
        self.with(|state| state.count(|counters| counters.write_bytes += bytes as u64));
    }

    fn store_status(&self, block: BlockId, io: IoStatus) {
        let [status, bytes] = io_args(io);
        self.enter("store status", Irql::Dispatch, &[block.into(), status, bytes]);
        self.with(|state| state.store_block(block, io));
    }

    fn load_status(&self, block: BlockId) -> IoStatus {
        self.enter("load status", Irql::Dispatch, &[block.into()]);
        self.with(|state| state.load_block(block))
    }

    fn set_event(&self, event: EventId) {
        self.enter("KeSetEvent", Irql::Dispatch, &[event.into()]);
        self.with(|state| state.change_event(event, true, "KeSetEvent"));
    }

    fn set_file_event(&self, file: FileId) {
        self.enter("KeSetEvent", Irql::Dispatch, &[file.into()]);
        self.with(|state| state.change_file_event(file, true, "KeSetEvent"));
    }

    fn set_final_status(&self, file: FileId, status: NtStatus) {
        self.enter("write FinalStatus", Irql::Dispatch, &[file.into(), status.into()]);
        self.with(|state| state.live_file(file, "FILE_OBJECT.FinalStatus").final_status = status);
    }

    fn post_packet(&self, file: FileId, context: PortContext, io: IoStatus) {
        let [status, bytes] = io_args(io);
        self.enter("IoSetIoCompletion", Irql::Dispatch, &[file.into(), status, bytes]);
        self.with(|state| state.queue_packet(file, context, io, None));
    }
}
