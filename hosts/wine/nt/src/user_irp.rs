//! IRPs that Wine makes for a program's calls, from the moment they reach the top device of a stack.
//!
//! Wine differs from Windows in what such an IRP holds and in which IRPs come:
//!
//! * it fills in every buffer field, so that a driver may use the wrong one and get away with it;
//! * it never sends `IRP_MJ_CLEANUP`, and sends `IRP_MJ_CLOSE` while other IRPs of the file are pending;
//! * it lets `CreateFile` succeed whatever `IRP_MJ_CREATE` answers, and goes on using the file.
//!
//! This module sits between Wine and the top device and mends that, with [`files`]; it notes each IRP until
//! it is complete, and judges what the driver did with it.
#![expect(
    unsafe_code,
    reason = "wraps completion routines, whose contexts are raw pointers"
)]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use wdk_sys::{
    _EVENT_TYPE::NotificationEvent, DEVICE_OBJECT, IO_COMPLETION_ROUTINE, IRP_MJ_CLOSE, IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID, STATUS_PENDING,
    STATUS_SUCCESS,
};
use wine_state::buffers::{self, Method};

use crate::files::{self, Closing};
use crate::irp::{BufferFields, Irp};
use crate::lock::Lock;
use crate::mdl::Mdl;
use crate::{drivers, image, irql, report, sys};

/// How a device's own dispatch is called.
pub type Dispatch = fn(PDEVICE_OBJECT, Irp) -> NTSTATUS;

const CREATE: u8 = IRP_MJ_CREATE as u8;
const CLOSE: u8 = IRP_MJ_CLOSE as u8;
const READ: u8 = IRP_MJ_READ as u8;
const WRITE: u8 = IRP_MJ_WRITE as u8;
const DEVICE_CONTROL: u8 = IRP_MJ_DEVICE_CONTROL as u8;
/// The method of a control code whose output buffer the device writes.
const METHOD_OUT_DIRECT: u32 = 2;

/// How far an IRP is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The dispatch routine has not returned and the IRP is not complete.
    Dispatching,
    /// The dispatch routine returned `STATUS_PENDING`, and the IRP is not complete.
    Pending,
    /// It is complete; whether it was marked pending.
    Done { marked: bool },
}

struct Record {
    progress: Lock<Progress>,
    file: usize,
    device: usize,
    major: u8,
    hidden: BufferFields,
    routine: IO_COMPLETION_ROUTINE,
    context: PVOID,
}

// SAFETY: the pointers are not followed but by the completion routine, which owns the IRP at that time.
unsafe impl Send for Record {}
// SAFETY: as above; what changes is behind a lock.
unsafe impl Sync for Record {}

static IRPS: Lock<BTreeMap<usize, Arc<Record>>> = Lock::new(BTreeMap::new());
/// The thread that is dispatching a program's IRP, for `ExGetPreviousMode`.
static DISPATCHING: AtomicUsize = AtomicUsize::new(0);
/// Whether Wine's dispatcher made this IRP and it has just reached its first device.
pub fn is_fresh(irp: Irp) -> bool {
    if irp.location() != irp.stack_count() {
        return false;
    }
    let (Some(routine), _) = irp.current().completion() else {
        return false;
    };
    image::is_in_ntoskrnl(routine as usize)
}

/// Whether this thread is dispatching a program's IRP: previous mode is user mode then.
pub fn in_user_call() -> bool {
    DISPATCHING.load(Ordering::Relaxed) == irql::thread()
}

