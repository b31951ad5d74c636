//! IRPs that Wine makes for a program's calls, from the moment they reach the top device of a stack.
//!
//! Wine differs from Windows in what such an IRP holds and in which IRPs come:
//!
//! * it fills in every buffer field, so that a driver may use the wrong one and get away with it;
//! * it never sends `IRP_MJ_CLEANUP`, and sends `IRP_MJ_CLOSE` while other IRPs of the file are pending;
//! * it lets `CreateFile` succeed whatever `IRP_MJ_CREATE` answers, and goes on using the file.
//!
//! This module sits between Wine and the top device and mends that; it notes each IRP until it is complete,
//! and judges what the driver did with it.
#![expect(
    unsafe_code,
    reason = "wraps completion routines, whose contexts are raw pointers"
)]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use wdk_sys::{
    DEVICE_OBJECT, IO_COMPLETION_ROUTINE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_READ, IRP_MJ_WRITE, NTSTATUS, PDEVICE_OBJECT, PFILE_OBJECT, PIRP, PVOID, STATUS_FILE_CLOSED,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_MORE_PROCESSING_REQUIRED, STATUS_PENDING, STATUS_SUCCESS,
};
use wine_state::buffers::{self, Method};

use crate::irp::{BufferFields, Irp};
use crate::lock::Lock;
use crate::mdl::Mdl;
use crate::thread::{Event, Kind};
use crate::{drivers, image, irql, report, sys};

/// How a device's own dispatch is called.
pub type Dispatch = fn(PDEVICE_OBJECT, Irp) -> NTSTATUS;

const CREATE: u8 = IRP_MJ_CREATE as u8;
const CLOSE: u8 = IRP_MJ_CLOSE as u8;
const READ: u8 = IRP_MJ_READ as u8;
const WRITE: u8 = IRP_MJ_WRITE as u8;
const DEVICE_CONTROL: u8 = IRP_MJ_DEVICE_CONTROL as u8;

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

/// A close that waits for the last IRP of its file.
#[derive(Clone, Copy, Debug)]
struct WaitingClose {
    device: usize,
    irp: usize,
}

#[derive(Default)]
struct File {
    outstanding: u32,
    cleaned: bool,
    failed: Option<NTSTATUS>,
    close: Option<WaitingClose>,
    /// The device that was opened, which is held; 0 when the open was not seen.
    opened: usize,
}

static IRPS: Lock<BTreeMap<usize, Arc<Record>>> = Lock::new(BTreeMap::new());
static FILES: Lock<BTreeMap<usize, File>> = Lock::new(BTreeMap::new());
/// Devices of files that were closed, to be given back.
static CLOSED: Lock<Vec<usize>> = Lock::new(Vec::new());
/// The thread that is dispatching a program's IRP, for `ExGetPreviousMode`.
static DISPATCHING: AtomicUsize = AtomicUsize::new(0);
/// Gets a close to a worker thread of the host.
type Deferral = fn(PDEVICE_OBJECT, PIRP);

static DEFER: Lock<Option<Deferral>> = Lock::new(None);

/// Says how a waiting close gets to a worker thread.
pub fn set_deferral(defer: Deferral) {
    *DEFER.lock() = Some(defer);
}

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

/// Handles open on devices of bound drivers.
pub fn open_files() -> u64 {
    FILES.lock().len() as u64
}

/// Handles open on the stack that `device` belongs to.
pub fn open_files_on(device: PDEVICE_OBJECT) -> usize {
    let top = top_of(device);
    let opened: Vec<usize> = FILES.lock().values().map(|file| file.opened).collect();
    opened
        .into_iter()
        .filter(|opened| *opened != 0)
        .filter(|other| top_of(core::ptr::with_exposed_provenance_mut(*other)) == top)
        .count()
}

fn top_of(device: PDEVICE_OBJECT) -> usize {
    // SAFETY: devices with open files are held.
    unsafe { sys::IoGetAttachedDevice(device) }.addr()
}

/// Lets a fresh IRP into the stack whose top is `device`.
pub fn enter(device: PDEVICE_OBJECT, irp: Irp, dispatch: Dispatch) -> NTSTATUS {
    let closed = core::mem::take(&mut *CLOSED.lock());
    closed.into_iter().for_each(release);
    let stack = irp.current();
    let file = stack.file_object();
    match stack.major() {
        CREATE => note_open(file),
        CLOSE => return close(device, irp, dispatch),
        _ => {
            let mut files = FILES.lock();
            let state = files.entry(file.addr()).or_default();
            if state.failed.is_some() {
                drop(files);
                return irp.complete_with("", STATUS_FILE_CLOSED, 0);
            }
            state.outstanding += 1;
        }
    }
    send(device, irp, dispatch, Returned::ToWine)
}

/// Keeps the device of an open file, and its driver's object: Wine frees both while handles are open, and
/// goes on calling them.
fn hold(device: usize) {
    let device: PDEVICE_OBJECT = core::ptr::with_exposed_provenance_mut(device);
    // SAFETY: a device that is being opened is live.
    let driver = unsafe { (*device).DriverObject };
    // SAFETY: as above.
    unsafe { sys::ObfReferenceObject(device.cast()) };
    // SAFETY: a live device has a live driver object.
    unsafe { sys::ObfReferenceObject(driver.cast()) };
}

