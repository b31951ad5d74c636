//! Whole benchmarks over a device in memory.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use kswrite_client::{Error, Win32Error};

use super::*;
use crate::bench::html::render;
use crate::bench::plan::BenchOptions;
use crate::bench::plan::tests::options;
use crate::bench::report::{BenchReport, Environment};
use crate::bench::sweep::{Change, Sweep};
use crate::bench::venue::{Arrived, Session};
use crate::buffer::Buffer;
use crate::digest::Verdict;
use crate::face::{Face, Form, FormDigester};
use crate::install::system::{Machine, System};
use crate::report::FilterCounters;
use crate::run::{Completion, Issued, WriteEngine};

/// What a test wants the device to do.
#[derive(Default)]
struct Memory {
    /// Every write goes wrong in this way, the one with this number in a session.
    fails: Option<u64>,
    loses: Option<u64>,
    /// Kept by content, not by digests.
    is_file: Option<u64>,
    bytes: Mutex<Vec<u8>>,
    counted: AtomicU64,
    selected: Mutex<Vec<Change>>,
    stop_after: Option<(u64, &'static AtomicBool)>,
}

/// One handle. The venue lives longer, but a session may not borrow from it.
struct Handle {
    memory: std::sync::Arc<Memory>,
    taken: FormDigester,
    form: Form,
    waiting: VecDeque<Completion>,
    issued: u64,
}

struct Device(std::sync::Arc<Memory>);

impl Venue for Device {
    type Session = Handle;

    fn unavailable(&self, engine: Engine) -> Option<String> {
        (engine == Engine::Ioring).then(|| "memory has no rings".to_owned())
    }

    fn end_of(&self, _device: &str) -> Result<Option<u64>, Failure> {
        Ok(self.0.is_file)
    }

    fn open(&self, device: &str, setting: Setting) -> Result<Handle, Failure> {
        if device == "nowhere" {
            let error = Error::new("open nowhere", Win32Error(2));
            return Err(error.into());
        }
        Ok(Handle {
            memory: std::sync::Arc::clone(&self.0),
            taken: FormDigester::new(setting.face.form()),
            form: setting.face.form(),
            waiting: VecDeque::new(),
            issued: 0,
        })
    }

    fn select(&self, change: &Change) -> Result<(), Failure> {
        self.0.selected.lock().unwrap().push(change.clone());
        Ok(())
    }

    fn counters(&self) -> Option<FilterCounters> {
        Some(FilterCounters {
            fast: self.0.counted.load(Ordering::SeqCst),
            ..FilterCounters::default()
        })
    }

    fn cpu_time(&self) -> Option<Duration> {
        Some(Duration::from_micros(self.0.counted.load(Ordering::SeqCst)))
    }
}

impl Session for Handle {
    fn engine(&mut self) -> &mut dyn WriteEngine {
        self
    }

    fn begin(&mut self) -> Result<(), Failure> {
        self.taken = FormDigester::new(self.form);
        self.issued = 0;
        Ok(())
    }

    fn arrived(&mut self) -> Result<Arrived, Failure> {
        Ok(match self.memory.is_file {
            Some(_) => {
                let bytes = self.memory.bytes.lock().unwrap().clone();
                Arrived::Content(Box::new(std::io::Cursor::new(bytes)))
            }
            None => Arrived::Digests(self.taken.clone().finish()),
        })
    }
}

impl WriteEngine for Handle {
    fn issue(&mut self, slot: usize, offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        let number = self.issued;
        self.issued += 1;
        let total = self.memory.counted.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((after, stop)) = self.memory.stop_after
            && total >= after
        {
            stop.store(true, Ordering::SeqCst);
        }
        let length = u32::try_from(buffer.data().len()).unwrap();
        let result = if self.memory.fails == Some(number) {
            Err(Win32Error::ACCESS_DENIED)
        } else {
            Ok(length)
        };
        if result.is_ok() && self.memory.loses != Some(number) {
            self.taken.write(offset, buffer.data());
            if self.memory.is_file.is_some() {
                let from = usize::try_from(offset).unwrap();
                let mut bytes = self.memory.bytes.lock().unwrap();
                bytes[from..from + buffer.data().len()].copy_from_slice(buffer.data());
            }
        }
        let completion = Completion {
            slot,
            buffer,
            result,
            immediate: number.is_multiple_of(2),
        };
        if completion.immediate {
            return Ok(Issued::Done(completion));
        }
        self.waiting.push_back(completion);
        Ok(Issued::Pending)
    }

