//! The write loop, without Windows: keeps writes outstanding, counts, and measures.
//!
//! What is written, and when, is a [`Workload`]. One thread issues the writes in the workload's order, so a device that
//! takes requests in the order of their arrival sees them so, whatever the depth.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kswrite_client::{Error, Win32Error};

use crate::buffer::{Buffer, Pool};
use crate::digest::Digests;
use crate::face::{Form, FormDigester};
use crate::measure::{AchievedDepth, DepthTracker, LatencyRecorder};
use crate::report::WriteFailure;

/// Something that writes: one of the engines, or a test's.
pub trait WriteEngine {
    /// Starts a write of the data at a byte offset. `slot` is free, and names the write until it is complete.
    ///
    /// # Errors
    ///
    /// The engine itself failed; a write that fails is a [`Completion`].
    fn issue(&mut self, slot: usize, offset: u64, buffer: Buffer) -> Result<Issued, Error>;

    /// Waits until a pending write is complete or the time is over, and appends all that are complete. May return
    /// early, with none.
    ///
    /// # Errors
    ///
    /// The engine itself failed.
    fn wait(&mut self, timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error>;
}

/// What became of a write right away.
#[derive(Debug)]
pub enum Issued {
    /// It is over, well or not.
    Done(Completion),
    /// [`WriteEngine::wait`] will return it.
    Pending,
}

/// A write that is over.
#[derive(Debug)]
pub struct Completion {
    /// Its name.
    pub slot: usize,
    /// The buffer that was lent.
    pub buffer: Buffer,
    /// Bytes that the device took, or why none.
    pub result: Result<u32, Win32Error>,
    /// Whether it was complete when the call returned.
    pub immediate: bool,
}

/// What is to be written, and when.
pub trait Workload {
    /// The next write. `now` is the time on the loop's clock.
    fn next(&mut self, now: Duration) -> Next;

    /// Puts the bytes of the write at `offset` into the data, which has what an earlier write left there.
    ///
    /// # Errors
    ///
    /// The bytes cannot be had.
    fn fill(&mut self, offset: u64, data: &mut [u8]) -> Result<(), RunError>;
}

/// What a [`Workload`] wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A write of so many bytes at this byte offset.
    Write(u64, u32),
    /// Nothing before this time.
    Later(Duration),
    /// No more writes.
    End,
}

/// Tells the time and passes it.
pub trait Clock {
    /// Time since some moment before the run.
    fn now(&self) -> Duration;
    /// Lets about so much time pass, rather less than more.
    fn sleep(&self, time: Duration);
}

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Stopwatch {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        /// Systems wake a sleeper up later than asked, so the rest is spent awake.
        const EARLY: Duration = Duration::from_millis(1);
        match time.checked_sub(EARLY) {
            Some(time) if !time.is_zero() => thread::sleep(time),
            _ => std::hint::spin_loop(),
        }
    }
}

/// How much of a file to write, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of the source.
    pub total_bytes: u64,
    /// Bytes of one write; not 0.
    pub block_bytes: u32,
    /// Writes kept outstanding; not 0.
    pub depth: u32,
}

impl Shape {
    /// Offset and length of every write, in order.
    pub fn blocks(self) -> impl Iterator<Item = (u64, u32)> {
        let step = u64::from(self.block_bytes);
        (0..self.count()).map(move |index| {
            let offset = index * step;
            let length = u32::try_from(self.total_bytes - offset)
                .map_or(self.block_bytes, |rest| rest.min(self.block_bytes));
            (offset, length)
        })
    }

    /// How many writes that is.
    pub fn count(self) -> u64 {
        self.total_bytes.div_ceil(u64::from(self.block_bytes).max(1))
    }
}

/// A file from its beginning to its end.
struct WholeFile<'a, B> {
    source: &'a mut dyn Read,
    blocks: B,
}

impl<B: Iterator<Item = (u64, u32)>> Workload for WholeFile<'_, B> {
    fn next(&mut self, _now: Duration) -> Next {
        self.blocks
            .next()
            .map_or(Next::End, |(offset, length)| Next::Write(offset, length))
    }

    fn fill(&mut self, offset: u64, data: &mut [u8]) -> Result<(), RunError> {
        self.source
            .read_exact(data)
            .map_err(|error| RunError::Source(offset, error))
    }
}

