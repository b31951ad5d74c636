//! What a test keeps of a write that the driver completes itself.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use kswrite_core::{CancelToken, Decision, Ended, NtStatus, batch::Batch, owned};

use crate::{Cpu, EventId, Irql, OwnedSent, World};

/// What became of a write, and the right to cancel it.
#[derive(Clone, Default)]
pub struct WriteRecord(pub(crate) Rc<Record>);

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) token: CancelToken,
    pub(crate) sent: RefCell<Option<OwnedSent>>,
    pub(crate) decision: Cell<Option<Decision>>,
    pub(crate) refused: Cell<Option<NtStatus>>,
    pub(crate) ended: Cell<Option<Ended>>,
}

impl WriteRecord {
    /// What was decided until an IRP was allocated, or the write was refused. `None`: fast I/O did it, or nothing
    /// was decided yet.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        self.0.decision.get()
    }

    /// Why nothing was sent. `None`: it was, or fast I/O did it.
    #[must_use]
    pub fn refused(&self) -> Option<NtStatus> {
        self.0.refused.get()
    }

    /// How the write ended. `None`: it has not, or it was refused.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.0.ended.get()
    }

    /// Whether the write is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended().is_some() || self.refused().is_some()
    }

    /// Cancels the write, or keeps it from being sent. Returns whether it was under way.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn cancel(&self, cpu: &Cpu<'_>) -> bool {
        cpu.enter("cancel token", Irql::Dispatch, &[]);
        let goes_on = self.0.token.cancel();
        let sent = self.0.sent.borrow().clone();
        if let Some(sent) = sent.filter(|_| goes_on) {
            // Whoever won the token may be held up before it does anything.
            cpu.pause();
            let statistics = sent.statistics();
            owned::on_cancel(cpu, &statistics, sent);
        }
        goes_on
    }
}

/// Several writes with one event that is signalled when all of them are over.
#[derive(Clone)]
pub struct Drain {
    pub(crate) batch: Rc<Batch>,
    pub(crate) event: EventId,
}

impl Drain {
    /// The writes.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> EventId {
        self.event
    }
}

impl World {
    /// A batch, with an event of its own.
    #[must_use]
    pub fn drain(&self) -> Drain {
        Drain {
            batch: Rc::new(Batch::new()),
            event: self.event(),
        }
    }
}
