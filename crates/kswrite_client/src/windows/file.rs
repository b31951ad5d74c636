//! Files and devices opened for overlapped I/O.

use std::fs::OpenOptions;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::{Arc, OnceLock};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_NO_BUFFERING, FILE_FLAG_OVERLAPPED, FILE_FLAG_WRITE_THROUGH, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

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

/// How a handle is opened, beside its access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenFlags {
    /// Without `FILE_FLAG_OVERLAPPED`: every call waits for its end.
    pub synchronous: bool,
    /// `FILE_FLAG_WRITE_THROUGH`.
    pub write_through: bool,
    /// `FILE_FLAG_NO_BUFFERING`. A file system then wants offset, length and address of every write to be
    /// multiples of the sector.
    pub no_buffering: bool,
}

impl OpenFlags {
    fn bits(self) -> u32 {
        let flag = |wanted, bit| if wanted { bit } else { 0 };
        flag(!self.synchronous, FILE_FLAG_OVERLAPPED)
            | flag(self.write_through, FILE_FLAG_WRITE_THROUGH)
            | flag(self.no_buffering, FILE_FLAG_NO_BUFFERING)
    }
}

/// An existing file or device, opened with `FILE_FLAG_OVERLAPPED` unless it is asked for otherwise, and shared
/// with readers and writers.
///
/// Clones share one handle; it is closed with the last clone. A write that is outstanding then goes on.
#[derive(Clone, Debug)]
pub struct File(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: OwnedHandle,
    /// Known to wait in every call.
    synchronous: bool,
    port: OnceLock<Arc<Port>>,
}

impl File {
    /// Opens what exists under `path`, such as `\\.\KsSinkDirect`.
    ///
    /// # Errors
    ///
    /// Those of `CreateFileW`, with the path named.
    pub fn open(path: &str, access: Access) -> Result<Self, Error> {
        Self::open_with(path, access, OpenFlags::default())
    }

    /// As [`File::open`], with flags.
    ///
    /// # Errors
    ///
    /// Those of `CreateFileW`, with the path named.
    pub fn open_with(path: &str, access: Access, flags: OpenFlags) -> Result<Self, Error> {
        OpenOptions::new()
            .read(access != Access::Write)
            .write(access != Access::Read)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(flags.bits())
            .open(path)
            .map(|file| Self::new(file.into(), flags.synchronous))
            .map_err(|error| Error::new(format!("open {path}"), Win32Error::from_io(&error)))
    }

    /// Takes a handle that was opened with `FILE_FLAG_OVERLAPPED` and belongs to no completion port, such
    /// as an end of a named pipe.
    ///
    /// A handle that is not overlapped makes every call wait, and one that belongs to another port makes
    /// completions go there; neither endangers memory.
    pub fn from_overlapped(handle: OwnedHandle) -> Self {
        Self::new(handle, false)
    }

    fn new(handle: OwnedHandle, synchronous: bool) -> Self {
        Self(Arc::new(Inner {
            handle,
            synchronous,
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

    /// Whether it was opened to wait in every call.
    pub fn is_synchronous(&self) -> bool {
        self.0.synchronous
    }

    /// The port that this file belongs to; a file belongs to one for good.
    pub(super) fn port(&self) -> &OnceLock<Arc<Port>> {
        &self.0.port
    }
}
