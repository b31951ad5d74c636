//! Handles that wait, parts of buffers, and I/O rings.
#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::path::PathBuf;

use kswrite_client::{Access, ByWaiting, File, OpenFlags, Operation, Ring, Started, Win32Error};

/// A file that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::write(&path, [0; 16]).expect("a place for temporary files");
        Self(path)
    }

    fn open(&self, flags: OpenFlags) -> File {
        File::open_with(&self.0.display().to_string(), Access::Write, flags).expect("it exists")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("it exists")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn write(file: &File, part: std::ops::Range<usize>) -> Result<u32, Win32Error> {
    let buffer = (0..8).collect();
    match Operation::<ByWaiting>::by_waiting().write_part_at(file, 4, buffer, part) {
        Started::Finished(finished) => {
            assert_eq!(finished.buffer.len(), 8, "the whole buffer comes back");
            finished.result
        }
        Started::Pending(_) => panic!("a handle that waits leaves nothing pending"),
    }
}

#[test]
fn a_part_of_the_buffer_is_written_and_nothing_else() {
    let scratch = Scratch::new("kswrite-part");
    let file = scratch.open(OpenFlags {
        synchronous: true,
        write_through: true,
        ..OpenFlags::default()
    });
    assert_eq!(write(&file, 2..5), Ok(3));
    assert_eq!(scratch.bytes(), [0, 0, 0, 0, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for outside in [0..9, 9..9] {
        assert_eq!(write(&file, outside), Err(Win32Error::INVALID_PARAMETER));
    }
    #[expect(clippy::reversed_empty_ranges, reason = "refused")]
    let reversed = 5..2;
    assert_eq!(write(&file, reversed), Err(Win32Error::INVALID_PARAMETER));
}

#[test]
fn an_overlapped_handle_is_refused_where_the_call_must_wait() {
    let scratch = Scratch::new("kswrite-waits");
    let file = scratch.open(OpenFlags::default());
    assert_eq!(write(&file, 0..8), Err(Win32Error::INVALID_PARAMETER));
    assert_eq!(scratch.bytes(), [0; 16]);
}

/// Where the system has rings they write; elsewhere the missing function is named.
#[test]
fn a_ring_writes_or_names_what_is_missing() {
    let scratch = Scratch::new("kswrite-ring");
    let file = scratch.open(OpenFlags::default());
    let mut ring = match Ring::new(4) {
        Ok(ring) => ring,
        Err(error) => {
            assert_eq!(error.code(), Win32Error::PROC_NOT_FOUND, "{error}");
            assert!(error.to_string().contains("IoRing"), "{error}");
            return;
        }
    };
    ring.write_part_at(3, &file, 8, vec![7; 4], 1..3)
        .expect("the slot is free");
    let refused = ring.write_part_at(3, &file, 8, vec![7; 4], 1..3);
    assert_eq!(refused.expect_err("in use").1, Win32Error::INVALID_PARAMETER);
    let mut done = Vec::new();
    while done.is_empty() {
        ring.wait(None, &mut done).expect("it waits");
    }
    assert_eq!((done[0].slot, done[0].result), (3, Ok(2)));
    assert_eq!(scratch.bytes()[8..11], [7, 7, 0]);
}
