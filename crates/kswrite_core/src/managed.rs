//! Writes that the I/O manager completes: KsWriteFile.
//!
//! The IRP belongs to the thread that submits it, and its end is the I/O manager's work: it writes the status
//! block, signals the event, queues the packet, drops the references, frees the IRP, and cancels it if the
//! thread exits first. After the IRP was sent, nothing of it is touched here.

use crate::{
    CancelOutcome, Completion, Data, Decision, FileFlags, FileObjects, FileWrite, IoStatus, NtStatus,
    Patience, ProcessorMode, Statistics, WriteCall, defect,
    fast::{Outcome, Skip},
    payload::{self, Payload},
};

/// IRPs that belong to a thread.
pub trait ThreadIrps: FileObjects {
    /// An IRP that was not sent. Dropping it frees it with its payload.
    type Irp;
    /// An IRP that was sent: a name to cancel it by, which may be that of nothing any more.
    type Queued: Copy;

    /// Allocates an IRP with the stack size of the device of the call, and fills its header and its first
    /// stack location from the call and the write. What the payload owns, the I/O manager frees. `event` is the
    /// `UserEvent`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; the payload is released.
    fn allocate_irp(
        &self,
        write: &FileWrite<Self>,
        call: &WriteCall<Self>,
        event: Option<Self::Event>,
        payload: Payload<Self>,
    ) -> Result<Self::Irp, NtStatus>;

    /// Takes the reference on the file object that the end of an IRP drops.
    fn reference_file(&self, file: Self::File);

    /// Takes the reference on the event that the end of an IRP drops.
    fn reference_event(&self, event: Self::Event);

    /// Puts the IRP on the list of the current thread, and calls `IoCallDriver`. Returns what that returned.
    fn queue_and_send(&self, irp: Self::Irp, device: Self::Device) -> (NtStatus, Self::Queued);

    /// Performs the last stage of an IRP that was complete when the device returned. Called if
    /// [`completes_deferred`](FileObjects::completes_deferred), and never for `STATUS_PENDING`.
    fn complete_deferred(&self, irp: Self::Queued);

    /// `KeWaitForSingleObject` on `FILE_OBJECT.Event`. `STATUS_SUCCESS`, or what ended the wait:
    /// `STATUS_ALERTED`, `STATUS_USER_APC`, `STATUS_TIMEOUT`.
    fn wait_for_file(&self, file: Self::File, patience: Patience) -> NtStatus;

    /// `IoCancelIrp`, unless the event of the file object tells that the IRP is over. The check and the cancel
    /// are done with APCs held off (at `APC_LEVEL`), so that the last stage of the IRP, which frees it, cannot
    /// come between them.
    fn cancel_unless_over(&self, file: Self::File, irp: Self::Queued);

    /// `FILE_OBJECT.FinalStatus`.
    fn final_status(&self, file: Self::File) -> NtStatus;

    /// An event on the stack of the caller, which is no object of the object manager.
    #[cfg(feature = "defects")]
    fn stack_event(&self) -> Self::Event;

    /// Waits for such an event.
    #[cfg(feature = "defects")]
    fn wait_for_event(&self, event: Self::Event, patience: Patience) -> NtStatus;
}

/// What came of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Submitted {
    /// What KsWriteFile returns.
    pub status: NtStatus,
    /// What was decided. A pended write has [`Completion::Pended`] here, whatever becomes of it.
    pub decision: Decision,
}

