//! Writes to file objects, on the control device: KsWriteFile for any file that the caller may write to.
//!
//! What the caller said is captured once, its handles are referenced in its process and its mode, and the rest
//! is `kswrite_core`'s. The control request goes on until the write is over, and cancelling it cancels the write.

use core::ptr::NonNull;

use kmdf::{Device, IoStatus, NtStatus, control_irp::ControlIrp, irql, wdk_sys::DEVICE_OBJECT};
use kswrite_core::{
    ByteOffset, CancelOutcome, Data, FileWrite, Position, ProcessorMode,
    managed::{self, Submitted},
    owned,
};
use kswrite_state::words;
use kswrite_wire::file_write::{Bytes, Completer, Report, Write, parse};
use zerocopy::IntoBytes;

use crate::{
    ffi::{
        capture,
        file_write::{FileWriteRequest, Origin, SentFileWrite, StatusBlock, WriteResult},
        guarded::Address,
        object::{EventReference, FileReference},
        threaded::ThreadWrite,
    },
    kernel::NtKernel,
    slots::FILE_OBJECTS,
    trace::{self, Traced},
};

const KERNEL: NtKernel = NtKernel::of(&FILE_OBJECTS);

/// What a request asks for, with references on what its handles stand for.
struct Asked {
    device: NonNull<DEVICE_OBJECT>,
    file: FileReference,
    event: Option<EventReference>,
    write: FileWrite<NtKernel>,
    completer: Completer,
}

