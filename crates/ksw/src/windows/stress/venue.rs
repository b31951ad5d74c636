//! The handles of one thread, over owned operations.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ksw::stress::program::{Engine, LANES};
use ksw::stress::venue::{Cancel, Completion, Venue};
use kswrite_client::{
    Access, ByApc, ByEvent, ByPort, CompletionPort, Error, File, Finished, OpenFlags, Operation, Pending,
    Signal, Started, Win32Error, control, sleep_alertably, wait_any,
};
use kswrite_wire::ControlCode;
use kswrite_wire::sink::{self, Released, Script, State};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::registry::Registry;

/// How often an open or a request is repeated that a cancel has hit.
const ATTEMPTS: u32 = 1000;
/// What a program sees of the warning that scripts ask for.
const MORE_DATA: Win32Error = Win32Error(234);
/// How many events can be waited for at once.
const AT_ONCE: usize = 64;
/// How long to wait for one kind of completion before the others are looked at.
const SLICE: Duration = Duration::from_millis(2);

/// The handles of one thread.
pub(super) struct Native {
    worker: usize,
    targets: Arc<[String]>,
    registry: Arc<Registry>,
    lanes: [Option<Lane>; LANES],
    /// Before the port, so that what is pending is dropped first.
    flights: HashMap<u64, Flight>,
    events: Vec<Operation<ByEvent>>,
    ports: Vec<Operation<ByPort>>,
    apcs: Vec<Operation<ByApc>>,
    port: CompletionPort,
    tokens: Vec<usize>,
    /// Writes at ports that ended at once with a warning. Where the system posts no packet for them, their
    /// memory stays lent.
    warned: u64,
    /// The thread that issued the writes has ended, in Wine.
    adopted: bool,
    without_outcome: Vec<u64>,
}

struct Lane {
    file: File,
    engine: Engine,
    path: String,
}

/// A pending write.
struct Flight {
    lane: usize,
    pending: Held,
}

enum Held {
    Event(Pending<ByEvent>),
    Port(Pending<ByPort>),
    Apc(Pending<ByApc>),
}

impl Native {
    pub(super) fn new(worker: usize, targets: Arc<[String]>, registry: Arc<Registry>) -> Result<Self, Error> {
        Ok(Self {
            worker,
            targets,
            registry,
            lanes: [const { None }; LANES],
            flights: HashMap::new(),
            events: Vec::new(),
            ports: Vec::new(),
            apcs: Vec::new(),
            port: CompletionPort::new()?,
            tokens: Vec::new(),
            warned: 0,
            adopted: false,
            without_outcome: Vec::new(),
        })
    }

    /// The thread that issued the writes has ended, so nobody calls their completion routines: those writes
    /// are dropped, and returned.
    pub(super) fn adopt(&mut self, is_wine: bool) -> Vec<u64> {
        let is_apc = |flight: &Flight| matches!(flight.pending, Held::Apc(_));
        let gone: Vec<u64> = self
            .flights
            .iter()
            .filter(|(_, flight)| is_apc(flight))
            .map(|(id, _)| *id)
            .collect();
        for id in &gone {
            self.flights.remove(id);
        }
        self.adopted = is_wine;
        gone
    }

    /// How many writes are pending.
    pub(super) fn pending(&self) -> usize {
        self.flights.len()
    }

    /// Writes at ports that ended at once with a warning: at most so many stay lent.
    pub(super) fn warned(&self) -> u64 {
        self.warned
    }

    fn lane(&self, lane: usize) -> Result<&Lane, Error> {
        let open = self.lanes.get(lane).and_then(Option::as_ref);
        open.ok_or_else(|| Error::new("use a handle that is not open", Win32Error::INVALID_PARAMETER))
    }

    /// Sends a request, again when a cancel of everything on the handle has hit it.
    fn ask<I, O>(&self, lane: usize, what: &str, code: ControlCode, input: &I) -> Result<O, Error>
    where
        I: IntoBytes + Immutable,
        O: FromBytes,
    {
        let Lane { file, path, .. } = self.lane(lane)?;
        repeated(
            || control(file, code, input),
            |error| *error == Win32Error::OPERATION_ABORTED,
        )
        .map_err(|error| Error::new(format!("{what} {path}"), error))
    }

    fn count(&self, is_kind: fn(&Held) -> bool) -> usize {
        self.flights
            .values()
            .filter(|flight| is_kind(&flight.pending))
            .count()
    }

    /// Appends the writes that these tokens name.
    fn take_tokens(&mut self, done: &mut Vec<Completion>) {
        let mut tokens = std::mem::take(&mut self.tokens);
        for token in tokens.drain(..) {
            let id = token as u64;
            match self.flights.remove(&id) {
                Some(flight) => self.finish(id, flight, done),
                // The books know what to make of it.
                None => done.push(Completion {
                    id,
                    result: Ok(0),
                    bytes: 0,
                }),
            }
        }
        self.tokens = tokens;
    }

