//! The device below, and the fast-I/O table of its driver.
#![expect(unsafe_code, reason = "reads fields of device and driver objects")]

use core::ptr::NonNull;

use kmdf::Device;
use kswrite_core::BufferMethod;
use wdk_sys::{
    DEVICE_OBJECT, DO_BUFFERED_IO, DO_DIRECT_IO, FAST_IO_DISPATCH, FILE_OBJECT, FO_SYNCHRONOUS_IO,
    PFAST_IO_WRITE,
};

/// A device object that outlives every write that is sent to it.
///
/// # Invariants
///
/// The pointer is to a device object on which a device of this driver is attached, or to the device itself.
/// Attachment keeps the lower device object alive until the upper one is detached, which the framework does
/// when it deletes the filter's device, and that is after the last write.
#[derive(Clone, Copy)]
pub struct Target(NonNull<DEVICE_OBJECT>);

// SAFETY: a device object is shared by all threads of the system; the fields read here do not change while it
// has a device attached to it.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// The device below a filter device of this driver.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn below(device: &Device) -> Option<Self> {
        // INVARIANT: the filter is attached to it.
        device.attached().map(Self)
    }

    /// The pointer, for calls into the kernel.
    pub const fn as_ptr(self) -> *mut DEVICE_OBJECT {
        self.0.as_ptr()
    }

    /// The buffer method that the `DO_*` flags ask for.
    ///
    /// IRQL: any.
    pub fn buffer_method(self) -> BufferMethod {
        // SAFETY: INVARIANT: the device object is alive.
        let flags = unsafe { (*self.as_ptr()).Flags };
        if flags & DO_BUFFERED_IO != 0 {
            BufferMethod::Buffered
        } else if flags & DO_DIRECT_IO != 0 {
            BufferMethod::Direct
        } else {
            BufferMethod::Neither
        }
    }

    /// `StackSize`: the stack locations that an IRP for this device needs.
    ///
    /// IRQL: any.
    pub fn stack_size(self) -> i8 {
        // SAFETY: INVARIANT: the device object is alive.
        unsafe { (*self.as_ptr()).StackSize }
    }

    fn fast_table(self) -> Option<NonNull<FAST_IO_DISPATCH>> {
        // SAFETY: INVARIANT: the device object is alive; its driver object outlives it.
        let driver = unsafe { (*self.as_ptr()).DriverObject };
        // SAFETY: `DriverObject` of a live device points to its driver object.
        NonNull::new(unsafe { (*driver).FastIoDispatch })
    }

    /// `SizeOfFastIoDispatch`, `None` without a table.
    ///
    /// IRQL: any.
    pub fn fast_table_size(self) -> Option<u32> {
        let table = self.fast_table()?;
        // SAFETY: a table that a driver has published is valid as long as the driver is loaded.
        Some(unsafe { (*table.as_ptr()).SizeOfFastIoDispatch })
    }

    /// The `FastIoWrite` slot.
    ///
    /// IRQL: any.
    ///
    /// # Safety
    ///
    /// [`fast_table_size`](Self::fast_table_size) must have said that the table reaches beyond the slot.
    pub unsafe fn fast_write_slot(self) -> PFAST_IO_WRITE {
        let table = self.fast_table()?;
        // SAFETY: the caller promises that the table has this slot.
        let slot = unsafe { &raw const (*table.as_ptr()).FastIoWrite };
        // SAFETY: as above. Read volatile, because a driver may change it at any time.
        unsafe { slot.read_volatile() }
    }
}

/// The file object of a request, borrowed while the request is held.
///
/// # Invariants
///
/// The pointer is from the stack location of an IRP that has not been completed.
#[derive(Clone, Copy)]
pub struct File(NonNull<FILE_OBJECT>);

impl File {
    /// # Safety
    ///
    /// The pointer must satisfy the invariant of the type.
    pub const unsafe fn new(file: NonNull<FILE_OBJECT>) -> Self {
        Self(file)
    }

    /// The pointer, for calls into the kernel.
    pub const fn as_ptr(self) -> *mut FILE_OBJECT {
        self.0.as_ptr()
    }

    /// `FO_SYNCHRONOUS_IO`: the handle was opened for synchronous I/O.
    ///
    /// IRQL: any.
    pub fn is_synchronous(self) -> bool {
        // SAFETY: INVARIANT: the IRP keeps its file object alive.
        let flags = unsafe { (*self.as_ptr()).Flags };
        flags & FO_SYNCHRONOUS_IO != 0
    }
}
