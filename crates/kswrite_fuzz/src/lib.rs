//! What the fuzz targets do with their bytes.
//!
//! A target takes any bytes and must find nothing wrong, whatever they are. The programs that libFuzzer drives are in
//! `fuzz/`, one per target; the test of this crate drives the same functions with bytes from a seed, without
//! a nightly toolchain.

mod program;
mod tape;
mod wire;

use std::fmt;

/// Something that bytes are fed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A program of the model: writes of all kinds by several threads, and whatever can happen to them.
    Program,
    /// The input of a write to a file object, and its report.
    WireFileWrite,
    /// The other controls of the filter.
    WireFilter,
    /// The controls of the scripted target, and what it makes of a script.
    WireSink,
    /// The controls of the Wine host.
    WireHost,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrong(pub(crate) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Wrong {}

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Program,
        Self::WireFileWrite,
        Self::WireFilter,
        Self::WireSink,
        Self::WireHost,
    ];

    /// Its name, which is that of its program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::WireFileWrite => "wire_file_write",
            Self::WireFilter => "wire_filter",
            Self::WireSink => "wire_sink",
            Self::WireHost => "wire_host",
        }
    }

    /// Feeds it.
    ///
    /// # Errors
    ///
    /// What was found.
    pub fn run(self, bytes: &[u8]) -> Result<(), Wrong> {
        match self {
            Self::Program => program::run(bytes),
            Self::WireFileWrite => wire::file_write::run(bytes),
            Self::WireFilter => wire::filter::run(bytes),
            Self::WireSink => wire::sink::run(bytes),
            Self::WireHost => wire::host::run(bytes),
        }
    }
}
