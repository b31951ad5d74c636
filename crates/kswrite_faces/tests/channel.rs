//! The channel over a device in memory: the rules DV-01 to DV-14 as far as they need no COM.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on has failed"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use kswrite_client::Win32Error;
use kswrite_faces::channel::{Bound, Channel, ChannelCallback, Refusal, Traffic};
use kswrite_faces::chunk::{CHANNEL_CHUNK_LENGTH, HEADER_BYTES, Reassembler};
use kswrite_faces::transport::{Done, Transport};
use proptest::prelude::*;

type Held = VecDeque<(u64, Vec<u8>, Done)>;

/// A device in memory.
#[derive(Default)]
struct Device {
    taken: Arc<Mutex<Vec<u8>>>,
    held: Mutex<Held>,
    /// Writes wait for [`Device::release`].
    holds: bool,
    /// The most bytes of a write that it takes.
    part: Option<usize>,
    fails: bool,
}

impl Device {
    fn finish(&self, (offset, bytes, done): (u64, Vec<u8>, Done)) {
        if self.fails {
            return done(Err(Win32Error(31)), bytes);
        }
        let count = self.part.unwrap_or(usize::MAX).min(bytes.len());
        {
            let mut taken = self.taken.lock().unwrap();
            assert_eq!(
                offset,
                taken.len() as u64,
                "writes are neither lost nor out of order"
            );
            taken.extend_from_slice(&bytes[..count]);
        }
        done(Ok(count as u32), bytes);
    }

    fn release(&self) -> bool {
        let next = self.held.lock().unwrap().pop_front();
        next.map(|write| self.finish(write)).is_some()
    }
}

impl Transport for Device {
    fn start(&self, offset: u64, bytes: Vec<u8>, done: Done) {
        if self.holds {
            self.held.lock().unwrap().push_back((offset, bytes, done));
        } else {
            self.finish((offset, bytes, done));
        }
    }

    fn cancel(&self) {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        for (_, bytes, done) in held {
            done(Err(Win32Error::OPERATION_ABORTED), bytes);
        }
    }
}

#[derive(Default)]
struct Owner {
    closes: AtomicU32,
    messages: Mutex<Vec<Vec<u8>>>,
}

impl ChannelCallback for Owner {
    fn on_data_received(&self, message: &[u8]) {
        self.messages.lock().unwrap().push(message.to_vec());
    }

    fn on_close(&self) {
        self.closes.fetch_add(1, Ordering::SeqCst);
    }
}

fn open(device: Device, bound: Bound) -> (Channel<Device>, Arc<Owner>) {
    let owner = Arc::new(Owner::default());
    (
        Channel::open(device, CHANNEL_CHUNK_LENGTH, bound, owner.clone()),
        owner,
    )
}

fn holding() -> Device {
    Device {
        holds: true,
        ..Device::default()
    }
}

fn received(taken: &Mutex<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut reassembler = Reassembler::new(CHANNEL_CHUNK_LENGTH, u32::MAX);
    let mut messages = Vec::new();
    reassembler
        .push(&taken.lock().unwrap(), |message| messages.push(message))
        .unwrap();
    messages
}

/// DV-01, DV-02: a write returns while the device still holds it, and its bytes are a copy.
#[test]
fn dv_01_dv_02_a_write_copies_and_returns() {
    let (channel, _owner) = open(holding(), Bound::Memory);
    let mut message = b"hello".to_vec();
    channel.write(&message).unwrap();
    message.fill(0);
    channel.write(&message).unwrap();
    assert!(channel.transport().release() && channel.transport().release());
    channel.flush().unwrap();
    assert_eq!(
        received(&channel.transport().taken),
        [b"hello".to_vec(), vec![0; 5]]
    );
}

/// DV-03: what waits is counted, and bounded if wished.
#[test]
fn dv_03_what_waits_is_bounded() {
    let bound = 3 * (100 + HEADER_BYTES);
    let (channel, _owner) = open(holding(), Bound::Bytes(bound));
    for _ in 0..3 {
        channel.write(&[1; 100]).unwrap();
    }
    assert_eq!(channel.write(&[]), Err(Refusal::Full));
    assert_eq!(channel.write(&vec![1; bound]), Err(Refusal::TooLong));
    assert!(channel.transport().release());
    channel.write(&[1; 100]).unwrap();
    let expected = Traffic {
        messages: 3,
        bytes: bound,
        most_messages: 3,
        most_bytes: bound,
        sent: 1,
        dropped: 0,
        refused: 2,
    };
    assert_eq!(channel.traffic(), expected);
}

/// DV-03: a writer learns when there is room, and is not kept longer than it wants.
#[test]
fn dv_03_a_writer_waits_for_room() {
    let (channel, _owner) = open(holding(), Bound::Memory);
    for _ in 0..3 {
        channel.write(b"message").unwrap();
    }
    assert!(channel.wait_for_room(3, Duration::ZERO));
    assert!(!channel.wait_for_room(2, Duration::from_millis(1)));
    thread::scope(|scope| {
        let waits = scope.spawn(|| channel.wait_for_room(1, Duration::from_mins(1)));
        assert!(channel.transport().release() && channel.transport().release());
        assert!(waits.join().unwrap());
    });
    assert_eq!(channel.traffic().sent, 2);
    channel.close().unwrap();
    assert!(channel.wait_for_room(0, Duration::ZERO), "what waited is dropped");
}

