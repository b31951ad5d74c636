//! The engines over owned operations.

mod event;

use std::ops::Range;
use std::time::Duration;

use ksw::buffer::Buffer;
use ksw::plan::Engine;
use ksw::run::{Completion, Issued, WriteEngine};
use kswrite_client::{
    ByApc, ByPort, ByWaiting, CompletionPort, Error, File, Finished, Operation, Pending, Ring, RingDone,
    Signal, Started, Win32Error, control, sleep_alertably,
};
use kswrite_wire::sink;

pub(super) use self::event::{EventEngine, Over, Way};

/// The engine that a plan asks for, for at most `slots` writes at a time. Nothing outlives it: dropping it cancels what
/// is pending. `Engine::Sync` wants a synchronous file, the others an overlapped one.
pub(super) fn new(kind: Engine, file: File, slots: u32) -> Result<Box<dyn WriteEngine>, Error> {
    Ok(match kind {
        Engine::Sync => Box::new(WaitingEngine {
            file,
            operation: None,
        }),
        Engine::Ioring => Box::new(RingEngine {
            file,
            ring: Ring::new(slots)?,
            parts: Vec::new(),
            over: Vec::new(),
        }),
        Engine::Event => Box::new(EventEngine::new(file)),
        Engine::Apc => Box::new(TokenEngine::new(file, Apcs)),
        Engine::Iocp => {
            let port = CompletionPort::new()?;
            port.associate(&file)?;
            Box::new(TokenEngine::new(file, port))
        }
    })
}

/// Releases held writes before each wait, for a script with `completion=held`.
pub(super) struct Releasing {
    pub(super) inner: Box<dyn WriteEngine>,
    pub(super) file: File,
}

impl WriteEngine for Releasing {
    fn issue(&mut self, slot: usize, offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        self.inner.issue(slot, offset, buffer)
    }

    fn wait(&mut self, timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        let released: Result<sink::Released, Win32Error> = control(&self.file, sink::RELEASE, &());
        released.map_err(|error| Error::new("release the held writes", error))?;
        self.inner.wait(timeout, done)
    }
}

/// A write that the system has, with what is needed to put its buffer together again.
#[derive(Debug)]
struct Flight<S: Signal> {
    slot: usize,
    part: Range<usize>,
    pending: Pending<S>,
}

impl<S: Signal> Flight<S> {
    /// The completion, if it has arrived, and the operation, idle again.
    fn try_finish(self, immediate: bool) -> Result<(Completion, Operation<S>), Self> {
        let Self { slot, part, pending } = self;
        match pending.try_finish() {
            Ok(finished) => Ok(completion(slot, part, finished, immediate)),
            Err(pending) => Err(Self { slot, part, pending }),
        }
    }
}

/// Starts a write of the data of a buffer.
fn start<S: Signal>(
    operation: Operation<S>,
    file: &File,
    slot: usize,
    offset: u64,
    buffer: Buffer,
) -> Result<(Completion, Operation<S>), Flight<S>> {
    let (bytes, part) = buffer.into_parts();
    match operation.write_part_at(file, offset, bytes, part.clone()) {
        Started::Finished(finished) => Ok(completion(slot, part, finished, true)),
        Started::Pending(pending) => Err(Flight { slot, part, pending }),
    }
}

fn completion<S: Signal>(
    slot: usize,
    part: Range<usize>,
    finished: Finished<S>,
    immediate: bool,
) -> (Completion, Operation<S>) {
    let Finished {
        operation,
        buffer,
        result,
        ..
    } = finished;
    let completion = Completion {
        slot,
        buffer: Buffer::from_parts(buffer, part),
        result,
        immediate,
    };
    (completion, operation)
}

/// Each call waits.
struct WaitingEngine {
    file: File,
    operation: Option<Operation<ByWaiting>>,
}

impl WriteEngine for WaitingEngine {
    fn issue(&mut self, slot: usize, offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        let operation = self.operation.take().unwrap_or_else(Operation::by_waiting);
        match start(operation, &self.file, slot, offset, buffer) {
            Ok((completion, operation)) => {
                self.operation = Some(operation);
                Ok(Issued::Done(completion))
            }
            Err(_) => Err(Error::new(
                "wait for a write: the system made it pending on a handle that waits",
                Win32Error::IO_PENDING,
            )),
        }
    }

    fn wait(&mut self, _timeout: Duration, _done: &mut Vec<Completion>) -> Result<(), Error> {
        Ok(())
    }
}

