//! Reads from the window of what was written last.

use kmdf::{NtStatus, Object, Request};
use ksink_state::ReadError;

use crate::{file::SinkFile, write::success};

/// `EvtIoRead`.
///
/// IRQL: `PASSIVE_LEVEL`.
pub(crate) fn read(mut request: Request) {
    match fill(&mut request) {
        Ok(count) => request.complete(success(count)),
        Err(status) => request.fail(status),
    }
}

fn fill(request: &mut Request) -> Result<usize, NtStatus> {
    let (_, transfer) = request.transfer().ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let file = request.file_reference().ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let sink = file
        .context::<SinkFile>()
        .ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let mut room = request.read_room()?;
    if room.is_empty() {
        return Ok(0);
    }
    let accepted = sink.accepted.lock();
    let window = accepted.intake.window();
    let (first, second) = window
        .get(transfer.offset, room.len())
        .map_err(ReadError::status)?;
    Ok(room.put(first) + room.put(second))
}
