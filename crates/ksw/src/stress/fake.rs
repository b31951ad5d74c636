//! A sink in memory, which can misbehave in one way, and what the books say of each.

use std::time::{Duration, Instant};

use ksink_state::{Intake, Path};
use kswrite_client::{Error, Win32Error};
use kswrite_wire::sink::{Completion as Completes, FastMode, Script, State};

use super::finding::{Finding, Invariant};
use super::log::Log;
use super::program::{
    Action, BUFFER_OVERFLOW, Engine, INSUFFICIENT_RESOURCES, IO_DEVICE_ERROR, LANES, Program, Role, Step,
};
use super::venue::{Cancel, Completion, Venue};
use super::worker::Worker;

/// What a driver, a host or a client could do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    /// A write is never reported.
    Lose,
    /// A write is reported again.
    CompleteTwice,
    /// A write that succeeded says one byte too many.
    CountTooHigh,
    /// A cancelled write says that nothing was taken, but something was.
    CancelledCountsNothing,
    /// The result and the status block disagree.
    TwoCounts,
    /// A write fails with an error that its script does not have.
    OtherError,
    /// A byte arrives damaged.
    Damage,
    /// A write that was reported never reaches the sink.
    Swallow,
    /// A write reaches the sink twice.
    Double,
    /// A write arrives at another offset.
    Misplace,
    /// Two writes arrive in the wrong order.
    Reorder,
    /// A dropped write arrives twice.
    DoubleForgotten,
    /// The sink counts a write as outstanding for ever.
    Outstanding,
    /// The sink counts one cancel too many.
    CountCancels,
    /// A read shows other bytes.
    ReadOther,
    /// A read ends too early.
    ReadShort,
    /// A request fails.
    Refuse,
}

/// One handle.
#[derive(Default)]
struct Sink {
    intake: Intake,
    later: Vec<Later>,
    cancelled: u64,
    /// The write before, not yet taken in.
    delayed: Option<(u64, Vec<u8>)>,
}

#[derive(Clone, Copy)]
struct Later {
    id: u64,
    completion: Completion,
    held: bool,
    reported: bool,
}

/// The handles of one thread.
struct Fake {
    lanes: [Option<Sink>; LANES],
    done: Vec<Completion>,
    defect: Option<Defect>,
    /// Chances to let pass before the defect shows, from then on.
    chances: u32,
}

fn win32(status: i32) -> Option<Win32Error> {
    match status {
        IO_DEVICE_ERROR => Some(Win32Error(1117)),
        INSUFFICIENT_RESOURCES => Some(Win32Error(1450)),
        BUFFER_OVERFLOW => Some(Win32Error(234)),
        _ => None,
    }
}

fn cancelled(later: Later) -> Completion {
    Completion {
        result: Err(Win32Error::OPERATION_ABORTED),
        ..later.completion
    }
}

impl Sink {
    fn take(&mut self, path: Path, offset: u64, data: &[u8]) -> (i32, u32, Completes) {
        let length = u32::try_from(data.len()).unwrap();
        let mut admission = self.intake.begin(path, offset.cast_signed(), length).unwrap();
        self.intake.absorb(&mut admission, data);
        let verdict = self.intake.commit(admission);
        (
            verdict.io.status.0,
            u32::try_from(verdict.io.information).unwrap(),
            verdict.completion,
        )
    }
}

impl Fake {
    fn new(defect: Option<Defect>) -> Self {
        Self {
            lanes: [const { None }; LANES],
            done: Vec::new(),
            defect,
            chances: 8,
        }
    }

    /// Whether the defect shows now.
    fn shows(&mut self, defect: Defect) -> bool {
        if self.defect != Some(defect) {
            return false;
        }
        self.chances = self.chances.saturating_sub(1);
        self.chances == 0
    }

    fn sink(&mut self, lane: usize) -> &mut Sink {
        self.lanes[lane].as_mut().expect("the program opens first")
    }

    fn distort(&mut self, completion: Completion) -> Completion {
        let Completion { id, result, bytes } = completion;
        match result {
            Ok(count) if self.shows(Defect::CountTooHigh) => Completion {
                id,
                result: Ok(count + 1),
                bytes: count + 1,
            },
            Ok(count) if self.shows(Defect::TwoCounts) => Completion {
                bytes: count + 1,
                ..completion
            },
            Ok(_) if self.shows(Defect::OtherError) => Completion {
                result: Err(Win32Error(31)),
                ..completion
            },
            Err(Win32Error::OPERATION_ABORTED) if bytes > 0 && self.shows(Defect::CancelledCountsNothing) => {
                Completion {
                    bytes: 0,
                    ..completion
                }
            }
            _ => completion,
        }
    }

