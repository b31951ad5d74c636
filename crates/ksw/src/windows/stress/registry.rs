//! The handles of all threads, for the one that disturbs them.

use std::sync::{Mutex, PoisonError};

use ksw::stress::program::LANES;
use kswrite_client::File;

/// What each thread has open now.
pub(super) struct Registry(Vec<[Mutex<Option<File>>; LANES]>);

impl Registry {
    pub(super) fn new(workers: usize) -> Self {
        Self(
            (0..workers)
                .map(|_| [const { Mutex::new(None) }; LANES])
                .collect(),
        )
    }

    /// A thread has opened or closed a handle.
    pub(super) fn put(&self, worker: usize, lane: usize, file: Option<File>) {
        if let Some(place) = self.place(worker, lane) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = file;
        }
    }

    /// Does something with a handle, which is not closed meanwhile.
    pub(super) fn with<R>(&self, worker: usize, lane: usize, act: impl FnOnce(&File) -> R) -> Option<R> {
        let place = self.place(worker, lane)?.lock();
        place.unwrap_or_else(PoisonError::into_inner).as_ref().map(act)
    }

    fn place(&self, worker: usize, lane: usize) -> Option<&Mutex<Option<File>>> {
        self.0.get(worker)?.get(lane)
    }
}
