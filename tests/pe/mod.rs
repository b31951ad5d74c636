//! A PE32+ image, as much of it as the tests ask for.

mod version;

use std::fmt;
use std::path::Path;

use object::LittleEndian as LE;
use object::Object as _;
use object::pe as def;
use object::read::pe::Import as RawImport;
use object::read::pe::{ImageNtHeaders as _, ImageOptionalHeader as _, PeFile64};
pub(crate) use version::Version;

/// The bytes of an image, with its file name.
pub(crate) struct Image {
    name: String,
    data: Vec<u8>,
}

/// One section.
pub(crate) struct Section {
    pub(crate) name: String,
    flags: u32,
}

impl Section {
    pub(crate) fn is(&self, flag: def::SectionFlags) -> bool {
        self.flags & flag.0 != 0
    }
}

/// One imported function.
pub(crate) struct Import {
    /// The module as the image spells it.
    pub(crate) module: String,
    /// The function, or `#` and its number when it is imported by that.
    pub(crate) name: String,
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Image {
    pub(crate) fn read(path: &Path) -> Self {
        let data = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, data }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn parsed(&self) -> PeFile64<'_> {
        PeFile64::parse(self.data.as_slice()).unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    pub(crate) fn machine(&self) -> def::Machine {
        self.parsed().nt_headers().file_header().machine.get(LE)
    }

    pub(crate) fn subsystem(&self) -> def::Subsystem {
        self.parsed().nt_headers().optional_header().subsystem()
    }

    pub(crate) fn has_dll_flag(&self, flag: def::DllFlags) -> bool {
        self.parsed()
            .nt_headers()
            .optional_header()
            .dll_characteristics()
            .0
            & flag.0
            != 0
    }

    pub(crate) fn has_file_flag(&self, flag: def::FileFlags) -> bool {
        self.parsed().nt_headers().file_header().characteristics.get(LE).0 & flag.0 != 0
    }

    /// Name and flags of every section.
    pub(crate) fn sections(&self) -> Vec<Section> {
        let file = self.parsed();
        let sections = file.section_table();
        let section = |section: &def::ImageSectionHeader| {
            let name = String::from_utf8_lossy(section.raw_name()).into_owned();
            Section {
                name,
                flags: section.characteristics.get(LE).0,
            }
        };
        sections.iter().map(section).collect()
    }

    /// How many addresses are put right when the image is moved.
    pub(crate) fn relocations(&self) -> usize {
        let file = self.parsed();
        let Some(mut blocks) = file
            .data_directories()
            .relocation_blocks(file.data(), &file.section_table())
            .unwrap()
        else {
            return 0;
        };
        let mut count = 0;
        while let Some(block) = blocks.next().unwrap() {
            count += block.count();
        }
        count
    }

    pub(crate) fn imports(&self) -> Vec<Import> {
        let file = self.parsed();
        let Some(table) = file.import_table().unwrap() else {
            return Vec::new();
        };
        let mut imports = Vec::new();
        let mut descriptors = table.descriptors().unwrap();
        while let Some(descriptor) = descriptors.next().unwrap() {
            let module = String::from_utf8_lossy(table.name(descriptor.name.get(LE)).unwrap()).into_owned();
            let mut thunks = table.thunks(descriptor.original_first_thunk.get(LE)).unwrap();
            while let Some(thunk) = thunks.next::<def::ImageNtHeaders64>().unwrap() {
                let name = match table.import::<def::ImageNtHeaders64>(thunk).unwrap() {
                    RawImport::Ordinal(ordinal) => format!("#{ordinal}"),
                    RawImport::Name(_, name) => String::from_utf8_lossy(name).into_owned(),
                };
                imports.push(Import {
                    module: module.clone(),
                    name,
                });
            }
        }
        imports
    }

    /// Names of the exported functions.
    pub(crate) fn exports(&self) -> Vec<String> {
        let file = self.parsed();
        let exports = file.export_table().unwrap().unwrap().exports().unwrap();
        let names = exports.into_iter().filter_map(|export| export.name);
        names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }

    /// File name of the symbols, as the image has it.
    pub(crate) fn pdb_name(&self) -> String {
        let file = self.parsed();
        let info = file
            .pdb_info()
            .unwrap()
            .unwrap_or_else(|| panic!("{self} names no PDB"));
        String::from_utf8_lossy(info.path()).into_owned()
    }

    /// The version resource.
    pub(crate) fn version(&self) -> Version {
        let file = self.parsed();
        let (sections, directories) = (file.section_table(), file.data_directories());
        let directory = directories
            .resource_directory(self.data.as_slice(), &sections)
            .unwrap()
            .unwrap_or_else(|| panic!("{self} has no resources"));
        let data = version::data(directory).unwrap_or_else(|| panic!("{self} has no version resource"));
        let bytes = sections
            .pe_data_at(self.data.as_slice(), data.offset_to_data.get(LE))
            .unwrap();
        Version::parse(&bytes[..usize::try_from(data.size.get(LE)).unwrap()])
    }

    /// The checksum in the header.
    pub(crate) fn checksum(&self) -> u32 {
        self.parsed().nt_headers().optional_header().check_sum()
    }

    /// The checksum as it must be: the 16-bit one's complement sum of the file, without the field itself,
    /// plus the length.
    ///
    /// <https://learn.microsoft.com/windows/win32/debug/pe-format>, optional header, CheckSum
    pub(crate) fn computed_checksum(&self) -> u32 {
        let field = self.checksum_offset();
        let mut sum = 0_u64;
        for (index, pair) in self.data.chunks(2).enumerate() {
            if (field..field + 4).contains(&(index * 2)) {
                continue;
            }
            sum += u64::from(u16::from_le_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        }
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        u32::try_from(sum).unwrap() + u32::try_from(self.data.len()).unwrap()
    }

    /// The optional header begins 24 bytes after the signature, the field 64 bytes further.
    fn checksum_offset(&self) -> usize {
        let signature = u32::from_le_bytes(self.data[0x3C..0x40].try_into().unwrap());
        usize::try_from(signature).unwrap() + 24 + 64
    }
}
