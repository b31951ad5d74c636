//! The fast-I/O attempt.
//!
//! A fast-I/O routine is given a bare address and no mode. It, and the cache manager below it, go by the
//! previous mode of the thread instead. So the attempt is forbidden in exactly one case: a user-mode
//! requestor's address in a thread whose previous mode is kernel would be believed.

use crate::{Data, IoStatus, Kernel, NtStatus, ProcessorMode, WriteCall};

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
    /// The address means nothing in this thread's address space.
    Context,
    /// The pages have no address that a fast routine could be given at no cost.
    NoAddress,
    /// The file object is missing; a fast routine cannot do without.
    NoFile,
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

/// Attempts the write by the fast-I/O routine of the device.
pub fn attempt<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Outcome {
    let (routine, address) = match gate(kernel, call) {
        Ok(pair) => pair,
        Err(skip) => return Outcome::Skipped(skip),
    };
    match kernel.fast_write(routine, call, address) {
        Ok(Some(io)) if io.status == NtStatus::SUCCESS => Outcome::Done(io),
        Ok(Some(io)) => Outcome::NotSuccess(io.status),
        Ok(None) => Outcome::Declined,
        Err(code) => Outcome::Faulted(code),
    }
}

/// The routine to call and the address to give it.
fn gate<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Result<(K::FastWrite, K::Address), Skip> {
    let routine = routine(kernel, call.device)?;
    if call.file.is_none() {
        return Err(Skip::NoFile);
    }
    if !call.may_page {
        return Err(Skip::Irql);
    }
    if call.is_uncached() {
        return Err(Skip::Uncached);
    }
    if call.mode == ProcessorMode::User && kernel.previous_mode() == ProcessorMode::Kernel {
        return Err(Skip::Mode);
    }
    Ok((routine, address(kernel, call)?))
}

/// The `FastIoWrite` routine of a device.
///
/// # Errors
///
/// The table is missing, too short, or its slot is empty.
pub fn routine<K: Kernel>(kernel: &K, device: K::Device) -> Result<K::FastWrite, Skip> {
    match kernel.fast_table_size(device) {
        None => Err(Skip::NoTable),
        Some(size) if size < TABLE_SIZE_WITH_WRITE => Err(Skip::ShortTable),
        Some(_) => kernel.fast_write_slot(device).ok_or(Skip::EmptySlot),
    }
}

fn address<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Result<K::Address, Skip> {
    match (call.data, call.mode) {
        (Data::System(address), _) | (Data::Raw(address), ProcessorMode::Kernel) => Ok(address),
        (Data::Raw(address) | Data::Locked { address, .. }, ProcessorMode::User) => {
            if call.in_requestor_context {
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