/// DV-04, DV-06, DV-07, DV-08: Close drops what waits, cancels what the device has, tells the owner once.
#[test]
fn dv_04_dv_08_close() {
    let (channel, owner) = open(holding(), Bound::Memory);
    let taken = channel.transport().taken.clone();
    for _ in 0..3 {
        channel.write(b"never").unwrap();
    }
    channel.close().unwrap();
    assert_eq!(channel.close(), Err(Refusal::Closed));
    assert_eq!(channel.write(b"late"), Err(Refusal::Closed));
    assert_eq!(channel.deliver(b"late"), Err(Refusal::Closed));
    assert_eq!(channel.flush(), Ok(()));
    let traffic = channel.traffic();
    assert_eq!((traffic.messages, traffic.bytes, traffic.dropped), (0, 0, 3));
    drop(channel);
    assert_eq!(owner.closes.load(Ordering::SeqCst), 1);
    assert_eq!(Arc::strong_count(&owner), 1, "the callback is given back");
    assert_eq!(received(&taken), Vec::<Vec<u8>>::new());
}

/// DV-09: a device that fails closes the channel too, and once.
#[test]
fn dv_09_a_failing_device_closes() {
    let device = Device {
        fails: true,
        ..Device::default()
    };
    let (channel, owner) = open(device, Bound::Memory);
    channel.write(b"lost").unwrap();
    assert!(!channel.is_open());
    assert_eq!(channel.flush(), Err(Win32Error(31)));
    assert_eq!(channel.close(), Err(Refusal::Closed));
    assert_eq!(owner.closes.load(Ordering::SeqCst), 1);
}

/// DV-10: any thread may write; every message arrives once and whole.
#[test]
fn dv_10_any_thread() {
    let (channel, owner) = open(Device::default(), Bound::Memory);
    thread::scope(|scope| {
        for name in 0..4_u8 {
            let channel = &channel;
            scope.spawn(move || {
                for length in 0..200 {
                    channel.write(&vec![name; length * 20]).unwrap();
                }
            });
        }
    });
    channel.flush().unwrap();
    let messages = received(&channel.transport().taken);
    assert_eq!(messages.len(), 800);
    for name in 0..4_u8 {
        let lengths: Vec<usize> = messages
            .iter()
            .filter(|message| message.first() == Some(&name))
            .map(Vec::len)
            .collect();
        assert!(
            lengths.is_sorted() && lengths.len() == 199,
            "each thread's messages in order"
        );
    }
    drop(channel);
    assert_eq!(owner.closes.load(Ordering::SeqCst), 1);
}

/// An owner that calls back into the channel.
#[derive(Default)]
struct Reentrant {
    channel: OnceLock<Weak<Channel<Device>>>,
    closes: AtomicU32,
}

impl ChannelCallback for Reentrant {
    fn on_data_received(&self, message: &[u8]) {
        let channel = self.channel.get().and_then(Weak::upgrade).unwrap();
        channel.write(message).unwrap();
        channel.close().unwrap();
    }

    fn on_close(&self) {
        self.closes.fetch_add(1, Ordering::SeqCst);
        if let Some(channel) = self.channel.get().and_then(Weak::upgrade) {
            assert_eq!(channel.write(b"late"), Err(Refusal::Closed));
        }
    }
}

/// DV-11: Write and Close are allowed inside the callbacks.
#[test]
fn dv_11_callbacks_call_back() {
    let owner = Arc::new(Reentrant::default());
    let channel = Channel::open(
        Device::default(),
        CHANNEL_CHUNK_LENGTH,
        Bound::Memory,
        owner.clone(),
    );
    let channel = Arc::new(channel);
    owner.channel.set(Arc::downgrade(&channel)).unwrap();
    channel.deliver(b"echo").unwrap();
    assert_eq!(owner.closes.load(Ordering::SeqCst), 1);
    assert_eq!(received(&channel.transport().taken), [b"echo".to_vec()]);
}

/// A long queue in front of a device that completes at once needs no stack.
#[test]
fn a_device_that_takes_a_byte_at_a_time_needs_no_stack() {
    let device = Device {
        part: Some(1),
        ..Device::default()
    };
    let (channel, _owner) = open(device, Bound::Memory);
    channel.write(&vec![9; 100_000]).unwrap();
    channel.flush().unwrap();
    assert_eq!(received(&channel.transport().taken), [vec![9; 100_000]]);
}

proptest! {
    /// DV-12: sizes and boundaries are kept, however much the device takes at a time.
    #[test]
    fn dv_12_boundaries(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4000), 0..8),
        part in prop::option::of(1_usize..2000),
    ) {
        let device = Device { part, ..Device::default() };
        let (channel, _owner) = open(device, Bound::Memory);
        for message in &messages {
            channel.write(message).unwrap();
        }
        channel.flush().unwrap();
        prop_assert_eq!(received(&channel.transport().taken), messages);
    }
}
