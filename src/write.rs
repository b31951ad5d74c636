//! The write path: capture, decide, complete. The decisions are `kswrite_core`'s.

use kmdf::{
    Device, IoStatus, NtStatus, Object,
    irp::PreprocessIrp,
    write_irp::{Write, WriteIrp},
};
use kswrite_core::{filter, owned};
use kswrite_wire::policy::Policy;

use crate::{
    device::FilterDevice,
    ffi::{capture, sent::SentWrite},
    kernel::NtKernel,
    trace,
};

/// The writes of a filtered device, before the framework looks at them.
pub struct Writes;

impl PreprocessIrp<Write> for Writes {
    fn dispatch(device: &Device, request: WriteIrp) -> NtStatus {
        if !capture::is_plain(&request) {
            return request.to_framework(device);
        }
        match device.context::<FilterDevice>() {
            Some(device) => dispatch(device, request),
            None => request.complete(IoStatus::failed(NtStatus::DEVICE_NOT_READY)),
        }
    }
}

/// Writes, and returns the status for the I/O manager; the request is complete, or marked pending, then.
///
/// IRQL: `<= DISPATCH_LEVEL`, in the context in which the request came.
fn dispatch(device: &FilterDevice, request: WriteIrp) -> NtStatus {
    let (slot, target) = (device.slot(), device.target());
    let statistics = &slot.statistics;
    let policy = slot.policy.get();
    if policy == Policy::Bypass {
        statistics.bypassed();
        return target.pass_on(request);
    }
    let kernel = NtKernel {
        operation: trace::came(),
        ..NtKernel::of(slot)
    };
    let call = capture::capture(&request, target);
    if policy == Policy::Irp {
        filter::dispatch_by_irp(&kernel, statistics, &call, request)
    } else {
        filter::dispatch(&kernel, statistics, &call, request)
    }
}

/// The lower IRP is complete.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
pub fn completed(sent: SentWrite) {
    let kernel = sent.kernel();
    owned::on_complete(&kernel, &kernel.slot.statistics, sent);
}

/// The caller's request is being cancelled.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context, with the cancel spin lock released.
pub fn cancelled(sent: SentWrite) {
    let kernel = sent.kernel();
    owned::on_cancel(&kernel, &kernel.slot.statistics, sent);
}
