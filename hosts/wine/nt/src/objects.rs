//! References on system objects, and handles of the calling program.
#![expect(unsafe_code, reason = "passes object pointers and handles to the system")]

use wdk_sys::{
    ACCESS_MASK, BOOLEAN, CLIENT_ID, DUPLICATE_SAME_ACCESS, HANDLE, NTSTATUS, OBJECT_ATTRIBUTES,
    PDEVICE_OBJECT, PFILE_OBJECT, POBJECT_TYPE, PROCESS_DUP_HANDLE, PVOID, STATUS_ACCESS_DENIED,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
};

use crate::counts::Table;
use crate::{report, sys, user_irp};

/// References that drivers took, by object; the detail is how many.
pub static REFERENCES: Table<u32> = Table::new();

fn note(object: PVOID, caller: usize) {
    let known = REFERENCES.update(object.addr(), |count| *count += 1);
    if known.is_none() {
        REFERENCES.insert(object.addr(), caller, 1);
    }
}

/// `ObfReferenceObject`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-obfreferenceobject>
///
/// # Safety
///
/// `object` is a live object.
pub unsafe extern "C" fn obf_reference_object(object: PVOID, caller: usize) {
    note(object, caller);
    // SAFETY: the caller passes a live object.
    unsafe { sys::ObfReferenceObject(object) };
}

/// `ObfDereferenceObject`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-obdereferenceobject>
///
/// # Safety
///
/// `object` is a live object on which the caller has a reference; without one it is reported and left alone.
pub unsafe extern "C" fn obf_dereference_object(object: PVOID, caller: usize) {
    let left = REFERENCES.update(object.addr(), |count| {
        *count -= 1;
        *count
    });
    match left {
        None => {
            let what = format_args!("ObfDereferenceObject of {object:p}, on which no driver has a reference");
            report::finding(report::UNKNOWN, Some(caller), what);
            return;
        }
        Some(0) => {
            REFERENCES.remove(object.addr());
        }
        Some(_) => {}
    }
    // SAFETY: the table says that a reference was taken and not given back.
    unsafe { sys::ObfDereferenceObject(object) };
}