/// KsWriteFile: its eight parameters, after the kernel and the counters.
///
/// | parameter | meaning |
/// |---|---|
/// | `file_object` | the file object; its related device is the target |
/// | `event` | an event of the object manager that is signalled at the end; `None` for a synchronous file object, or if the caller waits for the event of the file object |
/// | `port_context` | the context of the completion packet; `None`: no packet |
/// | `io_status_block` | where the status goes; trusted whatever the mode; must stay until the write is over |
/// | `buffer` | the bytes; probed, and locked or copied as the device wants, in `requestor_mode` |
/// | `length` | bytes to write; 0 is a write too |
/// | `key` | the byte-lock key, 0 for none |
/// | `requestor_mode` | whose address the buffer is |
///
/// The write starts at the `CurrentByteOffset` of the file object, and does not move it. The caller serialises
/// the writes to a synchronous file object; no lock is taken here.
///
/// Returns the final status of a synchronous write; otherwise what the device returned, or
/// `STATUS_PENDING`. An error that is returned at once leaves the status block and the port alone, and the
/// event clear.
///
/// IRQL: `PASSIVE_LEVEL`, with special kernel APCs enabled, in the context of the buffer.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/ks/nf-ks-kswritefile>
#[expect(clippy::too_many_arguments, reason = "the signature of the routine")]
pub fn ks_write_file<K: ThreadIrps>(
    kernel: &K,
    statistics: &Statistics,
    file_object: K::File,
    event: Option<K::Event>,
    port_context: Option<K::PortContext>,
    io_status_block: K::StatusBlock,
    buffer: K::Address,
    length: u32,
    key: u32,
    requestor_mode: ProcessorMode,
) -> NtStatus {
    let request = FileWrite::new(
        file_object,
        event,
        port_context,
        io_status_block,
        buffer,
        length,
        key,
        requestor_mode,
    );
    write(kernel, statistics, &request).status
}

/// The same with everything that KsWriteFile has no parameter for: see [`FileWrite`].
///
/// # Status
///
/// `STATUS_INVALID_PARAMETER` for an event with a synchronous file object or a negative offset; nothing is
/// touched then. `STATUS_NOT_SUPPORTED` for bytes that are not at a raw address: the I/O manager unlocks the
/// pages and frees the buffer of an IRP that it completes, so it cannot be lent the caller's; use
/// [`owned::write`](crate::owned::write). `STATUS_INSUFFICIENT_RESOURCES`. The exception that access to the
/// buffer raised. Otherwise what the device says.
///
/// IRQL: as [`ks_write_file`].
#[inline]
pub fn write<K: ThreadIrps>(kernel: &K, statistics: &Statistics, write: &FileWrite<K>) -> Submitted {
    let refused = |status| Submitted {
        status,
        decision: Decision::new(Outcome::Skipped(Skip::BadParameter)),
    };
    if !matches!(write.data, Data::Raw(_)) {
        return refused(NtStatus::NOT_SUPPORTED);
    }
    let (mut call, flags) = match write.capture(kernel) {
        Ok(captured) => captured,
        Err(status) => return refused(status),
    };
    if let Some(event) = write.event {
        kernel.clear_event(event);
    }
    if defect!("ro-18") && write.is_outside(kernel) {
        return refused(NtStatus::ACCESS_VIOLATION);
    }
    let outcome = write.attempt(kernel, flags, &call);
    let mut decision = Decision::new(outcome);
    if !defect!("ro-06") {
        statistics.attempted(outcome);
    }
    let (status, io) = if let Outcome::Done(io) = outcome {
        if !defect!("ro-06") {
            kernel.count_operation();
            kernel.count_transfer(io.information);
        }
        decision.completion = Some(Completion::Fast);
        (write.report_fast(kernel, flags, io), Some(io))
    } else if let Some(code) = outcome.final_fault(&call) {
        statistics.rejected();
        (code, None)
    } else {
        call.prepare_irp(kernel, flags);
        let status = by_irp(kernel, statistics, write, &call, &mut decision);
        (status, reported(kernel, write, flags, status))
    };
    if let Some(io) = io {
        write.advance(kernel, flags, call.offset, io);
    }
    Submitted { status, decision }
}

/// What the I/O manager wrote to the status block of a write that is to move the position. A device may return
/// success for an IRP that it completed with an error; then the block was left alone, and the event of the file
/// object tells.
fn reported<K: ThreadIrps>(
    kernel: &K,
    write: &FileWrite<K>,
    flags: FileFlags,
    status: NtStatus,
) -> Option<IoStatus> {
    let written = write.advances(flags)
        && !status.is_error()
        && kernel.wait_for_file(write.file, Patience::NOT_AT_ALL) == NtStatus::SUCCESS;
    written.then(|| kernel.load_status(write.status_block))
}

