//! Framework objects: handles, contexts, the tree, callbacks and references.
//!
//! A handle is a number that is never used twice ([`wine_state::slab`]), so that a stale or wrong one is
//! found and never followed. The framework holds objects by `Arc`; the references that drivers count decide
//! when the destroy callback runs and the handle dies.
#![expect(unsafe_code, reason = "calls the driver's callbacks; contexts are raw memory")]

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use kswrite_wire::wine_host::Service;
use wdk_sys::{
    LONG, NTSTATUS, PCCH, PCWDF_OBJECT_CONTEXT_TYPE_INFO, PFN_WDF_OBJECT_CONTEXT_DESTROY, PVOID,
    PWDF_DRIVER_GLOBALS, STATUS_INSUFFICIENT_RESOURCES, WDFOBJECT,
};
use wine_nt::lock::Lock;
use wine_nt::{faults, probe, report};
use wine_state::slab::{Lookup, Slab};

use crate::attributes::Attributes;
use crate::client::Client;
use crate::device::Device;
use crate::driver::Driver;
use crate::file::File;
use crate::locks::{SpinLock, WaitLock};
use crate::queue::Queue;
use crate::request::{Memory, Request};
use crate::timer::Timer;
use crate::work_item::WorkItem;

/// What an object is.
pub(crate) enum Body {
    /// `WDFDRIVER`.
    Driver(Driver),
    /// `WDFDEVICE`.
    Device(Box<Device>),
    /// `WDFQUEUE`.
    Queue(Queue),
    /// `WDFREQUEST`.
    Request(Request),
    /// `WDFFILEOBJECT`.
    File(File),
    /// `WDFMEMORY`.
    Memory(Memory),
    /// `WDFIOTARGET`: the device below; the handle of the device it belongs to.
    Target(u64),
    /// `WDFSPINLOCK`.
    SpinLock(SpinLock),
    /// `WDFWAITLOCK`.
    WaitLock(WaitLock),
    /// `WDFTIMER`.
    Timer(Timer),
    /// `WDFWORKITEM`.
    WorkItem(WorkItem),
}

/// A body that an object can have.
pub(crate) trait Kind {
    /// Name of the handle type.
    const NAME: &'static str;
    /// The body, if it is of this kind.
    fn of(body: &Body) -> Option<&Self>;
}

macro_rules! kind {
    ($type:ty, $variant:ident, $name:literal) => {
        impl Kind for $type {
            const NAME: &'static str = $name;
            fn of(body: &Body) -> Option<&Self> {
                match body {
                    Body::$variant(body) => Some(body),
                    _ => None,
                }
            }
        }
    };
}

kind!(Driver, Driver, "WDFDRIVER");
kind!(Device, Device, "WDFDEVICE");
kind!(Queue, Queue, "WDFQUEUE");
kind!(Request, Request, "WDFREQUEST");
kind!(File, File, "WDFFILEOBJECT");
kind!(Memory, Memory, "WDFMEMORY");
kind!(u64, Target, "WDFIOTARGET");
kind!(SpinLock, SpinLock, "WDFSPINLOCK");
kind!(WaitLock, WaitLock, "WDFWAITLOCK");
kind!(Timer, Timer, "WDFTIMER");
kind!(WorkItem, WorkItem, "WDFWORKITEM");

impl Body {
    const fn name(&self) -> &'static str {
        match self {
            Self::Driver(_) => Driver::NAME,
            Self::Device(_) => Device::NAME,
            Self::Queue(_) => Queue::NAME,
            Self::Request(_) => Request::NAME,
            Self::File(_) => File::NAME,
            Self::Memory(_) => Memory::NAME,
            Self::Target(_) => u64::NAME,
            Self::SpinLock(_) => SpinLock::NAME,
            Self::WaitLock(_) => WaitLock::NAME,
            Self::Timer(_) => Timer::NAME,
            Self::WorkItem(_) => WorkItem::NAME,
        }
    }
}

/// The unit of context memory: what the pool's alignment is on Windows.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
struct Unit([u64; 2]);

