//! A device, each call to its end.

use std::sync::{Mutex, PoisonError};

use kswrite_client::{ByEvent, File, Finished, Operation, Started, Win32Error};

use super::{copy_of, zeros};
use crate::wts::{Closed, Link};

/// A device or file, opened for reading and writing, each call to its end.
#[derive(Debug)]
pub struct DeviceLink {
    file: File,
    /// Operations that nobody uses now: each has an event, which is worth keeping.
    idle: Mutex<Vec<Operation<ByEvent>>>,
}

impl DeviceLink {
    /// Over an open file.
    pub fn new(file: File) -> Self {
        Self {
            file,
            idle: Mutex::default(),
        }
    }

    /// The file, for overlapped operations of the caller's own.
    pub fn file(&self) -> &File {
        &self.file
    }

    fn run(
        &self,
        start: impl FnOnce(Operation<ByEvent>) -> Started<ByEvent>,
        closed: &Closed,
    ) -> Result<(u32, Vec<u8>), Win32Error> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = idle().pop();
        let operation = match operation {
            Some(operation) => operation,
            None => Operation::by_event().map_err(|error| error.code())?,
        };
        let started = start(operation);
        if closed.is_set() {
            // Whatever is pending on the file of a channel that is closed is to end.
            let _none = self.file.cancel_all();
        }
        let Finished {
            operation,
            result,
            buffer,
            ..
        } = started.wait();
        idle().push(operation);
        Ok((result?, buffer))
    }
}

impl Link for DeviceLink {
    fn write(&self, offset: u64, bytes: &[u8], closed: &Closed) -> Result<u32, Win32Error> {
        let buffer = copy_of(bytes).map_err(|_| Win32Error::NOT_ENOUGH_MEMORY)?;
        let (written, _) = self.run(|operation| operation.write_at(&self.file, offset, buffer), closed)?;
        Ok(written)
    }

    fn read(&self, offset: u64, length: usize, closed: &Closed) -> Result<Vec<u8>, Win32Error> {
        let buffer = zeros(length).map_err(|_| Win32Error::NOT_ENOUGH_MEMORY)?;
        match self.run(|operation| operation.read_at(&self.file, offset, buffer), closed) {
            Ok((read, mut buffer)) => {
                buffer.truncate(read as usize);
                Ok(buffer)
            }
            // Nothing is there yet.
            Err(Win32Error::HANDLE_EOF) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
