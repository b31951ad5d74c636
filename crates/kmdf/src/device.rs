//! Device objects and how they are made.
#![expect(unsafe_code, reason = "called from and calls into the framework")]

use core::{marker::PhantomData, mem, ops::Deref, ptr, ptr::NonNull};

use kswrite_wire::names::Guid;
use wdk_sys::{
    _WDF_DEVICE_IO_TYPE, DEVICE_OBJECT, DEVICE_REGISTRY_PROPERTY, GUID, NTSTATUS, PDEVICE_OBJECT,
    PFILE_OBJECT, PIRP, PWDFDEVICE_INIT, WDFDEVICE, WDFREQUEST,
    call_unsafe_wdf_function_binding as unsafe_wdf,
};

use crate::{
    Context, Driver, FileEvents, FileObject, NtStatus, ObjectAttributes, Request, UnicodeString, file,
    object::{self, handle},
    status::check,
};

handle! {
    /// `WDFDEVICE`.
    Device, WDFDEVICE
}

/// How the data of reads and writes reaches the driver.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/ne-wdfdevice-_wdf_device_io_type>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoType {
    /// As a raw address.
    Neither,
    /// In a system buffer.
    Buffered,
    /// As an MDL of locked pages.
    Direct,
}

/// What the framework calls in the thread that issued a request, before the request is queued.
pub trait InCallerContext: 'static {
    /// Every request but opens comes here, and is either completed or given to [`Request::enqueue`].
    ///
    /// IRQL: `<= DISPATCH_LEVEL`; `PASSIVE_LEVEL` for requests of programs, in the thread of the caller.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nc-wdfdevice-evt_wdf_io_in_caller_context>
    fn in_caller_context(device: &Device, request: Request);
}

/// What the framework calls with the bare IRP before it looks at it.
pub trait Preprocess: 'static {
    /// Returns what a dispatch routine returns: the IRP is completed, marked pending, passed on, or given to
    /// [`Device::dispatch_preprocessed`].
    ///
    /// IRQL: as the dispatch routine of the major function.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nc-wdfdevice-evt_wdfdevice_wdm_irp_preprocess>
    fn preprocess(device: &Device, irp: NonNull<wdk_sys::IRP>) -> NtStatus;
}

/// A device object to be: `WDFDEVICE_INIT`.
///
/// Dropped without [`create`](Self::create), it is freed here or by the framework, as its source requires.
pub struct DeviceInit<'a> {
    /// Never NULL before `create`.
    raw: PWDFDEVICE_INIT,
    /// Whether nobody else frees it.
    owned: bool,
    /// The callback or driver that it belongs to.
    scope: PhantomData<&'a Driver>,
}

impl<'a> DeviceInit<'a> {
    /// The structure that `EvtDriverDeviceAdd` gets.
    ///
    /// # Safety
    ///
    /// `raw` is that structure, and `'a` ends with the callback.
    pub(crate) unsafe fn from_framework(raw: PWDFDEVICE_INIT) -> Self {
        Self {
            raw,
            owned: false,
            scope: PhantomData,
        }
    }

