//! Fast I/O: the table of a driver and its write routine.
#![expect(unsafe_code, reason = "called from and calls into the kernel")]

use core::{
    cell::UnsafeCell,
    ffi::c_void,
    marker::PhantomData,
    mem,
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, Ordering},
};

use wdk_sys::{
    BOOLEAN, DEVICE_OBJECT, DRIVER_OBJECT, FAST_IO_DISPATCH, FILE_OBJECT, IO_STATUS_BLOCK, PDRIVER_OBJECT,
    PIO_STATUS_BLOCK, PLARGE_INTEGER, PVOID, ULONG,
};

use crate::{Device, FileObject, IoStatus, NtStatus, object::size_of_u32, seh};

/// A driver's fast-I/O routines.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ifs/fastiowrite>
pub trait FastIo: Sized + 'static {
    /// The one table of the driver.
    fn table() -> &'static FastIoTable<Self>;

    /// A write. `None` declines it: the caller builds an IRP. A status means that it is dealt with.
    ///
    /// IRQL: `<= APC_LEVEL`, in the thread of the caller.
    fn write(call: &FastWrite<'_, Self>) -> Option<IoStatus>;
}

/// A `FAST_IO_DISPATCH` with one routine: `FastIoWrite`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_fast_io_dispatch>
pub struct FastIoTable<F> {
    /// Read by anybody in the kernel. Only the write slot ever changes, as one atomic store.
    table: UnsafeCell<FAST_IO_DISPATCH>,
    /// Whose table it is; NULL until it is published.
    driver: AtomicPtr<DRIVER_OBJECT>,
    routines: PhantomData<fn() -> F>,
}

// SAFETY: the one field that changes is only touched atomically.
unsafe impl<F> Sync for FastIoTable<F> {}

impl<F: FastIo> FastIoTable<F> {
    /// A table whose write slot is filled.
    pub const fn new() -> Self {
        // SAFETY: a table of zeroes is one of empty slots.
        let mut table: FAST_IO_DISPATCH = unsafe { mem::zeroed() };
        table.SizeOfFastIoDispatch = size_of_u32::<FAST_IO_DISPATCH>();
        table.FastIoWrite = Some(fast_io_write::<F>);
        Self {
            table: UnsafeCell::new(table),
            driver: AtomicPtr::new(ptr::null_mut()),
            routines: PhantomData,
        }
    }

    /// Makes this the table of the driver.
    ///
    /// IRQL: `PASSIVE_LEVEL`, in `DriverEntry`.
    ///
    /// # Safety
    ///
    /// `driver` is the driver object that `DriverEntry` got.
    pub unsafe fn publish(&'static self, driver: PDRIVER_OBJECT) {
        self.driver.store(driver, Ordering::Release);
        // SAFETY: the driver object is the caller's to fill.
        unsafe { (*driver).FastIoDispatch = self.table.get() };
    }

    /// Fills or empties the write slot. Calls that are under way are not affected.
    ///
    /// IRQL: any.
    pub fn set_write_present(&self, present: bool) {
        let routine = if present {
            // A function's address: the slot is one pointer wide.
            fast_io_write::<F> as *mut c_void
        } else {
            ptr::null_mut()
        };
        self.write_slot().store(routine, Ordering::SeqCst);
    }

    fn write_slot(&self) -> &AtomicPtr<c_void> {
        // SAFETY: the field is inside the table.
        let slot = unsafe { &raw mut (*self.table.get()).FastIoWrite };
        // SAFETY: an optional function pointer has the size and alignment of a pointer, and after `new`
        // nobody but this reference writes to it.
        unsafe { AtomicPtr::from_ptr(slot.cast()) }
    }
}

impl<F: FastIo> Default for FastIoTable<F> {
    fn default() -> Self {
        Self::new()
    }
}

/// The arguments of a `FastIoWrite` call.
pub struct FastWrite<'a, F> {
    /// The file object; referenced by the caller.
    pub file: NonNull<FILE_OBJECT>,
    /// Byte offset, read once, with the special negative values as the caller gave them.
    pub offset: i64,
    /// Bytes.
    pub length: u32,
    /// Whether the caller may be kept waiting.
    pub wait: bool,
    /// The caller's key.
    pub key: u32,
    /// Where the bytes are: an address that may fault.
    pub buffer: *mut c_void,
    /// The device object that the call is for.
    pub device: NonNull<DEVICE_OBJECT>,
    scope: PhantomData<&'a F>,
}

impl<'a, F: FastIo> FastWrite<'a, F> {
    /// The framework's device, if the device object is one of this driver.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn wdf_device(&self) -> Option<&'a Device> {
        // SAFETY: the caller has a reference on the device object.
        let driver = unsafe { (*self.device.as_ptr()).DriverObject };
        if driver.is_null() || driver != F::table().driver.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: all device objects of this driver are made by the framework, and this one is referenced.
        unsafe { Device::from_wdm(self.device.as_ptr()) }
    }

    /// The framework's file object, if the file object was opened through this device.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    pub fn wdf_file(&self) -> Option<&'a FileObject> {
        let device = self.wdf_device()?;
        // SAFETY: the caller has a reference on the file object.
        unsafe { device.file_object(self.file.as_ptr()) }
    }

    /// Copies the bytes from `at` on into `into`, under an exception handler. On Windows the handler catches
    /// what user-mode addresses raise; a bad system address is the caller's bug and stops the system.
    ///
    /// IRQL: `<= APC_LEVEL`.
    ///
    /// # Errors
    ///
    /// The exception code; `STATUS_INVALID_PARAMETER` for a range beyond the length.
    pub fn copy_out(&self, at: usize, into: &mut [u8]) -> Result<(), NtStatus> {
        let end = at.checked_add(into.len()).ok_or(NtStatus::INVALID_PARAMETER)?;
        if end > self.length as usize {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let from = self.buffer.cast::<u8>().wrapping_add(at);
        // SAFETY: the destination is ours; a fault on the source is caught.
        unsafe { seh::guarded_copy(into.as_mut_ptr().cast(), from.cast(), into.len()) }.ok()
    }
}

/// `FAST_IO_WRITE`.
///
/// # Safety
///
/// Called by the I/O manager or a driver, with references on both objects and a status block to fill.
unsafe extern "C" fn fast_io_write<F: FastIo>(
    file: *mut FILE_OBJECT,
    offset: PLARGE_INTEGER,
    length: ULONG,
    wait: BOOLEAN,
    key: ULONG,
    buffer: PVOID,
    io_status: PIO_STATUS_BLOCK,
    device: *mut DEVICE_OBJECT,
) -> BOOLEAN {
    let (Some(file), Some(offset), Some(io_status), Some(device)) = (
        NonNull::new(file),
        NonNull::new(offset),
        NonNull::new(io_status),
        NonNull::new(device),
    ) else {
        return 0;
    };
    // SAFETY: the offset is the caller's, in system memory, by the contract of the routine; as a whole it is
    // its `QuadPart`.
    let offset = unsafe { offset.cast::<i64>().read() };
    let call = FastWrite {
        file,
        offset,
        length,
        wait: wait != 0,
        key,
        buffer,
        device,
        scope: PhantomData,
    };
    let Some(io) = F::write(&call) else {
        return 0;
    };
    let mut block = IO_STATUS_BLOCK {
        Information: io.information as u64,
        ..IO_STATUS_BLOCK::default()
    };
    block.__bindgen_anon_1.Status = io.status.0;
    // SAFETY: the block is the caller's to be filled, by the contract of the routine.
    unsafe { io_status.write(block) };
    1
}
