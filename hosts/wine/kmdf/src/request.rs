//! `WDFREQUEST`: from an IRP that arrived to its completion, exactly once.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/framework-request-objects>
#![expect(
    unsafe_code,
    reason = "calls the driver's callbacks and fills in its structures"
)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use wdk_sys::{
    _WDF_REQUEST_SEND_OPTIONS_FLAGS, _WDF_REQUEST_TYPE, BOOLEAN, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE, KPROCESSOR_MODE, NTSTATUS, PFILE_OBJECT, PIRP,
    PMDL, PVOID, PWDF_DRIVER_GLOBALS, PWDF_REQUEST_PARAMETERS, PWDF_REQUEST_SEND_OPTIONS,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_PENDING,
    STATUS_SUCCESS, ULONG_PTR, WDFDEVICE, WDFFILEOBJECT, WDFIOTARGET, WDFMEMORY, WDFQUEUE, WDFREQUEST,
};
use wine_nt::irp::Irp;
use wine_nt::lock::Lock;
use wine_nt::{report, sys};
use wine_state::sizes::Sized as Structure;

use crate::attributes;
use crate::client::Client;
use crate::device::Device;
use crate::object::{self, Body, Object};
use crate::queue::Queue;
use crate::{cancel, dispatch, file, status};

/// Whose a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// It waits in the queue of that handle.
    Queue(u64),
    /// The driver, which got it from the queue of that handle, or from none.
    Driver(u64),
    /// Nobody: it was completed, or sent and forgotten.
    Ended,
}

/// `WDFREQUEST`.
pub(crate) struct Request {
    /// The IRP.
    pub(crate) irp: Irp,
    /// Handle of the device that it came to.
    pub(crate) device: u64,
    file: PFILE_OBJECT,
    details: Details,
    owner: Lock<Owner>,
    /// Cancellation by the driver.
    pub(crate) cancel: Lock<cancel::Cancel>,
    /// The driver is in `EvtIoInCallerContext` with it.
    in_caller_context: AtomicBool,
    /// Memory objects and MDLs that end with it.
    held: Lock<Held>,
}

/// What ends with a request.
#[derive(Default)]
pub(crate) struct Held {
    /// Memory objects of locked user buffers.
    pub(crate) memories: Vec<Arc<Object>>,
    /// MDL of a system buffer.
    pub(crate) mdl: usize,
}

// SAFETY: the IRP is the request's until it is completed, and the rest is locked or does not change.
unsafe impl Send for Request {}
// SAFETY: as above.
unsafe impl Sync for Request {}

/// What an IRP asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Details {
    /// The major function.
    pub(crate) major: u8,
    /// Bytes of a read or write.
    pub(crate) length: usize,
    /// Output bytes of a control.
    pub(crate) output: usize,
    /// Input bytes of a control.
    pub(crate) input: usize,
    /// The control code.
    pub(crate) code: u32,
}

impl Details {
    fn of(irp: Irp) -> Self {
        let stack = irp.current();
        let major = stack.major();
        match u32::from(major) {
            IRP_MJ_READ | IRP_MJ_WRITE => Self {
                major,
                length: stack.transfer().0 as usize,
                ..Self::default()
            },
            IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
                let (code, input, output) = stack.control_parameters();
                Self {
                    major,
                    code,
                    input: input as usize,
                    output: output as usize,
                    ..Self::default()
                }
            }
            _ => Self {
                major,
                ..Self::default()
            },
        }
    }

    /// The most that `Information` may say of a success; `None` where nothing is known.
    fn most_information(&self, irp: Irp) -> Option<usize> {
        match u32::from(self.major) {
            IRP_MJ_READ | IRP_MJ_WRITE => Some(self.length),
            IRP_MJ_DEVICE_CONTROL if irp.requestor_mode() != 0 && self.output > 0 => Some(self.output),
            _ => None,
        }
    }
}

static OPEN: AtomicU32 = AtomicU32::new(0);

/// Requests that are not complete.
pub(crate) fn open() -> u32 {
    OPEN.load(Ordering::Relaxed)
}

/// `WDFMEMORY`: a locked user buffer.
pub(crate) struct Memory {
    address: PVOID,
    bytes: usize,
    mdl: PMDL,
}

// SAFETY: the buffer is locked while the object lives; drivers synchronise their use of it.
unsafe impl Send for Memory {}
// SAFETY: as above; nothing here changes.
unsafe impl Sync for Memory {}

