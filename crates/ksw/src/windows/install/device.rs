//! What installing and removing asks of a device, beyond what `devices` has.
#![expect(unsafe_code, reason = "calls SetupAPI and the configuration manager")]

use std::ptr;

use kswrite_client::{Error, Win32Error};
use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    CM_Query_And_Remove_SubTreeW, CM_REMOVE_NO_RESTART, CM_SETUP_DEVNODE_READY, CM_Setup_DevNode,
    CR_REMOVE_VETOED, CR_SUCCESS, DI_FUNCTION, DI_NEEDREBOOT, DI_NEEDRESTART, DICS_FLAG_GLOBAL,
    DICS_PROPCHANGE, DIF_PROPERTYCHANGE, DIF_REMOVE, PNP_VETO_TYPE, PNP_VetoOutstandingOpen,
    SP_CLASSINSTALL_HEADER, SP_DEVINSTALL_PARAMS_W, SP_PROPCHANGE_PARAMS, SPDRP_DRIVER, SPDRP_SERVICE,
    SPDRP_UPPERFILTERS, SetupDiGetDeviceInstallParamsW, SetupDiGetDeviceInstanceIdW,
    SetupDiGetDevicePropertyW, SetupDiSetClassInstallParamsW, SetupDiSetDeviceRegistryPropertyW,
};
use windows_sys::Win32::Devices::Properties::{DEVPKEY_Device_ProblemCode, DEVPKEY_Device_Stack};
use windows_sys::Win32::Foundation::{DEVPROPKEY, FALSE, MAX_PATH};

use super::super::devices::{DeviceData, DeviceSet, checked, size, texts};

/// `CR_` codes are not Win32 errors; the caller is told that the device manager failed.
const FAILED: Win32Error = Win32Error(31);
/// Bytes of a property: a stack of a dozen names is far below.
const PROPERTY_ROOM: usize = 4096;

impl DeviceSet {
    /// The device instance ID.
    pub(super) fn instance_id(&self, device: &DeviceData) -> Result<String, Error> {
        let mut buffer = [0_u16; MAX_PATH as usize];
        // SAFETY: the set is open, the device is of it, and the buffer has the room that is given.
        let got = unsafe {
            SetupDiGetDeviceInstanceIdW(
                self.0,
                &raw const device.0,
                buffer.as_mut_ptr(),
                MAX_PATH,
                ptr::null_mut(),
            )
        };
        checked("read the instance ID of a device", got)?;
        Ok(texts(&buffer).into_iter().next().unwrap_or_default())
    }

    /// Key of the installed driver below the class keys.
    pub(super) fn driver_key(&self, device: &DeviceData) -> Result<Vec<String>, Error> {
        self.property(device, SPDRP_DRIVER)
    }

    /// Service of the function driver.
    pub(super) fn service(&self, device: &DeviceData) -> Result<Vec<String>, Error> {
        self.property(device, SPDRP_SERVICE)
    }

    /// The value `UpperFilters`.
    pub(super) fn upper_filters(&self, device: &DeviceData) -> Result<Vec<String>, Error> {
        self.property(device, SPDRP_UPPERFILTERS)
    }

    /// Sets the value `UpperFilters`; no filter deletes it.
    pub(super) fn set_upper_filters(&self, device: &DeviceData, filters: &[String]) -> Result<(), Error> {
        let mut list: Vec<u16> = filters
            .iter()
            .flat_map(|name| name.encode_utf16().chain([0]))
            .collect();
        list.push(0);
        let (start, units) = if filters.is_empty() {
            (ptr::null(), 0)
        } else {
            (list.as_ptr().cast(), list.len())
        };
        let bytes = u32::try_from(units * 2).unwrap_or(u32::MAX);
        let mut data = device.0;
        // SAFETY: the set is open, the device is of it, and the list has `bytes` bytes.
        let set = unsafe {
            SetupDiSetDeviceRegistryPropertyW(self.0, &raw mut data, SPDRP_UPPERFILTERS, start, bytes)
        };
        checked("set UpperFilters of a device", set)
    }

    /// A property of Plug and Play, as bytes; `None` where the system has none.
    fn device_property(&self, device: &DeviceData, key: &DEVPROPKEY) -> Option<Vec<u8>> {
        let mut buffer = vec![0_u8; PROPERTY_ROOM];
        let (mut kind, mut needed) = (0, 0);
        // SAFETY: the set is open, the device is of it, and the buffer has the room that is given.
        let got = unsafe {
            SetupDiGetDevicePropertyW(
                self.0,
                &raw const device.0,
                key,
                &raw mut kind,
                buffer.as_mut_ptr(),
                size::<[u8; PROPERTY_ROOM]>(),
                &raw mut needed,
                0,
            )
        };
        if got == FALSE {
            return None;
        }
        buffer.truncate(needed as usize);
        Some(buffer)
    }

