//! Writes that come as IRPs.

use kmdf::{IoStatus, NtStatus, Object, Request};
use ksink_state::{Path, Verdict};
use kswrite_wire::sink::Completion;

use crate::{
    file::SinkFile,
    pending::{self, When},
};

/// The most bytes that are copied from the program at once.
const CHUNK_BYTES: usize = 64 << 10;

/// `EvtIoWrite`: accepts the bytes, then completes as the script says.
///
/// IRQL: `PASSIVE_LEVEL`.
pub(crate) fn write(request: Request) {
    match accept(&request) {
        Err(status) => request.fail(status),
        Ok(verdict) => match verdict.completion {
            Completion::Inline => request.complete(verdict.io),
            Completion::Pended => pending::defer(request, verdict.io, When::After(verdict.delay_us)),
            Completion::Held => pending::defer(request, verdict.io, When::Released),
        },
    }
}

/// Takes the bytes, in order with the other writes of the file object.
///
/// Each byte is copied once from the program's memory, and everything is computed from the copy.
fn accept(request: &Request) -> Result<Verdict, NtStatus> {
    let sink = request
        .file()
        .and_then(|file| file.context::<SinkFile>())
        .ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let (_, transfer) = request.transfer().ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let mut data = request.write_data()?;
    let length = u32::try_from(data.len()).map_err(|_| NtStatus::INVALID_PARAMETER)?;

    let mut accepted = sink.accepted.lock();
    let (intake, chunk) = accepted.with_staging(data.len().min(CHUNK_BYTES))?;
    let mut admission = intake.begin(Path::Irp, transfer.offset, length)?;
    data = data.truncated(admission.remaining());
    while !data.is_empty() {
        intake.absorb(&mut admission, data.take(chunk));
    }
    let verdict = intake.commit(admission);
    if verdict.completion != Completion::Inline {
        sink.add_outstanding();
    }
    Ok(verdict)
}

/// `STATUS_SUCCESS` with a number of bytes.
pub(crate) const fn success(information: usize) -> IoStatus {
    IoStatus {
        status: NtStatus::SUCCESS,
        information,
    }
}
