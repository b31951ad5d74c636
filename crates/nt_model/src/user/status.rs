//! Status codes of the file systems.

use kswrite_core::NtStatus;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: NtStatus = NtStatus(($value as u32).cast_signed());)*
    };
}

codes! {
    /// A lock of somebody else is in the way of a read or a write.
    FILE_LOCK_CONFLICT = 0xC000_0054;
    /// A lock of somebody else is in the way of this one.
    LOCK_NOT_GRANTED = 0xC000_0055;
    /// There is no such lock.
    RANGE_NOT_LOCKED = 0xC000_007E;
    /// All instances of the pipe are taken.
    INSTANCE_NOT_AVAILABLE = 0xC000_00AB;
    /// No instance of the pipe listens.
    PIPE_NOT_AVAILABLE = 0xC000_00AC;
    /// The server has disconnected the pipe.
    PIPE_DISCONNECTED = 0xC000_00B0;
    /// The other end of the pipe is closed.
    PIPE_CLOSING = 0xC000_00B1;
    /// Nobody has connected to the pipe.
    PIPE_LISTENING = 0xC000_00B3;
    /// The pipe does not have this read mode.
    INVALID_READ_MODE = 0xC000_00B4;
    /// Nothing came in time.
    IO_TIMEOUT = 0xC000_00B5;
    /// There is nothing in a pipe that does not wait.
    PIPE_EMPTY = 0xC000_00D9;
    /// The other end of the pipe is closed, and nothing is left in it.
    PIPE_BROKEN = 0xC000_014B;
    /// The other side has closed the connection.
    CONNECTION_RESET = 0xC000_020D;
    /// There is no such request.
    NOT_FOUND = 0xC000_0225;
}
