//! Looks into the built images: would Windows load them, and is what Wine loads the same?
//!
//! `cargo xtask test` builds the images, says where they are, and runs these tests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod pe;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use object::pe as def;
use pe::Image;

/// The images that a Windows machine would load.
const DRIVERS: [&str; 2] = ["kswrite.sys", "ksink.sys"];
/// The part of KMDF that Wine lacks. It never comes near a Windows machine.
const WINE_HOST: &str = "WDFLDR.SYS";

/// Value of an environment variable that `cargo xtask test` sets.
fn given(name: &str) -> PathBuf {
    std::env::var_os(name)
        .unwrap_or_else(|| panic!("{name} is not set; run this as `cargo xtask test`"))
        .into()
}

fn artifact(name: &str) -> PathBuf {
    given("KSWRITE_ARTIFACTS").join(name)
}

fn drivers() -> impl Iterator<Item = Image> {
    DRIVERS.into_iter().map(|name| Image::read(&artifact(name)))
}

/// One row of `imports.csv`, by module (lower case) and name: the first Windows version that has it.
fn known_imports() -> BTreeMap<(String, String), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/wdk/imports.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        (
            (fields[0].to_lowercase(), fields[1].to_owned()),
            fields[2].to_owned(),
        )
    });
    rows.collect()
}

#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn drivers_are_native_images_for_x64() {
    for image in drivers() {
        assert_eq!(image.machine(), def::IMAGE_FILE_MACHINE_AMD64, "{image}");
        assert_eq!(image.subsystem(), def::IMAGE_SUBSYSTEM_NATIVE, "{image}");
        assert!(image.has_file_flag(def::IMAGE_FILE_EXECUTABLE_IMAGE), "{image}");
    }
}

#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn drivers_can_be_moved_and_their_data_not_executed() {
    for image in drivers() {
        assert!(
            image.has_dll_flag(def::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE),
            "{image}"
        );
        assert!(
            image.has_dll_flag(def::IMAGE_DLLCHARACTERISTICS_NX_COMPAT),
            "{image}"
        );
        assert!(!image.has_file_flag(def::IMAGE_FILE_RELOCS_STRIPPED), "{image}");
        assert!(image.relocations() > 0, "{image} has no relocation");
    }
}

#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn no_section_can_be_written_and_executed() {
    for image in drivers().chain([Image::read(&artifact(WINE_HOST))]) {
        for section in image.sections() {
            let both = section.is(def::IMAGE_SCN_MEM_WRITE) && section.is(def::IMAGE_SCN_MEM_EXECUTE);
            assert!(!both, "{image}, {}", section.name);
        }
    }
}

/// As link.exe marks them for `/DRIVER`; lld-link has to be told.
#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn only_what_may_be_paged_or_discarded_is_marked_so() {
    for image in drivers() {
        for section in image.sections() {
            let name = section.name.as_str();
            let pageable = !section.is(def::IMAGE_SCN_MEM_NOT_PAGED);
            let discardable = section.is(def::IMAGE_SCN_MEM_DISCARDABLE);
            let (may_page, may_discard) = match name {
                ".text" | ".rdata" | ".data" | ".pdata" => (false, false),
                "INIT" | ".reloc" | ".rsrc" => (true, true),
                name if name.starts_with("PAGE") => (true, false),
                name => panic!("{image} has a section {name} that this test does not know"),
            };
            assert_eq!(
                (pageable, discardable),
                (may_page, may_discard),
                "{image}, {name}"
            );
        }
    }
}

#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn every_import_of_a_driver_is_known_to_exist_in_windows() {
    let known = known_imports();
    for image in drivers() {
        let imports = image.imports();
        assert!(!imports.is_empty(), "{image} imports nothing");
        for pe::Import { module, name } in imports {
            assert!(
                known.contains_key(&(module.to_lowercase(), name.clone())),
                "{image}: {module}!{name} is not in imports.csv"
            );
        }
    }
}

/// The INF files say from which build of Windows on the drivers install.
#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn no_import_is_newer_than_the_inf_files_allow() {
    let known = known_imports();
    for image in drivers() {
        let inf = artifact(&image.name().replace(".sys", ".inf"));
        let inf = std::fs::read_to_string(inf).unwrap();
        let (_, rest) = inf.split_once("NTamd64.10.0...").unwrap();
        let oldest: u32 = rest
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap()
            .parse()
            .unwrap();
        for pe::Import { module, name } in image.imports() {
            let since = known
                .get(&(module.to_lowercase(), name.clone()))
                .map_or("?", String::as_str);
            assert!(
                first_build(since) <= oldest,
                "{image}: {name} needs {since}, the INF has {oldest}"
            );
        }
    }
}

