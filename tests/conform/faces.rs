//! The same bytes through WriteFile, a stream and both channels, to every sink of the model: the same payload, in order.
//!
//! KsWriteFile has no face here: its rules are the model's own, and the row with all five is among those of the drivers.

use kswrite_conform::faces::{Face, HResult, Reaction, WtsOpen};
use kswrite_conform::win32::{
    Access, Count, Data, Disposition, Handle, Open, Ov, Overlapped, Patience, Win32,
};
use kswrite_faces::channel::Bound;
use kswrite_faces::chunk::{CHANNEL_CHUNK_LENGTH, Reassembler};
use kswrite_wire::names::SinkKind;
use kswrite_wire::sink::{Completion, FastMode, Script};
use sha2::{Digest, Sha256};

use super::{SEEDS, find_with_seed};

/// Sizes around a chunk, none, many chunks, and none at the end.
const SIZES: [usize; 10] = [0, 1, 1599, 1600, 1601, 65_536, 3, 0, 4000, 0];

fn messages() -> Vec<Vec<u8>> {
    let message = |(size, seed): (usize, u8)| {
        let once: Vec<u8> = (0..=250).map(|byte: u8| byte ^ seed).collect();
        once.into_iter().cycle().take(size).collect()
    };
    SIZES.into_iter().zip(1..).map(message).collect()
}

/// Each message with its offset.
fn placed(messages: &[Vec<u8>]) -> impl Iterator<Item = (u64, &[u8])> {
    messages.iter().scan(0, |end, message| {
        let offset = *end;
        *end += message.len() as u64;
        Some((offset, message.as_slice()))
    })
}

fn length(message: &[u8]) -> u32 {
    u32::try_from(message.len()).expect("it is short")
}

fn data(os: &dyn Win32, message: &[u8]) -> Data {
    Data::Of(os.buffer(message))
}

/// An `OVERLAPPED` with an event of its own, which keeps the packet of a port away.
fn place(os: &dyn Win32, offset: u64) -> Ov {
    let event = os.create_event(true, false).expect("an event");
    os.overlapped(&Overlapped {
        offset,
        event: Some(event),
        no_packet: true,
    })
}

/// A sink to which all messages were written.
struct Written {
    device: Handle,
    /// The channel of the WTS functions whose handle it is.
    channel: Option<Face>,
}

impl From<Handle> for Written {
    fn from(device: Handle) -> Self {
        let channel = None;
        Self { device, channel }
    }
}

/// A way to write all messages to a sink, all under way at a time where it allows that. Returns when all are complete.
type Way = fn(&dyn Win32, SinkKind, &Script, &[Vec<u8>]) -> Written;

const WAYS: [(&str, Way); 4] = [("file", file), ("stream", stream), ("wts", wts), ("dvc", dvc)];

fn open(os: &dyn Win32, kind: SinkKind, script: &Script) -> Handle {
    let open = Open {
        access: Access::ReadWrite,
        disposition: Disposition::OpenExisting,
        overlapped: true,
        write_through: false,
        no_buffering: false,
    };
    let device = os.create_file(kind.path(), open).expect("the sink");
    os.set_script(device, script).expect("a good script");
    device
}

fn file(os: &dyn Win32, kind: SinkKind, script: &Script, messages: &[Vec<u8>]) -> Written {
    let device = open(os, kind, script);
    let start = |(offset, message): (u64, &[u8])| {
        let overlapped = place(os, offset);
        let data = data(os, message);
        let returned = os.write_file(device, data, length(message), Count::Null, Some(overlapped));
        assert!(returned.returned || returned.is_pending(), "{returned:?}");
        overlapped
    };
    let started: Vec<Ov> = placed(messages).map(start).collect();
    for (overlapped, message) in started.into_iter().zip(messages) {
        let ended = os.get_overlapped_result(device, overlapped, true);
        assert_eq!((ended.returned, ended.count), (true, Some(length(message))));
    }
    device.into()
}

fn stream(os: &dyn Win32, kind: SinkKind, script: &Script, messages: &[Vec<u8>]) -> Written {
    let device = open(os, kind, script);
    let face = os.faces().stream(device).expect("a stream");
    let start = |(offset, message): (u64, &[u8])| {
        let overlapped = place(os, offset);
        let data = data(os, message);
        let answered = os
            .faces()
            .write_async(face, data, length(message), Count::Null, Some(overlapped));
        assert!(
            [HResult::OK, HResult(0x8007_03E5)].contains(&answered.hresult),
            "{answered:?}"
        );
        overlapped
    };
    let started: Vec<Ov> = placed(messages).map(start).collect();
    for (overlapped, message) in started.into_iter().zip(messages) {
        let ended = os
            .faces()
            .overlapped_result(face, Some(overlapped), Count::Wanted, true);
        assert_eq!((ended.hresult, ended.count), (HResult::OK, Some(length(message))));
    }
    assert_eq!(os.faces().release_ref(face), 0);
    device.into()
}