/// Gives back what [`hold`] took.
fn release(device: usize) {
    let device: PDEVICE_OBJECT = core::ptr::with_exposed_provenance_mut(device);
    // SAFETY: held since the file was opened.
    let driver = unsafe { (*device).DriverObject };
    // SAFETY: as above.
    unsafe { sys::ObfDereferenceObject(device.cast()) };
    // SAFETY: as above.
    unsafe { sys::ObfDereferenceObject(driver.cast()) };
}

fn note_open(file: PFILE_OBJECT) {
    // SAFETY: the file object that Wine is opening.
    let opened = unsafe { (*file).DeviceObject }.expose_provenance();
    hold(opened);
    let state = File {
        outstanding: 1,
        opened,
        ..File::default()
    };
    FILES.lock().insert(file.addr(), state);
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
            mdl.show_as_locked(stack.major() != WRITE);
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
    let failed = (record.major == CREATE && view.status() < 0).then(|| view.status());
    let close = leave_file(record.file, record.major, failed);
    let status = record.routine.map_or(STATUS_SUCCESS, |routine| {
        // SAFETY: this is Wine's own routine with its own context, as it set them.
        unsafe { routine(device, irp, record.context) }
    });
    if let Some(close) = close {
        defer(close);
    }
    status
}

/// Counts an IRP of the file out, and gives the close that waited for it.
fn leave_file(file: usize, major: u8, failed: Option<NTSTATUS>) -> Option<WaitingClose> {
    if major == CLOSE {
        forget_file(file);
        return None;
    }
    let mut files = FILES.lock();
    let state = files.get_mut(&file)?;
    state.outstanding = state.outstanding.saturating_sub(1);
    if failed.is_some() {
        state.failed = failed;
    }
    if state.outstanding == 0 {
        state.close.take()
    } else {
        None
    }
}

fn forget_file(file: usize) {
    let state = FILES.lock().remove(&file);
    // Wine still touches the device after the close is complete: it goes with the next IRP.
    if let Some(opened) = state.map(|state| state.opened).filter(|opened| *opened != 0) {
        CLOSED.lock().push(opened);
    }
}

fn defer(close: WaitingClose) {
    let Some(defer) = *DEFER.lock() else {
        return;
    };
    defer(
        core::ptr::with_exposed_provenance_mut(close.device),
        core::ptr::with_exposed_provenance_mut(close.irp),
    );
}

/// `IRP_MJ_CLOSE`: sends `IRP_MJ_CLEANUP` first, and waits for the file's other IRPs.
fn close(device: PDEVICE_OBJECT, irp: Irp, dispatch: Dispatch) -> NTSTATUS {
    let file = irp.current().file_object();
    let failed = {
        let mut files = FILES.lock();
        let state = files.entry(file.addr()).or_default();
        let failed = state.failed.is_some();
        state.cleaned = true;
        failed
    };
    if failed {
        // Windows sends neither cleanup nor close for a file that was never opened.
        forget_file(file.addr());
        return irp.complete_with("", STATUS_SUCCESS, 0);
    }
    cleanup(device, file);
    {
        let mut files = FILES.lock();
        let state = files.entry(file.addr()).or_default();
        if state.outstanding > 0 {
            irp.mark_pending();
            state.close = Some(WaitingClose {
                device: device.expose_provenance(),
                irp: irp.address(),
            });
            return STATUS_PENDING;
        }
    }
    send(device, irp, dispatch, Returned::ToWine)
}

/// Runs a close whose file has no IRPs left. Called on a worker thread.
///
/// # Safety
///
/// Both come from the deferral of this module.
pub unsafe fn run_deferred(device: PDEVICE_OBJECT, irp: PIRP, dispatch: Dispatch) {
    // SAFETY: the IRP was pended by `close` and is not complete.
    if let Some(irp) = unsafe { Irp::from_raw(irp) } {
        send(device, irp, dispatch, Returned::PendedBefore);
    }
}

/// Sends `IRP_MJ_CLEANUP` and waits for it.
fn cleanup(device: PDEVICE_OBJECT, file: PFILE_OBJECT) {
    unsafe extern "C" fn signal(_device: PDEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
        // SAFETY: the context is the event of the frame that waits for it.
        unsafe { (*context.cast::<Event>()).set() };
        STATUS_MORE_PROCESSING_REQUIRED
    }
    // SAFETY: the device is the one that Wine is calling.
    let locations = unsafe { (*device).StackSize };
    // SAFETY: a device needs at least one stack location.
    let raw = unsafe { sys::IoAllocateIrp(locations, 0) };
    // SAFETY: the IRP is new, and freed at the end of this function.
    let Some(irp) = (unsafe { Irp::from_raw(raw) }) else {
        report::line(format_args!(
            "no memory for IRP_MJ_CLEANUP ({STATUS_INSUFFICIENT_RESOURCES:#x})"
        ));
        return;
    };
    let done = Event::new(Kind::Notification);
    let next = irp.next();
    next.set_major(IRP_MJ_CLEANUP as u8);
    next.set_file_object(file);
    next.set_completion(Some(signal), (&raw const done).cast_mut().cast());
    // SAFETY: the device is the one that Wine is calling, and the IRP was made for its stack.
    if unsafe { irp.call(device) } == STATUS_PENDING {
        done.wait();
    }
    // SAFETY: the completion routine kept the IRP, and nobody else has it.
    unsafe { sys::IoFreeIrp(raw) };
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
