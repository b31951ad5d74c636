//! Runs a program on a venue, and keeps the books.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kswrite_client::Error;
use kswrite_wire::sink::State;

use super::expect::Said;
use super::finding::{Finding, Invariant};
use super::ledger::{Ledger, MAX_UNKNOWN};
use super::log::{Event, Log};
use super::program::{Action, LANES, Step, bytes, derive};
use super::tally::Tally;
use super::venue::{Cancel, Completion, Venue};

/// Writes after which the books are settled, whatever the program says.
const MAX_ENTRIES: usize = 256;
/// How long a step waits for a completion that need not come.
const GLANCE: Duration = Duration::from_millis(1);
/// How long to wait before what is held is released once more.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks without progress before something is lost, however short the patience.
const MIN_LOOKS: u32 = 3;

/// A wait for something that must happen.
struct Wait {
    patience: Duration,
    deadline: Instant,
    looks: u32,
}

impl Wait {
    fn new(patience: Duration) -> Self {
        Self {
            patience,
            deadline: Instant::now() + patience,
            looks: 0,
        }
    }

    /// Something has happened: the wait begins anew.
    fn progress(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Nothing has happened. Whether that was long enough.
    fn is_over(&mut self) -> bool {
        self.looks += 1;
        self.looks >= MIN_LOOKS && Instant::now() > self.deadline
    }
}

/// One thread's handles, and their books.
pub struct Worker<V> {
    /// What it runs on.
    pub venue: V,
    seed: u64,
    lanes: [Option<Lane>; LANES],
    /// Which lane a pending write belongs to.
    places: BTreeMap<u64, usize>,
    next: u64,
    log: Log,
    tally: Tally,
    patience: Duration,
}

struct Lane {
    ledger: Ledger,
    depth: usize,
    /// The handle is closed, and completions are waited for.
    closed: bool,
}

impl<V: Venue> Worker<V> {
    /// Nothing is open. `patience` is how long a write may take that nothing holds back; then it is lost.
    pub fn new(venue: V, seed: u64, log: Log, patience: Duration) -> Self {
        Self {
            venue,
            seed,
            lanes: [const { None }; LANES],
            places: BTreeMap::new(),
            next: 1,
            log,
            tally: Tally::default(),
            patience,
        }
    }

    /// What was done so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Does one step.
    ///
    /// # Errors
    ///
    /// An invariant does not hold.
    pub fn step(&mut self, step: Step) -> Result<(), Finding> {
        self.log.add(Event::Step(step));
        self.tally.operations += 1;
        let Step { lane, action } = step;
        match action {
            Action::Open {
                target,
                engine,
                depth,
                base,
            } => {
                self.close(lane)?;
                self.venue.open(lane, target, engine).map_err(request)?;
                self.tally.opens += 1;
                let opened = Lane {
                    ledger: Ledger::new(base, engine),
                    depth,
                    closed: false,
                };
                if let Some(place) = self.lanes.get_mut(lane) {
                    *place = Some(opened);
                }
            }
            Action::Script(script) => {
                self.venue.script(lane, &script).map_err(request)?;
                if let Some(ledger) = self.ledger(lane) {
                    ledger.set_script(script.check().unwrap_or_default());
                }
            }
            Action::Write { offset, length } => self.write(lane, offset, length)?,
            Action::Reap => self.reap(GLANCE)?,
            Action::CancelOne(n) => {
                if let Some(id) = self.nth(lane, n) {
                    self.cancel(lane, Cancel::One(id))?;
                }
            }
            Action::CancelAll => self.cancel(lane, Cancel::All)?,
            Action::CancelOwn => self.cancel(lane, Cancel::Own)?,
            Action::Forget(n) => self.forget(lane, n)?,
            Action::Release => drop(self.venue.release(lane).map_err(request)?),
            Action::Read { offset, length } => self.read(lane, offset, length)?,
            Action::Settle { reset } => self.settle(lane, reset)?,
            Action::Close => self.close(lane)?,
        }
        Ok(())
    }

