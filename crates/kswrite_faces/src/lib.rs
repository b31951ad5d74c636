//! Stream and channel interfaces over a device that takes writes.
//!
//! * [`chunk`]: the chunks of a virtual channel, there and back. Both flavours of channel use it.
//! * [`channel`]: a dynamic virtual channel: writes are copied and sent in order, and what waits is bounded if wished.
//! * [`stream`]: what IStreamAsync decides by itself.
//! * [`wts`]: a virtual channel of blocking writes and reads.
//! * [`transport`]: what a dynamic channel needs of a device.
//! * [`hresult`]: what the methods of an interface return.

pub mod channel;
pub mod chunk;
#[cfg(windows)]
mod com;
pub mod hresult;
pub mod stream;
pub mod transport;
pub mod wts;

#[cfg(windows)]
pub use com::{
    DeviceTransport,
    channel::{ChannelManager, Connection, open_channel},
    link::DeviceLink,
    stream::Stream,
};
