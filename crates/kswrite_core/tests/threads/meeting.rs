//! A place where threads meet before each round, and nobody waits for one that has failed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Threads that begin each round at the same time.
///
/// It orders nothing: what one thread did before a round, another need not see in it.
pub(crate) struct Meeting {
    members: usize,
    arrived: AtomicUsize,
    broken: AtomicBool,
}

/// One of them. When it goes because its test has failed, the others do not wait any more.
pub(crate) struct Member<'a> {
    meeting: &'a Meeting,
    rounds: usize,
}

impl Meeting {
    pub(crate) fn new(members: usize) -> Self {
        Self {
            members,
            arrived: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    pub(crate) fn join(&self) -> Member<'_> {
        Member {
            meeting: self,
            rounds: 0,
        }
    }
}

impl Member<'_> {
    pub(crate) fn wait(&mut self) {
        self.rounds += 1;
        let all = self.rounds * self.meeting.members;
        self.meeting.arrived.fetch_add(1, Ordering::Relaxed);
        while self.meeting.arrived.load(Ordering::Relaxed) < all
            && !self.meeting.broken.load(Ordering::Relaxed)
        {
            thread::yield_now();
        }
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.meeting.broken.store(true, Ordering::Relaxed);
        }
    }
}
