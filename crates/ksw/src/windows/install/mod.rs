//! `ksw install all`, `ksw uninstall all`, and what `ksw status` and `ksw diag` say of what is installed.

mod add;
mod device;
pub(super) mod diag;
mod files;
mod registry;
mod remove;
pub(super) mod stack;
mod store;
pub(super) mod system;

pub(super) use add::install_all;
pub(super) use remove::uninstall_all;

use kswrite_client::Access;
use kswrite_wire::wine_host;

use super::device::Device;
use super::{Failure, host};

/// The Wine host, if this is Wine and a driver is loaded.
fn wine_host() -> Result<Option<Device>, Failure> {
    match Device::open(wine_host::CONTROL_PATH, Access::ReadWrite) {
        Ok(device) => Ok(Some(device)),
        Err(error) if error.code().is_absence() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How many handles are open on the drivers' devices, where a Wine host counts them.
fn open_files() -> Result<u64, Failure> {
    match wine_host()? {
        Some(device) => Ok(host::counters(&device)?.open_files),
        None => Ok(0),
    }
}
