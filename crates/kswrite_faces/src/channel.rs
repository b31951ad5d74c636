//! A dynamic virtual channel: what IWTSVirtualChannel does, without COM.
//!
//! A write copies its message and returns; messages leave in order, one write of the device at a time. What waits is
//! counted, and bounded if wished: a channel without a bound takes as much memory as its writer asks for.
//!
//! No lock is held while the device or a callback is called, so both may call back into the channel.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kswrite_client::Win32Error;

use crate::{
    chunk::{self, ChunkError},
    hresult::HResult,
    transport::Transport,
};

/// Whoever the channel belongs to: `IWTSVirtualChannelCallback`.
pub trait ChannelCallback: Send + Sync {
    /// A message of the other end. The bytes are the callee's for the time of the call.
    fn on_data_received(&self, message: &[u8]);

    /// The channel is closed. Called exactly once, whatever closed it, and last.
    fn on_close(&self);
}

/// How much may wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// As much as there is memory for.
    #[default]
    Memory,
    /// So many bytes on the way, headers included.
    Bytes(usize),
}

/// Why a channel refuses a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is closed.
    Closed,
    /// So much waits that there is no room now. Later there will be.
    Full,
    /// The message is longer than the bound, or 4 GiB or more.
    TooLong,
    /// There is no memory for the copy.
    NoMemory,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the channel is closed; open it again",
            Self::Full => {
                "the channel has no room for the message now; write it again when the peer has taken some"
            }
            Self::TooLong => "the message is longer than the channel takes; send it in parts",
            Self::NoMemory => "there is no memory for a copy of the message",
        })
    }
}

impl std::error::Error for Refusal {}

/// What is closed is `ERROR_INVALID_STATE`, what is full `ERROR_NOT_ENOUGH_QUOTA`, what is too long
/// `ERROR_INVALID_USER_BUFFER`, as WriteFile says it.
impl From<Refusal> for HResult {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => Self::from_win32(Win32Error(5023)),
            Refusal::Full => Self::from_win32(Win32Error(1816)),
            Refusal::TooLong => Self::from_win32(Win32Error::INVALID_USER_BUFFER),
            Refusal::NoMemory => Self::OUT_OF_MEMORY,
        }
    }
}

/// What IWTSVirtualChannel::Write checks before it looks at the message: `reserved` is whether `pReserved` is something,
/// `null` whether the buffer is NULL.
///
/// # Errors
///
/// `E_INVALIDARG`: something is reserved. `E_POINTER`: no buffer, but a length.
pub const fn check_write(reserved: bool, null: bool, length: u32) -> Result<(), HResult> {
    match (reserved, null) {
        (true, _) => Err(HResult::INVALID_ARG),
        (_, true) if length > 0 => Err(HResult::POINTER),
        _ => Ok(()),
    }
}

/// What is on its way, and what was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages that wait or are being written.
    pub messages: usize,
    /// Their bytes, headers included.
    pub bytes: usize,
    /// The most messages there ever were.
    pub most_messages: usize,
    /// The most bytes there ever were.
    pub most_bytes: usize,
    /// Messages that were written.
    pub sent: u64,
    /// Messages that the channel took and did not write: it was closed, or the device failed.
    pub dropped: u64,
    /// Messages that were refused.
    pub refused: u64,
}

/// A message on its way.
struct Message {
    /// What of it is still to be written, as bytes of the wire.
    wire: Vec<u8>,
    /// How many bytes of the wire it had.
    bytes: usize,
}

struct State {
    queue: VecDeque<Message>,
    /// The device has a write.
    writing: bool,
    /// Somebody is in [`Shared::pump`].
    pumping: bool,
    /// Where the next write goes.
    offset: u64,
    /// Taken when the channel is closed.
    callback: Option<Arc<dyn ChannelCallback>>,
    failure: Option<Win32Error>,
    traffic: Traffic,
}

struct Shared<T> {
    transport: T,
    chunk_length: usize,
    bound: Bound,
    state: Mutex<State>,
    /// A message has left, or was dropped.
    moved: Condvar,
}

/// A channel. Dropping it closes it.
pub struct Channel<T: Transport>(Arc<Shared<T>>);