impl Memory {
    /// A buffer with the MDL that locks it.
    pub(crate) const fn new(address: PVOID, bytes: usize, mdl: PMDL) -> Self {
        Self { address, bytes, mdl }
    }

    /// Unlocks and frees the MDL.
    pub(crate) fn release(&self) {
        // SAFETY: allocated by the host for this object, which is being deleted, once.
        unsafe { sys::IoFreeMdl(self.mdl) };
    }
}

/// Makes a request of an IRP. The driver owns it, out of no queue.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub(crate) fn make(object: &Arc<Object>, device: &Device, irp: Irp) -> Result<Arc<Object>, NTSTATUS> {
    let request = Request {
        irp,
        device: object.handle,
        file: irp.current().file_object(),
        details: Details::of(irp),
        owner: Lock::new(Owner::Driver(0)),
        cancel: Lock::new(cancel::Cancel::default()),
        in_caller_context: AtomicBool::new(false),
        held: Lock::new(Held::default()),
    };
    let attributes = &device.init.request_attributes;
    let made = object::create(&object.client, Some(object), attributes, Body::Request(request))?;
    OPEN.fetch_add(1, Ordering::Relaxed);
    Ok(made)
}

/// A read, write or control: to the driver's callback, to a queue, or down.
pub(crate) fn dispatch(object: &Arc<Object>, device: &Device, irp: Irp) -> NTSTATUS {
    let name = object.client.name();
    let queue = *device.default_queue.lock();
    let in_caller = device.init.in_caller_context;
    if in_caller.is_none() {
        if queue == 0 && !device.is_filter() {
            return irp.complete_with(name, STATUS_INVALID_DEVICE_REQUEST, 0);
        }
        if device.is_filter() && !queue_handles(queue, irp.current().major()) {
            return dispatch::forward(device, irp);
        }
    }
    let request = match make(object, device, irp) {
        Ok(request) => request,
        Err(status) => return irp.complete_with(name, status, 0),
    };
    irp.mark_pending();
    if let Some(callback) = in_caller {
        set_in_caller_context(&request, true);
        // SAFETY: the driver registered the callback; it owns the request now.
        unsafe { callback(object.as_handle(), request.as_handle()) };
        set_in_caller_context(&request, false);
    } else {
        to_queue(queue, &request);
    }
    STATUS_PENDING
}

fn queue_handles(queue: u64, major: u8) -> bool {
    queue != 0
        && object::with::<Queue, _>(queue, "dispatch", |_, queue| queue.handles(major)).unwrap_or(false)
}

fn to_queue(queue: u64, request: &Arc<Object>) {
    object::with::<Queue, _>(queue, "dispatch", |object, queue| queue.insert(object, request));
}

fn set_in_caller_context(object: &Object, value: bool) {
    if let Body::Request(request) = &object.body {
        request.in_caller_context.store(value, Ordering::Relaxed);
    }
}

/// What a request asks for.
pub(crate) fn details(object: &Object) -> Option<Details> {
    match &object.body {
        Body::Request(request) => Some(request.details),
        _ => None,
    }
}

/// The request waits in a queue from now on.
pub(crate) fn enter_queue(object: &Object, queue: u64) {
    if let Body::Request(request) = &object.body {
        *request.owner.lock() = Owner::Queue(queue);
    }
}

/// Takes a waiting request for the driver. `false` when it is being cancelled.
pub(crate) fn leave_queue(object: &Object, queue: u64) -> bool {
    let Body::Request(request) = &object.body else {
        return false;
    };
    if !cancel::disarm(request.irp) {
        return false;
    }
    *request.owner.lock() = Owner::Driver(queue);
    true
}

/// The cancellation of a waiting request won: the driver owns it, or nobody.
pub(crate) fn claim_cancelled(request: &Request) -> Option<u64> {
    let mut owner = request.owner.lock();
    let Owner::Queue(queue) = *owner else {
        return None;
    };
    *owner = Owner::Driver(queue);
    Some(queue)
}

impl Request {
    /// Whether it is of that file object.
    pub(crate) fn is_of(&self, file: PFILE_OBJECT) -> bool {
        self.file == file
    }

    /// What it asks for.
    pub(crate) const fn details(&self) -> &Details {
        &self.details
    }

    /// Whether the driver is in `EvtIoInCallerContext` with it.
    pub(crate) fn is_in_caller_context(&self) -> bool {
        self.in_caller_context.load(Ordering::Relaxed)
    }

