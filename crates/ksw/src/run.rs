//! The write loop, without Windows: keeps writes outstanding, counts, and measures.
//!
//! Offsets are issued in ascending order by one thread, so a device that takes requests in the order of
//! their arrival sees the file in order, whatever the depth.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use kswrite_client::{Error, Win32Error};

use crate::digest::{Digester, Digests};
use crate::measure::{AchievedDepth, DepthTracker, Latency, LatencyRecorder};
use crate::report::WriteFailure;

/// Something that writes asynchronously: one of the three engines, or a test's.
pub trait WriteEngine {
    /// Starts a write of the whole buffer at a byte offset. `slot` is free, and names the write until it
    /// is complete.
    ///
    /// # Errors
    ///
    /// The engine itself failed; a write that fails is a [`Completion`].
    fn issue(&mut self, slot: usize, offset: u64, buffer: Vec<u8>) -> Result<Issued, Error>;

    /// Waits until at least one pending write is complete, and appends all that are.
    ///
    /// # Errors
    ///
    /// The engine itself failed.
    fn wait(&mut self, done: &mut Vec<Completion>) -> Result<(), Error>;
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
    pub buffer: Vec<u8>,
    /// Bytes that the device took, or why none.
    pub result: Result<u32, Win32Error>,
    /// Whether it was complete when the call returned.
    pub immediate: bool,
}

/// How much to write, and how.
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
        (0..self.total_bytes.div_ceil(step.max(1))).map(move |index| {
            let offset = index * step;
            let length = u32::try_from(self.total_bytes - offset)
                .map_or(self.block_bytes, |rest| rest.min(self.block_bytes));
            (offset, length)
        })
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
    /// The failure with the lowest offset.
    pub first_failure: Option<WriteFailure>,
    /// From before the first call until the last completion was seen.
    pub elapsed: Duration,
    /// From before the call until the completion was seen.
    pub latency: Option<Latency>,
    /// The call alone.
    pub submission: Option<Latency>,
    /// Writes that were complete when the call returned.
    pub immediate: u64,
    /// Writes that completed later.
    pub pending: u64,
    /// The depth that was achieved.
    pub depth: AchievedDepth,
    /// What the device took of the writes that it did not take whole, by offset; `None`: nothing, failed.
    pub exceptions: BTreeMap<u64, Option<u32>>,
}

/// The state of a run.
struct Loop<'a> {
    clock: &'a dyn Fn() -> Duration,
    progress: &'a mut dyn FnMut(u64),
    slots: Vec<Slot>,
    free: Vec<usize>,
    buffers: Vec<Vec<u8>>,
    latency: LatencyRecorder,
    submission: LatencyRecorder,
    depth: DepthTracker,
    outcome: Outcome,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    offset: u64,
    length: u32,
    started: Duration,
}

/// Writes the whole source. `clock` tells the time since some moment before the call; `progress` is told
/// the bytes of each write that is over.
///
/// # Errors
///
/// What stops a run. Writes that fail do not; they are counted. When it stops, writes may be outstanding:
/// the engine's drop cancels them.
pub fn run(
    source: &mut dyn Read,
    shape: Shape,
    engine: &mut dyn WriteEngine,
    clock: &dyn Fn() -> Duration,
    progress: &mut dyn FnMut(u64),
) -> Result<Outcome, RunError> {
    let blocks = shape.total_bytes.div_ceil(u64::from(shape.block_bytes).max(1));
    let slots = usize::try_from(blocks.min(u64::from(shape.depth))).unwrap_or(usize::MAX);
    let mut state = Loop::new(slots, shape.depth, clock, progress)?;
    let began = clock();
    let mut done = Vec::new();
    for (offset, length) in shape.blocks() {
        while state.free.is_empty() {
            state.reap(engine, &mut done)?;
        }
        let buffer = state.fill(source, offset, length)?;
        state.issue(engine, offset, length, buffer)?;
    }
    while state.depth.now() > 0 {
        state.reap(engine, &mut done)?;
    }
    Ok(state.finish(clock().saturating_sub(began), shape.depth))
}

impl<'a> Loop<'a> {
    fn new(
        slots: usize,
        asked: u32,
        clock: &'a dyn Fn() -> Duration,
        progress: &'a mut dyn FnMut(u64),
    ) -> Result<Self, RunError> {
        let recorder = || LatencyRecorder::new().map_err(RunError::Histogram);
        Ok(Self {
            clock,
            progress,
            slots: vec![Slot::default(); slots],
            free: (0..slots).rev().collect(),
            buffers: Vec::new(),
            latency: recorder()?,
            submission: recorder()?,
            depth: DepthTracker::new(),
            outcome: Outcome {
                writes: 0,
                bytes: 0,
                failed: 0,
                short: 0,
                first_failure: None,
                elapsed: Duration::ZERO,
                latency: None,
                submission: None,
                immediate: 0,
                pending: 0,
                depth: DepthTracker::new().finish(asked),
                exceptions: BTreeMap::new(),
            },
        })
    }

    /// The next bytes of the source, in a buffer that was used before if there is one.
    fn fill(&mut self, source: &mut dyn Read, offset: u64, length: u32) -> Result<Vec<u8>, RunError> {
        let mut buffer = self.buffers.pop().unwrap_or_default();
        resize(&mut buffer, length)?;
        source
            .read_exact(&mut buffer)
            .map_err(|error| RunError::Source(offset, error))?;
        Ok(buffer)
    }