    fn wait(&mut self, _timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        done.extend(self.waiting.pop_front());
        Ok(())
    }
}

static NEVER: AtomicBool = AtomicBool::new(false);

fn measure(memory: Memory, options: BenchOptions) -> (Result<Measured, Failure>, std::sync::Arc<Memory>) {
    let device = Device(std::sync::Arc::new(memory));
    let plan = options.check().unwrap();
    let stop = device.0.stop_after.map_or(&NEVER, |(_, stop)| stop);
    (run(&device, &plan, stop, &mut |_| ()), device.0)
}

fn counted(count: u64) -> BenchOptions {
    BenchOptions {
        count: Some(count),
        verify: true,
        ..options()
    }
}

fn file(bytes: u64) -> Memory {
    Memory {
        is_file: Some(bytes),
        bytes: Mutex::new(vec![0; usize::try_from(bytes).unwrap()]),
        ..Memory::default()
    }
}

#[test]
fn every_write_of_every_thread_is_counted_and_verified() {
    let (measured, _) = measure(
        Memory::default(),
        BenchOptions {
            threads: Sweep(vec![3]),
            depth: Some(Sweep(vec![4])),
            block: Sweep(vec![512, 1]),
            warm_up: Duration::from_millis(1),
            ..counted(100)
        },
    );
    let measured = measured.unwrap();
    assert_eq!(measured.points.len(), 2);
    for point in &measured.points {
        let [round] = point.rounds.as_slice() else {
            panic!("one round: {point:?}");
        };
        assert_eq!(round.writes, 100);
        assert_eq!(round.bytes, 100 * u64::from(point.setting.block_bytes));
        assert_eq!(
            (round.failed, round.short, round.verdict),
            (0, 0, Some(Verdict::Agree))
        );
        assert_eq!(round.immediate + round.pending, 100);
        assert_eq!(round.filter.unwrap().fast, 100, "the warm-up is not in it");
        assert_eq!(round.cpu_ns_per_write, Some(1000.0));
        assert_eq!(point.total.unwrap().count, 100);
        assert_eq!(point.completion.unwrap().count, round.pending);
        assert!(round.highest_depth <= 4);
    }
}

#[test]
fn a_write_that_fails_is_counted_and_one_that_is_lost_is_found() {
    let (measured, _) = measure(
        Memory {
            fails: Some(7),
            ..Memory::default()
        },
        counted(50),
    );
    let round = measured.unwrap().points[0].rounds[0].clone();
    assert_eq!(
        (round.writes, round.failed, round.verdict),
        (50, 1, Some(Verdict::Agree))
    );
    let failure = round.first_failure.unwrap();
    assert_eq!((failure.number, failure.offset, failure.code), (7, 7 * 4096, 5));
    let (measured, _) = measure(
        Memory {
            loses: Some(7),
            ..Memory::default()
        },
        counted(50),
    );
    assert_eq!(
        measured.unwrap().points[0].rounds[0].verdict,
        Some(Verdict::Differ)
    );
}

#[test]
fn a_file_is_read_back() {
    for offsets in [
        crate::bench::plan::Offsets::Sequential,
        crate::bench::plan::Offsets::Random,
    ] {
        let go = |loses| {
            let (measured, _) = measure(
                Memory {
                    loses,
                    ..file(1 << 20)
                },
                BenchOptions {
                    offsets,
                    rounds: Some(2),
                    ..counted(100)
                },
            );
            let rounds = measured.unwrap().points.remove(0).rounds;
            rounds.iter().map(|round| round.verdict).collect::<Vec<_>>()
        };
        assert_eq!(go(None), [Some(Verdict::Agree); 2], "{offsets:?}");
    }
    // The first round leaves zeroes in its place, the second the bytes of the first.
    let (measured, _) = measure(
        Memory {
            loses: Some(7),
            ..file(1 << 20)
        },
        BenchOptions {
            rounds: Some(2),
            ..counted(100)
        },
    );
    let rounds = measured.unwrap().points.remove(0).rounds;
    assert!(
        rounds.iter().all(|round| round.verdict == Some(Verdict::Differ)),
        "{rounds:?}"
    );
}

#[test]
fn both_sides_are_measured_in_turns_and_their_ratio_is_by_round() {
    let (measured, memory) = measure(
        Memory::default(),
        BenchOptions {
            compare: Some("filter=on,off".parse().unwrap()),
            rounds: Some(3),
            ..counted(40)
        },
    );
    let measured = measured.unwrap();
    let order: Vec<bool> = memory
        .selected
        .lock()
        .unwrap()
        .iter()
        .map(|change| *change == Change::Filter(true))
        .collect();
    assert_eq!(order, [true, false, false, true, true, false]);
    let [comparison] = measured.comparisons.as_slice() else {
        panic!("{measured:?}");
    };
    assert_eq!(comparison.sides, ["filter on", "filter off"]);
    assert_eq!(comparison.rounds, 3);
    let (on, off) = (&measured.points[0].rounds, &measured.points[1].rounds);
    let first = on[0].writes_per_second / off[0].writes_per_second;
    let spread = comparison.writes_per_second;
    assert!(
        spread.lowest <= first && first <= spread.highest,
        "{spread:?} {first}"
    );
}

#[test]
fn all_faces_are_measured_in_turns_against_write_file() {
    let options = BenchOptions {
        compare: Some("faces".parse().unwrap()),
        rounds: Some(2),
        block: Sweep(vec![512, 1601]),
        ..counted(40)
    };
    let plan = options.clone().check().unwrap();
    let (measured, memory) = measure(Memory::default(), options);
    let measured = measured.unwrap();
    let order: Vec<Change> = memory.selected.lock().unwrap().clone();
    let faces = [Face::Ks, Face::Stream, Face::Wts, Face::Dvc, Face::File].map(Change::Face);
    assert_eq!(order[..5], faces);
    assert!(order[5..10].iter().eq(faces.iter().rev()), "{order:?}");
    assert_eq!(measured.comparisons.len(), 2 * 4);
    for comparison in &measured.comparisons {
        let [side, last] = &comparison.sides;
        assert_eq!(
            (last.as_str(), comparison.setting.face.word()),
            ("file", side.as_str())
        );
    }
    let verdicts = measured.points.iter().flat_map(|point| &point.rounds);
    assert!(
        verdicts
            .map(|round| round.verdict)
            .all(|verdict| verdict == Some(Verdict::Agree))
    );
    let report = BenchReport {
        plan,
        environment: environment(),
        measured,
    };
    let text = report.to_string();
    assert!(text.contains("writes/s, side / file"), "{text}");
    let table = report.comparisons().unwrap().to_string();
    for (side, engine) in [
        ("ks", "event"),
        ("stream", "event"),
        ("wts", "sync"),
        ("dvc", "iocp"),
    ] {
        let row = |line: &&str| line.split_whitespace().take(2).eq([side, engine]);
        assert_eq!(table.lines().filter(row).count(), 2, "{table}");
    }
    let page = render(&report).unwrap();
    assert!(page.contains("writes/s, side / file"), "{page}");
    assert!(page.contains("times the writes per second of file"), "{page}");
}

#[test]
fn a_face_that_is_swept_is_named_and_a_lost_message_is_found() {
    let options = BenchOptions {
        faces: vec![Face::File, Face::Wts],
        depth: Some(Sweep(vec![1])),
        ..counted(40)
    };
    let memory = Memory {
        loses: Some(7),
        ..Memory::default()
    };
    let measured = measure(memory, options).0.unwrap();
    let names: Vec<String> = measured.points.iter().map(Point::name).collect();
    assert_eq!(names, ["iocp, 4KiB, depth 1", "wts, sync, 4KiB, depth 1"]);
    let verdicts: Vec<_> = measured
        .points
        .iter()
        .map(|point| point.rounds[0].verdict)
        .collect();
    assert_eq!(verdicts, [Some(Verdict::Differ); 2]);
}

#[test]
fn a_channel_does_not_fill_a_file() {
    let options = |face| BenchOptions {
        device: "x.bin".to_owned(),
        faces: vec![face],
        ..counted(10)
    };
    let refused = measure(file(1 << 20), options(Face::Dvc)).0.unwrap_err();
    assert_eq!(refused.exit, Exit::Usage);
    assert!(
        refused.message.contains("the face dvc is a channel"),
        "{refused:?}"
    );
    assert!(measure(file(1 << 20), options(Face::Stream)).0.is_ok());
}

#[test]
fn missing_engines_are_named_and_the_others_measured() {
    let engines = |engines| BenchOptions {
        engines,
        ..counted(10)
    };
    let (measured, _) = measure(Memory::default(), engines(vec![Engine::Ioring, Engine::Apc]));
    let measured = measured.unwrap();
    assert_eq!(measured.points.len(), 1);
    assert_eq!(
        measured.unavailable[0].to_string(),
        "ioring is not available here: memory has no rings"
    );
    let (nothing, _) = measure(Memory::default(), engines(vec![Engine::Ioring]));
    let failure = nothing.unwrap_err();
    assert!(failure.message.contains("memory has no rings"), "{failure:?}");
    assert_eq!(failure.exit, Exit::Absent);
}

#[test]
fn a_device_that_cannot_be_opened_ends_the_benchmark_in_every_thread() {
    let (failed, _) = measure(
        Memory::default(),
        BenchOptions {
            device: "nowhere".to_owned(),
            threads: Sweep(vec![4]),
            ..counted(10)
        },
    );
    let failure = failed.unwrap_err();
    assert_eq!(failure.exit, Exit::Absent);
    assert!(failure.message.contains("open nowhere"), "{failure:?}");
}

#[test]
fn a_place_for_each_thread_is_needed() {
    let go = |threads, span: Option<u64>| {
        let options = BenchOptions {
            threads: Sweep(vec![threads]),
            span: span.map(ByteSize),
            ..counted(10)
        };
        measure(file(8192), options).0
    };
    assert!(go(2, None).is_ok());
    let small = go(3, None).unwrap_err();
    assert_eq!(small.exit, Exit::Usage);
    assert!(
        small.message.starts_with("--block 4KiB in 3 threads"),
        "{small:?}"
    );
    let large = go(1, Some(8193)).unwrap_err();
    assert!(large.message.starts_with("--span 8193B"), "{large:?}");
}

#[test]
fn what_was_measured_before_a_stop_is_kept() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let memory = Memory {
        stop_after: Some((150, &STOP)),
        ..Memory::default()
    };
    let options = BenchOptions {
        block: Sweep(vec![512, 1024, 2048]),
        ..counted(100)
    };
    let measured = measure(memory, options).0.unwrap();
    assert!(measured.stopped);
    let writes: Vec<u64> = measured.points.iter().map(Point::writes).collect();
    assert_eq!(writes, [100, 50]);
}

