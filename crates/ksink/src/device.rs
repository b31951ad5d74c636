//! The three devices.

use kmdf::{
    Device, DeviceInit, NtStatus, Object, ObjectAttributes, Queue, QueueConfig, QueueEvents, Request,
    UnicodeString, context_type,
    device::{InCallerContext, IoType},
    irp::{self, PreprocessIrp},
    object::ExecutionLevel,
    request::Direction,
    string::eq_ignore_ascii_case,
    unicode_string,
    write_irp::{Write, WriteIrp},
};
use kswrite_wire::names::{SINK_INTERFACE, SINK_SDDL, SinkKind};

use crate::{
    control,
    file::{FileHandler, SinkFile},
    read, write,
};

/// The context of a device.
struct SinkDevice {
    io_type: IoType,
}

context_type!(SinkDevice);

/// Code units of the longest list of hardware IDs that is looked at.
const HARDWARE_ID_UNITS: usize = 256;

/// `EvtDriverDeviceAdd`: makes the device that the hardware ID asks for.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// # Errors
///
/// `STATUS_NOT_SUPPORTED`: no hardware ID is of this driver. Otherwise what the framework says, for example
/// `STATUS_OBJECT_NAME_COLLISION` for a second device of the same kind.
pub(crate) fn add(mut init: DeviceInit<'_>) -> Result<(), NtStatus> {
    let kind = kind_of(&init)?;
    init.set_device_type(wdk_sys::FILE_DEVICE_UNKNOWN);
    init.add_characteristics(wdk_sys::FILE_DEVICE_SECURE_OPEN);
    init.assign_name(&device_name(kind))?;
    init.assign_sddl(&unicode_string!(SINK_SDDL))?;
    let io_type = match kind {
        SinkKind::Buffered => IoType::Buffered,
        SinkKind::Direct => IoType::Direct,
        SinkKind::Neither => IoType::Neither,
    };
    init.set_io_type(io_type);
    init.set_file_events::<FileHandler, SinkFile>();
    if kind == SinkKind::Neither {
        init.set_in_caller_context::<Requests>();
    }
    // Wait locks are taken in the callbacks.
    let passive = || {
        ObjectAttributes::new()
            .execution_level(ExecutionLevel::Passive)
            .unsynchronized()
    };
    irp::set_preprocess::<Write, Requests>(&mut init)?;
    let device = init.create(passive().with_context::<SinkDevice>())?;
    device.set_context(SinkDevice { io_type })?;
    let config = QueueConfig {
        // There is no hardware to power down.
        power_managed: Some(false),
        allow_zero_length: true,
    };
    Queue::create_default::<Requests>(device, config, passive())?;
    device.create_interface(SINK_INTERFACE)?;
    device.create_symbolic_link(&device_link(kind))
}

/// Which device is wanted, by the first hardware ID that says so.
fn kind_of(init: &DeviceInit<'_>) -> Result<SinkKind, NtStatus> {
    let mut buffer = [0; HARDWARE_ID_UNITS];
    let ids = init.hardware_ids(&mut buffer)?;
    ids.split(|unit| *unit == 0)
        .find_map(|id| {
            SinkKind::ALL
                .into_iter()
                .find(|kind| eq_ignore_ascii_case(id, kind.hardware_id()))
        })
        .ok_or(NtStatus::NOT_SUPPORTED)
}

fn device_name(kind: SinkKind) -> UnicodeString<'static> {
    match kind {
        SinkKind::Buffered => unicode_string!(SinkKind::Buffered.device()),
        SinkKind::Direct => unicode_string!(SinkKind::Direct.device()),
        SinkKind::Neither => unicode_string!(SinkKind::Neither.device()),
    }
}

fn device_link(kind: SinkKind) -> UnicodeString<'static> {
    match kind {
        SinkKind::Buffered => unicode_string!(SinkKind::Buffered.link()),
        SinkKind::Direct => unicode_string!(SinkKind::Direct.link()),
        SinkKind::Neither => unicode_string!(SinkKind::Neither.link()),
    }
}

/// The requests of a device.
struct Requests;

impl QueueEvents for Requests {
    const HANDLES_READ: bool = true;
    const HANDLES_WRITE: bool = true;
    const HANDLES_DEVICE_CONTROL: bool = true;

    fn read(_device: &Device, request: Request, _length: usize) {
        read::read(request);
    }

    fn write(_device: &Device, request: Request, _length: usize) {
        write::write(request);
    }

    fn device_control(_device: &Device, request: Request, _output: usize, input: usize, code: u32) {
        control::control(request, input, code);
    }
}

impl InCallerContext for Requests {
    /// The buffers of reads and writes are raw addresses, which mean something in this thread only: their
    /// pages are locked here. A transfer of no bytes has none.
    fn in_caller_context(device: &Device, request: Request) {
        let locked = match request.transfer() {
            Some((Direction::Write, transfer)) if transfer.length > 0 => request.lock_caller_input(),
            Some((Direction::Read, transfer)) if transfer.length > 0 => request.lock_caller_output(),
            _ => Ok(()),
        };
        let queued = match locked {
            Ok(()) => request.enqueue(device),
            Err(status) => Err((request, status)),
        };
        if let Err((request, status)) = queued {
            request.fail(status);
        }
    }
}

impl PreprocessIrp<Write> for Requests {
    fn dispatch(device: &Device, irp: WriteIrp) -> NtStatus {
        let done = device
            .context::<SinkDevice>()
            .and_then(|sink| write::inline(device, sink.io_type, &irp));
        match done {
            Some(io) => irp.complete(io),
            None => irp.to_framework(device),
        }
    }
}
