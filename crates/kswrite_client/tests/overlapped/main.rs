//! Owned overlapped operations against plain files and named pipes, on Windows and in Wine.
//!
//! A write to a pipe that nobody reads is pending for as long as the test wants, which plain files cannot
//! offer. One test function at a time counts cells, so the tests share a lock.
#![cfg(windows)]
#![expect(
    unsafe_code,
    reason = "creates named pipes, which the standard library cannot"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod flags;
mod lent;
mod reactor;

use std::io::{Read, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, ptr, thread};

use kswrite_client::{
    Access, CompletionPort, File, Finished, Operation, Pending, Signal, Started, Win32Error, cells_alive,
    control_bytes, sleep_alertably, wait_any,
};
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_OUTBOUND};
use windows_sys::Win32::System::Pipes::{CreateNamedPipeW, PIPE_TYPE_BYTE, PIPE_WAIT};

/// More than the pipe buffers, so that a write of it pends until somebody reads.
const LARGE: usize = LARGE_U32 as usize;
const LARGE_U32: u32 = 1 << 20;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A test's turn; checks at its end that no cell is left.
struct Turn(MutexGuard<'static, ()>);

fn turn() -> Turn {
    let turn = Turn(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(cells_alive(), 0, "an earlier test left a cell");
    turn
}

impl Turn {
    /// Completions may still be on their way: waits for the fact. The limit only turns a leak into a
    /// failure instead of a hang.
    fn ends_without_cells(self) {
        let Self(_guard) = self;
        for _ in 0..60_000 {
            if cells_alive() == 0 {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("{} cells are left", cells_alive());
    }
}

fn unique(what: &str) -> String {
    format!(
        "kswrite-{what}-{}-{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    )
}

/// The writing end, overlapped, and the reading end.
fn pipe() -> (File, fs::File) {
    let name = format!(r"\\.\pipe\{}", unique("pipe"));
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a zero; no attributes.
    let server = unsafe {
        CreateNamedPipeW(
            wide.as_ptr(),
            PIPE_ACCESS_OUTBOUND | FILE_FLAG_OVERLAPPED,
            PIPE_TYPE_BYTE | PIPE_WAIT,
            1,
            4096,
            4096,
            0,
            ptr::null(),
        )
    };
    assert_ne!(server, INVALID_HANDLE_VALUE);
    // SAFETY: new, and nobody else's.
    let server = unsafe { OwnedHandle::from_raw_handle(server) };
    let reader = fs::OpenOptions::new()
        .read(true)
        .custom_flags(0)
        .open(&name)
        .unwrap();
    (File::from_overlapped(server), reader)
}

struct TempFile(PathBuf);

impl TempFile {
    fn new() -> Self {
        let path = std::env::temp_dir().join(unique("file"));
        fs::write(&path, []).unwrap();
        Self(path)
    }

    fn open(&self, access: Access) -> File {
        File::open(self.0.to_str().unwrap(), access).unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn pending<S: Signal>(started: Started<S>) -> Pending<S> {
    match started {
        Started::Pending(pending) => pending,
        Started::Finished(finished) => panic!("finished at once: {finished:?}"),
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..=250_u8).cycle().step_by(7).take(length).collect()
}

/// What block `number` is filled with.
fn letter(number: usize) -> u8 {
    u8::try_from(number % 251).unwrap()
}

fn read_all(mut reader: fs::File) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A broken pipe ends the reading as the end of a file does.
        let _ = reader.read_to_end(&mut bytes);
        bytes
    })
}

// ---- succeeded

#[test]
fn event_write_succeeds_and_gives_the_buffer_back() {
    let turn = turn();
    let (file, reader) = pipe();
    let data = pattern(LARGE);
    let address = data.as_ptr();
    let write = pending(Operation::by_event().unwrap().write_at(&file, 0, data));
    let write = write.try_finish().expect_err("nobody has read yet");
    let reader = read_all(reader);
    let Finished {
        buffer,
        result,
        operation,
        bytes,
    } = write.wait();
    assert_eq!((result, bytes), (Ok(LARGE_U32), LARGE_U32));
    assert_eq!(buffer.as_ptr(), address, "the very buffer comes back");
    drop((operation, file));
    assert_eq!(reader.join().unwrap(), pattern(LARGE));
    turn.ends_without_cells();
}

#[test]
fn port_reports_pending_writes_by_token() {
    let turn = turn();
    let (file, reader) = pipe();
    let port = CompletionPort::new().unwrap();
    port.associate(&file).unwrap();
    let first = pending(port.operation().with_token(7).write_at(&file, 0, pattern(LARGE)));
    let second = pending(port.operation().with_token(8).write_at(&file, 0, pattern(10)));
    let mut tokens = Vec::new();
    port.wait(Some(Duration::from_millis(5)), &mut tokens).unwrap();
    assert_eq!(tokens, [], "nobody has read yet");
    let reader = read_all(reader);
    while tokens.len() < 2 {
        port.wait(None, &mut tokens).unwrap();
    }
    assert_eq!(tokens, [7, 8]);
    assert_eq!(first.try_finish().unwrap().result, Ok(LARGE_U32));
    assert_eq!(second.try_finish().unwrap().result, Ok(10));
    drop((file, port));
    assert_eq!(reader.join().unwrap().len(), LARGE + 10);
    turn.ends_without_cells();
}

#[test]
fn apc_runs_in_an_alertable_sleep_only() {
    let turn = turn();
    let (file, reader) = pipe();
    let write = pending(
        Operation::by_apc()
            .with_token(3)
            .write_at(&file, 0, pattern(LARGE)),
    );
    let reader = thread::spawn(move || {
        let mut reader = reader;
        let mut bytes = vec![0; LARGE];
        reader.read_exact(&mut bytes).unwrap();
        bytes
    });
    assert_eq!(reader.join().unwrap(), pattern(LARGE));
    let write = write.try_finish().expect_err("the routine has not run");
    let mut tokens = Vec::new();
    while tokens.is_empty() {
        sleep_alertably(None, &mut tokens);
    }
    assert_eq!(tokens, [3]);
    assert_eq!(write.try_finish().unwrap().result, Ok(LARGE_U32));
    turn.ends_without_cells();
}

#[test]
fn an_operation_is_used_again_with_its_event_reset() {
    let turn = turn();
    let temp = TempFile::new();
    let file = temp.open(Access::ReadWrite);
    let mut operation = Operation::by_event().unwrap();
    // A completion leaves the event set; a stale one would end the pending write below at once.
    for block in 0..16_u8 {
        let Finished {
            operation: idle,
            buffer,
            result,
            ..
        } = operation
            .write_at(&file, u64::from(block) * 100, vec![block; 100])
            .wait();
        assert_eq!((result, buffer), (Ok(100), vec![block; 100]));
        operation = idle;
    }
    let Finished {
        operation,
        buffer,
        result,
        ..
    } = operation.read_at(&file, 1450, vec![0; 100]).wait();
    assert_eq!(result, Ok(100));
    assert_eq!(buffer[..50], [14; 50]);
    assert_eq!(buffer[50..], [15; 50]);
    let (pipe, reader) = pipe();
    let write = pending(operation.write_at(&pipe, 0, pattern(LARGE)));
    assert_eq!(
        wait_any([&write], Some(Duration::from_millis(5))),
        Ok(None),
        "the event was stale"
    );
    let reader = read_all(reader);
    assert_eq!(write.wait().result, Ok(LARGE_U32));
    drop(pipe);
    reader.join().unwrap();
    turn.ends_without_cells();
}

#[test]
fn offsets_have_64_bits() {
    let turn = turn();
    let temp = TempFile::new();
    let file = temp.open(Access::ReadWrite);
    let far = (1 << 32) + 5;
    let written = Operation::by_event()
        .unwrap()
        .write_at(&file, far, b"far".to_vec())
        .wait();
    assert_eq!(written.result, Ok(3));
    assert_eq!(fs::metadata(&temp.0).unwrap().len(), far + 3);
    drop(written);
    turn.ends_without_cells();
}

#[test]
fn a_write_of_nothing_and_one_of_64_mib() {
    let turn = turn();
    let temp = TempFile::new();
    let file = temp.open(Access::Write);
    let nothing = Operation::by_event()
        .unwrap()
        .write_at(&file, 0, Vec::new())
        .wait();
    assert_eq!(nothing.result, Ok(0));
    let much = nothing.operation.write_at(&file, 0, vec![5; 64 << 20]).wait();
    assert_eq!(much.result, Ok(64 << 20));
    drop(much);
    turn.ends_without_cells();
}

// ---- cancelled

#[test]
fn cancelled_writes_complete_as_aborted() {
    let turn = turn();
    let (file, _reader) = pipe();
    let write = pending(Operation::by_event().unwrap().write_at(&file, 0, pattern(LARGE)));
    write.cancel().unwrap();
    let Finished { buffer, result, .. } = write.wait();
    assert_eq!(result, Err(Win32Error::OPERATION_ABORTED));
    assert_eq!(buffer.len(), LARGE);

    let write = pending(
        Operation::by_apc()
            .with_token(1)
            .write_at(&file, 0, pattern(LARGE)),
    );
    write.cancel().unwrap();
    let mut tokens = Vec::new();
    while tokens.is_empty() {
        sleep_alertably(None, &mut tokens);
    }
    assert_eq!(
        write.try_finish().unwrap().result,
        Err(Win32Error::OPERATION_ABORTED)
    );

    let port = CompletionPort::new().unwrap();
    port.associate(&file).unwrap();
    let write = pending(port.operation().with_token(2).write_at(&file, 0, pattern(LARGE)));
    write.cancel().unwrap();
    let mut tokens = Vec::new();
    while tokens.is_empty() {
        port.wait(None, &mut tokens).unwrap();
    }
    assert_eq!(
        write.try_finish().unwrap().result,
        Err(Win32Error::OPERATION_ABORTED)
    );
    turn.ends_without_cells();
}

/// CancelIoEx without an OVERLAPPED and CancelIo, with two writes outstanding each time.
#[test]
fn cancels_of_a_whole_file_reach_every_write() {
    let turn = turn();
    let (file, _reader) = pipe();
    for cancel in [File::cancel_all, File::cancel_own] {
        let writes =
            [0, 1].map(|_| pending(Operation::by_event().unwrap().write_at(&file, 0, pattern(LARGE))));
        assert_eq!(cancel(&file), Ok(()));
        for write in writes {
            assert_eq!(write.wait().result, Err(Win32Error::OPERATION_ABORTED));
        }
    }
    // Wine says TRUE of nothing too.
    let nothing = file.cancel_all();
    assert!(
        [Ok(()), Err(Win32Error::NOT_FOUND)].contains(&nothing),
        "{nothing:?}"
    );
    turn.ends_without_cells();
}

/// CancelIo leaves alone what another thread has issued.
#[test]
fn a_threads_cancel_is_for_its_own_writes() {
    let turn = turn();
    let (file, reader) = pipe();
    let other = file.clone();
    let write = pending(Operation::by_event().unwrap().write_at(&file, 0, pattern(LARGE)));
    thread::spawn(move || other.cancel_own()).join().unwrap().unwrap();
    let write = write.try_finish().expect_err("another thread's cancel");
    let reader = read_all(reader);
    assert_eq!(write.wait().result, Ok(LARGE_U32));
    drop(file);
    assert_eq!(reader.join().unwrap(), pattern(LARGE));
    turn.ends_without_cells();
}

/// The handle is closed with the write pending, whose result comes all the same.
#[test]
fn a_write_outlives_its_file() {
    let turn = turn();
    let (file, reader) = pipe();
    let mut write = pending(Operation::by_event().unwrap().write_at(&file, 0, pattern(LARGE)));
    write.give_up_file();
    assert_eq!(write.cancel(), Err(Win32Error::NOT_FOUND));
    let reader = read_all(reader);
    let finished = write.wait();
    assert_eq!((finished.result, finished.bytes), (Ok(LARGE_U32), LARGE_U32));
    drop((finished, file));
    assert_eq!(reader.join().unwrap(), pattern(LARGE));
    turn.ends_without_cells();
}

#[test]
fn cancelling_a_completed_write_finds_nothing_and_keeps_the_result() {
    let turn = turn();
    let (file, mut reader) = pipe();
    let write = pending(Operation::by_event().unwrap().write_at(&file, 0, pattern(LARGE)));
    reader.read_exact(&mut vec![0; LARGE]).unwrap();
    while wait_any([&write], None) != Ok(Some(0)) {}
    assert_eq!(write.cancel(), Err(Win32Error::NOT_FOUND));
    assert_eq!(write.wait().result, Ok(LARGE_U32));
    turn.ends_without_cells();
}

// ---- dropped

#[test]
fn dropped_event_write_keeps_its_memory_until_the_completion() {
    let turn = turn();
    let (file, reader) = pipe();
    for _ in 0..100 {
        drop(pending(Operation::by_event().unwrap().write_at(
            &file,
            0,
            pattern(LARGE),
        )));
    }
    drop((file, reader));
    turn.ends_without_cells();
}

#[test]
fn dropped_port_write_is_not_reported_and_its_memory_comes_back() {
    let turn = turn();
    let (file, mut reader) = pipe();
    let port = CompletionPort::new().unwrap();
    port.associate(&file).unwrap();
    let dropped = pending(port.operation().with_token(1).write_at(&file, 0, pattern(LARGE)));
    drop(dropped);
    assert_eq!(
        cells_alive(),
        1,
        "nobody has taken the packet, so the memory is still lent"
    );
    let kept = pending(port.operation().with_token(2).write_at(&file, 0, pattern(LARGE)));
    reader.read_exact(&mut vec![0; LARGE]).unwrap();
    let mut tokens = Vec::new();
    while tokens.is_empty() {
        port.wait(None, &mut tokens).unwrap();
    }
    assert_eq!(tokens, [2]);
    assert_eq!(kept.try_finish().unwrap().result, Ok(LARGE_U32));
    turn.ends_without_cells();
}

#[test]
fn dropped_port_leaves_the_rest_to_a_thread() {
    let turn = turn();
    let (file, reader) = pipe();
    let port = CompletionPort::new().unwrap();
    port.associate(&file).unwrap();
    let writes: Vec<_> = (0..100)
        .map(|token| {
            pending(
                port.operation()
                    .with_token(token)
                    .write_at(&file, 0, pattern(LARGE)),
            )
        })
        .collect();
    assert_eq!(cells_alive(), 100);
    drop(port);
    drop(writes);
    drop((file, reader));
    turn.ends_without_cells();
}

#[test]
fn dropped_apc_write_keeps_its_memory_until_the_routine_runs() {
    let turn = turn();
    let (file, _reader) = pipe();
    drop(pending(Operation::by_apc().with_token(1).write_at(
        &file,
        0,
        pattern(LARGE),
    )));
    assert_eq!(
        cells_alive(),
        1,
        "the routine has not run, so the memory is still lent"
    );
    let mut tokens = Vec::new();
    while cells_alive() != 0 {
        sleep_alertably(None, &mut tokens);
    }
    assert_eq!(tokens, [], "nobody is left to be told");
    turn.ends_without_cells();
}

// ---- refused

#[test]
fn refused_calls_are_not_pending_and_give_the_buffer_back() {
    let turn = turn();
    let temp = TempFile::new();
    let file = temp.open(Access::Read);
    let refused = Operation::by_event()
        .unwrap()
        .write_at(&file, 0, vec![1; 10])
        .wait();
    assert_eq!(
        (refused.result, refused.buffer.len()),
        (Err(Win32Error::ACCESS_DENIED), 10)
    );
    drop(refused);
    let Started::Finished(refused) = Operation::by_apc().write_at(&file, 0, vec![1; 10]) else {
        panic!("pending on a handle that cannot write");
    };
    assert_eq!(
        (refused.result, refused.buffer.len()),
        (Err(Win32Error::ACCESS_DENIED), 10)
    );
    drop(refused);
    turn.ends_without_cells();
}

#[test]
fn ports_and_apcs_refuse_files_that_they_cannot_serve() {
    let turn = turn();
    let temp = TempFile::new();
    let file = temp.open(Access::ReadWrite);
    let port = CompletionPort::new().unwrap();
    let refuse = |started| match started {
        Started::Finished(Finished { result, .. }) => assert_eq!(result, Err(Win32Error::INVALID_PARAMETER)),
        Started::Pending(_) => panic!("pending"),
    };
    refuse(port.operation().write_at(&file, 0, vec![0]));
    port.associate(&file).unwrap();
    assert_eq!(
        port.associate(&file).unwrap_err().code(),
        Win32Error::INVALID_PARAMETER
    );
    let Started::Finished(by_apc) = Operation::by_apc().write_at(&file, 0, vec![0]) else {
        panic!("pending");
    };
    assert_eq!(by_apc.result, Err(Win32Error::INVALID_PARAMETER));
    // An event goes with any file, and its completion does not go to the port.
    assert_eq!(
        Operation::by_event()
            .unwrap()
            .write_at(&file, 0, vec![0])
            .wait()
            .result,
        Ok(1)
    );
    let mut tokens = Vec::new();
    port.wait(Some(Duration::from_millis(5)), &mut tokens).unwrap();
    assert_eq!(tokens, []);
    drop(by_apc);
    turn.ends_without_cells();
}

#[test]
fn missing_files_are_named() {
    let turn = turn();
    let error = File::open(r"\\.\KsNoSuchDevice", Access::Write).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(r"cannot open \\.\KsNoSuchDevice: ERROR_FILE_NOT_FOUND (2)"),
        "{text}"
    );
    turn.ends_without_cells();
}

#[test]
fn unknown_control_codes_fail_and_leave_nothing() {
    let turn = turn();
    let temp = TempFile::new();
    let file = temp.open(Access::ReadWrite);
    assert!(control_bytes(&file, 0x0022_E3FC, &[1; 100], 10).is_err());
    turn.ends_without_cells();
}

// ---- many

#[test]
fn wait_any_finds_the_one_that_is_complete() {
    let turn = turn();
    let (stuck, _reader) = pipe();
    let temp = TempFile::new();
    let first = pending(Operation::by_event().unwrap().write_at(&stuck, 0, pattern(LARGE)));
    let (moving, mut reader) = pipe();
    let second = pending(
        Operation::by_event()
            .unwrap()
            .write_at(&moving, 0, pattern(LARGE)),
    );
    reader.read_exact(&mut vec![0; LARGE]).unwrap();
    assert_eq!(wait_any([&first, &second], None), Ok(Some(1)));
    assert_eq!(second.wait().result, Ok(LARGE_U32));
    assert_eq!(wait_any([], None), Ok(None));
    drop((first, temp));
    turn.ends_without_cells();
}

#[test]
fn four_thousand_outstanding_on_a_port() {
    let turn = turn();
    let (file, reader) = pipe();
    let port = CompletionPort::new().unwrap();
    port.associate(&file).unwrap();
    let mut writes: Vec<_> = (0..4096)
        .map(|token| {
            let data = vec![letter(token); 8192];
            Some(pending(
                port.operation().with_token(token).write_at(&file, 0, data),
            ))
        })
        .collect();
    let reader = read_all(reader);
    let (mut tokens, mut done) = (Vec::new(), 0);
    while done < writes.len() {
        port.wait(None, &mut tokens).unwrap();
        for token in tokens.drain(..) {
            let finished = writes[token].take().unwrap().try_finish().unwrap();
            assert_eq!(finished.result, Ok(8192));
            done += 1;
        }
    }
    drop((file, port));
    let bytes = reader.join().unwrap();
    assert!((0..4096).all(|token| {
        bytes[token * 8192..][..8192]
            .iter()
            .all(|byte| *byte == letter(token))
    }));
    turn.ends_without_cells();
}

#[test]
fn temporary_files_can_be_written_by_the_standard_library_meanwhile() {
    let turn = turn();
    let temp = TempFile::new();
    let file = temp.open(Access::Write);
    fs::OpenOptions::new()
        .write(true)
        .open(&temp.0)
        .unwrap()
        .write_all(b"shared")
        .unwrap();
    assert_eq!(
        Operation::by_event()
            .unwrap()
            .write_at(&file, 0, b"S".to_vec())
            .wait()
            .result,
        Ok(1)
    );
    drop(file);
    assert_eq!(fs::read(&temp.0).unwrap(), b"Shared");
    turn.ends_without_cells();
}