/// `ObReferenceObjectByHandle`. `access_and_mode` holds the access in its low half, the mode above it.
///
/// Wine looks a handle up in the table of the process that hosts the driver, whatever the mode. Here a
/// user-mode handle is first duplicated out of the calling program.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-obreferenceobjectbyhandle>
///
/// # Safety
///
/// `object` may be written; `information` is NULL.
pub unsafe extern "C" fn ob_reference_object_by_handle(
    handle: HANDLE,
    access_and_mode: u64,
    object_type: POBJECT_TYPE,
    caller: usize,
    object: *mut PVOID,
    information: PVOID,
) -> NTSTATUS {
    let access = access_and_mode as ACCESS_MASK;
    let user_mode = (access_and_mode >> 32) as u8 != 0;
    if !information.is_null() {
        let what = format_args!("ObReferenceObjectByHandle: handle information is not emulated");
        report::finding(report::UNKNOWN, Some(caller), what);
        return STATUS_INVALID_PARAMETER;
    }
    let status = if user_mode || user_irp::in_user_call() {
        // A handle of the kernel's own is trusted.
        let checked = if user_mode { access } else { 0 };
        match reference_in_caller(handle, checked, object_type) {
            Ok(found) => {
                // SAFETY: the result may be written.
                unsafe { object.write(found) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    } else {
        // SAFETY: the caller's own arguments, in kernel mode.
        unsafe { sys::ObReferenceObjectByHandle(handle, access, object_type, 0, object, information) }
    };
    if status == STATUS_SUCCESS {
        // SAFETY: the call succeeded, so it wrote the object.
        note(unsafe { object.read() }, caller);
    }
    status
}

/// Duplicates the handle out of the calling process and references what it stands for, if the handle grants
/// the access.
fn reference_in_caller(
    handle: HANDLE,
    access: ACCESS_MASK,
    object_type: POBJECT_TYPE,
) -> Result<PVOID, NTSTATUS> {
    let own = duplicate_from_caller(handle)?;
    let mut object = core::ptr::null_mut();
    // Wine checks the type, and no access.
    let status = match granted_access(own) {
        Ok(granted) if access & !granted != 0 => STATUS_ACCESS_DENIED,
        // SAFETY: the handle is this process's own now; `object` may be written.
        Ok(_) => unsafe {
            let none = core::ptr::null_mut();
            sys::ObReferenceObjectByHandle(own, access, object_type, 0, &raw mut object, none)
        },
        Err(status) => status,
    };
    // SAFETY: duplicated above; the reference keeps the object.
    unsafe { sys::ZwClose(own) };
    if status == STATUS_SUCCESS {
        Ok(object)
    } else {
        Err(status)
    }
}

/// The calling process' handle, as one of this process.
fn duplicate_from_caller(handle: HANDLE) -> Result<HANDLE, NTSTATUS> {
    let mut client = CLIENT_ID {
        // SAFETY: no preconditions; in a dispatch routine it is the calling program.
        UniqueProcess: unsafe { sys::PsGetCurrentProcessId() },
        ..CLIENT_ID::default()
    };
    let mut attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        ..OBJECT_ATTRIBUTES::default()
    };
    let mut process = core::ptr::null_mut();
    // SAFETY: all structures are whole and outlive the call.
    let status = unsafe {
        sys::ZwOpenProcess(
            &raw mut process,
            PROCESS_DUP_HANDLE,
            &raw mut attributes,
            &raw mut client,
        )
    };
    if status != STATUS_SUCCESS {
        return Err(status);
    }
    let mut own = core::ptr::null_mut();
    // SAFETY: the process was opened for this; the result may be written.
    let status = unsafe {
        sys::ZwDuplicateObject(
            process,
            handle,
            sys::CURRENT_PROCESS,
            &raw mut own,
            0,
            0,
            DUPLICATE_SAME_ACCESS,
        )
    };
    // SAFETY: opened above.
    unsafe { sys::ZwClose(process) };
    if status == STATUS_SUCCESS {
        Ok(own)
    } else {
        Err(status)
    }
}

/// What a handle of this process grants.
fn granted_access(handle: HANDLE) -> Result<ACCESS_MASK, NTSTATUS> {
    const OBJECT_BASIC_INFORMATION: i32 = 0;
    let mut basic = sys::ObjectBasicInformation::default();
    // SAFETY: the structure may be written, and is as long as is said.
    let status = unsafe {
        sys::ZwQueryObject(
            handle,
            OBJECT_BASIC_INFORMATION,
            &raw mut basic,
            size_of::<sys::ObjectBasicInformation>() as u32,
            core::ptr::null_mut(),
        )
    };
    if status == STATUS_SUCCESS {
        Ok(basic.granted_access)
    } else {
        Err(status)
    }
}

/// The file object of the calling process' handle, referenced, and given to `look`.
///
/// # Errors
///
/// That it is no handle, or none of a file that was opened on a device in this process.
pub fn with_callers_file<R>(handle: u64, look: impl FnOnce(PFILE_OBJECT) -> R) -> Result<R, NTSTATUS> {
    let handle = core::ptr::with_exposed_provenance_mut(handle as usize);
    // SAFETY: the variable does not change once the system is up.
    let file_type = unsafe { sys::IoFileObjectType };
    let object = reference_in_caller(handle, 0, file_type)?;
    let file: PFILE_OBJECT = object.cast();
    // SAFETY: the object is a file object, and referenced.
    let result = if unsafe { (*file).DeviceObject }.is_null() {
        Err(STATUS_INVALID_DEVICE_REQUEST)
    } else {
        Ok(look(file))
    };
    // SAFETY: referenced above.
    unsafe { sys::ObfDereferenceObject(object) };
    result
}

/// `IoGetRelatedDeviceObject`: the top of the stack that the file was opened on.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetrelateddeviceobject>
///
/// # Safety
///
/// `file` is a live file object of a device in this process.
pub unsafe extern "C" fn io_get_related_device_object(file: PFILE_OBJECT) -> PDEVICE_OBJECT {
    // SAFETY: the caller passes a live file object.
    let device = unsafe { (*file).DeviceObject };
    if device.is_null() {
        report::finding(
            report::UNKNOWN,
            None,
            format_args!("file object {file:p} has no device in this process"),
        );
        return device;
    }
    // SAFETY: a file object's device is live.
    unsafe { sys::IoGetAttachedDevice(device) }
}

/// `IoGetAttachedDeviceReference`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/nf-ntifs-iogetattacheddevicereference>
///
/// # Safety
///
/// `device` is a live device.
pub unsafe extern "C" fn io_get_attached_device_reference(
    device: PDEVICE_OBJECT,
    caller: usize,
) -> PDEVICE_OBJECT {
    // SAFETY: the caller passes a live device.
    let top = unsafe { sys::IoGetAttachedDevice(device) };
    // SAFETY: the top of a live stack is live.
    unsafe { obf_reference_object(top.cast(), caller) };
    top
}

/// `IoIsOperationSynchronous`: Wine has no synchronous file objects, so no.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/nf-ntifs-ioisoperationsynchronous>
///
/// # Safety
///
/// None.
pub unsafe extern "C" fn io_is_operation_synchronous(_irp: wdk_sys::PIRP) -> BOOLEAN {
    0
}

/// References outstanding.
pub fn outstanding() -> u32 {
    u32::try_from(REFERENCES.sum(|count| u64::from(*count))).unwrap_or(u32::MAX)
}

/// Reports the references that the driver at `base` did not give back.
pub fn report_leaks(driver: &str, base: usize) {
    REFERENCES.report_leaks(driver, base, |object, count| {
        Some(alloc::format!("{count} reference(s) on object {object:#x}"))
    });
}
