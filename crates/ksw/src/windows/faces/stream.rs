//! IStreamAsync.
#![expect(
    unsafe_code,
    reason = "calls a method of a COM interface with memory that the system keeps"
)]

use std::ops::Range;

use ksw::buffer::Buffer;
use kswrite_client::{ByEvent, File, Finished, Lent, Operation, Started, Win32Error};
use kswrite_faces::Stream;
use kswrite_faces::hresult::HResult;
use windows::Win32::UI::Shell::IStreamAsync;

use super::super::engine::{Over, Way};

/// WriteAsync of a stream over the file.
pub(super) struct ByStream {
    file: File,
    stream: IStreamAsync,
}

impl ByStream {
    pub(super) fn over(file: File) -> Self {
        let stream = Stream::new(file.clone(), "ksw").into();
        Self { file, stream }
    }
}

impl Way for ByStream {
    type Kept = Range<usize>;

    fn start(
        &self,
        operation: Operation<ByEvent>,
        offset: u64,
        buffer: Buffer,
    ) -> (Started<ByEvent>, Range<usize>) {
        let (bytes, part) = buffer.into_parts();
        let write = |lent: Lent| {
            let Lent {
                data,
                length,
                overlapped,
            } = lent;
            let (data, overlapped) = (data.cast_const().cast(), overlapped.cast_const().cast());
            // SAFETY: the memory stays until the operation is over, as the method asks.
            unsafe { self.stream.WriteAsync(data, length, None, overlapped) }.map_err(|error| win32(&error))
        };
        // SAFETY: WriteAsync starts one write of the stream's file, which is this one, says what became of it, and uses
        // no pointer beyond it.
        let started = unsafe { operation.start_part_by(&self.file, offset, bytes, part.clone(), write) };
        (started, part)
    }

    fn over(finished: Finished<ByEvent>, part: Range<usize>) -> Over {
        Over::of(finished, part)
    }
}

/// The Win32 error of a method's HRESULT; what is none has the number of the HRESULT.
pub(super) fn win32(error: &windows_core::Error) -> Win32Error {
    let code = HResult(error.code().0.cast_unsigned());
    code.win32().unwrap_or(Win32Error(code.0))
}
