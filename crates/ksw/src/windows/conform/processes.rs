//! Threads and processes of a case.
#![expect(unsafe_code, reason = "lets handles be inherited, and asks for exit codes")]

use std::os::windows::io::IntoRawHandle;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use ksw::cli::conform::PLAY;
use kswrite_client::Win32Error;
use kswrite_conform::{
    cases,
    win32::{Body, Handle},
};
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::Threading::GetExitCodeProcess;

use super::case::Case;
use super::native::Native;
use super::venue::venue;
use super::{checked, preset, raw};

pub(super) fn spawn(case: &Arc<Case>, body: Body) -> Result<Handle, Win32Error> {
    let shared = Arc::clone(case);
    case.thread_begins();
    let spawned = thread::Builder::new().spawn(move || {
        let native = Native::new(shared);
        body(&native);
        native.case().thread_ends();
    });
    match spawned {
        Ok(thread) => Ok(case.opened(Handle(thread.into_raw_handle().expose_provenance() as u64))),
        Err(error) => {
            case.thread_ends();
            Err(Win32Error::from_io(&error))
        }
    }
}

fn set_inheritable(handle: Handle, inheritable: bool) -> Result<(), Win32Error> {
    let flag = if inheritable { HANDLE_FLAG_INHERIT } else { 0 };
    preset();
    // SAFETY: a handle that the case has, or a number that is none.
    checked(unsafe { SetHandleInformation(raw(handle), HANDLE_FLAG_INHERIT, flag) })
}

/// This program again, in its hidden command.
pub(super) fn spawn_process(case: &Case, role: &str, handles: &[Handle]) -> Result<Handle, Win32Error> {
    let program = std::env::current_exe().map_err(|error| Win32Error::from_io(&error))?;
    for handle in handles {
        set_inheritable(*handle, true)?;
    }
    let spawned = Command::new(program)
        .arg(PLAY)
        .arg(role)
        .args(handles.iter().map(|handle| handle.0.to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    for handle in handles {
        set_inheritable(*handle, false)?;
    }
    let child = spawned.map_err(|error| Win32Error::from_io(&error))?;
    Ok(case.opened(Handle(child.into_raw_handle().expose_provenance() as u64)))
}

pub(super) fn exit_code(process: Handle) -> Result<u32, Win32Error> {
    let mut code = 0;
    preset();
    // SAFETY: `code` takes the answer.
    checked(unsafe { GetExitCodeProcess(raw(process), &raw mut code) })?;
    Ok(code)
}

/// Plays a role in this process, which ends with it. `None`: there is no such role.
pub(super) fn play(role: &str, handles: &[u64]) -> Option<u32> {
    let (_, role) = cases::ROLES.iter().find(|(name, _)| *name == role)?;
    // A role may end with an access violation, and nobody is to be asked about it.
    // SAFETY: no preconditions.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    let handles: Vec<Handle> = handles.iter().copied().map(Handle).collect();
    let native = Native::new(Arc::new(Case::new(venue().0, false, 0, std::env::temp_dir())));
    Some(role(&native, &handles))
}
