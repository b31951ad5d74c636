//! The services of the real kernel, for the decisions of `kswrite_core`.
//!
//! Nothing is decided here; every method is one call.

use core::{num::NonZeroU64, ptr::NonNull};

use kmdf::{pool::NonPagedBuffer, wdk_sys::IRP, write_irp::WriteIrp};
use kswrite_core::{
    BufferMethod, Decision, Ended, FileFlags, FileObjects, FileWrite, Handoff, IoStatus, Kernel, NtStatus,
    Patience, ProcessorMode, WriteCall,
    managed::ThreadIrps,
    owned::{self, Request},
    payload::Payload,
};
use kswrite_state::record::Operation;

use crate::{
    ffi::{
        capture,
        event::Event,
        file_write::{FileWriteRequest, SentFileWrite, StatusBlock},
        guarded,
        mdl::{BorrowedMdl, OwnedMdl},
        sent::SentWrite,
        target::{File, Target},
        threaded::Watch,
    },
    slots::Slot,
    trace,
};

/// The kernel that this driver runs in, with what a write being sent takes along.
pub struct NtKernel {
    /// What is kept of the device that the write came to.
    pub slot: &'static Slot,
    /// The write of a filter's caller, if it is traced.
    pub operation: Option<Operation>,
    /// The write whose IRP is the calling thread's; `None`: the IRPs are the driver's own.
    pub watch: Option<Watch>,
}

impl NtKernel {
    /// For IRPs of the driver's own.
    pub const fn of(slot: &'static Slot) -> Self {
        Self {
            slot,
            operation: None,
            watch: None,
        }
    }
}

impl Kernel for NtKernel {
    type File = File;
    type Device = Target;
    type Address = guarded::Address;
    type LockedPages = BorrowedMdl;
    type SystemBuffer = NonPagedBuffer;
    type Mdl = OwnedMdl;
    type FastWrite = guarded::FastWrite;

    fn previous_mode(&self) -> ProcessorMode {
        guarded::previous_mode()
    }

    fn fast_table_size(&self, device: Target) -> Option<u32> {
        device.fast_table_size()
    }

    fn fast_write_slot(&self, device: Target) -> Option<guarded::FastWrite> {
        guarded::fast_write_slot(device)
    }

    fn fast_write(
        &self,
        routine: guarded::FastWrite,
        call: &WriteCall<Self>,
        address: Self::Address,
    ) -> Result<Option<IoStatus>, NtStatus> {
        guarded::fast_write(routine, call, address)
    }

    fn buffer_method(&self, device: Target) -> BufferMethod {
        device.buffer_method()
    }

    fn is_user_range(&self, address: Self::Address, length: u32) -> bool {
        guarded::probe_for_read(address, length).is_success()
    }

    fn capture(&self, address: Self::Address, length: u32) -> Result<NonPagedBuffer, NtStatus> {
        guarded::capture(address, length)
    }

    fn probe_and_lock(
        &self,
        address: Self::Address,
        length: u32,
        mode: ProcessorMode,
    ) -> Result<OwnedMdl, NtStatus> {
        OwnedMdl::lock(address, length, mode)
    }

    fn partial_mdl(&self, pages: BorrowedMdl, length: u32) -> Result<OwnedMdl, NtStatus> {
        OwnedMdl::partial(pages, length)
    }

    fn system_mdl(&self, address: Self::Address, length: u32) -> Result<OwnedMdl, NtStatus> {
        OwnedMdl::of_system_buffer(address, length)
    }

    fn mapped_address(&self, pages: BorrowedMdl) -> Option<Self::Address> {
        pages.mapped()
    }

    fn map(&self, pages: BorrowedMdl, length: u32) -> Result<Self::Address, NtStatus> {
        pages.map(length)
    }
}

impl FileObjects for NtKernel {
    type Event = Event;
    type PortContext = NonZeroU64;
    type StatusBlock = StatusBlock;

