//! What the drivers believe of Windows, held against a table of facts, each with its page.
//!
//! `crates/kmdf/src/layout.rs` and `values.rs` assert the same numbers when the drivers are compiled, against whatever
//! headers are there; `cargo xtask check --wdk` holds the table against Microsoft's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use object::LittleEndian as LE;
use object::pe as def;
use object::read::pe::{ImageNtHeaders as _, ImageOptionalHeader as _, PeFile64};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// One row of `facts.csv`: kind, name, number, header, page.
fn facts() -> Vec<[String; 5]> {
    let text = read("xtask/wdk/facts.csv");
    let rows = text.lines().skip(1);
    rows.map(|line| {
        let fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        fields.try_into().unwrap()
    })
    .collect()
}

fn number(text: &str) -> u64 {
    let text = text.replace('_', "");
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

/// Numbers of one kind in the table, by name.
fn known(kind: &str) -> BTreeMap<String, u64> {
    let rows = facts();
    rows.into_iter()
        .filter(|row| row[0] == kind)
        .map(|row| (row[1].clone(), number(&row[2])))
        .collect()
}

/// Sizes and offsets that `layout.rs` asserts.
fn asserted_layouts() -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let text = read("crates/kmdf/src/layout.rs");
    let (mut sizes, mut offsets) = (BTreeMap::new(), BTreeMap::new());
    for call in text.split("\nlayout!(").skip(1) {
        let (head, rest) = call.split_once('{').unwrap();
        let mut parts = head.split(',').map(str::trim).filter(|part| !part.is_empty());
        let name = parts.next().unwrap();
        if let Some(size) = parts.next() {
            sizes.insert(name.to_owned(), number(size));
        }
        let (fields, _) = rest.split_once('}').unwrap();
        for field in fields.split(',').filter(|field| !field.trim().is_empty()) {
            let (field, offset) = field.split_once(':').unwrap();
            offsets.insert(format!("{name}.{}", field.trim()), number(offset.trim()));
        }
    }
    (sizes, offsets)
}

/// Lines `name = number;` of `values.rs`.
fn asserted_values() -> BTreeMap<String, u64> {
    let text = read("crates/kmdf/src/values.rs");
    let (_, list) = text.split_once("\nvalues! {").unwrap();
    let lines = list.split(';').filter_map(|line| line.split_once('='));
    lines
        .map(|(name, value)| {
            let name = name.trim();
            let name = name.rsplit("::").next().unwrap_or(name);
            (name.to_owned(), number(value.trim()))
        })
        .collect()
}

#[test]
fn the_drivers_assert_the_table_and_nothing_else() {
    let (sizes, offsets) = asserted_layouts();
    assert_eq!(sizes, known("size"));
    assert_eq!(offsets, known("offset"));
    assert_eq!(asserted_values(), known("value"));
}

/// Fields in unions without a name, which bindings of different headers name differently: the driver counts bytes.
#[test]
fn fields_without_a_path_are_where_the_table_says() {
    let text = read("src/ffi/threaded.rs");
    let unnamed = known("unnamed");
    for (constant, field) in [
        ("USER_IOSB", "IRP.UserIosb"),
        (
            "USER_APC_CONTEXT",
            "IRP.Overlay.AsynchronousParameters.UserApcContext",
        ),
    ] {
        let line = format!("const {constant}: usize = {};", unnamed[field]);
        assert!(text.contains(&line), "{line}");
    }
    assert_eq!(unnamed.len(), 2);
}

#[test]
fn every_fact_names_its_header_and_its_page() {
    for row in facts() {
        assert!(
            ["size", "offset", "unnamed", "value"].contains(&row[0].as_str()),
            "{row:?}"
        );
        let header = Path::new(&row[3]);
        assert_eq!(header.extension().unwrap(), "h", "{row:?}");
        assert!(row[4].starts_with('/') && !row[4].ends_with('/'), "{row:?}");
    }
}

/// All `.rs` files below some folders, without comments.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines: Vec<&str> = text
                    .lines()
                    .map(|line| line.split("//").next().unwrap_or(line))
                    .collect();
                found.push((path, lines.join("\n")));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

/// How the names of constants begin that come from the kernel's headers.
const PREFIXES: [&str; 10] = [
    "DO_",
    "EVENT_MODIFY",
    "FILE_DEVICE_",
    "FILE_WRITE_",
    "FO_",
    "IO_NO_",
    "IRP_",
    "MDL_",
    "POOL_FLAG_",
    "SL_",
];

/// Whatever a driver takes from the headers by such a name is in the table.
#[test]
fn every_constant_of_the_drivers_is_in_the_table() {
    let values = known("value");
    for (path, text) in sources(&["src", "crates/kmdf/src", "crates/ksink/src"]) {
        for word in words(&text) {
            let constant = word
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            if constant && PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
                assert!(
                    values.contains_key(word),
                    "{}: {word} is not in facts.csv",
                    path.display()
                );
            }
        }
    }
}

