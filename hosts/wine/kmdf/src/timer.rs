//! `WDFTIMER`: a callback at a point in time, on the host's timer thread.
//!
//! Wine's `KeSetTimer` deadlocks when a timer is set again while it fires, so the host has a thread with
//! timed waits of its own. Its resolution is what Wine gives: about a millisecond.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/wdf/using-timers>
#![expect(
    unsafe_code,
    reason = "calls the driver's callback and reads its configuration"
)]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use wdk_sys::{
    BOOLEAN, LONGLONG, NTSTATUS, PFN_WDF_TIMER, PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES,
    PWDF_TIMER_CONFIG, STATUS_INVALID_PARAMETER, WDFOBJECT, WDFTIMER,
};
use wine_nt::lock::Lock;
use wine_nt::thread::{self, Event, Kind};
use wine_nt::{irql, report};
use wine_state::sizes::Sized as Structure;

use crate::attributes::{self, Parent};
use crate::object::{self, Body, Object};
use crate::{client, locks};

const MILLISECOND: i64 = 10_000;
/// The longest wait of the timer thread: it looks again after that.
const LONGEST_WAIT: i64 = 10_000 * MILLISECOND;

/// When a timer fires, and a number that makes the key unique.
type Key = (i64, u64);

/// `WDFTIMER`.
pub(crate) struct Timer {
    callback: PFN_WDF_TIMER,
    period_ms: u32,
    passive: bool,
    /// Its entry in `QUEUE`.
    key: Lock<Option<Key>>,
    running: AtomicBool,
}

static QUEUE: Lock<BTreeMap<Key, Arc<Object>>> = Lock::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);
static WAKE: Lock<Option<Arc<Event>>> = Lock::new(None);
/// The timer thread.
static THREAD: AtomicUsize = AtomicUsize::new(0);

/// Starts the timer thread.
///
/// # Errors
///
/// The status with which the system refused.
pub(crate) fn start_thread() -> Result<(), NTSTATUS> {
    *WAKE.lock() = Some(Arc::new(Event::new(Kind::Synchronization)));
    thread::spawn(run)
}

fn run() {
    let Some(event) = WAKE.lock().clone() else {
        return;
    };
    THREAD.store(irql::thread(), Ordering::Relaxed);
    loop {
        let now = thread::now();
        let (due, wait) = next_due(now);
        match due {
            Some(object) => fire(&object),
            None => {
                event.wait_for(wait);
            }
        }
    }
}

/// The timer that is due, or how long to wait.
fn next_due(now: i64) -> (Option<Arc<Object>>, i64) {
    let mut queue = QUEUE.lock();
    let Some(((due, _), _)) = queue.first_key_value() else {
        return (None, LONGEST_WAIT);
    };
    let left = *due - now;
    if left > 0 {
        return (None, left.min(LONGEST_WAIT));
    }
    let Some((_, object)) = queue.pop_first() else {
        return (None, LONGEST_WAIT);
    };
    if let Body::Timer(timer) = &object.body {
        // Before the queue's lock goes: a stop that finds no entry must find it running.
        timer.running.store(true, Ordering::Release);
        *timer.key.lock() = None;
    }
    (Some(object), 0)
}

fn fire(object: &Arc<Object>) {
    let Body::Timer(timer) = &object.body else {
        return;
    };
    if timer.period_ms > 0 {
        timer.arm(object, thread::now() + i64::from(timer.period_ms) * MILLISECOND);
    }
    if let Some(callback) = timer.callback {
        let level = if timer.passive {
            irql::PASSIVE_LEVEL
        } else {
            irql::DISPATCH_LEVEL
        };
        let before = irql::set(level);
        irql::guarded(
            || object.client.name().into(),
            "EvtTimerFunc",
            || {
                // SAFETY: the driver registered the callback; deletion waits for it.
                unsafe { callback(object.as_handle()) };
            },
        );
        irql::set(before);
    }
    timer.running.store(false, Ordering::Release);
}

impl Timer {
    /// Puts the timer in the queue; whether it was in it.
    fn arm(&self, object: &Arc<Object>, due: i64) -> bool {
        let key = (due, NEXT.fetch_add(1, Ordering::Relaxed));
        let was_armed = {
            let mut queue = QUEUE.lock();
            let old = self.key.lock().replace(key);
            let removed = old.and_then(|old| queue.remove(&old));
            queue.insert(key, object.clone());
            removed.is_some()
        };
        let wake = WAKE.lock().clone();
        if let Some(wake) = wake {
            wake.set();
        }
        was_armed
    }