/// Lets a fresh IRP into the stack whose top is `device`.
pub fn enter(device: PDEVICE_OBJECT, irp: Irp, dispatch: Dispatch) -> NTSTATUS {
    files::give_back();
    let file = irp.current().file_object();
    match irp.current().major() {
        CREATE => {
            // SAFETY: the file object that Wine is opening.
            let opened = unsafe { (*file).DeviceObject };
            // SAFETY: as above.
            let event = unsafe { &raw mut (*file).Event };
            // SAFETY: nobody has used the event yet: Wine leaves it as zeroes.
            unsafe { sys::KeInitializeEvent(event, NotificationEvent, 0) };
            files::open(file, opened);
        }
        CLOSE => match files::close(device, file, irp) {
            Closing::Now => {}
            Closing::Later => return STATUS_PENDING,
            Closing::Unknown => return irp.complete_with("", STATUS_SUCCESS, 0),
        },
        _ => {
            if let Err(status) = files::begin(file) {
                return irp.complete_with("", status, 0);
            }
        }
    }
    send(device, irp, dispatch, Returned::ToWine)
}

/// Runs a close whose file has no IRPs left. Called on a worker thread.
///
/// # Safety
///
/// Both come from the deferral of [`files`].
pub unsafe fn run_deferred(device: PDEVICE_OBJECT, irp: PIRP, dispatch: Dispatch) {
    // SAFETY: the IRP was pended by `enter` and is not complete.
    if let Some(irp) = unsafe { Irp::from_raw(irp) } {
        send(device, irp, dispatch, Returned::PendedBefore);
    }
}

/// Who gets the status that the dispatch routine returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Returned {
    /// Wine, now.
    ToWine,
    /// Nobody: Wine was told `STATUS_PENDING` before.
    PendedBefore,
}

/// Wraps the completion routine and calls the device.
fn send(device: PDEVICE_OBJECT, irp: Irp, dispatch: Dispatch, returned: Returned) -> NTSTATUS {
    let stack = irp.current();
    let (routine, context) = stack.completion();
    let record = Arc::new(Record {
        progress: Lock::new(Progress::Dispatching),
        file: stack.file_object().addr(),
        device: device.expose_provenance(),
        major: stack.major(),
        hidden: irp.buffers(),
        routine,
        context,
    });
    IRPS.lock().insert(irp.address(), record.clone());
    stack.replace_completion(Some(completed), Arc::into_raw(record.clone()).cast_mut().cast());
    hide_buffers(device, irp);

    let before = DISPATCHING.swap(irql::thread(), Ordering::Relaxed);
    let status = irql::guarded(
        || driver_of(record.device),
        "a dispatch routine",
        || dispatch(device, irp),
    );
    DISPATCHING.store(before, Ordering::Relaxed);
    if returned == Returned::ToWine {
        judge_return(&record, irp, status);
    }
    status
}

/// Takes away the buffer fields that Windows would not have filled in.
fn hide_buffers(device: PDEVICE_OBJECT, irp: Irp) {
    let stack = irp.current();
    let visible = match stack.major() {
        READ | WRITE => {
            // SAFETY: the device is the one that Wine is calling.
            let flags = unsafe { (*device).Flags };
            buffers::of_transfer(Method::of_device(flags), stack.transfer().0)
        }
        DEVICE_CONTROL => {
            let (code, input, output) = stack.control_parameters();
            buffers::of_control(code, input, output)
        }
        _ => return,
    };
    let mut fields = irp.buffers();
    if !visible.system_buffer {
        fields.system_buffer = core::ptr::null_mut();
    }
    if visible.mdl {
        // SAFETY: the MDL belongs to the IRP, which is live.
        if let Some(mdl) = unsafe { Mdl::from_raw(fields.mdl) } {
            let (code, _, _) = stack.control_parameters();
            let written =
                stack.major() == READ || stack.major() == DEVICE_CONTROL && code & 3 == METHOD_OUT_DIRECT;
            mdl.show_as_locked(written);
        }
    } else {
        fields.mdl = core::ptr::null_mut();
    }
    irp.set_buffers(fields);
}

fn driver_of(device: usize) -> alloc::string::String {
    let device: *const DEVICE_OBJECT = core::ptr::with_exposed_provenance(device);
    // SAFETY: the device has an IRP, so it is not deleted.
    let object = unsafe { (*device).DriverObject };
    drivers::name_of_object(object.addr())
}

