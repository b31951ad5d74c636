//! Typed contexts: a Rust value on a framework object.
//!
//! The framework gives zeroed memory to the object; a flag beside the value says whether the value was put
//! there, so nobody can see it before. It is dropped when the object is destroyed.
#![expect(unsafe_code, reason = "context memory comes as a raw pointer")]

use core::{
    cell::UnsafeCell,
    ffi::CStr,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use wdk_sys::{
    PCWDF_OBJECT_CONTEXT_TYPE_INFO, WDF_OBJECT_CONTEXT_TYPE_INFO, WDFOBJECT,
    call_unsafe_wdf_function_binding as unsafe_wdf,
};

use crate::{NtStatus, object::size_of_u32};

/// Data that a driver puts on framework objects. Implemented by [`context_type!`](crate::context_type).
///
/// It is dropped at the IRQL at which the object is destroyed: `PASSIVE_LEVEL` for devices and file objects,
/// `<= DISPATCH_LEVEL` for requests.
pub trait Context: Send + Sync + Sized + 'static {
    /// The one description of this type.
    fn type_info() -> &'static ContextTypeInfo<Self>;

    /// Called when the object is being deleted, while its children and handles still work.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nc-wdfobject-evt_wdf_object_context_cleanup>
    fn cleanup(&self) {}
}

/// Makes a type usable as a context: `context_type!(DeviceContext);`. An optional block overrides
/// [`Context::cleanup`].
#[macro_export]
macro_rules! context_type {
    ($name:ty) => {
        $crate::context_type!($name, |_context| {});
    };
    ($name:ty, |$context:ident| $cleanup:block) => {
        const _: () = {
            static INFO: $crate::ContextTypeInfo<$name> = $crate::ContextTypeInfo::new(
                match ::core::ffi::CStr::from_bytes_with_nul(
                    ::core::concat!(::core::stringify!($name), "\0").as_bytes(),
                ) {
                    Ok(name) => name,
                    Err(_) => c"context",
                },
                &INFO,
            );

            impl $crate::Context for $name {
                fn type_info() -> &'static $crate::ContextTypeInfo<Self> {
                    &INFO
                }

                fn cleanup(&self) {
                    let $context = self;
                    $cleanup
                }
            }
        };
    };
}

/// `WDF_OBJECT_CONTEXT_TYPE_INFO` of one type. The framework tells types apart by its address.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/ns-wdfobject-_wdf_object_context_type_info>
#[repr(transparent)]
pub struct ContextTypeInfo<T> {
    /// In a cell, and so in a writable section: the framework gets a pointer to it that is not `const` in C.
    info: UnsafeCell<WDF_OBJECT_CONTEXT_TYPE_INFO>,
    /// Only this type may be read from a context that has this description.
    of: PhantomData<fn() -> T>,
}

// SAFETY: it is written by nobody in this crate, and the framework only reads it.
unsafe impl<T> Sync for ContextTypeInfo<T> {}

impl<T: Context> ContextTypeInfo<T> {
    /// A description of `T`; `this` is the static that is being made.
    pub const fn new(name: &'static CStr, this: &'static Self) -> Self {
        const {
            assert!(
                align_of::<Slot<T>>() <= CONTEXT_ALIGNMENT,
                "the framework aligns contexts as the pool does"
            );
        }
        Self {
            info: UnsafeCell::new(WDF_OBJECT_CONTEXT_TYPE_INFO {
                Size: size_of_u32::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
                // Not every version of the headers has this pointer to constant text as `const`.
                ContextName: name.as_ptr().cast_mut(),
                ContextSize: size_of::<Slot<T>>(),
                UniqueType: ptr::from_ref(this).cast(),
                EvtDriverGetUniqueContextType: None,
            }),
            of: PhantomData,
        }
    }

    /// What the framework compares.
    pub(crate) const fn as_unique(&'static self) -> PCWDF_OBJECT_CONTEXT_TYPE_INFO {
        self.info.get().cast_const()
    }
}

/// What `MEMORY_ALLOCATION_ALIGNMENT` is on 64-bit systems.
const CONTEXT_ALIGNMENT: usize = 16;

