//! The same bytes through all five interfaces: the sink has the same, in the same order, and nothing is left.
//!
//! WriteFile, KsWriteFile and IStreamAsync bring the bytes as they are, so the sink's digests are those of the bytes. The
//! virtual channels put headers between them: what the sink has is read back, and the messages are put together again.
#![expect(unsafe_code, reason = "calls methods of COM interfaces")]

use std::fmt::Write;
use std::process::Command;

use kswrite_client::{
    Access, ByEvent, File, FileObjectWrite, Finished, Lent, Operation, Reactor, Started, Win32Error,
};
use kswrite_faces::channel::Bound;
use kswrite_faces::chunk::{CHANNEL_CHUNK_LENGTH, Reassembler, wire_bytes};
use kswrite_faces::wts::{Flavour, VirtualChannel};
use kswrite_faces::{Connection, DeviceLink, DeviceTransport, Stream, open_channel};
use kswrite_wire::names::{CONTROL_PATH, SinkKind};
use kswrite_wire::sink::{Completion, Script, State, placement};
use sha2::{Digest, Sha256};
use windows::Win32::UI::Shell::IStreamAsync;
use windows::core::{HRESULT, Interface};

use crate::rig::{Rig, crc32c, irp_script, open, pattern, state};

/// What is written: sizes around a chunk, none, many chunks, and none at the end.
const SIZES: [usize; 10] = [0, 1, 1599, 1600, 1601, 65_536, 3, 0, 4000, 0];

fn messages() -> Vec<Vec<u8>> {
    let seeds = SIZES.iter().zip(1..);
    seeds.map(|(size, seed)| pattern(*size, seed)).collect()
}

/// Each message with its offset.
fn placed(messages: &[Vec<u8>]) -> impl Iterator<Item = (u64, &[u8])> {
    messages.iter().scan(0, |end, message| {
        let offset = *end;
        *end += message.len() as u64;
        Some((offset, message.as_slice()))
    })
}

