//! IWTSVirtualChannel, and the manager that a plug-in is driven by.
//!
//! <https://learn.microsoft.com/windows/win32/api/tsvirtualchannels/nn-tsvirtualchannels-iwtsvirtualchannel>
#![expect(
    unsafe_code,
    reason = "the memory of a COM caller comes as addresses, and its interfaces are called"
)]
#![expect(
    clippy::ref_as_ptr,
    clippy::inline_always,
    reason = "in what #[implement] writes"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use windows::Win32::Foundation::{E_INVALIDARG, E_NOTIMPL, E_POINTER};
use windows::Win32::System::Com::StructuredStorage::IPropertyBag;
use windows::Win32::System::RemoteDesktop::{
    IWTSListener, IWTSListener_Impl, IWTSListenerCallback, IWTSVirtualChannel, IWTSVirtualChannel_Impl,
    IWTSVirtualChannelCallback, IWTSVirtualChannelManager, IWTSVirtualChannelManager_Impl,
};
use windows::core::{
    BOOL, BSTR, ComObject, Error, HRESULT, IUnknown, Interface, PCSTR, Ref, Result, implement,
};

use super::DeviceTransport;
use crate::channel::{Bound, Channel, ChannelCallback, Refusal, Traffic, check_write};
use crate::chunk::CHANNEL_CHUNK_LENGTH;
use crate::hresult::HResult;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        HResult::from(refusal).into()
    }
}

/// A channel as COM has it.
#[implement(IWTSVirtualChannel)]
struct VirtualChannel(Channel<DeviceTransport>);

impl IWTSVirtualChannel_Impl for VirtualChannel_Impl {
    fn Write(&self, length: u32, buffer: *const u8, reserved: Ref<IUnknown>) -> Result<()> {
        check_write(reserved.is_some(), buffer.is_null(), length)?;
        let message = if length == 0 {
            &[]
        } else {
            // SAFETY: by the contract of the method the buffer has `length` bytes; they are copied in the call.
            unsafe { std::slice::from_raw_parts(buffer, length as usize) }
        };
        Ok(self.0.write(message)?)
    }

    fn Close(&self) -> Result<()> {
        Ok(self.0.close()?)
    }
}

/// A channel over a device, of which `callback` is told.
#[must_use]
pub fn open_channel(
    transport: DeviceTransport,
    bound: Bound,
    callback: Option<IWTSVirtualChannelCallback>,
) -> IWTSVirtualChannel {
    let owner = PluginCallback::default();
    if let Some(callback) = callback {
        // Nobody else has it yet.
        let _first = owner.0.set(FreeThreaded(callback));
    }
    VirtualChannel(Channel::open(
        transport,
        CHANNEL_CHUNK_LENGTH,
        bound,
        Arc::new(owner),
    ))
    .into()
}

/// A plug-in's callback, which it gives when it has accepted the channel.
#[derive(Default)]
struct PluginCallback(OnceLock<FreeThreaded<IWTSVirtualChannelCallback>>);

/// An interface that any thread may call.
///
/// INVARIANT: its documentation says that its methods are called in any thread.
struct FreeThreaded<T>(T);

// SAFETY: by the invariant; AddRef and Release of such objects are interlocked.
unsafe impl<T> Send for FreeThreaded<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for FreeThreaded<T> {}

impl ChannelCallback for PluginCallback {
    fn on_data_received(&self, message: &[u8]) {
        if let Some(FreeThreaded(callback)) = self.0.get() {
            // SAFETY: the bytes are valid for the time of the call.
            let _ignored = unsafe { callback.OnDataReceived(message) };
        }
    }

    fn on_close(&self) {
        if let Some(FreeThreaded(callback)) = self.0.get() {
            // SAFETY: a plain call.
            let _ignored = unsafe { callback.OnClose() };
        }
    }
}

/// The channels that a plug-in listens on, by name.
type Listeners = BTreeMap<String, FreeThreaded<IWTSListenerCallback>>;

/// A manager that plug-ins create their listeners with, and through which the other end opens channels to them.
#[implement(IWTSVirtualChannelManager)]
#[derive(Default)]
pub struct ChannelManager {
    listeners: Mutex<Listeners>,
}

/// A listener. The manager forgets it with the manager's own end.
#[implement(IWTSListener)]
struct Listener;

impl IWTSListener_Impl for Listener_Impl {
    fn GetConfiguration(&self) -> Result<IPropertyBag> {
        Err(E_NOTIMPL.into())
    }
}

