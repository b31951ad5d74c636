//! The filter's records of writes.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use kswrite_client::{
    Access, File, FileObjectWrite, Filter, Started, TraceReader, Win32Error, control, control_bytes,
};
use kswrite_wire::{
    file_write::{Attempt, Cancel, Carrier, Completer, Completion, Mode, Skip},
    filter::{DeviceSelector, WIRE_VERSION},
    names::{CONTROL_PATH, SinkKind},
    sink::{self, Script},
    trace::{
        self, Begun, CheckedRecord, Cursor, MAX_BATCH, MAX_RECORDS, MIN_RECORDS, Over, READ_TRACE, SET_TRACE,
        Settings,
    },
    wine_host::{self, Fault, Service},
};
use zerocopy::IntoBytes;

use crate::rig::{Rig, host_counters, irp_script, open, pattern, release, start, start_pending, write};

const CANCELLED: i32 = 0xC000_0120_u32 as i32;
const ERROR_NOT_READY: Win32Error = Win32Error(21);
const ERROR_BAD_LENGTH: Win32Error = Win32Error(24);
const ERROR_INSUFFICIENT_BUFFER: Win32Error = Win32Error(122);
const ERROR_NO_SYSTEM_RESOURCES: Win32Error = Win32Error(1450);

fn filter() -> Filter {
    Filter::open().expect("the filter is loaded, in the version of this program")
}