    fn issue(
        &mut self,
        engine: &mut dyn WriteEngine,
        offset: u64,
        length: u32,
        buffer: Vec<u8>,
    ) -> Result<(), RunError> {
        let Some(slot) = self.free.pop() else {
            return Ok(());
        };
        let started = (self.clock)();
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Slot {
                offset,
                length,
                started,
            };
        }
        self.depth.issued(started);
        self.outcome.writes += 1;
        let issued = engine.issue(slot, offset, buffer)?;
        let returned = (self.clock)();
        self.submission.record(returned.saturating_sub(started));
        if let Issued::Done(completion) = issued {
            self.complete(completion, returned);
        }
        Ok(())
    }

    fn reap(&mut self, engine: &mut dyn WriteEngine, done: &mut Vec<Completion>) -> Result<(), RunError> {
        engine.wait(done)?;
        let seen = (self.clock)();
        for completion in done.drain(..) {
            self.complete(completion, seen);
        }
        Ok(())
    }

    fn complete(&mut self, completion: Completion, seen: Duration) {
        let Completion {
            slot,
            buffer,
            result,
            immediate,
        } = completion;
        let Slot {
            offset,
            length,
            started,
        } = self.slots.get(slot).copied().unwrap_or_default();
        self.free.push(slot);
        self.buffers.push(buffer);
        self.depth.completed(seen);
        self.latency.record(seen.saturating_sub(started));
        if immediate {
            self.outcome.immediate += 1;
        } else {
            self.outcome.pending += 1;
        }
        match result {
            Ok(taken) => {
                self.outcome.bytes += u64::from(taken);
                if taken != length {
                    self.outcome.short += 1;
                    self.outcome.exceptions.insert(offset, Some(taken));
                }
            }
            Err(code) => self.failed(offset, length, code),
        }
        (self.progress)(u64::from(length));
    }

    fn failed(&mut self, offset: u64, length: u32, code: Win32Error) {
        self.outcome.failed += 1;
        self.outcome.exceptions.insert(offset, None);
        if self
            .outcome
            .first_failure
            .as_ref()
            .is_none_or(|first| offset < first.offset)
        {
            let message = format!("{code}: {}; {}", code.cause(), code.next_step());
            self.outcome.first_failure = Some(WriteFailure {
                offset,
                length,
                code: code.0,
                message,
            });
        }
    }

    fn finish(self, elapsed: Duration, asked: u32) -> Outcome {
        Outcome {
            elapsed,
            latency: self.latency.finish(),
            submission: self.submission.finish(),
            depth: self.depth.finish(asked),
            ..self.outcome
        }
    }
}

/// Gives a buffer this length; says so when there is no memory.
fn resize(buffer: &mut Vec<u8>, length: u32) -> Result<(), RunError> {
    let length_bytes = usize::try_from(length).map_err(|_| RunError::Memory(length))?;
    let more = length_bytes.saturating_sub(buffer.len());
    buffer
        .try_reserve_exact(more)
        .map_err(|_| RunError::Memory(length))?;
    buffer.resize(length_bytes, 0);
    Ok(())
}

/// The digests of what the device said that it took: the whole of every write but for the exceptions.
///
/// # Errors
///
/// The source cannot be read, or there is no memory for one block.
pub fn digest_of_accepted(
    source: &mut dyn Read,
    shape: Shape,
    exceptions: &BTreeMap<u64, Option<u32>>,
) -> Result<Digests, RunError> {
    let mut digester = Digester::new();
    let mut buffer = Vec::new();
    for (offset, length) in shape.blocks() {
        resize(&mut buffer, length)?;
        source
            .read_exact(&mut buffer)
            .map_err(|error| RunError::Source(offset, error))?;
        let taken = exceptions.get(&offset).copied().unwrap_or(Some(length));
        if let Some(data) = taken.and_then(|taken| buffer.get(..taken as usize)) {
            digester.write(offset, data);
        }
    }
    Ok(digester.finish())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::VecDeque;

    use super::*;
    use crate::digest::Verdict;

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
        fn issue(&mut self, slot: usize, offset: u64, buffer: Vec<u8>) -> Result<Issued, Error> {
            self.now.set(self.now.get() + 1);
            self.issued += 1;
            let length = u32::try_from(buffer.len()).unwrap();
            let result = match self.issued {
                n if n == self.fails => Err(Win32Error::ACCESS_DENIED),
                n if n == self.short => Ok(length - 2),
                _ => Ok(length),
            };
            if let Ok(taken) = result {
                self.taken.write(offset, &buffer[..taken as usize]);
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

        fn wait(&mut self, done: &mut Vec<Completion>) -> Result<(), Error> {
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
        let clock = Cell::new(0);
        let tick = || {
            clock.set(clock.get() + 1);
            Duration::from_micros(clock.get())
        };
        let mut told = 0;
        let mut progress = |bytes| told += bytes;
        let outcome = run(
            &mut &*bytes,
            shape(bytes.len(), depth),
            &mut device,
            &tick,
            &mut progress,
        )
        .unwrap();
        assert_eq!(told, bytes.len() as u64);
        let expected =
            digest_of_accepted(&mut &*bytes, shape(bytes.len(), depth), &outcome.exceptions).unwrap();
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
        assert_eq!(
            (outcome.writes, outcome.latency, outcome.submission),
            (0, None, None)
        );
    }

    #[test]
    fn a_source_that_shrinks_is_said_to_have_shrunk() {
        let bytes = data(150);
        let clock = || Duration::ZERO;
        let stopped = run(
            &mut &*bytes,
            shape(1000, 4),
            &mut Device::default(),
            &clock,
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
}
