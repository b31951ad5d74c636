//! Stream and channel interfaces over a device that takes writes.
//!
//! * [`chunk`]: the chunks of a virtual channel, there and back. Both flavours of channel use it.
//! * [`channel`]: a dynamic virtual channel: writes are copied and sent in order, and what waits is bounded if wished.
//! * [`transport`]: what a channel needs of a device.

pub mod channel;
pub mod chunk;
#[cfg(windows)]
mod com;
pub mod transport;

#[cfg(windows)]
pub use com::{
    DeviceTransport,
    channel::{ChannelManager, Connection},
    stream::Stream,
};
