//! The three engines over owned operations.

use std::collections::VecDeque;
use std::time::Duration;

use ksw::plan::Engine;
use ksw::run::{Completion, Issued, WriteEngine};
use kswrite_client::{
    ByApc, ByEvent, ByPort, CompletionPort, Error, File, Finished, Operation, Pending, Signal, Started,
    Win32Error, control, sleep_alertably, wait_any,
};
use kswrite_wire::sink;

/// The engine that a plan asks for. Nothing outlives it: dropping it cancels what is pending.
pub(super) fn new(kind: Engine, file: File) -> Result<Box<dyn WriteEngine>, Error> {
    Ok(match kind {
        Engine::Event => Box::new(EventEngine {
            file,
            idle: Vec::new(),
            pending: VecDeque::new(),
        }),
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
    fn issue(&mut self, slot: usize, offset: u64, buffer: Vec<u8>) -> Result<Issued, Error> {
        self.inner.issue(slot, offset, buffer)
    }

    fn wait(&mut self, done: &mut Vec<Completion>) -> Result<(), Error> {
        let released: Result<sink::Released, Win32Error> = control(&self.file, sink::RELEASE, &());
        released.map_err(|error| Error::new("release the held writes", error))?;
        self.inner.wait(done)
    }
}

fn completion<S: Signal>(slot: usize, finished: Finished<S>, immediate: bool) -> (Completion, Operation<S>) {
    let Finished {
        operation,
        buffer,
        result,
        ..
    } = finished;
    (
        Completion {
            slot,
            buffer,
            result,
            immediate,
        },
        operation,
    )
}

/// Where the completions of a [`TokenEngine`] come from.
trait Source<S: Signal> {
    /// Whether the call's return value hides an immediate completion, so that the status block has to be
    /// looked at for the statistics.
    const HIDES_IMMEDIATE: bool;

    fn operation(&self) -> Operation<S>;
    fn wait(&self, tokens: &mut Vec<usize>) -> Result<(), Win32Error>;
}

impl Source<ByPort> for CompletionPort {
    const HIDES_IMMEDIATE: bool = false;

    fn operation(&self) -> Operation<ByPort> {
        self.operation()
    }

    fn wait(&self, tokens: &mut Vec<usize>) -> Result<(), Win32Error> {
        self.wait(None, tokens)
    }
}

/// Completion routines, called in this thread.
struct Apcs;

impl Source<ByApc> for Apcs {
    const HIDES_IMMEDIATE: bool = true;

    fn operation(&self) -> Operation<ByApc> {
        Operation::by_apc()
    }

    fn wait(&self, tokens: &mut Vec<usize>) -> Result<(), Win32Error> {
        sleep_alertably(None, tokens);
        Ok(())
    }
}

/// Port and APCs: each completion tells the token of its write, which is the slot.
struct TokenEngine<S: Signal, W> {
    file: File,
    /// Before `source`, so that pending writes are cancelled before the port goes.
    pending: Vec<Option<Pending<S>>>,
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
    fn issue(&mut self, slot: usize, offset: u64, buffer: Vec<u8>) -> Result<Issued, Error> {
        let operation = self.idle.pop().unwrap_or_else(|| self.source.operation());
        match operation.with_token(slot).write_at(&self.file, offset, buffer) {
            Started::Finished(finished) => {
                let (completion, operation) = completion(slot, finished, true);
                self.idle.push(operation);
                Ok(Issued::Done(completion))
            }
            Started::Pending(pending) => {
                if self.pending.len() <= slot {
                    self.pending.resize_with(slot + 1, || None);
                }
                if let Some(place) = self.pending.get_mut(slot) {
                    *place = Some(pending);
                }
                Ok(Issued::Pending)
            }
        }
    }

    fn wait(&mut self, done: &mut Vec<Completion>) -> Result<(), Error> {
        let before = done.len();
        while done.len() == before {
            self.source
                .wait(&mut self.tokens)
                .map_err(|error| Error::new("wait for completions", error))?;
            for slot in self.tokens.drain(..) {
                let Some(place) = self.pending.get_mut(slot) else {
                    continue;
                };
                let Some(pending) = place.take() else {
                    continue;
                };
                let immediate = W::HIDES_IMMEDIATE && pending.was_immediate();
                match pending.try_finish() {
                    Ok(finished) => {
                        let (completion, operation) = completion(slot, finished, immediate);
                        self.idle.push(operation);
                        done.push(completion);
                    }
                    Err(still) => *place = Some(still),
                }
            }
        }
        Ok(())
    }
}

/// Events: waits for the oldest 64, for no more can be waited for at once, and then looks at the others.
struct EventEngine {
    file: File,
    idle: Vec<Operation<ByEvent>>,
    /// In the order of their issue.
    pending: VecDeque<(usize, Pending<ByEvent>)>,
}

/// How many can be waited for at once.
const AT_ONCE: usize = 64;
/// How long to wait for the oldest ones before the others are looked at.
const PATIENCE: Duration = Duration::from_millis(10);

impl EventEngine {
    fn wait_from(&self, first: usize, timeout: Option<Duration>) -> Result<Option<usize>, Error> {
        let pending = self.pending.iter().skip(first).map(|(_, pending)| pending);
        wait_any(pending, timeout)
            .map(|found| found.map(|index| first + index))
            .map_err(|error| Error::new("wait for events", error))
    }

    fn finish(&mut self, index: usize, done: &mut Vec<Completion>) {
        let Some((slot, pending)) = self.pending.remove(index) else {
            return;
        };
        match pending.try_finish() {
            Ok(finished) => {
                let (completion, operation) = completion(slot, finished, false);
                self.idle.push(operation);
                done.push(completion);
            }
            Err(still) => self.pending.insert(index, (slot, still)),
        }
    }
}

impl WriteEngine for EventEngine {
    fn issue(&mut self, slot: usize, offset: u64, buffer: Vec<u8>) -> Result<Issued, Error> {
        let operation = match self.idle.pop() {
            Some(operation) => operation,
            None => Operation::by_event()?,
        };
        match operation.write_at(&self.file, offset, buffer) {
            Started::Finished(finished) => {
                let (completion, operation) = completion(slot, finished, true);
                self.idle.push(operation);
                Ok(Issued::Done(completion))
            }
            Started::Pending(pending) => {
                self.pending.push_back((slot, pending));
                Ok(Issued::Pending)
            }
        }
    }

    fn wait(&mut self, done: &mut Vec<Completion>) -> Result<(), Error> {
        let before = done.len();
        while done.len() == before {
            let patience = (self.pending.len() > AT_ONCE).then_some(PATIENCE);
            let mut from = 0;
            let mut timeout = patience;
            while from < self.pending.len() {
                if let Some(index) = self.wait_from(from, timeout)? {
                    self.finish(index, done);
                    from = index;
                } else {
                    from += AT_ONCE;
                }
                // Only the first look waits.
                timeout = Some(Duration::ZERO);
            }
        }
        Ok(())
    }
}
