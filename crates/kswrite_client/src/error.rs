//! Win32 errors that say what they are.

use std::fmt;

/// A Win32 error code. Prints as its name and number, such as `ERROR_FILE_NOT_FOUND (2)`.
///
/// <https://learn.microsoft.com/windows/win32/debug/system-error-codes>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Win32Error(pub u32);

/// Code, name, cause, and what to do: the codes that the write path and the installation can meet.
type Known = (u32, &'static str, &'static str, &'static str);

const PROBE: &str = "the buffer is not readable memory of this process";
const ASK_STATUS: &str = "ask `ksw status` which drivers answer";
const ADMIN: &str = "run as administrator";

/// Sorted by code, for the search.
#[rustfmt::skip]
const KNOWN: &[Known] = &[
    (1, "ERROR_INVALID_FUNCTION", "the device does not know this request", "check that the driver is of the same version as this program"),
    (2, "ERROR_FILE_NOT_FOUND", "nothing has this name", "check the name; for a device, ask `ksw status` which drivers answer"),
    (3, "ERROR_PATH_NOT_FOUND", "a folder of this path does not exist", "check the path"),
    (5, "ERROR_ACCESS_DENIED", "the handle or the account does not have this right", "open the device for writing, as an administrator"),
    (6, "ERROR_INVALID_HANDLE", "the device behind the handle is gone", ASK_STATUS),
    (8, "ERROR_NOT_ENOUGH_MEMORY", "the system has no memory for this", "use a smaller block or depth"),
    (13, "ERROR_INVALID_DATA", "the answer does not have the agreed form", "check that driver and program are of the same version"),
    (19, "ERROR_WRITE_PROTECT", "the medium is write-protected", "choose another target"),
    (21, "ERROR_NOT_READY", "the device is not ready", "start the device and try again"),
    (22, "ERROR_BAD_COMMAND", "the device is in a state that does not allow this", "reset the device and try again"),
    (23, "ERROR_CRC", "the device reports damaged data", "check the device"),
    (29, "ERROR_WRITE_FAULT", "the device took no byte and gave no reason", "look into the driver's log"),
    (31, "ERROR_GEN_FAILURE", "the device failed without saying why", "look into the driver's log"),
    (32, "ERROR_SHARING_VIOLATION", "another program has it open and does not share it", "close the other program"),
    (38, "ERROR_HANDLE_EOF", "the end of the file is before this offset", "check the offset"),
    (50, "ERROR_NOT_SUPPORTED", "the device does not support this request", "check the device"),
    (64, "ERROR_NETNAME_DELETED", "the other side closed the connection", "connect again"),
    (71, "ERROR_REQ_NOT_ACCEP", "the device accepts no more requests now", "use a smaller depth"),
    (80, "ERROR_FILE_EXISTS", "a file of this name exists already", "remove it, or choose another name"),
    (87, "ERROR_INVALID_PARAMETER", "a value of the request makes no sense to the receiver", "check the values given"),
    (109, "ERROR_BROKEN_PIPE", "the other end of the pipe is closed", "connect again"),
    (112, "ERROR_DISK_FULL", "there is no space left", "make space on the target"),
    (121, "ERROR_SEM_TIMEOUT", "the device did not answer in time", "look into the driver's log"),
    (122, "ERROR_INSUFFICIENT_BUFFER", "the buffer of the request is too small", "check that driver and program are of the same version"),
    (127, "ERROR_PROC_NOT_FOUND", "the system does not have this function", "use a newer version of Windows, or do without"),
    (170, "ERROR_BUSY", "requests are still outstanding", "wait for them, or close the other handles, and try again"),
    (183, "ERROR_ALREADY_EXISTS", "something has this name already", "choose another name, or close it first"),
    (193, "ERROR_BAD_EXE_FORMAT", "the image is not a driver for this system", "build the image for this machine"),
    (230, "ERROR_BAD_PIPE", "the pipe is not in a state for this", "connect again"),
    (232, "ERROR_NO_DATA", "the pipe is being closed", "connect again"),
    (233, "ERROR_PIPE_NOT_CONNECTED", "nobody is at the other end of the pipe", "connect the other end first"),
    (234, "ERROR_MORE_DATA", "the request was done in part", "ask for the rest"),
    (258, "WAIT_TIMEOUT", "the time ran out", "wait longer"),
    (259, "ERROR_NO_MORE_ITEMS", "there is nothing more", "check that the device is installed"),
    (298, "ERROR_TOO_MANY_POSTS", "too many requests", "use a smaller depth"),
    (433, "ERROR_NO_SUCH_DEVICE", "the device is not there", ASK_STATUS),
    (577, "ERROR_INVALID_IMAGE_HASH", "the driver's signature is not accepted", "turn test signing on, or sign the driver"),
    (698, "ERROR_WAS_UNLOCKED", "the request succeeded with a warning", "look into the driver's log"),
    (995, "ERROR_OPERATION_ABORTED", "the request was cancelled", "repeat it if it was not meant to be"),
    (996, "ERROR_IO_INCOMPLETE", "the request is not complete", "wait for its completion"),
    (997, "ERROR_IO_PENDING", "the request is pending", "wait for its completion"),
    (998, "ERROR_NOACCESS", PROBE, "give a buffer that stays allocated"),
    (1053, "ERROR_SERVICE_REQUEST_TIMEOUT", "the driver did not start in time", "look into the driver's log: it may have crashed in DriverEntry"),
    (1056, "ERROR_SERVICE_ALREADY_RUNNING", "the service runs already", "nothing need be done"),
    (1060, "ERROR_SERVICE_DOES_NOT_EXIST", "no such service is installed", "install it with `ksw install`"),
    (1062, "ERROR_SERVICE_NOT_ACTIVE", "the service does not run", "nothing need be done"),
    (1072, "ERROR_SERVICE_MARKED_FOR_DELETE", "the service is being deleted", "close what uses it, or restart the system"),
    (1073, "ERROR_SERVICE_EXISTS", "the service exists already", "uninstall it first to change it"),
    (1114, "ERROR_DLL_INIT_FAILED", "the driver or a module it needs could not be loaded", "check that the image is where the service says, and its imports"),
    (1117, "ERROR_IO_DEVICE", "the device reports an I/O error", "look into the driver's log"),
    (1167, "ERROR_DEVICE_NOT_CONNECTED", "the device was removed", ASK_STATUS),
    (1168, "ERROR_NOT_FOUND", "there is no such thing, or no such request is pending", "check the name; nothing need be done for a request"),
    (1275, "ERROR_DRIVER_BLOCKED", "the system does not allow this driver", "turn test signing on, or sign the driver"),
    (1306, "ERROR_REVISION_MISMATCH", "driver and program are of different versions", "install both from one build"),
    (1314, "ERROR_PRIVILEGE_NOT_HELD", "the account does not have the privilege", ADMIN),
    (1450, "ERROR_NO_SYSTEM_RESOURCES", "the system has no resources for this request", "use a smaller block or depth"),
    (1453, "ERROR_WORKING_SET_QUOTA", "the pages of the buffer could not be locked", "use a smaller block or depth"),
    (1460, "ERROR_TIMEOUT", "the time ran out", "try again"),
    (1784, "ERROR_INVALID_USER_BUFFER", "the device cannot use this buffer", "check its address and length"),
    (1816, "ERROR_NOT_ENOUGH_QUOTA", "the process has too much memory locked", "use a smaller block or depth"),
    (5023, "ERROR_INVALID_STATE", "this is not in a state that allows the request", "look into the driver's log"),
    (0xE000_0203, "ERROR_NO_DRIVER_SELECTED", "no driver fits the device", "check that the INF names its hardware ID"),
    (0xE000_020B, "ERROR_NO_SUCH_DEVINST", "no device has this hardware ID", "install it with `ksw install sink`"),
    (0xE000_0228, "ERROR_NO_COMPAT_DRIVERS", "no driver fits the device", "check that the INF names its hardware ID"),
    (0xE000_022F, "ERROR_NO_CATALOG_FOR_OEM_INF", "the driver package has no catalogue", "sign the package, or use a test machine"),
    (0xE000_0247, "ERROR_DRIVER_STORE_ADD_FAILED", "the driver package could not be added", "read the log setupapi.dev.log"),
];

impl Win32Error {
    /// `ERROR_ACCESS_DENIED`.
    pub const ACCESS_DENIED: Self = Self(5);
    /// `ERROR_INVALID_DATA`: an answer that does not have the agreed form.
    pub const INVALID_DATA: Self = Self(13);
    /// `ERROR_WRITE_FAULT`: the device took nothing.
    pub const WRITE_FAULT: Self = Self(29);
    /// `ERROR_NOT_SUPPORTED`.
    pub const NOT_SUPPORTED: Self = Self(50);
    /// `ERROR_INVALID_PARAMETER`.
    pub const INVALID_PARAMETER: Self = Self(87);
    /// `ERROR_PROC_NOT_FOUND`: the system is too old for this function.
    pub const PROC_NOT_FOUND: Self = Self(127);
    /// `ERROR_OPERATION_ABORTED`: the request was cancelled.
    pub const OPERATION_ABORTED: Self = Self(995);
    /// `ERROR_IO_PENDING`.
    pub const IO_PENDING: Self = Self(997);
    /// `ERROR_TIMEOUT`: a time limit ended it.
    pub const TIMEOUT: Self = Self(1460);
    /// `ERROR_INVALID_HANDLE`.
    pub const INVALID_HANDLE: Self = Self(6);
    /// `ERROR_NOT_ENOUGH_MEMORY`.
    pub const NOT_ENOUGH_MEMORY: Self = Self(8);
    /// `ERROR_INSUFFICIENT_BUFFER`.
    pub const INSUFFICIENT_BUFFER: Self = Self(122);
    /// `ERROR_IO_INCOMPLETE`.
    pub const IO_INCOMPLETE: Self = Self(996);
    /// `ERROR_INVALID_USER_BUFFER`.
    pub const INVALID_USER_BUFFER: Self = Self(1784);
    /// `ERROR_HANDLE_EOF`: the end of the file is before this offset.
    pub const HANDLE_EOF: Self = Self(38);
    /// `ERROR_ALREADY_EXISTS`.
    pub const ALREADY_EXISTS: Self = Self(183);
    /// `ERROR_NOT_FOUND`.
    pub const NOT_FOUND: Self = Self(1168);
    /// `ERROR_REVISION_MISMATCH`: the driver speaks another version of the protocol.
    pub const REVISION_MISMATCH: Self = Self(1306);

    /// The code of an `io::Error` that the system made. One that the standard library made, before it
    /// asked the system, is about the arguments: [`Self::INVALID_PARAMETER`].
    pub fn from_io(error: &std::io::Error) -> Self {
        error
            .raw_os_error()
            .map_or(Self::INVALID_PARAMETER, |code| Self(code.cast_unsigned()))
    }

    fn known(self) -> Option<&'static Known> {
        let index = KNOWN.binary_search_by_key(&self.0, |known| known.0).ok()?;
        KNOWN.get(index)
    }

    /// The name in the Windows headers, if it is one that this project meets.
    pub fn name(self) -> Option<&'static str> {
        self.known().map(|known| known.1)
    }

    /// The usual cause.
    pub fn cause(self) -> &'static str {
        self.known()
            .map_or("the system gives no more than the number", |known| known.2)
    }

    /// What to do next.
    pub fn next_step(self) -> &'static str {
        self.known().map_or(
            "look the number up in Microsoft's list of system error codes",
            |known| known.3,
        )
    }

    /// Whether it says that a device, file or service is not there.
    pub fn is_absence(self) -> bool {
        matches!(self.0, 2 | 3 | 433 | 1060 | 1167 | 0xE000_020B)
    }
}

