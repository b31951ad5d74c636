//! The host's worker threads.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use wdk_sys::NTSTATUS;
use wine_nt::lock::Lock;
use wine_nt::thread::{self, Event, Kind};

/// Enough that one that waits for another's work item does not stop both.
const THREADS: usize = 4;

/// Something to do on a worker thread.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

static JOBS: Lock<VecDeque<Job>> = Lock::new(VecDeque::new());
static WAKE: Lock<Option<Arc<Event>>> = Lock::new(None);

/// Starts the threads.
///
/// # Errors
///
/// The status with which the system refused.
pub(crate) fn start() -> Result<(), NTSTATUS> {
    *WAKE.lock() = Some(Arc::new(Event::new(Kind::Synchronization)));
    for _ in 0..THREADS {
        thread::spawn(run)?;
    }
    Ok(())
}

/// Does `job` on a worker thread.
pub(crate) fn submit(job: Job) {
    JOBS.lock().push_back(job);
    wake();
}

fn wake() {
    let wake = WAKE.lock().clone();
    if let Some(wake) = wake {
        wake.set();
    }
}

fn run() {
    let Some(event) = WAKE.lock().clone() else {
        return;
    };
    loop {
        let (job, more) = {
            let mut jobs = JOBS.lock();
            (jobs.pop_front(), !jobs.is_empty())
        };
        // One signal may stand for several jobs.
        if more {
            wake();
        }
        match job {
            Some(job) => job(),
            None => event.wait(),
        }
    }
}
