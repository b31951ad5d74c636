//! The filter's own fast-I/O entry.
//!
//! A filter without one would hide the fast path of the whole stack. Calls are passed on to the device below,
//! with that device; where it has no routine, or the policy forbids fast I/O, the call is declined and the caller
//! goes on by IRP.

use kmdf::{
    IoStatus, Object,
    fast_io::{FastIo, FastIoTable, FastWrite},
};
use kswrite_core::fast;
use kswrite_wire::policy::Policy;

use crate::{device::FilterDevice, ffi::guarded, kernel::NtKernel};

/// The table that `DriverEntry` publishes.
pub static TABLE: FastIoTable<Forward> = FastIoTable::new();

/// A fast-I/O write that came to this driver.
pub type Call<'a> = FastWrite<'a, Forward>;

/// The routines of the table.
pub struct Forward;

impl FastIo for Forward {
    fn table() -> &'static FastIoTable<Self> {
        &TABLE
    }

    fn write(call: &Call<'_>) -> Option<IoStatus> {
        // The control device has no writes, and is no filter device.
        let device = call.wdf_device()?.context::<FilterDevice>()?;
        let slot = device.slot();
        if slot.policy.get() == Policy::Irp {
            return None;
        }
        let routine = fast::routine(&NtKernel::of(slot), device.target()).ok()?;
        slot.statistics.forwarded_fast();
        guarded::forward_fast_write(routine, device.target(), call)
    }
}