    /// What ends with it.
    pub(crate) const fn held(&self) -> &Lock<Held> {
        &self.held
    }

    /// Whether the driver owns it; if not, that is reported.
    pub(crate) fn is_drivers(&self, client: &Client, function: &str, handle: u64) -> bool {
        let what = match *self.owner.lock() {
            Owner::Driver(_) => return true,
            Owner::Queue(_) => "waits in a queue",
            Owner::Ended => "is complete",
        };
        report::finding(
            client.name(),
            None,
            format_args!("{function}: WDFREQUEST {handle:#x} {what}"),
        );
        false
    }
}

/// Completes a request for the framework or the driver.
pub(crate) fn end(object: &Arc<Object>, status: NTSTATUS, information: u64) {
    let Body::Request(request) = &object.body else {
        return;
    };
    let client = object.client.clone();
    let before = core::mem::replace(&mut *request.owner.lock(), Owner::Ended);
    if before == Owner::Ended {
        let what = format_args!("double completion of WDFREQUEST {:#x}", object.handle);
        report::finding(client.name(), None, what);
        return;
    }
    cancel::check_ended(&client, object, request);
    let irp = request.irp;
    let most = request.details.most_information(irp);
    if let Some(most) = most.filter(|most| status >= 0 && information > *most as u64) {
        let what = format_args!(
            "WDFREQUEST {:#x} completed with {information} bytes, the caller's buffer has {most}",
            object.handle
        );
        report::finding(client.name(), None, what);
    }
    if status < 0 && u32::from(request.details.major) == IRP_MJ_CREATE {
        object::with::<Device, _>(request.device, "create", |_, device| {
            file::forget(device, request.file);
        });
    }
    release_held(request);
    // The cleanup callback still sees the IRP.
    object.delete();
    OPEN.fetch_sub(1, Ordering::Relaxed);
    irp.complete_with(client.name(), status::outside(status), information);
    if let Owner::Driver(queue) = before {
        give_back(queue, object.handle);
    }
}

fn give_back(queue: u64, request: u64) {
    if queue != 0 && object::find(queue).is_some() {
        object::with::<Queue, _>(queue, "completion", |object, queue| {
            queue.given_back(object, request);
        });
    }
}

fn release_held(request: &Request) {
    let held = core::mem::take(&mut *request.held.lock());
    for memory in held.memories {
        memory.delete();
    }
    if held.mdl != 0 {
        // SAFETY: allocated by the host for this request, and freed once.
        unsafe { sys::IoFreeMdl(core::ptr::with_exposed_provenance_mut(held.mdl)) };
    }
}

/// Calls `body` with a request that the driver owns.
pub(crate) fn with_owned<R>(
    request: WDFREQUEST,
    function: &str,
    body: impl FnOnce(&Arc<Object>, &Request) -> R,
) -> Option<R> {
    object::with::<Request, _>(object::number(request), function, |object, request| {
        request
            .is_drivers(&object.client, function, object.handle)
            .then(|| body(object, request))
    })
    .flatten()
}

/// `WdfRequestComplete`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestcomplete>
pub(crate) extern "C" fn complete(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST, status: NTSTATUS) {
    object::with::<Request, _>(
        object::number(request),
        "WdfRequestComplete",
        |object, request| {
            end(object, status, request.irp.information());
        },
    );
}

/// `WdfRequestCompleteWithInformation`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestcompletewithinformation>
pub(crate) extern "C" fn complete_with_information(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    status: NTSTATUS,
    information: ULONG_PTR,
) {
    const NAME: &str = "WdfRequestCompleteWithInformation";
    object::with::<Request, _>(object::number(request), NAME, |object, _| {
        end(object, status, information);
    });
}

