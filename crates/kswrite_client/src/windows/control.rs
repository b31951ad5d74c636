//! Reads and device control requests that are waited for.

use kswrite_wire::ControlCode;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::event::ByEvent;
use super::file::File;
use super::operation::{Finished, Operation, Started};
use crate::{Error, Win32Error};

impl Operation<ByEvent> {
    /// Reads up to the length of the buffer at `offset`, in bytes. The result says how many came.
    pub fn read_at(self, file: &File, offset: u64, buffer: Vec<u8>) -> Started<ByEvent> {
        self.start(file, offset, buffer, super::cell::Call::read_file)
    }
}

impl Started<ByEvent> {
    /// Waits for the completion, if it has not come.
    pub fn wait(self) -> Finished<ByEvent> {
        match self {
            Self::Finished(finished) => finished,
            Self::Pending(pending) => pending.wait(),
        }
    }
}

/// Sends a `METHOD_BUFFERED` request and waits for it. `()` stands for no input or no output.
///
/// # Errors
///
/// Those of `DeviceIoControl`, and `ERROR_INVALID_DATA` when the answer has another length than `O`.
pub fn control<I, O>(file: &File, code: ControlCode, input: &I) -> Result<O, Win32Error>
where
    I: IntoBytes + Immutable,
    O: FromBytes,
{
    let answer = control_bytes(file, code.0, input.as_bytes(), size_of::<O>())?;
    O::read_from_bytes(&answer).map_err(|_| Win32Error::INVALID_DATA)
}

/// Sends a `METHOD_BUFFERED` request of any code and length, and waits for it. Returns the bytes that the
/// driver answered, at most `room`.
///
/// # Errors
///
/// Those of `DeviceIoControl`; `ERROR_INVALID_PARAMETER` when a length does not fit 32 bits, and
/// `ERROR_GEN_FAILURE` when no event can be had.
pub fn control_bytes(file: &File, code: u32, input: &[u8], room: usize) -> Result<Vec<u8>, Win32Error> {
    let length = |bytes: usize| u32::try_from(bytes).map_err(|_| Win32Error::INVALID_PARAMETER);
    let (input_length, output_length) = (length(input.len())?, length(room)?);
    let mut buffer = input.to_vec();
    buffer.resize(input.len().max(room), 0);
    let operation = Operation::by_event().map_err(|error: Error| error.code())?;
    let call = |call: super::cell::Call| call.device_io_control(code, input_length, output_length);
    let Finished {
        mut buffer, result, ..
    } = operation.start(file, 0, buffer, call).wait();
    buffer.truncate(result?.min(output_length) as usize);
    Ok(buffer)
}
