//! Version resources.
//!
//! <https://learn.microsoft.com/windows/win32/menurc/vs-versioninfo>

use object::pe as def;
use object::read::pe::{ResourceDirectory, ResourceNameOrId};

/// `dwSignature` of the fixed part.
const SIGNATURE: u32 = 0xFEEF_04BD;

/// What a version resource says.
pub(crate) struct Version {
    pub(crate) file: [u16; 4],
    pub(crate) product: [u16; 4],
    /// File type and subtype.
    pub(crate) kind: (u32, u32),
    /// The whole block.
    units: Vec<u16>,
}

/// Where the first version resource lies.
pub(crate) fn data(directory: ResourceDirectory<'_>) -> Option<&def::ImageResourceDataEntry> {
    let mut types = directory.root().unwrap().entries.iter();
    let mut entry = types.find(|entry| match entry.name_or_id() {
        ResourceNameOrId::Id(id) => id == def::RT_VERSION,
        ResourceNameOrId::Name(_) => false,
    })?;
    // Below the type are names, below a name languages.
    while let Some(table) = entry.data(directory).unwrap().table() {
        entry = table.entries.first()?;
    }
    entry.data(directory).unwrap().data()
}

impl Version {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let words: Vec<u32> = bytes
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect();
        let start = words.iter().position(|word| *word == SIGNATURE).unwrap();
        let fixed = &words[start..];
        let four = |high: u32, low: u32| {
            [high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF].map(|part| u16::try_from(part).unwrap())
        };
        Self {
            file: four(fixed[2], fixed[3]),
            product: four(fixed[4], fixed[5]),
            kind: (fixed[9], fixed[10]),
            units: bytes
                .chunks_exact(2)
                .map(|unit| u16::from_le_bytes(unit.try_into().unwrap()))
                .collect(),
        }
    }

    /// A text by its key: behind the key's zero, at a multiple of four bytes, up to a zero.
    pub(crate) fn text(&self, key: &str) -> String {
        let key: Vec<u16> = key.encode_utf16().chain([0]).collect();
        let at = self
            .units
            .windows(key.len())
            .position(|units| *units == *key)
            .unwrap();
        let value = &self.units[(at + key.len()).next_multiple_of(2)..];
        let end = value.iter().position(|unit| *unit == 0).unwrap();
        String::from_utf16(&value[..end]).unwrap()
    }
}