/// `WdfRequestGetParameters`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestgetparameters>
pub(crate) extern "C" fn get_parameters(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    parameters: PWDF_REQUEST_PARAMETERS,
) {
    const NAME: &str = "WdfRequestGetParameters";
    with_owned(request, NAME, |object, request| {
        // SAFETY: the driver passes its structure.
        let out = unsafe { &mut *parameters };
        let size = u32::from(out.Size);
        if attributes::check_size(&object.client, NAME, Structure::RequestParameters, size).is_err() {
            return;
        }
        let stack = request.irp.current();
        out.MinorFunction = stack.minor();
        out.Type = request_type(stack.major());
        match u32::from(stack.major()) {
            IRP_MJ_READ | IRP_MJ_WRITE => {
                let (length, key, offset) = stack.transfer();
                // Read and Write have one layout.
                out.Parameters.Write.Length = length as usize;
                out.Parameters.Write.Key = key;
                out.Parameters.Write.DeviceOffset = offset;
            }
            IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
                let (code, input, output) = stack.control_parameters();
                out.Parameters.DeviceIoControl.OutputBufferLength = output as usize;
                out.Parameters.DeviceIoControl.InputBufferLength = input as usize;
                out.Parameters.DeviceIoControl.IoControlCode = code;
                out.Parameters.DeviceIoControl.Type3InputBuffer = stack.type3_input();
            }
            _ => {
                let [first, second, third, fourth] = stack.others();
                out.Parameters.Others.Arg1 = first;
                out.Parameters.Others.Arg2 = second;
                out.Parameters.Others.IoControlCode = third.addr() as u32;
                out.Parameters.Others.Arg4 = fourth;
            }
        }
    });
}

/// The type of a major function; they have the same numbers.
fn request_type(major: u8) -> _WDF_REQUEST_TYPE::Type {
    match u32::from(major) {
        IRP_MJ_CREATE => _WDF_REQUEST_TYPE::WdfRequestTypeCreate,
        IRP_MJ_READ => _WDF_REQUEST_TYPE::WdfRequestTypeRead,
        IRP_MJ_WRITE => _WDF_REQUEST_TYPE::WdfRequestTypeWrite,
        IRP_MJ_DEVICE_CONTROL => _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControl,
        IRP_MJ_INTERNAL_DEVICE_CONTROL => _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControlInternal,
        _ => _WDF_REQUEST_TYPE::WdfRequestTypeOther,
    }
}

