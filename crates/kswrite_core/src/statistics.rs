//! What happened, per path.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::{IoStatus, NtStatus, fast::Outcome};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one device. They are added to from any thread, without a lock; a reader sees each
        /// counter exactly and the set of them approximately.
        #[derive(Debug, Default)]
        pub struct Statistics {
            in_flight: AtomicU32,
            $($name: AtomicU64,)*
        }

        /// The counters at one moment. They add up, so that several devices can be summed.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Snapshot {
            /// Writes sent down and not finished, now.
            pub in_flight: u32,
            /// Writes that came in: the fast attempt of each came to something.
            pub attempted: u64,
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Statistics {
            /// All zero.
            #[must_use]
            pub const fn new() -> Self {
                Self { in_flight: AtomicU32::new(0), $($name: AtomicU64::new(0),)* }
            }

            /// Reads every counter.
            pub fn snapshot(&self) -> Snapshot {
                let mut snapshot = Snapshot {
                    in_flight: self.in_flight.load(Ordering::Relaxed),
                    attempted: 0,
                    $($name: self.$name.load(Ordering::Relaxed),)*
                };
                // Not counted apart: the fast path would pay for it.
                for outcome in [snapshot.fast, snapshot.declined, snapshot.skipped, snapshot.faulted] {
                    snapshot.attempted = snapshot.attempted.wrapping_add(outcome);
                }
                snapshot
            }

            /// Sets every event counter to zero. `in_flight` counts what is there, and stays.
            pub fn reset(&self) {
                $(self.$name.store(0, Ordering::Relaxed);)*
            }
        }

        impl Snapshot {
            /// Adds the counters of another device.
            pub fn add(&mut self, other: &Self) {
                self.in_flight = self.in_flight.wrapping_add(other.in_flight);
                self.attempted = self.attempted.wrapping_add(other.attempted);
                $(self.$name = self.$name.wrapping_add(other.$name);)*
            }
        }
    };
}

counters! {
    /// Done by the fast-I/O routine.
    fast,
    /// The fast-I/O routine returned FALSE, or TRUE with a status that does not count as done.
    declined,
    /// No fast-I/O routine was called.
    skipped,
    /// The fast-I/O routine raised an exception.
    faulted,
    /// An IRP was sent.
    irp,
    /// The IRP was complete when the device returned.
    inline,
    /// The request was left pending.
    pended,
    /// Finished with `STATUS_CANCELLED`.
    cancelled,
    /// Finished with another error or warning.
    failed,
    /// Failed before anything was sent.
    rejected,
    /// Bytes written by the fast path.
    fast_bytes,
    /// Bytes written by IRPs.
    irp_bytes,
    /// Fast-I/O calls that came in and were passed on to the device below.
    forwarded_fast,
    /// Writes that went down untouched. They are in no other counter.
    bypassed,
}

fn bump(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Statistics {
    /// A write came in, and the fast attempt came to this.
    #[inline]
    pub(crate) fn attempted(&self, outcome: Outcome) {
        match outcome {
            Outcome::Done(io) => {
                bump(&self.fast, 1);
                bump(&self.fast_bytes, io.information as u64);
            }
            Outcome::Skipped(_) => bump(&self.skipped, 1),
            Outcome::Declined | Outcome::NotSuccess(_) => bump(&self.declined, 1),
            Outcome::Faulted(_) => bump(&self.faulted, 1),
        }
    }

    /// The write failed before anything was sent.
    pub(crate) fn rejected(&self) {
        bump(&self.rejected, 1);
    }

    /// An IRP is being sent.
    pub(crate) fn sending(&self) {
        bump(&self.irp, 1);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// An IRP is being handed to the device and the I/O manager; its end will not be seen here.
    pub(crate) fn handing_over(&self) {
        bump(&self.irp, 1);
    }

    /// The IRP was complete when the device returned.
    pub(crate) fn inline(&self) {
        bump(&self.inline, 1);
    }

    /// The request is left pending.
    pub(crate) fn pended(&self) {
        bump(&self.pended, 1);
    }

    /// The write is over.
    pub(crate) fn finished(&self, io: IoStatus) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        if io.status == NtStatus::CANCELLED {
            bump(&self.cancelled, 1);
        } else if !io.status.is_success() {
            bump(&self.failed, 1);
        }
        // A cancelled or failed write may have written a part.
        bump(&self.irp_bytes, io.information as u64);
    }

    /// A fast-I/O call came in from above and goes to the device below.
    pub fn forwarded_fast(&self) {
        bump(&self.forwarded_fast, 1);
    }

    /// A write goes down untouched.
    pub fn bypassed(&self) {
        bump(&self.bypassed, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_passes_by_is_counted_apart() {
        let statistics = Statistics::new();
        statistics.bypassed();
        statistics.forwarded_fast();
        let seen = statistics.snapshot();
        assert_eq!((seen.bypassed, seen.forwarded_fast, seen.attempted), (1, 1, 0));
    }
}
