//! The machine, as far as it decides about drivers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// 64-bit x86.
    X64,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit x86.
    X86,
    /// Another, by its number in an image header.
    Other(u16),
}

impl Machine {
    /// From an `IMAGE_FILE_MACHINE_` number.
    ///
    /// <https://learn.microsoft.com/windows/win32/debug/pe-format#machine-types>
    pub fn from_image(number: u16) -> Self {
        match number {
            0x8664 => Self::X64,
            0xaa64 => Self::Arm64,
            0x014c => Self::X86,
            other => Self::Other(other),
        }
    }

    /// That of this program.
    pub fn of_this_program() -> Self {
        match std::env::consts::ARCH {
            "x86_64" => Self::X64,
            "aarch64" => Self::Arm64,
            "x86" => Self::X86,
            _ => Self::Other(0),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X64 => f.write_str("x64"),
            Self::Arm64 => f.write_str("ARM64"),
            Self::X86 => f.write_str("x86"),
            Self::Other(number) => write!(f, "machine {number:#06x}"),
        }
    }
}

/// What the kernel demands of drivers: the flags of `SYSTEM_CODEINTEGRITY_INFORMATION`.
///
/// <https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntquerysysteminformation>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the system's flags, each by its name"
)]
pub struct CodeIntegrity {
    /// The flags as the system gave them.
    pub flags: u32,
    /// Signatures are checked.
    pub enabled: bool,
    /// Test signatures will do.
    pub test_signing: bool,
    /// Memory integrity (HVCI) is on for the kernel.
    pub hvci: bool,
    /// A kernel debugger is allowed, under which unsigned drivers load.
    pub debug_mode: bool,
}

impl From<u32> for CodeIntegrity {
    fn from(flags: u32) -> Self {
        let has = |bit| flags & bit != 0;
        Self {
            flags,
            enabled: has(0x1),
            test_signing: has(0x2),
            hvci: has(0x400),
            debug_mode: has(0x80),
        }
    }
}

/// The machine and this process on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Version of Windows: major, minor, build.
    pub version: [u32; 3],
    /// Version of Wine; `None` on Windows.
    pub wine: Option<String>,
    /// The machine's architecture.
    pub native: Machine,
    /// This program's architecture.
    pub process: Machine,
    /// Logical processors.
    pub processors: usize,
    /// Whether this process has an administrator's rights.
    pub elevated: bool,
    /// `None` when the system does not tell.
    pub code_integrity: Option<CodeIntegrity>,
    /// `None` when the system does not tell, as one without UEFI.
    pub secure_boot: Option<bool>,
    /// Whether memory integrity (HVCI) is configured; `None` when it never was.
    pub memory_integrity: Option<bool>,
}

fn word(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown",
    }
}

impl System {
    /// `Windows 10.0.19045`, `Wine 8.0 as Windows 10.0.18362`.
    pub fn name(&self) -> String {
        let [major, minor, build] = self.version;
        let windows = format!("Windows {major}.{minor}.{build}");
        match &self.wine {
            Some(wine) => format!("Wine {wine} as {windows}"),
            None => windows,
        }
    }

    /// Pairs for a table.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let code = |read: fn(&CodeIntegrity) -> bool| word(self.code_integrity.as_ref().map(read)).to_owned();
        vec![
            ("system", self.name()),
            (
                "architecture",
                format!("{}, this program {}", self.native, self.process),
            ),
            ("processors", self.processors.to_string()),
            (
                "administrator",
                if self.elevated { "yes" } else { "no" }.to_owned(),
            ),
            ("code integrity", code(|ci| ci.enabled)),
            ("test signing", code(|ci| ci.test_signing)),
            ("kernel debugging", code(|ci| ci.debug_mode)),
            ("Secure Boot", word(self.secure_boot).to_owned()),
            (
                "memory integrity",
                format!(
                    "{}, configured {}",
                    code(|ci| ci.hvci),
                    word(self.memory_integrity)
                ),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_by_their_bits() {
        let ci = CodeIntegrity::from(0x403);
        assert!(ci.enabled && ci.test_signing && ci.hvci && !ci.debug_mode);
        assert!(!CodeIntegrity::from(0x1).test_signing);
    }
}
