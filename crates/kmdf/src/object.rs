//! Framework objects and their attributes.
#![expect(unsafe_code, reason = "handles of the framework are raw pointers")]

use core::ptr::{self, NonNull};

use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_SYNCHRONIZATION_SCOPE, WDF_OBJECT_ATTRIBUTES, WDFOBJECT,
    call_unsafe_wdf_function_binding as unsafe_wdf,
};

use crate::{
    NtStatus,
    context::{self, Context},
};

/// Keeps [`Object`] to the types of this crate.
pub(crate) mod sealed {
    /// Implemented by [`handle!`](crate::object::handle) alone.
    pub trait Sealed {}
}

/// An object of the framework, borrowed.
///
/// # Invariants
///
/// The address of a reference is the object's handle, and the object lives at least as long as the borrow.
pub trait Object: sealed::Sealed {
    /// The handle, as the functions that take any object want it.
    fn as_object(&self) -> WDFOBJECT {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// The driver's data of type `T` on this object: `None` if the object was made without, or
    /// [`set_context`](Self::set_context) was not called yet.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/wdf/framework-object-context-space>
    fn context<T: Context>(&self) -> Option<&T> {
        // SAFETY: by the invariant the handle is valid for the life of `self`, to which the result is bound.
        unsafe { context::get(self.as_object()) }
    }

    /// Puts the driver's data on this object, which was made with
    /// [`ObjectAttributes::with_context`] for the same type.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`: the object was made without room for a `T`.
    /// `STATUS_OBJECT_NAME_COLLISION`: it has one already.
    fn set_context<T: Context>(&self, value: T) -> Result<&T, NtStatus> {
        // SAFETY: as in `context`.
        unsafe { context::set(self.as_object(), value) }
    }
}

/// Declares the borrowed form of one handle type.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $raw:ty) => {
        $(#[$doc])*
        ///
        /// # Invariants
        ///
        /// The address of a reference is the handle; the object lives at least as long as the borrow.
        #[repr(C)]
        pub struct $name {
            /// Nothing is ever read through the reference: it only carries the handle.
            _opaque: [u8; 0],
        }

        impl $name {
            /// The object of a handle; `None` for NULL.
            ///
            /// # Safety
            ///
            /// `raw` is NULL or a handle of this type whose object lives for all of `'a`.
            pub const unsafe fn from_raw<'a>(raw: $raw) -> Option<&'a Self> {
                // SAFETY: a zero-sized type with alignment 1 may be borrowed at any address but NULL.
                // INVARIANT: the caller vouches for the handle and its life.
                unsafe { raw.cast::<Self>().as_ref() }
            }

            /// The handle.
            pub const fn as_raw(&self) -> $raw {
                core::ptr::from_ref(self).cast_mut().cast()
            }
        }

        impl $crate::object::sealed::Sealed for $name {}
        impl $crate::object::Object for $name {}
    };
}
pub(crate) use handle;

/// At which IRQL the framework calls the callbacks of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionLevel {
    /// As the parent's.
    Inherit,
    /// `PASSIVE_LEVEL`.
    Passive,
    /// Up to `DISPATCH_LEVEL`.
    Dispatch,
}

/// `WDF_OBJECT_ATTRIBUTES` with the defaults of `WDF_OBJECT_ATTRIBUTES_INIT`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/ns-wdfobject-_wdf_object_attributes>
pub struct ObjectAttributes(WDF_OBJECT_ATTRIBUTES);

impl ObjectAttributes {
    /// No context, default parent, execution level and synchronization scope of the parent.
    pub fn new() -> Self {
        Self(WDF_OBJECT_ATTRIBUTES {
            Size: size_of_u32::<WDF_OBJECT_ATTRIBUTES>(),
            // Zero is "invalid" in both.
            ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
            SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
            ..WDF_OBJECT_ATTRIBUTES::default()
        })
    }

    /// Room for a `T`, to be filled by [`Object::set_context`]. It is dropped when the object is destroyed.
    #[must_use]
    pub fn with_context<T: Context>(mut self) -> Self {
        self.0.ContextTypeInfo = T::type_info().as_unique();
        self.0.EvtCleanupCallback = Some(context::evt_cleanup::<T>);
        self.0.EvtDestroyCallback = Some(context::evt_destroy::<T>);
        self
    }

    /// The IRQL of the callbacks.
    #[must_use]
    pub const fn execution_level(mut self, level: ExecutionLevel) -> Self {
        self.0.ExecutionLevel = match level {
            ExecutionLevel::Inherit => _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
            ExecutionLevel::Passive => _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
            ExecutionLevel::Dispatch => _WDF_EXECUTION_LEVEL::WdfExecutionLevelDispatch,
        };
        self
    }

    /// The framework does not serialise callbacks with a lock of its own.
    #[must_use]
    pub const fn unsynchronized(mut self) -> Self {
        self.0.SynchronizationScope = _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeNone;
        self
    }

    /// The object whose deletion deletes the new one.
    #[must_use]
    pub(crate) fn parent(mut self, parent: &impl Object) -> Self {
        self.0.ParentObject = parent.as_object();
        self
    }

    /// What the creating functions take. They copy it.
    pub const fn as_mut_ptr(&mut self) -> *mut WDF_OBJECT_ATTRIBUTES {
        &raw mut self.0
    }
}

impl Default for ObjectAttributes {
    fn default() -> Self {
        Self::new()
    }
}

/// Deletes an object and its children.
///
/// IRQL: `<= DISPATCH_LEVEL`; `PASSIVE_LEVEL` for devices and queues.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nf-wdfobject-wdfobjectdelete>
///
/// # Safety
///
/// `object` is a handle that the caller owns, may delete, and does not use afterwards.
pub(crate) unsafe fn delete(object: WDFOBJECT) {
    // SAFETY: the caller's promise.
    unsafe { unsafe_wdf!(WdfObjectDelete, object) }
}

/// The size of a structure for its `Size` field.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the structures are some hundred bytes at most"
)]
pub(crate) const fn size_of_u32<T>() -> u32 {
    size_of::<T>() as u32
}

/// A counted reference: the handle, memory and context of the object stay until this is dropped, whatever
/// becomes of the object meanwhile. Its children may be gone.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/wdf/framework-object-life-cycle>
///
/// # Invariants
///
/// The object has a reference that is this value's.
pub struct Reference<T: Object>(NonNull<T>);

impl<T: Object> Reference<T> {
    /// `WdfObjectReference`.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfobject/nf-wdfobject-wdfobjectreferenceactual>
    pub(crate) fn new(object: &T) -> Self {
        // SAFETY: the object is live; the tag, line and file are for a debugger.
        unsafe {
            unsafe_wdf!(
                WdfObjectReferenceActual,
                object.as_object(),
                ptr::null_mut(),
                0,
                ptr::null_mut()
            );
        };
        Self(NonNull::from(object))
    }
}

impl<T: Object> core::ops::Deref for Reference<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the invariant the handle is valid, and a handle is all that a reference carries.
        unsafe { self.0.as_ref() }
    }
}

impl<T: Object> Drop for Reference<T> {
    fn drop(&mut self) {
        // SAFETY: by the invariant the reference is ours to give back.
        unsafe {
            unsafe_wdf!(
                WdfObjectDereferenceActual,
                self.as_object(),
                ptr::null_mut(),
                0,
                ptr::null_mut()
            );
        }
    }
}
