//! The buffers of a request.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/accessing-data-buffers-in-wdf-drivers>
#![expect(unsafe_code, reason = "writes the driver's results and follows the IRP's MDL")]

use alloc::sync::Arc;

use wdk_sys::{
    _LOCK_OPERATION, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE,
    LOCK_OPERATION, MDL_MAPPED_TO_SYSTEM_VA, MDL_SOURCE_IS_NONPAGED_POOL, NTSTATUS, PMDL, PVOID,
    PWDF_DRIVER_GLOBALS, STATUS_ACCESS_VIOLATION, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_USER_BUFFER, STATUS_SUCCESS, WDFMEMORY, WDFREQUEST,
};
use wine_nt::mdl::{self, Mdl};
use wine_nt::{report, sys};
use wine_state::buffers::Method;

use crate::attributes::Attributes;
use crate::device::Device;
use crate::object::{self, Body, Object};
use crate::request::{self, Memory, Request};

type Found<T> = Result<T, NTSTATUS>;

/// An address and its bytes.
type Buffer = (PVOID, usize);

/// Which way the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// To the driver.
    Input,
    /// From the driver.
    Output,
}

/// The method of the device for reads and writes.
fn device_method(request: &Request) -> Found<Method> {
    object::with::<Device, _>(request.device, "buffers", |_, device| device.method)
        .ok_or(STATUS_INVALID_DEVICE_REQUEST)
}

/// Bytes of the buffer in that direction, and its method.
fn shape(request: &Request, direction: Direction) -> Found<(usize, Method)> {
    let details = request.details();
    match (u32::from(details.major), direction) {
        (IRP_MJ_WRITE, Direction::Input) | (IRP_MJ_READ, Direction::Output) => {
            Ok((details.length, device_method(request)?))
        }
        (IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL, Direction::Input) => {
            let method = match Method::of_control_code(details.code) {
                Method::Neither => Method::Neither,
                // The input of a direct control comes in a system buffer.
                Method::Buffered | Method::Direct => Method::Buffered,
            };
            Ok((details.input, method))
        }
        (IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL, Direction::Output) => {
            Ok((details.output, Method::of_control_code(details.code)))
        }
        _ => Err(STATUS_INVALID_DEVICE_REQUEST),
    }
}

fn check_length(bytes: usize, least: usize) -> Found<()> {
    if bytes == 0 || bytes < least {
        return Err(STATUS_BUFFER_TOO_SMALL);
    }
    Ok(())
}

/// `MmGetSystemAddressForMdlSafe`.
fn system_address(mdl: PMDL) -> Found<PVOID> {
    // SAFETY: the MDL is that of a request's IRP, which is live.
    let Some(mdl) = (unsafe { Mdl::from_raw(mdl) }) else {
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    };
    if mdl.flags() & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL) != 0 {
        return Ok(mdl.mapped());
    }
    let address = mdl::map_pages(mdl);
    if address.is_null() {
        Err(STATUS_INSUFFICIENT_RESOURCES)
    } else {
        Ok(address)
    }
}

fn system_buffer(request: &Request, direction: Direction, least: usize) -> Found<Buffer> {
    let (bytes, method) = shape(request, direction)?;
    check_length(bytes, least)?;
    let fields = request.irp.buffers();
    let address = match method {
        Method::Buffered => fields.system_buffer,
        Method::Direct => system_address(fields.mdl)?,
        Method::Neither => return Err(STATUS_INVALID_DEVICE_REQUEST),
    };
    if address.is_null() {
        Err(STATUS_INVALID_DEVICE_REQUEST)
    } else {
        Ok((address, bytes))
    }
}