/// First build of a version as `imports.csv` names it; everything before Windows 10 counts as older than all.
fn first_build(since: &str) -> u32 {
    match since {
        "2000" | "XP" | "XP x64" | "Server 2003" | "Vista" | "7" | "8" | "8.1" => 0,
        "10" => 10_240,
        "10 1607" => 14_393,
        "10 1703" => 15_063,
        "10 1709" => 16_299,
        "10 1803" => 17_134,
        "10 1809" => 17_763,
        "10 1903" => 18_362,
        "10 2004" => 19_041,
        other => panic!("imports.csv: no Windows version is called '{other}' here"),
    }
}

/// Windows does not load a driver whose header has another checksum.
#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn checksums_are_right() {
    for image in drivers() {
        assert_eq!(image.checksum(), image.computed_checksum(), "{image}");
    }
}

/// What Explorer, `ksw status` and a debugger show of a file.
#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn files_have_the_version_of_their_package() {
    let numbers: Vec<u16> = env!("CARGO_PKG_VERSION")
        .split('.')
        .map(|part| part.parse().unwrap())
        .chain([0])
        .collect();
    // File type and subtype: VFT_DRV with VFT2_DRV_SYSTEM, VFT_APP, VFT_DLL.
    let expected = [
        ("kswrite.sys", (3, 7)),
        ("ksink.sys", (3, 7)),
        ("ksw.exe", (1, 0)),
        ("kswrite_client.dll", (2, 0)),
    ];
    for (name, kind) in expected {
        let version = Image::read(&artifact(name)).version();
        assert_eq!(version.file, *numbers, "{name}");
        assert_eq!(version.product, *numbers, "{name}");
        assert_eq!(version.kind, kind, "{name}");
        assert_eq!(version.text("OriginalFilename"), name);
        assert_eq!(version.text("FileVersion"), env!("CARGO_PKG_VERSION"), "{name}");
        assert_eq!(
            version.text("ProductVersion"),
            env!("CARGO_PKG_VERSION"),
            "{name}"
        );
        assert_eq!(version.text("ProductName"), "kswrite", "{name}");
        assert!(version.text("FileDescription").len() > 20, "{name}");
    }
}

#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn symbols_are_found_by_name() {
    for image in drivers() {
        let pdb = image.pdb_name();
        assert_eq!(pdb, image.name().replace(".sys", ".pdb"), "{image}");
        assert!(artifact(&pdb).is_file(), "{pdb} is not beside {image}");
    }
}

/// What was inspected above is what the Wine session before loaded.
/// The page tells people where to set breakpoints. A function that is inlined, or has another name, is not found there.
#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn functions_of_the_debugging_page_have_symbols() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/debugging.md");
    let page = std::fs::read_to_string(page).unwrap();
    let symbols = std::fs::read(artifact("kswrite.pdb")).unwrap();
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
    let names: BTreeSet<&str> = page
        .split("kswrite!")
        .skip(1)
        .map(|rest| &rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())])
        // Placeholders: `x kswrite!*`, `dt kswrite!...`, and a source file.
        .filter(|name| !name.is_empty() && *name != "write")
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        // The name of a symbol ends with a zero, or with its types.
        let ends = [b'\0', b'<'];
        let found = symbols
            .windows(name.len() + 1)
            .any(|bytes| bytes.starts_with(name.as_bytes()) && ends.contains(&bytes[name.len()]));
        assert!(found, "no function {name}");
    }
}

#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn wine_loads_the_very_same_drivers() {
    let folder = artifact("prefix/drive_c/windows/system32/drivers");
    for name in DRIVERS {
        let loaded = std::fs::read(folder.join(name)).unwrap();
        assert!(
            loaded == std::fs::read(artifact(name)).unwrap(),
            "Wine has another {name}"
        );
    }
}

/// Wine loads an image with imports that it lacks, and ends the process when one of them is called.
#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn the_wine_host_imports_only_what_this_wine_has() {
    let wine = given("KSWRITE_WINE_IMAGES");
    for pe::Import { module, name } in Image::read(&artifact(WINE_HOST)).imports() {
        // Anything else would make Wine take the host for an ordinary DLL.
        assert!(
            ["ntoskrnl.exe", "hal.dll"].contains(&module.to_lowercase().as_str()),
            "{module}!{name}"
        );
        let exports = Image::read(&wine.join(module.to_lowercase())).exports();
        assert!(exports.contains(&name), "Wine has no {module}!{name}");
    }
}
