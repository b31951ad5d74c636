//! The interfaces through which a device is written to, and what each makes of the bytes.

use std::fmt;
use std::io::{self, Read};

use clap::ValueEnum;
use kswrite_faces::chunk::{self, CHANNEL_CHUNK_LENGTH, Reassembler};
use serde::{Deserialize, Serialize};

use crate::digest::{Digester, Digests, Verdict};
use crate::plan::Engine;

/// An interface that takes writes. All five end in writes of the same device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Face {
    /// WriteFile on a handle of the device
    #[default]
    File,
    /// KsWriteFile on the file object of the handle, by the control device of the filter
    Ks,
    /// IStreamAsync::WriteAsync
    Stream,
    /// WTSVirtualChannelWrite: in chunks with headers, and each call waits
    Wts,
    /// IWTSVirtualChannel::Write: in chunks with headers, copied and queued
    Dvc,
}

impl Face {
    /// All faces, in the order in which tables list them.
    pub const ALL: [Self; 5] = [Self::File, Self::Ks, Self::Stream, Self::Wts, Self::Dvc];

    /// The word used on the command line and in tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Ks => "ks",
            Self::Stream => "stream",
            Self::Wts => "wts",
            Self::Dvc => "dvc",
        }
    }

    /// The call that writes.
    pub const fn call(self) -> &'static str {
        match self {
            Self::File => "WriteFile",
            Self::Ks => "KsWriteFile",
            Self::Stream => "IStreamAsync::WriteAsync",
            Self::Wts => "WTSVirtualChannelWrite",
            Self::Dvc => "IWTSVirtualChannel::Write",
        }
    }

    /// The one way in which completions are learnt; `None`: any.
    pub const fn engine(self) -> Option<Engine> {
        match self {
            Self::File => None,
            Self::Ks | Self::Stream => Some(Engine::Event),
            Self::Wts => Some(Engine::Sync),
            Self::Dvc => Some(Engine::Iocp),
        }
    }

    /// Whether it is a channel: writes are messages, which go one behind the other, in chunks with headers. A channel
    /// has no offsets.
    pub const fn is_channel(self) -> bool {
        matches!(self, Self::Wts | Self::Dvc)
    }

    /// What a device has of the writes.
    pub const fn form(self) -> Form {
        if self.is_channel() {
            Form::Chunks
        } else {
            Form::Writes
        }
    }
}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// In which form writes are digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Each at its offset.
    Writes,
    /// One behind the other.
    Messages,
    /// One behind the other, in chunks with headers.
    Chunks,
}

impl Form {
    /// Compares what was sent with what the device has. How a channel cuts its bytes into writes of the device is its
    /// own affair.
    pub fn verdict(self, expected: &Digests, found: &Digests) -> Verdict {
        match self {
            Self::Writes | Self::Messages => Verdict::of(expected, found),
            Self::Chunks => Verdict::of_bytes(expected, found),
        }
    }
}

/// A digest of writes in one form.
#[derive(Clone, Debug)]
pub struct FormDigester {
    form: Form,
    digester: Digester,
    end: u64,
    wire: Vec<u8>,
}

impl FormDigester {
    /// A digest of nothing.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            digester: Digester::new(),
            end: 0,
            wire: Vec::new(),
        }
    }

    /// Takes in one accepted write, of less than 4 GiB.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        match self.form {
            Form::Writes => self.digester.write(offset, data),
            Form::Messages => self.append(data),
            Form::Chunks => {
                let mut wire = std::mem::take(&mut self.wire);
                wire.clear();
                // Refused are 4 GiB and more, which no write has.
                let _shorter = chunk::encode_into(&mut wire, data, CHANNEL_CHUNK_LENGTH, 0);
                self.append(&wire);
                self.wire = wire;
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.digester.write(self.end, bytes);
        self.end += bytes.len() as u64;
    }

    /// The digests of what was taken in so far.
    pub fn finish(self) -> Digests {
        self.digester.finish()
    }
}

/// What was read back from a device that a channel was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// The bytes as they lie there, as if they were one write.
    pub wire: Digests,
    /// The messages that they make, one behind the other, up to the first bytes that are no chunk.
    pub messages: Digests,
}

/// Reads `bytes` bytes of chunks, or as many as there are, and puts the messages together again.
///
/// # Errors
///
/// Those of the source.
pub fn read_back(source: &mut dyn Read, bytes: u64) -> io::Result<ReadBack> {
    let mut wire = FormDigester::new(Form::Messages);
    let mut messages = FormDigester::new(Form::Messages);
    let mut peer = Reassembler::new(CHANNEL_CHUNK_LENGTH, u32::MAX);
    let mut piece = vec![0; 64 << 10];
    let mut source = source.take(bytes);
    loop {
        let read = source.read(&mut piece)?;
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else {
            break;
        };
        wire.write(0, read);
        // What is no chunk is missing in the digest, so the comparison finds it.
        let _no_chunk = peer.push(read, |message| messages.write(0, &message));
    }
    Ok(ReadBack {
        wire: wire.finish(),
        messages: messages.finish(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(form: Form, writes: &[(u64, &[u8])]) -> Digests {
        let mut digester = FormDigester::new(form);
        for (offset, data) in writes {
            digester.write(*offset, data);
        }
        digester.finish()
    }

    #[test]
    fn a_channel_has_headers_and_no_offsets() {
        let bytes = vec![7; 3000];
        let writes: [(u64, &[u8]); 3] = [(0, &bytes), (9000, b""), (5, b"end")];
        let plain = digests(Form::Writes, &writes);
        let messages = digests(Form::Messages, &writes);
        let chunks = digests(Form::Chunks, &writes);
        assert_eq!(
            (plain.bytes, messages.bytes, chunks.bytes),
            (3003, 3003, 3003 + 4 * 8)
        );
        assert_eq!(plain.sha256, messages.sha256);
        assert_ne!(plain.placement, messages.placement);
        assert_eq!(chunks.writes, 3);
    }

    #[test]
    fn messages_come_back_from_their_chunks() {
        let bytes: Vec<u8> = (0..=250_u8).cycle().take(100_000).collect();
        let writes: [(u64, &[u8]); 3] = [(0, &bytes), (0, b""), (0, b"end")];
        let mut wire = Vec::new();
        for (_, message) in writes {
            chunk::encode_into(&mut wire, message, CHANNEL_CHUNK_LENGTH, 0).unwrap();
        }
        let length = wire.len() as u64;
        wire.extend_from_slice(b"what a longer file had there before");
        let back = read_back(&mut wire.as_slice(), length).unwrap();
        assert_eq!(back.messages, digests(Form::Messages, &writes));
        let sent = digests(Form::Chunks, &writes);
        assert_eq!(Verdict::of_bytes(&sent, &back.wire), Verdict::Agree);
        // One bit of a header, of the last chunk but one.
        let place = wire.len() - 35 - 11 - 8;
        wire[place] ^= 1;
        let back = read_back(&mut wire.as_slice(), length).unwrap();
        assert_ne!(back.messages, digests(Form::Messages, &writes));
        assert_eq!(Verdict::of_bytes(&sent, &back.wire), Verdict::Differ);
    }

    #[test]
    fn words_are_those_of_the_command_line() {
        for face in Face::ALL {
            let value = face.to_possible_value().unwrap();
            assert_eq!(value.get_name(), face.word());
            assert_eq!(serde_json::to_value(face).unwrap(), face.word());
        }
    }
}
