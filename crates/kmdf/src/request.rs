//! I/O requests.
#![expect(unsafe_code, reason = "handles and buffers of the framework are raw pointers")]

use core::{mem::ManuallyDrop, ptr, ptr::NonNull, slice};

use wdk_sys::{
    PVOID, WDF_REQUEST_PARAMETERS, WDFMEMORY, WDFOBJECT, WDFREQUEST,
    call_unsafe_wdf_function_binding as unsafe_wdf,
};

use crate::{
    Device, FileObject, IoStatus, NtStatus, Object, Reference, SharedBytes, SharedBytesMut, context_type,
    irp::{Marks, marks},
    object::sealed::Sealed,
    status::check,
    trace,
};

/// `WDFREQUEST`, owned.
///
/// A request is in one of these hands:
///
/// * the driver's: there is one value of this type. [`complete`](Self::complete) and
///   [`enqueue`](Self::enqueue) give it away.
/// * the framework's: queued or complete.
/// * that of a [`HeldRequests`](crate::held::HeldRequests): until it is taken from there or cancelled.
///
/// Dropping one completes it with `STATUS_UNSUCCESSFUL`: forgetting a request would hang its program.
///
/// # Invariants
///
/// The handle is of a request that was presented to this driver and is not complete, and no other value
/// has it.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/wdf/framework-request-objects>
#[must_use = "a request that is dropped fails"]
pub struct Request(WDFREQUEST);

// SAFETY: the framework's objects may be used from any thread.
unsafe impl Send for Request {}
// SAFETY: as above.
unsafe impl Sync for Request {}

impl Sealed for Request {}

impl Object for Request {
    fn as_object(&self) -> WDFOBJECT {
        self.0.cast()
    }
}

/// The part of a read's or write's parameters that says what and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferParameters {
    /// Bytes.
    pub length: usize,
    /// `Key` of the stack location.
    pub key: u32,
    /// Byte offset, with the special negative values as the caller gave them.
    pub offset: i64,
}

impl Request {
    /// Takes over a request.
    ///
    /// # Safety
    ///
    /// The framework, or an earlier [`into_raw`](Self::into_raw), hands this request over.
    pub const unsafe fn from_raw(raw: WDFREQUEST) -> Self {
        Self(raw)
    }

    /// Gives the ownership away, into the hands of the caller.
    pub fn into_raw(self) -> WDFREQUEST {
        ManuallyDrop::new(self).0
    }

    /// The handle.
    pub const fn as_raw(&self) -> WDFREQUEST {
        self.0
    }

    /// `WdfRequestCompleteWithInformation`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestcompletewithinformation>
    pub fn complete(self, io: IoStatus) {
        let raw = self.into_raw();
        // SAFETY: by the invariant the request is the driver's, and `into_raw` took it from this value.
        unsafe {
            unsafe_wdf!(
                WdfRequestCompleteWithInformation,
                raw,
                io.status.0,
                io.information as u64
            );
        }
    }

