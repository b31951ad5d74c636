//! Writes that the driver completes itself.
//!
//! The driver allocates the IRP, and its completion routine takes it back
//! (`STATUS_MORE_PROCESSING_REQUIRED`), so the I/O manager never sees its end. A filter needs this, because it
//! holds its caller's request until the write is over; and a write to a file object can be done so too, with
//! a cancel token or as one of a batch.
//!
//! ```text
//! fast attempt ── done ──────────────────────────────► complete
//!     └ no ── payload ── no memory, bad address ─────► refuse
//!                └ allocate the IRP ── no memory ────► refuse
//!     arm cancel ── cancelled already ───────────────► refuse
//!     send                                     on_complete ┐
//!     pending, waited for, or over at once     on_cancel ──┴ the last of the three ► complete
//! ```

use crate::{
    CancelOutcome, Completion, Decision, Ended, FileObjects, FileWrite, Handoff, IoStatus, Kernel, NtStatus,
    Patience, Statistics, WriteCall, defect,
    fast::{Outcome, Skip},
    payload::{self, Payload},
};

/// What a write is done for: a filter's caller, or a write to a file object. Owned; it is consumed by
/// completing or refusing it.
pub trait Request<K: Kernel>: Sized {
    /// A request whose write was given an IRP.
    type Sent: SentWrite<K, Request = Self>;

    /// Allocates the IRP, fills it, and sets its completion routine. `decision` holds what is decided so far.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, with the request; the payload is released.
    fn begin(
        self,
        kernel: &K,
        call: &WriteCall<K>,
        payload: Payload<K>,
        decision: Decision,
    ) -> Result<Self::Sent, (Self, NtStatus)>;

    /// Whether the write was cancelled before it began. Then it is refused before anything is attempted. A
    /// filter leaves this to [`arm_cancel`](SentWrite::arm_cancel), as the I/O manager does.
    fn is_cancelled(&self, kernel: &K) -> bool {
        let _ = kernel;
        false
    }

    /// Nothing was sent. Returns the status, for the caller.
    fn refuse(self, kernel: &K, status: NtStatus, decision: Decision) -> NtStatus;

    /// The write is over. Returns the status for the caller; it is not used when the caller was told
    /// `STATUS_PENDING` before.
    fn complete(self, kernel: &K, ended: Ended) -> NtStatus;
}

/// A write that was given an IRP. A handle: what it stands for is freed by [`finish`](Self::finish), and only
/// the last party calls that.
pub trait SentWrite<K: Kernel>: Clone {
    /// What the write is done for.
    type Request: Request<K, Sent = Self>;

    /// The handoff of this write.
    fn handoff(&self) -> &Handoff;

    /// Makes the write cancellable. FALSE: it was cancelled before, and [`on_cancel`] will not be called.
    fn arm_cancel(&self, kernel: &K) -> bool;

    /// Takes that back. FALSE: [`on_cancel`] runs, or is about to.
    fn disarm_cancel(&self, kernel: &K) -> bool;

    /// `IoCallDriver`. From here the IRP is the device's.
    fn send(&self, kernel: &K, device: K::Device) -> NtStatus;

    /// `IoCancelIrp`.
    fn cancel_lower(&self, kernel: &K);

    /// The caller is told `STATUS_PENDING`. A filter marks its caller's IRP.
    fn mark_pending(&self, kernel: &K);

    /// The final status of the IRP.
    fn lower_status(&self, kernel: &K) -> IoStatus;

    /// Frees the IRP and its payload, and gives the request back.
    fn finish(self, kernel: &K) -> Self::Request;

    /// How the submitting thread waits for the end. `None`: it does not. The answer is the same for the whole
    /// life of the write.
    fn patience(&self) -> Option<Patience> {
        None
    }

    /// Waits until [`wake`](Self::wake). `STATUS_SUCCESS`, or what ended the wait: `STATUS_ALERTED`,
    /// `STATUS_USER_APC`, `STATUS_TIMEOUT`. The wait object lives in non-paged memory until the write is
    /// finished. Not called without [`patience`](Self::patience).
    fn wait(&self, kernel: &K, patience: Patience) -> NtStatus {
        let _ = (kernel, patience);
        NtStatus::SUCCESS
    }

