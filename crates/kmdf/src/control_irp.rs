//! Device control IRPs with `METHOD_BUFFERED`.
#![expect(unsafe_code, reason = "the buffers of an IRP are raw pointers")]

use core::slice;

use wdk_sys::IRP_MJ_DEVICE_CONTROL;

use crate::{
    IoStatus, NtStatus,
    irp::{HeldIrp, Major},
};

/// `IRP_MJ_DEVICE_CONTROL`.
pub struct Control;

impl Major for Control {
    #[expect(clippy::cast_possible_truncation, reason = "major functions are bytes")]
    const FUNCTION: u8 = IRP_MJ_DEVICE_CONTROL as u8;
}

/// An `IRP_MJ_DEVICE_CONTROL`, owned.
pub type ControlIrp = HeldIrp<Control>;

/// The method of a control code: its two lowest bits.
const METHOD_MASK: u32 = 3;

impl ControlIrp {
    /// `IoControlCode`.
    ///
    /// IRQL: any.
    pub fn code(&self) -> u32 {
        // SAFETY: the major function is `IRP_MJ_DEVICE_CONTROL`.
        unsafe { self.stack().Parameters.DeviceIoControl }.IoControlCode
    }

    /// The input, all of it. It is in a system buffer, which nobody changes.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_DEVICE_REQUEST`: the code is not one with `METHOD_BUFFERED`.
    pub fn input(&self) -> Result<&[u8], NtStatus> {
        // SAFETY: the major function is `IRP_MJ_DEVICE_CONTROL`.
        let parameters = unsafe { self.stack().Parameters.DeviceIoControl };
        if parameters.IoControlCode & METHOD_MASK != 0 {
            return Err(NtStatus::INVALID_DEVICE_REQUEST);
        }
        let start = self.system_buffer();
        if start.is_null() || parameters.InputBufferLength == 0 {
            return Ok(&[]);
        }
        // SAFETY: with this method the I/O manager allocates a buffer that is as long as the longer of input
        // and output, and copies the input there; it stays until the IRP is completed. It is written to
        // in `complete_with` alone, which takes the IRP.
        Ok(unsafe { slice::from_raw_parts(start, parameters.InputBufferLength as usize) })
    }

    /// `OutputBufferLength`.
    ///
    /// IRQL: any.
    pub fn output_length(&self) -> usize {
        // SAFETY: the major function is `IRP_MJ_DEVICE_CONTROL`.
        unsafe { self.stack().Parameters.DeviceIoControl }.OutputBufferLength as usize
    }

    /// Completes with `STATUS_SUCCESS` and this output, or with `STATUS_BUFFER_TOO_SMALL` if there is no room.
    /// Returns the status.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn complete_with(self, output: &[u8]) -> NtStatus {
        let start = self.system_buffer();
        if self.output_length() < output.len() || (start.is_null() && !output.is_empty()) {
            return self.complete(IoStatus::failed(NtStatus::BUFFER_TOO_SMALL));
        }
        // SAFETY: the buffer has as many bytes, see `input`; nobody borrows it, because `self` is consumed.
        unsafe { start.copy_from_nonoverlapping(output.as_ptr(), output.len()) };
        self.complete(IoStatus {
            status: NtStatus::SUCCESS,
            information: output.len(),
        })
    }

    fn system_buffer(&self) -> *mut u8 {
        // SAFETY: by the invariant the IRP is ours.
        let field = unsafe { &raw const (*self.as_ptr()).AssociatedIrp.SystemBuffer };
        // SAFETY: an IRP that was given to a driver has a system buffer or NULL here.
        unsafe { field.read() }.cast()
    }
}
