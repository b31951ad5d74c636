//! One-shot timers of a file object.
#![expect(unsafe_code, reason = "called from and calls into the framework")]

use core::ptr;

use wdk_sys::{WDF_TIMER_CONFIG, WDFOBJECT, WDFTIMER, call_unsafe_wdf_function_binding as unsafe_wdf};

use crate::{
    FileObject, NtStatus, Object, ObjectAttributes,
    object::{ExecutionLevel, Reference, size_of_u32},
    status::check,
};

/// What a timer calls.
pub trait TimerEvents: 'static {
    /// The time has come.
    ///
    /// IRQL: `DISPATCH_LEVEL`, in any thread.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdftimer/nc-wdftimer-evt_wdf_timer>
    fn expired(file: &FileObject);
}

/// `WDFTIMER` whose parent is a file object.
///
/// The framework deletes it with the file object. So every use shows the file object: that one lives, and so
/// does its timer. The place to keep this is the context of the file object.
///
/// # Invariants
///
/// The handle is of a child of `parent`.
pub struct Timer {
    raw: WDFTIMER,
    parent: WDFOBJECT,
}

// SAFETY: the framework's objects may be used from any thread.
unsafe impl Send for Timer {}
// SAFETY: as above.
unsafe impl Sync for Timer {}

impl Timer {
    /// `WdfTimerCreate`: a high-resolution timer that is not periodic.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdftimer/nf-wdftimer-wdftimercreate>
    ///
    /// # Errors
    ///
    /// What the framework says, for example `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn create<E: TimerEvents>(file: &FileObject) -> Result<Self, NtStatus> {
        let mut config = WDF_TIMER_CONFIG {
            Size: size_of_u32::<WDF_TIMER_CONFIG>(),
            EvtTimerFunc: Some(evt_timer::<E>),
            AutomaticSerialization: 0,
            UseHighResolutionTimer: 1,
            ..WDF_TIMER_CONFIG::default()
        };
        let mut attributes = ObjectAttributes::new()
            .execution_level(ExecutionLevel::Dispatch)
            .parent(file);
        let mut raw: WDFTIMER = ptr::null_mut();
        // SAFETY: the structures are valid for the call, and the parent is live.
        check(unsafe {
            unsafe_wdf!(
                WdfTimerCreate,
                &raw mut config,
                attributes.as_mut_ptr(),
                &raw mut raw
            )
        })?;
        Ok(Self {
            raw,
            parent: file.as_object(),
        })
    }

    /// `WdfTimerStart`: fires once after `after_100ns`, instead of at the time set before. Nothing happens if
    /// the timer is another file object's.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdftimer/nf-wdftimer-wdftimerstart>
    pub fn start(&self, file: &FileObject, after_100ns: u64) {
        if file.as_object() == self.parent {
            // Relative times are negative.
            let due = -i64::try_from(after_100ns).unwrap_or(i64::MAX);
            // SAFETY: the parent lives, so the timer does.
            let _was_set = unsafe { unsafe_wdf!(WdfTimerStart, self.raw, due) };
        }
    }

    /// `WdfTimerStop`, and waits until a running call of [`TimerEvents::expired`] has returned.
    ///
    /// IRQL: `PASSIVE_LEVEL`, and not in that call.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdftimer/nf-wdftimer-wdftimerstop>
    pub fn stop(&self, file: &FileObject) {
        if file.as_object() == self.parent {
            // SAFETY: the parent lives, so the timer does.
            let _was_set = unsafe { unsafe_wdf!(WdfTimerStop, self.raw, 1) };
        }
    }
}

unsafe extern "C" fn evt_timer<E: TimerEvents>(timer: WDFTIMER) {
    // SAFETY: the handle is valid for the length of the callback.
    let parent = unsafe { unsafe_wdf!(WdfTimerGetParentObject, timer) };
    // SAFETY: `create` made a file object the parent.
    if let Some(file) = unsafe { FileObject::from_raw(parent.cast()) } {
        // The file object may be closed as soon as its last request is completed.
        let file = Reference::new(file);
        E::expired(&file);
    }
}
