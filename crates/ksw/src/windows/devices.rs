//! SetupAPI's device information sets.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/install/setupapi>
#![expect(unsafe_code, reason = "calls SetupAPI")]

use std::ptr;

use kswrite_client::{Error, Win32Error};
use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    DI_FUNCTION, DICD_GENERATE_ID, DIF_REGISTERDEVICE, DIF_REMOVE, DIGCF_ALLCLASSES, DIGCF_DEVICEINTERFACE,
    DIGCF_PRESENT, HDEVINFO, INSTALLFLAG_FORCE, SETUP_DI_GET_CLASS_DEVS_FLAGS, SP_DEVICE_INTERFACE_DATA,
    SP_DEVICE_INTERFACE_DETAIL_DATA_W, SP_DEVINFO_DATA, SPDRP_HARDWAREID, SPDRP_SERVICE,
    SetupDiCallClassInstaller, SetupDiCreateDeviceInfoList, SetupDiCreateDeviceInfoW,
    SetupDiDestroyDeviceInfoList, SetupDiEnumDeviceInfo, SetupDiEnumDeviceInterfaces, SetupDiGetClassDevsW,
    SetupDiGetDeviceInterfaceDetailW, SetupDiGetDeviceRegistryPropertyW, SetupDiGetINFClassW,
    SetupDiSetDeviceRegistryPropertyW, UpdateDriverForPlugAndPlayDevicesW,
};
use windows_sys::Win32::Foundation::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_DATA, ERROR_NO_MORE_ITEMS, FALSE, GetLastError,
    INVALID_HANDLE_VALUE,
};
use windows_sys::core::{BOOL, GUID};

/// A text for the W functions.
pub(super) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The calling thread's last error, for a sentence that begins "cannot".
pub(super) fn last_error(what: &str) -> Error {
    // SAFETY: no preconditions.
    Error::new(what, Win32Error(unsafe { GetLastError() }))
}

/// An error when a call returned FALSE.
pub(super) fn checked(what: &str, returned: BOOL) -> Result<(), Error> {
    if returned == FALSE {
        Err(last_error(what))
    } else {
        Ok(())
    }
}

/// `cbSize` fields.
#[expect(clippy::cast_possible_truncation, reason = "structures have some dozen bytes")]
pub(super) const fn size<T>() -> u32 {
    size_of::<T>() as u32
}

/// A set of devices, destroyed when dropped.
pub(super) struct DeviceSet(pub(super) HDEVINFO);

/// One device of a set.
#[derive(Clone, Copy)]
pub(super) struct DeviceData(pub(super) SP_DEVINFO_DATA);

impl DeviceSet {
    fn new(what: &str, set: HDEVINFO) -> Result<Self, Error> {
        if set == INVALID_HANDLE_VALUE as HDEVINFO {
            Err(last_error(what))
        } else {
            Ok(Self(set))
        }
    }

    /// A set to create devices in.
    pub(super) fn empty(class: &GUID) -> Result<Self, Error> {
        // SAFETY: the class is a valid reference; no window.
        let set = unsafe { SetupDiCreateDeviceInfoList(class, ptr::null_mut()) };
        Self::new("create a device list", set)
    }

    /// All devices that were made by hand, present or not.
    pub(super) fn root_enumerated() -> Result<Self, Error> {
        Self::class_devices(
            "list the root-enumerated devices",
            ptr::null(),
            Some("ROOT"),
            DIGCF_ALLCLASSES,
        )
    }

    /// The present devices with an interface of this class.
    pub(super) fn with_interface(class: &GUID) -> Result<Self, Error> {
        let flags = DIGCF_DEVICEINTERFACE | DIGCF_PRESENT;
        Self::class_devices("list the device interfaces", class, None, flags)
    }

    fn class_devices(
        what: &str,
        class: *const GUID,
        enumerator: Option<&str>,
        flags: SETUP_DI_GET_CLASS_DEVS_FLAGS,
    ) -> Result<Self, Error> {
        let enumerator = enumerator.map(wide);
        let name = enumerator.as_ref().map_or(ptr::null(), Vec::as_ptr);
        // SAFETY: class and name are null or live until after the call; the name ends with a zero.
        let set = unsafe { SetupDiGetClassDevsW(class, name, ptr::null_mut(), flags) };
        Self::new(what, set)
    }