/// `WdfRequestGetFileObject`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestgetfileobject>
pub(crate) extern "C" fn get_file(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> WDFFILEOBJECT {
    const NAME: &str = "WdfRequestGetFileObject";
    let found = object::with::<Request, _>(object::number(request), NAME, |_, request| {
        object::with::<Device, _>(request.device, NAME, |_, device| {
            file::of_wdm(device, request.file)
        })
    });
    core::ptr::without_provenance_mut(found.flatten().unwrap_or_default() as usize)
}

/// `WdfRequestGetRequestorMode`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestgetrequestormode>
pub(crate) extern "C" fn get_mode(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> KPROCESSOR_MODE {
    with_owned(request, "WdfRequestGetRequestorMode", |_, request| {
        request.irp.requestor_mode()
    })
    .unwrap_or_default()
}

/// `WdfRequestWdmGetIrp`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestwdmgetirp>
pub(crate) extern "C" fn get_irp(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> PIRP {
    with_owned(request, "WdfRequestWdmGetIrp", |_, request| request.irp.as_ptr())
        .unwrap_or(core::ptr::null_mut())
}

/// `WdfRequestForwardToIoQueue`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestforwardtoioqueue>
pub(crate) extern "C" fn forward(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    queue: WDFQUEUE,
) -> NTSTATUS {
    const NAME: &str = "WdfRequestForwardToIoQueue";
    with_owned(request, NAME, |object, request| {
        if cancel::is_armed(request) {
            let what = format_args!("{NAME}: WDFREQUEST {:#x} is marked cancelable", object.handle);
            report::finding(object.client.name(), None, what);
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let from = match *request.owner.lock() {
            Owner::Driver(from) => from,
            Owner::Queue(_) | Owner::Ended => return STATUS_INVALID_DEVICE_REQUEST,
        };
        let target = object::number(queue);
        if from == target {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let forwarded = object::with::<Queue, _>(target, NAME, |target, queue| {
            if queue.device != request.device {
                return STATUS_INVALID_DEVICE_REQUEST;
            }
            if queue.is_purged() {
                return status::BUSY;
            }
            queue.insert(target, object);
            STATUS_SUCCESS
        });
        if forwarded == Some(STATUS_SUCCESS) {
            give_back(from, object.handle);
        }
        forwarded.unwrap_or(STATUS_INVALID_PARAMETER)
    })
    .unwrap_or(STATUS_INVALID_DEVICE_REQUEST)
}

/// `WdfDeviceEnqueueRequest`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceenqueuerequest>
pub(crate) extern "C" fn enqueue(
    _globals: PWDF_DRIVER_GLOBALS,
    device: WDFDEVICE,
    request: WDFREQUEST,
) -> NTSTATUS {
    const NAME: &str = "WdfDeviceEnqueueRequest";
    with_owned(request, NAME, |object, request| {
        object::with::<Device, _>(object::number(device), NAME, |_, device| {
            if !request.is_in_caller_context() {
                let what = format_args!("{NAME} outside EvtIoInCallerContext");
                report::finding(object.client.name(), None, what);
                return STATUS_INVALID_DEVICE_REQUEST;
            }
            let queue = *device.default_queue.lock();
            if !queue_handles(queue, request.details.major) {
                if device.is_filter() {
                    send_and_forget(object, request, device);
                    return STATUS_SUCCESS;
                }
                if queue == 0 {
                    return STATUS_INVALID_DEVICE_REQUEST;
                }
            }
            // A queue's callback runs in any context, also when it is called from here.
            set_in_caller_context(object, false);
            to_queue(queue, object);
            STATUS_SUCCESS
        })
        .unwrap_or(STATUS_INVALID_PARAMETER)
    })
    .unwrap_or(STATUS_INVALID_DEVICE_REQUEST)
}

/// Sends a request down; it is nobody's from here.
fn send_and_forget(object: &Arc<Object>, request: &Request, device: &Device) {
    let before = core::mem::replace(&mut *request.owner.lock(), Owner::Ended);
    cancel::check_ended(&object.client, object, request);
    release_held(request);
    let irp = request.irp;
    object.delete();
    OPEN.fetch_sub(1, Ordering::Relaxed);
    dispatch::forward(device, irp);
    if let Owner::Driver(queue) = before {
        give_back(queue, object.handle);
    }
}

/// `WdfRequestFormatRequestUsingCurrentType`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestformatrequestusingcurrenttype>
pub(crate) extern "C" fn format_current(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) {
    with_owned(
        request,
        "WdfRequestFormatRequestUsingCurrentType",
        |_, request| {
            request.irp.copy_current_to_next();
        },
    );
}

/// `WdfRequestSend`, with `WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET` only: any other way of sending needs
/// completion routines, which this host does not emulate.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfrequest/nf-wdfrequest-wdfrequestsend>
pub(crate) extern "C" fn send(
    _globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    target: WDFIOTARGET,
    options: PWDF_REQUEST_SEND_OPTIONS,
) -> BOOLEAN {
    const NAME: &str = "WdfRequestSend";
    let sent = with_owned(request, NAME, |object, request| {
        // SAFETY: the driver passes NULL or its structure.
        let given = unsafe { options.as_ref() }.map(|options| (options.Size, options.Flags));
        let checked = given.map_or(Ok(()), |(size, _)| {
            attributes::check_size(&object.client, NAME, Structure::SendOptions, size)
        });
        let forget = _WDF_REQUEST_SEND_OPTIONS_FLAGS::WDF_REQUEST_SEND_OPTION_SEND_AND_FORGET;
        if checked.is_err() || given.is_none_or(|(_, flags)| flags != forget) {
            let what = format_args!("{NAME} without SEND_AND_FORGET alone is not emulated");
            report::finding(object.client.name(), None, what);
            request.irp.set_status(STATUS_INVALID_PARAMETER);
            return false;
        }
        let device = object::with::<u64, _>(object::number(target), NAME, |_, device| *device);
        let sent = device.and_then(|device| {
            object::with::<Device, _>(device, NAME, |_, device| {
                if device.lower.is_null() {
                    request.irp.set_status(STATUS_INVALID_DEVICE_STATE);
                    return false;
                }
                send_and_forget(object, request, device);
                true
            })
        });
        sent.unwrap_or(false)
    });
    BOOLEAN::from(sent.unwrap_or(false))
}

/// `WdfMemoryGetBuffer`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfmemory/nf-wdfmemory-wdfmemorygetbuffer>
pub(crate) extern "C" fn memory_buffer(
    _globals: PWDF_DRIVER_GLOBALS,
    memory: WDFMEMORY,
    bytes: *mut usize,
) -> PVOID {
    object::with::<Memory, _>(object::number(memory), "WdfMemoryGetBuffer", |_, memory| {
        // SAFETY: the driver passes NULL or a place for the length.
        if let Some(bytes) = unsafe { bytes.as_mut() } {
            *bytes = memory.bytes;
        }
        memory.address
    })
    .unwrap_or(core::ptr::null_mut())
}
