//! Device names, hardware IDs and interface GUIDs.

/// Win32 name of the filter's control device.
pub const CONTROL_PATH: &str = r"\\.\KsWrite";
/// NT name of the filter's control device.
pub const CONTROL_DEVICE: &str = r"\Device\KsWrite";
/// Symbolic link to the filter's control device.
pub const CONTROL_LINK: &str = r"\DosDevices\KsWrite";

/// Who may open the control device: the system and administrators, in full; nobody else.
pub const CONTROL_SDDL: &str = "D:P(A;;GA;;;SY)(A;;GA;;;BA)";
/// Who may open a sink: the same as the control device.
pub const SINK_SDDL: &str = CONTROL_SDDL;

/// Name of the filter's service, and of its image without the extension.
pub const FILTER_SERVICE: &str = "kswrite";
/// Name of the sink's service, and of its image without the extension.
pub const SINK_SERVICE: &str = "ksink";

/// A GUID in the layout of the Windows headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid {
    /// The first group.
    pub data1: u32,
    /// The second group.
    pub data2: u16,
    /// The third group.
    pub data3: u16,
    /// The last two groups.
    pub data4: [u8; 8],
}

/// The ETW provider of the filter, `KsWrite.Filter`, from whose name the GUID follows:
/// `{5b080970-d480-51fe-e942-991d7c3e6b2a}`.
pub const ETW_PROVIDER_ID: Guid = Guid {
    data1: 0x5b08_0970,
    data2: 0xd480,
    data3: 0x51fe,
    data4: [0xe9, 0x42, 0x99, 0x1d, 0x7c, 0x3e, 0x6b, 0x2a],
};

impl Guid {
    /// As it lies in memory.
    pub const fn to_bytes(self) -> [u8; 16] {
        let numbers = self.data1 as u128 | (self.data2 as u128) << 32 | (self.data3 as u128) << 48;
        let bytes = u64::from_le_bytes(self.data4) as u128;
        (numbers | bytes << 64).to_le_bytes()
    }
}

/// Device interface class of all sinks: `{6f0c6e3b-2a0a-4f57-9d6b-7c1c2f4f5a10}`.
pub const SINK_INTERFACE: Guid = Guid {
    data1: 0x6f0c_6e3b,
    data2: 0x2a0a,
    data3: 0x4f57,
    data4: [0x9d, 0x6b, 0x7c, 0x1c, 0x2f, 0x4f, 0x5a, 0x10],
};

/// The three sinks: one for each buffer method of `IRP_MJ_WRITE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// `DO_BUFFERED_IO`: the driver sees a system buffer.
    Buffered,
    /// `DO_DIRECT_IO`: the driver sees an MDL of locked pages.
    Direct,
    /// Neither: the driver sees the raw address.
    Neither,
}

impl SinkKind {
    /// All kinds, in the order in which tables list them.
    pub const ALL: [Self; 3] = [Self::Buffered, Self::Direct, Self::Neither];

    /// The word used on the command line and in tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Buffered => "buffered",
            Self::Direct => "direct",
            Self::Neither => "neither",
        }
    }

    /// Win32 name of the device.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Buffered => r"\\.\KsSinkBuffered",
            Self::Direct => r"\\.\KsSinkDirect",
            Self::Neither => r"\\.\KsSinkNeither",
        }
    }

    /// NT name of the device.
    pub const fn device(self) -> &'static str {
        match self {
            Self::Buffered => r"\Device\KsSinkBuffered",
            Self::Direct => r"\Device\KsSinkDirect",
            Self::Neither => r"\Device\KsSinkNeither",
        }
    }

    /// Symbolic link to the device.
    pub const fn link(self) -> &'static str {
        match self {
            Self::Buffered => r"\DosDevices\KsSinkBuffered",
            Self::Direct => r"\DosDevices\KsSinkDirect",
            Self::Neither => r"\DosDevices\KsSinkNeither",
        }
    }

    /// Hardware ID of the root-enumerated device.
    pub const fn hardware_id(self) -> &'static str {
        match self {
            Self::Buffered => r"Root\KsSinkBuffered",
            Self::Direct => r"Root\KsSinkDirect",
            Self::Neither => r"Root\KsSinkNeither",
        }
    }
}