impl fmt::Display for Win32Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", Number(self.0)),
            None => write!(f, "Win32 error {}", Number(self.0)),
        }
    }
}

/// Small codes are known by their decimal number, those of SetupAPI and NTSTATUS by their bits.
struct Number(u32);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0x1_0000 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:#010X}", self.0)
        }
    }
}

impl std::error::Error for Win32Error {}

/// What was tried, on what, and the code it failed with.
///
/// Prints as `cannot <do what>: <NAME> (<number>): <cause>; <next step>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    action: String,
    code: Win32Error,
}

impl Error {
    /// `action` completes the sentence "cannot ...", and names the thing: `open \\.\KsSinkDirect`.
    pub fn new(action: impl Into<String>, code: Win32Error) -> Self {
        Self {
            action: action.into(),
            code,
        }
    }

    /// The Win32 code.
    pub fn code(&self) -> Win32Error {
        self.code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, code } = self;
        write!(
            f,
            "cannot {action}: {code}: {}; {}",
            code.cause(),
            code.next_step()
        )
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        for pair in KNOWN.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{pair:?}");
        }
        for (code, name, cause, step) in KNOWN {
            assert!(name.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{code}");
            assert!(!cause.is_empty() && !cause.ends_with('.'), "{code}");
            assert!(!step.is_empty() && !step.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn an_error_says_what_why_and_what_next() {
        let error = Error::new(r"open \\.\KsWrite", Win32Error(2));
        assert_eq!(
            error.to_string(),
            r"cannot open \\.\KsWrite: ERROR_FILE_NOT_FOUND (2): nothing has this name; check the name; for a device, ask `ksw status` which drivers answer"
        );
    }

    #[test]
    fn unknown_codes_keep_their_number() {
        assert_eq!(Win32Error(4242).to_string(), "Win32 error 4242");
        assert_eq!(Win32Error(0xE000_1234).to_string(), "Win32 error 0xE0001234");
        assert_eq!(
            Win32Error(0xE000_0203).to_string(),
            "ERROR_NO_DRIVER_SELECTED (0xE0000203)"
        );
    }

    #[test]
    fn io_errors_keep_the_systems_code() {
        let error = std::io::Error::from_raw_os_error(5);
        assert_eq!(Win32Error::from_io(&error), Win32Error::ACCESS_DENIED);
        assert_eq!(
            Win32Error::from_io(&std::io::Error::other("x")),
            Win32Error::INVALID_PARAMETER
        );
    }
}
