//! Futures, callbacks, time limits and streams over a reactor.

use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

use kswrite_client::{Access, AsyncFile, File, Reactor, Win32Error, Writer};

use super::{LARGE, LARGE_U32, TempFile, pattern, pipe, read_all, turn};

fn attach(file: File) -> AsyncFile {
    Reactor::new().unwrap().attach(file).unwrap()
}

#[test]
fn a_hundred_writes_at_once_are_all_there() {
    let turn = turn();
    let target = TempFile::new();
    let file = attach(target.open(Access::Write));
    let writes: Vec<_> = (0..100_u8)
        .map(|number| file.write_at(u64::from(number) * 512, vec![number; 512]))
        .collect();
    for (number, write) in writes.into_iter().enumerate() {
        let written = write.wait();
        assert_eq!((written.result, written.buffer.len()), (Ok(512), 512), "{number}");
    }
    let bytes = fs::read(&target.0).unwrap();
    assert!(
        bytes
            .chunks(512)
            .zip(0..)
            .all(|(block, number)| block == [number; 512])
    );
    assert_eq!(bytes.len(), 51_200);
    drop(file);
    turn.ends_without_cells();
}

#[test]
fn a_pending_write_is_ready_when_somebody_reads() {
    let turn = turn();
    let (file, reader) = pipe();
    let file = attach(file);
    let write = file.write_at(0, pattern(LARGE));
    let read = read_all(reader);
    let written = write.wait();
    assert_eq!(written.result, Ok(LARGE_U32));
    drop((written, file));
    assert!(read.join().unwrap() == pattern(LARGE));
    turn.ends_without_cells();
}

#[test]
fn a_dropped_future_cancels_and_leaves_nothing() {
    let turn = turn();
    let (file, mut reader) = pipe();
    let file = attach(file);
    drop(file.write_at(0, pattern(LARGE)));
    let write = file.write_at(0, b"next".to_vec());
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(write.wait().result, Ok(4));
    assert_eq!(
        &bytes, b"next",
        "nothing of the cancelled write is left in the pipe"
    );
    drop(file);
    turn.ends_without_cells();
}

#[test]
fn a_time_limit_ends_a_write_that_nobody_takes() {
    let turn = turn();
    let (file, reader) = pipe();
    let file = attach(file);
    let write = file
        .write_at(0, pattern(LARGE))
        .time_limit(Duration::from_millis(20));
    assert_eq!(write.wait().result, Err(Win32Error::TIMEOUT));
    let limited = file
        .write_at(0, b"taken".to_vec())
        .time_limit(Duration::from_hours(1));
    drop(read_all(reader));
    assert_eq!(
        limited.wait().result,
        Ok(5),
        "a limit that is not reached changes nothing"
    );
    drop(file);
    turn.ends_without_cells();
}

#[test]
fn a_canceller_cancels_its_own_write_only() {
    let turn = turn();
    let (file, reader) = pipe();
    let file = attach(file);
    let first = file.write_at(0, pattern(LARGE));
    let second = file.write_at(0, vec![1; LARGE]);
    let canceller = first.canceller();
    thread::spawn(move || canceller.cancel()).join().unwrap();
    assert_eq!(first.wait().result, Err(Win32Error::OPERATION_ABORTED));
    let canceller = second.canceller();
    let read = read_all(reader);
    assert_eq!(second.wait().result, Ok(LARGE_U32));
    canceller.cancel();
    drop(file);
    assert!(read.join().unwrap() == vec![1; LARGE]);
    turn.ends_without_cells();
}

#[test]
fn a_batch_answers_in_its_own_order() {
    let turn = turn();
    let target = TempFile::new();
    let file = attach(target.open(Access::Write));
    let batch = file.write_batch((1..=64_usize).rev().map(|length| (0, vec![7; length])));
    let lengths: Vec<u32> = batch
        .wait()
        .into_iter()
        .map(|written| written.result.unwrap())
        .collect();
    assert_eq!(lengths, (1..=64).rev().collect::<Vec<u32>>());
    assert!(file.write_batch([]).wait().is_empty());
    drop(file);
    turn.ends_without_cells();
}

#[test]
fn a_callback_is_told_once_whatever_happens() {
    let turn = turn();
    let (file, reader) = pipe();
    let file = attach(file);
    let (sender, told) = mpsc::channel();
    let tell = |name: u32| {
        let sender = sender.clone();
        Box::new(move |written: kswrite_client::Written| sender.send((name, written.result)).unwrap())
    };
    let canceller = file.write_then(0, pattern(LARGE), tell(1));
    canceller.cancel();
    assert_eq!(told.recv().unwrap(), (1, Err(Win32Error::OPERATION_ABORTED)));
    file.write_then(0, pattern(LARGE), tell(2));
    let read = read_all(reader);
    assert_eq!(told.recv().unwrap(), (2, Ok(LARGE_U32)));
    file.write_then(0, Vec::new(), tell(3)).cancel();
    assert_eq!(told.recv().unwrap().0, 3);
    drop((file, sender));
    assert_eq!(read.join().unwrap().len(), LARGE);
    assert!(told.try_recv().is_err());
    turn.ends_without_cells();
}

#[test]
fn a_file_that_cannot_be_written_says_so_at_once() {
    let turn = turn();
    let target = TempFile::new();
    let file = attach(target.open(Access::Read));
    let written = file.write_at(0, vec![1; 8]).wait();
    assert_eq!(
        (written.result, written.buffer),
        (Err(Win32Error::ACCESS_DENIED), vec![1; 8])
    );
    let mut writer = Writer::new(file, 0);
    let error = writer.write(b"no").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5));
    drop(writer);
    turn.ends_without_cells();
}

#[test]
fn a_writer_copies_a_stream() {
    let turn = turn();
    let target = TempFile::new();
    let bytes = pattern(3 * LARGE + 5);
    let mut writer = Writer::new(attach(target.open(Access::Write)), 0);
    io::copy(&mut bytes.as_slice(), &mut writer).unwrap();
    assert_eq!(writer.offset(), bytes.len() as u64);
    drop(writer);
    assert!(fs::read(&target.0).unwrap() == bytes);
    turn.ends_without_cells();
}

#[cfg(feature = "tokio")]
#[test]
fn a_writer_copies_a_stream_under_tokio() {
    use tokio::io::AsyncWriteExt;

    let turn = turn();
    let (file, reader) = pipe();
    let read = read_all(reader);
    let bytes = pattern(3 * LARGE + 5);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut writer = Writer::new(attach(file), 0);
    let copied = runtime.block_on(async {
        let copied = tokio::io::copy(&mut bytes.as_slice(), &mut writer).await?;
        writer.shutdown().await.map(|()| copied)
    });
    assert_eq!(copied.unwrap(), bytes.len() as u64);
    drop(writer);
    assert!(read.join().unwrap() == bytes);
    turn.ends_without_cells();
}
