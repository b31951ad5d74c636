//! Writes that complete later: after a delay, on request, or by a cancel.

use kmdf::{
    FileObject, IoStatus, NtStatus, Object, Request,
    held::{self, HeldRequests, Holder},
    time::now_100ns,
    timer::TimerEvents,
};

use crate::file::SinkFile;

/// How a write will complete that was accepted and completes later.
pub(crate) struct Deferred {
    io: IoStatus,
}

/// When such a write completes: its place in the list.
#[derive(Clone, Copy)]
pub(crate) enum When {
    /// As many microseconds from now.
    After(u32),
    /// When it is released.
    Released,
}

/// The key of held writes: after every time there is.
const HELD: u64 = u64::MAX;
/// Units of 100 ns in a microsecond.
const UNITS_PER_US: u64 = 10;

/// The callbacks of deferred writes.
pub(crate) struct Deferrer;

/// Completes a write later; it is counted as outstanding already.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub(crate) fn defer(request: Request, io: IoStatus, when: When) {
    let key = match when {
        When::After(us) => now_100ns()
            .saturating_add(u64::from(us) * UNITS_PER_US)
            .min(HELD - 1),
        When::Released => HELD,
    };
    let Err((request, status)) = held::hold::<Deferrer>(request, key, Deferred { io }, arm) else {
        return;
    };
    let Some(sink) = request.file().and_then(|file| file.context::<SinkFile>()) else {
        return request.fail(status);
    };
    if status == NtStatus::CANCELLED {
        sink.remove_cancelled();
        request.complete(cancelled(io));
    } else {
        // Without memory for the list it completes at once: what was accepted is not taken back.
        sink.remove_outstanding();
        request.complete(io);
    }
}

/// Completes what is held now, and says how many that were.
///
/// IRQL: `<= DISPATCH_LEVEL`, in a request of the file object.
pub(crate) fn release(sink: &SinkFile) -> u32 {
    let mut count = 0;
    // A bound, lest writes that come all the time keep this going.
    for _ in 0..sink.outstanding() {
        let Some((request, deferred)) = sink.deferred.take_first(HELD..=HELD) else {
            break;
        };
        sink.remove_outstanding();
        request.complete(deferred.io);
        count += 1;
    }
    count
}

/// Cancels all deferred writes, and those to come.
///
/// IRQL: `<= DISPATCH_LEVEL`, when the last handle is closed.
pub(crate) fn cancel_all(sink: &SinkFile) {
    sink.deferred.close();
    while let Some((request, deferred)) = sink.deferred.take_first(0..=HELD) {
        sink.remove_cancelled();
        request.complete(cancelled(deferred.io));
    }
}

/// A cancelled write was accepted all the same: the byte count says how much of it.
const fn cancelled(io: IoStatus) -> IoStatus {
    IoStatus {
        status: NtStatus::CANCELLED,
        information: io.information,
    }
}

/// Sets the timer for the write that is due first. Called under the lock of the list, so that of two threads
/// the one that knows the later list sets it last.
fn arm(file: &FileObject, lowest: u64) {
    if lowest != HELD
        && let Some(sink) = file.context::<SinkFile>()
    {
        sink.timer.start(file, lowest.saturating_sub(now_100ns()));
    }
}

impl Holder for Deferrer {
    type Entry = Deferred;

    fn held(file: &FileObject) -> Option<&HeldRequests<Deferred>> {
        file.context::<SinkFile>().map(|sink| &sink.deferred)
    }

    fn cancelled(file: &FileObject, request: Request, entry: Option<Deferred>) {
        if let Some(sink) = file.context::<SinkFile>() {
            sink.remove_cancelled();
        }
        request.complete(entry.map_or(IoStatus::failed(NtStatus::CANCELLED), |deferred| {
            cancelled(deferred.io)
        }));
    }
}

impl TimerEvents for Deferrer {
    fn expired(file: &FileObject) {
        let Some(sink) = file.context::<SinkFile>() else {
            return;
        };
        while let Some((request, deferred)) = sink.deferred.take_first(0..=now_100ns().min(HELD - 1)) {
            sink.remove_outstanding();
            request.complete(deferred.io);
        }
        sink.deferred.with_lowest_key(|lowest| {
            if let Some(lowest) = lowest {
                arm(file, lowest);
            }
        });
    }
}
