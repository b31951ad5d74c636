//! The fast-I/O attempt.
//!
//! A fast-I/O routine is given a bare address and no mode. It, and the cache manager below it, go by the
//! previous mode of the thread instead. So the attempt is forbidden in exactly one case: a user-mode
//! requestor's address in a thread whose previous mode is kernel would be believed.

use crate::{Data, IoStatus, Kernel, NtStatus, ProcessorMode, WriteCall, defect};

/// Bytes of a `FAST_IO_DISPATCH` up to and with its `FastIoWrite` slot, on a 64-bit system: the size field
/// and its padding, then `FastIoCheckIfPossible`, `FastIoRead`, `FastIoWrite`.
pub const TABLE_SIZE_WITH_WRITE: u32 = 32;

/// Why no fast-I/O routine was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The requestor mode is user and the previous mode is kernel.
    Mode,
    /// The thread may not touch pageable memory, which a fast routine does.
    Irql,
    /// The request is for paging, or says that the data is to go past the cache. A fast routine goes by the
    /// flags of the file object and cannot see that.
    Uncached,
    /// The address is a user's and means nothing in this thread, or is not in the user half: a routine that
    /// believes it would read another program's memory, or the kernel's.
    Context,
    /// The pages have no address that a fast routine could be given at no cost.
    NoAddress,
    /// The file object is missing; a fast routine cannot do without.
    NoFile,
    /// A completion packet is due, and an IRP cannot fail to become one.
    Packet,
    /// An argument makes no sense; nothing was attempted.
    BadParameter,
    /// The write was cancelled before it began.
    Cancelled,
    /// Whoever set the device up wants no attempts.
    Policy,
    /// The driver has no fast-I/O table.
    NoTable,
    /// The table ends before the slot.
    ShortTable,
    /// The slot is NULL.
    EmptySlot,
}

/// What came of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The write is done.
    Done(IoStatus),
    /// No routine was called.
    Skipped(Skip),
    /// The routine returned FALSE.
    Declined,
    /// The routine returned TRUE with another status than `STATUS_SUCCESS`. As in NtWriteFile this does not
    /// count as done, and the IRP decides.
    NotSuccess(NtStatus),
    /// The routine raised an exception.
    Faulted(NtStatus),
}

impl Outcome {
    /// The exception that is the result of the write: the requestor's own address could not be read. Captured
    /// data cannot fault on the requestor's account; then the routine itself failed, and the IRP decides.
    #[inline]
    pub(crate) fn final_fault<K: Kernel>(self, call: &WriteCall<K>) -> Option<NtStatus> {
        match (self, call.data) {
            (Self::Faulted(code), Data::Raw(_)) => Some(code),
            _ => None,
        }
    }
}

/// Attempts the write by the fast-I/O routine of the device.
#[expect(
    clippy::inline_always,
    reason = "its outcome is taken apart at once; out of line it is built in memory"
)]
#[inline(always)]
pub fn attempt<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Outcome {
    let (routine, address) = match gate(kernel, call) {
        Ok(pair) => pair,
        Err(skip) => return Outcome::Skipped(skip),
    };
    let answer = call_routine(kernel, routine, call, address);
    match answer {
        Ok(Some(io)) if defect!("ro-04") && io.status.is_success() => Outcome::Done(IoStatus {
            status: NtStatus::SUCCESS,
            ..io
        }),
        Ok(Some(io)) if io.status == NtStatus::SUCCESS => Outcome::Done(io),
        Ok(Some(io)) => Outcome::NotSuccess(io.status),
        Ok(None) => Outcome::Declined,
        Err(code) => Outcome::Faulted(code),
    }
}

#[inline]
fn call_routine<K: Kernel>(
    kernel: &K,
    routine: K::FastWrite,
    call: &WriteCall<K>,
    address: K::Address,
) -> Result<Option<IoStatus>, NtStatus> {
    #[cfg(feature = "ro-05")]
    return kernel.fast_write_aliasing(routine, call, address);
    #[cfg(not(feature = "ro-05"))]
    kernel.fast_write(routine, call, address)
}

/// The routine to call and the address to give it.
#[inline]
fn gate<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Result<(K::FastWrite, K::Address), Skip> {
    let routine = routine(kernel, call.device)?;
    if call.file.is_none() {
        return Err(Skip::NoFile);
    }
    if !call.may_page {
        return Err(Skip::Irql);
    }
    if call.bypasses_cache {
        return Err(Skip::Uncached);
    }
    if !mode_allows(kernel, call.mode) {
        return Err(Skip::Mode);
    }
    Ok((routine, address(kernel, call)?))
}

/// The routine believes the previous mode, so a user's address must not come with a kernel's word.
#[inline]
fn mode_allows<K: Kernel>(kernel: &K, requestor: ProcessorMode) -> bool {
    if defect!("ro-02") {
        return requestor == ProcessorMode::Kernel && kernel.previous_mode() == ProcessorMode::Kernel;
    }
    requestor == ProcessorMode::Kernel || kernel.previous_mode() == ProcessorMode::User
}

/// The `FastIoWrite` routine of a device.
///
/// # Errors
///
/// The table is missing, too short, or its slot is empty.
#[inline]
pub fn routine<K: Kernel>(kernel: &K, device: K::Device) -> Result<K::FastWrite, Skip> {
    if defect!("ro-01") {
        return kernel.fast_write_slot(device).ok_or(Skip::EmptySlot);
    }
    match kernel.fast_table_size(device) {
        None => Err(Skip::NoTable),
        Some(size) if size < TABLE_SIZE_WITH_WRITE => Err(Skip::ShortTable),
        Some(_) => kernel.fast_write_slot(device).ok_or(Skip::EmptySlot),
    }
}

#[inline]
fn address<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Result<K::Address, Skip> {
    match (call.data, call.mode) {
        (Data::System(address), _) | (Data::Raw(address), ProcessorMode::Kernel) => Ok(address),
        (Data::Raw(address) | Data::Locked { address, .. }, ProcessorMode::User) => {
            // The routine may believe a user's address as NtWriteFile has probed it: nobody else does. Of no
            // bytes there is nothing to believe.
            let means_something =
                call.in_requestor_context && (call.length == 0 || kernel.is_user_range(address, call.length));
            if means_something {
                Ok(address)
            } else {
                Err(Skip::Context)
            }
        }
        // A kernel requestor's MDL may describe pages of any address space; mapping them just for this
        // attempt would cost more than the attempt can save.
        (Data::Locked { mdl, .. }, ProcessorMode::Kernel) => {
            kernel.mapped_address(mdl).ok_or(Skip::NoAddress)
        }
    }
}