/// An I/O ring. Its call does not tell whether a write was complete at once, so none counts as that.
struct RingEngine {
    file: File,
    ring: Ring,
    /// By slot.
    parts: Vec<Range<usize>>,
    over: Vec<RingDone>,
}

impl WriteEngine for RingEngine {
    fn issue(&mut self, slot: usize, offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        let (bytes, part) = buffer.into_parts();
        if self.parts.len() <= slot {
            self.parts.resize(slot + 1, 0..0);
        }
        if let Some(place) = self.parts.get_mut(slot) {
            place.clone_from(&part);
        }
        let issued = self
            .ring
            .write_part_at(slot, &self.file, offset, bytes, part.clone());
        match issued {
            Ok(()) => Ok(Issued::Pending),
            Err((bytes, error)) => Ok(Issued::Done(Completion {
                slot,
                buffer: Buffer::from_parts(bytes, part),
                result: Err(error),
                immediate: true,
            })),
        }
    }

    fn wait(&mut self, timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        self.ring
            .wait(Some(timeout), &mut self.over)
            .map_err(|error| Error::new("wait for an I/O ring", error))?;
        for RingDone { slot, buffer, result } in self.over.drain(..) {
            let part = self.parts.get(slot).cloned().unwrap_or_default();
            done.push(Completion {
                slot,
                buffer: Buffer::from_parts(buffer, part),
                result,
                immediate: false,
            });
        }
        Ok(())
    }
}

/// Where the completions of a [`TokenEngine`] come from.
trait Source<S: Signal> {
    /// Whether the call's return value hides an immediate completion, so that the status block has to be
    /// looked at for the statistics.
    const HIDES_IMMEDIATE: bool;

    fn operation(&self) -> Operation<S>;
    fn wait(&self, timeout: Duration, tokens: &mut Vec<usize>) -> Result<(), Win32Error>;
}

impl Source<ByPort> for CompletionPort {
    const HIDES_IMMEDIATE: bool = false;

    fn operation(&self) -> Operation<ByPort> {
        self.operation()
    }

    fn wait(&self, timeout: Duration, tokens: &mut Vec<usize>) -> Result<(), Win32Error> {
        self.wait(Some(timeout), tokens)
    }
}

/// Completion routines, called in this thread.
struct Apcs;

impl Source<ByApc> for Apcs {
    const HIDES_IMMEDIATE: bool = true;

    fn operation(&self) -> Operation<ByApc> {
        Operation::by_apc()
    }

    fn wait(&self, timeout: Duration, tokens: &mut Vec<usize>) -> Result<(), Win32Error> {
        sleep_alertably(Some(timeout), tokens);
        Ok(())
    }
}

/// Port and APCs: each completion tells the token of its write, which is the slot.
struct TokenEngine<S: Signal, W> {
    file: File,
    /// By slot. Before `source`, so that pending writes are cancelled before the port goes.
    pending: Vec<Option<Flight<S>>>,
    idle: Vec<Operation<S>>,
    source: W,
    tokens: Vec<usize>,
}

impl<S: Signal, W: Source<S>> TokenEngine<S, W> {
    fn new(file: File, source: W) -> Self {
        Self {
            file,
            pending: Vec::new(),
            idle: Vec::new(),
            source,
            tokens: Vec::new(),
        }
    }
}

impl<S: Signal, W: Source<S>> WriteEngine for TokenEngine<S, W> {
    fn issue(&mut self, slot: usize, offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        let operation = self.idle.pop().unwrap_or_else(|| self.source.operation());
        match start(operation.with_token(slot), &self.file, slot, offset, buffer) {
            Ok((completion, operation)) => {
                self.idle.push(operation);
                Ok(Issued::Done(completion))
            }
            Err(flight) => {
                if self.pending.len() <= slot {
                    self.pending.resize_with(slot + 1, || None);
                }
                if let Some(place) = self.pending.get_mut(slot) {
                    *place = Some(flight);
                }
                Ok(Issued::Pending)
            }
        }
    }

    fn wait(&mut self, timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        self.source
            .wait(timeout, &mut self.tokens)
            .map_err(|error| Error::new("wait for completions", error))?;
        for slot in self.tokens.drain(..) {
            let Some(place) = self.pending.get_mut(slot) else {
                continue;
            };
            let Some(flight) = place.take() else {
                continue;
            };
            let immediate = W::HIDES_IMMEDIATE && flight.pending.was_immediate();
            match flight.try_finish(immediate) {
                Ok((completion, operation)) => {
                    self.idle.push(operation);
                    done.push(completion);
                }
                Err(still) => *place = Some(still),
            }
        }
        Ok(())
    }
}
