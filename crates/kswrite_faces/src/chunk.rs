//! The chunks of a virtual channel.
//!
//! A message is cut into chunks of at most a chunk length; each follows a header with the bytes of the whole message
//! and flags that say whether it is the first, the last, or both.
//!
//! <https://learn.microsoft.com/windows/win32/api/pchannel/ns-pchannel-channel_pdu_header>

use std::fmt;

/// `CHANNEL_CHUNK_LENGTH`: bytes of message in a chunk, unless another length was agreed.
pub const CHANNEL_CHUNK_LENGTH: usize = 1600;
/// Bytes of a `CHANNEL_PDU_HEADER`.
pub const HEADER_BYTES: usize = 8;
/// `CHANNEL_PDU_LENGTH`: a full chunk with its header.
pub const CHANNEL_PDU_LENGTH: usize = CHANNEL_CHUNK_LENGTH + HEADER_BYTES;

/// `CHANNEL_FLAG_FIRST`.
pub const FLAG_FIRST: u32 = 0x1;
/// `CHANNEL_FLAG_LAST`.
pub const FLAG_LAST: u32 = 0x2;
/// `CHANNEL_FLAG_ONLY`.
pub const FLAG_ONLY: u32 = FLAG_FIRST | FLAG_LAST;
/// `CHANNEL_FLAG_SHOW_PROTOCOL`.
pub const FLAG_SHOW_PROTOCOL: u32 = 0x10;

/// `CHANNEL_PDU_HEADER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole message, without headers.
    pub length: u32,
    /// `CHANNEL_FLAG_*`.
    pub flags: u32,
}

impl Header {
    /// Little-endian, as on the wire and in memory.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; HEADER_BYTES] {
        ((self.flags as u64) << 32 | self.length as u64).to_le_bytes()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; HEADER_BYTES]) -> Self {
        let both = u64::from_le_bytes(bytes);
        Self {
            length: (both & 0xFFFF_FFFF) as u32,
            flags: (both >> 32) as u32,
        }
    }

    const fn is(self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// A piece of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// What goes before it.
    pub header: Header,
    /// The bytes.
    pub data: &'a [u8],
}

/// The chunks of a message. A message without bytes is one chunk without bytes.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    length: u32,
    left: Option<&'a [u8]>,
    first: bool,
    chunk_length: usize,
    flags: u32,
}

impl<'a> Chunks<'a> {
    /// Cuts `message` into chunks of at most `chunk_length` bytes, 0 taken as 1; `flags` are on every one.
    ///
    /// # Errors
    ///
    /// The message has 4 GiB or more.
    pub fn new(message: &'a [u8], chunk_length: usize, flags: u32) -> Result<Self, ChunkError> {
        Ok(Self {
            length: u32::try_from(message.len()).map_err(|_| ChunkError::TooLong)?,
            left: Some(message),
            first: true,
            chunk_length: chunk_length.max(1),
            flags,
        })
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let left = self.left?;
        let cut = left.len().min(self.chunk_length);
        let (data, rest) = left.split_at_checked(cut)?;
        self.left = (!rest.is_empty()).then_some(rest);
        let first = if std::mem::take(&mut self.first) {
            FLAG_FIRST
        } else {
            0
        };
        let last = if self.left.is_none() { FLAG_LAST } else { 0 };
        let header = Header {
            length: self.length,
            flags: self.flags | first | last,
        };
        Some(Chunk { header, data })
    }
}

/// How many bytes of the wire a message of `length` bytes takes.
///
/// # Errors
///
/// The message has 4 GiB or more, or its bytes of the wire cannot be counted.
pub fn wire_bytes(length: usize, chunk_length: usize) -> Result<usize, ChunkError> {
    let _header = u32::try_from(length).map_err(|_| ChunkError::TooLong)?;
    let chunks = length.div_ceil(chunk_length.max(1)).max(1);
    let headers = chunks.checked_mul(HEADER_BYTES);
    headers
        .and_then(|headers| headers.checked_add(length))
        .ok_or(ChunkError::TooLong)
}

