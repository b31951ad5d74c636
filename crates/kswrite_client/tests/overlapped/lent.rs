//! Operations by a call of the caller's own: what it says is believed, and the memory is there as long as it says.

use std::ptr;
use std::slice;

use kswrite_client::{Finished, Lent, Operation, Started, Win32Error};
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, GetLastError};
use windows_sys::Win32::Storage::FileSystem::WriteFile;

use crate::{LARGE, LARGE_U32, pattern, pending, pipe, read_all, turn};

/// An error says that nothing was started: the buffer comes back, and the operation is idle.
#[test]
fn a_call_that_fails_gives_the_buffer_back() {
    let turn = turn();
    let (file, _reader) = pipe();
    let operation = Operation::by_event().unwrap();
    let refuse = |lent: Lent| {
        // SAFETY: the bytes are lent for the call.
        let bytes = unsafe { slice::from_raw_parts(lent.data, lent.length as usize) };
        assert_eq!(bytes, [2, 3]);
        Err(Win32Error::ACCESS_DENIED)
    };
    // SAFETY: nothing is started.
    let started = unsafe { operation.start_part_by(&file, 0, vec![1, 2, 3], 1..3, refuse) };
    assert!(matches!(started, Started::Finished(_)));
    let Finished { buffer, result, .. } = started.wait();
    assert_eq!((buffer, result), (vec![1, 2, 3], Err(Win32Error::ACCESS_DENIED)));
    let operation = Operation::by_event().unwrap();
    let never = |_: Lent| panic!("a part that is not inside is refused before");
    // SAFETY: nothing is started.
    let started = unsafe { operation.start_part_by(&file, 0, vec![1], 0..2, never) };
    assert!(matches!(started, Started::Finished(_)));
    let Finished { result, .. } = started.wait();
    assert_eq!(result, Err(Win32Error::INVALID_PARAMETER));
    turn.ends_without_cells();
}

/// A call that says that it is pending keeps the memory until its event is set, also when nobody waits.
#[test]
fn a_call_that_pends_keeps_the_memory() {
    let turn = turn();
    let (file, reader) = pipe();
    let handle = ptr::with_exposed_provenance_mut(usize::try_from(file.number()).unwrap());
    let write = |lent: Lent| {
        let overlapped = lent.overlapped.cast();
        // SAFETY: the handle is open, and the memory stays until the write is over.
        let done = unsafe { WriteFile(handle, lent.data, lent.length, ptr::null_mut(), overlapped) };
        // SAFETY: no preconditions.
        let error = unsafe { GetLastError() };
        assert_eq!((done, error), (0, ERROR_IO_PENDING), "nobody reads");
        Err(Win32Error::IO_PENDING)
    };
    let operation = Operation::by_event().unwrap();
    // SAFETY: one write, and it says what became of it.
    let started = unsafe { operation.start_part_by(&file, 0, pattern(LARGE), 0..LARGE, write) };
    let waits = pending(started);
    let reading = read_all(reader);
    let Finished { buffer, result, .. } = waits.wait();
    assert_eq!((result, buffer), (Ok(LARGE_U32), pattern(LARGE)));
    drop(file);
    assert_eq!(reading.join().unwrap(), pattern(LARGE));
    turn.ends_without_cells();
}
