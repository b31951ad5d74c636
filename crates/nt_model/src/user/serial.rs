//! Serial ports: bytes leave one after the other, and a write may be given a time.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use kswrite_core::{BufferMethod, FileFlags, IoStatus, NtStatus};

use super::handle::{FileOptions, Handle};
use crate::{Arrived, Cpu, DeviceId, FileId, Reply, Routines, World};

/// Bytes that leave in a millisecond, nearly: 9600 baud with a start and a stop bit.
const BYTES_PER_MS: u32 = 1;

/// A serial port.
pub struct SerialPort {
    device: DeviceId,
    line: Rc<Line>,
}

/// The total time of a write in milliseconds, by open. 0: none is set.
#[derive(Default)]
struct Line(RefCell<HashMap<FileId, u32>>);

impl Routines for Line {
    fn write(&self, cpu: &Cpu<'_>, write: &Arrived) -> Reply {
        let sent = match cpu.bytes_of(write) {
            Err(status) => return Reply::Complete(IoStatus::failed(status)),
            Ok(bytes) => bytes.len(),
        };
        let time = self.0.borrow().get(&write.file).copied().unwrap_or_default();
        let most = usize::try_from(time.saturating_mul(BYTES_PER_MS)).unwrap_or(usize::MAX);
        let times_out = time > 0 && sent > most;
        let io = IoStatus {
            status: if times_out {
                NtStatus::TIMEOUT
            } else {
                NtStatus::SUCCESS
            },
            information: if times_out { most } else { sent },
        };
        let cancellable = true;
        Reply::Later { io, cancellable }
    }

    fn clean_up(&self, _cpu: &Cpu<'_>, file: FileId) {
        self.0.borrow_mut().remove(&file);
    }
}

impl SerialPort {
    /// One with nothing at the other end, which takes everything.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let line = Rc::new(Line::default());
        let device = world.device_with(BufferMethod::Buffered, None, Rc::clone(&line) as Rc<dyn Routines>);
        Self { device, line }
    }

    /// NtCreateFile.
    ///
    /// # Errors
    ///
    /// The thread has no process.
    pub fn open(&self, cpu: &Cpu<'_>, options: FileOptions) -> Result<Handle, NtStatus> {
        let (handle, file) = cpu.open_device(self.device, options, FileFlags::default())?;
        self.line.0.borrow_mut().insert(file, 0);
        Ok(handle)
    }

    /// `IOCTL_SERIAL_SET_TIMEOUTS`: the total time of a write in milliseconds; 0 is as long as it takes.
    ///
    /// # Errors
    ///
    /// As of a bad handle; `STATUS_INVALID_DEVICE_REQUEST`: it is not of this port.
    pub fn set_write_time(&self, cpu: &Cpu<'_>, port: Handle, milliseconds: u32) -> Result<(), NtStatus> {
        let file = cpu.file_of(port)?;
        let mut opens = self.line.0.borrow_mut();
        let open = opens.get_mut(&file).ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
        *open = milliseconds;
        Ok(())
    }
}
