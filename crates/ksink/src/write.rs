//! Writes that come as IRPs.
//!
//! A write that completes at once does so before the framework sees it: from a queue of the framework every
//! write completes as a pending one. All others come through the queue.

use kmdf::{
    Device, IoStatus, NtStatus, Object, Request, SharedBytes,
    device::IoType,
    irp::Marks,
    irql,
    request::TransferParameters,
    write_irp::{CallerBytes, WriteData, WriteIrp},
};
use ksink_state::{IrpFlags, Path, Verdict};
use kswrite_wire::sink::Completion;

use crate::{
    file::{Accepted, SinkFile},
    pending::{self, When},
};

/// The most bytes that are copied from mapped memory at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Accepts a write whose script completes it at once, and says with what it completes. `None`: it is not that
/// kind of write.
///
/// IRQL: as the dispatch routine, in the thread of the caller.
pub(crate) fn inline(device: &Device, io_type: IoType, irp: &WriteIrp) -> Option<IoStatus> {
    // The lock is one that may wait.
    if irql::current() != irql::PASSIVE_LEVEL {
        return None;
    }
    let sink = irp.file(device)?.context::<SinkFile>()?;
    let mut accepted = sink.accepted.lock();
    if accepted.intake.script().completion != Completion::Inline {
        return None;
    }
    let TransferParameters { key, offset, .. } = irp.transfer();
    accepted.intake.note_irp(key, flags(irp.marks()));
    let verdict = irp.data(io_type).and_then(|data| match data {
        WriteData::Mapped(bytes) => accept_mapped(&mut accepted, offset, bytes),
        WriteData::Caller(bytes) => accept_caller(&mut accepted, offset, &bytes),
    });
    Some(verdict.map_or_else(IoStatus::failed, |verdict| verdict.io))
}

/// `EvtIoWrite`: accepts the bytes, then completes as the script says.
///
/// IRQL: `PASSIVE_LEVEL`.
pub(crate) fn write(request: Request) {
    match accept(&request) {
        Err(status) => request.fail(status),
        Ok(verdict) => match verdict.completion {
            // The script has changed since the write was passed to the queue.
            Completion::Inline => request.complete(verdict.io),
            Completion::Pended => pending::defer(request, verdict.io, When::After(verdict.delay_us)),
            Completion::Held => pending::defer(request, verdict.io, When::Released),
        },
    }
}

fn accept(request: &Request) -> Result<Verdict, NtStatus> {
    let sink = request
        .file()
        .and_then(|file| file.context::<SinkFile>())
        .ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let (_, transfer) = request.transfer().ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let marks = request.marks().ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let bytes = request.write_data()?;
    let mut accepted = sink.accepted.lock();
    accepted.intake.note_irp(transfer.key, flags(marks));
    let verdict = accept_mapped(&mut accepted, transfer.offset, bytes)?;
    if verdict.completion != Completion::Inline {
        sink.add_outstanding();
    }
    Ok(verdict)
}

fn flags(marks: Marks) -> IrpFlags {
    IrpFlags {
        irp: marks.irp_flags,
        stack: marks.stack_flags.into(),
    }
}

/// Takes bytes that can be read without a fault, piece by piece. Each is copied once from the program's
/// memory, and everything is computed from the copy.
fn accept_mapped(
    accepted: &mut Accepted,
    offset: i64,
    mut bytes: SharedBytes<'_>,
) -> Result<Verdict, NtStatus> {
    let length = u32::try_from(bytes.len()).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let (intake, chunk) = accepted.with_staging(bytes.len().min(CHUNK_BYTES))?;
    let mut admission = intake.begin(Path::Irp, offset, length)?;
    bytes = bytes.truncated(admission.remaining());
    while !bytes.is_empty() {
        intake.absorb(&mut admission, bytes.take(chunk));
    }
    Ok(intake.commit(admission))
}

/// Takes bytes at an unchecked address: all are copied aside before the first counts, because any of them may
/// be missing.
fn accept_caller(accepted: &mut Accepted, offset: i64, bytes: &CallerBytes<'_>) -> Result<Verdict, NtStatus> {
    let length = u32::try_from(bytes.len()).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let (intake, staging) = accepted.with_staging(bytes.len())?;
    bytes.copy_to(staging)?;
    let mut admission = intake.begin(Path::Irp, offset, length)?;
    intake.absorb(&mut admission, staging);
    Ok(intake.commit(admission))
}

/// `STATUS_SUCCESS` with a number of bytes.
pub(crate) const fn success(information: usize) -> IoStatus {
    IoStatus {
        status: NtStatus::SUCCESS,
        information,
    }
}
