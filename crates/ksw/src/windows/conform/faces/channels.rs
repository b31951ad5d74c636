//! IWTSVirtualChannel.
#![expect(unsafe_code, reason = "calls methods with addresses of the case's memory")]

use std::os::windows::io::{BorrowedHandle, OwnedHandle};
use std::ptr;

use kswrite_client::{File, Reactor, Win32Error};
use kswrite_conform::faces::{Disconnect, Face, HResult, Reaction};
use kswrite_conform::win32::{Data, Handle};
use kswrite_faces::channel::Bound;
use kswrite_faces::{ChannelManager, DeviceTransport};
use windows::Win32::System::RemoteDesktop::{IWTSVirtualChannel, IWTSVirtualChannelManager};
use windows::core::{Interface, s};

use super::super::case::Case;
use super::super::raw;
use super::peer::{Peer, answer};

/// The answer of what is no interface any more.
pub(super) const NO_FACE: HResult = HResult::from_win32(Win32Error::INVALID_HANDLE);

/// A handle of the same file, for an object to close.
pub(super) fn duplicate(file: Handle) -> Result<OwnedHandle, String> {
    // SAFETY: a handle that the case has; it is borrowed for the call.
    let handle = unsafe { BorrowedHandle::borrow_raw(raw(file)) };
    handle
        .try_clone_to_owned()
        .map_err(|error| format!("duplicate the handle for an interface: {error}"))
}

pub(super) fn open(case: &Case, file: Handle, bound: Bound, reaction: Reaction) -> Result<Face, String> {
    let device = File::from_overlapped(duplicate(file)?);
    let told = |error: kswrite_client::Error| error.to_string();
    let attached = Reactor::new().and_then(|reactor| reactor.attach(device.clone()));
    let transport = DeviceTransport::new(attached.map_err(told)?);
    let peer = Peer::new(reaction);
    let manager = ChannelManager::new();
    let listen = || {
        let interface: IWTSVirtualChannelManager = manager.to_interface();
        // SAFETY: the name ends with a zero; the listener is a new object.
        unsafe { interface.CreateListener(s!("KSWRITE"), 0, &peer.listener()) }
    };
    let _listener = listen().map_err(|error| format!("create a listener: {error}"))?;
    let connection = manager.connect("KSWRITE", transport, bound);
    let connection = connection.map_err(|error| format!("connect a channel: {error}"))?;
    let channel = connection.channel();
    peer.connect(connection, device);
    Ok(case.faces.add("IWTSVirtualChannel", channel, Some(peer)))
}

pub(super) fn write(case: &Case, channel: Face, data: Data, length: u32, reserved: bool) -> HResult {
    let buffer = case.memory.data(data).cast_const();
    let written = case.faces.call(channel, |channel: &IWTSVirtualChannel| {
        let something = if reserved {
            channel.as_raw()
        } else {
            ptr::null_mut()
        };
        // SAFETY: the buffer is the case's, which frees nothing before it is over; the other is NULL or an interface.
        unsafe { (channel.vtable().Write)(channel.as_raw(), length, buffer, something) }
    });
    written.map_or(NO_FACE, |written| HResult(written.0.cast_unsigned()))
}

pub(super) fn close(case: &Case, channel: Face) -> HResult {
    // SAFETY: a plain call.
    let close = |channel: &IWTSVirtualChannel| answer(&unsafe { channel.Close() });
    case.faces.call(channel, close).unwrap_or(NO_FACE)
}

/// The bytes of the message are others as soon as the callback has returned.
pub(super) fn deliver(case: &Case, channel: Face, message: &[u8]) -> HResult {
    let Some(peer) = case.faces.peer(channel) else {
        return NO_FACE;
    };
    let mut lent = message.to_vec();
    let delivered = peer.deliver(&lent);
    lent.fill(0xDB);
    // So that the bytes are really written, though nobody here reads them.
    std::hint::black_box(&lent);
    delivered
}

pub(super) fn disconnect(case: &Case, channel: Face, by: Disconnect) {
    if let Some(peer) = case.faces.peer(channel) {
        match by {
            Disconnect::Client => peer.fail(),
            Disconnect::Server => peer.disconnect(),
        }
    }
}
