//! What is written to.

use std::fmt;
use std::str::FromStr;

use kswrite_wire::names::SinkKind;
use serde::{Deserialize, Serialize};

/// What is written to. As text, the word of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    /// A sink through the filter: `filtered-buffered`, `filtered-direct`, `filtered-neither`.
    Filtered(SinkKind),
    /// A sink without the filter: `bare-buffered` and so on.
    Bare(SinkKind),
    /// A device that cannot be scripted: `device:PATH`.
    Device(String),
    /// A disk file in a folder of the case's own: `file`.
    File,
    /// The writing end of an anonymous pipe: `pipe`.
    Pipe,
    /// The client of a named pipe of bytes: `named-pipe`.
    NamedPipe,
    /// The client of a named pipe of messages: `message-pipe`.
    MessagePipe,
    /// A connected stream socket: `socket`.
    Socket,
    /// A mailslot: `mailslot`.
    Mailslot,
    /// The console's screen: `console`.
    Console,
    /// A serial port: `serial:PATH`.
    Serial(String),
    /// A volume whose contents may be lost: `volume:PATH`.
    Volume(String),
}

/// Kinds of targets, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// Sinks: devices with a script.
    pub const SINK: Self = Self(1);
    /// Devices without one.
    pub const DEVICE: Self = Self(2);
    /// Disk files.
    pub const FILE: Self = Self(4);
    /// Anonymous pipes, which are synchronous.
    pub const PIPE: Self = Self(8);
    /// Named pipes of bytes.
    pub const NAMED_PIPE: Self = Self(16);
    /// Named pipes of messages.
    pub const MESSAGE_PIPE: Self = Self(32);
    /// Sockets, which are asynchronous.
    pub const SOCKET: Self = Self(64);
    /// Mailslots.
    pub const MAILSLOT: Self = Self(128);
    /// Consoles.
    pub const CONSOLE: Self = Self(256);
    /// Serial ports.
    pub const SERIAL: Self = Self(512);
    /// Volumes.
    pub const VOLUME: Self = Self(1024);

    /// The targets on which a write can be made to pend for as long as a case likes.
    pub const HOLDING: Self = Self::SINK.and(Self::NAMED_PIPE);
    /// Sinks and files.
    pub const SEEKABLE: Self = Self::SINK.and(Self::FILE);
    /// Everything that can be opened for overlapped writes.
    pub const OVERLAPPED: Self = Self::SINK
        .and(Self::DEVICE)
        .and(Self::FILE)
        .and(Self::NAMED_PIPE)
        .and(Self::MESSAGE_PIPE)
        .and(Self::MAILSLOT);
    /// Everything that can be opened for synchronous writes.
    pub const SYNCHRONOUS: Self = Self::OVERLAPPED.and(Self::PIPE);

    /// All of them, with their words.
    const WORDS: [(Self, &str); 11] = [
        (Self::SINK, "sink"),
        (Self::DEVICE, "device"),
        (Self::FILE, "file"),
        (Self::PIPE, "pipe"),
        (Self::NAMED_PIPE, "named-pipe"),
        (Self::MESSAGE_PIPE, "message-pipe"),
        (Self::SOCKET, "socket"),
        (Self::MAILSLOT, "mailslot"),
        (Self::CONSOLE, "console"),
        (Self::SERIAL, "serial"),
        (Self::VOLUME, "volume"),
    ];

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the target is of one of these kinds.
    pub fn have(self, target: &Target) -> bool {
        self.0 & target.kind().0 != 0
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let have = |(kind, _): &&(Self, &str)| self.0 & kind.0 != 0;
        let words: Vec<&str> = Self::WORDS.iter().filter(have).map(|(_, word)| *word).collect();
        f.pad(&words.join(", "))
    }
}

