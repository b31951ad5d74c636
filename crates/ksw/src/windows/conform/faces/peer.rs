//! The other end of a dynamic channel: it is told by the callback, and it tells.
#![expect(unsafe_code, reason = "calls back into the channel by its address")]
#![expect(
    clippy::ref_as_ptr,
    clippy::inline_always,
    reason = "in what #[implement] writes"
)]

use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kswrite_client::File;
use kswrite_conform::faces::{HResult, Reaction, Told};
use kswrite_faces::Connection;
use kswrite_faces::channel::Traffic;
use windows::Win32::System::RemoteDesktop::{
    IWTSListenerCallback, IWTSListenerCallback_Impl, IWTSVirtualChannel, IWTSVirtualChannelCallback,
    IWTSVirtualChannelCallback_Impl,
};
use windows::core::{BOOL, BSTR, Interface, OutRef, Ref, Result, implement};

/// The other end.
///
/// Any thread may have it: what it holds of COM is free-threaded.
pub(super) struct Peer {
    reaction: Reaction,
    told: Mutex<Told>,
    /// The interface that reactions call, and 0 once the case gives its last reference back. No reference.
    channel: Mutex<usize>,
    connection: Mutex<Option<Connected>>,
}

/// A connection, and the device that it goes over.
struct Connected {
    connection: Arc<FreeThreaded>,
    device: File,
}

/// A connection that any thread may use.
struct FreeThreaded(Connection);

// SAFETY: the channel within is `Send` and `Sync`, and the references to it are counted interlocked.
unsafe impl Send for FreeThreaded {}
// SAFETY: as above.
unsafe impl Sync for FreeThreaded {}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a method returned.
pub(super) fn answer(result: &Result<()>) -> HResult {
    HResult(
        result
            .as_ref()
            .err()
            .map_or(0, |error| error.code().0.cast_unsigned()),
    )
}

impl Peer {
    pub(super) fn new(reaction: Reaction) -> Arc<Self> {
        Arc::new(Self {
            reaction,
            told: Mutex::default(),
            channel: Mutex::default(),
            connection: Mutex::default(),
        })
    }

    /// The listener that accepts the channel for this end.
    pub(super) fn listener(self: &Arc<Self>) -> IWTSListenerCallback {
        Listener(Arc::clone(self)).into()
    }

    pub(super) fn connect(&self, connection: Connection, device: File) {
        let connection = Arc::new(FreeThreaded(connection));
        *lock(&self.connection) = Some(Connected { connection, device });
    }

    /// Whether it has a reference of the channel.
    pub(super) fn is_connected(&self) -> bool {
        lock(&self.connection).is_some()
    }

    /// Gives its reference of the channel back, and calls into it no more.
    pub(super) fn let_go(&self) {
        *lock(&self.channel) = 0;
        let connected = lock(&self.connection).take();
        drop(connected);
    }

    fn connection(&self) -> Option<Arc<FreeThreaded>> {
        let connection = lock(&self.connection);
        connection
            .as_ref()
            .map(|connected| Arc::clone(&connected.connection))
    }

    pub(super) fn told(&self) -> Told {
        lock(&self.told).clone()
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.connection()
            .map(|connection| connection.0.traffic())
            .unwrap_or_default()
    }

    /// A message to the callback.
    pub(super) fn deliver(&self, message: &[u8]) -> HResult {
        match self.connection() {
            Some(connection) => {
                let delivered = connection.0.deliver(message);
                delivered.map_or_else(HResult::from, |()| HResult::OK)
            }
            None => HResult::from(kswrite_faces::channel::Refusal::Closed),
        }
    }

    /// The channel ends from this side. A second end is none.
    pub(super) fn disconnect(&self) {
        if let Some(connection) = self.connection() {
            let _closed = connection.0.disconnect();
        }
    }

    /// The device fails the write that it has; a client that has none to fail disconnects.
    pub(super) fn fail(&self) {
        if self.traffic().messages == 0 {
            self.disconnect();
        } else if let Some(connected) = lock(&self.connection).as_ref() {
            // Nothing pending: then the completion is on its way.
            let _none = connected.device.cancel_all();
        }
    }

    /// What a call into the channel returned, from within a callback.
    fn react(&self, call: impl FnOnce(&IWTSVirtualChannel) -> Result<()>) -> Option<HResult> {
        let channel = {
            let address = lock(&self.channel);
            let pointer = ptr::with_exposed_provenance_mut(*address);
            // SAFETY: the case has a reference as long as this is an address, and gives it back without this lock.
            unsafe { IWTSVirtualChannel::from_raw_borrowed(&pointer) }.cloned()
        };
        channel.map(|channel| answer(&call(&channel)))
    }

    /// All of one callback is told at once, when it is over, so that whoever sees it sees its end.
    fn tell(&self, answer: Option<HResult>, told: impl FnOnce(&mut Told)) {
        let mut all = lock(&self.told);
        all.answers.extend(answer);
        told(&mut all);
    }
}

/// Accepts every channel.
#[implement(IWTSListenerCallback)]
struct Listener(Arc<Peer>);

impl IWTSListenerCallback_Impl for Listener_Impl {
    fn OnNewChannelConnection(
        &self,
        channel: Ref<IWTSVirtualChannel>,
        _data: &BSTR,
        accepts: *mut BOOL,
        callback: OutRef<IWTSVirtualChannelCallback>,
    ) -> Result<()> {
        *lock(&self.0.channel) = channel.ok()?.as_raw().expose_provenance();
        // SAFETY: the manager gives a place for it.
        unsafe { accepts.write(true.into()) };
        callback.write(Some(Callback(Arc::clone(&self.0)).into()))
    }
}

/// The callback of the channel.
#[implement(IWTSVirtualChannelCallback)]
struct Callback(Arc<Peer>);

impl IWTSVirtualChannelCallback_Impl for Callback_Impl {
    fn OnDataReceived(&self, length: u32, buffer: *const u8) -> Result<()> {
        let message = if length == 0 {
            &[]
        } else {
            // SAFETY: the channel gives so many bytes for the time of the call.
            unsafe { std::slice::from_raw_parts(buffer, length as usize) }
        };
        let answer = match self.0.reaction {
            Reaction::None => None,
            // SAFETY: the message is copied in the call.
            Reaction::WriteBack => self.0.react(|channel| unsafe { channel.Write(message, None) }),
            // SAFETY: a plain call.
            Reaction::Close => self.0.react(|channel| unsafe { channel.Close() }),
        };
        let message = message.to_vec();
        self.0.tell(answer, |told| told.received.push(message));
        Ok(())
    }

    fn OnClose(&self) -> Result<()> {
        let answer = match self.0.reaction {
            Reaction::None | Reaction::WriteBack => None,
            // SAFETY: a plain call.
            Reaction::Close => self.0.react(|channel| unsafe { channel.Close() }),
        };
        self.0.tell(answer, |told| told.closes += 1);
        Ok(())
    }
}
