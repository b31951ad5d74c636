//! `WDFQUEUE`: parallel, sequential and manual queues.
//!
//! A request is in the queue, or it is the driver's. A sequential queue has one request at the driver at a
//! time, a parallel one as many as it was configured for; a manual one gives them out when asked.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/framework-queue-objects>
#![expect(
    unsafe_code,
    reason = "calls the driver's callbacks and reads its configuration"
)]

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use wdk_sys::{
    _WDF_IO_QUEUE_DISPATCH_TYPE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ,
    IRP_MJ_WRITE, NTSTATUS, PFILE_OBJECT, PWDF_DRIVER_GLOBALS, PWDF_IO_QUEUE_CONFIG, PWDF_OBJECT_ATTRIBUTES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER,
    STATUS_NO_MORE_ENTRIES, STATUS_SUCCESS, STATUS_UNSUCCESSFUL, WDF_IO_QUEUE_CONFIG, WDFDEVICE, WDFQUEUE,
    WDFREQUEST,
};
use wine_nt::lock::Lock;
use wine_nt::thread::{Event, Kind};
use wine_nt::{irql, report};
use wine_state::sizes::Sized as Structure;

use crate::attributes::{self, Parent};
use crate::device::Device;
use crate::object::{self, Body, Object};
use crate::request::{self, Request};
use crate::{cancel, status, worker};

/// How long a removal waits for the driver to give back its requests, in steps of 1 ms.
const PURGE_STEPS: u32 = 5000;
const MILLISECOND: i64 = 10_000;
/// `WdfRequestStopActionPurge`.
const STOP_ACTION_PURGE: u32 = 2;

/// How requests reach the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dispatching {
    /// At once, up to so many.
    Parallel(u32),
    /// One at a time.
    Sequential,
    /// When the driver asks.
    Manual,
}

struct State {
    waiting: VecDeque<Arc<Object>>,
    /// Requests at the driver.
    presented: u32,
    /// Handles of the requests at the driver, for their file and for removal.
    driver_owned: Vec<u64>,
    /// A thread is giving out requests of a sequential queue.
    pumping: bool,
    /// New requests are refused.
    purged: bool,
}

/// `WDFQUEUE`.
pub(crate) struct Queue {
    /// Handle of its device.
    pub(crate) device: u64,
    config: WDF_IO_QUEUE_CONFIG,
    dispatching: Dispatching,
    /// Its callbacks want `PASSIVE_LEVEL`.
    passive: bool,
    state: Lock<State>,
}

// SAFETY: the configuration is function pointers and numbers, and does not change; the rest is locked.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

