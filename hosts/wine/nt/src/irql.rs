//! The interrupt request level, by thread: Wine has none.
//!
//! It is raised by the host's spin locks and timer callbacks and by `KfRaiseIrql`, and is what
//! `KeGetCurrentIrql` answers. Nothing is held back by it: a thread at `DISPATCH_LEVEL` can be pre-empted
//! here.
#![expect(unsafe_code, reason = "reads the thread's own block address")]

use alloc::string::String;
use alloc::vec::Vec;

use crate::lock::Lock;
use crate::report;

/// `PASSIVE_LEVEL`.
pub const PASSIVE_LEVEL: u8 = 0;
/// `DISPATCH_LEVEL`.
pub const DISPATCH_LEVEL: u8 = 2;

/// Threads above `PASSIVE_LEVEL`.
static RAISED: Lock<Vec<(usize, u8)>> = Lock::new(Vec::new());

/// A number that is this thread's alone while it lives. `PsGetCurrentThreadId` will not do: in Wine's
/// dispatching thread it answers with the caller's.
pub fn thread() -> usize {
    let block: usize;
    // SAFETY: on x64 Windows, and Wine, GS:[0x30] holds the address of the thread's own block.
    unsafe {
        core::arch::asm!("mov {}, gs:[0x30]", out(reg) block, options(nostack, pure, readonly, preserves_flags));
    }
    block
}

/// The level of this thread.
pub fn current() -> u8 {
    let this = thread();
    RAISED
        .lock()
        .iter()
        .find(|(thread, _)| *thread == this)
        .map_or(PASSIVE_LEVEL, |(_, level)| *level)
}

/// Calls a driver, which has to return at the level at which it was called; if not, that is reported.
pub fn guarded<R>(driver: impl FnOnce() -> String, what: &str, body: impl FnOnce() -> R) -> R {
    let before = current();
    let result = body();
    let after = set(before);
    if after != before {
        let text = format_args!("{what} was called at IRQL {before} and returned at IRQL {after}");
        report::finding(&driver(), None, text);
    }
    result
}

/// Sets the level of this thread and gives the one before.
pub fn set(level: u8) -> u8 {
    let this = thread();
    let mut raised = RAISED.lock();
    let found = raised.iter().position(|(thread, _)| *thread == this);
    let old = found
        .and_then(|at| raised.get(at))
        .map_or(PASSIVE_LEVEL, |(_, level)| *level);
    match (found, level) {
        (Some(at), PASSIVE_LEVEL) => {
            raised.swap_remove(at);
        }
        (Some(at), level) => {
            if let Some(entry) = raised.get_mut(at) {
                entry.1 = level;
            }
        }
        (None, PASSIVE_LEVEL) => {}
        (None, level) => raised.push((this, level)),
    }
    old
}
