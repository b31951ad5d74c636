//! Ctrl-C: the work stops at the next look, and what was started is stopped on the way out.

use std::sync::atomic::{AtomicBool, Ordering};

use ksw::exit::Exit;

use super::Failure;

static ASKED: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C only sets a flag. Once in a process.
pub(super) fn install() -> Result<(), Failure> {
    ctrlc::set_handler(|| ASKED.store(true, Ordering::SeqCst))
        .map_err(|error| Failure::new(Exit::Io, format!("cannot catch Ctrl-C: {error}")))
}

/// Whether the user has asked to stop.
pub(super) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// What Ctrl-C sets.
pub(super) fn flag() -> &'static AtomicBool {
    &ASKED
}
