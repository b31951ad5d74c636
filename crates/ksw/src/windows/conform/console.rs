//! A console for the cases that need one.
#![expect(unsafe_code, reason = "makes a console, and keeps the standard handles")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};

use windows_sys::Win32::Foundation::{FALSE, HANDLE};
use windows_sys::Win32::System::Console::{
    AllocConsole, FreeConsole, GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE,
    STD_OUTPUT_HANDLE, SetStdHandle,
};

const STANDARD: [STD_HANDLE; 3] = [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE];

/// The three standard handles.
type Standard = [(STD_HANDLE, HANDLE); 3];

/// A console that this process had not, and has for as long as this lives.
pub(super) struct Console {
    before: Standard,
    /// Its own, which go with it.
    own: Standard,
}

/// The screen of the process's console.
fn screen() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("CONOUT$")
}

impl Console {
    /// Makes a console where there is none. A new one takes the standard handles over, which are given back.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) fn ensure() -> Result<Option<Self>, String> {
        if screen().is_ok() {
            return Ok(None);
        }
        let before = standard();
        // One without a screen is in the way of a new one.
        // SAFETY: no preconditions.
        unsafe { FreeConsole() };
        // SAFETY: the process has no console.
        let made = unsafe { AllocConsole() };
        let error = io::Error::last_os_error();
        let own = standard();
        set(before);
        if made == FALSE {
            return Err(format!(
                "this process has no console, and none can be made: {error}"
            ));
        }
        let console = Self { before, own };
        // One that has no window to show is made, and ends at once.
        match screen().and_then(|mut screen| screen.write_all(b"\r")) {
            Ok(()) => Ok(Some(console)),
            Err(error) => Err(format!(
                "this process has no console, and a new one takes no text: {error}"
            )),
        }
    }
}

fn standard() -> Standard {
    // SAFETY: no preconditions.
    STANDARD.map(|which| (which, unsafe { GetStdHandle(which) }))
}

fn set(standard: Standard) {
    for (which, handle) in standard {
        // SAFETY: what it was at another time.
        unsafe { SetStdHandle(which, handle) };
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Freeing a console may close the standard handles, of which those from before are still used.
        set(self.own);
        // SAFETY: no preconditions; `ensure` made it.
        unsafe { FreeConsole() };
        set(self.before);
    }
}
