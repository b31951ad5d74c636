//! `WDFSPINLOCK` and `WDFWAITLOCK`.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/using-framework-locks>
#![expect(unsafe_code, reason = "reads and writes through the driver's pointers")]

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use wdk_sys::{
    NTSTATUS, PLONGLONG, PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS, STATUS_TIMEOUT, WDFSPINLOCK, WDFWAITLOCK,
};
use wine_nt::thread::{self, Event, Kind};
use wine_nt::{irql, report, sys};

use crate::attributes::{self, Parent};
use crate::object::{self, Body, Object};
use crate::{bind, client};

/// `WDFSPINLOCK`: the thread that holds it, and its level before.
#[derive(Default)]
pub(crate) struct SpinLock {
    owner: AtomicUsize,
    level: AtomicU8,
}

/// `WDFWAITLOCK`.
pub(crate) struct WaitLock {
    owner: AtomicUsize,
    free: Event,
}

/// Makes an object whose parent is the named one, or the driver.
pub(crate) fn create_object<T>(
    globals: PWDF_DRIVER_GLOBALS,
    function: &str,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    rule: Parent,
    body: Body,
    handle: *mut *mut T,
) -> NTSTATUS {
    let Some(client) = client::by_globals(globals, function) else {
        return STATUS_INVALID_PARAMETER;
    };
    let made = attributes::read(&client, function, attributes, rule).and_then(|attributes| {
        let parent = if attributes.parent == 0 {
            object::find(*client.driver.lock())
        } else {
            Some(object::lookup(attributes.parent, function).ok_or(STATUS_INVALID_PARAMETER)?)
        };
        object::create(&client, parent.as_ref(), &attributes, body)
    });
    match made {
        Ok(made) => {
            // SAFETY: the driver passes a place for the handle.
            unsafe { handle.write(made.as_handle()) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

impl SpinLock {
    fn acquire(&self, object: &Object) {
        let this = irql::thread();
        while let Err(owner) = self
            .owner
            .compare_exchange(0, this, Ordering::Acquire, Ordering::Relaxed)
        {
            if owner == this {
                let what = format_args!("WDFSPINLOCK {:#x} taken twice by one thread", object.handle);
                report::finding(object.client.name(), None, what);
                report::bug_check(bind::WDF_VIOLATION, [object.handle as usize, 0, 0, 0]);
            }
            // SAFETY: no preconditions.
            unsafe { sys::ZwYieldExecution() };
        }
        self.level
            .store(irql::set(irql::DISPATCH_LEVEL), Ordering::Relaxed);
    }

    fn release(&self, object: &Object) {
        let level = self.level.load(Ordering::Relaxed);
        if self.owner.load(Ordering::Relaxed) != irql::thread() {
            let what = format_args!(
                "WDFSPINLOCK {:#x} released by a thread that does not hold it",
                object.handle
            );
            report::finding(object.client.name(), None, what);
            return;
        }
        if irql::current() < irql::DISPATCH_LEVEL {
            let what = format_args!(
                "WDFSPINLOCK {:#x} released at IRQL {}: locks go in the reverse order of their taking",
                object.handle,
                irql::current()
            );
            report::finding(object.client.name(), None, what);
        }
        self.owner.store(0, Ordering::Release);
        irql::set(level);
    }

    /// It is being deleted.
    pub(crate) fn release_check(&self, object: &Object) {
        if self.owner.load(Ordering::Relaxed) != 0 {
            let what = format_args!("WDFSPINLOCK {:#x} deleted while it is held", object.handle);
            report::finding(object.client.name(), None, what);
        }
    }
}

impl WaitLock {
    fn new() -> Self {
        let free = Event::new(Kind::Synchronization);
        free.set();
        Self {
            owner: AtomicUsize::new(0),
            free,
        }
    }

    fn acquire(&self, object: &Object, timeout: Option<i64>) -> NTSTATUS {
        let waits = timeout != Some(0);
        if waits && irql::current() >= irql::DISPATCH_LEVEL {
            let what = format_args!("WdfWaitLockAcquire waits at DISPATCH_LEVEL");
            report::finding(object.client.name(), None, what);
        }
        if self.owner.load(Ordering::Relaxed) == irql::thread() {
            let what = format_args!("WDFWAITLOCK {:#x} taken twice by one thread", object.handle);
            report::finding(object.client.name(), None, what);
            report::bug_check(bind::WDF_VIOLATION, [object.handle as usize, 0, 0, 0]);
        }
        let taken = match timeout {
            None => {
                self.free.wait();
                true
            }
            // Negative is relative, positive a point in time.
            Some(relative @ ..=0) => self.free.wait_for(-relative),
            Some(absolute) => self.free.wait_for(absolute - thread::now()),
        };
        if !taken {
            return STATUS_TIMEOUT;
        }
        self.owner.store(irql::thread(), Ordering::Relaxed);
        STATUS_SUCCESS
    }

    fn release(&self, object: &Object) {
        if self.owner.swap(0, Ordering::Relaxed) != irql::thread() {
            let what = format_args!(
                "WDFWAITLOCK {:#x} released by a thread that does not hold it",
                object.handle
            );
            report::finding(object.client.name(), None, what);
        }
        self.free.set();
    }

    /// It is being deleted.
    pub(crate) fn release_check(&self, object: &Object) {
        if self.owner.load(Ordering::Relaxed) != 0 {
            let what = format_args!("WDFWAITLOCK {:#x} deleted while it is held", object.handle);
            report::finding(object.client.name(), None, what);
        }
    }
}

/// `WdfSpinLockCreate`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfspinlockcreate>
pub(crate) extern "C" fn create_spin(
    globals: PWDF_DRIVER_GLOBALS,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    lock: *mut WDFSPINLOCK,
) -> NTSTATUS {
    let body = Body::SpinLock(SpinLock::default());
    create_object(
        globals,
        "WdfSpinLockCreate",
        attributes,
        Parent::Optional,
        body,
        lock,
    )
}

/// `WdfSpinLockAcquire`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfspinlockacquire>
pub(crate) extern "C" fn acquire_spin(_globals: PWDF_DRIVER_GLOBALS, lock: WDFSPINLOCK) {
    object::with::<SpinLock, _>(object::number(lock), "WdfSpinLockAcquire", |object, lock| {
        lock.acquire(object);
    });
}

/// `WdfSpinLockRelease`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfspinlockrelease>
pub(crate) extern "C" fn release_spin(_globals: PWDF_DRIVER_GLOBALS, lock: WDFSPINLOCK) {
    object::with::<SpinLock, _>(object::number(lock), "WdfSpinLockRelease", |object, lock| {
        lock.release(object);
    });
}

/// `WdfWaitLockCreate`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfwaitlockcreate>
pub(crate) extern "C" fn create_wait(
    globals: PWDF_DRIVER_GLOBALS,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    lock: *mut WDFWAITLOCK,
) -> NTSTATUS {
    let body = Body::WaitLock(WaitLock::new());
    create_object(
        globals,
        "WdfWaitLockCreate",
        attributes,
        Parent::Optional,
        body,
        lock,
    )
}

/// `WdfWaitLockAcquire`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfwaitlockacquire>
pub(crate) extern "C" fn acquire_wait(
    _globals: PWDF_DRIVER_GLOBALS,
    lock: WDFWAITLOCK,
    timeout: PLONGLONG,
) -> NTSTATUS {
    // SAFETY: the driver passes NULL or a timeout.
    let timeout = unsafe { timeout.as_ref() }.copied();
    object::with::<WaitLock, _>(object::number(lock), "WdfWaitLockAcquire", |object, lock| {
        lock.acquire(object, timeout)
    })
    .unwrap_or(STATUS_INVALID_PARAMETER)
}

/// `WdfWaitLockRelease`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfsync/nf-wdfsync-wdfwaitlockrelease>
pub(crate) extern "C" fn release_wait(_globals: PWDF_DRIVER_GLOBALS, lock: WDFWAITLOCK) {
    object::with::<WaitLock, _>(object::number(lock), "WdfWaitLockRelease", |object, lock| {
        lock.release(object);
    });
}
