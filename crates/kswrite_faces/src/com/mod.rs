//! The faces as Windows has them: COM objects over a device.

pub(crate) mod channel;
pub(crate) mod link;
pub(crate) mod stream;

use kswrite_client::AsyncFile;

use crate::transport::{Done, Transport};

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
