//! Control codes, made as `CTL_CODE` of the Windows headers makes them.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/kernel/defining-i-o-control-codes>

/// A device control code with `FILE_DEVICE_UNKNOWN` and `METHOD_BUFFERED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlCode(pub u32);

/// What the handle must have been opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `FILE_READ_ACCESS`.
    Read = 1,
    /// `FILE_WRITE_ACCESS`.
    Write = 2,
}

const FILE_DEVICE_UNKNOWN: u32 = 0x22;
const METHOD_BUFFERED: u32 = 0;
/// Function codes below this one are Microsoft's.
const FIRST_CUSTOM_FUNCTION: u32 = 0x800;

impl ControlCode {
    /// The code of custom function `number` (0 is the first that is free for vendors, `0x800`).
    pub const fn new(number: u32, access: Access) -> Self {
        Self(
            FILE_DEVICE_UNKNOWN << 16
                | (access as u32) << 14
                | (FIRST_CUSTOM_FUNCTION + number) << 2
                | METHOD_BUFFERED,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_WRITE_ACCESS)` worked out by hand.
    #[test]
    fn code_has_the_documented_layout() {
        assert_eq!(ControlCode::new(1, Access::Write).0, 0x0022_A004);
    }
}
