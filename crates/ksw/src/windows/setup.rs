//! `ksw install sink` and `ksw uninstall sink`.

use std::path::Path;

use ksw::exit::Exit;
use kswrite_client::Error;
use kswrite_wire::names::{SINK_INTERFACE, SINK_SERVICE, SinkKind};
use windows_sys::core::GUID;

use super::devices::{DeviceSet, inf_class, update_driver};
use super::{Failure, service};

/// Makes the devices that are missing, and installs the driver for those that have none.
pub(super) fn install_sinks(inf: &Path) -> Result<Exit, Failure> {
    let inf = absolute(inf)?;
    let class = inf_class(&inf)?;
    let mut restart = false;
    for kind in SinkKind::ALL {
        let id = kind.hardware_id();
        match find(id)? {
            Some(true) => {
                println!("{id}: kept, it is installed already");
                continue;
            }
            Some(false) => println!("{id}: exists without a driver"),
            None => {
                let name = id.rsplit('\\').next().unwrap_or(id);
                DeviceSet::empty(&class)?.create(name, &class, id)?;
                println!("{id}: created");
            }
        }
        restart |= update_driver(id, &inf)?;
        println!("{id}: driver installed from {inf}");
    }
    if restart {
        println!("the system asks for a restart");
    }
    Ok(Exit::Success)
}

/// Whether a device with this hardware ID has a driver; `None` when there is no such device.
pub(super) fn find(hardware_id: &str) -> Result<Option<bool>, Error> {
    let set = DeviceSet::root_enumerated()?;
    for device in set.devices()? {
        if set.has_hardware_id(&device, hardware_id)? {
            return set.has_driver(&device).map(Some);
        }
    }
    Ok(None)
}

/// Removes the devices, then their service.
pub(super) fn uninstall_sinks() -> Result<Exit, Failure> {
    let set = DeviceSet::root_enumerated()?;
    for device in set.devices()? {
        for kind in SinkKind::ALL {
            let id = kind.hardware_id();
            if set.has_hardware_id(&device, id)? {
                set.remove(&device, id)?;
                println!("{id}: removed");
                // A removed device has no properties to ask for.
                break;
            }
        }
    }
    service::remove(SINK_SERVICE)?;
    Ok(Exit::Success)
}

/// SetupAPI and the service manager want full paths.
pub(super) fn absolute(path: &Path) -> Result<String, Failure> {
    let failure = |error: &std::io::Error| {
        let code = kswrite_client::Win32Error::from_io(error);
        Failure::io(&Error::new(format!("find {}", path.display()), code))
    };
    path.metadata().map_err(|error| failure(&error))?;
    let full = std::path::absolute(path).map_err(|error| failure(&error))?;
    Ok(full.display().to_string())
}

/// The paths under which the sinks' device interfaces can be opened.
pub(super) fn sink_interface_paths() -> Result<Vec<String>, Error> {
    let wire = SINK_INTERFACE;
    let class = GUID {
        data1: wire.data1,
        data2: wire.data2,
        data3: wire.data3,
        data4: wire.data4,
    };
    DeviceSet::with_interface(&class)?.interface_paths(&class)
}
