//! Files that programs have open on the stacks of bound drivers: their IRPs, cleanup and close.
#![expect(unsafe_code, reason = "file objects and devices are the system's structures")]

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use wdk_sys::{
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, NTSTATUS, PDEVICE_OBJECT, PFILE_OBJECT, PIRP, PVOID,
    STATUS_DEVICE_DOES_NOT_EXIST, STATUS_FILE_CLOSED, STATUS_MORE_PROCESSING_REQUIRED, STATUS_PENDING,
};

use crate::irp::Irp;
use crate::lock::Lock;
use crate::thread::{Event, Kind};
use crate::{report, sys};

/// How long a removal waits for the IRPs of a file, in steps of 1 ms.
const RUN_DOWN_STEPS: u32 = 5000;
const MILLISECOND: i64 = 10_000;

/// A close that waits for the last IRP of its file.
#[derive(Clone, Copy, Debug)]
pub struct WaitingClose {
    device: usize,
    irp: usize,
}

#[derive(Default)]
struct File {
    outstanding: u32,
    failed: bool,
    close: Option<WaitingClose>,
    /// The device that was opened, which is held.
    opened: usize,
}

/// What becomes of an `IRP_MJ_CLOSE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It goes to the device.
    Now,
    /// It waits for the file's other IRPs, and is marked pending.
    Later,
    /// The device has no such file: its create failed, or the device was removed.
    Unknown,
}

/// Gets a close to a worker thread of the host.
type Deferral = fn(PDEVICE_OBJECT, PIRP);

static FILES: Lock<BTreeMap<usize, File>> = Lock::new(BTreeMap::new());
/// Devices of files that were closed, to be given back.
static CLOSED: Lock<Vec<usize>> = Lock::new(Vec::new());
static DEFER: Lock<Option<Deferral>> = Lock::new(None);

/// Says how a waiting close gets to a worker thread.
pub fn set_deferral(defer: Deferral) {
    *DEFER.lock() = Some(defer);
}

impl WaitingClose {
    /// Lets the close go on, on a worker thread.
    pub fn defer(self) {
        let Some(defer) = *DEFER.lock() else {
            return;
        };
        defer(
            core::ptr::with_exposed_provenance_mut(self.device),
            core::ptr::with_exposed_provenance_mut(self.irp),
        );
    }
}

/// How many files are open.
pub fn count() -> u64 {
    FILES.lock().len() as u64
}

/// The files that are open on the stack of `device`.
fn on_stack(device: PDEVICE_OBJECT) -> Vec<usize> {
    let top = top_of(device);
    let files: Vec<(usize, usize)> = FILES
        .lock()
        .iter()
        .map(|(file, state)| (*file, state.opened))
        .collect();
    files
        .into_iter()
        .filter(|(_, opened)| top_of(core::ptr::with_exposed_provenance_mut(*opened)) == top)
        .map(|(file, _)| file)
        .collect()
}

/// How many files are open on the stack of `device`.
pub fn count_on_stack(device: PDEVICE_OBJECT) -> usize {
    on_stack(device).len()
}

fn top_of(device: PDEVICE_OBJECT) -> usize {
    // SAFETY: callers pass a live device, or that of an open file, which is held.
    unsafe { sys::IoGetAttachedDevice(device) }.addr()
}

/// Keeps the device of an open file, and its driver's object: Wine frees both while handles are open, and
/// goes on calling them.
fn hold(device: PDEVICE_OBJECT) {
    // SAFETY: a device that is being opened is live.
    let driver = unsafe { (*device).DriverObject };
    // SAFETY: as above.
    unsafe { sys::ObfReferenceObject(device.cast()) };
    // SAFETY: a live device has a live driver object.
    unsafe { sys::ObfReferenceObject(driver.cast()) };
}

/// Gives the devices of closed files back.
pub fn give_back() {
    let closed = core::mem::take(&mut *CLOSED.lock());
    for device in closed {
        let device: PDEVICE_OBJECT = core::ptr::with_exposed_provenance_mut(device);
        // SAFETY: held since the file was opened.
        let driver = unsafe { (*device).DriverObject };
        // SAFETY: as above.
        unsafe { sys::ObfDereferenceObject(device.cast()) };
        // SAFETY: as above.
        unsafe { sys::ObfDereferenceObject(driver.cast()) };
    }
}

/// `IRP_MJ_CREATE` begins, for a file on `device`.
pub fn open(file: PFILE_OBJECT, device: PDEVICE_OBJECT) {
    hold(device);
    let state = File {
        outstanding: 1,
        opened: device.expose_provenance(),
        ..File::default()
    };
    FILES.lock().insert(file.expose_provenance(), state);
}