/// Holds what the dispatch routine returned against what it did.
fn judge_return(record: &Record, irp: Irp, status: NTSTATUS) {
    let mut progress = record.progress.lock();
    let what = match *progress {
        Progress::Done { marked: false } if status == STATUS_PENDING => {
            "dispatch returned STATUS_PENDING for an IRP that was not marked pending"
        }
        Progress::Done { marked: true } if status != STATUS_PENDING => {
            "dispatch did not return STATUS_PENDING for an IRP that was marked pending"
        }
        Progress::Dispatching if status != STATUS_PENDING => {
            "dispatch did not return STATUS_PENDING for an IRP that is not complete"
        }
        Progress::Dispatching => {
            *progress = Progress::Pending;
            return;
        }
        Progress::Done { .. } | Progress::Pending => return,
    };
    drop(progress);
    let text = format_args!(
        "{what} (IRP {:p}, major {:#x}, {status:#x})",
        irp.as_ptr(),
        record.major
    );
    report::finding(&driver_of(record.device), None, text);
}

/// Stands in for Wine's completion routine of the top stack location.
unsafe extern "C" fn completed(device: PDEVICE_OBJECT, irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: the context is what `send` put there, once, and the routine is called once.
    let record = unsafe { Arc::from_raw(context.cast::<Record>()) };
    // SAFETY: Wine calls with the IRP that it is completing.
    let Some(view) = (unsafe { Irp::from_raw(irp) }) else {
        return STATUS_SUCCESS;
    };
    view.set_buffers(record.hidden);
    let marked = view.pending_returned();
    let before = core::mem::replace(&mut *record.progress.lock(), Progress::Done { marked });
    if before == Progress::Pending && !marked {
        let what = format_args!(
            "IRP {irp:p} was pended without IoMarkIrpPending (major {:#x})",
            record.major
        );
        report::finding(&driver_of(record.device), None, what);
    }
    let failed = record.major == CREATE && view.status() < 0;
    let close = match record.major {
        CLOSE => {
            files::forget(record.file);
            None
        }
        _ => files::end(record.file, failed),
    };
    let status = record.routine.map_or(STATUS_SUCCESS, |routine| {
        // SAFETY: this is Wine's own routine with its own context, as it set them.
        unsafe { routine(device, irp, record.context) }
    });
    // Not before Wine has heard of this IRP.
    if let Some(close) = close {
        close.defer();
    }
    status
}

/// Whether the IRP is complete already; then it is reported, and must be left alone.
pub fn is_done(irp: Irp, driver: &str, caller: Option<usize>) -> bool {
    let record = IRPS.lock().get(&irp.address()).cloned();
    let done = record.is_some_and(|record| matches!(*record.progress.lock(), Progress::Done { .. }));
    if done {
        let what = format_args!("double completion or late use of IRP {:p}", irp.as_ptr());
        report::finding(driver, caller, what);
    }
    done
}

/// What must hold of any IRP when a driver completes it.
pub fn check_completion(irp: Irp, driver: &str, caller: Option<usize>) {
    if irp.status() == STATUS_PENDING {
        let what = format_args!("IRP {:p} completed with STATUS_PENDING", irp.as_ptr());
        report::finding(driver, caller, what);
    }
    if irp.location() > irp.stack_count() {
        let what = format_args!("IRP {:p} completed past its last stack location", irp.as_ptr());
        report::finding(driver, caller, what);
        report::bug_check(0x44, [irp.address(), 0, 0, 0]);
    }
    if irp.exchange_cancel_routine(None).is_some() {
        let what = format_args!("IRP {:p} completed with a cancel routine set", irp.as_ptr());
        report::finding(driver, caller, what);
    }
}

/// Forgets an IRP whose memory is given back.
pub fn forget(address: usize) {
    // The record is dropped after the lock.
    let record = IRPS.lock().remove(&address);
    drop(record);
}
