//! What a channel needs of a device.

use kswrite_client::Win32Error;

/// Told the bytes that were written, or why none were, and given the buffer back. Called exactly once.
pub type Done = Box<dyn FnOnce(Result<u32, Win32Error>, Vec<u8>) + Send>;

/// A device that takes writes. One without offsets ignores `offset`.
pub trait Transport: Send + Sync + 'static {
    /// Starts a write of all these bytes. `done` is called when it is over, maybe before this returns, in any
    /// thread, and without a lock that this or [`cancel`](Self::cancel) takes.
    fn start(&self, offset: u64, bytes: Vec<u8>, done: Done);

    /// Asks that the writes which are not over be cancelled. Each `done` is called all the same.
    fn cancel(&self);
}
