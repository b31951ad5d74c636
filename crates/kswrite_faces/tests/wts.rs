//! The channel of the WTS functions over a device in memory: WV-02 to WV-12 as far as they need no handle.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use kswrite_client::Win32Error;
use kswrite_faces::chunk::{
    CHANNEL_CHUNK_LENGTH, FLAG_FIRST, FLAG_LAST, FLAG_ONLY, HEADER_BYTES, Header, Reassembler,
};
use kswrite_faces::wts::registry::{Asked, Registry};
use kswrite_faces::wts::{Closed, DYNAMIC_NAME_BYTES, Flavour, Link, VirtualChannel};

#[derive(Default)]
struct Memory {
    bytes: Mutex<Vec<u8>>,
    /// The most bytes of a write that it takes.
    part: Option<usize>,
    /// Bytes after which it fails.
    room: Option<usize>,
}

impl Link for Memory {
    fn write(&self, offset: u64, bytes: &[u8], _closed: &Closed) -> Result<u32, Win32Error> {
        let mut all = self
            .bytes
            .lock()
            .unwrap_or_else(|_| unreachable!("nobody panics here"));
        assert_eq!(
            offset,
            all.len() as u64,
            "writes are neither lost nor out of order"
        );
        if self.room.is_some_and(|room| all.len() >= room) {
            return Err(Win32Error(112));
        }
        let count = self.part.unwrap_or(usize::MAX).min(bytes.len());
        all.extend(bytes.iter().take(count));
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn read(&self, offset: u64, length: usize, _closed: &Closed) -> Result<Vec<u8>, Win32Error> {
        let all = self
            .bytes
            .lock()
            .unwrap_or_else(|_| unreachable!("nobody panics here"));
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(all.iter().skip(offset).take(length).copied().collect())
    }
}

fn open(flavour: Flavour) -> VirtualChannel<Memory> {
    VirtualChannel::new(Memory::default(), flavour)
}

const NOW: Option<Duration> = Some(Duration::ZERO);

/// WV-02, WV-07, WV-08: a block of any size, one chunk for each read, no header for a static channel.
#[test]
fn wv_07_a_static_channel_gives_chunks() {
    let channel = open(Flavour::Static);
    for length in [0_usize, 1, 1599, 1600, 1601, 3200, 1_000_000] {
        let message: Vec<u8> = (0..=250).cycle().take(length).collect();
        assert_eq!(channel.write(&message), Ok(u32::try_from(length).unwrap()));
        let mut read = Vec::new();
        for _ in 0..length.div_ceil(CHANNEL_CHUNK_LENGTH).max(1) {
            let chunk = channel.read(NOW, CHANNEL_CHUNK_LENGTH).unwrap();
            assert!(chunk.len() <= CHANNEL_CHUNK_LENGTH);
            read.extend(chunk);
        }
        assert!(read == message, "{length}");
    }
    assert_eq!(
        channel.read(NOW, CHANNEL_CHUNK_LENGTH),
        Err(Win32Error::IO_INCOMPLETE)
    );
}

/// WV-09: a dynamic channel shows the headers.
#[test]
fn wv_09_a_dynamic_channel_gives_headers() {
    let channel = open(Flavour::Dynamic);
    channel.write(&[7; 1601]).unwrap();
    channel.write(b"!").unwrap();
    let expected = [(1601, FLAG_FIRST, 1600), (1601, FLAG_LAST, 1), (1, FLAG_ONLY, 1)];
    for (length, flags, bytes) in expected {
        let chunk = channel.read(NOW, 1608).unwrap();
        let header = Header::from_bytes(*chunk.first_chunk().unwrap());
        assert_eq!(header, Header { length, flags });
        assert_eq!(chunk.len() - HEADER_BYTES, bytes);
    }
}

/// WV-08: the buffer must have room for any chunk.
#[test]
fn wv_08_the_buffer_has_room_for_any_chunk() {
    for (flavour, needed) in [(Flavour::Static, 1600), (Flavour::Dynamic, 1608)] {
        let channel = open(flavour);
        channel.write(b"x").unwrap();
        assert_eq!(
            channel.read(NOW, needed - 1),
            Err(Win32Error::INSUFFICIENT_BUFFER)
        );
        assert!(channel.read(NOW, needed).is_ok(), "nothing was lost");
    }
}

/// WV-10: a read without a time limit waits, and a close ends it.
#[test]
fn wv_10_a_read_waits() {
    let channel = open(Flavour::Static);
    thread::scope(|scope| {
        let waits = scope.spawn(|| channel.read(None, CHANNEL_CHUNK_LENGTH));
        channel.write(b"come").unwrap();
        assert_eq!(waits.join().unwrap(), Ok(b"come".to_vec()));
        let waits = scope.spawn(|| channel.read(None, CHANNEL_CHUNK_LENGTH));
        channel.close().unwrap();
        assert_eq!(waits.join().unwrap(), Err(Win32Error::INVALID_HANDLE));
    });
}

/// WV-03, WV-16: what is closed fails, also to be closed.
#[test]
fn wv_16_closed() {
    let channel = open(Flavour::Static);
    channel.close().unwrap();
    assert_eq!(channel.close(), Err(Win32Error::INVALID_HANDLE));
    assert_eq!(channel.write(b"late"), Err(Win32Error::INVALID_HANDLE));
    assert_eq!(channel.read(NOW, 1600), Err(Win32Error::INVALID_HANDLE));
    assert!(channel.link().read(0, 1, &Closed::default()).unwrap().is_empty());
}

/// WV-04, better than the original: any number of threads, and every message is whole.
#[test]
fn wv_04_many_threads() {
    let channel = VirtualChannel::new(
        Memory {
            part: Some(700),
            ..Memory::default()
        },
        Flavour::Dynamic,
    );
    thread::scope(|scope| {
        for name in 0..4_u8 {
            let channel = &channel;
            scope.spawn(move || {
                for length in (0..100).map(|step| step * 50) {
                    channel.write(&vec![name; length]).unwrap();
                }
            });
        }
    });
    let mut messages = Vec::new();
    let mut reassembler = Reassembler::new(CHANNEL_CHUNK_LENGTH, u32::MAX);
    let wire = channel.link().read(0, usize::MAX, &Closed::default()).unwrap();
    reassembler.push(&wire, |message| messages.push(message)).unwrap();
    assert_eq!(messages.len(), 400);
    assert!(
        messages
            .iter()
            .all(|message| message.iter().all(|byte| Some(byte) == message.first()))
    );
}

/// A message that was cut short makes the channel useless, and it says so.
#[test]
fn a_cut_message_breaks_the_channel() {
    let channel = VirtualChannel::new(
        Memory {
            part: Some(100),
            room: Some(300),
            ..Memory::default()
        },
        Flavour::Static,
    );
    assert_eq!(channel.write(&[1; 200]), Ok(200));
    assert_eq!(channel.write(&[1; 200]), Err(Win32Error(112)));
    assert_eq!(channel.write(b""), Err(Win32Error(112)));
}

/// WV-11, WV-12: names and flags.
#[test]
fn wv_11_wv_12_names_and_flags() {
    let refused = Err(Win32Error::INVALID_PARAMETER);
    for (name, is) in [
        ("", refused),
        ("a", Ok(())),
        ("1234567", Ok(())),
        ("12345678", refused),
        ("a\tb", refused),
    ] {
        assert_eq!(Flavour::Static.check_name(name.as_bytes()), is, "{name:?}");
    }
    assert_eq!(Flavour::Dynamic.check_name(&[b'n'; DYNAMIC_NAME_BYTES]), Ok(()));
    assert_eq!(
        Flavour::Dynamic.check_name(&[b'n'; DYNAMIC_NAME_BYTES + 1]),
        refused
    );
    let dynamic = Ok(Flavour::Dynamic);
    let unknown = Err(Win32Error::INVALID_PARAMETER);
    for (flags, flavour) in [
        (0, Ok(Flavour::Static)),
        (1, dynamic),
        (1 | 6, dynamic),
        (1 | 8, dynamic),
    ] {
        assert_eq!(Flavour::of_flags(flags), flavour, "{flags}");
    }
    for flags in [2, 4, 6, 8, 16, 17, u32::MAX] {
        assert_eq!(Flavour::of_flags(flags), unknown, "{flags}");
    }
}

fn asked(name: &[u8]) -> Asked<'_> {
    Asked {
        current_server: true,
        current_session: true,
        name: Some(name),
        flags: 0,
    }
}

