//! Faults that a test armed.

use core::sync::atomic::{AtomicBool, Ordering};

use kswrite_wire::wine_host::Service;
use wine_state::fault::{Faults, UnknownService};

use crate::lock::Lock;

static FAULTS: Lock<Faults> = Lock::new(Faults::new());
static ANY: AtomicBool = AtomicBool::new(false);

/// Arms `service` (a [`Service`] by number, or 0 to disarm all).
///
/// # Errors
///
/// [`UnknownService`].
pub fn arm(service: u32, after: u32, times: u32) -> Result<(), UnknownService> {
    let mut faults = FAULTS.lock();
    faults.arm(service, after, times)?;
    ANY.store(faults.any_armed(), Ordering::Relaxed);
    Ok(())
}

/// Counts a call of `service` and says whether it has to fail.
pub fn strikes(service: Service) -> bool {
    // The usual case, nothing armed, costs one load.
    if !ANY.load(Ordering::Relaxed) {
        return false;
    }
    let mut faults = FAULTS.lock();
    let strikes = faults.strikes(service as u32);
    ANY.store(faults.any_armed(), Ordering::Relaxed);
    strikes
}
