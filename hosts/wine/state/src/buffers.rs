//! Which of an IRP's buffer fields Windows would show a driver.
//!
//! Wine fills in every field that it can: a driver that reads the wrong one works there and fails on
//! Windows. The host takes away what Windows would not have given.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/kernel/methods-for-accessing-data-buffers>

/// How the caller's buffer reaches the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A system buffer.
    Buffered,
    /// An MDL of locked pages.
    Direct,
    /// The raw address.
    Neither,
}

/// `DO_BUFFERED_IO`.
const DO_BUFFERED_IO: u32 = 0x04;
/// `DO_DIRECT_IO`.
const DO_DIRECT_IO: u32 = 0x10;

impl Method {
    /// The method of reads and writes on a device with these flags. Buffered wins, as on Windows.
    pub const fn of_device(flags: u32) -> Self {
        if flags & DO_BUFFERED_IO != 0 {
            Self::Buffered
        } else if flags & DO_DIRECT_IO != 0 {
            Self::Direct
        } else {
            Self::Neither
        }
    }

    /// The method of a control code's output buffer.
    pub const fn of_control_code(code: u32) -> Self {
        match code & 3 {
            0 => Self::Buffered,
            3 => Self::Neither,
            _ => Self::Direct,
        }
    }
}

/// The fields that a driver sees; the others are NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    /// `AssociatedIrp.SystemBuffer`.
    pub system_buffer: bool,
    /// `MdlAddress`.
    pub mdl: bool,
    /// `UserBuffer`.
    pub user_buffer: bool,
}

/// For a read or write of `length` bytes.
pub const fn of_transfer(method: Method, length: u32) -> Visible {
    Visible {
        system_buffer: matches!(method, Method::Buffered) && length > 0,
        mdl: matches!(method, Method::Direct) && length > 0,
        // The I/O manager records the caller's address with every method.
        user_buffer: true,
    }
}

/// For a device control with these buffer lengths.
pub const fn of_control(code: u32, input: u32, output: u32) -> Visible {
    match Method::of_control_code(code) {
        Method::Buffered => Visible {
            system_buffer: input > 0 || output > 0,
            mdl: false,
            user_buffer: true,
        },
        Method::Direct => Visible {
            system_buffer: input > 0,
            mdl: output > 0,
            user_buffer: true,
        },
        Method::Neither => Visible {
            system_buffer: false,
            mdl: false,
            user_buffer: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_sees_one_field_for_each_method() {
        let buffered = of_transfer(Method::of_device(DO_BUFFERED_IO), 1);
        assert!(buffered.system_buffer && !buffered.mdl);
        let direct = of_transfer(Method::of_device(DO_DIRECT_IO), 1);
        assert!(!direct.system_buffer && direct.mdl);
        let neither = of_transfer(Method::of_device(0), 1);
        assert!(!neither.system_buffer && !neither.mdl && neither.user_buffer);
    }

    #[test]
    fn nothing_is_allocated_for_no_bytes() {
        assert!(!of_transfer(Method::Buffered, 0).system_buffer);
        assert!(!of_transfer(Method::Direct, 0).mdl);
        assert!(!of_control(0, 0, 0).system_buffer);
        assert!(!of_control(2, 4, 0).mdl);
    }

    #[test]
    fn both_flags_mean_buffered() {
        assert_eq!(Method::of_device(DO_BUFFERED_IO | DO_DIRECT_IO), Method::Buffered);
    }

    #[test]
    fn control_codes_say_their_method() {
        assert_eq!(Method::of_control_code(0x0022_2003), Method::Neither);
        assert_eq!(Method::of_control_code(0x0022_2001), Method::Direct);
        assert_eq!(Method::of_control_code(0x0022_2002), Method::Direct);
        assert_eq!(Method::of_control_code(0x0022_2000), Method::Buffered);
    }
}