    /// Ends the wait. Not called without [`patience`](Self::patience).
    fn wake(&self, kernel: &K) {
        let _ = kernel;
    }
}

/// Writes to a file object with an IRP of the driver's own. `request` must have been made for this write; its
/// [`complete`](Request::complete) calls [`FileWrite::report`], and its [`patience`](SentWrite::patience) is
/// [`FileWrite::patience`].
///
/// Returns the final status, or `STATUS_PENDING` if the file object is asynchronous and the write goes on.
///
/// The I/O manager does not see such a write, so the counters of the process and the system do not either.
///
/// IRQL: `PASSIVE_LEVEL`, in the context of the buffer.
///
/// # Status
///
/// `STATUS_INVALID_PARAMETER` for an event with a synchronous file object or a negative offset; nothing is
/// touched then. `STATUS_CANCELLED` if the token was cancelled before. `STATUS_INSUFFICIENT_RESOURCES`. The
/// exception that access to the buffer raised. Otherwise what the device says.
pub fn write<K: FileObjects, R: Request<K>>(
    kernel: &K,
    statistics: &Statistics,
    write: &FileWrite<K>,
    request: R,
) -> NtStatus {
    let (mut call, flags) = match write.capture(kernel) {
        Ok(captured) => captured,
        Err(status) => {
            let decision = Decision::new(Outcome::Skipped(Skip::BadParameter));
            return request.refuse(kernel, status, decision);
        }
    };
    if let Some(event) = write.event {
        kernel.clear_event(event);
    }
    if request.is_cancelled(kernel) {
        let mut decision = Decision::new(Outcome::Skipped(Skip::Cancelled));
        decision.cancel = CancelOutcome::BeforeSend;
        return request.refuse(kernel, NtStatus::CANCELLED, decision);
    }
    let outcome = write.attempt(kernel, flags, &call);
    statistics.attempted(outcome);
    let by_irp = !matches!(outcome, Outcome::Done(_)) && outcome.final_fault(&call).is_none();
    if by_irp {
        kernel.clear_file_event(write.file);
        call.prepare_irp(kernel, flags);
    }
    let launched = launch(kernel, statistics, &call, request, outcome);
    if let Some(io) = launched.io {
        write.advance(kernel, flags, call.offset, io);
    }
    launched.status
}

/// What the submitting thread knows when it is done.
pub(crate) struct Launched {
    /// For its caller.
    pub(crate) status: NtStatus,
    /// How the write ended, if it did so in this thread.
    io: Option<IoStatus>,
}

impl Launched {
    const PENDING: Self = Self {
        status: NtStatus::PENDING,
        io: None,
    };
}

/// Goes on after the fast attempt: completes what it did, or sends an IRP.
pub(crate) fn launch<K: Kernel, R: Request<K>>(
    kernel: &K,
    statistics: &Statistics,
    call: &WriteCall<K>,
    request: R,
    outcome: Outcome,
) -> Launched {
    let mut decision = Decision::new(outcome);
    if let Outcome::Done(io) = outcome {
        let ended = Ended {
            io,
            completion: Completion::Fast,
            cancel: CancelOutcome::NotAsked,
        };
        let status = request.complete(kernel, ended);
        let io = Some(io);
        return Launched { status, io };
    }
    if let Some(status) = outcome.final_fault(call) {
        return refuse(kernel, statistics, request, status, decision);
    }
    let payload = match payload::prepare(kernel, call) {
        Ok(payload) => payload,
        Err(status) => return refuse(kernel, statistics, request, status, decision),
    };
    decision.carrier = Some(payload.carrier());
    let sent = match request.begin(kernel, call, payload, decision) {
        Ok(sent) => sent,
        Err((request, status)) => return refuse(kernel, statistics, request, status, decision),
    };
    if !sent.arm_cancel(kernel) {
        decision.cancel = CancelOutcome::BeforeSend;
        let request = sent.finish(kernel);
        return refuse(kernel, statistics, request, NtStatus::CANCELLED, decision);
    }
    statistics.sending();
    let returned = sent.send(kernel, call.device);
    settle(kernel, statistics, sent, returned)
}

