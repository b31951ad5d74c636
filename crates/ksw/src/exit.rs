//! Exit codes.

use std::fmt;

use kswrite_client::Error;

/// What the process returns. Scripts rely on these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done, and what was to be verified agrees.
    Success = 0,
    /// A verification failed: digests differ, or counters are not clean.
    Verification = 1,
    /// The command line or a value on it makes no sense; nothing was done.
    Usage = 2,
    /// A file could not be read, or a request that reached a device failed.
    Io = 3,
    /// A device, driver or service is not there.
    Absent = 4,
    /// The system does not allow it: rights, signature or architecture. Nothing was done.
    Refused = 5,
}

/// The codes as `--help` shows them.
pub const HELP: &str = "Exit codes:\n  \
    0  done; what was to be verified agrees\n  \
    1  a verification failed: digests differ, or counters are not clean\n  \
    2  the command line makes no sense; nothing was done\n  \
    3  a file could not be read, or a request failed\n  \
    4  a device, driver or service is not there\n  \
    5  rights, signature or architecture do not allow it; nothing was done";

/// Why a command gave up: one sentence, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The sentence.
    pub message: String,
}

impl Failure {
    /// A failure.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// One of a file or a request.
    pub fn io(error: &impl fmt::Display) -> Self {
        Self::new(Exit::Io, error.to_string())
    }

    /// Says it on the error stream; the exit code.
    pub fn report(&self) -> Exit {
        eprintln!("ksw: {}", self.message);
        self.exit
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = if error.code().is_absence() {
            Exit::Absent
        } else {
            Exit::Io
        };
        Self::new(exit, error.to_string())
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