/// WV-11, WV-13, WV-14, WV-16: what may be opened, and what a handle is after its close.
#[test]
fn wv_11_wv_13_wv_14_wv_16_the_open_channels() {
    let channels: Registry<Flavour> = Registry::new();
    let open = |asked: Asked<'_>| channels.open(&asked, Ok);
    let first = open(asked(b"one")).unwrap();
    assert_eq!(channels.find(first), Ok(Flavour::Static));
    assert_eq!(open(asked(b"one")), Err(Win32Error::ALREADY_EXISTS));
    for (refused, error) in [
        (
            Asked {
                current_server: false,
                ..asked(b"two")
            },
            Win32Error::INVALID_HANDLE,
        ),
        (
            Asked {
                current_session: false,
                ..asked(b"two")
            },
            Win32Error::ACCESS_DENIED,
        ),
        (
            Asked {
                name: None,
                ..asked(b"")
            },
            Win32Error::INVALID_PARAMETER,
        ),
        (asked(b"12345678"), Win32Error::INVALID_PARAMETER),
    ] {
        assert_eq!(open(refused), Err(error), "{refused:?}");
    }
    assert_eq!(channels.take(first), Ok(Flavour::Static));
    assert_eq!(channels.take(first), Err(Win32Error::INVALID_HANDLE));
    let again = open(asked(b"one")).unwrap();
    assert_ne!(again, first, "a handle is never used again");
    assert_eq!(channels.find(first), Err(Win32Error::INVALID_HANDLE));
}

/// WV-13: a name is taken while its channel is being opened, and free again if that fails.
#[test]
fn wv_13_a_name_is_taken_while_it_is_opened() {
    let channels: Registry<Flavour> = Registry::new();
    let opened = channels.open(&asked(b"one"), |_| {
        let second = channels.open(&asked(b"one"), Ok);
        assert_eq!(second, Err(Win32Error::ALREADY_EXISTS));
        Err(Win32Error::ACCESS_DENIED)
    });
    assert_eq!(opened, Err(Win32Error::ACCESS_DENIED));
    assert!(channels.open(&asked(b"one"), Ok).is_ok());
}