impl<T: Transport> Channel<T> {
    /// A channel over the device, in chunks of `chunk_length` bytes. The messages begin at offset 0.
    pub fn open(transport: T, chunk_length: usize, bound: Bound, callback: Arc<dyn ChannelCallback>) -> Self {
        Self(Arc::new(Shared {
            transport,
            chunk_length,
            bound,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                writing: false,
                pumping: false,
                offset: 0,
                callback: Some(callback),
                failure: None,
                traffic: Traffic::default(),
            }),
            moved: Condvar::new(),
        }))
    }

    /// Copies the message and starts to write it.
    ///
    /// <https://learn.microsoft.com/windows/win32/api/tsvirtualchannels/nf-tsvirtualchannels-iwtsvirtualchannel-write>
    ///
    /// # Errors
    ///
    /// The channel does not take it; nothing of it is written.
    pub fn write(&self, message: &[u8]) -> Result<(), Refusal> {
        let taken = self.0.take(message);
        match taken {
            Ok(()) => self.0.pump(),
            Err(_) => self.0.lock().traffic.refused += 1,
        }
        taken
    }

    /// Closes the channel: messages that wait are dropped, the write that the device has is cancelled, the callback
    /// is told.
    ///
    /// <https://learn.microsoft.com/windows/win32/api/tsvirtualchannels/nf-tsvirtualchannels-iwtsvirtualchannel-close>
    ///
    /// # Errors
    ///
    /// It was closed before.
    pub fn close(&self) -> Result<(), Refusal> {
        self.0.end(self.0.lock(), None)
    }

    /// A message of the other end.
    ///
    /// # Errors
    ///
    /// The channel is closed.
    pub fn deliver(&self, message: &[u8]) -> Result<(), Refusal> {
        let callback = self.0.lock().callback.clone().ok_or(Refusal::Closed)?;
        callback.on_data_received(message);
        Ok(())
    }

    /// Waits until no message is on its way.
    ///
    /// # Errors
    ///
    /// The device failed; the channel is closed.
    pub fn flush(&self) -> Result<(), Win32Error> {
        let state = self.0.lock();
        let busy = |state: &mut State| !state.queue.is_empty() || state.writing;
        let state = self.0.moved.wait_while(state, busy);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.failure.map_or(Ok(()), Err)
    }

    /// Waits until at most so many messages are on their way, or the time is over. Says whether so few are: then a
    /// writer that keeps so many on their way may write the next.
    pub fn wait_for_room(&self, messages: usize, limit: Duration) -> bool {
        let state = self.0.lock();
        let busy = |state: &mut State| state.traffic.messages > messages;
        let waited = self.0.moved.wait_timeout_while(state, limit, busy);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.traffic.messages <= messages
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.0.lock().callback.is_some()
    }

    /// What is on its way, and what was.
    pub fn traffic(&self) -> Traffic {
        self.0.lock().traffic
    }

    /// How much may wait.
    pub fn bound(&self) -> Bound {
        self.0.bound
    }

    /// The device.
    pub fn transport(&self) -> &T {
        &self.0.transport
    }
}

impl<T: Transport> Drop for Channel<T> {
    fn drop(&mut self) {
        // Closed before: there is nothing to do.
        let _closed = self.close();
    }
}

impl<T: Transport> Shared<T> {
    /// The state is whole between any two statements that change it, so a panic elsewhere does not harm it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, message: &[u8]) -> Result<(), Refusal> {
        let too_long = |_: ChunkError| Refusal::TooLong;
        let bytes = chunk::wire_bytes(message.len(), self.chunk_length).map_err(too_long)?;
        // Copied before the lock is taken: a long message keeps nobody waiting.
        let room = |state: &State| match self.bound {
            _ if state.callback.is_none() => Err(Refusal::Closed),
            Bound::Bytes(bound) if bytes > bound => Err(Refusal::TooLong),
            Bound::Bytes(bound) if bytes > bound.saturating_sub(state.traffic.bytes) => Err(Refusal::Full),
            _ => Ok(()),
        };
        room(&self.lock())?;
        let mut wire = Vec::new();
        wire.try_reserve_exact(bytes).map_err(|_| Refusal::NoMemory)?;
        chunk::encode_into(&mut wire, message, self.chunk_length, 0).map_err(too_long)?;
        let mut state = self.lock();
        room(&state)?;
        state.queue.try_reserve(1).map_err(|_| Refusal::NoMemory)?;
        state.queue.push_back(Message { wire, bytes });
        let traffic = &mut state.traffic;
        traffic.messages += 1;
        traffic.bytes += bytes;
        traffic.most_messages = traffic.most_messages.max(traffic.messages);
        traffic.most_bytes = traffic.most_bytes.max(traffic.bytes);
        Ok(())
    }

    /// Gives the device the next message, and the next, until it keeps one. Completions that come before the call
    /// returns do not nest: whoever is in here already goes on.
    fn pump(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            if state.writing || state.pumping {
                return;
            }
            let Some(Message { wire, bytes }) = state.queue.pop_front() else {
                return;
            };
            state.pumping = true;
            state.writing = true;
            let offset = state.offset;
            drop(state);
            let shared = Arc::clone(self);
            let done = move |result, wire| {
                shared.done(result, Message { wire, bytes });
                shared.pump();
            };
            self.transport.start(offset, wire, Box::new(done));
            self.lock().pumping = false;
        }
    }

    /// A write is over.
    fn done(&self, result: Result<u32, Win32Error>, mut message: Message) {
        let mut state = self.lock();
        state.writing = false;
        let written = result.map_or(0, |written| (written as usize).min(message.wire.len()));
        state.offset += written as u64;
        let whole = result.is_ok() && written == message.wire.len();
        if written > 0 && !whole && state.callback.is_some() {
            // The device took a part: the rest is next.
            message.wire.drain(..written);
            state.queue.push_front(message);
            return;
        }
        state.traffic.messages -= 1;
        state.traffic.bytes -= message.bytes;
        self.moved.notify_all();
        if whole {
            state.traffic.sent += 1;
            return;
        }
        state.traffic.dropped += 1;
        // Closed before: then this is the write that the close cancelled.
        let _closed = self.end(state, Some(result.err().unwrap_or(Win32Error::WRITE_FAULT)));
    }

    /// Closes the channel, once.
    fn end(&self, mut state: MutexGuard<'_, State>, failure: Option<Win32Error>) -> Result<(), Refusal> {
        let callback = state.callback.take().ok_or(Refusal::Closed)?;
        state.failure = failure;
        let dropped = std::mem::take(&mut state.queue);
        state.traffic.dropped += dropped.len() as u64;
        state.traffic.messages -= dropped.len();
        state.traffic.bytes -= dropped.iter().map(|message| message.bytes).sum::<usize>();
        let writing = state.writing;
        drop(state);
        self.moved.notify_all();
        if writing {
            self.transport.cancel();
        }
        callback.on_close();
        Ok(())
    }
}
