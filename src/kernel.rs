//! The services of the real kernel, for the decisions of `kswrite_core`.
//!
//! Nothing is decided here; every method is one call.

use kmdf::{pool::NonPagedBuffer, write_irp::WriteIrp};
use kswrite_core::{
    BufferMethod, Handoff, IoStatus, Kernel, NtStatus, ProcessorMode, Statistics, WriteCall, filter::Filter,
    payload::Payload,
};

use crate::ffi::{
    cancel, guarded, lower,
    mdl::{BorrowedMdl, OwnedMdl},
    sent::SentWrite,
    target::{File, Target},
};

/// The kernel that this driver runs in, with the counters that a write being sent takes along.
pub struct NtKernel {
    /// The counters of the device that the write came to.
    pub statistics: &'static Statistics,
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

impl Filter for NtKernel {
    type Request = WriteIrp;
    type Sent = SentWrite;

    fn complete(&self, request: WriteIrp, io: IoStatus) -> NtStatus {
        request.complete(io)
    }

    fn begin(
        &self,
        request: WriteIrp,
        call: &WriteCall<Self>,
        payload: Payload<Self>,
    ) -> Result<SentWrite, (WriteIrp, NtStatus)> {
        lower::begin(self.statistics, request, call, payload)
    }

    fn handoff<'a>(&self, sent: &'a SentWrite) -> &'a Handoff {
        sent.handoff()
    }

    fn arm_cancel(&self, sent: &SentWrite) -> bool {
        cancel::arm(*sent)
    }

    fn disarm_cancel(&self, sent: &SentWrite) -> bool {
        cancel::disarm(*sent)
    }

    fn send(&self, sent: &SentWrite, device: Target) -> NtStatus {
        lower::send(*sent, device)
    }

    fn cancel_lower(&self, sent: &SentWrite) {
        lower::cancel(*sent);
    }

    fn mark_pending(&self, sent: &SentWrite) {
        sent.mark_pending();
    }

    fn lower_status(&self, sent: &SentWrite) -> IoStatus {
        lower::status(*sent)
    }

    fn finish(&self, sent: SentWrite) -> WriteIrp {
        lower::release(sent);
        sent.into_request()
    }
}