    /// Problem code; `None` where the system does not tell.
    pub(super) fn problem(&self, device: &DeviceData) -> Option<u32> {
        let bytes = self.device_property(device, &DEVPKEY_Device_ProblemCode)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Driver objects of the stack from the top down; empty where the system does not tell.
    pub(super) fn stack(&self, device: &DeviceData) -> Vec<String> {
        let bytes = self
            .device_property(device, &DEVPKEY_Device_Stack)
            .unwrap_or_default();
        let (pairs, _) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        texts(&units)
    }

    /// Stops and starts the device, so that its stack is built anew. Returns whether the system wants a restart.
    pub(super) fn restart(&self, device: &DeviceData, id: &str) -> Result<bool, Error> {
        let what = format!("restart the device {id}");
        let change = SP_PROPCHANGE_PARAMS {
            ClassInstallHeader: SP_CLASSINSTALL_HEADER {
                cbSize: size::<SP_CLASSINSTALL_HEADER>(),
                InstallFunction: DIF_PROPERTYCHANGE,
            },
            StateChange: DICS_PROPCHANGE,
            Scope: DICS_FLAG_GLOBAL,
            HwProfile: 0,
        };
        // SAFETY: the set is open, the device is of it; the structure is that of this function, with its size.
        let set = unsafe {
            SetupDiSetClassInstallParamsW(
                self.0,
                &raw const device.0,
                (&raw const change).cast(),
                size::<SP_PROPCHANGE_PARAMS>(),
            )
        };
        checked(&what, set)?;
        self.call_and_ask(&what, DIF_PROPERTYCHANGE, device)
    }

    /// Removes the device. Returns whether the system wants a restart.
    pub(super) fn remove_and_ask(&self, device: &DeviceData, id: &str) -> Result<bool, Error> {
        self.call_and_ask(&format!("remove the device {id}"), DIF_REMOVE, device)
    }

    fn call_and_ask(&self, what: &str, function: DI_FUNCTION, device: &DeviceData) -> Result<bool, Error> {
        self.call(what, function, device)?;
        let mut params = SP_DEVINSTALL_PARAMS_W {
            cbSize: size::<SP_DEVINSTALL_PARAMS_W>(),
            ..SP_DEVINSTALL_PARAMS_W::default()
        };
        // SAFETY: the set is open, the device was of it, and the structure has its size set.
        let got = unsafe { SetupDiGetDeviceInstallParamsW(self.0, &raw const device.0, &raw mut params) };
        // A device that is gone has no parameters, and needs no restart.
        Ok(got != FALSE && params.Flags & (DI_NEEDREBOOT | DI_NEEDRESTART) != 0)
    }
}

impl DeviceData {
    /// Asks the device's drivers and everybody who has it open whether it may go, and stops it if they agree. Returns
    /// who does not; `None` when it was stopped. Not for Wine, which has no such call.
    ///
    /// <https://learn.microsoft.com/windows/win32/api/cfgmgr32/nf-cfgmgr32-cm_query_and_remove_subtreew>
    pub(super) fn ask_to_stop(&self, id: &str) -> Result<Option<String>, Error> {
        let mut veto: PNP_VETO_TYPE = 0;
        let mut name = [0_u16; MAX_PATH as usize];
        // SAFETY: room for the kind of the veto and for a name of the documented length.
        let result = unsafe {
            CM_Query_And_Remove_SubTreeW(
                self.0.DevInst,
                &raw mut veto,
                name.as_mut_ptr(),
                MAX_PATH,
                CM_REMOVE_NO_RESTART,
            )
        };
        match result {
            CR_SUCCESS => Ok(None),
            CR_REMOVE_VETOED => {
                let who = texts(&name).into_iter().next().unwrap_or_default();
                Ok(Some(if veto == PNP_VetoOutstandingOpen {
                    format!("a handle is open ({who})")
                } else {
                    format!("its removal was refused for reason {veto} of PNP_VETO_TYPE ({who})")
                }))
            }
            other => Err(Error::new(
                format!("stop the device {id} (CONFIGRET {other})"),
                FAILED,
            )),
        }
    }

    /// Starts a device again that `ask_to_stop` has stopped.
    pub(super) fn start_again(&self) {
        // SAFETY: no preconditions. That it fails shows in `ksw status`, and a restart of the system mends it.
        unsafe { CM_Setup_DevNode(self.0.DevInst, CM_SETUP_DEVNODE_READY) };
    }
}