/// `ERROR_ALREADY_EXISTS`.
const ALREADY_EXISTS: u32 = 183;
/// `ERROR_FILE_NOT_FOUND`.
const NOT_FOUND: u32 = 2;
/// `ERROR_CONNECTION_REFUSED`.
const REFUSED: u32 = 1225;

impl IWTSVirtualChannelManager_Impl for ChannelManager_Impl {
    fn CreateListener(
        &self,
        name: &PCSTR,
        _flags: u32,
        callback: Ref<IWTSListenerCallback>,
    ) -> Result<IWTSListener> {
        if name.is_null() {
            return Err(E_POINTER.into());
        }
        // SAFETY: by the contract of the method it ends with a zero.
        let name = unsafe { name.to_string() }.map_err(|_| E_INVALIDARG)?;
        let callback = callback.ok()?.clone();
        if name.is_empty() {
            return Err(E_INVALIDARG.into());
        }
        let mut listeners = self.listeners();
        if listeners.contains_key(&name) {
            return Err(HRESULT::from_win32(ALREADY_EXISTS).into());
        }
        listeners.insert(name, FreeThreaded(callback));
        Ok(Listener.into())
    }
}

impl ChannelManager {
    /// A manager without listeners.
    #[must_use]
    pub fn new() -> ComObject<Self> {
        ComObject::new(Self::default())
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other end opens the channel of this name, over a device: the listener is asked, and what it answers is the
    /// owner of the channel.
    ///
    /// # Errors
    ///
    /// `ERROR_FILE_NOT_FOUND`: nobody listens there. `ERROR_CONNECTION_REFUSED`: the listener does not accept. What the
    /// listener says otherwise.
    pub fn connect(&self, name: &str, transport: DeviceTransport, bound: Bound) -> Result<Connection> {
        let listener = self
            .listeners()
            .get(name)
            .map(|FreeThreaded(listener)| listener.clone());
        let listener = listener.ok_or_else(|| Error::from(HRESULT::from_win32(NOT_FOUND)))?;
        let owner = Arc::new(PluginCallback::default());
        let callback: Arc<dyn ChannelCallback> = owner.clone();
        let channel = Channel::open(transport, CHANNEL_CHUNK_LENGTH, bound, callback);
        let channel = ComObject::new(VirtualChannel(channel));
        let interface: IWTSVirtualChannel = channel.to_interface();
        let mut accepts = BOOL(0);
        let mut given = None;
        // SAFETY: both results are written before the call returns.
        unsafe {
            listener.OnNewChannelConnection(&interface, &BSTR::new(), &raw mut accepts, &raw mut given)
        }?;
        match given {
            Some(given) if accepts.as_bool() => {
                // Nobody else sets it.
                let _first = owner.0.set(FreeThreaded(given));
                Ok(Connection(channel))
            }
            _ => Err(HRESULT::from_win32(REFUSED).into()),
        }
    }
}

/// The other end of a channel that a plug-in accepted, or that [`open_channel`] made.
pub struct Connection(ComObject<VirtualChannel>);

impl Connection {
    /// The other end of this channel.
    ///
    /// # Errors
    ///
    /// `E_NOINTERFACE`: it is not one of these channels.
    pub fn of(channel: &IUnknown) -> Result<Self> {
        channel.cast_object().map(Self)
    }

    /// The interface that the plug-in was given.
    #[must_use]
    pub fn channel(&self) -> IWTSVirtualChannel {
        self.0.to_interface()
    }

    /// A message to the plug-in.
    ///
    /// # Errors
    ///
    /// The channel is closed.
    pub fn deliver(&self, message: &[u8]) -> std::result::Result<(), Refusal> {
        self.0.0.deliver(message)
    }

    /// Closes the channel from this end.
    ///
    /// # Errors
    ///
    /// It was closed before.
    pub fn disconnect(&self) -> std::result::Result<(), Refusal> {
        self.0.0.close()
    }

    /// Waits until no message of the plug-in is on its way.
    ///
    /// # Errors
    ///
    /// The device failed; the channel is closed.
    pub fn flush(&self) -> std::result::Result<(), kswrite_client::Win32Error> {
        self.0.0.flush()
    }

    /// Waits until at most so many messages of the plug-in are on their way, or the time is over. Says whether so few
    /// are.
    #[must_use]
    pub fn wait_for_room(&self, messages: usize, limit: Duration) -> bool {
        self.0.0.wait_for_room(messages, limit)
    }

    /// What is on its way, and what was.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.0.0.traffic()
    }

    /// How much may wait.
    #[must_use]
    pub fn bound(&self) -> Bound {
        self.0.0.bound()
    }
}
