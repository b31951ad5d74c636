//! KsWriteFile, by the control device of the filter: the driver takes the bytes along.

use ksw::buffer::Buffer;
use kswrite_client::{
    Access, ByEvent, Error, File, FileObjectWrite, Finished, Operation, Started, Win32Error,
};
use kswrite_wire::file_write::CheckedReport;
use kswrite_wire::names::CONTROL_PATH;

use super::super::conform::dos_error;
use super::super::engine::{Over, Way};

/// Writes to the file object of `file`.
pub(super) struct ByControlDevice {
    control_device: File,
    file: File,
}

impl ByControlDevice {
    pub(super) fn open(file: File) -> Result<Self, Error> {
        let control_device = File::open(CONTROL_PATH, Access::ReadWrite)?;
        Ok(Self { control_device, file })
    }
}

impl Way for ByControlDevice {
    type Kept = Buffer;

    fn start(
        &self,
        operation: Operation<ByEvent>,
        offset: u64,
        buffer: Buffer,
    ) -> (Started<ByEvent>, Buffer) {
        // What does not fit is refused by the driver: it is not the end, which would append.
        let offset = i64::try_from(offset).unwrap_or(i64::MIN);
        let write = FileObjectWrite::new(&self.file, buffer.data()).at(offset);
        (write.start_by(operation, &self.control_device), buffer)
    }

    fn over(finished: Finished<ByEvent>, buffer: Buffer) -> Over {
        let result = FileObjectWrite::report(&finished).and_then(|report| bytes(&report));
        Over {
            operation: finished.operation,
            buffer,
            result,
        }
    }
}

/// What WriteFile would say of it.
fn bytes(report: &CheckedReport) -> Result<u32, Win32Error> {
    if report.final_status < 0 {
        return Err(dos_error(report.final_status));
    }
    let (_, bytes) = report.block.unwrap_or_default();
    Ok(u32::try_from(bytes).unwrap_or(u32::MAX))
}
