//! The control codes of a sink.

use kmdf::{NtStatus, Object, Request};
use kswrite_wire::sink::{FastMode, GET_STATE, RELEASE, RESET, Released, SET_SCRIPT, Script};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{fast::SlotClaim, file::SinkFile, pending, write::success};

/// `EvtIoDeviceControl`. An input that has not exactly the size of its structure is refused, and so is a
/// buffer that is too small for the output, before anything is done.
///
/// IRQL: `PASSIVE_LEVEL`.
pub(crate) fn control(mut request: Request, input_length: usize, code: u32) {
    match perform(&mut request, input_length, code) {
        Ok(information) => request.complete(success(information)),
        Err(status) => request.fail(status),
    }
}

const SET_SCRIPT_CODE: u32 = SET_SCRIPT.0;
const GET_STATE_CODE: u32 = GET_STATE.0;
const RELEASE_CODE: u32 = RELEASE.0;
const RESET_CODE: u32 = RESET.0;

/// Does it, and returns the bytes of output.
fn perform(request: &mut Request, input_length: usize, code: u32) -> Result<usize, NtStatus> {
    let file = request.file_reference().ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    let sink = file
        .context::<SinkFile>()
        .ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
    match code {
        SET_SCRIPT_CODE => {
            exactly(input_length, size_of::<Script>())?;
            let script = Script::read_from_bytes(request.control_input()?);
            set_script(sink, &script.map_err(|_| NtStatus::INFO_LENGTH_MISMATCH)?)?;
            Ok(0)
        }
        GET_STATE_CODE => {
            exactly(input_length, 0)?;
            answer(request, || sink.state())
        }
        RELEASE_CODE => {
            exactly(input_length, 0)?;
            answer(request, || Released {
                count: pending::release(sink),
            })
        }
        RESET_CODE => {
            exactly(input_length, 0)?;
            reset(sink)?;
            Ok(0)
        }
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST),
    }
}

fn exactly(length: usize, wanted: usize) -> Result<(), NtStatus> {
    if length == wanted {
        Ok(())
    } else {
        Err(NtStatus::INFO_LENGTH_MISMATCH)
    }
}

/// Stores what `make` returns in the output, if there is room for it.
fn answer<T: IntoBytes + Immutable>(
    request: &mut Request,
    make: impl FnOnce() -> T,
) -> Result<usize, NtStatus> {
    let room = request
        .control_output()?
        .get_mut(..size_of::<T>())
        .ok_or(NtStatus::BUFFER_TOO_SMALL)?;
    make().write_to(room).map_err(|_| NtStatus::BUFFER_TOO_SMALL)?;
    Ok(size_of::<T>())
}

fn set_script(sink: &SinkFile, script: &Script) -> Result<(), NtStatus> {
    let script = script.check().map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let mut accepted = sink.accepted.lock();
    accepted.intake.set_script(script);
    if script.fast != FastMode::Absent {
        accepted.empty_slot = None;
    } else if accepted.empty_slot.is_none() {
        accepted.empty_slot = Some(SlotClaim::new());
    }
    Ok(())
}

fn reset(sink: &SinkFile) -> Result<(), NtStatus> {
    let mut accepted = sink.accepted.lock();
    if sink.outstanding() > 0 {
        return Err(NtStatus::DEVICE_BUSY);
    }
    accepted.intake.reset();
    sink.reset_cancelled();
    Ok(())
}