fn user_buffer(object: &Object, request: &Request, direction: Direction, least: usize) -> Found<Buffer> {
    let (bytes, method) = shape(request, direction)?;
    if method != Method::Neither {
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    if !request.is_in_caller_context() {
        let what = format_args!("a user buffer is asked for outside EvtIoInCallerContext");
        report::finding(object.client.name(), None, what);
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    check_length(bytes, least)?;
    let is_control = !matches!(u32::from(request.details().major), IRP_MJ_READ | IRP_MJ_WRITE);
    let address = if is_control && direction == Direction::Input {
        request.irp.current().type3_input()
    } else {
        request.irp.buffers().user_buffer
    };
    Ok((address, bytes))
}

/// Writes what was found where the driver wants it.
fn answer(found: Option<Found<Buffer>>, buffer: *mut PVOID, length: *mut usize) -> NTSTATUS {
    let (status, (address, bytes)) = match found {
        Some(Ok(found)) => (STATUS_SUCCESS, found),
        Some(Err(status)) => (status, (core::ptr::null_mut(), 0)),
        None => (STATUS_INVALID_DEVICE_REQUEST, (core::ptr::null_mut(), 0)),
    };
    // SAFETY: the driver passes a place for the address.
    unsafe { buffer.write(address) };
    // SAFETY: the driver passes NULL or a place for the length.
    if let Some(length) = unsafe { length.as_mut() } {
        *length = bytes;
    }
    status
}

/// `WdfRequestRetrieveInputBuffer`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveinputbuffer>
pub(crate) extern "C" fn retrieve_input(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    least: usize,
    buffer: *mut PVOID,
    length: *mut usize,
) -> NTSTATUS {
    let found = request::with_owned(request, "WdfRequestRetrieveInputBuffer", |_, request| {
        system_buffer(request, Direction::Input, least)
    });
    answer(found, buffer, length)
}

/// `WdfRequestRetrieveOutputBuffer`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveoutputbuffer>
pub(crate) extern "C" fn retrieve_output(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    least: usize,
    buffer: *mut PVOID,
    length: *mut usize,
) -> NTSTATUS {
    let found = request::with_owned(request, "WdfRequestRetrieveOutputBuffer", |_, request| {
        system_buffer(request, Direction::Output, least)
    });
    answer(found, buffer, length)
}

/// `WdfRequestRetrieveUnsafeUserInputBuffer`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveunsafeuserinputbuffer>
pub(crate) extern "C" fn retrieve_unsafe_input(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    least: usize,
    buffer: *mut PVOID,
    length: *mut usize,
) -> NTSTATUS {
    let found = request::with_owned(
        request,
        "WdfRequestRetrieveUnsafeUserInputBuffer",
        |object, request| user_buffer(object, request, Direction::Input, least),
    );
    answer(found, buffer, length)
}

/// `WdfRequestRetrieveUnsafeUserOutputBuffer`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveunsafeuseroutputbuffer>
pub(crate) extern "C" fn retrieve_unsafe_output(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    least: usize,
    buffer: *mut PVOID,
    length: *mut usize,
) -> NTSTATUS {
    let found = request::with_owned(
        request,
        "WdfRequestRetrieveUnsafeUserOutputBuffer",
        |object, request| user_buffer(object, request, Direction::Output, least),
    );
    answer(found, buffer, length)
}

/// `WdfRequestRetrieveInputWdmMdl`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestretrieveinputwdmmdl>
pub(crate) extern "C" fn retrieve_input_mdl(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    mdl: *mut PMDL,
) -> NTSTATUS {
    let found = request::with_owned(request, "WdfRequestRetrieveInputWdmMdl", |_, request| {
        input_mdl(request)
    });
    let (status, found) = match found {
        Some(Ok(found)) => (STATUS_SUCCESS, found),
        Some(Err(status)) => (status, core::ptr::null_mut()),
        None => (STATUS_INVALID_DEVICE_REQUEST, core::ptr::null_mut()),
    };
    // SAFETY: the driver passes a place for the MDL.
    unsafe { mdl.write(found) };
    status
}

fn input_mdl(request: &Request) -> Found<PMDL> {
    let (bytes, method) = shape(request, Direction::Input)?;
    check_length(bytes, 0)?;
    let fields = request.irp.buffers();
    match method {
        Method::Direct if fields.mdl.is_null() => Err(STATUS_INVALID_DEVICE_REQUEST),
        Method::Direct => Ok(fields.mdl),
        Method::Neither => Err(STATUS_INVALID_DEVICE_REQUEST),
        Method::Buffered => {
            let mut held = request.held().lock();
            if held.mdl != 0 {
                return Ok(core::ptr::with_exposed_provenance_mut(held.mdl));
            }
            let mdl = new_mdl(fields.system_buffer, bytes)?;
            // SAFETY: a valid MDL of the system buffer, which is nonpaged.
            unsafe { mdl::mm_build_mdl_for_non_paged_pool(mdl) };
            held.mdl = mdl.expose_provenance();
            Ok(mdl)
        }
    }
}

/// An MDL of the host's own: it is not counted against the driver.
fn new_mdl(address: PVOID, bytes: usize) -> Found<PMDL> {
    let bytes = u32::try_from(bytes).map_err(|_| STATUS_INVALID_DEVICE_REQUEST)?;
    // SAFETY: the range is recorded and not touched.
    let mdl = unsafe { sys::IoAllocateMdl(address, bytes, 0, 0, core::ptr::null_mut()) };
    if mdl.is_null() {
        Err(STATUS_INSUFFICIENT_RESOURCES)
    } else {
        Ok(mdl)
    }
}

fn lock_buffer(
    object: &Arc<Object>,
    request: &Request,
    address: PVOID,
    bytes: usize,
    operation: LOCK_OPERATION,
) -> Found<Arc<Object>> {
    if bytes == 0 {
        return Err(STATUS_INVALID_USER_BUFFER);
    }
    if !request.is_in_caller_context() {
        let what = format_args!("a user buffer is locked outside EvtIoInCallerContext");
        report::finding(object.client.name(), None, what);
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    let mdl = new_mdl(address, bytes)?;
    let made = lock_and_map(object, mdl, bytes, operation);
    match made {
        Ok(memory) => {
            request.held().lock().memories.push(memory.clone());
            Ok(memory)
        }
        Err(status) => {
            // SAFETY: allocated above, and in no one else's hands.
            unsafe { sys::IoFreeMdl(mdl) };
            Err(status)
        }
    }
}

fn lock_and_map(
    object: &Arc<Object>,
    mdl: PMDL,
    bytes: usize,
    operation: LOCK_OPERATION,
) -> Found<Arc<Object>> {
    // SAFETY: the MDL was just allocated.
    let locked = unsafe { Mdl::from_raw(mdl) }.is_some_and(|view| mdl::lock_pages(view, operation, None));
    if !locked {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    let mapped = system_address(mdl)?;
    let body = Body::Memory(Memory::new(mapped, bytes, mdl));
    object::create(&object.client, None, &Attributes::default(), body)
}

fn answer_memory(found: Option<Found<Arc<Object>>>, memory: *mut WDFMEMORY) -> NTSTATUS {
    match found {
        Some(Ok(found)) => {
            // SAFETY: the driver passes a place for the handle.
            unsafe { memory.write(found.as_handle()) };
            STATUS_SUCCESS
        }
        Some(Err(status)) => status,
        None => STATUS_INVALID_DEVICE_REQUEST,
    }
}

/// `WdfRequestProbeAndLockUserBufferForRead`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestprobeandlockuserbufferforread>
pub(crate) extern "C" fn lock_for_read(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    buffer: PVOID,
    length: usize,
    memory: *mut WDFMEMORY,
) -> NTSTATUS {
    let found = request::with_owned(
        request,
        "WdfRequestProbeAndLockUserBufferForRead",
        |object, request| lock_buffer(object, request, buffer, length, _LOCK_OPERATION::IoReadAccess),
    );
    answer_memory(found, memory)
}

/// `WdfRequestProbeAndLockUserBufferForWrite`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestprobeandlockuserbufferforwrite>
pub(crate) extern "C" fn lock_for_write(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    buffer: PVOID,
    length: usize,
    memory: *mut WDFMEMORY,
) -> NTSTATUS {
    let found = request::with_owned(
        request,
        "WdfRequestProbeAndLockUserBufferForWrite",
        |object, request| lock_buffer(object, request, buffer, length, _LOCK_OPERATION::IoWriteAccess),
    );
    answer_memory(found, memory)
}
