//! The last operations of a thread, in memory, for the case that something is found.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kswrite_client::Win32Error;

use super::program::Step;

/// Entries that are kept for each thread.
const KEPT: usize = 96;

/// What a thread did.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// It came to this step.
    Step(Step),
    /// It issued write `id`, which is pending.
    Pending {
        /// The write.
        id: u64,
    },
    /// Write `id` is complete.
    Complete {
        /// The write.
        id: u64,
        /// The byte count of the status block.
        bytes: u32,
        /// Why it failed.
        error: Option<Win32Error>,
    },
    /// An account agreed.
    Settled {
        /// The handle.
        lane: usize,
        /// Writes that the sink has.
        writes: u64,
    },
    /// It waits until nothing is pending on a handle.
    Drains {
        /// The handle.
        lane: usize,
        /// Writes that are pending.
        pending: usize,
    },
    /// It ended.
    Ended,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => write!(f, "{step}"),
            Self::Pending { id } => write!(f, "   write {id} is pending"),
            Self::Complete {
                id,
                bytes,
                error: None,
            } => write!(f, "   write {id}: {bytes} bytes"),
            Self::Complete {
                id,
                bytes,
                error: Some(error),
            } => write!(f, "   write {id}: {bytes} bytes, {error}"),
            Self::Settled { lane, writes } => write!(f, "{lane}: agrees after {writes} writes"),
            Self::Drains { lane, pending } => write!(f, "{lane}: waits for {pending} writes"),
            Self::Ended => f.write_str("ended"),
        }
    }
}

/// A thread's log; clones are the same log.
#[derive(Clone, Debug)]
pub struct Log(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    total: u64,
    events: VecDeque<(Duration, Event)>,
}

impl Log {
    /// An empty one, whose times count from `start`.
    pub fn new(start: Instant) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            start,
            total: 0,
            events: VecDeque::with_capacity(KEPT),
        })))
    }

    /// Adds an event; the oldest one goes.
    pub fn add(&self, event: Event) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let time = inner.start.elapsed();
        inner.total += 1;
        if inner.events.len() == KEPT {
            inner.events.pop_front();
        }
        inner.events.push_back((time, event));
    }

    /// How many events there were: whether a thread goes on.
    pub fn total(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// The events that are kept, as lines with seconds.
    pub fn lines(&self) -> Vec<String> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(time, event): &(Duration, Event)| format!("{:10.6} {event}", time.as_secs_f64());
        inner.events.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_kept() {
        let log = Log::new(Instant::now());
        for id in 0..200 {
            log.add(Event::Pending { id });
        }
        let lines = log.lines();
        assert_eq!((lines.len(), log.total()), (KEPT, 200));
        assert!(
            lines[0].contains("write 104 ") && lines[95].contains("write 199 "),
            "{lines:?}"
        );
    }
}
