//! The control device, `\\.\KsWrite`: counters per path, policies, the trace, and writes to file objects.
//!
//! It is there as long as there is a filtered device. A PnP driver with a control device is never unloaded, so
//! the last filtered device takes it along.

use kmdf::{
    Device, DeviceInit, Driver, IoStatus, NtStatus, Object, ObjectAttributes, OwnedDevice, Queue,
    QueueConfig, QueueEvents, Request,
    control_irp::{Control as ControlFunction, ControlIrp},
    irp::{self, PreprocessIrp},
    sync::WaitLock,
    trace::message,
    unicode_string,
};
use kswrite_wire::{
    file_write::WRITE_FILE_OBJECT,
    filter::{self, DeviceSelector, Version, WIRE_VERSION},
    ioctl::ControlCode,
    names::{CONTROL_DEVICE, CONTROL_LINK, CONTROL_SDDL},
    policy::{self, PolicyChange, PolicyError},
    trace::{self as wire_trace, Cursor, Settings, TraceError},
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{driver::DriverContext, file_write, slots, trace};

/// `FILE_DEVICE_SECURE_OPEN`: the SDDL holds for names below the device too.
const FILE_DEVICE_SECURE_OPEN: u32 = 0x100;

/// The control device and how many filtered devices it serves.
pub struct Control(WaitLock<Shared>);

struct Shared {
    users: u32,
    device: Option<OwnedDevice>,
}

impl Control {
    /// No device yet.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new() -> Result<Self, NtStatus> {
        WaitLock::new(Shared {
            users: 0,
            device: None,
        })
        .map(Self)
    }
}

/// One more filtered device; the first makes the control device. Without it the filter works all the same, so
/// a failure is a message and no more.
///
/// IRQL: `PASSIVE_LEVEL`.
pub fn share(driver: &Driver) {
    let Some(context) = driver.context::<DriverContext>() else {
        return;
    };
    let mut shared = context.control.0.lock();
    shared.users = shared.users.saturating_add(1);
    if shared.device.is_none() {
        shared.device = create(driver).ok();
        if shared.device.is_none() {
            message(c"kswrite: the control device could not be made; counters cannot be read");
        }
    }
}

/// One filtered device fewer; the last takes the control device along.
///
/// IRQL: `PASSIVE_LEVEL`.
pub fn release(driver: &Driver) {
    let Some(context) = driver.context::<DriverContext>() else {
        return;
    };
    let mut shared = context.control.0.lock();
    shared.users = shared.users.saturating_sub(1);
    if shared.users == 0 {
        shared.device = None;
        // Nobody can read it now. Without a ring there is nothing that could fail.
        let _off = trace::set(None);
    }
}

fn create(driver: &Driver) -> Result<OwnedDevice, NtStatus> {
    let mut init = DeviceInit::control(driver, &unicode_string!(CONTROL_SDDL))?;
    init.add_characteristics(FILE_DEVICE_SECURE_OPEN);
    init.assign_name(&unicode_string!(CONTROL_DEVICE))?;
    irp::set_preprocess::<ControlFunction, Controls>(&mut init)?;
    let device = init.create_control(ObjectAttributes::new())?;
    device.create_symbolic_link(&unicode_string!(CONTROL_LINK))?;
    let config = QueueConfig {
        power_managed: Some(false),
        allow_zero_length: false,
    };
    Queue::create_default::<Controls>(&device, config, ObjectAttributes::new())?;
    device.finish_initializing();
    Ok(device)
}

/// The requests of the control device.
struct Controls;

impl QueueEvents for Controls {
    const HANDLES_DEVICE_CONTROL: bool = true;

    fn device_control(
        _device: &Device,
        mut request: Request,
        _output_length: usize,
        _input_length: usize,
        code: u32,
    ) {
        let io = match answer(&mut request, ControlCode(code)) {
            Ok(information) => IoStatus {
                status: NtStatus::SUCCESS,
                information,
            },
            Err(status) => IoStatus::failed(status),
        };
        request.complete(io);
    }
}

