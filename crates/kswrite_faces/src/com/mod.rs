//! The faces as Windows has them: COM objects over a device.

pub(crate) mod channel;
pub(crate) mod link;
pub(crate) mod stream;

use std::collections::TryReserveError;

use kswrite_client::AsyncFile;

use crate::transport::{Done, Transport};

/// A copy of bytes that a caller passes; they may be more than there is memory for.
fn copy_of(bytes: &[u8]) -> Result<Vec<u8>, TryReserveError> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// So many zeros, of which the same holds.
fn zeros(length: usize) -> Result<Vec<u8>, TryReserveError> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(length)?;
    zeros.resize(length, 0);
    Ok(zeros)
}

/// A device whose completions go to a reactor.
#[derive(Debug)]
pub struct DeviceTransport(AsyncFile);

impl DeviceTransport {
    /// Writes to this device.
    pub fn new(device: AsyncFile) -> Self {
        Self(device)
    }
}

impl Transport for DeviceTransport {
    fn start(&self, offset: u64, bytes: Vec<u8>, done: Done) {
        self.0.write_then(
            offset,
            bytes,
            Box::new(move |written| done(written.result, written.buffer)),
        );
    }

    fn cancel(&self) {
        // Nothing was pending: then the completion is on its way.
        let _none = self.0.cancel_all();
    }
}
