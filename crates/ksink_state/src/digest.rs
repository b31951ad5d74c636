//! Digests of bytes as they come.
//!
//! Both crates keep to the general and SSE registers, which code in the kernel of 64-bit Windows may use
//! without saving them.

use crc::{CRC_32_ISCSI, Crc, Table};
use sha2::{Digest as _, Sha256};

/// CRC-32C, with the table that makes it fast.
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// A CRC-32C in progress.
#[derive(Clone)]
pub(crate) struct Crc32c(crc::Digest<'static, u32, Table<16>>);

impl Crc32c {
    pub(crate) fn new() -> Self {
        Self(CRC32C.digest())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u32 {
        self.0.clone().finalize()
    }
}

/// All accepted bytes in order of acceptance.
pub(crate) struct Stream {
    crc32c: Crc32c,
    sha256: Sha256,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            crc32c: Crc32c::new(),
            sha256: Sha256::new(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.crc32c.update(bytes);
        self.sha256.update(bytes);
    }

    pub(crate) fn crc32c(&self) -> u32 {
        self.crc32c.value()
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.sha256.clone().finalize().into()
    }
}