impl PreprocessIrp<ControlFunction> for Controls {
    /// A write to a file object is dealt with in the thread of the caller, in which its handles and
    /// addresses mean what it meant. A queue of the framework may present a request in any thread.
    fn dispatch(device: &Device, irp: ControlIrp) -> NtStatus {
        if irp.code() == WRITE_FILE_OBJECT.0 {
            file_write::write(device, irp)
        } else {
            irp.to_framework(device)
        }
    }
}

/// Does what the code says, and returns the bytes of the answer.
fn answer(request: &mut Request, code: ControlCode) -> Result<usize, NtStatus> {
    match code {
        filter::GET_VERSION => put(request, &VERSION),
        filter::GET_STATISTICS => {
            let selector = get::<DeviceSelector>(request)?;
            put(
                request,
                &slots::statistics(selector).ok_or(NtStatus::INVALID_PARAMETER)?,
            )
        }
        filter::RESET_STATISTICS => {
            slots::reset_statistics();
            Ok(0)
        }
        policy::GET_POLICIES => put(request, &slots::policies()),
        policy::SET_POLICY => set_policy(&get(request)?),
        wire_trace::GET_TRACE => put(request, &trace::state()),
        wire_trace::SET_TRACE => {
            let settings: Settings = get(request)?;
            // Before anything changes.
            room::<wire_trace::State>(request)?;
            trace::set(settings.check().map_err(trace_refusal)?)?;
            put(request, &trace::state())
        }
        wire_trace::READ_TRACE => {
            let from = get::<Cursor>(request)?.check().map_err(trace_refusal)?;
            trace::read(from, request.control_output()?)
        }
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST),
    }
}

fn set_policy(change: &PolicyChange) -> Result<usize, NtStatus> {
    let (device, policy) = change.check().map_err(|error| match error {
        PolicyError::Version => NtStatus::REVISION_MISMATCH,
        PolicyError::Value => NtStatus::INVALID_PARAMETER,
    })?;
    if slots::set_policy(device, policy) {
        Ok(0)
    } else {
        Err(NtStatus::INVALID_PARAMETER)
    }
}

const fn trace_refusal(error: TraceError) -> NtStatus {
    match error {
        TraceError::Version => NtStatus::REVISION_MISMATCH,
        TraceError::Value => NtStatus::INVALID_PARAMETER,
    }
}

/// The input, which must have exactly the size of a `T`. It is copied: the answer goes into the same buffer.
fn get<T: FromBytes>(request: &Request) -> Result<T, NtStatus> {
    let input = request
        .control_input()
        .map_err(|_| NtStatus::INFO_LENGTH_MISMATCH)?;
    T::read_from_bytes(input).map_err(|_| NtStatus::INFO_LENGTH_MISMATCH)
}

/// Whether there is room for a `T`.
fn room<T>(request: &mut Request) -> Result<(), NtStatus> {
    if request.control_output()?.len() < size_of::<T>() {
        return Err(NtStatus::BUFFER_TOO_SMALL);
    }
    Ok(())
}

/// Writes the answer, for which there must be room.
fn put<T: IntoBytes + Immutable>(request: &mut Request, value: &T) -> Result<usize, NtStatus> {
    let output = request.control_output()?;
    value
        .write_to_prefix(output)
        .map_err(|_| NtStatus::BUFFER_TOO_SMALL)?;
    Ok(size_of::<T>())
}

/// What [`filter::GET_VERSION`] answers.
const VERSION: Version = Version {
    wire: WIRE_VERSION,
    major: number(env!("CARGO_PKG_VERSION_MAJOR")),
    minor: number(env!("CARGO_PKG_VERSION_MINOR")),
    patch: number(env!("CARGO_PKG_VERSION_PATCH")),
};

/// A decimal number of the package version, which cargo has checked.
const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}
