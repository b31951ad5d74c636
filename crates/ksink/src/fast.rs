//! `FastIoWrite`.

use core::sync::atomic::{AtomicU32, Ordering};

use kmdf::{
    IoStatus, NtStatus, Object,
    fast_io::{FastIo, FastIoTable, FastWrite},
};
use ksink_state::Path;
use kswrite_wire::sink::FastMode;

use crate::file::{Accepted, SinkFile};

/// The driver's fast-I/O table. It is the driver's, not a device's: all three devices have it.
pub(crate) static TABLE: FastIoTable<SinkFast> = FastIoTable::new();

/// File objects whose script wants the slot empty.
static EMPTY_CLAIMS: AtomicU32 = AtomicU32::new(0);

/// The fast-I/O routines of this driver.
pub(crate) struct SinkFast;

impl FastIo for SinkFast {
    fn table() -> &'static FastIoTable<Self> {
        &TABLE
    }

    fn write(call: &FastWrite<'_, Self>) -> Option<IoStatus> {
        let sink = call.wdf_file()?.context::<SinkFile>()?;
        let mut accepted = if call.wait {
            sink.accepted.lock()
        } else {
            sink.accepted.try_lock()?
        };
        accepted.intake.note_fast(call.key, call.wait);
        let script = accepted.intake.script();
        match script.fast {
            FastMode::Accept => accept(&mut accepted, call),
            // A caller may have read the slot before it was emptied.
            FastMode::Decline | FastMode::Absent => None,
            FastMode::OtherStatus => Some(IoStatus::failed(NtStatus(script.fast_status))),
        }
    }
}

/// Takes all of a write or nothing: the bytes are copied aside first, because any of them may be missing. What
/// cannot be taken is declined, and the IRP says why.
fn accept(accepted: &mut Accepted, call: &FastWrite<'_, SinkFast>) -> Option<IoStatus> {
    let (intake, staging) = accepted.with_staging(call.length as usize).ok()?;
    call.copy_out(0, staging).ok()?;
    let mut admission = intake.begin(Path::Fast, call.offset, call.length).ok()?;
    intake.absorb(&mut admission, staging);
    Some(intake.commit(admission).io)
}

/// While there is one of these, the slot is empty.
pub(crate) struct SlotClaim(());

impl SlotClaim {
    /// Empties the slot.
    pub(crate) fn new() -> Self {
        EMPTY_CLAIMS.fetch_add(1, Ordering::SeqCst);
        follow_claims();
        Self(())
    }
}

impl Drop for SlotClaim {
    fn drop(&mut self) {
        EMPTY_CLAIMS.fetch_sub(1, Ordering::SeqCst);
        follow_claims();
    }
}

/// Makes the slot what the number of claims says. Whoever stores last into the slot looks at the number after
/// that, so the slot ends up right whatever the order.
fn follow_claims() {
    let mut claims = EMPTY_CLAIMS.load(Ordering::SeqCst);
    loop {
        TABLE.set_write_present(claims == 0);
        let now = EMPTY_CLAIMS.load(Ordering::SeqCst);
        if (now == 0) == (claims == 0) {
            return;
        }
        claims = now;
    }
}