const EMPTY: u32 = 0;
const FILLING: u32 = 1;
const READY: u32 = 2;

/// The context memory of an object.
///
/// # Invariants
///
/// `value` is initialised if `state` is `READY`, and is not written to then.
#[repr(C)]
struct Slot<T> {
    /// `EMPTY` in the zeroed memory that the framework gives.
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// The slot for a `T` of an object.
///
/// # Safety
///
/// `object` is a live handle and stays so for all of `'a`.
unsafe fn slot<'a, T: Context>(object: WDFOBJECT) -> Option<&'a Slot<T>> {
    let info = T::type_info().as_unique();
    // SAFETY: the handle is live; the function returns NULL when the object has no such context.
    let memory = unsafe { unsafe_wdf!(WdfObjectGetTypedContextWorker, object, info) };
    // SAFETY: `info` describes a `Slot<T>`, so the memory has its size, and all-zero bytes are a valid empty
    // one. It is as well aligned as the assertion in `new` asks, and lives as long as the object.
    unsafe { memory.cast::<Slot<T>>().as_ref() }
}

/// See [`Object::context`](crate::Object::context).
///
/// # Safety
///
/// `object` is a live handle and stays so for all of `'a`.
pub(crate) unsafe fn get<'a, T: Context>(object: WDFOBJECT) -> Option<&'a T> {
    // SAFETY: the caller's promise.
    let slot = unsafe { slot::<T>(object) }?;
    if slot.state.load(Ordering::Acquire) != READY {
        return None;
    }
    // SAFETY: by the invariant a ready value is not written to.
    let value = unsafe { &*slot.value.get() };
    // SAFETY: by the invariant a ready value is initialised.
    Some(unsafe { value.assume_init_ref() })
}

/// See [`Object::set_context`](crate::Object::set_context).
///
/// # Safety
///
/// `object` is a live handle and stays so for all of `'a`.
pub(crate) unsafe fn set<'a, T: Context>(object: WDFOBJECT, value: T) -> Result<&'a T, NtStatus> {
    // SAFETY: the caller's promise.
    let Some(slot) = (unsafe { slot::<T>(object) }) else {
        return Err(NtStatus::INVALID_HANDLE);
    };
    let claimed = slot
        .state
        .compare_exchange(EMPTY, FILLING, Ordering::Acquire, Ordering::Relaxed);
    if claimed.is_err() {
        return Err(NtStatus::OBJECT_NAME_COLLISION);
    }
    // SAFETY: this thread alone went from EMPTY to FILLING, and nobody reads before READY.
    let place = unsafe { &mut *slot.value.get() };
    let value = place.write(value);
    // INVARIANT: the value is initialised, and this was the last mutable use of it.
    slot.state.store(READY, Ordering::Release);
    Ok(value)
}

/// `EVT_WDF_OBJECT_CONTEXT_CLEANUP` of objects with a `T`.
///
/// # Safety
///
/// Called by the framework alone, with a live handle.
pub(crate) unsafe extern "C" fn evt_cleanup<T: Context>(object: WDFOBJECT) {
    // SAFETY: the handle is live for the length of the callback.
    if let Some(context) = unsafe { get::<T>(object) } {
        context.cleanup();
    }
}

/// `EVT_WDF_OBJECT_CONTEXT_DESTROY` of objects with a `T`: the last use of the context.
///
/// # Safety
///
/// Called by the framework alone, once, with a handle to which no reference is left.
pub(crate) unsafe extern "C" fn evt_destroy<T: Context>(object: WDFOBJECT) {
    // SAFETY: the context memory is there until this callback returns.
    let Some(slot) = (unsafe { slot::<T>(object) }) else {
        return;
    };
    if slot.state.swap(EMPTY, Ordering::AcqRel) != READY {
        return;
    }
    // SAFETY: nobody has a reference to an object that is being destroyed, so nobody borrows the value.
    let value = unsafe { &mut *slot.value.get() };
    // SAFETY: it was READY, and is not from now on, so it is dropped once.
    unsafe { value.assume_init_drop() };
}
