//! `ksw install filter` and `ksw uninstall filter`: a kernel service, through the service control manager.
//!
//! <https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-createservicew>
#![expect(unsafe_code, reason = "calls the service control manager")]

use std::path::Path;
use std::ptr;

use ksw::exit::Exit;
use kswrite_client::{Error, Win32Error};
use kswrite_wire::names::FILTER_SERVICE;
use windows_sys::Win32::Foundation::{
    ERROR_SERVICE_ALREADY_RUNNING, ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_EXISTS,
    ERROR_SERVICE_NOT_ACTIVE, FALSE,
};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ControlService, CreateServiceW, DeleteService, OpenSCManagerW, OpenServiceW,
    QueryServiceStatus, SC_HANDLE, SC_MANAGER_CONNECT, SC_MANAGER_CREATE_SERVICE, SERVICE_ALL_ACCESS,
    SERVICE_CONTROL_STOP, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, SERVICE_KERNEL_DRIVER,
    SERVICE_QUERY_STATUS, SERVICE_RUNNING, SERVICE_START_PENDING, SERVICE_STATUS, SERVICE_STOP_PENDING,
    SERVICE_STOPPED, StartServiceW,
};

use super::Failure;
use super::devices::{last_error, wide};
use super::setup::absolute;

/// Load-order group of all drivers of this project. In Wine, drivers of one group share one process, which
/// they must.
const GROUP: &str = "kswrite";

/// A handle of the service control manager.
struct Handle(SC_HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and this is its last use.
        unsafe { CloseServiceHandle(self.0) };
    }
}

impl Handle {
    fn new(what: &str, handle: SC_HANDLE) -> Result<Self, Error> {
        if handle.is_null() {
            Err(last_error(what))
        } else {
            Ok(Self(handle))
        }
    }

    fn manager() -> Result<Self, Error> {
        let access = SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE;
        // SAFETY: the local machine and its default database.
        let manager = unsafe { OpenSCManagerW(ptr::null(), ptr::null(), access) };
        Self::new("open the service control manager", manager)
    }

    /// For questions, which every user may ask.
    fn connect() -> Result<Self, Error> {
        // SAFETY: the local machine and its default database.
        let manager = unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT) };
        Self::new("open the service control manager", manager)
    }

    fn open(&self, name: &str) -> Result<Self, Error> {
        self.open_for(name, SERVICE_ALL_ACCESS)
    }

    fn open_for(&self, name: &str, access: u32) -> Result<Self, Error> {
        let text = wide(name);
        // SAFETY: the manager is open; the name ends with a zero.
        let service = unsafe { OpenServiceW(self.0, text.as_ptr(), access) };
        Self::new(&format!("open the service {name}"), service)
    }

    fn create(&self, name: &str, image: &str) -> Result<Self, Error> {
        let (text, path, group) = (wide(name), wide(image), wide(GROUP));
        // SAFETY: the manager is open; all texts end with a zero; the rest is left out.
        let service = unsafe {
            CreateServiceW(
                self.0,
                text.as_ptr(),
                text.as_ptr(),
                SERVICE_ALL_ACCESS,
                SERVICE_KERNEL_DRIVER,
                SERVICE_DEMAND_START,
                SERVICE_ERROR_NORMAL,
                path.as_ptr(),
                group.as_ptr(),
                ptr::null_mut(),
                ptr::null(),
                ptr::null(),
                ptr::null(),
            )
        };
        Self::new(&format!("create the service {name} for {image}"), service)
    }

    fn start(&self, name: &str) -> Result<(), Error> {
        // SAFETY: the service is open; no arguments.
        let started = unsafe { StartServiceW(self.0, 0, ptr::null()) };
        unless(
            started,
            &format!("start the service {name}"),
            ERROR_SERVICE_ALREADY_RUNNING,
        )
    }

    fn stop(&self, name: &str) -> Result<(), Error> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the service is open, and `status` has room for the answer.
        let stopped = unsafe { ControlService(self.0, SERVICE_CONTROL_STOP, &raw mut status) };
        unless(
            stopped,
            &format!("stop the service {name}"),
            ERROR_SERVICE_NOT_ACTIVE,
        )
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        // SAFETY: the service is open.
        let deleted = unsafe { DeleteService(self.0) };
        if deleted == FALSE {
            Err(last_error(&format!("delete the service {name}")))
        } else {
            Ok(())
        }
    }
}

/// An error unless the call succeeded, or failed because there was nothing to do.
fn unless(returned: i32, what: &str, nothing_to_do: u32) -> Result<(), Error> {
    if returned != FALSE {
        return Ok(());
    }
    match last_error(what) {
        error if error.code() == Win32Error(nothing_to_do) => Ok(()),
        error => Err(error),
    }
}

/// Creates the filter's service if there is none, and starts it.
pub(super) fn install_filter(image: &Path) -> Result<Exit, Failure> {
    let image = absolute(image)?;
    if create(FILTER_SERVICE, &image)? {
        println!("{FILTER_SERVICE}: service created for {image}");
    } else {
        println!("{FILTER_SERVICE}: kept, the service exists already");
    }
    start(FILTER_SERVICE)?;
    println!("{FILTER_SERVICE}: running");
    Ok(Exit::Success)
}

/// Creates a driver's service. Returns whether there was none.
pub(super) fn create(name: &str, image: &str) -> Result<bool, Error> {
    match Handle::manager()?.create(name, image) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Win32Error(ERROR_SERVICE_EXISTS) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Starts a service, unless it runs.
pub(super) fn start(name: &str) -> Result<(), Error> {
    Handle::manager()?.open(name)?.start(name)
}

/// The state of a service in a word; `None` when there is no such service.
pub(super) fn state(name: &str) -> Result<Option<&'static str>, Error> {
    let Some(service) = existing(name, SERVICE_QUERY_STATUS)? else {
        return Ok(None);
    };
    let mut status = SERVICE_STATUS::default();
    // SAFETY: the service is open for this question, and `status` has room for the answer.
    let told = unsafe { QueryServiceStatus(service.0, &raw mut status) };
    if told == FALSE {
        return Err(last_error(&format!("ask for the state of the service {name}")));
    }
    Ok(Some(match status.dwCurrentState {
        SERVICE_RUNNING => "running",
        SERVICE_STOPPED => "stopped",
        SERVICE_START_PENDING => "starting",
        SERVICE_STOP_PENDING => "stopping",
        _ => "paused",
    }))
}

/// The service, unless there is none.
fn existing(name: &str, access: u32) -> Result<Option<Handle>, Error> {
    match Handle::connect()?.open_for(name, access) {
        Ok(service) => Ok(Some(service)),
        Err(error) if error.code() == Win32Error(ERROR_SERVICE_DOES_NOT_EXIST) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stops and deletes the filter's service.
pub(super) fn uninstall_filter() -> Result<Exit, Failure> {
    remove(FILTER_SERVICE)?;
    Ok(Exit::Success)
}

/// Stops and deletes a service, if it exists.
pub(super) fn remove(name: &str) -> Result<(), Error> {
    if stop_and_delete(name)? {
        println!("{name}: service deleted");
    } else {
        println!("{name}: there is no such service");
    }
    Ok(())
}

/// Stops and deletes a service. Returns whether it existed.
pub(super) fn stop_and_delete(name: &str) -> Result<bool, Error> {
    let Some(service) = existing(name, SERVICE_ALL_ACCESS)? else {
        return Ok(false);
    };
    service.stop(name)?;
    service.delete(name)?;
    Ok(true)
}
