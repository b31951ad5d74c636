//! A virtual channel as the WTS functions have it: blocking writes and reads, by any thread.
//!
//! The original asks that one thread at a time calls; here each message is whole whoever else writes.
//!
//! <https://learn.microsoft.com/windows/win32/api/wtsapi32/nf-wtsapi32-wtsvirtualchannelwrite>

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kswrite_client::Win32Error;

use crate::chunk::{self, CHANNEL_CHUNK_LENGTH, HEADER_BYTES, Header};

pub mod registry;

/// Whether a channel is closed.
#[derive(Debug, Default)]
pub struct Closed(AtomicBool);

impl Closed {
    /// Whether it is.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A device that takes writes and gives back what was written, each call to its end.
///
/// Who closes a channel cancels what is pending, once it says that it is closed. So a call asks for that when its
/// operation has begun, and cancels it then: one that begins after the cancel would be missed otherwise.
pub trait Link {
    /// Writes bytes; returns how many the device took.
    ///
    /// # Errors
    ///
    /// Those of the device.
    fn write(&self, offset: u64, bytes: &[u8], closed: &Closed) -> Result<u32, Win32Error>;

    /// Reads at most `length` bytes; none where nothing was written yet.
    ///
    /// # Errors
    ///
    /// Those of the device.
    fn read(&self, offset: u64, length: usize, closed: &Closed) -> Result<Vec<u8>, Win32Error>;
}

/// `WTS_CHANNEL_OPTION_DYNAMIC`.
pub const OPTION_DYNAMIC: u32 = 1;
/// `WTS_CHANNEL_OPTION_DYNAMIC_PRI_MED`, `_HIGH`, and both, which is `_REAL`.
pub const OPTION_PRIORITY: u32 = 6;
/// `WTS_CHANNEL_OPTION_DYNAMIC_NO_COMPRESS`.
pub const OPTION_NO_COMPRESS: u32 = 8;

/// `CHANNEL_NAME_LEN`: bytes of the name of a static channel.
pub const STATIC_NAME_BYTES: usize = 7;
/// `MAX_PATH`, with the zero at the end: bytes of the name of a dynamic channel.
pub const DYNAMIC_NAME_BYTES: usize = 259;

/// Static or dynamic: what differs is the name, and whether a reader sees headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// A reader sees the bytes of chunks.
    Static,
    /// A reader sees each chunk behind its header.
    Dynamic,
}

impl Flavour {
    /// The flavour that the flags of WTSVirtualChannelOpenEx ask for. There is one link, so priority and compression
    /// change nothing.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_PARAMETER`: an unknown flag, or a flag of dynamic channels without `OPTION_DYNAMIC`.
    pub const fn of_flags(flags: u32) -> Result<Self, Win32Error> {
        const KNOWN: u32 = OPTION_DYNAMIC | OPTION_PRIORITY | OPTION_NO_COMPRESS;
        match flags {
            0 => Ok(Self::Static),
            _ if flags & !KNOWN == 0 && flags & OPTION_DYNAMIC != 0 => Ok(Self::Dynamic),
            _ => Err(Win32Error::INVALID_PARAMETER),
        }
    }

    /// Checks the name of a channel: printable ASCII, at least one character and as many as the flavour allows.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_PARAMETER`.
    pub fn check_name(self, name: &[u8]) -> Result<(), Win32Error> {
        let most = match self {
            Self::Static => STATIC_NAME_BYTES,
            Self::Dynamic => DYNAMIC_NAME_BYTES,
        };
        let printable = name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
        if name.is_empty() || name.len() > most || !printable {
            return Err(Win32Error::INVALID_PARAMETER);
        }
        Ok(())
    }

    /// Bytes that the buffer of a read must have.
    pub const fn buffer_bytes(self) -> usize {
        match self {
            Self::Static => CHANNEL_CHUNK_LENGTH,
            Self::Dynamic => chunk::CHANNEL_PDU_LENGTH,
        }
    }
}

/// What a channel remembers. It is given its link with each call.
#[derive(Debug)]
pub struct WtsState {
    flavour: Flavour,
    output: Mutex<Output>,
    input: Mutex<Input>,
    closed: Closed,
}

/// An open channel, with its link.
#[derive(Debug)]
pub struct VirtualChannel<L> {
    link: L,
    state: WtsState,
}

#[derive(Debug, Default)]
struct Output {
    offset: u64,
    /// A message was written in part: whoever reads could not tell where the next begins.
    broken: Option<Win32Error>,
}

#[derive(Debug, Default)]
struct Input {
    offset: u64,
    /// Bytes of the present message that are still to come.
    left: u32,
}

