//! The chunker, there and back.

use kswrite_faces::chunk::{
    CHANNEL_CHUNK_LENGTH, Chunk, ChunkError, Chunks, FLAG_FIRST, FLAG_LAST, FLAG_ONLY, FLAG_SHOW_PROTOCOL,
    Header, Reassembler, encode_into, wire_bytes,
};
use proptest::prelude::*;

/// WV-07.
#[test]
fn wv_07_sizes_and_flags() {
    let shapes: [(usize, &[(usize, u32)]); 6] = [
        (0, &[(0, FLAG_ONLY)]),
        (1, &[(1, FLAG_ONLY)]),
        (1599, &[(1599, FLAG_ONLY)]),
        (1600, &[(1600, FLAG_ONLY)]),
        (1601, &[(1600, FLAG_FIRST), (1, FLAG_LAST)]),
        (3201, &[(1600, FLAG_FIRST), (1600, 0), (1, FLAG_LAST)]),
    ];
    for (length, expected) in shapes {
        let message = vec![7; length];
        let chunks = Chunks::new(&message, CHANNEL_CHUNK_LENGTH, 0).unwrap();
        let seen: Vec<(usize, u32)> = chunks
            .map(|Chunk { header, data }| {
                assert_eq!(header.length as usize, length);
                (data.len(), header.flags)
            })
            .collect();
        assert_eq!(seen, expected, "{length} bytes");
    }
}

fn wire(chunks: &[(u32, u32, usize)]) -> Vec<u8> {
    let chunk = |(length, flags, bytes): &(u32, u32, usize)| {
        let header = Header {
            length: *length,
            flags: *flags,
        };
        [header.to_bytes().to_vec(), vec![1; *bytes]].concat()
    };
    chunks.iter().flat_map(chunk).collect()
}

#[test]
fn what_is_no_message_is_refused_and_stays_refused() {
    /// Length, flags and bytes of each chunk, and the error.
    type Refused = (&'static [(u32, u32, usize)], ChunkError);
    let cases: [Refused; 7] = [
        (&[(10, FLAG_LAST, 10)], ChunkError::First),
        (&[(20, FLAG_FIRST, 10), (20, FLAG_ONLY, 10)], ChunkError::First),
        (&[(10, FLAG_FIRST, 10)], ChunkError::Last),
        (&[(20, FLAG_ONLY, 10)], ChunkError::Last),
        (&[(20, FLAG_FIRST, 10), (21, FLAG_LAST, 10)], ChunkError::Length),
        (&[(1001, FLAG_FIRST, 10)], ChunkError::TooLong),
        (&[(u32::MAX, FLAG_FIRST, 10)], ChunkError::TooLong),
    ];
    for (chunks, error) in cases {
        let mut reassembler = Reassembler::new(10, 1000);
        let mut got = 0;
        assert_eq!(
            reassembler.push(&wire(chunks), |_| got += 1),
            Err(error),
            "{chunks:?}"
        );
        assert_eq!(reassembler.push(&[], |_| got += 1), Err(error), "{chunks:?}");
        assert_eq!(got, 0, "{chunks:?}");
    }
}

proptest! {
    #[test]
    fn messages_come_back_whole_whatever_the_pieces(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..6),
        chunk_length in 1_usize..2000,
        pieces in prop::collection::vec(1_usize..3000, 1..40),
        show in any::<bool>(),
    ) {
        let flags = if show { FLAG_SHOW_PROTOCOL } else { 0 };
        let mut stream = Vec::new();
        for message in &messages {
            let before = stream.len();
            encode_into(&mut stream, message, chunk_length, flags).unwrap();
            prop_assert_eq!(stream.len() - before, wire_bytes(message.len(), chunk_length).unwrap());
        }
        let mut reassembler = Reassembler::new(chunk_length, 5000);
        let mut got = Vec::new();
        let mut left = stream.as_slice();
        for piece in pieces.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let (now, later) = left.split_at(left.len().min(*piece));
            reassembler.push(now, |message| got.push(message)).unwrap();
            left = later;
        }
        prop_assert_eq!(got, messages);
        prop_assert!(!reassembler.is_within_message());
    }

    #[test]
    fn any_bytes_end_in_messages_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        pieces in 1_usize..50,
    ) {
        let mut reassembler = Reassembler::new(16, 64);
        for piece in bytes.chunks(pieces) {
            let pushed = reassembler.push(piece, |message| assert!(message.len() <= 64));
            if pushed.is_err() {
                break;
            }
        }
    }
}