    /// `WdfControlDeviceInitAllocate`: for a device that belongs to no hardware. Who may open it is said by
    /// `sddl`.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfcontrol/nf-wdfcontrol-wdfcontroldeviceinitallocate>
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`: no memory, or the SDDL string is wrong; the framework does not say.
    pub fn control(driver: &'a Driver, sddl: &UnicodeString<'_>) -> Result<Self, NtStatus> {
        // SAFETY: the handle is live and the string is valid for the call.
        let raw = unsafe { unsafe_wdf!(WdfControlDeviceInitAllocate, driver.as_raw(), sddl.as_ptr()) };
        if raw.is_null() {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        Ok(Self {
            raw,
            owned: true,
            scope: PhantomData,
        })
    }

    /// `WdfFdoInitSetFilter`: the device is a filter.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffdo/nf-wdffdo-wdffdoinitsetfilter>
    pub fn set_filter(&mut self) {
        // SAFETY: the structure is this value's until the device is made.
        unsafe { unsafe_wdf!(WdfFdoInitSetFilter, self.raw) }
    }

    /// `WdfDeviceInitSetIoType`.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetiotype>
    pub fn set_io_type(&mut self, io_type: IoType) {
        let raw_type = match io_type {
            IoType::Neither => _WDF_DEVICE_IO_TYPE::WdfDeviceIoNeither,
            IoType::Buffered => _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered,
            IoType::Direct => _WDF_DEVICE_IO_TYPE::WdfDeviceIoDirect,
        };
        // SAFETY: the structure is this value's until the device is made.
        unsafe { unsafe_wdf!(WdfDeviceInitSetIoType, self.raw, raw_type) }
    }

    /// `WdfDeviceInitSetDeviceType`: a `FILE_DEVICE_*` number.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetdevicetype>
    pub fn set_device_type(&mut self, device_type: u32) {
        // SAFETY: the structure is this value's until the device is made.
        unsafe { unsafe_wdf!(WdfDeviceInitSetDeviceType, self.raw, device_type) }
    }

    /// `WdfDeviceInitSetCharacteristics`: adds `FILE_*` characteristics to those that are set.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetcharacteristics>
    pub fn add_characteristics(&mut self, characteristics: u32) {
        // SAFETY: the structure is this value's until the device is made.
        unsafe { unsafe_wdf!(WdfDeviceInitSetCharacteristics, self.raw, characteristics, 1) }
    }

    /// `WdfDeviceInitAssignName`: the name in the object manager's name space.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitassignname>
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn assign_name(&mut self, name: &UnicodeString<'_>) -> Result<(), NtStatus> {
        // SAFETY: the structure is this value's, and the string is valid for the call.
        check(unsafe { unsafe_wdf!(WdfDeviceInitAssignName, self.raw, name.as_ptr()) })
    }

    /// `WdfDeviceInitAssignSDDLString`: who may open the device.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitassignsddlstring>
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, or that the string is wrong.
    pub fn assign_sddl(&mut self, sddl: &UnicodeString<'_>) -> Result<(), NtStatus> {
        // SAFETY: the structure is this value's, and the string is valid for the call.
        check(unsafe { unsafe_wdf!(WdfDeviceInitAssignSDDLString, self.raw, sddl.as_ptr()) })
    }

    /// `WdfDeviceInitSetFileObjectConfig`: opens of the device are reported to `E`, and file objects have
    /// room for a `T`.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetfileobjectconfig>
    pub fn set_file_events<E: FileEvents, T: Context>(&mut self) {
        let mut config = file::config::<E>();
        let mut attributes = ObjectAttributes::new().with_context::<T>();
        // SAFETY: the structure is this value's, and the framework copies the other two.
        unsafe {
            unsafe_wdf!(
                WdfDeviceInitSetFileObjectConfig,
                self.raw,
                &raw mut config,
                attributes.as_mut_ptr()
            );
        }
    }

    /// `WdfDeviceInitSetRequestAttributes`: requests have room for a `T`.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetrequestattributes>
    pub fn set_request_context<T: Context>(&mut self) {
        let mut attributes = ObjectAttributes::new().with_context::<T>();
        // SAFETY: the structure is this value's, and the framework copies the attributes.
        unsafe {
            unsafe_wdf!(
                WdfDeviceInitSetRequestAttributes,
                self.raw,
                attributes.as_mut_ptr()
            );
        }
    }

    /// `WdfDeviceInitSetIoInCallerContextCallback`. Requests get room for the pages that
    /// [`Request::lock_caller_input`] locks, in place of
    /// [`set_request_context`](Self::set_request_context).
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitsetioincallercontextcallback>
    pub fn set_in_caller_context<E: InCallerContext>(&mut self) {
        self.set_request_context::<crate::request::CallerBuffer>();
        // SAFETY: the structure is this value's until the device is made.
        unsafe {
            unsafe_wdf!(
                WdfDeviceInitSetIoInCallerContextCallback,
                self.raw,
                Some(evt_in_caller_context::<E>)
            );
        }
    }

    /// `WdfDeviceInitAssignWdmIrpPreprocessCallback` for all minor functions of one major function
    /// (`IRP_MJ_*`).
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdeviceinitassignwdmirppreprocesscallback>
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; `STATUS_INVALID_PARAMETER` for a number that is no major function.
    pub fn set_preprocess<E: Preprocess>(&mut self, major_function: u8) -> Result<(), NtStatus> {
        // SAFETY: the structure is this value's; no list of minor functions means all.
        check(unsafe {
            unsafe_wdf!(
                WdfDeviceInitAssignWdmIrpPreprocessCallback,
                self.raw,
                Some(evt_preprocess::<E>),
                major_function,
                ptr::null_mut(),
                0
            )
        })
    }

    /// `WdfFdoInitQueryProperty` for `DevicePropertyHardwareID`: a list of strings, each closed by a zero,
    /// and the list by another. The part of `buffer` that was filled is returned.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdffdo/nf-wdffdo-wdffdoinitqueryproperty>
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL`, or that the device has no such property.
    pub fn hardware_ids<'b>(&self, buffer: &'b mut [u16]) -> Result<&'b [u16], NtStatus> {
        let bytes = u32::try_from(mem::size_of_val(buffer)).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let mut filled = 0;
        // SAFETY: the structure is this value's, and the buffer has as many bytes as is said.
        check(unsafe {
            unsafe_wdf!(
                WdfFdoInitQueryProperty,
                self.raw,
                DEVICE_REGISTRY_PROPERTY::DevicePropertyHardwareID,
                bytes,
                buffer.as_mut_ptr().cast(),
                &raw mut filled
            )
        })?;
        buffer
            .get(..filled as usize / 2)
            .ok_or(NtStatus::BUFFER_TOO_SMALL)
    }

    /// `WdfDeviceCreate`. The attributes say which context the device has room for.
    ///
    /// The borrow ends with the callback or driver that the device was made in; the framework deletes the
    /// device when it is removed.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicecreate>
    ///
    /// # Errors
    ///
    /// What the framework says, for example `STATUS_OBJECT_NAME_COLLISION`.
    pub fn create(mut self, mut attributes: ObjectAttributes) -> Result<&'a Device, NtStatus> {
        let mut device: WDFDEVICE = ptr::null_mut();
        // SAFETY: the structure is this value's; the framework sets the pointer to NULL when it takes it.
        let status = unsafe {
            unsafe_wdf!(
                WdfDeviceCreate,
                &raw mut self.raw,
                attributes.as_mut_ptr(),
                &raw mut device
            )
        };
        check(status)?;
        // The structure is the framework's now.
        self.owned = false;
        // SAFETY: the device lives beyond the callback that made it, and a control device until its owner
        // deletes it, which only `OwnedDevice` can do.
        unsafe { Device::from_raw(device) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// Makes a control device: [`create`](Self::create), with the deletion left to the owner.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if this was not made by [`control`](Self::control), and as `create`.
    pub fn create_control(self, attributes: ObjectAttributes) -> Result<OwnedDevice, NtStatus> {
        if !self.owned {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let device = self.create(attributes)?;
        Ok(OwnedDevice(device.as_raw()))
    }
}

impl Drop for DeviceInit<'_> {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: it came from `WdfControlDeviceInitAllocate`, and no device was made of it.
            unsafe { unsafe_wdf!(WdfDeviceInitFree, self.raw) }
        }
    }
}

