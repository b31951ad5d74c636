//! What hangs on an open of a sink.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use kmdf::{
    Device, FileEvents, FileObject, IoStatus, NtStatus, Object, Request, context_type, held::HeldRequests,
    sync::WaitLock, timer::Timer,
};
use ksink_state::Intake;
use kswrite_wire::sink::State;

use crate::{
    fast::SlotClaim,
    pending::{self, Deferred, Deferrer},
};

/// The context of a file object.
pub(crate) struct SinkFile {
    /// Orders the writes.
    pub(crate) accepted: WaitLock<Accepted>,
    /// Writes that complete later.
    pub(crate) deferred: HeldRequests<Deferred>,
    /// Fires when the next pended write is due.
    pub(crate) timer: Timer,
    /// Writes that came as IRPs and are to complete later.
    outstanding: AtomicU32,
    /// Writes cancelled meanwhile.
    cancelled: AtomicU64,
}

context_type!(SinkFile);

/// What the lock guards.
pub(crate) struct Accepted {
    /// Script, counts, digests and window.
    pub(crate) intake: Intake,
    /// There while the script empties the fast-I/O slot.
    pub(crate) empty_slot: Option<SlotClaim>,
    /// Where bytes are copied to before anything is computed from them.
    staging: Vec<u8>,
}

/// Bytes of staging that are kept for the next write.
const KEPT_STAGING: usize = 1 << 20;

impl Accepted {
    /// The intake, and `length` bytes of staging.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub(crate) fn with_staging(&mut self, length: usize) -> Result<(&mut Intake, &mut [u8]), NtStatus> {
        if self.staging.len() > KEPT_STAGING && length <= KEPT_STAGING {
            self.staging = Vec::new();
        }
        let missing = length.saturating_sub(self.staging.len());
        self.staging
            .try_reserve_exact(missing)
            .map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
        if missing > 0 {
            self.staging.resize(length, 0);
        }
        let staging = self
            .staging
            .get_mut(..length)
            .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        Ok((&mut self.intake, staging))
    }
}

impl SinkFile {
    fn new(file: &FileObject) -> Result<Self, NtStatus> {
        Ok(Self {
            accepted: WaitLock::new(Accepted {
                intake: Intake::new(),
                empty_slot: None,
                staging: Vec::new(),
            })?,
            deferred: HeldRequests::new()?,
            timer: Timer::create::<Deferrer>(file)?,
            outstanding: AtomicU32::new(0),
            cancelled: AtomicU64::new(0),
        })
    }

    /// Everything that a program is told.
    pub(crate) fn state(&self) -> State {
        let state = self.accepted.lock().intake.state();
        State {
            cancelled: self.cancelled.load(Ordering::Relaxed),
            outstanding: self.outstanding(),
            ..state
        }
    }

    /// Writes that are to complete later.
    pub(crate) fn outstanding(&self) -> u32 {
        self.outstanding.load(Ordering::Acquire)
    }

    /// A write is going to complete later. Called under the lock, so that a reset under the lock sees it.
    pub(crate) fn add_outstanding(&self) {
        self.outstanding.fetch_add(1, Ordering::AcqRel);
    }

    /// Such a write is about to be completed.
    pub(crate) fn remove_outstanding(&self) {
        self.outstanding.fetch_sub(1, Ordering::AcqRel);
    }

    /// Such a write is about to be completed as cancelled.
    pub(crate) fn remove_cancelled(&self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
        self.remove_outstanding();
    }

    /// Forgets what was counted here.
    pub(crate) fn reset_cancelled(&self) {
        self.cancelled.store(0, Ordering::Relaxed);
    }
}

/// The opens of a sink.
pub(crate) struct FileHandler;

impl FileEvents for FileHandler {
    const HANDLES_CREATE: bool = true;

    fn create(_device: &Device, request: Request, file: &FileObject) {
        match SinkFile::new(file).and_then(|sink| file.set_context(sink).map(|_| ())) {
            Ok(()) => request.complete(IoStatus {
                status: NtStatus::SUCCESS,
                information: 0,
            }),
            Err(status) => request.fail(status),
        }
    }

    /// Nothing may be left that would keep the file object from being closed.
    fn cleanup(file: &FileObject) {
        if let Some(sink) = file.context::<SinkFile>() {
            pending::cancel_all(sink);
            sink.timer.stop(file);
            sink.accepted.lock().empty_slot = None;
        }
    }
}