/// First word of the unit before a context; the second is the handle.
const CONTEXT_MARK: u64 = 0x7478_6574_6E6F_4357;

/// A context: a unit that says whose it is, then the driver's bytes, zeroed.
struct Context {
    context_type: usize,
    units: UnsafeCell<Box<[Unit]>>,
}

impl Context {
    fn new(attributes: &Attributes, handle: u64) -> Option<Self> {
        if attributes.context_type == 0 {
            return None;
        }
        let count = 1 + attributes.context_bytes.div_ceil(size_of::<Unit>());
        let mut units = alloc::vec![Unit::default(); count].into_boxed_slice();
        if let Some(first) = units.first_mut() {
            first.0 = [CONTEXT_MARK, handle];
        }
        Some(Self {
            context_type: attributes.context_type,
            units: UnsafeCell::new(units),
        })
    }

    fn memory(&self) -> PVOID {
        // SAFETY: the box itself is never replaced; only the driver uses the memory behind it.
        let start = unsafe { (*self.units.get()).as_mut_ptr() };
        start.wrapping_add(1).cast()
    }
}

/// A framework object.
pub(crate) struct Object {
    /// What drivers know it by.
    pub(crate) handle: u64,
    /// Whose it is.
    pub(crate) client: Arc<Client>,
    /// What it is.
    pub(crate) body: Body,
    attributes: Attributes,
    context: Option<Context>,
    parent: Weak<Object>,
    children: Lock<Vec<Arc<Object>>>,
    references: AtomicI32,
    deleted: AtomicBool,
}

// SAFETY: the context is the driver's to synchronise; everything else is behind locks or atomic.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

static OBJECTS: Lock<Slab<Arc<Object>>> = Lock::new(Slab::new());
/// Of `OBJECTS`, those that are requests.
static REQUESTS: AtomicU32 = AtomicU32::new(0);