/// Probes, allocates, sends, and waits if the file object is synchronous. Apart, so that fast I/O does not pay
/// for the registers that this needs.
#[inline(never)]
fn by_irp<K: ThreadIrps>(
    kernel: &K,
    statistics: &Statistics,
    write: &FileWrite<K>,
    call: &WriteCall<K>,
    decision: &mut Decision,
) -> NtStatus {
    if !defect!("ro-10") {
        kernel.clear_file_event(write.file);
    }
    let irp = match build(kernel, write, call, decision) {
        Ok(irp) => irp,
        Err(status) => {
            statistics.rejected();
            return if defect!("ro-12") {
                NtStatus::INSUFFICIENT_RESOURCES
            } else {
                status
            };
        }
    };
    if !defect!("ro-09") {
        kernel.reference_file(write.file);
        if let Some(event) = write.event {
            kernel.reference_event(event);
        }
    }
    if !defect!("ro-06") {
        kernel.count_operation();
        statistics.handing_over();
    }
    let (returned, queued) = kernel.queue_and_send(irp, call.device);
    if returned != NtStatus::PENDING {
        statistics.inline();
        decision.completion = Some(Completion::Inline { returned });
        if kernel.completes_deferred() {
            kernel.complete_deferred(queued);
        }
        return returned;
    }
    statistics.pended();
    decision.completion = Some(Completion::Pended);
    if call.may_wait {
        wait(kernel, write, queued, decision)
    } else {
        NtStatus::PENDING
    }
}

fn build<K: ThreadIrps>(
    kernel: &K,
    write: &FileWrite<K>,
    call: &WriteCall<K>,
    decision: &mut Decision,
) -> Result<K::Irp, NtStatus> {
    let payload = payload::prepare(kernel, call)?;
    decision.carrier = Some(payload.carrier());
    kernel.allocate_irp(write, call, user_event(kernel, write, call), payload)
}

#[cfg(not(feature = "defects"))]
fn user_event<K: ThreadIrps>(_kernel: &K, write: &FileWrite<K>, _call: &WriteCall<K>) -> Option<K::Event> {
    write.event
}

#[cfg(feature = "defects")]
fn user_event<K: ThreadIrps>(kernel: &K, write: &FileWrite<K>, call: &WriteCall<K>) -> Option<K::Event> {
    let on_the_stack = call.may_wait && defect!("ro-08") || !call.may_wait && defect!("ro-07");
    match write.event {
        None if on_the_stack => Some(kernel.stack_event()),
        event => event,
    }
}

/// The wait of a synchronous file object. If it is broken, the IRP is cancelled, and still waited for: until
/// it is over it owns the caller's memory.
fn wait<K: ThreadIrps>(
    kernel: &K,
    write: &FileWrite<K>,
    queued: K::Queued,
    decision: &mut Decision,
) -> NtStatus {
    let patience = write.patience(kernel.file_flags(write.file));
    #[cfg(feature = "defects")]
    if defect!("ro-16") || defect!("ro-17") {
        let in_kernel = Patience::UNTIL_OVER;
        let patience = if defect!("ro-17") { patience } else { in_kernel };
        let _ignored = kernel.wait_for_event(kernel.stack_event(), patience);
        return kernel.load_status(write.status_block).status;
    }
    let woken = kernel.wait_for_file(write.file, patience);
    if woken != NtStatus::SUCCESS {
        kernel.cancel_unless_over(write.file, queued);
        let _over = kernel.wait_for_file(write.file, Patience::UNTIL_OVER);
    }
    let status = kernel.final_status(write.file);
    decision.cancel = match (woken, status) {
        (NtStatus::SUCCESS, _) => CancelOutcome::NotAsked,
        (_, NtStatus::CANCELLED) => CancelOutcome::Cancelled,
        _ => CancelOutcome::TooLate,
    };
    status
}
