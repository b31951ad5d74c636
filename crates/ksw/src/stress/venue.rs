//! What a program runs on.

use std::time::Duration;

use kswrite_client::{Error, Win32Error};
use kswrite_wire::sink::{Script, State};

use super::program::Engine;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The write.
    pub id: u64,
    /// Bytes, or why not.
    pub result: Result<u32, Win32Error>,
    /// The byte count of the status block.
    pub bytes: u32,
}

/// Which of a handle's operations to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// This write.
    One(u64),
    /// All.
    All,
    /// Those of the calling thread.
    Own,
}

/// The handles of one thread. Lanes are numbered as in the program.
///
/// Requests other than writes are repeated when a cancel hits them; what they return is the outcome of the
/// last one.
pub trait Venue {
    /// Opens a target. What was open in the lane was closed before.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    fn open(&mut self, lane: usize, target: usize, engine: Engine) -> Result<(), Error>;

    /// Closes the handle. What is pending goes on, and is still reaped.
    fn close(&mut self, lane: usize);

    /// Replaces the script.
    ///
    /// # Errors
    ///
    /// The request fails.
    fn script(&mut self, lane: usize, script: &Script) -> Result<(), Error>;

    /// Writes. `None`: pending.
    ///
    /// # Errors
    ///
    /// It could not be issued at all.
    fn write(
        &mut self,
        lane: usize,
        id: u64,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Option<Completion>, Error>;

    /// Waits for a completion, not much longer than `patience`, and appends all that have come, of any lane.
    ///
    /// # Errors
    ///
    /// The wait fails.
    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), Error>;

    /// Takes the writes out that are over, and of which the system has stored no outcome.
    fn without_outcome(&mut self) -> Vec<u64> {
        Vec::new()
    }

    /// Asks for a cancel. That there was nothing to cancel is no error.
    ///
    /// # Errors
    ///
    /// The call fails otherwise.
    fn cancel(&mut self, lane: usize, what: Cancel) -> Result<(), Error>;

    /// Drops a pending write.
    fn forget(&mut self, lane: usize, id: u64);

    /// Completes what the sink holds.
    ///
    /// # Errors
    ///
    /// The request fails.
    fn release(&mut self, lane: usize) -> Result<u32, Error>;

    /// Reads.
    ///
    /// # Errors
    ///
    /// Those of the read.
    fn read(&mut self, lane: usize, offset: u64, length: u32) -> Result<Vec<u8>, Win32Error>;

    /// What the sink says.
    ///
    /// # Errors
    ///
    /// The request fails.
    fn state(&mut self, lane: usize) -> Result<State, Error>;

    /// Makes the sink forget.
    ///
    /// # Errors
    ///
    /// The request fails.
    fn reset(&mut self, lane: usize) -> Result<(), Error>;
}