/// The structures that the drivers read or make, but for those that only the framework or the kernel looks into.
#[test]
fn every_structure_of_the_drivers_is_in_the_table() {
    /// Made by a kernel call, or a handle; no field of theirs is touched.
    const OPAQUE: [&str; 4] = ["KEVENT", "LARGE_INTEGER", "GUID", "NTSTATUS"];
    let offsets = known("offset");
    let structures: BTreeSet<&str> = offsets.keys().filter_map(|name| name.split('.').next()).collect();
    let mut seen = BTreeSet::new();
    for (_, text) in sources(&["src", "crates/kmdf/src", "crates/ksink/src"]) {
        for word in words(&text) {
            let framework = word.starts_with("WDF_")
                && ["_CONFIG", "_ATTRIBUTES", "_PARAMETERS", "_TYPE_INFO"]
                    .iter()
                    .any(|end| word.ends_with(end));
            let kernel = ["_OBJECT", "_LOCATION", "_BLOCK", "_DISPATCH"]
                .iter()
                .any(|end| word.ends_with(end))
                && ["IRP", "IO_", "FILE_", "DEVICE_", "DRIVER_", "FAST_IO_"]
                    .iter()
                    .any(|front| word.starts_with(front));
            if framework || kernel || ["IRP", "MDL"].contains(&word) {
                seen.insert(word.to_owned());
            }
        }
    }
    for name in &seen {
        let known = structures.contains(name.as_str()) || OPAQUE.contains(&name.as_str());
        assert!(known, "{name} is not in facts.csv");
    }
    assert!(seen.len() >= 12, "{seen:?}");
}

/// The core has no headers: it writes the numbers down, and they are those of the table.
#[test]
fn constants_of_the_core_are_those_of_the_table() {
    let values = known("value");
    let mut compared = 0;
    for (path, text) in sources(&["crates/kswrite_core/src"]) {
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("const ")) {
            let Some((name, rest)) = line.split_once(':') else {
                continue;
            };
            let Some((_, value)) = rest.split_once('=') else {
                continue;
            };
            if let Some(expected) = values.get(name) {
                assert_eq!(
                    number(value.trim().trim_end_matches(';')),
                    *expected,
                    "{}: {name}",
                    path.display()
                );
                compared += 1;
            }
        }
    }
    assert!(compared >= 6, "only {compared} constants were compared");
}

/// The built drivers.
fn images() -> Vec<(&'static str, Vec<u8>)> {
    let folder = std::env::var_os("KSWRITE_ARTIFACTS").map(PathBuf::from).unwrap();
    ["kswrite.sys", "ksink.sys"]
        .map(|name| (name, std::fs::read(folder.join(name)).unwrap()))
        .into()
}

/// Memory integrity (HVCI) asks of an image: sections aligned to pages, none writable and executable, and no call that
/// allocates executable pool.
///
/// <https://learn.microsoft.com/windows-hardware/test/hlk/testref/driver-compatibility-with-device-guard>
#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn memory_integrity_has_nothing_against_the_drivers() {
    const EXECUTABLE_POOL: [&str; 4] = [
        "ExAllocatePool",
        "ExAllocatePoolWithTag",
        "ExAllocatePoolWithQuotaTag",
        "ExAllocatePoolWithTagPriority",
    ];
    for (name, data) in images() {
        let image = PeFile64::parse(data.as_slice()).unwrap();
        let alignment = image.nt_headers().optional_header().section_alignment();
        assert_eq!(alignment % 4096, 0, "{name}");
        for section in image.section_table().iter() {
            assert_eq!(section.virtual_address.get(LE) % 4096, 0, "{name}");
            let flags = section.characteristics.get(LE).0;
            let both = def::IMAGE_SCN_MEM_WRITE.0 | def::IMAGE_SCN_MEM_EXECUTE.0;
            assert_ne!(flags & both, both, "{name}");
        }
        // A name in the import table is a text of the image.
        for call in EXECUTABLE_POOL {
            let text: Vec<u8> = call.bytes().chain([0]).collect();
            assert!(
                !data.windows(text.len()).any(|window| window == text),
                "{name} calls {call}"
            );
        }
    }
}

/// That the drivers are built without Control Flow Guard is written down, and true.
#[test]
#[ignore = "needs the built images: cargo xtask test"]
fn control_flow_guard_is_as_the_page_says() {
    let page = read("docs/fidelity.md");
    assert!(page.contains("built without Control Flow Guard"));
    for (name, data) in images() {
        let image = PeFile64::parse(data.as_slice()).unwrap();
        let flags = image.nt_headers().optional_header().dll_characteristics().0;
        assert_eq!(flags & def::IMAGE_DLLCHARACTERISTICS_GUARD_CF.0, 0, "{name}");
    }
}