    /// Completes with an error and no bytes.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn fail(self, status: NtStatus) {
        self.complete(IoStatus::failed(status));
    }

    /// `WdfDeviceEnqueueRequest`: into the device's queues, from
    /// [`InCallerContext`](crate::device::InCallerContext).
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceenqueuerequest>
    ///
    /// # Errors
    ///
    /// The request and why it was not queued, for example `STATUS_WDF_BUSY`.
    pub fn enqueue(self, device: &Device) -> Result<(), (Self, NtStatus)> {
        let raw = self.into_raw();
        // SAFETY: both handles are live. On success the framework has the request.
        match check(unsafe { unsafe_wdf!(WdfDeviceEnqueueRequest, device.as_raw(), raw) }) {
            Ok(()) => Ok(()),
            // SAFETY: a request that was not queued is still the driver's.
            Err(status) => Err((unsafe { Self::from_raw(raw) }, status)),
        }
    }

    /// `WdfRequestGetFileObject`: the open that the request came through.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestgetfileobject>
    pub fn file(&self) -> Option<&FileObject> {
        // SAFETY: by the invariant the handle is live.
        let file = unsafe { unsafe_wdf!(WdfRequestGetFileObject, self.0) };
        // SAFETY: a file object outlives its requests.
        unsafe { FileObject::from_raw(file) }
    }

    /// As [`file`](Self::file), without borrowing the request.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn file_reference(&self) -> Option<Reference<FileObject>> {
        self.file().map(Reference::new)
    }

    /// `WdfRequestWdmGetIrp`: the IRP, which lives until the request is complete.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestwdmgetirp>
    pub fn irp(&self) -> Option<NonNull<wdk_sys::IRP>> {
        // SAFETY: by the invariant the handle is live.
        NonNull::new(unsafe { unsafe_wdf!(WdfRequestWdmGetIrp, self.0) })
    }

    /// The flags of its IRP.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn marks(&self) -> Option<Marks> {
        let irp = self.irp()?;
        // SAFETY: a request that the driver has was given to it as this IRP, which lives as long.
        Some(unsafe { marks(irp.as_ptr()) })
    }

    /// `WdfRequestGetParameters` of a read or a write; `None` for another type of request.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestgetparameters>
    pub fn transfer(&self) -> Option<(Direction, TransferParameters)> {
        let mut raw = WDF_REQUEST_PARAMETERS {
            Size: PARAMETERS_SIZE,
            ..WDF_REQUEST_PARAMETERS::default()
        };
        // SAFETY: the handle is live, and the structure is valid for the call.
        unsafe { unsafe_wdf!(WdfRequestGetParameters, self.0, &raw mut raw) };
        let direction = match raw.Type {
            wdk_sys::_WDF_REQUEST_TYPE::WdfRequestTypeRead => Direction::Read,
            wdk_sys::_WDF_REQUEST_TYPE::WdfRequestTypeWrite => Direction::Write,
            _ => return None,
        };
        // SAFETY: reads and writes have the same three fields at the same places (see `layout`), and all bit
        // patterns of them are values.
        let parameters = unsafe { raw.Parameters.Write };
        let parameters = TransferParameters {
            length: parameters.Length,
            key: parameters.Key,
            offset: parameters.DeviceOffset,
        };
        Some((direction, parameters))
    }

    /// The data of a write: buffered, direct, or locked before by
    /// [`lock_caller_input`](Self::lock_caller_input).
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveinputbuffer>
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_DEVICE_REQUEST` if this is no write with such a buffer,
    /// `STATUS_INSUFFICIENT_RESOURCES` if its pages cannot be mapped.
    pub fn write_data(&self) -> Result<SharedBytes<'_>, NtStatus> {
        if self.transfer_length(Direction::Write)? == 0 {
            return Ok(SharedBytes::EMPTY);
        }
        let (buffer, length) = match self.locked_buffer() {
            Some(locked) => locked,
            None => self.retrieve_input(1)?,
        };
        // SAFETY: the buffer is there and mapped until the request is complete, which takes `self`.
        Ok(unsafe { SharedBytes::new(buffer.as_ptr().cast_const(), length) })
    }

    /// The room for the data of a read: buffered, direct, or locked before by
    /// [`lock_caller_output`](Self::lock_caller_output).
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveoutputbuffer>
    ///
    /// # Errors
    ///
    /// As [`write_data`](Self::write_data).
    pub fn read_room(&mut self) -> Result<SharedBytesMut<'_>, NtStatus> {
        if self.transfer_length(Direction::Read)? == 0 {
            return Ok(SharedBytesMut::EMPTY);
        }
        let (buffer, length) = match self.locked_buffer() {
            Some(locked) => locked,
            None => self.retrieve_output(1)?,
        };
        // SAFETY: as in `write_data`, and `self` is borrowed mutably for as long.
        Ok(unsafe { SharedBytesMut::new(buffer.as_ptr(), length) })
    }

    /// The input of a `METHOD_BUFFERED` device control request, all of it.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL`: there is none.
    pub fn control_input(&self) -> Result<&[u8], NtStatus> {
        let (buffer, length) = self.retrieve_input(1)?;
        // SAFETY: the I/O manager's own buffer, which nobody changes, until the request is complete. The
        // output is in the same buffer, and is only reached through `&mut self`.
        Ok(unsafe { slice::from_raw_parts(buffer.as_ptr(), length) })
    }

    /// The room for the output of a `METHOD_BUFFERED` device control request, all of it. It overlaps the
    /// input.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL`: there is none.
    pub fn control_output(&mut self) -> Result<&mut [u8], NtStatus> {
        let (buffer, length) = self.retrieve_output(1)?;
        // SAFETY: as in `control_input`, and `self` is borrowed mutably for as long.
        Ok(unsafe { slice::from_raw_parts_mut(buffer.as_ptr(), length) })
    }

    /// Probes and locks the program's buffer of a write to a device that takes
    /// [`IoType::Neither`](crate::device::IoType::Neither). Afterwards [`write_data`](Self::write_data) finds
    /// it, in any thread.
    ///
    /// IRQL: `<= APC_LEVEL`, in [`InCallerContext`](crate::device::InCallerContext).
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestprobeandlockuserbufferforread>
    ///
    /// # Errors
    ///
    /// `STATUS_ACCESS_VIOLATION` for a bad address, `STATUS_INSUFFICIENT_RESOURCES`, ...
    pub fn lock_caller_input(&self) -> Result<(), NtStatus> {
        let mut buffer: PVOID = ptr::null_mut();
        let mut length = 0;
        // SAFETY: the handle is live, and the places to fill are valid for the call.
        check(unsafe {
            unsafe_wdf!(
                WdfRequestRetrieveUnsafeUserInputBuffer,
                self.0,
                1,
                &raw mut buffer,
                &raw mut length
            )
        })?;
        let mut memory: WDFMEMORY = ptr::null_mut();
        // SAFETY: the framework probes the address under an exception handler.
        check(unsafe {
            unsafe_wdf!(
                WdfRequestProbeAndLockUserBufferForRead,
                self.0,
                buffer,
                length,
                &raw mut memory
            )
        })?;
        self.set_context(CallerBuffer(memory)).map(|_| ())
    }

    /// As [`lock_caller_input`](Self::lock_caller_input), of a read.
    ///
    /// IRQL: `<= APC_LEVEL`, in [`InCallerContext`](crate::device::InCallerContext).
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestprobeandlockuserbufferforwrite>
    ///
    /// # Errors
    ///
    /// As there.
    pub fn lock_caller_output(&self) -> Result<(), NtStatus> {
        let mut buffer: PVOID = ptr::null_mut();
        let mut length = 0;
        // SAFETY: the handle is live, and the places to fill are valid for the call.
        check(unsafe {
            unsafe_wdf!(
                WdfRequestRetrieveUnsafeUserOutputBuffer,
                self.0,
                1,
                &raw mut buffer,
                &raw mut length
            )
        })?;
        let mut memory: WDFMEMORY = ptr::null_mut();
        // SAFETY: the framework probes the address under an exception handler.
        check(unsafe {
            unsafe_wdf!(
                WdfRequestProbeAndLockUserBufferForWrite,
                self.0,
                buffer,
                length,
                &raw mut memory
            )
        })?;
        self.set_context(CallerBuffer(memory)).map(|_| ())
    }

    /// The length of a transfer in this direction.
    fn transfer_length(&self, wanted: Direction) -> Result<usize, NtStatus> {
        match self.transfer() {
            Some((direction, parameters)) if direction == wanted => Ok(parameters.length),
            _ => Err(NtStatus::INVALID_DEVICE_REQUEST),
        }
    }

    /// The program's buffer, if it was locked, at its system address.
    fn locked_buffer(&self) -> Option<(NonNull<u8>, usize)> {
        let memory = self.context::<CallerBuffer>()?.0;
        let mut length = 0;
        // SAFETY: the memory object belongs to the request, which is live.
        let buffer = unsafe { unsafe_wdf!(WdfMemoryGetBuffer, memory, &raw mut length) };
        Some((NonNull::new(buffer.cast())?, length))
    }

    fn retrieve_input(&self, least: usize) -> Result<(NonNull<u8>, usize), NtStatus> {
        let mut buffer: PVOID = ptr::null_mut();
        let mut length = 0;
        // SAFETY: the handle is live, and the places to fill are valid for the call.
        check(unsafe {
            unsafe_wdf!(
                WdfRequestRetrieveInputBuffer,
                self.0,
                least,
                &raw mut buffer,
                &raw mut length
            )
        })?;
        Ok((
            NonNull::new(buffer.cast()).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?,
            length,
        ))
    }

    fn retrieve_output(&self, least: usize) -> Result<(NonNull<u8>, usize), NtStatus> {
        let mut buffer: PVOID = ptr::null_mut();
        let mut length = 0;
        // SAFETY: the handle is live, and the places to fill are valid for the call.
        check(unsafe {
            unsafe_wdf!(
                WdfRequestRetrieveOutputBuffer,
                self.0,
                least,
                &raw mut buffer,
                &raw mut length
            )
        })?;
        Ok((
            NonNull::new(buffer.cast()).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?,
            length,
        ))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        trace::message(c"kmdf: a request was dropped without being completed");
        // SAFETY: by the invariant the request is the driver's, and this value is gone after this.
        unsafe { unsafe_wdf!(WdfRequestComplete, self.0, NtStatus::UNSUCCESSFUL.0) }
    }
}

/// Which way the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device to the program.
    Read,
    /// From the program to the device.
    Write,
}

#[expect(clippy::cast_possible_truncation, reason = "40 bytes, asserted in `layout`")]
const PARAMETERS_SIZE: u16 = size_of::<WDF_REQUEST_PARAMETERS>() as u16;

/// Context of the requests of a device with [`InCallerContext`](crate::device::InCallerContext): the
/// program's buffer, locked.
pub(crate) struct CallerBuffer(WDFMEMORY);

// SAFETY: the framework's objects may be used from any thread.
unsafe impl Send for CallerBuffer {}
// SAFETY: as above.
unsafe impl Sync for CallerBuffer {}

context_type!(CallerBuffer);