/// Why a run stopped.
#[derive(Debug)]
pub enum RunError {
    /// The source could not be read at this offset.
    Source(u64, io::Error),
    /// No memory for a buffer of so many bytes.
    Memory(u32),
    /// The engine failed.
    Engine(Error),
    /// The histogram could not be made.
    Histogram(hdrhistogram::CreationError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(offset, error) if error.kind() == io::ErrorKind::UnexpectedEof => write!(
                f,
                "the file ends before offset {offset} is complete: it became shorter during the run; write a \
                 file that nobody changes"
            ),
            Self::Source(offset, error) => write!(f, "cannot read the file at offset {offset}: {error}"),
            Self::Memory(bytes) => {
                write!(
                    f,
                    "no memory for a buffer of {bytes} bytes; use a smaller --block or --depth"
                )
            }
            Self::Engine(error) => error.fmt(f),
            Self::Histogram(error) => write!(f, "cannot make a histogram: {error}"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// How long the writes took.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// From before the call until the completion was seen.
    pub total: LatencyRecorder,
    /// The call alone.
    pub submission: LatencyRecorder,
    /// From the end of the call until the completion was seen, of writes that were pending.
    pub completion: LatencyRecorder,
}

impl Times {
    /// Nothing measured.
    ///
    /// # Errors
    ///
    /// [`RunError::Histogram`].
    pub fn new() -> Result<Self, RunError> {
        let recorder = || LatencyRecorder::new().map_err(RunError::Histogram);
        Ok(Self {
            total: recorder()?,
            submission: recorder()?,
            completion: recorder()?,
        })
    }

    /// Takes in what another run measured.
    pub fn add(&mut self, other: &Self) {
        self.total.add(&other.total);
        self.submission.add(&other.submission);
        self.completion.add(&other.completion);
    }
}

/// What a run found.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Writes issued.
    pub writes: u64,
    /// Bytes that the device took.
    pub bytes: u64,
    /// Writes that failed.
    pub failed: u64,
    /// Writes that succeeded with fewer bytes.
    pub short: u64,
    /// The failure that was issued first.
    pub first_failure: Option<WriteFailure>,
    /// From before the first call until the last completion was seen.
    pub elapsed: Duration,
    /// How long the writes took.
    pub times: Times,
    /// Writes that were complete when the call returned.
    pub immediate: u64,
    /// Writes that completed later.
    pub pending: u64,
    /// Writes whose end was not waited for, because the run was stopped.
    pub abandoned: u64,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
    /// The depth that was achieved.
    pub depth: AchievedDepth,
    /// What the device took of the writes that it did not take whole, by their number in order of issue, from 0;
    /// `None`: nothing, failed or abandoned.
    pub exceptions: BTreeMap<u64, Option<u32>>,
}

/// How a workload is run.
#[derive(Clone, Copy)]
pub struct Manner<'a> {
    /// Whether [`Outcome::exceptions`] is wanted: it takes memory for each.
    pub exceptions: bool,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Set to stop: nothing is issued any more, and what is pending is waited for a short time only.
    pub stop: &'a AtomicBool,
}

/// How often the stop is looked at while writes are pending.
const LOOK: Duration = Duration::from_millis(100);
/// How long pending writes are waited for after a stop.
const GRACE: Duration = Duration::from_secs(2);

/// The state of a run.
struct Loop<'a> {
    manner: Manner<'a>,
    pool: &'a mut Pool,
    progress: &'a mut dyn FnMut(u64),
    slots: Vec<Slot>,
    free: Vec<usize>,
    done: Vec<Completion>,
    /// The time as it was read last.
    now: Duration,
    depth: DepthTracker,
    outcome: Outcome,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    number: u64,
    offset: u64,
    length: u32,
    started: Duration,
    returned: Duration,
}