    /// Ends a write whose completion has come; puts it back if it has not.
    fn finish(&mut self, id: u64, flight: Flight, done: &mut Vec<Completion>) {
        let Flight { lane, pending } = flight;
        let still = match pending {
            Held::Event(pending) => take(id, pending, &mut self.events, done).map(Held::Event),
            Held::Port(pending) => take(id, pending, &mut self.ports, done).map(Held::Port),
            Held::Apc(pending) => take(id, pending, &mut self.apcs, done).map(Held::Apc),
        };
        if let Some(pending) = still {
            self.flights.insert(id, Flight { lane, pending });
        }
        // In Wine the issuing thread itself stores the outcome, which it does no more once it has ended; the
        // completion comes all the same.
        let stores_nothing = |done: &mut Completion| done.result == Err(Win32Error::IO_INCOMPLETE);
        if self.adopted {
            self.without_outcome
                .extend(done.extract_if(.., stores_nothing).map(|done| done.id));
        }
    }

    /// Looks at all events; waits for the first ones up to `wait`.
    fn reap_events(&mut self, wait: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        let mut ids: Vec<u64> = self
            .flights
            .iter()
            .filter(|(_, flight)| matches!(flight.pending, Held::Event(_)))
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        let mut from = 0;
        let mut wait = Some(wait);
        while let Some(rest) = ids.get(from..).filter(|rest| !rest.is_empty()) {
            let pending = rest.iter().take(AT_ONCE).filter_map(|id| {
                match self.flights.get(id).map(|flight| &flight.pending) {
                    Some(Held::Event(pending)) => Some(pending),
                    _ => None,
                }
            });
            let found = wait_any(pending, wait.take().or(Some(Duration::ZERO)))
                .map_err(|error| Error::new("wait for events", error))?;
            let Some(index) = found else {
                from += AT_ONCE;
                continue;
            };
            let id = ids.remove(from + index);
            if let Some(flight) = self.flights.remove(&id) {
                self.finish(id, flight, done);
            }
        }
        Ok(())
    }
}

/// Calls again while the call is cancelled.
fn repeated<T, E>(call: impl Fn() -> Result<T, E>, is_cancelled: impl Fn(&E) -> bool) -> Result<T, E> {
    let mut attempts = 1;
    loop {
        match call() {
            Err(error) if is_cancelled(&error) && attempts < ATTEMPTS => attempts += 1,
            answer => return answer,
        }
    }
}

/// Ends one write, if its completion has come.
fn take<S: Signal>(
    id: u64,
    pending: Pending<S>,
    idle: &mut Vec<Operation<S>>,
    done: &mut Vec<Completion>,
) -> Option<Pending<S>> {
    match pending.try_finish() {
        Ok(finished) => {
            done.push(completion(id, finished, idle));
            None
        }
        Err(still) => Some(still),
    }
}

fn completion<S: Signal>(id: u64, finished: Finished<S>, idle: &mut Vec<Operation<S>>) -> Completion {
    let Finished {
        operation,
        result,
        bytes,
        ..
    } = finished;
    idle.push(operation);
    Completion { id, result, bytes }
}

fn started<S: Signal>(
    id: u64,
    started: Started<S>,
    idle: &mut Vec<Operation<S>>,
) -> Result<Completion, Pending<S>> {
    match started {
        Started::Finished(finished) => Ok(completion(id, finished, idle)),
        Started::Pending(pending) => Err(pending),
    }
}

impl Venue for Native {
    fn open(&mut self, lane: usize, target: usize, engine: Engine) -> Result<(), Error> {
        let path = self.targets.get(target % self.targets.len().max(1)).cloned();
        let path = path.unwrap_or_default();
        let flags = OpenFlags {
            synchronous: engine == Engine::Sync,
            ..OpenFlags::default()
        };
        // A cancel of synchronous calls hits an open too.
        let file = repeated(
            || File::open_with(&path, Access::ReadWrite, flags),
            |error| error.code() == Win32Error::OPERATION_ABORTED,
        )?;
        if engine == Engine::Port {
            self.port.associate(&file)?;
        }
        self.registry.put(self.worker, lane, Some(file.clone()));
        if let Some(place) = self.lanes.get_mut(lane) {
            *place = Some(Lane { file, engine, path });
        }
        Ok(())
    }

    fn close(&mut self, lane: usize) {
        self.registry.put(self.worker, lane, None);
        for flight in self.flights.values_mut().filter(|flight| flight.lane == lane) {
            match &mut flight.pending {
                Held::Event(pending) => pending.give_up_file(),
                Held::Port(pending) => pending.give_up_file(),
                Held::Apc(pending) => pending.give_up_file(),
            }
        }
        if let Some(place) = self.lanes.get_mut(lane) {
            *place = None;
        }
    }