/// An interface. Each writes all messages to a fresh handle of the sink, all of them under way at a time where the
/// interface allows it, and gives the handle back when all are complete.
type Face = (&'static str, fn(File, &[Vec<u8>]) -> File);

const FACES: [Face; 5] = [
    ("file", file),
    ("ks", ks),
    ("stream", stream),
    ("wts", wts),
    ("dvc", dvc),
];

fn whole(started: Started<ByEvent>, message: &[u8]) {
    let Finished { result, .. } = started.wait();
    assert_eq!(result, Ok(message.len() as u32));
}

fn file(device: File, messages: &[Vec<u8>]) -> File {
    let start = |(offset, message): (u64, &[u8])| {
        let operation = Operation::by_event().expect("an event");
        operation.write_at(&device, offset, message.to_vec())
    };
    let started: Vec<_> = placed(messages).map(start).collect();
    for (started, message) in started.into_iter().zip(messages) {
        whole(started, message);
    }
    device
}

fn ks(device: File, messages: &[Vec<u8>]) -> File {
    let control_device = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
    let start = |(offset, message): (u64, &[u8])| {
        let write = FileObjectWrite::new(&device, message).at(offset as i64);
        write.start(&control_device).expect("an event")
    };
    let started: Vec<_> = placed(messages).map(start).collect();
    for (started, message) in started.into_iter().zip(messages) {
        let report = started.wait().expect("the request is understood");
        assert_eq!(
            (report.final_status, report.block),
            (0, Some((0, message.len() as u64)))
        );
    }
    device
}

fn stream(device: File, messages: &[Vec<u8>]) -> File {
    let stream: IStreamAsync = Stream::new(device.clone(), "sink").into();
    let pending = HRESULT::from_win32(Win32Error::IO_PENDING.0);
    let start = |(offset, message): (u64, &[u8])| {
        let whole = 0..message.len();
        let operation = Operation::by_event().expect("an event");
        let write = |lent: Lent| {
            let (data, overlapped) = (lent.data.cast_const().cast(), lent.overlapped.cast_const().cast());
            // SAFETY: the memory stays until the write is over.
            let written = unsafe { stream.WriteAsync(data, lent.length, None, overlapped) };
            written.map_err(|error| {
                assert_eq!(error.code(), pending, "the sink takes every write");
                Win32Error::IO_PENDING
            })
        };
        // SAFETY: WriteAsync starts one write of the device, and says what became of it.
        unsafe { operation.start_part_by(&device, offset, message.to_vec(), whole, write) }
    };
    let started: Vec<_> = placed(messages).map(start).collect();
    for (started, message) in started.into_iter().zip(messages) {
        whole(started, message);
    }
    device
}

fn wts(device: File, messages: &[Vec<u8>]) -> File {
    let channel = VirtualChannel::new(DeviceLink::new(device.clone()), Flavour::Static);
    for message in messages {
        assert_eq!(channel.write(message), Ok(message.len() as u32));
    }
    // The reader of a static channel sees no headers, and a message of no bytes as a chunk of none.
    for message in messages {
        let mut seen = Vec::new();
        for _ in 0..message.len().div_ceil(CHANNEL_CHUNK_LENGTH).max(1) {
            seen.extend(channel.read(None, CHANNEL_CHUNK_LENGTH).expect("it is there"));
        }
        assert_eq!(seen, *message);
    }
    device
}

fn dvc(device: File, messages: &[Vec<u8>]) -> File {
    let reactor = Reactor::new().expect("a port and a thread");
    let attached = reactor.attach(device.clone()).expect("it has no port yet");
    let channel = open_channel(DeviceTransport::new(attached), Bound::Memory, None);
    for message in messages {
        // SAFETY: the bytes are copied in the call.
        unsafe { channel.Write(message, None) }.expect("it is open");
    }
    let unknown = channel.cast().expect("every object has it");
    let connection = Connection::of(&unknown).expect("it is one of ours");
    connection.flush().expect("the sink takes every write");
    let traffic = connection.traffic();
    assert_eq!(
        (traffic.sent, traffic.messages, traffic.dropped),
        (messages.len() as u64, 0, 0)
    );
    device
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The bytes were brought as they are: the digests of the sink are those of the messages, each at its place.
fn payload_of_bytes(seen: &State, messages: &[Vec<u8>], name: &str) -> [u8; 32] {
    let places = placed(messages).map(|(offset, bytes)| placement(offset, bytes.len() as u32, crc32c(bytes)));
    assert_eq!(seen.writes, messages.len() as u64, "{name}");
    assert_eq!(seen.placement, places.fold(0, u64::wrapping_add), "{name}");
    seen.sha256
}

/// The bytes came in chunks: they are read back, and make the same messages in the same order.
fn payload_of_chunks(device: &File, seen: &State, messages: &[Vec<u8>], name: &str) -> [u8; 32] {
    let lengths = messages
        .iter()
        .map(|message| wire_bytes(message.len(), CHANNEL_CHUNK_LENGTH));
    let wire: usize = lengths.map(|bytes| bytes.expect("it is short")).sum();
    assert_eq!((seen.bytes, seen.window_base), (wire as u64, 0), "{name}");
    let read = Operation::by_event().expect("an event");
    let Finished { result, buffer, .. } = read.read_at(device, 0, vec![0; wire]).wait();
    assert_eq!(result, Ok(wire as u32), "{name}");
    assert_eq!(
        sha256(&buffer),
        seen.sha256,
        "{name}: read back is what was digested"
    );
    let mut arrived = Vec::new();
    let mut peer = Reassembler::new(CHANNEL_CHUNK_LENGTH, u32::MAX);
    peer.push(&buffer, |message| arrived.push(message))
        .expect("these are chunks");
    assert!(!peer.is_within_message(), "{name}");
    assert_eq!(arrived.len(), messages.len(), "{name}");
    sha256(&arrived.concat())
}

/// WF, KS, SA, WV, DV: the same bytes through each interface to each sink, on each path.
#[test]
fn the_same_bytes_through_all_five() {
    let messages = messages();
    let expected = sha256(&messages.concat());
    for kind in SinkKind::ALL {
        for script in [
            Script::default(),
            irp_script(Completion::Inline),
            irp_script(Completion::Pended),
        ] {
            for (name, write) in FACES {
                let rig = Rig::new();
                let device = write(open(kind, script), &messages);
                let seen = state(&device);
                let name = format!("{name} to {kind:?}, {script:?}");
                assert_eq!((seen.failed, seen.outstanding), (0, 0), "{name}");
                let found = if name.starts_with("wts") || name.starts_with("dvc") {
                    payload_of_chunks(&device, &seen, &messages, &name)
                } else {
                    payload_of_bytes(&seen, &messages, &name)
                };
                assert_eq!(found, expected, "{name}");
                drop(device);
                rig.finish();
            }
        }
    }
}

/// `ksw write` with these words behind; exit code, and all that was said.
fn ksw_write(words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("ksw");
    let output = command
        .arg("write")
        .args(words)
        .output()
        .expect("ksw is on the path");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("ksw-faces-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).expect("a place for temporary files");
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// `ksw write` sends a file through each interface, and finds it whole.
#[test]
fn ksw_writes_the_same_file_by_all_five() {
    let bytes = pattern(100_001, 5);
    let source = TempFile::new("source", &bytes);
    let expected = format!("\"sha256\":\"{}\"", hex(&sha256(&bytes)));
    for device in ["buffered", "direct", "neither"] {
        for (face, _) in FACES {
            let rig = Rig::new();
            let words = ["--device", device, "--file", &source.path(), "--face", face];
            let rest = ["--block", "7000", "--verify", "--json"];
            let (exit, said) = ksw_write(&[words.as_slice(), &rest].concat());
            assert_eq!(exit, Some(0), "{face} to {device}: {said}");
            assert!(said.contains(&format!("\"face\":\"{face}\"")), "{said}");
            // What a channel's messages were found to be is told last.
            let found = said.rsplit("\"found\":").next();
            assert!(found.is_some_and(|found| found.contains(&expected)), "{said}");
            rig.finish();
        }
    }
}

/// What cannot be decoded, for it is longer than the sink's window, is compared with its headers; a plain file is
/// decoded whole.
#[test]
fn ksw_verifies_channels_of_any_length() {
    let source = TempFile::new("long", &pattern(1_500_000, 6));
    for face in ["wts", "dvc"] {
        let rig = Rig::new();
        let by = ["--file", &source.path(), "--face", face, "--verify"];
        let (exit, said) = ksw_write(&[&["--device", "direct"], by.as_slice()].concat());
        assert_eq!(exit, Some(0), "{said}");
        assert!(said.contains("window has only the end"), "{said}");
        let plain = TempFile::new("plain", &vec![7; 2_000_000]);
        let (exit, said) = ksw_write(&[&["--device", &plain.path()], by.as_slice()].concat());
        assert_eq!(exit, Some(0), "{said}");
        assert!(said.contains("of 23 messages without their headers"), "{said}");
        rig.finish();
    }
}

/// A device that takes parts, or fails: channels write the rest, and what failed is told.
#[test]
fn short_and_failing_devices_by_all_five() {
    let source = TempFile::new("failing", &pattern(50_000, 7));
    for (face, short, failing) in [
        ("file", 3, 3),
        ("ks", 3, 3),
        ("stream", 3, 3),
        ("wts", 0, 3),
        ("dvc", 0, 3),
    ] {
        for (what, expected) in [("short-by=1", short), ("status=0xC0000185", failing)] {
            let rig = Rig::new();
            let script = format!("fast=decline,completion=pended,{what},every=2");
            let words = ["--device", "direct", "--file", &source.path(), "--face", face];
            let rest = ["--block", "9000", "--verify", "--script", &script];
            let (exit, said) = ksw_write(&[words.as_slice(), &rest].concat());
            assert_eq!(exit, Some(expected), "{face}, {what}: {said}");
            assert!(said.contains("agree"), "{face}, {what}: {said}");
            let told = said.contains("ERROR_IO_DEVICE");
            assert_eq!(told, what.starts_with("status"), "{face}, {what}: {said}");
            rig.finish();
        }
    }
}

/// Held writes are released, by every interface that does not wait in its call.
#[test]
fn held_writes_are_released() {
    let source = TempFile::new("held", &pattern(30_000, 8));
    for (face, expected) in [("file", 0), ("ks", 0), ("stream", 0), ("wts", 2), ("dvc", 0)] {
        let rig = Rig::new();
        let words = ["--device", "buffered", "--file", &source.path(), "--face", face];
        let rest = [
            "--block",
            "9000",
            "--verify",
            "--script",
            "fast=decline,completion=held",
        ];
        let (exit, said) = ksw_write(&[words.as_slice(), &rest].concat());
        assert_eq!(exit, Some(expected), "{face}: {said}");
        rig.finish();
    }
}

/// What a face cannot have is a usage error that names the option.
#[test]
fn what_a_face_cannot_have_is_refused() {
    let rig = Rig::new();
    let source = TempFile::new("refused", &[1]);
    for (named, words) in [
        ("--engine apc", ["--face", "wts", "--engine", "apc"]),
        ("--engine iocp", ["--face", "stream", "--engine", "iocp"]),
        ("--depth 2", ["--face", "wts", "--depth", "2"]),
        ("--block 67108865", ["--face", "ks", "--block", "67108865"]),
        ("--face", ["--face", "pipe", "--block", "1"]),
    ] {
        let device = ["--device", "direct", "--file", &source.path()];
        let (exit, said) = ksw_write(&[device.as_slice(), &words].concat());
        assert_eq!(exit, Some(2), "{words:?}: {said}");
        assert!(said.contains(named), "{words:?}: {said}");
    }
    rig.finish();
}