/// Appends the message as bytes of the wire: every chunk behind its header.
///
/// # Errors
///
/// The message has 4 GiB or more.
pub fn encode_into(
    wire: &mut Vec<u8>,
    message: &[u8],
    chunk_length: usize,
    flags: u32,
) -> Result<(), ChunkError> {
    for Chunk { header, data } in Chunks::new(message, chunk_length, flags)? {
        wire.extend_from_slice(&header.to_bytes());
        wire.extend_from_slice(data);
    }
    Ok(())
}

/// Why bytes are no chunks, or a message cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// The message is longer than the receiver wants, or than a header can say.
    TooLong,
    /// A message begins without `CHANNEL_FLAG_FIRST`, or a chunk that goes on has it.
    First,
    /// `CHANNEL_FLAG_LAST` is not where the length says.
    Last,
    /// The chunks of one message do not agree on its length.
    Length,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the message is too long",
            Self::First => "CHANNEL_FLAG_FIRST is not on the first chunk of the message, or on another",
            Self::Last => "CHANNEL_FLAG_LAST is not on the chunk that ends the message, or on another",
            Self::Length => "the chunks of one message do not agree on its length",
        })
    }
}

impl std::error::Error for ChunkError {}

/// Puts messages together again, from the bytes of the wire in pieces of any size.
///
/// After an error the stream has no meaning any more: every later call fails with the same error.
#[derive(Debug)]
pub struct Reassembler {
    chunk_length: usize,
    limit: u32,
    header: Vec<u8>,
    message: Vec<u8>,
    total: Option<u32>,
    /// Bytes that the present chunk still lacks.
    missing: usize,
    failed: Option<ChunkError>,
}

impl Reassembler {
    /// For messages of at most `limit` bytes, in chunks of `chunk_length`, 0 taken as 1.
    #[must_use]
    pub fn new(chunk_length: usize, limit: u32) -> Self {
        Self {
            chunk_length: chunk_length.max(1),
            limit,
            header: Vec::with_capacity(HEADER_BYTES),
            message: Vec::new(),
            total: None,
            missing: 0,
            failed: None,
        }
    }

    /// Takes the next bytes; each message that they complete is given to `got`.
    ///
    /// # Errors
    ///
    /// The bytes are no chunks, or the message is longer than the limit. Nothing is allocated for it then.
    pub fn push(&mut self, mut bytes: &[u8], mut got: impl FnMut(Vec<u8>)) -> Result<(), ChunkError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        loop {
            if self.missing == 0 && self.header.len() < HEADER_BYTES {
                bytes = take(&mut self.header, HEADER_BYTES, bytes);
                let Some(header) = self.header.first_chunk().copied() else {
                    return Ok(());
                };
                if let Err(error) = self.begin(Header::from_bytes(header)) {
                    self.failed = Some(error);
                    return Err(error);
                }
            }
            let before = self.message.len();
            bytes = take(&mut self.message, before + self.missing, bytes);
            self.missing -= self.message.len() - before;
            if self.missing > 0 {
                return Ok(());
            }
            self.header.clear();
            if self
                .total
                .is_some_and(|total| self.message.len() == total as usize)
            {
                self.total = None;
                got(std::mem::take(&mut self.message));
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Whether a message has begun and is not complete.
    #[must_use]
    pub fn is_within_message(&self) -> bool {
        self.total.is_some() || !self.header.is_empty()
    }

    fn begin(&mut self, header: Header) -> Result<(), ChunkError> {
        let first = self.total.is_none();
        if header.is(FLAG_FIRST) != first {
            return Err(ChunkError::First);
        }
        if header.length > self.limit {
            return Err(ChunkError::TooLong);
        }
        if self.total.is_some_and(|total| total != header.length) {
            return Err(ChunkError::Length);
        }
        let left = header.length as usize - self.message.len();
        let here = left.min(self.chunk_length);
        if header.is(FLAG_LAST) != (left == here) {
            return Err(ChunkError::Last);
        }
        self.total = Some(header.length);
        self.missing = here;
        Ok(())
    }
}

/// Moves bytes from `bytes` to `into` until it has `wanted`; what is left.
fn take<'a>(into: &mut Vec<u8>, wanted: usize, bytes: &'a [u8]) -> &'a [u8] {
    let count = wanted.saturating_sub(into.len()).min(bytes.len());
    let (taken, left) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
    into.extend_from_slice(taken);
    left
}