    /// Takes those out that `which` chooses, as cancelled.
    fn cancel_those(&mut self, lane: usize, which: impl Fn(&Later) -> bool) {
        let sink = self.sink(lane);
        let (gone, kept): (Vec<_>, Vec<_>) = sink.later.iter().partition(|later| which(later));
        sink.later = kept;
        sink.cancelled += gone.len() as u64;
        for later in gone.into_iter().filter(|later| later.reported) {
            let completion = self.distort(cancelled(later));
            self.done.push(completion);
        }
        if self.shows(Defect::CountCancels) {
            self.sink(lane).cancelled += 1000;
        }
    }
}

impl Venue for Fake {
    fn open(&mut self, lane: usize, _target: usize, _engine: Engine) -> Result<(), Error> {
        assert!(self.lanes[lane].is_none());
        self.lanes[lane] = Some(Sink::default());
        Ok(())
    }

    fn close(&mut self, lane: usize) {
        self.cancel_those(lane, |_| true);
        self.lanes[lane] = None;
    }

    fn script(&mut self, lane: usize, script: &Script) -> Result<(), Error> {
        if self.shows(Defect::Refuse) {
            return Err(Error::new("set the script", Win32Error(31)));
        }
        self.sink(lane).intake.set_script(script.check().unwrap());
        Ok(())
    }

    fn write(
        &mut self,
        lane: usize,
        id: u64,
        offset: u64,
        mut data: Vec<u8>,
    ) -> Result<Option<Completion>, Error> {
        let (path, whole) = match self.sink(lane).intake.script() {
            script if script.fast == FastMode::Accept => (Path::Fast, true),
            script => (Path::Irp, script.status == 0 && script.short_by == 0),
        };
        let told = u32::try_from(data.len()).unwrap();
        if !data.is_empty() && whole && self.shows(Defect::Damage) {
            data[0] ^= 1;
        }
        if whole && self.shows(Defect::Swallow) {
            let completion = Completion {
                id,
                result: Ok(told),
                bytes: told,
            };
            return Ok(Some(completion));
        }
        if self.shows(Defect::Double) {
            self.sink(lane).take(path, offset, &data);
        }
        let offset = if whole && told > 0 && self.shows(Defect::Misplace) {
            offset + 1
        } else {
            offset
        };
        if path == Path::Fast && told > 0 && self.sink(lane).delayed.is_none() && self.shows(Defect::Reorder)
        {
            self.sink(lane).delayed = Some((offset, data));
            let completion = Completion {
                id,
                result: Ok(told),
                bytes: told,
            };
            return Ok(Some(completion));
        }
        let sink = self.sink(lane);
        let (status, bytes, completes) = sink.take(path, offset, &data);
        if let Some((offset, data)) = sink.delayed.take() {
            sink.take(Path::Fast, offset, &data);
        }
        let result = win32(status).map_or(Ok(bytes), Err);
        let completion = Completion { id, result, bytes };
        if completes == Completes::Inline {
            return Ok(Some(self.distort(completion)));
        }
        let held = completes == Completes::Held;
        sink.later.push(Later {
            id,
            completion,
            held,
            reported: true,
        });
        Ok(None)
    }

    fn reap(&mut self, _patience: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        for lane in 0..LANES {
            let Some(sink) = &mut self.lanes[lane] else {
                continue;
            };
            let (kept, over): (Vec<_>, Vec<_>) = sink.later.iter().partition(|later| later.held);
            sink.later = kept;
            for later in over.into_iter().filter(|later| later.reported) {
                let completion = self.distort(later.completion);
                self.done.push(completion);
            }
        }
        if !self.done.is_empty() && self.shows(Defect::Lose) {
            self.done.pop();
        }
        done.append(&mut self.done);
        if let Some(last) = done.last().copied()
            && self.shows(Defect::CompleteTwice)
        {
            done.push(last);
        }
        Ok(())
    }

    fn cancel(&mut self, lane: usize, what: Cancel) -> Result<(), Error> {
        match what {
            Cancel::One(id) => self.cancel_those(lane, |later| later.id == id),
            Cancel::All | Cancel::Own => self.cancel_those(lane, |_| true),
        }
        Ok(())
    }

    fn forget(&mut self, lane: usize, id: u64) {
        self.done.retain(|completion| completion.id != id);
        let twice = self.shows(Defect::DoubleForgotten);
        let sink = self.sink(lane);
        for later in &mut sink.later {
            later.reported &= later.id != id;
        }
        // Half of them are in time.
        if id.is_multiple_of(2) {
            self.cancel_those(lane, |later| later.id == id);
        }
        if twice {
            self.sink(lane).take(Path::Fast, 0, b"again");
        }
    }

    fn release(&mut self, lane: usize) -> Result<u32, Error> {
        let held = self.sink(lane).later.iter_mut().filter(|later| later.held);
        Ok(u32::try_from(held.map(|later| later.held = false).count()).unwrap())
    }

