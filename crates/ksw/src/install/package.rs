//! A folder with driver packages: INF files and what they name.

use std::path::{Path, PathBuf};

use kswrite_inf::Inf;
use kswrite_wire::names::{FILTER_SERVICE, SINK_SERVICE};
use object::LittleEndian as LE;
use object::pe::{IMAGE_DIRECTORY_ENTRY_SECURITY, ImageDosHeader, ImageNtHeaders64};
use object::read::pe::ImageNtHeaders;

use super::system::Machine;

/// One driver package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Full path of the INF.
    pub inf: PathBuf,
    /// The service that it makes.
    pub service: String,
    /// Full path of the image.
    pub image: PathBuf,
    /// What the image is for.
    pub machine: Machine,
    /// Whether a signature is embedded in the image.
    pub image_signed: bool,
    /// Full path of the catalogue, if the INF names one.
    pub catalog: Option<PathBuf>,
    /// Whether that file is there.
    pub catalog_present: bool,
    /// `DriverVer`.
    pub version: String,
}

impl Package {
    /// Reads `FOLDER/NAME.inf` and the files that it names.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and says what is wrong with it.
    pub fn read(folder: &Path, name: &str) -> Result<Self, String> {
        let inf_path = folder.join(format!("{name}.inf"));
        let inf = Inf::parse(&text(&bytes(&inf_path)?))
            .map_err(|error| format!("{}: {error}", inf_path.display()))?;
        let services = inf.services();
        let service = services
            .first()
            .ok_or_else(|| format!("{} installs no service", inf_path.display()))?;
        let files = inf.copied_files();
        let image = files
            .iter()
            .find(|file| file.to_ascii_lowercase().ends_with(".sys"))
            .ok_or_else(|| format!("{} copies no driver", inf_path.display()))?;
        let image = folder.join(image);
        let (machine, image_signed) = image_facts(&bytes(&image)?)
            .ok_or_else(|| format!("{} is no 64-bit Windows image", image.display()))?;
        let catalog = inf.value("Version", "CatalogFile").map(|file| folder.join(file));
        Ok(Self {
            service: service.name.to_owned(),
            machine,
            image_signed,
            catalog_present: catalog.as_ref().is_some_and(|file| file.is_file()),
            catalog,
            version: driver_ver(&inf),
            image,
            inf: inf_path,
        })
    }

    /// The sink's and the filter's package of a folder.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_both(folder: &Path) -> Result<[Self; 2], String> {
        Ok([
            Self::read(folder, SINK_SERVICE)?,
            Self::read(folder, FILTER_SERVICE)?,
        ])
    }
}

/// `DriverVer`, date and version.
pub(super) fn driver_ver(inf: &Inf) -> String {
    inf.keyed("Version", "DriverVer")
        .next()
        .map(|entry| entry.values.join(","))
        .unwrap_or_default()
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// INF files are ASCII, or UTF-16 with a byte-order mark.
pub fn text(bytes: &[u8]) -> String {
    match bytes.strip_prefix(b"\xff\xfe") {
        Some(utf16) => {
            let (pairs, _) = utf16.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            String::from_utf16_lossy(&units)
        }
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Architecture, and whether there is an embedded signature.
fn image_facts(bytes: &[u8]) -> Option<(Machine, bool)> {
    let mut offset = ImageDosHeader::parse(bytes).ok()?.nt_headers_offset().into();
    let (headers, directories) = ImageNtHeaders64::parse(bytes, &mut offset).ok()?;
    let machine = Machine::from_image(headers.file_header().machine.get(LE).0);
    let signature = directories.get(IMAGE_DIRECTORY_ENTRY_SECURITY);
    Some((machine, signature.is_some_and(|entry| entry.size.get(LE) != 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ksw-package-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Just enough of an image: headers, 16 directories, no section.
    fn image(machine: u16, signature_bytes: u32) -> Vec<u8> {
        let mut bytes = vec![0_u8; 0x40];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x40;
        bytes.extend(b"PE\0\0");
        bytes.extend(machine.to_le_bytes());
        bytes.extend([0; 14]);
        bytes.extend(240_u16.to_le_bytes());
        bytes.extend([0; 2]);
        let mut optional = vec![0_u8; 112];
        optional[..2].copy_from_slice(&0x20b_u16.to_le_bytes());
        optional[108] = 16;
        bytes.extend(optional);
        let mut directories = vec![0_u8; 128];
        directories[32..36].copy_from_slice(&0x1000_u32.to_le_bytes());
        directories[36..40].copy_from_slice(&signature_bytes.to_le_bytes());
        bytes.extend(directories);
        bytes
    }

    const INF: &str = "[Version]\nCatalogFile=k.cat\nDriverVer=11/20/2025,0.1.0.0\n[Manufacturer]\n%M%=D,NTamd64\n\
        [D.NTamd64]\n%X%=Go,Root\\X\n[Go.NT]\nCopyFiles=F\n[F]\nk.sys\n[Go.NT.Services]\nAddService=k,2,S\n[S]\n";

    #[test]
    fn a_package_is_what_its_files_say() {
        let folder = folder("good");
        std::fs::write(folder.join("k.inf"), INF).unwrap();
        std::fs::write(folder.join("k.sys"), image(0xaa64, 8)).unwrap();
        let package = Package::read(&folder, "k").unwrap();
        assert_eq!((package.service.as_str(), package.machine), ("k", Machine::Arm64));
        assert!(package.image_signed && !package.catalog_present);
        assert_eq!(package.version, "11/20/2025,0.1.0.0");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let folder = folder("bad");
        assert!(Package::read(&folder, "k").unwrap_err().contains("k.inf"));
        std::fs::write(folder.join("k.inf"), INF).unwrap();
        assert!(Package::read(&folder, "k").unwrap_err().contains("k.sys"));
        std::fs::write(folder.join("k.sys"), b"MZ").unwrap();
        let said = Package::read(&folder, "k").unwrap_err();
        assert!(said.contains("no 64-bit Windows image"), "{said}");
        std::fs::write(folder.join("k.inf"), "[Version").unwrap();
        assert!(Package::read(&folder, "k").unwrap_err().contains("line 1"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn utf_16_is_read_too() {
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("[V]".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(text(&utf16), "[V]");
    }
}