fn wts(os: &dyn Win32, kind: SinkKind, script: &Script, messages: &[Vec<u8>]) -> Written {
    let opened = os.faces().wts_open(&WtsOpen {
        device: kind.path(),
        current_server: true,
        current_session: true,
        name: Some(b"KSWRITE"),
        flags: None,
    });
    let channel: Face = opened.expect("a good name");
    let device = os.faces().wts_query_file(channel).expect("it is open");
    os.set_script(device, script).expect("a good script");
    for message in messages {
        let written = os
            .faces()
            .wts_write(channel, data(os, message), length(message), Count::Wanted);
        assert_eq!((written.returned, written.count), (true, Some(length(message))));
    }
    let channel = Some(channel);
    Written { device, channel }
}

fn dvc(os: &dyn Win32, kind: SinkKind, script: &Script, messages: &[Vec<u8>]) -> Written {
    let device = open(os, kind, script);
    let channel = os
        .faces()
        .channel(device, Bound::Memory, Reaction::None)
        .expect("a channel");
    for message in messages {
        let written = os
            .faces()
            .channel_write(channel, data(os, message), length(message), false);
        assert_eq!(written, HResult::OK);
    }
    let mut glances = 0;
    while os.faces().channel_traffic(channel).messages > 0 {
        glances += 1;
        assert!(glances < 1000, "the messages leave");
        let _routines = os.sleep(Patience::Briefly);
    }
    assert_eq!(os.faces().channel_traffic(channel).sent, messages.len() as u64);
    assert_eq!(os.faces().release_ref(channel), 0);
    device.into()
}

/// What the sink has: the messages, or how many writes and what bytes.
fn payload(os: &dyn Win32, device: Handle, channel: bool) -> (usize, [u8; 32]) {
    let state = os.sink_state(device).expect("a sink");
    assert_eq!((state.failed, state.outstanding, state.window_base), (0, 0, 0));
    if !channel {
        return (usize::try_from(state.writes).expect("a few"), state.sha256);
    }
    let bytes = usize::try_from(state.high_water).expect("it is short");
    let into = os.buffer(&vec![0; bytes]);
    let overlapped = place(os, 0);
    let wanted = u32::try_from(bytes).expect("it is short");
    let read = os.read_file(device, into, wanted, Count::Null, Some(overlapped));
    assert!(read.returned || read.is_pending(), "{read:?}");
    let ended = os.get_overlapped_result(device, overlapped, true);
    assert_eq!(ended.count, Some(wanted));
    let mut arrived = Vec::new();
    let mut peer = Reassembler::new(CHANNEL_CHUNK_LENGTH, u32::MAX);
    peer.push(&os.bytes(into), |message| arrived.push(message))
        .expect("these are chunks");
    assert!(!peer.is_within_message());
    (arrived.len(), Sha256::digest(arrived.concat()).into())
}

/// What every way to every sink on every path has brought.
fn all_ways(os: &dyn Win32) -> Vec<(String, (usize, [u8; 32]))> {
    let messages = messages();
    let irp = |completion: Completion| Script {
        fast: FastMode::Decline as u32,
        completion: completion as u32,
        ..Script::default()
    };
    let scripts = [
        Script::default(),
        irp(Completion::Inline),
        irp(Completion::Pended),
    ];
    let mut seen = Vec::new();
    for kind in SinkKind::ALL {
        for script in &scripts {
            for (name, way) in WAYS {
                let Written { device, channel } = way(os, kind, script, &messages);
                let found = payload(os, device, ["wts", "dvc"].contains(&name));
                let closed = channel.is_none_or(|channel| os.faces().wts_close(channel).returned);
                assert!(closed, "{name}");
                seen.push((format!("{name} to {kind:?}, {script:?}"), found));
            }
        }
    }
    seen
}

#[test]
fn the_same_bytes_through_streams_and_channels() {
    let messages = messages();
    let expected = (messages.len(), Sha256::digest(messages.concat()).into());
    for seed in 0..SEEDS {
        let (found, seen) = find_with_seed(seed, all_ways);
        assert_eq!(found, Ok(()), "seed {seed}");
        let seen = seen.expect("it came to its end");
        assert_eq!(seen.len(), SinkKind::ALL.len() * 3 * WAYS.len());
        for (name, seen) in seen {
            assert_eq!(seen, expected, "seed {seed}, {name}");
        }
    }
}
