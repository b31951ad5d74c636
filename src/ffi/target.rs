//! The device below, and the fast-I/O table of its driver.
#![expect(unsafe_code, reason = "reads fields of device and driver objects")]

use core::ptr::NonNull;

use kmdf::{Device, write_irp::WriteIrp};
use kswrite_core::{BufferMethod, FileFlags, NtStatus};
use wdk_sys::{
    DEVICE_OBJECT, DO_BUFFERED_IO, DO_DIRECT_IO, FAST_IO_DISPATCH, FILE_OBJECT, PFAST_IO_WRITE,
    ntddk::{IoGetRelatedDeviceObject, IofCallDriver, ObfReferenceObject},
};

use super::event::Event;

/// A device object that outlives every write that is sent to it.
///
/// # Invariants
///
/// The pointer is to a device object on which a device of this driver is attached: attachment keeps the lower
/// device object alive until the upper one is detached, which the framework does when it deletes the filter's
/// device, and that is after the last write. Or it is to the related device of a file object that outlives the
/// write.
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

    /// `IoCallDriver` with the caller's own IRP, untouched, as if this driver were not there. Only for the device
    /// below the one that the IRP came to. Returns what the dispatch routine returns.
    ///
    /// IRQL: as the dispatch routine.
    pub fn pass_on(self, request: WriteIrp) -> NtStatus {
        let irp = request.into_skipped();
        // SAFETY: INVARIANT: the device object is alive. The IRP was held, with a location for this device, which
        // is the lower one's now; nothing of it is touched after this.
        NtStatus(unsafe { IofCallDriver(self.as_ptr(), irp.as_ptr()) })
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

/// A file object, borrowed while a request that is for it is held, or a reference.
///
/// # Invariants
///
/// The pointer is from the stack location of an IRP that has not been completed, or of a [`FileReference`]
/// that has not been dropped. The file object has a device.
///
/// [`FileReference`]: super::object::FileReference
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

    /// `ObReferenceObject`: the reference that the end of an IRP gives back.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn reference_for_irp(self) {
        // SAFETY: INVARIANT: the file object is alive.
        let _count = unsafe { ObfReferenceObject(self.as_ptr().cast()) };
    }

    /// `Flags`.
    ///
    /// IRQL: any.
    pub fn flags(self) -> FileFlags {
        // SAFETY: INVARIANT: the file object is alive.
        FileFlags(unsafe { (*self.as_ptr()).Flags })
    }

    /// `FO_SYNCHRONOUS_IO`: the handle was opened for synchronous I/O.
    ///
    /// IRQL: any.
    pub fn is_synchronous(self) -> bool {
        self.flags().is_synchronous()
    }

    /// `IoGetRelatedDeviceObject`: the top of the device stack. It lives as long as the file object.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetrelateddeviceobject>
    pub fn related_device(self) -> Target {
        // SAFETY: INVARIANT: the file object is alive.
        let device = unsafe { IoGetRelatedDeviceObject(self.as_ptr()) };
        // SAFETY: a file object that has a device has a related one.
        // INVARIANT: the device at the top of a stack stays while a file is open on the stack.
        Target(unsafe { NonNull::new_unchecked(device) })
    }

    /// `CurrentByteOffset`. Whoever writes to a synchronous file object serialises it.
    ///
    /// IRQL: any.
    pub fn current_byte_offset(self) -> i64 {
        // SAFETY: INVARIANT: the file object is alive.
        let field = unsafe { &raw const (*self.as_ptr()).CurrentByteOffset.QuadPart };
        // SAFETY: as above; other drivers may write it.
        unsafe { field.read_volatile() }
    }

    /// Sets `CurrentByteOffset`.
    ///
    /// IRQL: any.
    pub fn set_current_byte_offset(self, offset: i64) {
        // SAFETY: INVARIANT: the file object is alive.
        let field = unsafe { &raw mut (*self.as_ptr()).CurrentByteOffset.QuadPart };
        // SAFETY: as above.
        unsafe { field.write_volatile(offset) };
    }

    /// Whether a completion port is associated: `CompletionContext`.
    ///
    /// IRQL: any.
    pub fn has_completion_port(self) -> bool {
        // SAFETY: INVARIANT: the file object is alive.
        let field = unsafe { &raw const (*self.as_ptr()).CompletionContext };
        // SAFETY: as above; the I/O manager may write it.
        !unsafe { field.read_volatile() }.is_null()
    }

    /// `Event`, which lives in the file object.
    ///
    /// IRQL: any.
    pub fn event(self) -> Event {
        // SAFETY: INVARIANT: the file object is alive.
        let event = unsafe { &raw mut (*self.as_ptr()).Event };
        // SAFETY: a field of a live object is not at NULL.
        let event = unsafe { NonNull::new_unchecked(event) };
        // SAFETY: the I/O manager initialised it when the file was opened; it lives as long as the file object.
        unsafe { Event::new(event) }
    }

    /// Sets `FinalStatus`.
    ///
    /// IRQL: any.
    pub fn set_final_status(self, status: NtStatus) {
        // SAFETY: INVARIANT: the file object is alive.
        let field = unsafe { &raw mut (*self.as_ptr()).FinalStatus };
        // SAFETY: as above.
        unsafe { field.write_volatile(status.0) };
    }
}