    fn file_flags(&self, file: File) -> FileFlags {
        file.flags()
    }

    fn related_device(&self, file: File) -> Target {
        file.related_device()
    }

    fn current_byte_offset(&self, file: File) -> i64 {
        file.current_byte_offset()
    }

    fn set_current_byte_offset(&self, file: File, offset: i64) {
        file.set_current_byte_offset(offset);
    }

    fn locked_length(&self, pages: BorrowedMdl) -> usize {
        pages.length()
    }

    fn has_completion_port(&self, file: File) -> bool {
        file.has_completion_port()
    }

    fn completes_deferred(&self) -> bool {
        false
    }

    fn clear_event(&self, event: Event) {
        event.clear();
    }

    fn clear_file_event(&self, file: File) {
        file.event().clear();
    }

    /// The counters of the process and the system are the I/O manager's, and drivers cannot add to them.
    fn count_operation(&self) {}

    /// As [`count_operation`](Self::count_operation).
    fn count_transfer(&self, _bytes: usize) {}

    fn store_status(&self, block: StatusBlock, io: IoStatus) {
        block.store(io);
    }

    fn load_status(&self, block: StatusBlock) -> IoStatus {
        block.load()
    }

    fn set_event(&self, event: Event) {
        event.set();
    }

    fn set_file_event(&self, file: File) {
        file.event().set();
    }

    fn set_final_status(&self, file: File, status: NtStatus) {
        file.set_final_status(status);
    }

    /// Drivers have no documented way to do this, so a write that would need it is refused before it begins.
    /// Here it comes only if the port was associated after that.
    fn post_packet(&self, _file: File, _context: NonZeroU64, _io: IoStatus) {}
}

/// Where there is no [`watch`](NtKernel::watch), no IRP can be made.
impl ThreadIrps for NtKernel {
    type Irp = (NonNull<IRP>, Watch);
    type Queued = Watch;

    fn allocate_irp(
        &self,
        write: &FileWrite<Self>,
        call: &WriteCall<Self>,
        event: Option<Event>,
        payload: Payload<Self>,
    ) -> Result<Self::Irp, NtStatus> {
        let watch = self.watch.ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
        let irp = watch.allocate(write, call, event, payload)?;
        Ok((irp, watch))
    }

    fn reference_file(&self, file: File) {
        file.reference_for_irp();
    }

    fn reference_event(&self, event: Event) {
        event.reference_for_irp();
    }

    fn queue_and_send(&self, (irp, watch): Self::Irp, device: Target) -> (NtStatus, Watch) {
        (watch.send(irp, device), watch)
    }

    /// Not called: the last stage is the I/O manager's.
    fn complete_deferred(&self, _irp: Watch) {}

    /// The wait is for the device to be done with the IRP: what the event of the file object tells as well, but
    /// a program can change that.
    fn wait_for_file(&self, _file: File, patience: Patience) -> NtStatus {
        self.watch.map_or(NtStatus::SUCCESS, |watch| watch.wait(patience))
    }

    fn cancel_unless_over(&self, _file: File, irp: Watch) {
        irp.cancel_unless_over();
    }

    /// The status of the IRP, which the I/O manager copies there.
    fn final_status(&self, _file: File) -> NtStatus {
        let status = self.watch.and_then(Watch::final_status);
        status.unwrap_or(NtStatus::UNSUCCESSFUL)
    }
}

/// A write that came to the filter: its caller's IRP is held until the write is over.
impl Request<NtKernel> for WriteIrp {
    type Sent = SentWrite;

    fn begin(
        self,
        kernel: &NtKernel,
        call: &WriteCall<NtKernel>,
        payload: Payload<NtKernel>,
        decision: Decision,
    ) -> Result<SentWrite, (Self, NtStatus)> {
        // Before the IRP is made: without the memory for it, the write is refused, and has a second record.
        if let Some(operation) = kernel.operation {
            trace::started(operation, &capture::facts(&self, kernel.slot), &decision);
        }
        SentWrite::begin(kernel, self, call, payload)
    }

