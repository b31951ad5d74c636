//! References on what a caller's handles stand for.
#![expect(unsafe_code, reason = "references and dereferences objects of the kernel")]

use core::{ffi::c_void, ptr, ptr::NonNull};

use kswrite_core::{NtStatus, ProcessorMode};
use wdk_sys::{
    DEVICE_OBJECT, EVENT_MODIFY_STATE, FILE_OBJECT, FILE_WRITE_DATA, KEVENT, POBJECT_TYPE,
    ntddk::{ObReferenceObjectByHandle, ObfDereferenceObject},
};

use super::{capture::raw_mode, event::Event, target::File};

unsafe extern "C" {
    /// The slot of the import table for `IoFileObjectType`, which is data.
    #[link_name = "__imp_IoFileObjectType"]
    static FILE_TYPE: *const POBJECT_TYPE;
    /// The same for `ExEventObjectType`.
    #[link_name = "__imp_ExEventObjectType"]
    static EVENT_TYPE: *const POBJECT_TYPE;
}

/// A reference on an object.
///
/// # Invariants
///
/// The reference is this value's to give back.
struct ObjectReference(NonNull<c_void>);

// SAFETY: objects of the kernel have no thread.
unsafe impl Send for ObjectReference {}
// SAFETY: as above.
unsafe impl Sync for ObjectReference {}

impl ObjectReference {
    /// `ObReferenceObjectByHandle`: looks a handle up in the current process, and checks that it is of the type
    /// and, for a user's handle, that it grants the access.
    ///
    /// # Safety
    ///
    /// `kind` is a slot of this module.
    unsafe fn by_handle(
        handle: u64,
        access: u32,
        kind: *const POBJECT_TYPE,
        mode: ProcessorMode,
    ) -> Result<Self, NtStatus> {
        let handle = usize::try_from(handle).map_err(|_| NtStatus::INVALID_HANDLE)?;
        // SAFETY: the caller's promise: the slot holds the address of the kernel's variable.
        let kind = unsafe { kind.read() };
        let mut object = ptr::null_mut();
        // SAFETY: any value may be given as a handle; the object can be written, nothing else is asked for.
        NtStatus(unsafe {
            ObReferenceObjectByHandle(
                ptr::with_exposed_provenance_mut(handle),
                access,
                kind,
                raw_mode(mode),
                &raw mut object,
                ptr::null_mut(),
            )
        })
        .ok()?;
        // INVARIANT: the call took the reference for its caller.
        NonNull::new(object).map(Self).ok_or(NtStatus::INVALID_HANDLE)
    }
}

impl Drop for ObjectReference {
    /// IRQL: `<= DISPATCH_LEVEL`.
    fn drop(&mut self) {
        // SAFETY: INVARIANT: the reference is given back once.
        let _left = unsafe { ObfDereferenceObject(self.0.as_ptr()) };
    }
}

/// A file object, referenced.
///
/// # Invariants
///
/// The object is a file object that has a device.
pub struct FileReference(ObjectReference);

impl FileReference {
    /// The file object of a handle that grants `FILE_WRITE_DATA`.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in the process whose handle it is.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-obreferenceobjectbyhandle>
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`;
    /// `STATUS_INVALID_DEVICE_REQUEST` for a file object without a device.
    pub fn by_handle(handle: u64, mode: ProcessorMode) -> Result<Self, NtStatus> {
        // SAFETY: the loader filled the slot.
        let kind = unsafe { FILE_TYPE };
        // SAFETY: it is the slot of the type.
        let object = unsafe { ObjectReference::by_handle(handle, FILE_WRITE_DATA, kind, mode) }?;
        let file = object.0.cast::<FILE_OBJECT>();
        // SAFETY: the type was checked, and the object is referenced.
        if unsafe { (*file.as_ptr()).DeviceObject }.is_null() {
            return Err(NtStatus::INVALID_DEVICE_REQUEST);
        }
        // INVARIANT: checked just now; a file object keeps its device.
        Ok(Self(object))
    }

    /// The file object.
    pub const fn file(&self) -> File {
        // SAFETY: INVARIANT: it has a device, and is referenced while `self` lives.
        unsafe { File::new(self.0.0.cast()) }
    }

    /// Whether the file was opened on this device itself.
    ///
    /// IRQL: any.
    pub fn is_of(&self, device: NonNull<DEVICE_OBJECT>) -> bool {
        // SAFETY: INVARIANT: the file object is referenced.
        unsafe { (*self.file().as_ptr()).DeviceObject == device.as_ptr() }
    }
}

/// An event object, referenced.
pub struct EventReference(ObjectReference);

impl EventReference {
    /// The event of a handle that grants `EVENT_MODIFY_STATE`.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in the process whose handle it is.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
    pub fn by_handle(handle: u64, mode: ProcessorMode) -> Result<Self, NtStatus> {
        // SAFETY: the loader filled the slot.
        let kind = unsafe { EVENT_TYPE };
        // SAFETY: it is the slot of the type.
        unsafe { ObjectReference::by_handle(handle, EVENT_MODIFY_STATE, kind, mode) }.map(Self)
    }

    /// The event.
    pub const fn event(&self) -> Event {
        let event = self.0.0.cast::<KEVENT>();
        // SAFETY: the body of an event object is an initialised event, referenced while `self` lives.
        unsafe { Event::new(event) }
    }
}