    /// The device at this position; `None` behind the last one.
    fn at(&self, index: u32) -> Result<Option<DeviceData>, Error> {
        let mut data = SP_DEVINFO_DATA {
            cbSize: size::<SP_DEVINFO_DATA>(),
            ..SP_DEVINFO_DATA::default()
        };
        // SAFETY: the set is open, and `data` has its size set.
        let found = unsafe { SetupDiEnumDeviceInfo(self.0, index, &raw mut data) };
        if found != FALSE {
            return Ok(Some(DeviceData(data)));
        }
        match last_error("list the devices") {
            error if error.code() == Win32Error(ERROR_NO_MORE_ITEMS) => Ok(None),
            error => Err(error),
        }
    }

    /// Every device of the set.
    pub(super) fn devices(&self) -> Result<Vec<DeviceData>, Error> {
        let mut all = Vec::new();
        while let Some(device) = self.at(u32::try_from(all.len()).unwrap_or(u32::MAX))? {
            all.push(device);
        }
        Ok(all)
    }

    /// A property that is a text or several; empty when the device has none.
    pub(super) fn property(&self, device: &DeviceData, property: u32) -> Result<Vec<String>, Error> {
        let mut buffer = vec![0_u16; 128];
        loop {
            let bytes = u32::try_from(buffer.len() * 2).unwrap_or(u32::MAX);
            let mut needed = 0;
            // SAFETY: the set is open, the device is of it, and `bytes` is the room in the buffer.
            let got = unsafe {
                SetupDiGetDeviceRegistryPropertyW(
                    self.0,
                    &raw const device.0,
                    property,
                    ptr::null_mut(),
                    buffer.as_mut_ptr().cast(),
                    bytes,
                    &raw mut needed,
                )
            };
            if got != FALSE {
                buffer.truncate(needed as usize / 2);
                return Ok(texts(&buffer));
            }
            match last_error("read a property of a device") {
                error if error.code() == Win32Error(ERROR_INSUFFICIENT_BUFFER) && needed > bytes => {
                    buffer.resize((needed as usize).div_ceil(2), 0);
                }
                error if error.code() == Win32Error(ERROR_INVALID_DATA) => return Ok(Vec::new()),
                error => return Err(error),
            }
        }
    }

    /// Whether the device has this hardware ID.
    pub(super) fn has_hardware_id(&self, device: &DeviceData, id: &str) -> Result<bool, Error> {
        Ok(self
            .property(device, SPDRP_HARDWAREID)?
            .iter()
            .any(|own| own.eq_ignore_ascii_case(id)))
    }

    /// Whether a driver was installed for the device.
    pub(super) fn has_driver(&self, device: &DeviceData) -> Result<bool, Error> {
        Ok(!self.property(device, SPDRP_SERVICE)?.is_empty())
    }

    /// Makes a root-enumerated device with this hardware ID, named `name` and a number.
    pub(super) fn create(&self, name: &str, class: &GUID, hardware_id: &str) -> Result<(), Error> {
        let what = format!("create the device {hardware_id}");
        let name = wide(name);
        let mut data = SP_DEVINFO_DATA {
            cbSize: size::<SP_DEVINFO_DATA>(),
            ..SP_DEVINFO_DATA::default()
        };
        // SAFETY: the set is open; the name ends with a zero; `data` has its size set.
        let created = unsafe {
            SetupDiCreateDeviceInfoW(
                self.0,
                name.as_ptr(),
                class,
                ptr::null(),
                ptr::null_mut(),
                DICD_GENERATE_ID,
                &raw mut data,
            )
        };
        checked(&what, created)?;
        // Several texts: each ends with a zero, and so does the list.
        let ids: Vec<u16> = hardware_id.encode_utf16().chain([0, 0]).collect();
        let bytes = u32::try_from(ids.len() * 2).unwrap_or(u32::MAX);
        // SAFETY: the device is of the set, and the buffer has `bytes` bytes.
        let set = unsafe {
            SetupDiSetDeviceRegistryPropertyW(
                self.0,
                &raw mut data,
                SPDRP_HARDWAREID,
                ids.as_ptr().cast(),
                bytes,
            )
        };
        checked(&what, set)?;
        self.call(&what, DIF_REGISTERDEVICE, &DeviceData(data))
    }

