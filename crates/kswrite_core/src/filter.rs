//! The life of a write in a filter driver.
//!
//! The filter owns its caller's request until it completes it. Below it, the write is either done by the
//! fast-I/O routine, or a new IRP carries it; that IRP never leaves the filter's hands: its completion
//! routine takes it back (`STATUS_MORE_PROCESSING_REQUIRED`), and the filter frees it.
//!
//! ```text
//! dispatch ── fast attempt ── done ──────────────────────────────► complete the request
//!     │           └ no ── payload ── no memory, bad address ─────► complete the request
//!     │                      └ allocate the IRP ── no memory ────► complete the request
//!     ├ arm cancel ── cancelled already ─────────────────────────► complete the request
//!     ├ send                                      on_complete ┐
//!     └ pending, or finished at once              on_cancel ──┴ the last of the three ► complete the request
//! ```

use crate::{
    Data, Handoff, IoStatus, Kernel, NtStatus, Statistics, WriteCall,
    fast::{self, Outcome},
    payload::{self, Payload},
};

/// What a filter needs beyond the [`Kernel`].
pub trait Filter: Kernel {
    /// The caller's request, owned. It is consumed by completing it.
    type Request;
    /// A request whose write was given a lower IRP. A handle: what it stands for is freed by
    /// [`finish`](Self::finish), and only the last party calls that.
    type Sent: Clone;

    /// Completes the request and returns the status, for the dispatch routine to return.
    fn complete(&self, request: Self::Request, io: IoStatus) -> NtStatus;

    /// Allocates the lower IRP, fills it, and sets its completion routine.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, with the request; the payload is released.
    fn begin(
        &self,
        request: Self::Request,
        call: &WriteCall<Self>,
        payload: Payload<Self>,
    ) -> Result<Self::Sent, (Self::Request, NtStatus)>;

    /// The handoff of this write.
    fn handoff<'a>(&self, sent: &'a Self::Sent) -> &'a Handoff;

    /// Sets the cancel routine of the request. FALSE: the request was cancelled before, and the cancel
    /// routine will not run.
    fn arm_cancel(&self, sent: &Self::Sent) -> bool;

    /// Clears the cancel routine. FALSE: it runs, or is about to.
    fn disarm_cancel(&self, sent: &Self::Sent) -> bool;

    /// `IoCallDriver`. From here the IRP is the lower device's.
    fn send(&self, sent: &Self::Sent, device: Self::Device) -> NtStatus;

    /// `IoCancelIrp` on the lower IRP.
    fn cancel_lower(&self, sent: &Self::Sent);

    /// `IoMarkIrpPending` on the request.
    fn mark_pending(&self, sent: &Self::Sent);

    /// The final status of the lower IRP.
    fn lower_status(&self, sent: &Self::Sent) -> IoStatus;

    /// Frees the lower IRP and its payload, and gives the request back.
    fn finish(&self, sent: Self::Sent) -> Self::Request;
}

/// Writes, and returns what the dispatch routine returns.
///
/// IRQL: `<= DISPATCH_LEVEL`, in the context in which the request came.
pub fn dispatch<F: Filter>(
    kernel: &F,
    statistics: &Statistics,
    call: &WriteCall<F>,
    request: F::Request,
) -> NtStatus {
    let outcome = fast::attempt(kernel, call);
    statistics.attempted(outcome);
    match (outcome, call.data) {
        (Outcome::Done(io), _) => return kernel.complete(request, io),
        // The requestor's own address could not be read. Captured data cannot fault on its account: then
        // the routine itself failed, and the IRP decides.
        (Outcome::Faulted(code), Data::Raw(_)) => return reject(kernel, statistics, request, code),
        _ => {}
    }
    let payload = match payload::prepare(kernel, call) {
        Ok(payload) => payload,
        Err(status) => return reject(kernel, statistics, request, status),
    };
    let sent = match kernel.begin(request, call, payload) {
        Ok(sent) => sent,
        Err((request, status)) => return reject(kernel, statistics, request, status),
    };
    if !kernel.arm_cancel(&sent) {
        let request = kernel.finish(sent);
        return reject(kernel, statistics, request, NtStatus::CANCELLED);
    }
    statistics.sending();
    let returned = kernel.send(&sent, call.device);
    settle(kernel, statistics, sent, returned)
}

fn reject<F: Filter>(kernel: &F, statistics: &Statistics, request: F::Request, status: NtStatus) -> NtStatus {
    statistics.rejected();
    kernel.complete(request, IoStatus::failed(status))
}

/// The dispatching thread, after the device returned.
fn settle<F: Filter>(kernel: &F, statistics: &Statistics, sent: F::Sent, returned: NtStatus) -> NtStatus {
    // Only the returned status decides whether the write is pending: the IRP is not ours to look at.
    if returned != NtStatus::PENDING && kernel.handoff(&sent).is_last() {
        statistics.inline();
        return conclude(kernel, statistics, sent);
    }
    // Marked before leaving: the completion may finish the request as soon as this thread has left.
    kernel.mark_pending(&sent);
    statistics.pended();
    if kernel.handoff(&sent).leave() {
        let _completed_as_pending = conclude(kernel, statistics, sent);
    }
    NtStatus::PENDING
}

/// The completion routine of the lower IRP; afterwards it returns `STATUS_MORE_PROCESSING_REQUIRED`.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context.
pub fn on_complete<F: Filter>(kernel: &F, statistics: &Statistics, sent: F::Sent) {
    let last = if kernel.disarm_cancel(&sent) {
        kernel.handoff(&sent).leave_with_cancel()
    } else {
        kernel.handoff(&sent).leave()
    };
    if last {
        let _completed_as_pending = conclude(kernel, statistics, sent);
    }
}

/// The cancel routine of the request.
///
/// IRQL: `<= DISPATCH_LEVEL`, in any context, with the cancel spin lock released.
pub fn on_cancel<F: Filter>(kernel: &F, statistics: &Statistics, sent: F::Sent) {
    kernel.cancel_lower(&sent);
    if kernel.handoff(&sent).leave() {
        let _completed_as_pending = conclude(kernel, statistics, sent);
    }
}

/// The last party: everything is given back, counted, and the request completed, in this order, because the
/// device may go as soon as the request is complete.
fn conclude<F: Filter>(kernel: &F, statistics: &Statistics, sent: F::Sent) -> NtStatus {
    let io = kernel.lower_status(&sent);
    let request = kernel.finish(sent);
    statistics.finished(io);
    kernel.complete(request, io)
}