    /// Takes the timer out of the queue; whether it was in it.
    fn disarm(&self) -> bool {
        let mut queue = QUEUE.lock();
        let old = self.key.lock().take();
        let removed = old.and_then(|old| queue.remove(&old));
        drop(queue);
        removed.is_some()
    }

    /// Waits until the callback is not running, unless this is the callback.
    fn wait(&self) {
        if THREAD.load(Ordering::Relaxed) == irql::thread() {
            return;
        }
        let pause = Event::new(Kind::Notification);
        while self.running.load(Ordering::Acquire) {
            pause.wait_for(MILLISECOND);
        }
    }

    /// It is being deleted.
    pub(crate) fn release(&self, _object: &Object) {
        self.disarm();
        self.wait();
    }
}

/// `WdfTimerCreate`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdftimer/nf-wdftimer-wdftimercreate>
pub(crate) extern "C" fn create(
    globals: PWDF_DRIVER_GLOBALS,
    config: PWDF_TIMER_CONFIG,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    timer: *mut WDFTIMER,
) -> NTSTATUS {
    const NAME: &str = "WdfTimerCreate";
    let Some(client) = client::by_globals(globals, NAME) else {
        return STATUS_INVALID_PARAMETER;
    };
    // SAFETY: the driver passes its structure or NULL.
    let Some(config) = (unsafe { config.as_ref() }) else {
        return STATUS_INVALID_PARAMETER;
    };
    let checked = attributes::check_size(&client, NAME, Structure::TimerConfig, config.Size)
        .and_then(|()| attributes::read(&client, NAME, attributes, Parent::Required));
    let passive = match checked {
        Ok(attributes) => attributes.passive,
        Err(status) => return status,
    };
    if config.EvtTimerFunc.is_none() || config.Period > i32::MAX.cast_unsigned() {
        return STATUS_INVALID_PARAMETER;
    }
    let body = Body::Timer(Timer {
        callback: config.EvtTimerFunc,
        period_ms: config.Period,
        passive,
        key: Lock::new(None),
        running: AtomicBool::new(false),
    });
    locks::create_object(globals, NAME, attributes, Parent::Required, body, timer)
}

/// `WdfTimerStart`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdftimer/nf-wdftimer-wdftimerstart>
pub(crate) extern "C" fn start(_globals: PWDF_DRIVER_GLOBALS, timer: WDFTIMER, due: LONGLONG) -> BOOLEAN {
    object::with::<Timer, _>(object::number(timer), "WdfTimerStart", |object, timer| {
        // Negative is relative, the rest a point in time.
        let at = if due < 0 {
            thread::now().saturating_sub(due)
        } else {
            due
        };
        BOOLEAN::from(timer.arm(object, at))
    })
    .unwrap_or_default()
}

/// `WdfTimerStop`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdftimer/nf-wdftimer-wdftimerstop>
pub(crate) extern "C" fn stop(_globals: PWDF_DRIVER_GLOBALS, timer: WDFTIMER, wait: BOOLEAN) -> BOOLEAN {
    object::with::<Timer, _>(object::number(timer), "WdfTimerStop", |object, timer| {
        if wait != 0 && irql::current() >= irql::DISPATCH_LEVEL {
            let what = format_args!("WdfTimerStop waits at DISPATCH_LEVEL");
            report::finding(object.client.name(), None, what);
        }
        let was_armed = timer.disarm();
        if wait != 0 {
            timer.wait();
        }
        BOOLEAN::from(was_armed)
    })
    .unwrap_or_default()
}

/// `WdfTimerGetParentObject`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdftimer/nf-wdftimer-wdftimergetparentobject>
pub(crate) extern "C" fn get_parent(_globals: PWDF_DRIVER_GLOBALS, timer: WDFTIMER) -> WDFOBJECT {
    object::with::<Timer, _>(object::number(timer), "WdfTimerGetParentObject", |object, _| {
        object.parent()
    })
    .flatten()
    .map_or(core::ptr::null_mut(), |parent| parent.as_handle())
}