    /// Removes the device.
    pub(super) fn remove(&self, device: &DeviceData, hardware_id: &str) -> Result<(), Error> {
        self.call(&format!("remove the device {hardware_id}"), DIF_REMOVE, device)
    }

    /// Calls the class installer.
    pub(super) fn call(&self, what: &str, function: DI_FUNCTION, device: &DeviceData) -> Result<(), Error> {
        // SAFETY: the set is open and the device is of it.
        checked(what, unsafe {
            SetupDiCallClassInstaller(function, self.0, &raw const device.0)
        })
    }

    /// Paths of all interfaces of this class in the set.
    pub(super) fn interface_paths(&self, class: &GUID) -> Result<Vec<String>, Error> {
        let what = "list the device interfaces";
        let mut paths = Vec::new();
        for index in 0.. {
            let mut data = SP_DEVICE_INTERFACE_DATA {
                cbSize: size::<SP_DEVICE_INTERFACE_DATA>(),
                ..SP_DEVICE_INTERFACE_DATA::default()
            };
            // SAFETY: the set is open, and `data` has its size set.
            let found =
                unsafe { SetupDiEnumDeviceInterfaces(self.0, ptr::null(), class, index, &raw mut data) };
            if found == FALSE {
                match last_error(what) {
                    error if error.code() == Win32Error(ERROR_NO_MORE_ITEMS) => break,
                    error => return Err(error),
                }
            }
            paths.push(self.interface_path(&data)?);
        }
        Ok(paths)
    }

    fn interface_path(&self, interface: &SP_DEVICE_INTERFACE_DATA) -> Result<String, Error> {
        /// Bytes before the path.
        const HEAD: usize = std::mem::offset_of!(SP_DEVICE_INTERFACE_DETAIL_DATA_W, DevicePath);
        // Words, for alignment. An interface path is far below this length.
        let mut buffer = [0_u32; 1024];
        // cbSize: of the fixed part of the structure, whatever the room.
        buffer[0] = size::<SP_DEVICE_INTERFACE_DETAIL_DATA_W>();
        // SAFETY: the set is open; the buffer is aligned, has its size field set and the room that is given.
        let got = unsafe {
            SetupDiGetDeviceInterfaceDetailW(
                self.0,
                interface,
                buffer.as_mut_ptr().cast(),
                size::<[u32; 1024]>(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        checked("read the path of a device interface", got)?;
        let bytes: Vec<u8> = buffer
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .skip(HEAD)
            .collect();
        let (pairs, _) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        Ok(texts(&units).into_iter().next().unwrap_or_default())
    }
}

impl Drop for DeviceSet {
    fn drop(&mut self) {
        // SAFETY: the set is open, and this is its last use.
        unsafe { SetupDiDestroyDeviceInfoList(self.0) };
    }
}

/// The texts of a list in which each ends with a zero.
pub(super) fn texts(units: &[u16]) -> Vec<String> {
    units
        .split(|unit| *unit == 0)
        .filter(|text| !text.is_empty())
        .map(String::from_utf16_lossy)
        .collect()
}

/// The device setup class that an INF is for.
pub(super) fn inf_class(inf: &str) -> Result<GUID, Error> {
    let path = wide(inf);
    let mut class = GUID::from_u128(0);
    let mut name = [0_u16; 32];
    // SAFETY: the path ends with a zero; the name has the documented room of MAX_CLASS_NAME_LEN.
    let got = unsafe {
        SetupDiGetINFClassW(
            path.as_ptr(),
            &raw mut class,
            name.as_mut_ptr(),
            32,
            ptr::null_mut(),
        )
    };
    checked(&format!("read the class of {inf}"), got)?;
    Ok(class)
}

/// Installs an INF for every device with this hardware ID. Returns whether the system wants a restart.
pub(super) fn update_driver(hardware_id: &str, inf: &str) -> Result<bool, Error> {
    let (id, path) = (wide(hardware_id), wide(inf));
    let mut restart = FALSE;
    // SAFETY: both texts end with a zero; no window.
    let updated = unsafe {
        UpdateDriverForPlugAndPlayDevicesW(
            ptr::null_mut(),
            id.as_ptr(),
            path.as_ptr(),
            INSTALLFLAG_FORCE,
            &raw mut restart,
        )
    };
    checked(&format!("install {inf} for {hardware_id}"), updated)?;
    Ok(restart != FALSE)
}