/// The next `count` records, which must come within a while.
fn next(reader: &mut TraceReader<'_>, count: usize) -> Vec<CheckedRecord> {
    let mut records = Vec::new();
    for _ in 0..500 {
        let batch = reader.read().expect("the trace is on");
        assert_eq!(batch.lost, 0);
        records.extend(batch.records);
        if records.len() >= count {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(records.len(), count, "{records:?}");
    records
}

fn begun(record: &CheckedRecord) -> Begun {
    record.begun.expect("the record says how the write began")
}

fn over(record: &CheckedRecord) -> Over {
    record.over.expect("the record says how the write ended")
}

/// The buffer method of each sink's stack, as the filter passes a program's write on.
const CARRIERS: [Carrier; 3] = [Carrier::BorrowedSystemBuffer, Carrier::Mdl, Carrier::UserBuffer];

/// A declined attempt, its IRP and the completion have one number.
#[test]
fn a_declined_attempt_and_its_irp_are_one_write() {
    for (kind, carrier) in SinkKind::ALL.into_iter().zip(CARRIERS) {
        for (script, completion) in [
            (irp_script(sink::Completion::Inline), Completion::Inline),
            (irp_script(sink::Completion::Pended), Completion::Pended),
        ] {
            let rig = Rig::new();
            let (filter, file) = (filter(), open(kind, script));
            let mut reader = TraceReader::follow(&filter, MIN_RECORDS).expect("the trace is switched on");
            assert_eq!(write(&file, 512, &pattern(5000, 1)), Ok(5000));
            let records = next(&mut reader, 2);
            let (first, last) = (&records[0], &records[1]);
            assert_eq!(first.operation, last.operation);
            assert_eq!((first.over, last.begun), (None, None), "{kind:?}");
            assert_eq!(
                (begun(first).attempt, begun(first).skip, begun(first).carrier),
                (Attempt::Declined, Skip::None, carrier)
            );
            for record in [first, last] {
                assert_eq!(
                    (record.offset, record.length, record.mode),
                    (512, 5000, Mode::User)
                );
                assert_eq!(record.device, first.device);
            }
            assert_eq!(first.process, std::process::id());
            let end = over(last);
            assert_eq!((end.status, end.information), (0, 5000));
            assert_eq!((end.completion, end.cancel), (completion, Cancel::NotAsked));
            assert!(end.at >= begun(first).at, "the clock goes forward");
            drop(reader);
            drop(file);
            assert_eq!(filter.trace_state().expect("the filter answers").on, 0);
            drop(filter);
            rig.finish();
        }
    }
}

/// A write that fast I/O did has one record.
#[test]
fn a_fast_write_has_one_record() {
    for kind in SinkKind::ALL {
        let rig = Rig::new();
        let (filter, file) = (filter(), open(kind, Script::default()));
        let mut reader = TraceReader::follow(&filter, MIN_RECORDS).expect("the trace is switched on");
        assert_eq!(write(&file, 0, &pattern(700, 2)), Ok(700));
        assert_eq!(write(&file, 700, &pattern(30, 2)), Ok(30));
        let records = next(&mut reader, 2);
        assert_eq!(records[1].operation, records[0].operation + 1);
        for (record, bytes) in records.iter().zip([700, 30]) {
            assert_eq!(
                (begun(record).attempt, begun(record).carrier),
                (Attempt::Done, Carrier::None)
            );
            let end = over(record);
            assert_eq!(
                (end.completion, end.status, end.information),
                (Completion::Fast, 0, bytes)
            );
        }
        drop(reader);
        drop((file, filter));
        rig.finish();
    }
}

/// What is held is seen before it is over; what was cancelled says so.
#[test]
fn a_held_write_is_seen_and_a_cancelled_one_says_so() {
    let rig = Rig::new();
    let (filter, file) = (
        filter(),
        open(SinkKind::Direct, irp_script(sink::Completion::Held)),
    );
    let mut reader = TraceReader::follow(&filter, MIN_RECORDS).expect("the trace is switched on");
    let first = start_pending(&file, 0, &pattern(10, 3));
    let second = start_pending(&file, 10, &pattern(10, 3));
    let held = next(&mut reader, 2);
    assert!(held.iter().all(|record| record.over.is_none()));
    first.cancel().expect("it is pending");
    assert_eq!(first.wait().result, Err(Win32Error::OPERATION_ABORTED));
    assert_eq!(release(&file), 1);
    assert_eq!(second.wait().result, Ok(10));
    let ended = next(&mut reader, 2);
    assert_eq!(
        (ended[0].operation, ended[1].operation),
        (held[0].operation, held[1].operation)
    );
    assert_eq!(
        (over(&ended[0]).status, over(&ended[0]).cancel),
        (CANCELLED, Cancel::Cancelled)
    );
    assert_eq!(
        (over(&ended[1]).status, over(&ended[1]).cancel),
        (0, Cancel::NotAsked)
    );
    drop(reader);
    drop((file, filter));
    rig.finish();
}

/// A write for which there was no memory was not sent, and its last record says both.
#[test]
fn a_write_that_is_refused_says_why() {
    let Ok(host) = File::open(wine_host::CONTROL_PATH, Access::ReadWrite) else {
        println!("not run: no Wine host here to make an allocation fail");
        return;
    };
    let rig = Rig::new();
    let (filter, file) = (
        filter(),
        open(SinkKind::Neither, irp_script(sink::Completion::Inline)),
    );
    let mut reader = TraceReader::follow(&filter, MIN_RECORDS).expect("the trace is switched on");
    arm(&host, Service::AllocateIrp);
    assert_eq!(write(&file, 0, &pattern(10, 4)), Err(ERROR_NO_SYSTEM_RESOURCES));
    let records = next(&mut reader, 2);
    let (begin, end) = (begun(&records[1]), over(&records[1]));
    assert_eq!(records[0].operation, records[1].operation);
    assert_eq!(
        (begin.attempt, begin.carrier),
        (Attempt::Declined, Carrier::UserBuffer)
    );
    assert_eq!(
        (end.status, end.completion),
        (0xC000_009A_u32 as i32, Completion::None)
    );
    drop(reader);
    drop((file, filter, host));
    rig.finish();
}

fn arm(host: &File, service: Service) {
    let fault = Fault {
        service: service as u32,
        after: 0,
        times: 1,
        reserved: 0,
    };
    control::<_, ()>(host, wine_host::SET_FAULT, &fault).expect("the host arms the fault");
}

/// A write to a file object is one of its own; the filter on the stack sees another.
#[test]
fn writes_to_file_objects_have_records() {
    for completer in [Completer::Driver, Completer::IoManager] {
        let rig = Rig::new();
        let file = open(SinkKind::Buffered, irp_script(sink::Completion::Inline));
        let device = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
        let filter = filter();
        let mut reader = TraceReader::follow(&filter, MIN_RECORDS).expect("the trace is switched on");
        let write = FileObjectWrite::new(&file, &pattern(100, 5))
            .completer(completer)
            .at(64);
        assert_eq!(write.write(&device).expect("a report").final_status, 0);
        let mut records = Vec::new();
        for _ in 0..100 {
            records.extend(reader.read().expect("the trace is on").records);
            let is_end = |record: &&CheckedRecord| record.over.is_some();
            if records.iter().filter(is_end).count() == 2 {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let (own, seen): (Vec<_>, Vec<_>) = records
            .into_iter()
            .partition(|record| record.device == DeviceSelector::FILE_OBJECTS);
        let end = over(own.last().expect("the write itself"));
        assert_eq!(
            (end.status, end.information, end.completion),
            (0, 100, Completion::Inline)
        );
        assert!(own.iter().all(|record| record.operation == own[0].operation));
        assert_eq!(begun(&own[0]).carrier, Carrier::SystemBuffer, "{completer:?}");
        assert_eq!(
            (own[0].offset, own[0].length, own[0].mode),
            (64, 100, Mode::Kernel)
        );
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_ne!(seen[0].operation, own[0].operation);
        drop(reader);
        drop((filter, device, file));
        rig.finish();
    }
}

/// The newest records are kept, the reader is told what it missed, and reads none twice.
#[test]
fn the_ring_keeps_the_newest_and_tells_what_was_lost() {
    let rig = Rig::new();
    let (filter, file) = (filter(), open(SinkKind::Buffered, Script::default()));
    let before = filter.set_trace(Some(MIN_RECORDS)).expect("it is switched on");
    assert_eq!((before.on, before.records), (1, MIN_RECORDS));
    for i in 0..100 {
        assert_eq!(write(&file, i, b"x"), Ok(1));
    }
    let after = filter.trace_state().expect("the filter answers");
    assert_eq!(after.next, before.next + 100);
    assert_eq!(after.oldest, after.next - u64::from(MIN_RECORDS));
    let batch = filter.read_trace(before.next).expect("the trace is on");
    assert_eq!(
        (batch.lost, batch.records.len(), batch.next),
        (36, 64, after.next)
    );
    let numbers: Vec<u64> = batch.records.iter().map(|record| record.sequence).collect();
    assert_eq!(numbers, (after.oldest..after.next).collect::<Vec<_>>());
    let batch = filter.read_trace(batch.next).expect("the trace is on");
    assert_eq!((batch.lost, batch.records.len()), (0, 0));
    // The same size keeps what there is, another one does not; numbers go on.
    assert_eq!(
        filter.set_trace(Some(MIN_RECORDS)).map(|state| state.oldest),
        Ok(after.oldest)
    );
    assert_eq!(
        filter
            .set_trace(Some(100))
            .map(|state| (state.oldest, state.next)),
        Ok((after.next, after.next))
    );
    let off = filter.set_trace(None).expect("it is switched off");
    assert_eq!((off.on, off.records, off.next), (0, 0, after.next));
    let error = filter.read_trace(0).expect_err("there is nothing to read");
    assert_eq!(error.code(), ERROR_NOT_READY);
    assert_eq!(write(&file, 0, b"y"), Ok(1));
    assert_eq!(filter.trace_state().map(|state| state.next), Ok(after.next));
    drop((filter, file));
    rig.finish();
}

/// Writers in several threads, and a reader that follows: every record once, whole.
#[test]
fn a_reader_follows_several_writers() {
    const EACH: u64 = 200;
    let rig = Rig::new();
    let filter = filter();
    let mut reader = TraceReader::follow(&filter, MAX_RECORDS).expect("the trace is switched on");
    let records = thread::scope(|scope| {
        for kind in SinkKind::ALL {
            scope.spawn(move || {
                let file = open(kind, irp_script(sink::Completion::Pended));
                let writes: Vec<_> = (0..EACH).map(|i| start(&file, i * 8, &[7; 8])).collect();
                for write in writes {
                    assert_eq!(write.wait().result, Ok(8), "{kind:?}");
                }
            });
        }
        next(&mut reader, 6 * EACH as usize)
    });
    let mut sequence: Vec<u64> = records.iter().map(|record| record.sequence).collect();
    sequence.dedup();
    assert_eq!(sequence.len(), records.len());
    assert!(sequence.is_sorted());
    let mut open = std::collections::BTreeMap::new();
    for record in &records {
        assert_eq!(record.length, 8);
        if record.over.is_some() {
            let start: CheckedRecord = open.remove(&record.operation).expect("a start before the end");
            assert_eq!((start.device, start.offset), (record.device, record.offset));
        } else {
            assert_eq!(open.insert(record.operation, *record), None);
        }
    }
    assert!(open.is_empty());
    drop(reader);
    drop(filter);
    rig.finish();
}

/// A reader leaves a trace that was on as it was.
#[test]
fn a_reader_leaves_the_trace_as_it_found_it() {
    let rig = Rig::new();
    let filter = filter();
    filter.set_trace(Some(100)).expect("it is switched on");
    drop(TraceReader::follow(&filter, MIN_RECORDS).expect("it is on"));
    let state = filter.trace_state().expect("the filter answers");
    assert_eq!((state.on, state.records), (1, 100));
    filter.set_trace(None).expect("it is switched off");
    drop(filter);
    rig.finish();
}

/// Requests that make no sense are refused by their kind, and change nothing.
#[test]
fn bad_trace_requests() {
    let rig = Rig::new();
    let device = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
    let on = Settings::on(MIN_RECORDS);
    let room = size_of::<trace::State>();
    for (settings, error) in [
        (
            Settings {
                version: WIRE_VERSION + 1,
                ..on
            },
            Win32Error::REVISION_MISMATCH,
        ),
        (Settings { version: 0, ..on }, Win32Error::REVISION_MISMATCH),
        (Settings::on(0), Win32Error::INVALID_PARAMETER),
        (Settings::on(MIN_RECORDS - 1), Win32Error::INVALID_PARAMETER),
        (Settings::on(MAX_RECORDS + 1), Win32Error::INVALID_PARAMETER),
        (Settings::on(u32::MAX), Win32Error::INVALID_PARAMETER),
        (Settings { on: 2, ..on }, Win32Error::INVALID_PARAMETER),
        (Settings { on: 0, ..on }, Win32Error::INVALID_PARAMETER),
        (Settings { reserved: 1, ..on }, Win32Error::INVALID_PARAMETER),
    ] {
        let answer = control_bytes(&device, SET_TRACE.0, settings.as_bytes(), room);
        assert_eq!(answer, Err(error), "{settings:?}");
    }
    let bytes = on.as_bytes();
    for (input, room, error) in [
        (&bytes[..0], room, ERROR_BAD_LENGTH),
        (&bytes[..15], room, ERROR_BAD_LENGTH),
        (&[bytes, &[0; 4]].concat()[..], room, ERROR_BAD_LENGTH),
        (bytes, room - 1, ERROR_INSUFFICIENT_BUFFER),
    ] {
        let answer = control_bytes(&device, SET_TRACE.0, input, room);
        assert_eq!(answer, Err(error), "{} bytes, room {room}", input.len());
    }
    let answer = control_bytes(&device, trace::GET_TRACE.0, &[], room - 1);
    assert_eq!(answer, Err(ERROR_INSUFFICIENT_BUFFER));
    assert_eq!(filter().trace_state().map(|state| state.on), Ok(0));
    drop(device);
    rig.finish();
}

/// The same of requests to read.
#[test]
fn bad_requests_to_read_the_trace() {
    let rig = Rig::new();
    let device = File::open(CONTROL_PATH, Access::ReadWrite).expect("the filter is loaded");
    let filter = filter();
    let state = filter.set_trace(Some(MIN_RECORDS)).expect("it is switched on");
    let one = size_of::<trace::Batch>() + size_of::<trace::Record>();
    let cursor = Cursor::at(state.next);
    for (cursor, room, error) in [
        (
            Cursor {
                version: WIRE_VERSION - 1,
                ..cursor
            },
            one,
            Win32Error::REVISION_MISMATCH,
        ),
        (
            Cursor {
                reserved: 1,
                ..cursor
            },
            one,
            Win32Error::INVALID_PARAMETER,
        ),
        (Cursor::at(state.next + 1), one, Win32Error::INVALID_PARAMETER),
        (Cursor::at(u64::MAX), one, Win32Error::INVALID_PARAMETER),
        (cursor, one - 1, ERROR_INSUFFICIENT_BUFFER),
        (cursor, 0, ERROR_INSUFFICIENT_BUFFER),
    ] {
        let answer = control_bytes(&device, READ_TRACE.0, cursor.as_bytes(), room);
        assert_eq!(answer, Err(error), "{cursor:?}, room {room}");
    }
    for length in [0, 15] {
        let answer = control_bytes(&device, READ_TRACE.0, &cursor.as_bytes()[..length], one);
        assert_eq!(answer, Err(ERROR_BAD_LENGTH), "{length}");
    }
    let much = size_of::<trace::Batch>() + (MAX_BATCH as usize + 10) * size_of::<trace::Record>();
    let answer = control_bytes(&device, READ_TRACE.0, cursor.as_bytes(), much).expect("an empty answer");
    assert_eq!(answer.len(), size_of::<trace::Batch>());
    filter.set_trace(None).expect("it is switched off");
    drop((filter, device));
    rig.finish();
}

/// Without memory the trace stays off.
#[test]
fn no_memory_for_the_ring() {
    let Ok(host) = File::open(wine_host::CONTROL_PATH, Access::ReadWrite) else {
        println!("not run: no Wine host here to make an allocation fail");
        return;
    };
    let rig = Rig::new();
    let filter = filter();
    arm(&host, Service::Pool);
    let error = filter
        .set_trace(Some(MIN_RECORDS))
        .expect_err("there is no memory");
    assert_eq!(error.code(), ERROR_NO_SYSTEM_RESOURCES);
    assert_eq!(filter.trace_state().map(|state| state.on), Ok(0));
    drop((filter, host));
    rig.finish();
}

fn ksw(arguments: &[&str]) -> Child {
    Command::new("ksw")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ksw is on the path")
}

/// The exit code, and what was said on both streams.
fn said(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("the command ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// `ksw trace --follow` shows each write once, and switches the trace off at its end.
#[test]
fn the_command_follows() {
    let rig = Rig::new();
    let filter = filter();
    let child = ksw(&["trace", "--follow", "--count", "2", "--json"]);
    let is_on = || filter.trace_state().is_ok_and(|state| state.on == 1);
    assert!(
        (0..1000).any(|_| {
            thread::sleep(Duration::from_millis(10));
            is_on()
        }),
        "the command switches the trace on"
    );
    let fast = open(SinkKind::Direct, Script::default());
    assert_eq!(write(&fast, 0, b"one"), Ok(3));
    let slow = open(SinkKind::Direct, irp_script(sink::Completion::Pended));
    assert_eq!(write(&slow, 0, b"three"), Ok(5));
    let (code, text) = said(child);
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].contains(r#""fast":"done""#) && lines[0].contains(r#""bytes":3"#),
        "{text}"
    );
    for part in [
        r#""fast":"declined""#,
        r#""carrier":"mdl""#,
        r#""completion":"pended""#,
        r#""status_name":"STATUS_SUCCESS""#,
        r#""bytes":5"#,
    ] {
        assert!(lines[1].contains(part), "{part}: {text}");
    }
    assert!(!is_on(), "the trace is as it was");
    drop((fast, slow, filter));
    rig.finish();
}

/// `ksw trace --on`, a hang, `ksw trace`, `ksw trace --off`.
#[test]
fn the_command_shows_what_is_outstanding() {
    let rig = Rig::new();
    let (code, text) = said(ksw(&["trace"]));
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("--follow"), "{text}");
    let (code, text) = said(ksw(&["trace", "--on", "--records", "64"]));
    assert_eq!(code, Some(0), "{text}");
    let file = open(SinkKind::Neither, irp_script(sink::Completion::Held));
    let Started::Pending(pending) = start(&file, 0, b"held") else {
        panic!("the write was not held");
    };
    let (code, text) = said(ksw(&["trace"]));
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("outstanding") && text.contains("user-buffer"),
        "{text}"
    );
    assert_eq!(release(&file), 1);
    assert_eq!(pending.wait().result, Ok(4));
    let (_, text) = said(ksw(&["trace", "--count", "1"]));
    assert!(
        text.contains("pended") && text.contains("STATUS_SUCCESS"),
        "{text}"
    );
    let (code, text) = said(ksw(&["trace", "--off"]));
    assert_eq!(code, Some(0), "{text}");
    drop(file);
    rig.finish();
}

/// `ksw trace --etw`: the events of a write, as a session of ETW gets them, and none without one.
#[test]
fn etw_events_of_a_write() {
    if host_counters().is_none() {
        println!("not run: no Wine host here to be the session; on Windows tools of the system are");
        return;
    }
    let rig = Rig::new();
    let file = open(SinkKind::Direct, irp_script(sink::Completion::Inline));
    assert_eq!(write(&file, 0, b"nobody looks"), Ok(12));
    let mut child = ksw(&["trace", "--etw", "--follow", "--count", "2", "--json"]);
    // The command enables the provider after it has begun.
    while child.try_wait().expect("the command runs").is_none() {
        assert_eq!(write(&file, 4096, b"four"), Ok(4));
        thread::sleep(Duration::from_millis(20));
    }
    let (code, text) = said(child);
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let (first, last) = (lines[0], lines[1]);
    for part in [
        r#""provider":"KsWrite.Filter","event":"WriteStart""#,
        r#""Offset":4096,"Length":4"#,
        r#""FastIo":"declined""#,
        r#""Carrier":"mdl""#,
    ] {
        assert!(first.contains(part), "{part}: {text}");
    }
    for part in [
        r#""event":"WriteStop""#,
        r#""Status":"STATUS_SUCCESS (0x00000000)","Bytes":4,"Completion":"inline""#,
    ] {
        assert!(last.contains(part), "{part}: {text}");
    }
    let operation = |line: &str| {
        let (_, rest) = line.split_once(r#""Operation":"#)?;
        rest.split_once(',').map(|(number, _)| number.to_owned())
    };
    assert!(operation(first).is_some_and(|number| operation(last) == Some(number)));
    let (code, text) = said(ksw(&["trace", "--etw"]));
    assert_eq!(code, Some(2), "{text}");
    drop(file);
    rig.finish();
}
