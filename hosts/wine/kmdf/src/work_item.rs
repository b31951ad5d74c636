//! `WDFWORKITEM`: a callback on a worker thread.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/using-framework-work-items>
#![expect(
    unsafe_code,
    reason = "calls the driver's callback and reads its configuration"
)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use wdk_sys::{
    NTSTATUS, PFN_WDF_WORKITEM, PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES, PWDF_WORKITEM_CONFIG,
    STATUS_INVALID_PARAMETER, WDFOBJECT, WDFWORKITEM,
};
use wine_nt::irql;
use wine_nt::thread::{Event, Kind};
use wine_state::sizes::Sized as Structure;

use crate::attributes::{self, Parent};
use crate::object::{self, Body, Object};
use crate::{client, locks, worker};

const MILLISECOND: i64 = 10_000;

/// `WDFWORKITEM`.
pub(crate) struct WorkItem {
    callback: PFN_WDF_WORKITEM,
    queued: AtomicBool,
    running: AtomicU32,
}

impl WorkItem {
    fn enqueue(&self, object: &Arc<Object>) {
        // One that is queued already runs once.
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let object = object.clone();
        worker::submit(Box::new(move || {
            if let Body::WorkItem(item) = &object.body {
                item.run(&object);
            }
        }));
    }

    fn run(&self, object: &Object) {
        self.running.fetch_add(1, Ordering::AcqRel);
        // From here on it may be queued again.
        self.queued.store(false, Ordering::Release);
        if let Some(callback) = self.callback {
            irql::guarded(
                || object.client.name().into(),
                "EvtWorkItem",
                || {
                    // SAFETY: the driver registered the callback; deletion waits for it.
                    unsafe { callback(object.as_handle()) };
                },
            );
        }
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    fn wait(&self) {
        let pause = Event::new(Kind::Notification);
        while self.queued.load(Ordering::Acquire) || self.running.load(Ordering::Acquire) > 0 {
            pause.wait_for(MILLISECOND);
        }
    }

    /// It is being deleted.
    pub(crate) fn release(&self) {
        self.wait();
    }
}

/// `WdfWorkItemCreate`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfworkitem/nf-wdfworkitem-wdfworkitemcreate>
pub(crate) extern "C" fn create(
    globals: PWDF_DRIVER_GLOBALS,
    config: PWDF_WORKITEM_CONFIG,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    item: *mut WDFWORKITEM,
) -> NTSTATUS {
    const NAME: &str = "WdfWorkItemCreate";
    let Some(client) = client::by_globals(globals, NAME) else {
        return STATUS_INVALID_PARAMETER;
    };
    // SAFETY: the driver passes its structure or NULL.
    let Some(config) = (unsafe { config.as_ref() }) else {
        return STATUS_INVALID_PARAMETER;
    };
    if let Err(status) = attributes::check_size(&client, NAME, Structure::WorkItemConfig, config.Size) {
        return status;
    }
    let body = Body::WorkItem(WorkItem {
        callback: config.EvtWorkItemFunc,
        queued: AtomicBool::new(false),
        running: AtomicU32::new(0),
    });
    locks::create_object(globals, NAME, attributes, Parent::Required, body, item)
}

/// `WdfWorkItemEnqueue`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfworkitem/nf-wdfworkitem-wdfworkitemenqueue>
pub(crate) extern "C" fn enqueue(_globals: PWDF_DRIVER_GLOBALS, item: WDFWORKITEM) {
    object::with::<WorkItem, _>(object::number(item), "WdfWorkItemEnqueue", |object, item| {
        item.enqueue(object);
    });
}

/// `WdfWorkItemFlush`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfworkitem/nf-wdfworkitem-wdfworkitemflush>
pub(crate) extern "C" fn flush(_globals: PWDF_DRIVER_GLOBALS, item: WDFWORKITEM) {
    object::with::<WorkItem, _>(object::number(item), "WdfWorkItemFlush", |_, item| item.wait());
}

/// `WdfWorkItemGetParentObject`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfworkitem/nf-wdfworkitem-wdfworkitemgetparentobject>
pub(crate) extern "C" fn get_parent(_globals: PWDF_DRIVER_GLOBALS, item: WDFWORKITEM) -> WDFOBJECT {
    object::with::<WorkItem, _>(object::number(item), "WdfWorkItemGetParentObject", |object, _| {
        object.parent()
    })
    .flatten()
    .map_or(core::ptr::null_mut(), |parent| parent.as_handle())
}
