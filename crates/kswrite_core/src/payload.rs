//! How the bytes reach a device by IRP.

use crate::{BufferMethod, Carrier, Data, Kernel, NtStatus, ProcessorMode, WriteCall, defect};

/// The buffer fields of a write IRP, with what the IRP must give back when it is done.
pub enum Payload<K: Kernel> {
    /// All fields NULL: a zero-length write to a buffered or direct device.
    Empty(BufferMethod),
    /// `AssociatedIrp.SystemBuffer`, which the caller of the write owns.
    BorrowedSystem(K::Address),
    /// `AssociatedIrp.SystemBuffer`, freed with the IRP.
    System(K::SystemBuffer),
    /// `MdlAddress`, freed with the IRP.
    Mdl(K::Mdl),
    /// `UserBuffer`.
    User(K::Address),
}

/// `IRP_BUFFERED_IO`.
const IRP_BUFFERED_IO: u32 = 0x10;
/// `IRP_DEALLOCATE_BUFFER`.
const IRP_DEALLOCATE_BUFFER: u32 = 0x20;

impl<K: Kernel> Payload<K> {
    /// Which field carries the bytes.
    pub const fn carrier(&self) -> Carrier {
        match self {
            Self::Empty(_) => Carrier::Nothing,
            Self::BorrowedSystem(_) => Carrier::BorrowedSystemBuffer,
            Self::System(_) => Carrier::SystemBuffer,
            Self::Mdl(_) => Carrier::Mdl,
            Self::User(_) => Carrier::UserBuffer,
        }
    }

    /// What this payload adds to `Irp->Flags` of an IRP that the I/O manager completes: it frees a buffer that
    /// was made for the write.
    #[must_use]
    pub const fn managed_irp_flags(&self) -> u32 {
        match self {
            Self::System(_) => IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER,
            _ => self.owned_irp_flags(),
        }
    }

    /// What this payload adds to `Irp->Flags` of an IRP that the driver completes, which frees what it made.
    #[must_use]
    pub const fn owned_irp_flags(&self) -> u32 {
        match self {
            Self::System(_) | Self::BorrowedSystem(_) | Self::Empty(BufferMethod::Buffered) => {
                IRP_BUFFERED_IO
            }
            Self::Empty(_) | Self::Mdl(_) | Self::User(_) => 0,
        }
    }
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
        method if call.length == 0 && !defect!("ro-14") => Ok(Payload::Empty(method)),
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
            #[cfg(feature = "ro-13")]
            return kernel
                .capture_unguarded(address, call.length)
                .map(Payload::System);
            #[cfg(not(feature = "ro-13"))]
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
            kernel.probe_and_lock(address, call.length, lock_mode(call.mode))
        }
    }
    .map(Payload::Mdl)
}

fn lock_mode(requestor: ProcessorMode) -> ProcessorMode {
    if defect!("ro-11") {
        return ProcessorMode::Kernel;
    }
    requestor
}

/// Refuses a raw address that cannot be what a user-mode requestor means, before anything is allocated.
fn check_raw<K: Kernel>(kernel: &K, call: &WriteCall<K>, address: K::Address) -> Result<(), NtStatus> {
    if call.mode == ProcessorMode::User
        && !(call.may_page && call.in_requestor_context && kernel.is_user_range(address, call.length))
    {
        return Err(NtStatus::ACCESS_VIOLATION);
    }
    Ok(())
}