/// An IRP other than create and close begins.
///
/// # Errors
///
/// With what it has to be completed when it may not.
pub fn begin(file: PFILE_OBJECT) -> Result<(), NTSTATUS> {
    let mut files = FILES.lock();
    let state = files.get_mut(&file.addr()).ok_or(STATUS_DEVICE_DOES_NOT_EXIST)?;
    if state.failed {
        return Err(STATUS_FILE_CLOSED);
    }
    state.outstanding += 1;
    Ok(())
}

/// An IRP other than close is complete; `failed` if it was the create and failed. Gives the close that
/// waited for it.
pub fn end(file: usize, failed: bool) -> Option<WaitingClose> {
    let mut files = FILES.lock();
    let state = files.get_mut(&file)?;
    state.outstanding = state.outstanding.saturating_sub(1);
    state.failed |= failed;
    if state.outstanding == 0 {
        state.close.take()
    } else {
        None
    }
}

/// The close is complete.
pub fn forget(file: usize) {
    let state = FILES.lock().remove(&file);
    // Wine still touches the device after the close is complete: it goes with the next IRP.
    if let Some(state) = state {
        CLOSED.lock().push(state.opened);
    }
}

/// `IRP_MJ_CLOSE` begins: sends `IRP_MJ_CLEANUP` first.
pub fn close(device: PDEVICE_OBJECT, file: PFILE_OBJECT, irp: Irp) -> Closing {
    let failed = FILES.lock().get(&file.addr()).map(|state| state.failed);
    if failed != Some(false) {
        // Windows sends neither cleanup nor close for a file that was never opened.
        forget(file.addr());
        return Closing::Unknown;
    }
    send(device, file, IRP_MJ_CLEANUP as u8);
    let mut files = FILES.lock();
    match files.get_mut(&file.addr()) {
        Some(state) if state.outstanding > 0 => {
            irp.mark_pending();
            state.close = Some(WaitingClose {
                device: device.expose_provenance(),
                irp: irp.address(),
            });
            Closing::Later
        }
        _ => Closing::Now,
    }
}

/// Closes every file on the stack of `device`, its top, which is being removed. Windows removes a device
/// after its last handle was closed; Wine does so at once, and forgets the handles.
pub fn run_down(device: PDEVICE_OBJECT) {
    for file in on_stack(device) {
        let object: PFILE_OBJECT = core::ptr::with_exposed_provenance_mut(file);
        let closing = FILES.lock().get(&file).is_none_or(|state| state.close.is_some());
        if closing {
            // Its close runs on a worker thread after the last IRP.
            wait_until(|| !FILES.lock().contains_key(&file));
            continue;
        }
        send(device, object, IRP_MJ_CLEANUP as u8);
        wait_until(|| FILES.lock().get(&file).is_none_or(|state| state.outstanding == 0));
        send(device, object, IRP_MJ_CLOSE as u8);
        forget(file);
    }
}

fn wait_until(done: impl Fn() -> bool) {
    let pause = Event::new(Kind::Notification);
    for _ in 0..RUN_DOWN_STEPS {
        if done() {
            return;
        }
        pause.wait_for(MILLISECOND);
    }
    let what = format_args!("a device is removed while IRPs of an open file are pending");
    report::finding(report::UNKNOWN, None, what);
}

/// Sends an IRP of no parameters for a file, and waits for it.
fn send(device: PDEVICE_OBJECT, file: PFILE_OBJECT, major: u8) {
    unsafe extern "C" fn signal(_device: PDEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
        // SAFETY: the context is the event of the frame that waits for it.
        unsafe { (*context.cast::<Event>()).set() };
        STATUS_MORE_PROCESSING_REQUIRED
    }
    // SAFETY: the device is live: Wine is calling it, or removing it.
    let locations = unsafe { (*device).StackSize };
    // SAFETY: a device needs at least one stack location.
    let raw = unsafe { sys::IoAllocateIrp(locations, 0) };
    // SAFETY: the IRP is new, and freed at the end of this function.
    let Some(irp) = (unsafe { Irp::from_raw(raw) }) else {
        report::line(format_args!("no memory for an IRP of major function {major:#x}"));
        return;
    };
    let done = Event::new(Kind::Notification);
    let next = irp.next();
    next.set_major(major);
    next.set_file_object(file);
    next.set_completion(Some(signal), (&raw const done).cast_mut().cast());
    // SAFETY: the device is live, and the IRP was made for its stack.
    if unsafe { irp.call(device) } == STATUS_PENDING {
        done.wait();
    }
    // SAFETY: the completion routine kept the IRP, and nobody else has it.
    unsafe { sys::IoFreeIrp(raw) };
}