/// Makes an object, as a child of `parent`.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub(crate) fn create(
    client: &Arc<Client>,
    parent: Option<&Arc<Object>>,
    attributes: &Attributes,
    body: Body,
) -> Result<Arc<Object>, NTSTATUS> {
    if faults::strikes(Service::ObjectCreate) {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let is_request = matches!(body, Body::Request(_));
    let mut made = None;
    OBJECTS
        .lock()
        .insert_with(|handle| {
            let object = Arc::new(Object {
                handle,
                client: client.clone(),
                body,
                attributes: *attributes,
                context: Context::new(attributes, handle),
                parent: parent.map_or_else(Weak::new, Arc::downgrade),
                children: Lock::new(Vec::new()),
                references: AtomicI32::new(1),
                deleted: AtomicBool::new(false),
            });
            made = Some(object.clone());
            object
        })
        .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let object = made.ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    if is_request {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
    }
    // A request ends by completion, never with its device.
    if let (Some(parent), false) = (parent, is_request) {
        parent.children.lock().push(object.clone());
    }
    Ok(object)
}

/// Reports and forgets the objects that are left of a client.
pub(crate) fn report_leaks(client: &Arc<Client>) {
    let left: Vec<Arc<Object>> = OBJECTS
        .lock()
        .iter()
        .filter(|object| Arc::ptr_eq(&object.client, client))
        .cloned()
        .collect();
    for object in left {
        let references = object.references.load(Ordering::Relaxed);
        let what = format_args!(
            "leak at unload: {} {:#x} with {references} reference(s)",
            object.body.name(),
            object.handle
        );
        // The driver's code is going: the address of its image says whose object it was.
        report::finding(client.name(), Some(client.record.base()), what);
        if matches!(object.body, Body::Request(_)) {
            REQUESTS.fetch_sub(1, Ordering::Relaxed);
        }
        let removed = OBJECTS.lock().remove(object.handle);
        drop(removed);
    }
}

/// How many objects there are: all but requests, and requests.
pub(crate) fn counts() -> (u32, u32) {
    let all = OBJECTS.lock().len();
    let requests = REQUESTS.load(Ordering::Relaxed);
    (all.saturating_sub(requests), requests)
}

/// A handle as the number that it is.
pub(crate) fn number<T>(handle: *mut T) -> u64 {
    handle.addr() as u64
}

/// The live object of a handle; anything else is reported.
pub(crate) fn lookup(handle: u64, function: &str) -> Option<Arc<Object>> {
    let found = OBJECTS.lock().get(handle);
    match found {
        Lookup::Live(object) => return Some(object),
        Lookup::Stale => {
            report::finding(
                "?",
                None,
                format_args!("{function}: handle {handle:#x} is of a deleted object"),
            );
        }
        Lookup::Unknown => {
            report::finding("?", None, format_args!("{function}: {handle:#x} is not a handle"));
        }
    }
    None
}

/// The live object of a handle, without a word about one that is not.
pub(crate) fn find(handle: u64) -> Option<Arc<Object>> {
    match OBJECTS.lock().get(handle) {
        Lookup::Live(object) => Some(object),
        Lookup::Stale | Lookup::Unknown => None,
    }
}

/// Calls `body` with the object of a handle of kind `T`; a handle of another kind is reported.
pub(crate) fn with<T: Kind + ?Sized, R>(
    handle: u64,
    function: &str,
    body: impl FnOnce(&Arc<Object>, &T) -> R,
) -> Option<R> {
    let object = lookup(handle, function)?;
    let Some(inner) = T::of(&object.body) else {
        let what = format_args!(
            "{function}: handle {handle:#x} is a {}, not a {}",
            object.body.name(),
            T::NAME
        );
        report::finding(object.client.name(), None, what);
        return None;
    };
    Some(body(&object, inner))
}

/// Every live object of kind `T` of a client, newest last.
pub(crate) fn all<T: Kind>(client: &Arc<Client>) -> Vec<Arc<Object>> {
    OBJECTS
        .lock()
        .iter()
        .filter(|object| Arc::ptr_eq(&object.client, client) && T::of(&object.body).is_some())
        .cloned()
        .collect()
}

impl Object {
    /// The handle as a driver has it.
    pub(crate) fn as_handle<T>(&self) -> *mut T {
        core::ptr::without_provenance_mut(self.handle as usize)
    }

    /// The parent, while it lives.
    pub(crate) fn parent(&self) -> Option<Arc<Self>> {
        self.parent.upgrade()
    }

    /// Whether deletion has begun.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Adds a reference.
    pub(crate) fn reference(&self) {
        self.references.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a reference away; the last one ends the object.
    pub(crate) fn dereference(self: &Arc<Self>) {
        let before = self.references.fetch_sub(1, Ordering::AcqRel);
        match before {
            1 => self.end(),
            ..1 => {
                let what = format_args!(
                    "{} {:#x}: more dereferences than references",
                    self.body.name(),
                    self.handle
                );
                report::finding(self.client.name(), None, what);
            }
            _ => {}
        }
    }

    /// Deletes the object: children first, then its cleanup callback, then the first reference.
    pub(crate) fn delete(self: &Arc<Self>) {
        if self.deleted.swap(true, Ordering::AcqRel) {
            let what = format_args!("{} {:#x} deleted twice", self.body.name(), self.handle);
            report::finding(self.client.name(), None, what);
            return;
        }
        self.delete_children();
        self.call(self.attributes.cleanup);
        self.release_body();
        if let (Some(parent), false) = (self.parent(), matches!(self.body, Body::Request(_))) {
            let mut children = parent.children.lock();
            if let Some(at) = children.iter().rposition(|child| Arc::ptr_eq(child, self)) {
                children.remove(at);
            }
        }
        self.dereference();
    }

    /// Deletes the children, newest first.
    pub(crate) fn delete_children(&self) {
        loop {
            let child = self.children.lock().pop();
            let Some(child) = child else {
                return;
            };
            if !child.is_deleted() {
                child.delete();
            }
        }
    }

    /// What a kind does when it is deleted, beyond callbacks.
    fn release_body(self: &Arc<Self>) {
        match &self.body {
            Body::Memory(memory) => memory.release(),
            Body::Timer(timer) => timer.release(self),
            Body::WorkItem(item) => item.release(),
            Body::SpinLock(lock) => lock.release_check(self),
            Body::WaitLock(lock) => lock.release_check(self),
            _ => {}
        }
    }

    /// The last reference is gone.
    fn end(self: &Arc<Self>) {
        self.call(self.attributes.destroy);
        if matches!(self.body, Body::Request(_)) {
            REQUESTS.fetch_sub(1, Ordering::Relaxed);
        }
        let removed = OBJECTS.lock().remove(self.handle);
        drop(removed);
    }

    fn call(&self, callback: PFN_WDF_OBJECT_CONTEXT_DESTROY) {
        if let Some(callback) = callback {
            // SAFETY: the driver registered the callback for this object, which is live.
            unsafe { callback(self.as_handle()) };
        }
    }
}

/// `WdfObjectGetTypedContextWorker`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nf-wdfobject-wdfobjectgettypedcontext>
pub(crate) extern "C" fn get_typed_context(
    _globals: PWDF_DRIVER_GLOBALS,
    handle: WDFOBJECT,
    context_type: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
) -> PVOID {
    let Some(object) = lookup(number(handle), "WdfObjectGetTypedContextWorker") else {
        return core::ptr::null_mut();
    };
    match &object.context {
        Some(context) if context.context_type == unique(context_type) => context.memory(),
        _ => core::ptr::null_mut(),
    }
}

/// Types are compared by address.
fn unique(context_type: PCWDF_OBJECT_CONTEXT_TYPE_INFO) -> usize {
    context_type.addr()
}

/// `WdfObjectContextGetObject`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nf-wdfobject-wdfobjectcontextgetobject>
pub(crate) extern "C" fn context_get_object(_globals: PWDF_DRIVER_GLOBALS, context: PVOID) -> WDFOBJECT {
    let before = context.wrapping_byte_sub(size_of::<Unit>()).cast::<Unit>();
    if probe::accessible(before.addr(), size_of::<Unit>(), probe::Access::Read) && before.is_aligned() {
        // SAFETY: the memory was found readable, and any bytes are a unit.
        let unit = unsafe { before.read() };
        let [mark, handle] = unit.0;
        if mark == CONTEXT_MARK && find(handle).is_some() {
            return core::ptr::without_provenance_mut(handle as usize);
        }
    }
    let what = format_args!("WdfObjectContextGetObject: {context:p} is not a context");
    report::finding("?", None, what);
    core::ptr::null_mut()
}

/// `WdfObjectReferenceActual`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nf-wdfobject-wdfobjectreference>
pub(crate) extern "C" fn reference(
    _globals: PWDF_DRIVER_GLOBALS,
    handle: WDFOBJECT,
    _tag: PVOID,
    _line: LONG,
    _file: PCCH,
) {
    if let Some(object) = lookup(number(handle), "WdfObjectReferenceActual") {
        object.reference();
    }
}

/// `WdfObjectDereferenceActual`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nf-wdfobject-wdfobjectdereference>
pub(crate) extern "C" fn dereference(
    _globals: PWDF_DRIVER_GLOBALS,
    handle: WDFOBJECT,
    _tag: PVOID,
    _line: LONG,
    _file: PCCH,
) {
    if let Some(object) = lookup(number(handle), "WdfObjectDereferenceActual") {
        object.dereference();
    }
}

/// `WdfObjectDelete`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nf-wdfobject-wdfobjectdelete>
pub(crate) extern "C" fn delete(_globals: PWDF_DRIVER_GLOBALS, handle: WDFOBJECT) {
    let Some(object) = lookup(number(handle), "WdfObjectDelete") else {
        return;
    };
    match &object.body {
        Body::Device(device) if device.is_control() => crate::device::delete_control(&object, device),
        // The framework deletes these itself.
        Body::Driver(_) | Body::Device(_) | Body::Request(_) | Body::File(_) | Body::Target(_) => {
            let what = format_args!("WdfObjectDelete of a {}", object.body.name());
            report::finding(object.client.name(), None, what);
        }
        _ => object.delete(),
    }
}