/// Does a [`WRITE_FILE_OBJECT`](kswrite_wire::file_write::WRITE_FILE_OBJECT), and returns what the dispatch
/// routine returns.
///
/// IRQL: `PASSIVE_LEVEL`, in the thread of the caller.
///
/// # Status
///
/// Of the request, if there is no report: `STATUS_INVALID_PARAMETER` for an input that makes no sense, or a file
/// of the control device itself; `STATUS_BUFFER_TOO_SMALL` if there is no room for the report;
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` for a handle;
/// `STATUS_NOT_SUPPORTED` for a completion packet that would have to be queued here;
/// `STATUS_QUOTA_EXCEEDED`, `STATUS_INSUFFICIENT_RESOURCES`.
pub fn write(device: &Device, irp: ControlIrp) -> NtStatus {
    let asked = match understand(device, &irp) {
        Ok(asked) => asked,
        Err(status) => return irp.complete(IoStatus::failed(status)),
    };
    let origin = Origin {
        irp,
        device: asked.device,
        file: asked.file,
        event: asked.event,
    };
    match asked.completer {
        Completer::Driver => by_driver(origin, asked.write),
        Completer::IoManager => by_io_manager(origin, asked.write),
    }
}

/// The driver completes the IRP; the request is left pending if the write goes on.
fn by_driver(origin: Origin, write: FileWrite<NtKernel>) -> NtStatus {
    match FileWriteRequest::new(origin, write, traced(&write)) {
        Ok(request) => {
            request.submit(|write, request| owned::write(&KERNEL, &FILE_OBJECTS.statistics, write, request))
        }
        Err((irp, status)) => irp.complete(IoStatus::failed(status)),
    }
}

/// The I/O manager completes the IRP, which this thread waits for: the status block and the references are the
/// request's, and the IRP could not be cancelled from another thread.
fn by_io_manager(origin: Origin, write: FileWrite<NtKernel>) -> NtStatus {
    let traced = traced(&write);
    let thread_write = match ThreadWrite::new(origin) {
        Ok(thread_write) => thread_write,
        Err((irp, status)) => return irp.complete(IoStatus::failed(status)),
    };
    let kernel = NtKernel {
        watch: Some(thread_write.watch()),
        ..KERNEL
    };
    let status_block = thread_write.block();
    let write = FileWrite {
        status_block,
        ..write
    };
    let submitted = thread_write.run(|| managed::write(&kernel, &FILE_OBJECTS.statistics, &write));
    let Some((Submitted { status, mut decision }, cancelled)) = submitted else {
        let irp = thread_write.into_request();
        return irp.complete(IoStatus::failed(NtStatus::CANCELLED));
    };
    let last = thread_write.watch().final_status().unwrap_or(status);
    if cancelled {
        decision.cancel = match last {
            NtStatus::CANCELLED => CancelOutcome::Cancelled,
            _ => CancelOutcome::TooLate,
        };
    }
    let block = status_block.written();
    if let Some(Traced { operation, facts }) = &traced {
        let information = block.map_or(0, |io| io.information);
        let status = last;
        trace::whole(*operation, facts, &decision, IoStatus { status, information });
    }
    let result = WriteResult {
        decision,
        returned: status,
        last,
        block,
    };
    answer(thread_write.into_request(), &result)
}

fn understand(device: &Device, irp: &ControlIrp) -> Result<Asked, NtStatus> {
    if irql::current() != irql::PASSIVE_LEVEL || !capture::in_requestor_process(irp) {
        return Err(NtStatus::INVALID_DEVICE_REQUEST);
    }
    if irp.output_length() < size_of::<Report>() {
        return Err(NtStatus::BUFFER_TOO_SMALL);
    }
    let said = parse(irp.input()?).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let mode = capture::requestor_mode(irp);
    let device = device.wdm().ok_or(NtStatus::DEVICE_NOT_READY)?;
    let file = FileReference::by_handle(said.file, mode)?;
    // A control request that writes control requests would have no end.
    if file.is_of(device) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let event = said
        .event
        .map(|handle| EventReference::by_handle(handle.get(), mode))
        .transpose()?;
    // Only the I/O manager can queue a packet.
    if said.completer == Completer::Driver && said.port_context.is_some() && file.file().has_completion_port()
    {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    let write = arguments(&said, &file, event.as_ref());
    Ok(Asked {
        device,
        file,
        event,
        write,
        completer: said.completer,
    })
}

/// The arguments of the routine. Inline bytes are in the system buffer of the control request, which stays until
/// that is complete; an address is a program's, and nobody else's word is given for it.
fn arguments(said: &Write<'_>, file: &FileReference, event: Option<&EventReference>) -> FileWrite<NtKernel> {
    let (address, length, mode) = match said.bytes {
        Bytes::Inline(bytes) => (Address::of_bytes(bytes), bytes.len(), ProcessorMode::Kernel),
        Bytes::At { address, length } => (Address::alleged(address), length as usize, ProcessorMode::User),
    };
    FileWrite {
        file: file.file(),
        event: event.map(EventReference::event),
        port_context: said.port_context,
        status_block: StatusBlock::NONE,
        data: Data::Raw(address),
        // The parser allows no more.
        length: u32::try_from(length).unwrap_or(0),
        key: said.key,
        mode,
        offset: said.offset.map_or(ByteOffset::Current, ByteOffset::At),
        position: if said.advance {
            Position::Advance
        } else {
            Position::LeftToDriver
        },
        time_limit: said.time_limit,
    }
}

/// The write, if it is traced.
fn traced(write: &FileWrite<NtKernel>) -> Option<Traced> {
    trace::came().map(|operation| Traced {
        operation,
        facts: capture::file_facts(write),
    })
}

/// The IRP of a write is complete.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
pub fn completed(sent: SentFileWrite) {
    owned::on_complete(&KERNEL, &FILE_OBJECTS.statistics, sent);
}

/// The control request is being cancelled.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context, with the cancel spin lock released.
pub fn cancelled(sent: SentFileWrite) {
    owned::on_cancel(&KERNEL, &FILE_OBJECTS.statistics, sent);
}

/// Completes the control request with the report of its write, and returns its status.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
pub fn answer(irp: ControlIrp, result: &WriteResult) -> NtStatus {
    irp.complete_with(report(result).as_bytes())
}

fn report(result: &WriteResult) -> Report {
    let decision = result.decision;
    let (attempt, attempt_status, skip) = words::attempt(decision.attempt);
    Report {
        returned: result.returned.0,
        final_status: result.last.0,
        block_written: result.block.is_some().into(),
        block_status: result.block.map_or(0, |io| io.status.0),
        information: result.block.map_or(0, |io| io.information as u64),
        attempt: attempt as u32,
        attempt_status,
        skip: skip as u32,
        carrier: words::carrier(decision.carrier) as u32,
        completion: words::completion(decision.completion) as u32,
        cancel: words::cancel(decision.cancel) as u32,
    }
}
