//! Reads the INF sources as SetupAPI reads them, and holds them against what the drivers and the harness say.
//!
//! InfVerif of the WDK checks more, on Windows; these are the mistakes that can be seen anywhere.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::path::Path;

use kswrite_wire::names::{FILTER_SERVICE, SINK_SDDL, SINK_SERVICE, SinkKind};

/// Sections of an INF file, by name in lower case: their lines, without comments and blanks around.
struct Inf {
    name: &'static str,
    bytes: Vec<u8>,
    sections: BTreeMap<String, Vec<String>>,
}

impl Inf {
    fn read(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inf").join(name);
        let bytes = std::fs::read(path).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines().map(without_comment).filter(|line| !line.is_empty()) {
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                current = section.to_lowercase();
                let new = sections.insert(current.clone(), Vec::new()).is_none();
                assert!(new, "{name} has [{section}] twice");
            } else {
                sections
                    .get_mut(&current)
                    .expect("a line before the first section")
                    .push(line.to_owned());
            }
        }
        Self {
            name,
            bytes,
            sections,
        }
    }

    fn both() -> [Self; 2] {
        [Self::read("kswrite.inx"), Self::read("ksink.inx")]
    }

    fn lines(&self, section: &str) -> &[String] {
        self.sections
            .get(&section.to_lowercase())
            .unwrap_or_else(|| panic!("{} has no [{section}]", self.name))
    }

    /// Values of the lines `key = value` of a section, in their order.
    fn values(&self, section: &str, key: &str) -> Vec<&str> {
        let pairs = self.lines(section).iter().filter_map(|line| line.split_once('='));
        pairs
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case(key))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The one value of `key`.
    fn value(&self, section: &str, key: &str) -> &str {
        let values = self.values(section, key);
        assert_eq!(values.len(), 1, "{}: [{section}] {key}", self.name);
        values[0]
    }

    /// Install sections and hardware IDs, from the models.
    fn models(&self) -> Vec<(&str, &str)> {
        let manufacturer = self.lines("Manufacturer")[0].split_once('=').unwrap().1.trim();
        let (base, decoration) = manufacturer.split_once(',').unwrap();
        let lines = self.lines(&format!("{base}.{decoration}"));
        lines
            .iter()
            .map(|line| line.split_once('=').unwrap().1.trim().split_once(',').unwrap())
            .collect()
    }
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    line[..end.unwrap_or(line.len())].trim()
}

#[test]
fn every_sink_has_its_hardware_id_in_both_files() {
    for inf in Inf::both() {
        let ids: Vec<&str> = inf.models().into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, SinkKind::ALL.map(SinkKind::hardware_id), "{}", inf.name);
    }
}

#[test]
fn services_are_those_that_the_harness_starts() {
    for (inf, service, association) in [
        (Inf::read("kswrite.inx"), FILTER_SERVICE, ""),
        (Inf::read("ksink.inx"), SINK_SERVICE, "%SPSVCINST_ASSOCSERVICE%"),
    ] {
        let install = inf.models()[0].0;
        let add = inf.value(&format!("{install}.NT.Services"), "AddService");
        let parts: Vec<&str> = add.split(',').map(str::trim).collect();
        // A filter is not the function driver of its device, so its service is not associated with it.
        assert_eq!(parts[..2], [service, association], "{}", inf.name);
        assert_eq!(
            inf.value(parts[2], "ServiceBinary"),
            format!(r"%13%\{service}.sys")
        );
        // Wine hosts the drivers of one load order group in one process; the filter calls into the sink.
        assert_eq!(inf.value(parts[2], "LoadOrderGroup"), FILTER_SERVICE);
        for (key, value) in [("ServiceType", "1"), ("StartType", "3"), ("ErrorControl", "1")] {
            assert_eq!(inf.value(parts[2], key), value, "{}: {key}", inf.name);
        }
    }
}

#[test]
fn the_files_that_are_copied_are_on_the_disk_and_go_to_the_driver_store() {
    for inf in Inf::both() {
        let install = inf.models()[0].0;
        let files = inf.lines(inf.value(&format!("{install}.NT"), "CopyFiles"));
        assert_eq!(files, [inf.name.replace(".inx", ".sys")], "{}", inf.name);
        for file in files {
            inf.value("SourceDisksFiles", file);
        }
        assert_eq!(
            inf.value("DestinationDirs", "DefaultDestDir"),
            "13",
            "{}",
            inf.name
        );
        assert_eq!(inf.value("Version", "PnpLockdown"), "1", "{}", inf.name);
        assert_eq!(
            inf.value("Version", "CatalogFile"),
            inf.name.replace(".inx", ".cat")
        );
    }
}

#[test]
fn the_filter_is_added_above_the_device() {
    let inf = Inf::read("kswrite.inx");
    assert_eq!(inf.value("Version", "Class"), "Extension");
    assert_eq!(
        inf.value("Version", "ClassGuid"),
        "{e2f84ce7-8efa-411c-aa69-97454ca4cb57}"
    );
    let install = inf.models()[0].0;
    let add = inf.value(&format!("{install}.NT.Filters"), "AddFilter");
    let parts: Vec<&str> = add.split(',').map(str::trim).collect();
    assert_eq!(parts[..2], [FILTER_SERVICE, ""]);
    assert_eq!(inf.value(parts[2], "FilterPosition"), "Upper");
}

#[test]
fn only_those_may_open_a_sink_whom_the_driver_lets() {
    let inf = Inf::read("ksink.inx");
    let install = inf.models()[0].0;
    let section = inf.value(&format!("{install}.NT.HW"), "AddReg");
    assert_eq!(inf.lines(section), [format!("HKR,,Security,,\"{SINK_SDDL}\"")]);
}

#[test]
fn the_framework_version_is_stamped() {
    for inf in Inf::both() {
        let install = inf.models()[0].0;
        let wdf = inf.value(&format!("{install}.NT.Wdf"), "KmdfService");
        let (service, section) = wdf.split_once(',').unwrap();
        assert_eq!(format!("{service}.sys"), inf.name.replace(".inx", ".sys"));
        assert_eq!(inf.value(section.trim(), "KmdfLibraryVersion"), "$KMDFVERSION$");
    }
}

#[test]
fn every_string_is_defined_and_used() {
    for inf in Inf::both() {
        let strings: Vec<&str> = inf
            .lines("Strings")
            .iter()
            .map(|line| line.split_once('=').unwrap().0.trim())
            .collect();
        let mut used = Vec::new();
        for line in inf
            .sections
            .iter()
            .filter(|(name, _)| *name != "strings")
            .flat_map(|(_, lines)| lines)
        {
            let names = line.split('%').skip(1).step_by(2);
            used.extend(
                names
                    .filter(|name| name.parse::<u32>().is_err())
                    .map(str::to_owned),
            );
        }
        for name in &used {
            assert!(
                strings.contains(&name.as_str()),
                "{}: %{name}% is not defined",
                inf.name
            );
        }
        for name in strings {
            assert!(
                used.iter().any(|other| other == name),
                "{}: {name} is not used",
                inf.name
            );
        }
    }
}

/// stampinf wants Windows line ends, InfVerif wants ASCII or UTF-16.
#[test]
fn the_text_is_ascii_with_windows_line_ends() {
    for inf in Inf::both() {
        assert!(inf.bytes.is_ascii(), "{}", inf.name);
        let text = String::from_utf8(inf.bytes.clone()).unwrap();
        assert!(text.ends_with("\r\n"), "{}", inf.name);
        assert_eq!(
            text.matches('\n').count(),
            text.matches("\r\n").count(),
            "{}",
            inf.name
        );
    }
}
