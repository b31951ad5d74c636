//! I/O queues.
#![expect(unsafe_code, reason = "called from and calls into the framework")]

use core::ptr;

use wdk_sys::{
    _WDF_IO_QUEUE_DISPATCH_TYPE, _WDF_TRI_STATE, WDF_IO_QUEUE_CONFIG, WDFQUEUE, WDFREQUEST,
    call_unsafe_wdf_function_binding as unsafe_wdf,
};

use crate::{
    Device, IoStatus, NtStatus, ObjectAttributes, Request,
    object::{handle, size_of_u32},
    status::check,
};

handle! {
    /// `WDFQUEUE`.
    Queue, WDFQUEUE
}

/// What a queue gives to its driver. Request types that are not handled are completed with
/// `STATUS_INVALID_DEVICE_REQUEST` by the framework, or passed on in a filter.
///
/// IRQL: `<= DISPATCH_LEVEL`, `PASSIVE_LEVEL` if the attributes of the queue or its device say so; in any
/// thread.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/wdf/request-handlers>
pub trait QueueEvents: 'static {
    /// Whether [`read`](Self::read) is called.
    const HANDLES_READ: bool = false;
    /// Whether [`write`](Self::write) is called.
    const HANDLES_WRITE: bool = false;
    /// Whether [`device_control`](Self::device_control) is called.
    const HANDLES_DEVICE_CONTROL: bool = false;

    /// A read of `length` bytes.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nc-wdfio-evt_wdf_io_queue_io_read>
    fn read(_device: &Device, request: Request, _length: usize) {
        request.complete(IoStatus::failed(NtStatus::INVALID_DEVICE_REQUEST));
    }

    /// A write of `length` bytes.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nc-wdfio-evt_wdf_io_queue_io_write>
    fn write(_device: &Device, request: Request, _length: usize) {
        request.complete(IoStatus::failed(NtStatus::INVALID_DEVICE_REQUEST));
    }

    /// A device control request.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nc-wdfio-evt_wdf_io_queue_io_device_control>
    fn device_control(
        _device: &Device,
        request: Request,
        _output_length: usize,
        _input_length: usize,
        _code: u32,
    ) {
        request.complete(IoStatus::failed(NtStatus::INVALID_DEVICE_REQUEST));
    }
}

/// The default queue of a device. Requests are given to the driver as they come, any number at once.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/ns-wdfio-_wdf_io_queue_config>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Whether the framework stops the queue when the device leaves its working state. `None`: what the
    /// framework takes for this kind of driver (yes, but no in a filter).
    pub power_managed: Option<bool>,
    /// Whether reads and writes of no bytes come to the driver, rather than being completed by the framework.
    pub allow_zero_length: bool,
}

impl Queue {
    /// `WdfIoQueueCreate` of the device's default queue. The queue is the device's; it need not be kept.
    ///
    /// IRQL: `PASSIVE_LEVEL`, before the device gets requests.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nf-wdfio-wdfioqueuecreate>
    ///
    /// # Errors
    ///
    /// What the framework says, for example `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn create_default<E: QueueEvents>(
        device: &Device,
        config: QueueConfig,
        mut attributes: ObjectAttributes,
    ) -> Result<&Self, NtStatus> {
        let mut raw_config = raw_config::<E>(config);
        let mut queue: WDFQUEUE = ptr::null_mut();
        // SAFETY: the handle is live, and the framework copies the structures.
        check(unsafe {
            unsafe_wdf!(
                WdfIoQueueCreate,
                device.as_raw(),
                &raw mut raw_config,
                attributes.as_mut_ptr(),
                &raw mut queue
            )
        })?;
        // SAFETY: the queue lives as long as its device.
        unsafe { Self::from_raw(queue) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// `WdfIoQueueGetDevice`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfio/nf-wdfio-wdfioqueuegetdevice>
    pub fn device(&self) -> Option<&Device> {
        // SAFETY: the handle is live.
        let device = unsafe { unsafe_wdf!(WdfIoQueueGetDevice, self.as_raw()) };
        // SAFETY: a device outlives its queues.
        unsafe { Device::from_raw(device) }
    }
}

/// `WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE` for a parallel queue, and the choices of `config`.
fn raw_config<E: QueueEvents>(config: QueueConfig) -> WDF_IO_QUEUE_CONFIG {
    let mut raw = WDF_IO_QUEUE_CONFIG {
        Size: size_of_u32::<WDF_IO_QUEUE_CONFIG>(),
        DispatchType: _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel,
        PowerManaged: match config.power_managed {
            None => _WDF_TRI_STATE::WdfUseDefault,
            Some(true) => _WDF_TRI_STATE::WdfTrue,
            Some(false) => _WDF_TRI_STATE::WdfFalse,
        },
        AllowZeroLengthRequests: config.allow_zero_length.into(),
        DefaultQueue: 1,
        EvtIoRead: if E::HANDLES_READ {
            Some(evt_read::<E>)
        } else {
            None
        },
        EvtIoWrite: if E::HANDLES_WRITE {
            Some(evt_write::<E>)
        } else {
            None
        },
        EvtIoDeviceControl: if E::HANDLES_DEVICE_CONTROL {
            Some(evt_device_control::<E>)
        } else {
            None
        },
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    raw.Settings.Parallel.NumberOfPresentedRequests = u32::MAX;
    raw
}

/// The device of a queue and the request that it gave.
///
/// # Safety
///
/// Both handles are those of a queue callback, which has not used them yet.
unsafe fn presented<'a>(queue: WDFQUEUE, request: WDFREQUEST) -> Option<(&'a Device, Request)> {
    // SAFETY: the framework hands the request over with the callback.
    let request = unsafe { Request::from_raw(request) };
    // SAFETY: the handle is valid for the length of the callback.
    let Some(queue) = (unsafe { Queue::from_raw(queue) }) else {
        request.complete(IoStatus::failed(NtStatus::INVALID_PARAMETER));
        return None;
    };
    let Some(device) = queue.device() else {
        request.complete(IoStatus::failed(NtStatus::INVALID_PARAMETER));
        return None;
    };
    Some((device, request))
}

unsafe extern "C" fn evt_read<E: QueueEvents>(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    // SAFETY: they are this callback's arguments.
    if let Some((device, request)) = unsafe { presented(queue, request) } {
        E::read(device, request, length);
    }
}

unsafe extern "C" fn evt_write<E: QueueEvents>(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    // SAFETY: they are this callback's arguments.
    if let Some((device, request)) = unsafe { presented(queue, request) } {
        E::write(device, request, length);
    }
}

unsafe extern "C" fn evt_device_control<E: QueueEvents>(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    output_length: usize,
    input_length: usize,
    code: u32,
) {
    // SAFETY: they are this callback's arguments.
    if let Some((device, request)) = unsafe { presented(queue, request) } {
        E::device_control(device, request, output_length, input_length, code);
    }
}
