//! How the bytes reach a device by IRP.

use crate::{BufferMethod, Data, Kernel, NtStatus, ProcessorMode, WriteCall};

/// The buffer fields of a write IRP, with what the IRP must give back when it is done.
pub enum Payload<K: Kernel> {
    /// All fields NULL: a zero-length write to a buffered or direct device.
    Empty,
    /// `AssociatedIrp.SystemBuffer`, which the caller of the write owns.
    BorrowedSystem(K::Address),
    /// `AssociatedIrp.SystemBuffer`, freed with the IRP.
    System(K::SystemBuffer),
    /// `MdlAddress`, freed with the IRP.
    Mdl(K::Mdl),
    /// `UserBuffer`.
    User(K::Address),
}

/// Makes the payload that the device of the call wants.
///
/// # Errors
///
/// The exception that the access raised, `STATUS_ACCESS_VIOLATION` for a user requestor's range outside the
/// user half, or `STATUS_INSUFFICIENT_RESOURCES`. Nothing is kept then.
pub fn prepare<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Result<Payload<K>, NtStatus> {
    match kernel.buffer_method(call.device) {
        // Validation of a raw address is the business of the driver that asked for it.
        BufferMethod::Neither => Ok(Payload::User(match call.data {
            Data::Raw(address) | Data::System(address) | Data::Locked { address, .. } => address,
        })),
        _ if call.length == 0 => Ok(Payload::Empty),
        BufferMethod::Buffered => buffered(kernel, call),
        BufferMethod::Direct => direct(kernel, call),
    }
}

fn buffered<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Result<Payload<K>, NtStatus> {
    match call.data {
        Data::System(address) => Ok(Payload::BorrowedSystem(address)),
        Data::Locked { mdl, .. } => kernel.map(mdl, call.length).map(Payload::BorrowedSystem),
        Data::Raw(address) => {
            check_raw(kernel, call, address)?;
            kernel.capture(address, call.length).map(Payload::System)
        }
    }
}

fn direct<K: Kernel>(kernel: &K, call: &WriteCall<K>) -> Result<Payload<K>, NtStatus> {
    match call.data {
        Data::Locked { mdl, .. } => kernel.partial_mdl(mdl, call.length),
        Data::System(address) => kernel.system_mdl(address, call.length),
        Data::Raw(address) => {
            check_raw(kernel, call, address)?;
            kernel.probe_and_lock(address, call.length, call.mode)
        }
    }
    .map(Payload::Mdl)
}

/// Refuses a raw address that cannot be what a user-mode requestor means, before anything is allocated.
fn check_raw<K: Kernel>(kernel: &K, call: &WriteCall<K>, address: K::Address) -> Result<(), NtStatus> {
    if call.mode == ProcessorMode::User
        && !(call.in_requestor_context && kernel.is_user_range(address, call.length))
    {
        return Err(NtStatus::ACCESS_VIOLATION);
    }
    Ok(())
}
