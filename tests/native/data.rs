//! Every byte once, in order, at its place.

use kswrite_client::{Operation, Started};
use kswrite_wire::{
    names::SinkKind,
    sink::{Completion, Script, WINDOW_BYTES, placement},
};
use sha2::{Digest, Sha256};

use crate::rig::{Rig, crc32c, irp_script, open, pattern, start, state, write};

/// The digests of the sink are those of the bytes, on both paths and for odd sizes.
#[test]
fn digests_agree() {
    for kind in SinkKind::ALL {
        for script in [
            Script::default(),
            irp_script(Completion::Inline),
            irp_script(Completion::Pended),
        ] {
            let rig = Rig::new();
            let file = open(kind, script);
            let (mut all, mut places, mut offset) = (Vec::new(), 0_u64, 0_u64);
            for length in [1, 511, 512, 513, 4095, 4096, 4097, 65_536, 65_537] {
                let bytes = pattern(length, length as u8);
                assert_eq!(write(&file, offset, &bytes), Ok(length as u32));
                places = places.wrapping_add(placement(offset, length as u32, crc32c(&bytes)));
                offset += length as u64;
                all.extend(bytes);
            }
            let seen = state(&file);
            assert_eq!((seen.bytes, seen.high_water), (offset, offset), "{kind:?}");
            assert_eq!(seen.crc32c, crc32c(&all), "{kind:?}");
            assert_eq!(seen.sha256, <[u8; 32]>::from(Sha256::digest(&all)), "{kind:?}");
            assert_eq!(seen.placement, places, "{kind:?}");
            drop(file);
            rig.finish();
        }
    }
}

/// One write of 64 MiB.
#[test]
fn one_write_of_64_mib() {
    let bytes = pattern(64 << 20, 9);
    let expected = <[u8; 32]>::from(Sha256::digest(&bytes));
    for kind in SinkKind::ALL {
        for script in [Script::default(), irp_script(Completion::Pended)] {
            let rig = Rig::new();
            let file = open(kind, script);
            assert_eq!(write(&file, 0, &bytes), Ok(64 << 20), "{kind:?}");
            assert_eq!(state(&file).sha256, expected, "{kind:?}");
            drop(file);
            rig.finish();
        }
    }
}

/// WF-13: offsets are honoured in any order; the window reads back what was written where.
#[test]
fn wf_13_offsets_in_any_order() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let file = open(kind, irp_script(Completion::Inline));
        let bytes = pattern(8 * 4096, 10);
        for block in [5_usize, 0, 7, 2, 6, 1, 4, 3] {
            let part = bytes.get(block * 4096..(block + 1) * 4096).expect("within");
            assert_eq!(write(&file, block as u64 * 4096, part), Ok(4096));
        }
        let read = Operation::by_event()
            .expect("an event")
            .read_at(&file, 0, vec![0; bytes.len()])
            .wait();
        assert_eq!(read.result, Ok(bytes.len() as u32), "{kind:?}");
        assert_eq!(read.buffer, bytes, "{kind:?}");
        drop(file);
        rig.finish();
    }
}

/// Offsets beyond 4 GiB keep their upper half; the window follows.
#[test]
fn wf_13_offsets_beyond_4_gib() {
    let rig = Rig::new();
    let file = open(SinkKind::Direct, Script::default());
    let offset = (5_u64 << 32) + 0x1234;
    assert_eq!(write(&file, offset, b"far away"), Ok(8));
    let seen = state(&file);
    assert_eq!(seen.high_water, offset + 8);
    assert_eq!(seen.window_base, offset + 8 - u64::from(WINDOW_BYTES));
    let read = Operation::by_event()
        .expect("an event")
        .read_at(&file, offset, vec![0; 8])
        .wait();
    assert_eq!(
        (read.result, read.buffer.as_slice()),
        (Ok(8), b"far away".as_slice())
    );
    drop(file);
    rig.finish();
}

/// WF-04: with a buffered device, the caller's buffer may change once the call has returned. The client
/// keeps the buffer until the completion, so what is shown here is that it comes back unchanged.
#[test]
fn the_buffer_comes_back_with_the_result() {
    let rig = Rig::new();
    let file = open(SinkKind::Buffered, irp_script(Completion::Pended));
    let bytes = pattern(1000, 11);
    let finished = match start(&file, 0, &bytes) {
        Started::Pending(pending) => pending.wait(),
        Started::Finished(finished) => finished,
    };
    assert_eq!(finished.buffer, bytes);
    drop(file);
    rig.finish();
}