    fn script(&mut self, lane: usize, script: &Script) -> Result<(), Error> {
        self.ask(lane, "set the script of", sink::SET_SCRIPT, script)
    }

    fn write(
        &mut self,
        lane: usize,
        id: u64,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Option<Completion>, Error> {
        let Lane { file, engine, .. } = self.lane(lane)?;
        let (file, engine) = (file.clone(), *engine);
        let token = usize::try_from(id).unwrap_or(usize::MAX);
        let held = match engine {
            Engine::Sync => {
                let finished = match Operation::by_waiting().write_at(&file, offset, data) {
                    Started::Finished(finished) => finished,
                    Started::Pending(_) => {
                        let what = "write to a synchronous handle without waiting";
                        return Err(Error::new(what, Win32Error::IO_PENDING));
                    }
                };
                return Ok(Some(completion(id, finished, &mut Vec::new())));
            }
            Engine::Event => {
                let operation = self.events.pop().map_or_else(Operation::by_event, Ok)?;
                let outcome = operation.write_at(&file, offset, data);
                started(id, outcome, &mut self.events).map_err(Held::Event)
            }
            Engine::Port => {
                let operation = self.ports.pop().unwrap_or_else(|| self.port.operation());
                let outcome = operation.with_token(token).write_at(&file, offset, data);
                let held = started(id, outcome, &mut self.ports).map_err(Held::Port);
                let is_warning = |done: &Completion| done.result == Err(MORE_DATA);
                self.warned += u64::from(held.as_ref().is_ok_and(is_warning));
                held
            }
            Engine::Apc => {
                let operation = self.apcs.pop().unwrap_or_else(Operation::by_apc);
                let outcome = operation.with_token(token).write_at(&file, offset, data);
                started(id, outcome, &mut self.apcs).map_err(Held::Apc)
            }
        };
        match held {
            Ok(completion) => Ok(Some(completion)),
            Err(pending) => {
                self.flights.insert(id, Flight { lane, pending });
                Ok(None)
            }
        }
    }

    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        let start = Instant::now();
        let before = done.len();
        let mut wait = Duration::ZERO;
        loop {
            if self.count(|held| matches!(held, Held::Port(_))) > 0 {
                let waited = self.port.wait(Some(wait), &mut self.tokens);
                waited.map_err(|error| Error::new("wait at the completion port", error))?;
                self.take_tokens(done);
            }
            if self.count(|held| matches!(held, Held::Apc(_))) > 0 {
                sleep_alertably(Some(wait), &mut self.tokens);
                self.take_tokens(done);
            }
            if self.count(|held| matches!(held, Held::Event(_))) > 0 {
                self.reap_events(wait, done)?;
            }
            let left = patience.saturating_sub(start.elapsed());
            if done.len() > before || left.is_zero() {
                return Ok(());
            }
            if self.flights.is_empty() {
                // Nothing can come; the caller waits for something else.
                std::thread::sleep(left.min(SLICE));
                return Ok(());
            }
            wait = left.min(SLICE);
        }
    }

    fn without_outcome(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.without_outcome)
    }

    fn cancel(&mut self, lane: usize, what: Cancel) -> Result<(), Error> {
        let Lane { file, path, .. } = self.lane(lane)?;
        let asked = match what {
            Cancel::All => file.cancel_all(),
            Cancel::Own => file.cancel_own(),
            Cancel::One(id) => match self.flights.get(&id).map(|flight| &flight.pending) {
                Some(Held::Event(pending)) => pending.cancel(),
                Some(Held::Port(pending)) => pending.cancel(),
                Some(Held::Apc(pending)) => pending.cancel(),
                None => Ok(()),
            },
        };
        match asked {
            Ok(()) | Err(Win32Error::NOT_FOUND) => Ok(()),
            Err(error) => Err(Error::new(format!("cancel what is pending on {path}"), error)),
        }
    }

    fn forget(&mut self, _lane: usize, id: u64) {
        self.flights.remove(&id);
    }

    fn release(&mut self, lane: usize) -> Result<u32, Error> {
        let released: Released = self.ask(lane, "release the held writes of", sink::RELEASE, &())?;
        Ok(released.count)
    }

    fn read(&mut self, lane: usize, offset: u64, length: u32) -> Result<Vec<u8>, Win32Error> {
        let file = &self.lane(lane).map_err(|error| error.code())?.file;
        let operation = Operation::by_event().map_err(|error| error.code())?;
        let finished = operation.read_at(file, offset, vec![0; length as usize]).wait();
        let mut data = finished.buffer;
        data.truncate(finished.result? as usize);
        Ok(data)
    }

    fn state(&mut self, lane: usize) -> Result<State, Error> {
        self.ask(lane, "read the state of", sink::GET_STATE, &())
    }

    fn reset(&mut self, lane: usize) -> Result<(), Error> {
        self.ask(lane, "reset the state of", sink::RESET, &())
    }
}
