//! Fields of file objects that Windows fills in and Wine does not, for tests to read and to set.
#![expect(unsafe_code, reason = "file objects are the system's structures")]

use alloc::boxed::Box;
use core::cell::UnsafeCell;

use kswrite_wire::wine_host::FileFields;
use wdk_sys::{IO_COMPLETION_CONTEXT, NTSTATUS, PFILE_OBJECT};

use crate::{objects, sys};

/// What `CompletionContext` of a file object with a port points to.
struct Port(UnsafeCell<IO_COMPLETION_CONTEXT>);

// SAFETY: nobody follows the pointer: there is no I/O manager here that would queue to the port.
unsafe impl Sync for Port {}
// SAFETY: as above.
unsafe impl Send for Port {}

/// The fields.
///
/// # Errors
///
/// As [`objects::with_callers_file`].
pub fn read(handle: u64) -> Result<FileFields, NTSTATUS> {
    objects::with_callers_file(handle, |file| {
        // SAFETY: the file object is referenced, and a value is copied out.
        let object = unsafe { file.read() };
        FileFields {
            // SAFETY: every view of the union is plain integers.
            current_byte_offset: unsafe { object.CurrentByteOffset.QuadPart },
            flags: object.Flags,
            // SAFETY: the file object is referenced.
            event_set: u32::from(unsafe { is_event_set(file) }),
            final_status: object.FinalStatus,
            has_port: u32::from(!object.CompletionContext.is_null()),
        }
    })
}

/// Whether `Event` of a file object is signalled.
///
/// # Safety
///
/// `file` is a live file object that was opened on a device in this process.
pub unsafe fn is_event_set(file: PFILE_OBJECT) -> bool {
    // SAFETY: the caller's promise.
    let event = unsafe { &raw mut (*file).Event };
    // SAFETY: the event was initialised when the file was opened.
    unsafe { sys::KeReadStateEvent(event) != 0 }
}

/// Sets all of them.
///
/// # Errors
///
/// As [`objects::with_callers_file`].
pub fn write(handle: u64, fields: &FileFields) -> Result<(), NTSTATUS> {
    objects::with_callers_file(handle, |file| {
        // SAFETY: the file object is referenced; tests change it while no write is under way.
        let object = unsafe { &mut *file };
        object.CurrentByteOffset.QuadPart = fields.current_byte_offset;
        object.Flags = fields.flags;
        object.FinalStatus = fields.final_status;
        object.CompletionContext = if fields.has_port == 0 {
            core::ptr::null_mut()
        } else {
            port()
        };
        let event = &raw mut object.Event;
        if fields.event_set == 0 {
            // SAFETY: the event was initialised when the file was opened.
            unsafe { sys::KeClearEvent(event) };
        } else {
            // SAFETY: as above.
            unsafe { sys::KeSetEvent(event, 0, 0) };
        }
    })
}

fn port() -> *mut IO_COMPLETION_CONTEXT {
    static PORT: crate::lock::Lock<Option<Box<Port>>> = crate::lock::Lock::new(None);
    PORT.lock()
        .get_or_insert_with(|| Box::new(Port(UnsafeCell::new(IO_COMPLETION_CONTEXT::default()))))
        .0
        .get()
}