impl WtsState {
    /// An open channel, from offset 0 of its link on.
    #[must_use]
    pub fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            output: Mutex::default(),
            input: Mutex::default(),
            closed: Closed::default(),
        }
    }

    /// As [`VirtualChannel::write`].
    ///
    /// # Errors
    ///
    /// As of [`VirtualChannel::write`].
    pub fn write(&self, link: &impl Link, message: &[u8]) -> Result<u32, Win32Error> {
        self.open()?;
        let length = u32::try_from(message.len()).map_err(|_| Win32Error::INVALID_USER_BUFFER)?;
        let too_long = |_| Win32Error::INVALID_USER_BUFFER;
        let bytes = chunk::wire_bytes(message.len(), CHANNEL_CHUNK_LENGTH).map_err(too_long)?;
        let mut wire = Vec::new();
        wire.try_reserve_exact(bytes)
            .map_err(|_| Win32Error::NOT_ENOUGH_MEMORY)?;
        chunk::encode_into(&mut wire, message, CHANNEL_CHUNK_LENGTH, 0).map_err(too_long)?;
        let mut output = lock(&self.output);
        self.open()?;
        output.send(link, &wire, &self.closed)?;
        Ok(length)
    }

    /// A chunk, if there is one now. `room` is the size of the caller's buffer.
    ///
    /// # Errors
    ///
    /// As of [`VirtualChannel::read`].
    pub fn poll(&self, link: &impl Link, room: usize) -> Result<Option<Vec<u8>>, Win32Error> {
        if room < self.flavour.buffer_bytes() {
            return Err(Win32Error::INSUFFICIENT_BUFFER);
        }
        self.open()?;
        lock(&self.input).receive(link, self.flavour, &self.closed)
    }

    /// Closes the channel; nothing can be written or read any more.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_HANDLE`: it was closed before.
    pub fn close(&self) -> Result<(), Win32Error> {
        if self.closed.0.swap(true, Ordering::SeqCst) {
            return Err(Win32Error::INVALID_HANDLE);
        }
        Ok(())
    }

    fn open(&self) -> Result<(), Win32Error> {
        if self.closed.is_set() {
            return Err(Win32Error::INVALID_HANDLE);
        }
        Ok(())
    }
}

impl<L: Link> VirtualChannel<L> {
    /// A channel over a link, from its offset 0 on.
    pub fn new(link: L, flavour: Flavour) -> Self {
        Self {
            link,
            state: WtsState::new(flavour),
        }
    }

    /// The link.
    pub fn link(&self) -> &L {
        &self.link
    }

    /// Writes a message, in chunks, and returns its length.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_HANDLE`: closed. `ERROR_INVALID_USER_BUFFER`: 4 GiB or more. `ERROR_NOT_ENOUGH_MEMORY`. Otherwise
    /// those of the device; once a message was cut short, every later write fails as that one did.
    pub fn write(&self, message: &[u8]) -> Result<u32, Win32Error> {
        self.state.write(&self.link, message)
    }

    /// Reads a chunk; `None` of `timeout` waits for one. `room` is the size of the caller's buffer.
    ///
    /// # Errors
    ///
    /// `ERROR_IO_INCOMPLETE`: none came in time. `ERROR_INSUFFICIENT_BUFFER`: the buffer is smaller than a chunk can be.
    /// `ERROR_INVALID_HANDLE`: closed. `ERROR_INVALID_DATA`: what was written are no chunks. Otherwise those of the
    /// device.
    pub fn read(&self, timeout: Option<Duration>, room: usize) -> Result<Vec<u8>, Win32Error> {
        // A limit beyond what the clock can say is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(chunk) = self.state.poll(&self.link, room)? {
                return Ok(chunk);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Win32Error::IO_INCOMPLETE);
            }
            // The link has no call that waits for data.
            thread::sleep(left.map_or(pause, |left| left.min(pause)));
            pause = (pause * 2).min(Duration::from_millis(16));
        }
    }

    /// Closes the channel; a read that waits ends.
    ///
    /// # Errors
    ///
    /// `ERROR_INVALID_HANDLE`: it was closed before.
    pub fn close(&self) -> Result<(), Win32Error> {
        self.state.close()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    fn send(&mut self, link: &impl Link, wire: &[u8], closed: &Closed) -> Result<(), Win32Error> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let begin = self.offset;
        let mut left = wire;
        while !left.is_empty() {
            let written = match link.write(self.offset, left, closed) {
                Ok(0) => Err(Win32Error::WRITE_FAULT),
                written => written,
            };
            match written {
                Ok(written) => {
                    self.offset += u64::from(written);
                    left = left.get(written as usize..).unwrap_or_default();
                }
                Err(error) => {
                    self.broken = (self.offset != begin).then_some(error);
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl Input {
    fn receive(
        &mut self,
        link: &impl Link,
        flavour: Flavour,
        closed: &Closed,
    ) -> Result<Option<Vec<u8>>, Win32Error> {
        let mut bytes = link.read(self.offset, HEADER_BYTES, closed)?;
        let Some(header) = bytes.first_chunk().copied() else {
            return Ok(None);
        };
        let header = Header::from_bytes(header);
        let first = header.flags & chunk::FLAG_FIRST != 0;
        if first != (self.left == 0) {
            return Err(Win32Error::INVALID_DATA);
        }
        let left = if first { header.length } else { self.left };
        let here = (left as usize).min(CHANNEL_CHUNK_LENGTH);
        let data = link.read(self.offset + HEADER_BYTES as u64, here, closed)?;
        if data.len() < here {
            return Ok(None);
        }
        self.offset += (HEADER_BYTES + here) as u64;
        self.left = left - u32::try_from(here).unwrap_or(left);
        Ok(Some(match flavour {
            Flavour::Static => data,
            Flavour::Dynamic => {
                bytes.truncate(HEADER_BYTES);
                bytes.extend(data);
                bytes
            }
        }))
    }
}