/// A control device that is deleted when this is dropped.
///
/// A PnP driver cannot be unloaded while it has a control device, so it drops this when its last device goes.
/// Dropping needs `PASSIVE_LEVEL`.
///
/// # Invariants
///
/// The handle is live, and nobody else deletes it.
pub struct OwnedDevice(WDFDEVICE);

// SAFETY: the framework's objects may be used from any thread.
unsafe impl Send for OwnedDevice {}
// SAFETY: as above.
unsafe impl Sync for OwnedDevice {}

impl OwnedDevice {
    /// `WdfControlFinishInitializing`: opens and requests may come from now on.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfcontrol/nf-wdfcontrol-wdfcontrolfinishinitializing>
    pub fn finish_initializing(&self) {
        // SAFETY: by the invariant the handle is live.
        unsafe { unsafe_wdf!(WdfControlFinishInitializing, self.0) }
    }
}

impl Deref for OwnedDevice {
    type Target = Device;

    fn deref(&self) -> &Device {
        // SAFETY: by the invariant the handle is live, and not NULL.
        unsafe { &*self.0.cast::<Device>() }
    }
}

impl Drop for OwnedDevice {
    fn drop(&mut self) {
        // SAFETY: by the invariant the deletion is ours.
        unsafe { object::delete(self.0.cast()) }
    }
}

