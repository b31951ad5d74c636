//! NTSTATUS as a type, and the I/O status block as a value.

use core::fmt;

/// A Windows status code.
///
/// The two top bits are the severity. Success, information and warning are not errors: the I/O manager
/// writes the status block and signals for all three, and only [`is_error`](Self::is_error) changes that.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/kernel/using-ntstatus-values>
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct NtStatus(pub i32);

macro_rules! known {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl NtStatus {
            $($(#[$doc])* pub const $name: Self = Self(($value as u32).cast_signed());)*

            /// The symbolic name without `STATUS_`, where this crate knows it.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

known! {
    /// Done.
    SUCCESS = 0x0000_0000;
    /// In progress; the completion comes later.
    PENDING = 0x0000_0103;
    /// The wait came to its time limit.
    TIMEOUT = 0x0000_0102;
    /// The wait was broken by an alert.
    ALERTED = 0x0000_0101;
    /// The wait was broken by a user APC.
    USER_APC = 0x0000_00C0;
    /// Warning: more data than fits.
    BUFFER_OVERFLOW = 0x8000_0005;
    /// Warning: the device is busy.
    DEVICE_BUSY = 0x8000_0011;
    /// Failed without a reason.
    UNSUCCESSFUL = 0xC000_0001;
    /// Not here.
    NOT_IMPLEMENTED = 0xC000_0002;
    /// A structure has the wrong size.
    INFO_LENGTH_MISMATCH = 0xC000_0004;
    /// The address cannot be accessed.
    ACCESS_VIOLATION = 0xC000_0005;
    /// No object of that handle.
    INVALID_HANDLE = 0xC000_0008;
    /// An argument makes no sense.
    INVALID_PARAMETER = 0xC000_000D;
    /// The device does not know this request.
    INVALID_DEVICE_REQUEST = 0xC000_0010;
    /// Past the end.
    END_OF_FILE = 0xC000_0011;
    /// A completion routine takes the IRP back.
    MORE_PROCESSING_REQUIRED = 0xC000_0016;
    /// No memory.
    NO_MEMORY = 0xC000_0017;
    /// Not allowed.
    ACCESS_DENIED = 0xC000_0022;
    /// The buffer is too small.
    BUFFER_TOO_SMALL = 0xC000_0023;
    /// The handle is of another type.
    OBJECT_TYPE_MISMATCH = 0xC000_0024;
    /// The name is taken.
    OBJECT_NAME_COLLISION = 0xC000_0035;
    /// No object of that name.
    OBJECT_NAME_NOT_FOUND = 0xC000_0034;
    /// The pool quota of the process is used up.
    QUOTA_EXCEEDED = 0xC000_0044;
    /// The device is being removed.
    DELETE_PENDING = 0xC000_0056;
    /// Another revision is spoken.
    REVISION_MISMATCH = 0xC000_0059;
    /// No pool memory.
    INSUFFICIENT_RESOURCES = 0xC000_009A;
    /// The device does not answer.
    DEVICE_NOT_READY = 0xC000_00A3;
    /// The working set is too small to lock the pages.
    WORKING_SET_QUOTA = 0xC000_00A1;
    /// Not supported.
    NOT_SUPPORTED = 0xC000_00BB;
    /// The user's buffer cannot be used.
    INVALID_USER_BUFFER = 0xC000_00E8;
    /// Cancelled.
    CANCELLED = 0xC000_0120;
    /// The device has a hardware or medium error.
    IO_DEVICE_ERROR = 0xC000_0185;
    /// A length is wrong.
    INVALID_BUFFER_SIZE = 0xC000_0206;
}

impl NtStatus {
    /// `NT_SUCCESS`: success or information.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }

    /// `NT_WARNING`.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        self.0.cast_unsigned() >> 30 == 2
    }

    /// `NT_ERROR`.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0.cast_unsigned() >> 30 == 3
    }

    /// `Ok` for success and information, the status itself otherwise.
    ///
    /// # Errors
    ///
    /// A warning or error status.
    pub const fn ok(self) -> Result<(), Self> {
        if self.is_success() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Debug for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "STATUS_{name} (0x{:08X})", self.0),
            None => write!(f, "NTSTATUS 0x{:08X}", self.0),
        }
    }
}

/// What an operation came to: the content of an `IO_STATUS_BLOCK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct IoStatus {
    /// The final status.
    pub status: NtStatus,
    /// For a write, the bytes written.
    pub information: usize,
}

impl IoStatus {
    /// A failure: no bytes.
    pub const fn failed(status: NtStatus) -> Self {
        Self {
            status,
            information: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn only_warnings_and_errors_are_not_ok() {
        assert_eq!(NtStatus::PENDING.ok(), Ok(()));
        for status in [NtStatus::BUFFER_OVERFLOW, NtStatus::CANCELLED] {
            assert_eq!(status.ok(), Err(status));
        }
    }

    #[test]
    fn a_failed_test_shows_name_and_number() {
        let shown = std::format!("{:?}", NtStatus::CANCELLED);
        assert_eq!(shown, "STATUS_CANCELLED (0xC0000120)");
    }

    #[test]
    fn severity_has_four_classes() {
        assert!(NtStatus::SUCCESS.is_success());
        assert!(NtStatus::PENDING.is_success());
        assert!(NtStatus(0x4000_0000).is_success());
        let warning = NtStatus::BUFFER_OVERFLOW;
        assert!(warning.is_warning() && !warning.is_success() && !warning.is_error());
        assert!(NtStatus::CANCELLED.is_error() && !NtStatus::CANCELLED.is_warning());
        assert!(!NtStatus::SUCCESS.is_warning() && !NtStatus::PENDING.is_error());
    }

    #[test]
    fn a_status_is_shown_by_name_and_number() {
        assert_eq!(NtStatus::CANCELLED.to_string(), "STATUS_CANCELLED (0xC0000120)");
        assert_eq!(NtStatus(0x1234).to_string(), "NTSTATUS 0x00001234");
    }
}