    fn read(&mut self, lane: usize, offset: u64, length: u32) -> Result<Vec<u8>, Win32Error> {
        let window = self.sink(lane).intake.window();
        let read = window.get(offset.cast_signed(), length as usize);
        let mut data = read.map_or(
            Err(Win32Error(38)),
            |(first, second)| Ok([first, second].concat()),
        )?;
        if self.shows(Defect::ReadOther) {
            data[0] ^= 0x55;
        }
        if self.shows(Defect::ReadShort) {
            data.clear();
        }
        Ok(data)
    }

    fn state(&mut self, lane: usize) -> Result<State, Error> {
        let mut done = Vec::new();
        // Time goes on.
        self.reap(Duration::ZERO, &mut done)?;
        self.done = done;
        let stuck = self.defect == Some(Defect::Outstanding);
        let sink = self.sink(lane);
        Ok(State {
            cancelled: sink.cancelled,
            outstanding: u32::try_from(sink.later.len()).unwrap() + u32::from(stuck),
            ..sink.intake.state()
        })
    }

    fn reset(&mut self, lane: usize) -> Result<(), Error> {
        let sink = self.sink(lane);
        sink.intake.reset();
        sink.cancelled = 0;
        Ok(())
    }
}

/// Runs a program of so many steps.
fn run(seed: u64, defect: Option<Defect>, steps: usize) -> Result<Worker<Fake>, Finding> {
    let log = Log::new(Instant::now());
    let mut worker = Worker::new(Fake::new(defect), seed, log, Duration::ZERO);
    for step in Program::new(seed, Role::Overlapped, 3).take(steps) {
        worker.step(step)?;
    }
    worker.finish()?;
    Ok(worker)
}

#[test]
fn a_sink_that_behaves_gives_no_finding() {
    for seed in 0..6 {
        let worker = run(seed, None, 3_000).unwrap_or_else(|finding| panic!("seed {seed}: {finding}"));
        let tally = worker.tally();
        assert_eq!(tally.operations, 3_000);
        let ended =
            tally.done + tally.failed + tally.cancelled_taken + tally.cancelled_untaken + tally.forgotten;
        assert_eq!(tally.writes, ended);
        for (name, count) in tally.rows() {
            // A fake cannot cancel what it has not taken.
            assert!(count > 0 || name.contains("count 0"), "seed {seed}: no {name}");
        }
    }
}

/// Each defect is found, in every program that lasts, as what it is.
#[test]
fn every_defect_is_found() {
    use Invariant::{ByteCount, CompletesOnce, Digest, Outcome, Outstanding, Read, Request, SinkCounts};
    let defects: &[(Defect, &[Invariant])] = &[
        (Defect::Lose, &[CompletesOnce]),
        (Defect::CompleteTwice, &[CompletesOnce]),
        (Defect::CountTooHigh, &[ByteCount]),
        (Defect::CancelledCountsNothing, &[Digest, Read]),
        (Defect::TwoCounts, &[ByteCount]),
        (Defect::OtherError, &[Outcome]),
        (Defect::Damage, &[Digest, Read]),
        (Defect::Swallow, &[Digest, Read]),
        (Defect::Double, &[Digest]),
        (Defect::Misplace, &[Digest, Read]),
        (Defect::Reorder, &[Digest, Read]),
        (Defect::DoubleForgotten, &[Digest, Read]),
        (Defect::Outstanding, &[Outstanding]),
        (Defect::CountCancels, &[SinkCounts]),
        (Defect::ReadOther, &[Read]),
        (Defect::ReadShort, &[Read]),
        (Defect::Refuse, &[Request]),
    ];
    for (defect, invariants) in defects {
        for seed in 0..3 {
            let Err(finding) = run(seed, Some(*defect), 6_000) else {
                panic!("{defect:?}, seed {seed}: nothing was found");
            };
            assert!(
                invariants.contains(&finding.invariant),
                "{defect:?}, seed {seed}: {finding}"
            );
        }
    }
}

/// A thread that ended does not hear of its completion routines; the sink is asked all the same.
#[test]
fn what_is_not_heard_of_is_resolved_by_the_sink() {
    let mut worker = Worker::new(Fake::new(None), 1, Log::new(Instant::now()), Duration::ZERO);
    let script = Script {
        fast: FastMode::Decline as u32,
        completion: Completes::Held as u32,
        ..Script::default()
    };
    let open = Action::Open {
        target: 0,
        engine: Engine::Apc,
        depth: 8,
        base: 0,
    };
    let write = Action::Write {
        offset: 5,
        length: 100,
    };
    for action in [open, Action::Script(script), write, write, write] {
        worker.step(Step { lane: 0, action }).unwrap();
    }
    for id in 1..=3 {
        worker.venue.forget(0, id);
    }
    worker.will_not_hear_of(&[1, 2, 3]);
    worker.finish().unwrap();
    assert_eq!(worker.tally().forgotten, 3);
}
