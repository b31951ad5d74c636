//! The device that tests talk to, `\\.\KsWineHost`.
#![expect(unsafe_code, reason = "a driver of its own, with raw IRPs")]

use kswrite_wire::wine_host::{
    ATTACH_ANOTHER, ATTACH_FILTER, CONTROL_DEVICE, CONTROL_LINK, Counters, DETACH_FILTER, ENABLE_ETW,
    EtwCursor, EtwEnable, Fault, FileChange, FileHandle, GET_COUNTERS, GET_FILE_OBJECT, MAP_BYTES, Mapped,
    PreviousMode, READ_ETW, SET_FAULT, SET_FILE_OBJECT, SET_PREVIOUS_MODE, UNMAP_BYTES, WATCH_WRITES, Watch,
};
use wdk_sys::{
    DO_BUFFERED_IO, FILE_DEVICE_SECURE_OPEN, FILE_DEVICE_UNKNOWN, IRP_MJ_DEVICE_CONTROL, NTSTATUS,
    PDEVICE_OBJECT, PDRIVER_OBJECT, PIRP, PUNICODE_STRING, STATUS_BUFFER_TOO_SMALL,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
};
use wine_nt::irp::Irp;
use wine_nt::strings::Wide;
use wine_nt::{
    etw, faults, file_fields, files, mapped, mdl, misc, objects, own_irps, pool, report, sent, sys,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::{object, request, stacker};

const DRIVER_NAME: &str = r"\Driver\KsWineHost";

/// Makes the driver and its device.
pub(crate) fn start() -> NTSTATUS {
    // Wine reads the name up to a NUL, which is not counted.
    let name = Wide::new(&alloc::format!("{DRIVER_NAME}\0"));
    let mut counted = name.counted();
    counted.Length -= 2;
    // SAFETY: the name outlives the call, and the entry has the right signature.
    unsafe { sys::IoCreateDriver(&raw mut counted, entry) }
}

unsafe extern "C" fn entry(driver: PDRIVER_OBJECT, _path: PUNICODE_STRING) -> NTSTATUS {
    let (name, link) = (Wide::new(CONTROL_DEVICE), Wide::new(CONTROL_LINK));
    let (mut name, mut link) = (name.counted(), link.counted());
    let mut device = core::ptr::null_mut();
    // SAFETY: the system passes the new driver object; the name outlives the call.
    let status = unsafe {
        sys::IoCreateDevice(
            driver,
            0,
            &raw mut name,
            FILE_DEVICE_UNKNOWN,
            FILE_DEVICE_SECURE_OPEN,
            0,
            &raw mut device,
        )
    };
    if status != STATUS_SUCCESS {
        return status;
    }
    // SAFETY: created above.
    unsafe { (*device).Flags |= DO_BUFFERED_IO };
    // SAFETY: as above.
    let slots = unsafe { &mut (*driver).MajorFunction };
    for slot in slots {
        *slot = Some(dispatch);
    }
    // A link that a crashed host left over is replaced.
    // SAFETY: the strings outlive the calls.
    unsafe { sys::IoDeleteSymbolicLink(&raw mut link) };
    // SAFETY: as above.
    unsafe { sys::IoCreateSymbolicLink(&raw mut link, &raw mut name) }
}

unsafe extern "C" fn dispatch(_device: PDEVICE_OBJECT, irp: PIRP) -> NTSTATUS {
    // SAFETY: the system calls with a live IRP.
    let Some(irp) = (unsafe { Irp::from_raw(irp) }) else {
        return STATUS_INVALID_PARAMETER;
    };
    let result = if u32::from(irp.current().major()) == IRP_MJ_DEVICE_CONTROL {
        control(irp)
    } else {
        Ok(0)
    };
    let (status, information) = match result {
        Ok(bytes) => (STATUS_SUCCESS, bytes),
        Err(status) => (status, 0),
    };
    irp.complete_with("host", status, information as u64)
}

/// Does what the code says; gives the bytes of its answer.
fn control(irp: Irp) -> Result<usize, NTSTATUS> {
    let (code, input, output) = irp.current().control_parameters();
    let bytes = input.max(output) as usize;
    let buffer = irp.buffers().system_buffer.cast::<u8>();
    let buffer = if bytes == 0 {
        &mut []
    } else {
        // SAFETY: a buffered control has a system buffer as long as the longer of the two.
        unsafe { core::slice::from_raw_parts_mut(buffer, bytes) }
    };
    let (input, output) = (input as usize, output as usize);
    if code == ATTACH_FILTER.0 || code == ATTACH_ANOTHER.0 {
        room(output, size_of::<kswrite_wire::wine_host::Stacks>())?;
        answer(buffer, &stacker::attach(code == ATTACH_ANOTHER.0)?)
    } else if code == DETACH_FILTER.0 {
        room(output, size_of::<kswrite_wire::wine_host::Stacks>())?;
        answer(buffer, &stacker::detach()?)
    } else if code == GET_COUNTERS.0 {
        room(output, size_of::<Counters>())?;
        answer(buffer, &counters())
    } else if code == SET_FAULT.0 {
        set_fault(&given::<Fault>(buffer, input)?)?;
        Ok(0)
    } else {
        for_tests(code, buffer, input, output)
    }
}

/// What a test changes and looks at in the emulated kernel.
fn for_tests(code: u32, buffer: &mut [u8], input: usize, output: usize) -> Result<usize, NTSTATUS> {
    if code == GET_FILE_OBJECT.0 {
        let fields = file_fields::read(given::<FileHandle>(buffer, input)?.handle)?;
        room(output, size_of_val(&fields))?;
        answer(buffer, &fields)
    } else if code == SET_FILE_OBJECT.0 {
        let change = given::<FileChange>(buffer, input)?;
        file_fields::write(change.handle, &change.fields)?;
        Ok(0)
    } else if code == SET_PREVIOUS_MODE.0 {
        misc::set_previous_mode(given::<PreviousMode>(buffer, input)?.kernel != 0);
        Ok(0)
    } else if code == MAP_BYTES.0 {
        room(output, size_of::<Mapped>())?;
        let address = mapped::map(buffer.get(..input).unwrap_or_default())?;
        answer(buffer, &Mapped { address })
    } else if code == UNMAP_BYTES.0 {
        mapped::unmap(given::<Mapped>(buffer, input)?.address)?;
        Ok(0)
    } else if code == WATCH_WRITES.0 {
        let seen = sent::watch(given::<Watch>(buffer, input)?.on != 0);
        room(output, size_of_val(&seen))?;
        answer(buffer, &seen)
    } else if code == ENABLE_ETW.0 {
        etw::enable(&given::<EtwEnable>(buffer, input)?)?;
        Ok(0)
    } else if code == READ_ETW.0 {
        let from = given::<EtwCursor>(buffer, input)?.from;
        let room = buffer.get_mut(..output).unwrap_or_default();
        etw::read(from, room).ok_or(STATUS_BUFFER_TOO_SMALL)
    } else {
        Err(STATUS_INVALID_DEVICE_REQUEST)
    }
}

/// The input, which has the size of a `T`.
fn given<T: FromBytes>(buffer: &[u8], input: usize) -> Result<T, NTSTATUS> {
    let given = buffer.get(..input).unwrap_or_default();
    T::read_from_bytes(given).map_err(|_| STATUS_INVALID_PARAMETER)
}

fn room(output: usize, needed: usize) -> Result<(), NTSTATUS> {
    if output < needed {
        Err(STATUS_BUFFER_TOO_SMALL)
    } else {
        Ok(())
    }
}

fn answer<T: IntoBytes + zerocopy::Immutable>(buffer: &mut [u8], value: &T) -> Result<usize, NTSTATUS> {
    value
        .write_to_prefix(buffer)
        .map_err(|_| STATUS_BUFFER_TOO_SMALL)?;
    Ok(size_of::<T>())
}

fn set_fault(fault: &Fault) -> Result<(), NTSTATUS> {
    if fault.reserved != 0 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    faults::arm(fault.service, fault.after, fault.times).map_err(|_| STATUS_INVALID_PARAMETER)
}

fn counters() -> Counters {
    let (objects, _) = object::counts();
    let (mdls, locked_mdls) = mdl::outstanding();
    let (pool_allocations, pool_bytes) = pool::outstanding();
    Counters {
        objects,
        requests: request::open(),
        irps: own_irps::outstanding(),
        mdls,
        locked_mdls,
        references: objects::outstanding(),
        pool_allocations,
        findings: report::count(),
        pool_bytes,
        open_files: files::count(),
    }
}