    /// Waits for all writes, and settles every handle.
    ///
    /// # Errors
    ///
    /// An invariant does not hold.
    pub fn finish(&mut self) -> Result<(), Finding> {
        for lane in 0..LANES {
            if self.ledger(lane).is_some() {
                self.settle(lane, false)?;
                self.close(lane)?;
            }
        }
        self.log.add(Event::Ended);
        Ok(())
    }

    /// Waits until at most a few writes are pending on each handle, for a thread that is going to end with
    /// them: so few that all ways in which they can go can be tried.
    ///
    /// # Errors
    ///
    /// An invariant does not hold.
    pub fn leave_few(&mut self) -> Result<(), Finding> {
        for lane in 0..LANES {
            if self.ledger(lane).is_some_and(|ledger| ledger.unknown() > 0) {
                self.settle(lane, false)?;
            }
            self.drain(lane, MAX_UNKNOWN)?;
        }
        Ok(())
    }

    /// Says that these writes will not be reported, because the thread that issued them has ended.
    pub fn will_not_hear_of(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(lane) = self.places.get(id).copied() {
                self.forgotten(lane, *id);
            }
        }
    }

    fn lane(&mut self, lane: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(lane)?.as_mut()
    }

    fn ledger(&mut self, lane: usize) -> Option<&mut Ledger> {
        Some(&mut self.lane(lane)?.ledger)
    }

    fn pending(&mut self, lane: usize) -> usize {
        self.ledger(lane).map_or(0, |ledger| ledger.pending().len())
    }

    fn nth(&mut self, lane: usize, n: usize) -> Option<u64> {
        let ledger = self.ledger(lane)?;
        let count = ledger.pending().len();
        ledger.pending().nth(n.checked_rem(count)?)
    }

    fn write(&mut self, lane: usize, offset: u64, length: u32) -> Result<(), Finding> {
        let Some(depth) = self.lane(lane).map(|lane| lane.depth) else {
            return Ok(());
        };
        if self.pending(lane) >= depth {
            self.drain(lane, depth - 1)?;
        }
        let is_due = |ledger: &mut Ledger| ledger.entries() >= MAX_ENTRIES || ledger.unknown() >= MAX_UNKNOWN;
        if self.ledger(lane).is_some_and(is_due) {
            self.settle(lane, false)?;
        }
        let id = self.next;
        self.next += 1;
        let seed = derive(self.seed, id);
        if let Some(ledger) = self.ledger(lane) {
            ledger.issue(id, offset, length, seed);
        }
        self.places.insert(id, lane);
        self.tally.writes += 1;
        let issued = self.venue.write(lane, id, offset, bytes(seed, length));
        if let Some(completion) = issued.map_err(request)? {
            return self.complete(completion);
        }
        self.tally.pending += 1;
        self.log.add(Event::Pending { id });
        Ok(())
    }

    fn complete(&mut self, completion: Completion) -> Result<(), Finding> {
        let Completion { id, result, bytes } = completion;
        self.log.add(Event::Complete {
            id,
            bytes,
            error: result.err(),
        });
        let lane = self.places.remove(&id);
        let Some(ledger) = lane.and_then(|lane| self.ledger(lane)) else {
            let text = format!("write {id} completed, which is not pending: {result:?}, {bytes} bytes");
            return Err(Finding::new(Invariant::CompletesOnce, text));
        };
        let tally = match ledger.complete(id, result, bytes)? {
            Said::Took(_) => &mut self.tally.done,
            Said::Failed => &mut self.tally.failed,
            Said::Cancelled(_) => &mut self.tally.cancelled_taken,
            Said::CancelledUntaken => &mut self.tally.cancelled_untaken,
            Said::CancelledOpen(most) => {
                self.tally.unknown_bytes += u64::from(most);
                &mut self.tally.cancelled_untaken
            }
        };
        *tally += 1;
        self.tally.bytes += u64::from(bytes);
        Ok(())
    }

    fn reap(&mut self, patience: Duration) -> Result<(), Finding> {
        let mut done = Vec::new();
        self.venue.reap(patience, &mut done).map_err(request)?;
        let without = self.venue.without_outcome();
        self.will_not_hear_of(&without);
        done.into_iter()
            .try_for_each(|completion| self.complete(completion))
    }