#[test]
fn text_json_and_page_show_what_was_measured() {
    let options = BenchOptions {
        block: Sweep(vec![512, 4096]),
        depth: Some(Sweep(vec![1, 8])),
        engines: vec![Engine::Iocp, Engine::Ioring],
        compare: Some("filter=on,off".parse().unwrap()),
        ..counted(200)
    };
    let plan = options.clone().check().unwrap();
    let measured = measure(Memory::default(), options).0.unwrap();
    let report = BenchReport {
        plan,
        environment: environment(),
        measured,
    };
    assert_eq!(report.exit(), Exit::Success);
    let json = serde_json::to_string(&report).unwrap();
    let read: BenchReport = serde_json::from_str(&json).unwrap();
    assert_eq!(read.to_string(), report.to_string());
    let text = report.to_string();
    for part in [
        "ksw bench --device direct",
        "filter off",
        "Testbox 3000, 2 logical",
        "submission",
        "agree",
        "writes/s, filter on / filter off",
        "ioring is not available here",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = render(&report).unwrap();
    for part in [
        "Throughput over block size",
        "Throughput over queue depth",
        "filter on, iocp, depth 8",
        "99.9 %",
        "Every byte that was sent has arrived",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("http") && !page.contains("<script"));
}

fn environment() -> Environment {
    Environment {
        time: "2026-01-02T03:04:05Z".to_owned(),
        command: "ksw bench --device direct".to_owned(),
        ksw: "0.1.0".to_owned(),
        system: System {
            version: [10, 0, 19045],
            wine: None,
            native: Machine::X64,
            process: Machine::X64,
            processors: 2,
            elevated: true,
            code_integrity: None,
            secure_boot: None,
            memory_integrity: None,
        },
        processor: Some("Testbox 3000".to_owned()),
        filter: Some("0.1.0, protocol 3".to_owned()),
        images: Vec::new(),
    }
}