/// Writes a whole source. `progress` is told the bytes of each write that is over.
///
/// # Errors
///
/// As [`drive`].
pub fn run(
    source: &mut dyn Read,
    shape: Shape,
    engine: &mut dyn WriteEngine,
    manner: Manner<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Outcome, RunError> {
    let slots = u32::try_from(shape.count()).map_or(shape.depth, |blocks| blocks.min(shape.depth));
    let mut workload = WholeFile {
        source,
        blocks: shape.blocks(),
    };
    let mut pool = Pool::new(shape.block_bytes, 1);
    let mut outcome = drive(&mut workload, slots, &mut pool, engine, manner, progress)?;
    outcome.depth.asked = shape.depth;
    Ok(outcome)
}

/// Issues what the workload wants, with at most `slots` writes outstanding, until its end or the stop. `progress` is told
/// the bytes of each write that is over. Takes no memory for a write when the pool has buffers, but for exceptions.
///
/// # Errors
///
/// What stops a run. Writes that fail do not; they are counted. When it stops, writes may be outstanding:
/// the engine's drop cancels them, as it does with abandoned ones.
pub fn drive(
    workload: &mut dyn Workload,
    slots: u32,
    pool: &mut Pool,
    engine: &mut dyn WriteEngine,
    manner: Manner<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Outcome, RunError> {
    let mut state = Loop::new(slots, pool, manner, progress)?;
    let began = state.tick();
    while !manner.stop.load(Ordering::Relaxed) {
        if state.free.is_empty() {
            state.reap(engine, LOOK)?;
            continue;
        }
        match workload.next(state.now) {
            Next::Write(offset, length) => {
                let mut buffer = state.pool.take(length)?;
                workload.fill(offset, buffer.data_mut())?;
                state.issue(engine, offset, length, buffer)?;
            }
            Next::Later(due) => state.pass_time(engine, due)?,
            Next::End => break,
        }
    }
    state.drain(engine)?;
    Ok(state.finish(began))
}

impl<'a> Loop<'a> {
    fn new(
        slots: u32,
        pool: &'a mut Pool,
        manner: Manner<'a>,
        progress: &'a mut dyn FnMut(u64),
    ) -> Result<Self, RunError> {
        let count = usize::try_from(slots.max(1)).unwrap_or(usize::MAX);
        Ok(Self {
            manner,
            pool,
            progress,
            slots: vec![Slot::default(); count],
            free: (0..count).rev().collect(),
            done: Vec::with_capacity(count),
            now: Duration::ZERO,
            depth: DepthTracker::new(),
            outcome: Outcome {
                writes: 0,
                bytes: 0,
                failed: 0,
                short: 0,
                first_failure: None,
                elapsed: Duration::ZERO,
                times: Times::new()?,
                immediate: 0,
                pending: 0,
                abandoned: 0,
                stopped: false,
                depth: DepthTracker::new().finish(slots),
                exceptions: BTreeMap::new(),
            },
        })
    }

    fn tick(&mut self) -> Duration {
        self.now = self.manner.clock.now();
        self.now
    }

    fn issue(
        &mut self,
        engine: &mut dyn WriteEngine,
        offset: u64,
        length: u32,
        buffer: Buffer,
    ) -> Result<(), RunError> {
        let Some(slot) = self.free.pop() else {
            return Ok(());
        };
        let started = self.tick();
        self.depth.issued(started);
        let number = self.outcome.writes;
        self.outcome.writes += 1;
        let issued = engine.issue(slot, offset, buffer)?;
        let returned = self.tick();
        self.outcome
            .times
            .submission
            .record(returned.saturating_sub(started));
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Slot {
                number,
                offset,
                length,
                started,
                returned,
            };
        }
        if let Issued::Done(completion) = issued {
            self.complete(completion, returned);
        }
        Ok(())
    }

    fn reap(&mut self, engine: &mut dyn WriteEngine, timeout: Duration) -> Result<(), RunError> {
        let mut done = std::mem::take(&mut self.done);
        engine.wait(timeout, &mut done)?;
        let seen = self.tick();
        for completion in done.drain(..) {
            self.complete(completion, seen);
        }
        self.done = done;
        Ok(())
    }

    /// Looks for completions, or sleeps, until about this time.
    fn pass_time(&mut self, engine: &mut dyn WriteEngine, due: Duration) -> Result<(), RunError> {
        let left = due.saturating_sub(self.now).min(LOOK);
        if self.depth.now() == 0 {
            self.manner.clock.sleep(left);
            self.tick();
            return Ok(());
        }
        // Waits are rounded up to milliseconds, so the last one is not waited but looked.
        let whole = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        self.reap(engine, Duration::from_millis(whole))
    }

    fn drain(&mut self, engine: &mut dyn WriteEngine) -> Result<(), RunError> {
        let mut give_up = None;
        while self.depth.now() > 0 {
            self.reap(engine, LOOK)?;
            if self.manner.stop.load(Ordering::Relaxed) {
                let end = *give_up.get_or_insert(self.now + GRACE);
                if self.now >= end {
                    self.abandon();
                    break;
                }
            }
        }
        self.outcome.stopped = self.manner.stop.load(Ordering::Relaxed);
        Ok(())
    }

    /// Gives up on what is pending.
    fn abandon(&mut self) {
        self.outcome.abandoned = u64::from(self.depth.now());
        if self.manner.exceptions {
            let pending = |slot: &usize| !self.free.contains(slot);
            let numbers = (0..self.slots.len()).filter(pending);
            let numbers = numbers.filter_map(|slot| self.slots.get(slot).map(|slot| slot.number));
            let abandoned: Vec<u64> = numbers.collect();
            self.outcome
                .exceptions
                .extend(abandoned.into_iter().map(|number| (number, None)));
        }
    }

    fn complete(&mut self, completion: Completion, seen: Duration) {
        let Completion {
            slot: name,
            buffer,
            result,
            immediate,
        } = completion;
        let slot = self.slots.get(name).copied().unwrap_or_default();
        self.free.push(name);
        self.pool.give_back(buffer);
        self.depth.completed(seen);
        let times = &mut self.outcome.times;
        times.total.record(seen.saturating_sub(slot.started));
        if immediate {
            self.outcome.immediate += 1;
        } else {
            self.outcome.pending += 1;
            times.completion.record(seen.saturating_sub(slot.returned));
        }
        match result {
            Ok(taken) => {
                self.outcome.bytes += u64::from(taken);
                if taken != slot.length {
                    self.outcome.short += 1;
                    self.except(slot.number, Some(taken));
                }
            }
            Err(code) => self.failed(slot, code),
        }
        (self.progress)(u64::from(slot.length));
    }

    fn except(&mut self, number: u64, taken: Option<u32>) {
        if self.manner.exceptions {
            self.outcome.exceptions.insert(number, taken);
        }
    }

    fn failed(&mut self, slot: Slot, code: Win32Error) {
        let Slot {
            number,
            offset,
            length,
            ..
        } = slot;
        self.outcome.failed += 1;
        self.except(number, None);
        let first = self.outcome.first_failure.as_ref();
        if first.is_none_or(|first| number < first.number) {
            self.outcome.first_failure = Some(WriteFailure::new(number, offset, length, code));
        }
    }

    fn finish(self, began: Duration) -> Outcome {
        Outcome {
            elapsed: self.now.saturating_sub(began),
            depth: self.depth.finish(self.outcome.depth.asked),
            ..self.outcome
        }
    }
}

/// The digests of what the device said that it took of the writes that were issued: the whole of each but for the
/// exceptions. They are in the form in which the device has them.
///
/// # Errors
///
/// The source cannot be read, or there is no memory for one block.
pub fn digest_of_accepted(
    source: &mut dyn Read,
    shape: Shape,
    outcome: &Outcome,
    form: Form,
) -> Result<Digests, RunError> {
    let blocks = (0..outcome.writes).zip(shape.blocks());
    let mut workload = WholeFile {
        source,
        blocks: blocks.map(|(_, block)| block),
    };
    digest_again(&mut workload, shape.block_bytes, outcome, form)
}

/// The digests of what the device said that it took, from a workload that begins anew and asks for the same writes.
///
/// # Errors
///
/// The bytes cannot be had, or there is no memory for one write.
pub fn digest_again(
    workload: &mut dyn Workload,
    longest: u32,
    outcome: &Outcome,
    form: Form,
) -> Result<Digests, RunError> {
    let mut digester = FormDigester::new(form);
    let mut pool = Pool::new(longest, 1);
    for number in 0..outcome.writes {
        let Next::Write(offset, length) = workload.next(Duration::MAX) else {
            break;
        };
        let mut buffer = pool.take(length)?;
        workload.fill(offset, buffer.data_mut())?;
        let taken = outcome.exceptions.get(&number).copied().unwrap_or(Some(length));
        if let Some(data) = taken.and_then(|taken| buffer.data().get(..taken as usize)) {
            digester.write(offset, data);
        }
        pool.give_back(buffer);
    }
    Ok(digester.finish())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::VecDeque;

    use super::*;
    use crate::digest::{Digester, Verdict};

    /// A device that takes writes in order of issue, and completes them by a rule of the test.
    #[derive(Default)]
    struct Device {
        taken: Digester,
        waiting: VecDeque<Completion>,
        now: Cell<u64>,
        issued: u64,
        most: usize,
        /// Every which write is complete at once; 0: none.
        immediate_every: u64,
        /// Which write fails, counted from 1.
        fails: u64,
        /// Which write is two bytes short, counted from 1.
        short: u64,
        /// Completes the latest first.
        backwards: bool,
    }

    impl WriteEngine for Device {
        fn issue(&mut self, slot: usize, offset: u64, buffer: Buffer) -> Result<Issued, Error> {
            self.now.set(self.now.get() + 1);
            self.issued += 1;
            let length = u32::try_from(buffer.data().len()).unwrap();
            let result = match self.issued {
                n if n == self.fails => Err(Win32Error::ACCESS_DENIED),
                n if n == self.short => Ok(length - 2),
                _ => Ok(length),
            };
            if let Ok(taken) = result {
                self.taken.write(offset, &buffer.data()[..taken as usize]);
            }
            let immediate = self.immediate_every != 0 && self.issued.is_multiple_of(self.immediate_every);
            let completion = Completion {
                slot,
                buffer,
                result,
                immediate,
            };
            if immediate {
                return Ok(Issued::Done(completion));
            }
            self.waiting.push_back(completion);
            self.most = self.most.max(self.waiting.len());
            Ok(Issued::Pending)
        }

        fn wait(&mut self, _timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
            self.now.set(self.now.get() + 10);
            let next = if self.backwards {
                self.waiting.pop_back()
            } else {
                self.waiting.pop_front()
            };
            done.push(next.expect("waited although nothing is outstanding"));
            Ok(())
        }
    }

    /// A clock that advances with each look, and by what is slept.
    #[derive(Default)]
    struct Ticks(Cell<u64>);

    impl Clock for Ticks {
        fn now(&self) -> Duration {
            self.0.set(self.0.get() + 1);
            Duration::from_micros(self.0.get())
        }

        fn sleep(&self, time: Duration) {
            self.0
                .set(self.0.get() + u64::try_from(time.as_micros()).unwrap());
        }
    }

    static NEVER: AtomicBool = AtomicBool::new(false);

    fn manner<'a>(clock: &'a Ticks, stop: &'a AtomicBool) -> Manner<'a> {
        Manner {
            exceptions: true,
            clock,
            stop,
        }
    }

    fn data(length: usize) -> Vec<u8> {
        (0..=250_u8).cycle().step_by(7).take(length).collect()
    }

    fn shape(total: usize, depth: u32) -> Shape {
        Shape {
            total_bytes: total as u64,
            block_bytes: 100,
            depth,
        }
    }

    /// Runs, and returns the outcome, the digest that the device has and the one that it should have.
    fn go(mut device: Device, bytes: &[u8], depth: u32) -> (Outcome, Digests, Digests, usize) {
        let mut told = 0;
        let mut progress = |bytes| told += bytes;
        let outcome = run(
            &mut &*bytes,
            shape(bytes.len(), depth),
            &mut device,
            manner(&Ticks::default(), &NEVER),
            &mut progress,
        )
        .unwrap();
        assert_eq!(told, bytes.len() as u64);
        let expected =
            digest_of_accepted(&mut &*bytes, shape(bytes.len(), depth), &outcome, Form::Writes).unwrap();
        (outcome, device.taken.finish(), expected, device.most)
    }

    #[test]
    fn every_byte_is_written_once_and_in_order() {
        for (length, depth, immediate_every, backwards) in [
            (0, 4, 0, false),
            (1, 4, 0, false),
            (100, 1, 1, false),
            (1000, 4, 0, true),
            (1050, 4, 3, false),
            (1050, 64, 2, true),
        ] {
            let device = Device {
                immediate_every,
                backwards,
                ..Device::default()
            };
            let (outcome, found, expected, most) = go(device, &data(length), depth);
            assert_eq!(Verdict::of(&expected, &found), Verdict::Agree, "{length} {depth}");
            assert_eq!(outcome.writes, length.div_ceil(100) as u64);
            assert_eq!(outcome.bytes, length as u64);
            assert_eq!(outcome.immediate + outcome.pending, outcome.writes);
            assert!(most <= depth as usize && outcome.depth.max <= depth);
        }
    }

    #[test]
    fn the_depth_is_kept_full() {
        let (outcome, _, _, most) = go(Device::default(), &data(10_000), 8);
        assert_eq!((most, outcome.depth.max), (8, 8));
        assert_eq!((outcome.immediate, outcome.pending), (0, 100));
        assert!(outcome.depth.mean > 4.0, "{:?}", outcome.depth);
    }

    #[test]
    fn failed_and_short_writes_are_counted_and_left_out_of_the_digest() {
        let device = Device {
            fails: 3,
            short: 5,
            ..Device::default()
        };
        let (outcome, found, expected, _) = go(device, &data(1000), 4);
        assert_eq!((outcome.writes, outcome.failed, outcome.short), (10, 1, 1));
        assert_eq!(outcome.bytes, 1000 - 100 - 2);
        assert_eq!(Verdict::of(&expected, &found), Verdict::Agree);
        let failure = outcome.first_failure.unwrap();
        assert_eq!((failure.offset, failure.length, failure.code), (200, 100, 5));
        assert!(
            failure.message.starts_with("ERROR_ACCESS_DENIED (5): "),
            "{}",
            failure.message
        );
    }

    #[test]
    fn no_write_is_not_measured() {
        let (outcome, ..) = go(Device::default(), &[], 4);
        assert_eq!((outcome.writes, outcome.times.total.finish()), (0, None));
    }

    #[test]
    fn a_source_that_shrinks_is_said_to_have_shrunk() {
        let bytes = data(150);
        let stopped = run(
            &mut &*bytes,
            shape(1000, 4),
            &mut Device::default(),
            manner(&Ticks::default(), &NEVER),
            &mut |_| (),
        );
        let error = stopped.unwrap_err().to_string();
        assert!(error.contains("became shorter"), "{error}");
    }

    #[test]
    fn blocks_end_with_the_rest_and_reach_beyond_32_bits() {
        let blocks: Vec<_> = shape(250, 1).blocks().collect();
        assert_eq!(blocks, [(0, 100), (100, 100), (200, 50)]);
        let large = Shape {
            total_bytes: 3 << 32,
            block_bytes: u32::MAX,
            depth: 1,
        };
        let last = large.blocks().last().unwrap();
        assert_eq!(last, (3 * u64::from(u32::MAX), 3));
    }

    /// One write each millisecond, ten of them.
    struct Paced(u64);

    impl Workload for Paced {
        fn next(&mut self, now: Duration) -> Next {
            let due = Duration::from_millis(self.0);
            if self.0 == 10 {
                return Next::End;
            }
            if now < due {
                return Next::Later(due);
            }
            self.0 += 1;
            Next::Write(self.0, 8)
        }

        fn fill(&mut self, offset: u64, data: &mut [u8]) -> Result<(), RunError> {
            data.copy_from_slice(&offset.to_le_bytes());
            Ok(())
        }
    }

    #[test]
    fn a_workload_may_wait() {
        let clock = Ticks::default();
        let mut pool = Pool::new(8, 1);
        let mut device = Device {
            immediate_every: 2,
            ..Device::default()
        };
        let outcome = drive(
            &mut Paced(0),
            4,
            &mut pool,
            &mut device,
            manner(&clock, &NEVER),
            &mut |_| (),
        )
        .unwrap();
        assert_eq!((outcome.writes, outcome.immediate, outcome.pending), (10, 5, 5));
        assert!(outcome.elapsed >= Duration::from_millis(9), "{outcome:?}");
        let expected = digest_again(&mut Paced(0), 8, &outcome, Form::Writes).unwrap();
        assert_eq!(Verdict::of(&expected, &device.taken.finish()), Verdict::Agree);
        let completions = outcome.times.completion.distribution().unwrap();
        assert_eq!(completions.count, outcome.pending);
    }

    /// A device that never completes what it is given.
    struct Stuck;

    impl WriteEngine for Stuck {
        fn issue(&mut self, _slot: usize, _offset: u64, _buffer: Buffer) -> Result<Issued, Error> {
            Ok(Issued::Pending)
        }

        fn wait(&mut self, _timeout: Duration, _done: &mut Vec<Completion>) -> Result<(), Error> {
            Ok(())
        }
    }

    #[test]
    fn a_stop_ends_a_run_that_would_not_end() {
        let stop = AtomicBool::new(false);
        let bytes = data(300);
        let clock = Ticks::default();
        let mut source = &*bytes;
        let mut workload = WholeFile {
            source: &mut source,
            blocks: shape(300, 4).blocks().inspect(|(offset, _)| {
                stop.store(*offset == 200, Ordering::Relaxed);
            }),
        };
        let mut pool = Pool::new(100, 1);
        let outcome = drive(
            &mut workload,
            4,
            &mut pool,
            &mut Stuck,
            manner(&clock, &stop),
            &mut |_| (),
        )
        .unwrap();
        assert_eq!((outcome.writes, outcome.abandoned, outcome.stopped), (3, 3, true));
        assert_eq!(
            outcome.exceptions,
            BTreeMap::from([(0, None), (1, None), (2, None)])
        );
    }
}
