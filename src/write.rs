//! The write path: capture, decide, complete. The decisions are `kswrite_core`'s.

use kswrite_core::{NtStatus, filter};

use crate::{
    device::FilterDevice,
    ffi::irp::{SentWrite, WriteRequest},
    kernel::NtKernel,
};

/// `IRP_MJ_WRITE` of a filtered device. Returns the status for the I/O manager; the request is complete, or
/// marked pending, when this returns.
///
/// IRQL: `<= DISPATCH_LEVEL`, in the context in which the request came.
pub fn dispatch(device: &FilterDevice, request: WriteRequest) -> NtStatus {
    let statistics = device.statistics();
    let call = request.capture(device.target());
    filter::dispatch(&NtKernel { statistics }, statistics, &call, request)
}

/// The lower IRP is complete.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
pub fn completed(sent: SentWrite) {
    let statistics = sent.statistics();
    filter::on_complete(&NtKernel { statistics }, statistics, sent);
}

/// The caller's request is being cancelled.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context, with the cancel spin lock released.
pub fn cancelled(sent: SentWrite) {
    let statistics = sent.statistics();
    filter::on_cancel(&NtKernel { statistics }, statistics, sent);
}