    fn cancel(&mut self, lane: usize, what: Cancel) -> Result<(), Finding> {
        self.tally.cancels += 1;
        self.venue.cancel(lane, what).map_err(request)
    }

    fn forget(&mut self, lane: usize, n: usize) -> Result<(), Finding> {
        let unknown = self.ledger(lane).map_or(0, |ledger| ledger.unknown());
        if unknown >= MAX_UNKNOWN {
            self.settle(lane, false)?;
        }
        if let Some(id) = self.nth(lane, n) {
            self.venue.forget(lane, id);
            self.forgotten(lane, id);
        }
        Ok(())
    }

    fn forgotten(&mut self, lane: usize, id: u64) {
        self.places.remove(&id);
        if let Some(ledger) = self.ledger(lane) {
            let most = ledger.forget(id);
            self.tally.forgotten += 1;
            self.tally.unknown_bytes += u64::from(most);
        }
    }

    fn read(&mut self, lane: usize, offset: u64, length: u32) -> Result<(), Finding> {
        // What is complete by now is no uncertainty.
        self.reap(Duration::ZERO)?;
        let result = self.venue.read(lane, offset, length);
        self.tally.reads += 1;
        self.ledger(lane)
            .map_or(Ok(()), |ledger| ledger.check_read(offset, length, &result))
    }

    /// Waits until at most `left` writes are pending. The sink is asked to release what it holds.
    fn drain(&mut self, lane: usize, left: usize) -> Result<(), Finding> {
        let mut pending = self.pending(lane);
        if pending <= left {
            return Ok(());
        }
        self.log.add(Event::Drains { lane, pending });
        let closed = self.lane(lane).is_some_and(|lane| lane.closed);
        let mut wait = Wait::new(self.patience);
        self.reap(Duration::ZERO)?;
        while self.pending(lane) > left {
            if !closed {
                self.venue.release(lane).map_err(request)?;
            }
            self.reap(PAUSE)?;
            let now = self.pending(lane);
            if now < pending {
                pending = now;
                wait.progress();
            } else if wait.is_over() {
                let lost: Vec<u64> = self
                    .ledger(lane)
                    .map(|ledger| ledger.pending().collect())
                    .unwrap_or_default();
                let text = format!(
                    "no completion came in {:.1} s, with nothing held back; waited for are writes {lost:?}",
                    self.patience.as_secs_f64()
                );
                return Err(Finding::new(Invariant::CompletesOnce, text));
            }
        }
        Ok(())
    }

    fn settle(&mut self, lane: usize, reset: bool) -> Result<(), Finding> {
        self.drain(lane, 0)?;
        let state = self.quiet_state(lane)?;
        let Some(ledger) = self.ledger(lane) else {
            return Ok(());
        };
        ledger.settle(&state)?;
        self.tally.accounts += 1;
        self.log.add(Event::Settled {
            lane,
            writes: state.writes,
        });
        if reset {
            self.venue.reset(lane).map_err(request)?;
            if let Some(ledger) = self.ledger(lane) {
                ledger.reset();
            }
        }
        Ok(())
    }

    /// The sink's state, once nothing is outstanding: writes that were dropped complete on their own time.
    fn quiet_state(&mut self, lane: usize) -> Result<State, Finding> {
        let mut wait = Wait::new(self.patience);
        loop {
            let state = self.venue.state(lane).map_err(request)?;
            if state.outstanding == 0 {
                return Ok(state);
            }
            if wait.is_over() {
                let text = format!(
                    "{} writes are outstanding at the sink, and none here",
                    state.outstanding
                );
                return Err(Finding::new(Invariant::Outstanding, text));
            }
            self.venue.release(lane).map_err(request)?;
            self.reap(GLANCE)?;
        }
    }

    fn close(&mut self, lane: usize) -> Result<(), Finding> {
        let Some(open) = self.lane(lane) else {
            return Ok(());
        };
        open.closed = true;
        let pending = open.ledger.pending().len();
        self.tally.closes_pending += u64::from(pending > 0);
        self.venue.close(lane);
        self.drain(lane, 0)?;
        if let Some(place) = self.lanes.get_mut(lane) {
            *place = None;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an error handler")]
fn request(error: Error) -> Finding {
    Finding::new(Invariant::Request, error.to_string())
}