fn refuse<K: Kernel, R: Request<K>>(
    kernel: &K,
    statistics: &Statistics,
    request: R,
    status: NtStatus,
    decision: Decision,
) -> Launched {
    statistics.rejected();
    let status = request.refuse(kernel, status, decision);
    Launched { status, io: None }
}

/// The submitting thread, after the device returned.
fn settle<K: Kernel, S: SentWrite<K>>(
    kernel: &K,
    statistics: &Statistics,
    sent: S,
    returned: NtStatus,
) -> Launched {
    if let Some(patience) = sent.patience() {
        return wait_until_over(kernel, statistics, sent, returned, patience);
    }
    // Only the returned status decides whether the write is pending: the IRP is not ours to look at.
    if returned != NtStatus::PENDING && sent.handoff().is_last() {
        statistics.inline();
        return conclude(kernel, statistics, sent, Completion::Inline { returned });
    }
    // Marked before leaving: the completion may finish the request as soon as this thread has left.
    sent.mark_pending(kernel);
    statistics.pended();
    if sent.handoff().leave().was_last() {
        let _caller_was_told_pending = conclude(kernel, statistics, sent, Completion::Pended);
    }
    Launched::PENDING
}

/// The submitting thread does not leave before the others have, so it is the one that concludes, and until
/// then it may cancel. It waits even for what seems over: the wake is the last that the others do.
fn wait_until_over<K: Kernel, S: SentWrite<K>>(
    kernel: &K,
    statistics: &Statistics,
    sent: S,
    returned: NtStatus,
    patience: Patience,
) -> Launched {
    if returned != NtStatus::PENDING {
        statistics.inline();
        let _over = sent.wait(kernel, Patience::UNTIL_OVER);
        return conclude(kernel, statistics, sent, Completion::Inline { returned });
    }
    statistics.pended();
    let woken = sent.wait(kernel, patience);
    if woken != NtStatus::SUCCESS && !defect!("ro-17") {
        sent.handoff().ask_cancel();
        sent.cancel_lower(kernel);
        let _over = sent.wait(kernel, Patience::UNTIL_OVER);
    }
    conclude(kernel, statistics, sent, Completion::Pended)
}

/// The completion routine of the IRP; afterwards it returns `STATUS_MORE_PROCESSING_REQUIRED`.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
pub fn on_complete<K: Kernel, S: SentWrite<K>>(kernel: &K, statistics: &Statistics, sent: S) {
    let disarmed = sent.disarm_cancel(kernel);
    leave(kernel, statistics, sent, disarmed);
}

/// Somebody cancels the write: the cancel routine of a filter's request, or a token.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context, with the cancel spin lock released.
pub fn on_cancel<K: Kernel, S: SentWrite<K>>(kernel: &K, statistics: &Statistics, sent: S) {
    sent.handoff().ask_cancel();
    sent.cancel_lower(kernel);
    leave(kernel, statistics, sent, false);
}

/// The completion or the cancel leaves.
fn leave<K: Kernel, S: SentWrite<K>>(kernel: &K, statistics: &Statistics, sent: S, with_cancel: bool) {
    // Asked before leaving: a thread that waits frees nothing before it is woken, one that does not may
    // free everything as soon as this party has left.
    let waited_for = sent.patience().is_some();
    let remaining = if with_cancel {
        sent.handoff().leave_with_cancel()
    } else {
        sent.handoff().leave()
    };
    if remaining.was_last() {
        let _caller_was_told_pending = conclude(kernel, statistics, sent, Completion::Pended);
    } else if waited_for && remaining == crate::Remaining::One {
        sent.wake(kernel);
    }
}

/// The last party: everything is given back, counted, and the request completed, in this order, because the
/// device may go as soon as the request is complete.
fn conclude<K: Kernel, S: SentWrite<K>>(
    kernel: &K,
    statistics: &Statistics,
    sent: S,
    completion: Completion,
) -> Launched {
    let io = sent.lower_status(kernel);
    let cancel = CancelOutcome::of_sent(sent.handoff(), io);
    let request = sent.finish(kernel);
    statistics.finished(io);
    let ended = Ended {
        io,
        completion,
        cancel,
    };
    let status = request.complete(kernel, ended);
    let io = Some(io);
    Launched { status, io }
}
