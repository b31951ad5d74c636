//! kswrite_client.dll: the faces of the driver for C and C++.
//!
//! Three ways to write to a device: [`KswOpenStream`] hands out an `IStreamAsync`, [`KswOpenChannel`] an
//! `IWTSVirtualChannel`, of which [`channel`] tells more, and the functions of [`wts`] have the signatures of
//! `WTSVirtualChannel*`. `kswrite_client.h` declares them; `c/` has programs that use them.
#![cfg(windows)]

pub mod channel;
mod com;
mod memory;
pub mod types;
pub mod wts;

pub use com::{KSW_MEMORY, KswChannelOfHandle, KswOpenChannel, KswOpenStream, KswStreamOfHandle};