impl Device {
    /// `WdfDeviceCreateSymbolicLink`: the name by which programs open the device.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicecreatesymboliclink>
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_COLLISION` and the like.
    pub fn create_symbolic_link(&self, link: &UnicodeString<'_>) -> Result<(), NtStatus> {
        // SAFETY: the handle is live, and the string is valid for the call.
        check(unsafe { unsafe_wdf!(WdfDeviceCreateSymbolicLink, self.as_raw(), link.as_ptr()) })
    }

    /// `WdfDeviceCreateDeviceInterface`, without a reference string.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicecreatedeviceinterface>
    ///
    /// # Errors
    ///
    /// What the framework says.
    pub fn create_interface(&self, class: Guid) -> Result<(), NtStatus> {
        let guid = GUID {
            Data1: class.data1,
            Data2: class.data2,
            Data3: class.data3,
            Data4: class.data4,
        };
        // SAFETY: the handle is live, the GUID is copied, and no string is allowed.
        check(unsafe {
            unsafe_wdf!(
                WdfDeviceCreateDeviceInterface,
                self.as_raw(),
                &raw const guid,
                ptr::null()
            )
        })
    }

    /// `WdfDeviceWdmGetDeviceObject`: the device object, which lives as long as this.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicewdmgetdeviceobject>
    pub fn wdm(&self) -> Option<NonNull<DEVICE_OBJECT>> {
        // SAFETY: the handle is live.
        NonNull::new(unsafe { unsafe_wdf!(WdfDeviceWdmGetDeviceObject, self.as_raw()) })
    }

    /// `WdfDeviceWdmGetAttachedDevice`: the next lower device object, which stays until this one is removed.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicewdmgetattacheddevice>
    pub fn attached(&self) -> Option<NonNull<DEVICE_OBJECT>> {
        // SAFETY: the handle is live.
        NonNull::new(unsafe { unsafe_wdf!(WdfDeviceWdmGetAttachedDevice, self.as_raw()) })
    }

    /// `WdfDeviceWdmGetPhysicalDevice`: the bottom of the stack.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicewdmgetphysicaldevice>
    pub fn physical(&self) -> Option<NonNull<DEVICE_OBJECT>> {
        // SAFETY: the handle is live.
        NonNull::new(unsafe { unsafe_wdf!(WdfDeviceWdmGetPhysicalDevice, self.as_raw()) })
    }

    /// `WdfWdmDeviceGetWdfDeviceHandle`: the framework's device of a device object.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfwdmdevicegetwdfdevicehandle>
    ///
    /// # Safety
    ///
    /// The device object was made by the framework for this driver, and lives for all of `'a`.
    pub unsafe fn from_wdm<'a>(device_object: PDEVICE_OBJECT) -> Option<&'a Self> {
        // SAFETY: the caller's promise.
        let device = unsafe { unsafe_wdf!(WdfWdmDeviceGetWdfDeviceHandle, device_object) };
        // SAFETY: the framework's device lives as long as its device object.
        unsafe { Self::from_raw(device) }
    }

    /// `WdfDeviceGetFileObject`: the framework's file object for one of the I/O manager's; `None` if that one
    /// was not opened through this device.
    ///
    /// IRQL: `<= DISPATCH_LEVEL`.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicegetfileobject>
    ///
    /// # Safety
    ///
    /// The file object is referenced by the caller for all of `'a`.
    pub unsafe fn file_object<'a>(&self, file: PFILE_OBJECT) -> Option<&'a FileObject> {
        if file.is_null() {
            return None;
        }
        // SAFETY: the handle is live; the file object is only compared with those of the device, because
        // `file::config` keeps the framework out of its context fields.
        let file = unsafe { unsafe_wdf!(WdfDeviceGetFileObject, self.as_raw(), file) };
        // SAFETY: the framework's file object lives until the I/O manager's is closed.
        unsafe { FileObject::from_raw(file) }
    }

    /// `WdfDeviceWdmDispatchPreprocessedIrp`: gives an IRP back to the framework.
    ///
    /// IRQL: as the dispatch routine.
    ///
    /// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdfdevice/nf-wdfdevice-wdfdevicewdmdispatchpreprocessedirp>
    ///
    /// # Safety
    ///
    /// The IRP came to [`Preprocess::preprocess`] for this device, its stack location was skipped or copied
    /// as the page says, and it is not touched afterwards.
    pub unsafe fn dispatch_preprocessed(&self, irp: PIRP) -> NtStatus {
        // SAFETY: the caller's promise.
        NtStatus(unsafe { unsafe_wdf!(WdfDeviceWdmDispatchPreprocessedIrp, self.as_raw(), irp) })
    }
}

unsafe extern "C" fn evt_in_caller_context<E: InCallerContext>(device: WDFDEVICE, request: WDFREQUEST) {
    // SAFETY: the framework hands the request over with this call.
    let request = unsafe { Request::from_raw(request) };
    // SAFETY: the handle is valid for the length of the callback.
    match unsafe { Device::from_raw(device) } {
        Some(device) => E::in_caller_context(device, request),
        None => request.complete(crate::IoStatus::failed(NtStatus::INVALID_PARAMETER)),
    }
}

unsafe extern "C" fn evt_preprocess<E: Preprocess>(device: WDFDEVICE, irp: PIRP) -> NTSTATUS {
    // SAFETY: the handle is valid for the length of the callback.
    let device = unsafe { Device::from_raw(device) };
    match (device, NonNull::new(irp)) {
        (Some(device), Some(irp)) => E::preprocess(device, irp).0,
        // The framework gives neither as NULL, and there is nothing that could be completed.
        _ => NtStatus::INVALID_PARAMETER.0,
    }
}