impl Target {
    /// What there is without a path: what `ksw conform` runs when no target is named.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = SinkKind::ALL.map(Self::Filtered).into();
        all.extend(SinkKind::ALL.map(Self::Bare));
        all.extend([
            Self::File,
            Self::Pipe,
            Self::NamedPipe,
            Self::MessagePipe,
            Self::Socket,
            Self::Mailslot,
            Self::Console,
        ]);
        all
    }

    /// The targets that need a path, with this one.
    pub fn with_path(path: &str) -> [Self; 3] {
        [Self::Device, Self::Serial, Self::Volume].map(|target| target(path.to_owned()))
    }

    /// Its kind.
    pub const fn kind(&self) -> Kinds {
        match self {
            Self::Filtered(_) | Self::Bare(_) => Kinds::SINK,
            Self::Device(_) => Kinds::DEVICE,
            Self::File => Kinds::FILE,
            Self::Pipe => Kinds::PIPE,
            Self::NamedPipe => Kinds::NAMED_PIPE,
            Self::MessagePipe => Kinds::MESSAGE_PIPE,
            Self::Socket => Kinds::SOCKET,
            Self::Mailslot => Kinds::MAILSLOT,
            Self::Console => Kinds::CONSOLE,
            Self::Serial(_) => Kinds::SERIAL,
            Self::Volume(_) => Kinds::VOLUME,
        }
    }

    /// The buffer method, of a sink.
    pub const fn sink(&self) -> Option<SinkKind> {
        match self {
            Self::Filtered(kind) | Self::Bare(kind) => Some(*kind),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filtered(kind) => f.pad(&format!("filtered-{}", kind.word())),
            Self::Bare(kind) => f.pad(&format!("bare-{}", kind.word())),
            Self::Device(path) => f.pad(&format!("device:{path}")),
            Self::File => f.pad("file"),
            Self::Pipe => f.pad("pipe"),
            Self::NamedPipe => f.pad("named-pipe"),
            Self::MessagePipe => f.pad("message-pipe"),
            Self::Socket => f.pad("socket"),
            Self::Mailslot => f.pad("mailslot"),
            Self::Console => f.pad("console"),
            Self::Serial(path) => f.pad(&format!("serial:{path}")),
            Self::Volume(path) => f.pad(&format!("volume:{path}")),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// A word that names no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTarget(String);

impl fmt::Display for UnknownTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(word) = self;
        write!(f, "'{word}' is no target; choose one of ")?;
        for target in Target::all() {
            write!(f, "{target}, ")?;
        }
        f.write_str("device:PATH, serial:PATH, volume:PATH")
    }
}

impl std::error::Error for UnknownTarget {}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownTarget(word.to_owned());
        if let Some((kind, path)) = word.split_once(':').filter(|(_, path)| !path.is_empty()) {
            let path = path.to_owned();
            return match kind {
                "device" => Ok(Self::Device(path)),
                "serial" => Ok(Self::Serial(path)),
                "volume" => Ok(Self::Volume(path)),
                _ => Err(unknown()),
            };
        }
        let mut all = Self::all().into_iter();
        all.find(|target| target.to_string() == word).ok_or_else(unknown)
    }
}

impl TryFrom<String> for Target {
    type Error = UnknownTarget;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        word.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_words() {
        assert_eq!(Kinds::SEEKABLE.to_string(), "sink, file");
        let all = Kinds::WORDS
            .iter()
            .fold(Kinds(0), |all, (kind, _)| all.and(*kind));
        assert!(Target::all().iter().all(|target| all.have(target)));
        assert!(Target::with_path("x").iter().all(|target| all.have(target)));
    }

    #[test]
    fn every_target_is_read_back_from_its_word() {
        let paths = ["device:\\\\.\\X", "serial:COM3", "volume:\\\\.\\X:"];
        let paths = paths.map(|word| word.parse().expect("a target"));
        for target in Target::all().into_iter().chain(paths) {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        for word in ["", "device:", "disk", "file:x"] {
            assert!(word.parse::<Target>().is_err(), "{word}");
        }
    }
}