    fn refuse(self, kernel: &NtKernel, status: NtStatus, decision: Decision) -> NtStatus {
        if let Some(operation) = kernel.operation {
            let facts = capture::facts(&self, kernel.slot);
            trace::refused(operation, &facts, &decision, status);
        }
        self.complete(IoStatus::failed(status))
    }

    fn complete(self, kernel: &NtKernel, ended: Ended) -> NtStatus {
        if let Some(operation) = kernel.operation {
            trace::ended(operation, &capture::facts(&self, kernel.slot), &ended);
        }
        Self::complete(self, ended.io)
    }
}

impl owned::SentWrite<NtKernel> for SentWrite {
    type Request = WriteIrp;

    fn handoff(&self) -> &Handoff {
        Self::handoff(self)
    }

    fn arm_cancel(&self, _kernel: &NtKernel) -> bool {
        self.cancel().arm()
    }

    fn disarm_cancel(&self, _kernel: &NtKernel) -> bool {
        self.cancel().disarm()
    }

    fn send(&self, _kernel: &NtKernel, device: Target) -> NtStatus {
        self.lower().send(device)
    }

    fn cancel_lower(&self, _kernel: &NtKernel) {
        self.lower().cancel();
    }

    fn mark_pending(&self, _kernel: &NtKernel) {
        Self::mark_pending(*self);
    }

    fn lower_status(&self, _kernel: &NtKernel) -> IoStatus {
        self.lower().status()
    }

    fn finish(self, _kernel: &NtKernel) -> WriteIrp {
        self.lower().release();
        self.into_request()
    }
}

/// A write to a file object: the control request is held until the write is over.
impl Request<NtKernel> for FileWriteRequest {
    type Sent = SentFileWrite;

    fn is_cancelled(&self, _kernel: &NtKernel) -> bool {
        Self::is_cancelled(self)
    }

    fn begin(
        self,
        _kernel: &NtKernel,
        call: &WriteCall<NtKernel>,
        payload: Payload<NtKernel>,
        decision: Decision,
    ) -> Result<SentFileWrite, (Self, NtStatus)> {
        Self::begin(self, call, payload, decision)
    }

    fn refuse(self, _kernel: &NtKernel, status: NtStatus, decision: Decision) -> NtStatus {
        Self::refuse(self, status, decision)
    }

    fn complete(self, kernel: &NtKernel, ended: Ended) -> NtStatus {
        Self::complete(self, kernel, ended)
    }
}

impl owned::SentWrite<NtKernel> for SentFileWrite {
    type Request = FileWriteRequest;

    fn handoff(&self) -> &Handoff {
        Self::handoff(self)
    }

    fn arm_cancel(&self, _kernel: &NtKernel) -> bool {
        self.cancel().arm()
    }

    fn disarm_cancel(&self, _kernel: &NtKernel) -> bool {
        self.cancel().disarm()
    }

    fn send(&self, _kernel: &NtKernel, device: Target) -> NtStatus {
        Self::send(self, device)
    }

    fn cancel_lower(&self, _kernel: &NtKernel) {
        self.lower().cancel();
    }

    fn mark_pending(&self, _kernel: &NtKernel) {
        Self::mark_pending(self);
    }

    fn lower_status(&self, _kernel: &NtKernel) -> IoStatus {
        self.lower().status()
    }

    fn finish(self, _kernel: &NtKernel) -> FileWriteRequest {
        Self::finish(self)
    }

    fn patience(&self) -> Option<Patience> {
        Self::patience(self)
    }

    fn wait(&self, _kernel: &NtKernel, patience: Patience) -> NtStatus {
        self.over().wait(patience)
    }

    fn wake(&self, _kernel: &NtKernel) {
        self.over().set();
    }
}