/// `WdfIoQueueCreate`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nf-wdfio-wdfioqueuecreate>
pub(crate) extern "C" fn create(
    _globals: PWDF_DRIVER_GLOBALS,
    device: WDFDEVICE,
    config: PWDF_IO_QUEUE_CONFIG,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    queue: *mut WDFQUEUE,
) -> NTSTATUS {
    const NAME: &str = "WdfIoQueueCreate";
    object::with::<Device, _>(object::number(device), NAME, |object, device| {
        let made = read_config(object, NAME, config).and_then(|config| {
            let attributes = attributes::read(&object.client, NAME, attributes, Parent::Optional)?;
            let is_default = config.DefaultQueue != 0;
            if is_default && *device.default_queue.lock() != 0 {
                report::finding(
                    object.client.name(),
                    None,
                    format_args!("{NAME}: a second default queue"),
                );
                return Err(STATUS_UNSUCCESSFUL);
            }
            let body = Body::Queue(Queue::new(
                object.handle,
                config,
                attributes.passive || device.passive,
            )?);
            let made = object::create(&object.client, Some(object), &attributes, body)?;
            if is_default {
                *device.default_queue.lock() = made.handle;
            }
            device.queues.lock().push(made.handle);
            Ok(made)
        });
        match made {
            Ok(made) => {
                // SAFETY: the driver passes NULL or a place for the handle.
                if let Some(queue) = unsafe { queue.as_mut() } {
                    *queue = made.as_handle();
                }
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    })
    .unwrap_or(STATUS_INVALID_PARAMETER)
}

/// Copies the configuration, whose older layouts are shorter.
fn read_config(
    object: &Object,
    function: &str,
    config: PWDF_IO_QUEUE_CONFIG,
) -> Result<WDF_IO_QUEUE_CONFIG, NTSTATUS> {
    if config.is_null() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    // SAFETY: the driver passes a structure that begins with its size.
    let size = unsafe { (*config).Size };
    attributes::check_size(&object.client, function, Structure::QueueConfig, size)?;
    let mut copy = WDF_IO_QUEUE_CONFIG::default();
    // SAFETY: the structure is as long as it says, which was checked, and the copy at least as long.
    unsafe {
        core::ptr::copy_nonoverlapping(config.cast::<u8>(), (&raw mut copy).cast::<u8>(), size as usize);
    }
    Ok(copy)
}

impl Queue {
    fn new(device: u64, config: WDF_IO_QUEUE_CONFIG, passive: bool) -> Result<Self, NTSTATUS> {
        let dispatching = match config.DispatchType {
            _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchSequential => Dispatching::Sequential,
            _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel => {
                // SAFETY: a parallel queue's settings are these, and any number is valid.
                match unsafe { config.Settings.Parallel.NumberOfPresentedRequests } {
                    0 => return Err(STATUS_INVALID_PARAMETER),
                    limit => Dispatching::Parallel(limit),
                }
            }
            _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual => Dispatching::Manual,
            _ => return Err(STATUS_INVALID_PARAMETER),
        };
        let has_handler = config.EvtIoDefault.is_some()
            || config.EvtIoRead.is_some()
            || config.EvtIoWrite.is_some()
            || config.EvtIoDeviceControl.is_some()
            || config.EvtIoInternalDeviceControl.is_some();
        if dispatching == Dispatching::Manual && has_handler {
            return Err(STATUS_INVALID_PARAMETER);
        }
        if dispatching != Dispatching::Manual && !has_handler {
            return Err(status::NO_CALLBACK);
        }
        Ok(Self {
            device,
            config,
            dispatching,
            passive,
            state: Lock::new(State {
                waiting: VecDeque::new(),
                presented: 0,
                driver_owned: Vec::new(),
                pumping: false,
                purged: false,
            }),
        })
    }

    /// Whether the driver has a callback for requests of that major function.
    pub(crate) fn handles(&self, major: u8) -> bool {
        self.dispatching == Dispatching::Manual
            || self.config.EvtIoDefault.is_some()
            || match u32::from(major) {
                IRP_MJ_READ => self.config.EvtIoRead.is_some(),
                IRP_MJ_WRITE => self.config.EvtIoWrite.is_some(),
                IRP_MJ_DEVICE_CONTROL => self.config.EvtIoDeviceControl.is_some(),
                IRP_MJ_INTERNAL_DEVICE_CONTROL => self.config.EvtIoInternalDeviceControl.is_some(),
                _ => false,
            }
    }

    fn may_present(&self, state: &State) -> bool {
        match self.dispatching {
            Dispatching::Parallel(limit) => state.presented < limit,
            Dispatching::Sequential => state.presented == 0,
            Dispatching::Manual => false,
        }
    }

    /// Takes the next waiting request out and makes it the driver's.
    fn take(queue: &Object, state: &mut State) -> Option<Arc<Object>> {
        while let Some(waiting) = state.waiting.pop_front() {
            // A request whose cancellation is on its way is the cancellation's.
            if request::leave_queue(&waiting, queue.handle) {
                state.presented += 1;
                state.driver_owned.push(waiting.handle);
                return Some(waiting);
            }
        }
        None
    }

    /// Puts a request in, and gives out what may be given out.
    pub(crate) fn insert(&self, queue: &Arc<Object>, request: &Arc<Object>) {
        let mut state = self.state.lock();
        if state.purged {
            drop(state);
            request::end(request, STATUS_INVALID_DEVICE_STATE, 0);
            return;
        }
        request::enter_queue(request, queue.handle);
        // A cancellation that comes now waits for the lock, and finds the request in the queue.
        let armed = cancel::arm_queued(request);
        if armed {
            state.waiting.push_back(request.clone());
        }
        drop(state);
        if !armed {
            self.cancelled(queue, request);
        }
        self.pump(queue);
    }

    /// Whether new requests are refused.
    pub(crate) fn is_purged(&self) -> bool {
        self.state.lock().purged
    }

    /// Gives requests to the driver while it may have more.
    pub(crate) fn pump(&self, queue: &Arc<Object>) {
        if self.passive && irql::current() > irql::PASSIVE_LEVEL {
            let queue = queue.clone();
            worker::submit(Box::new(move || {
                if let Body::Queue(this) = &queue.body {
                    this.pump(&queue);
                }
            }));
            return;
        }
        let sequential = self.dispatching == Dispatching::Sequential;
        loop {
            let next = {
                let mut state = self.state.lock();
                if (sequential && state.pumping) || !self.may_present(&state) {
                    return;
                }
                let next = Self::take(queue, &mut state);
                state.pumping = sequential && next.is_some();
                next
            };
            let Some(next) = next else {
                return;
            };
            self.present(queue, &next);
            self.state.lock().pumping = false;
        }
    }

    /// Calls the driver with a request.
    fn present(&self, queue: &Arc<Object>, object: &Arc<Object>) {
        let Some(details) = request::details(object) else {
            return;
        };
        let major = u32::from(details.major);
        let is_transfer = matches!(major, IRP_MJ_READ | IRP_MJ_WRITE);
        if is_transfer && details.length == 0 && self.config.AllowZeroLengthRequests == 0 {
            request::end(object, STATUS_SUCCESS, 0);
            return;
        }
        let handle: WDFREQUEST = object.as_handle();
        let from: WDFQUEUE = queue.as_handle();
        let (output, input, code) = (details.output, details.input, details.code);
        let config = &self.config;
        // In all of these: the driver registered the callback, and owns the request from here.
        match (major, config.EvtIoRead, config.EvtIoWrite) {
            (IRP_MJ_READ, Some(callback), _) | (IRP_MJ_WRITE, _, Some(callback)) => {
                // SAFETY: as said above.
                unsafe { callback(from, handle, details.length) }
            }
            _ => match (
                major,
                config.EvtIoDeviceControl,
                config.EvtIoInternalDeviceControl,
            ) {
                (IRP_MJ_DEVICE_CONTROL, Some(callback), _)
                | (IRP_MJ_INTERNAL_DEVICE_CONTROL, _, Some(callback)) => {
                    // SAFETY: as said above.
                    unsafe { callback(from, handle, output, input, code) }
                }
                _ => match config.EvtIoDefault {
                    // SAFETY: as said above.
                    Some(callback) => unsafe { callback(from, handle) },
                    None => request::end(object, STATUS_INVALID_DEVICE_REQUEST, 0),
                },
            },
        }
    }

    /// A request of this queue is the driver's no more.
    pub(crate) fn given_back(&self, queue: &Arc<Object>, request: u64) {
        {
            let mut state = self.state.lock();
            if let Some(at) = state.driver_owned.iter().rposition(|owned| *owned == request) {
                state.driver_owned.swap_remove(at);
                state.presented -= 1;
            }
        }
        self.pump(queue);
    }

    /// A waiting request that is being cancelled leaves the queue; the callback for that case.
    pub(crate) fn cancelled(&self, queue: &Arc<Object>, object: &Arc<Object>) {
        let callback = self.config.EvtIoCanceledOnQueue;
        {
            let mut state = self.state.lock();
            state.waiting.retain(|waiting| !Arc::ptr_eq(waiting, object));
            if callback.is_some() {
                state.presented += 1;
                state.driver_owned.push(object.handle);
            }
        }
        match callback {
            // SAFETY: the driver registered the callback, and owns the request from here.
            Some(callback) => unsafe { callback(queue.as_handle(), object.as_handle()) },
            None => request::end(object, wdk_sys::STATUS_CANCELLED, 0),
        }
    }

    /// Cancels the waiting requests for which `which` says yes.
    fn cancel_waiting(&self, queue: &Arc<Object>, which: impl Fn(&Request) -> bool) {
        loop {
            let found = {
                let mut state = self.state.lock();
                let at = state.waiting.iter().position(|waiting| match &waiting.body {
                    Body::Request(request) => which(request),
                    _ => false,
                });
                at.and_then(|at| state.waiting.remove(at))
            };
            let Some(found) = found else {
                return;
            };
            if request::leave_queue(&found, queue.handle) {
                self.cancelled(queue, &found);
            }
        }
    }

    /// Takes everything out for good: waiting requests are cancelled, the driver is asked for the others.
    fn purge(&self, queue: &Arc<Object>) {
        self.state.lock().purged = true;
        self.cancel_waiting(queue, |_| true);
        let owned = self.state.lock().driver_owned.clone();
        for handle in owned {
            cancel::for_removal(handle);
            if let (Some(callback), true) = (self.config.EvtIoStop, object::find(handle).is_some()) {
                let request = core::ptr::without_provenance_mut(handle as usize);
                // SAFETY: the driver registered the callback; it may get a request that is just completing.
                unsafe { callback(queue.as_handle(), request, STOP_ACTION_PURGE) };
            }
        }
        let pause = Event::new(Kind::Notification);
        for _ in 0..PURGE_STEPS {
            if self.state.lock().presented == 0 {
                return;
            }
            pause.wait_for(MILLISECOND);
        }
        let left = self.state.lock().presented;
        let what = format_args!("{left} request(s) not completed when their device was removed");
        report::finding(queue.client.name(), None, what);
    }
}

fn each(device: &Device, mut body: impl FnMut(&Arc<Object>, &Queue)) {
    let handles = device.queues.lock().clone();
    for handle in handles {
        if object::find(handle).is_some() {
            object::with::<Queue, _>(handle, "queues", |object, queue| body(object, queue));
        }
    }
}

/// Empties all queues of a device that is being removed.
pub(crate) fn purge_all(device: &Device) {
    each(device, |object, queue| queue.purge(object));
}

/// Lets all queues of a device that was started go on.
pub(crate) fn resume_all(device: &Device) {
    each(device, |object, queue| {
        queue.state.lock().purged = false;
        queue.pump(object);
    });
}

/// Cancels the waiting requests of a file that is being closed.
pub(crate) fn cancel_file(device: &Device, file: PFILE_OBJECT) {
    each(device, |object, queue| {
        queue.cancel_waiting(object, |request| request.is_of(file));
    });
}

/// `WdfDeviceGetDefaultQueue`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicegetdefaultqueue>
pub(crate) extern "C" fn get_default(_globals: PWDF_DRIVER_GLOBALS, device: WDFDEVICE) -> WDFQUEUE {
    object::with::<Device, _>(object::number(device), "WdfDeviceGetDefaultQueue", |_, device| {
        core::ptr::without_provenance_mut(*device.default_queue.lock() as usize)
    })
    .unwrap_or(core::ptr::null_mut())
}

/// `WdfIoQueueGetDevice`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nf-wdfio-wdfioqueuegetdevice>
pub(crate) extern "C" fn get_device(_globals: PWDF_DRIVER_GLOBALS, queue: WDFQUEUE) -> WDFDEVICE {
    object::with::<Queue, _>(object::number(queue), "WdfIoQueueGetDevice", |_, queue| {
        core::ptr::without_provenance_mut(queue.device as usize)
    })
    .unwrap_or(core::ptr::null_mut())
}

/// `WdfIoQueueRetrieveNextRequest`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nf-wdfio-wdfioqueueretrievenextrequest>
pub(crate) extern "C" fn retrieve_next(
    _globals: PWDF_DRIVER_GLOBALS,
    queue: WDFQUEUE,
    request: *mut WDFREQUEST,
) -> NTSTATUS {
    object::with::<Queue, _>(
        object::number(queue),
        "WdfIoQueueRetrieveNextRequest",
        |object, queue| {
            if let Dispatching::Parallel(_) = queue.dispatching {
                return STATUS_INVALID_DEVICE_STATE;
            }
            let next = {
                let mut state = queue.state.lock();
                Queue::take(object, &mut state)
            };
            let Some(next) = next else {
                return STATUS_NO_MORE_ENTRIES;
            };
            // SAFETY: the driver passes a place for the handle.
            unsafe { request.write(next.as_handle()) };
            STATUS_SUCCESS
        },
    )
    .unwrap_or(STATUS_INVALID_PARAMETER)
}
