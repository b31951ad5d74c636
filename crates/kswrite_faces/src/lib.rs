//! Stream and channel interfaces over a device that takes writes.
//!
//! * [`chunk`]: the chunks of a virtual channel, there and back. Both flavours of channel use it.
//! * [`channel`]: a dynamic virtual channel: writes are copied and sent in order, and what waits is bounded if wished.
//! * [`wts`]: a virtual channel of blocking writes and reads.
//! * [`transport`]: what a dynamic channel needs of a device.

pub mod channel;
pub mod chunk;
#[cfg(windows)]
mod com;
pub mod transport;
pub mod wts;

#[cfg(windows)]
pub use com::{
    DeviceTransport,
    channel::{ChannelManager, Connection, open_channel},
    link::DeviceLink,
    stream::Stream,
};
