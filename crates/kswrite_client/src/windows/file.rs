//! Files and devices opened for overlapped I/O.

use std::fs::OpenOptions;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::{Arc, OnceLock};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, FILE_SHARE_READ, FILE_SHARE_WRITE};

use super::port::Port;
use crate::{Error, Win32Error};

/// What a handle is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `GENERIC_READ`.
    Read,
    /// `GENERIC_WRITE`.
    Write,
    /// Both.
    ReadWrite,
}

/// An existing file or device, opened with `FILE_FLAG_OVERLAPPED` and shared with readers and writers.
///
/// Clones share one handle; it is closed with the last clone. A write that is outstanding then goes on.
#[derive(Clone, Debug)]
pub struct File(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: OwnedHandle,
    port: OnceLock<Arc<Port>>,
}

impl File {
    /// Opens what exists under `path`, such as `\\.\KsSinkDirect`.
    ///
    /// # Errors
    ///
    /// Those of `CreateFileW`, with the path named.
    pub fn open(path: &str, access: Access) -> Result<Self, Error> {
        OpenOptions::new()
            .read(access != Access::Write)
            .write(access != Access::Read)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(FILE_FLAG_OVERLAPPED)
            .open(path)
            .map(|file| Self::from_overlapped(file.into()))
            .map_err(|error| Error::new(format!("open {path}"), Win32Error::from_io(&error)))
    }

    /// Takes a handle that was opened with `FILE_FLAG_OVERLAPPED` and belongs to no completion port, such
    /// as an end of a named pipe.
    ///
    /// A handle that is not overlapped makes every call wait, and one that belongs to another port makes
    /// completions go there; neither endangers memory.
    pub fn from_overlapped(handle: OwnedHandle) -> Self {
        Self(Arc::new(Inner {
            handle,
            port: OnceLock::new(),
        }))
    }

    /// The number of the handle, as a driver takes it in a control request.
    pub fn number(&self) -> u64 {
        self.raw().expose_provenance() as u64
    }

    pub(super) fn raw(&self) -> HANDLE {
        self.0.handle.as_raw_handle()
    }

    /// The port that this file belongs to; a file belongs to one for good.
    pub(super) fn port(&self) -> &OnceLock<Arc<Port>> {
        &self.0.port
    }
}
