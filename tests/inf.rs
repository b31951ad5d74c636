//! Holds the INF sources against the rules for driver packages, and against what the drivers and the harness say.
//!
//! InfVerif of the WDK has more rules, and is there on Windows only.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use kswrite_inf::{Context, Inf, RULES, Stage, check};
use kswrite_wire::names::{FILTER_SERVICE, SINK_SDDL, SINK_SERVICE, SinkKind};

/// The two packages and the examples, below `inf/`.
const FILES: [&str; 4] = [
    "kswrite.inx",
    "ksink.inx",
    "examples/extension.inx",
    "examples/classfilter.inx",
];

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../inf").join(file)).unwrap()
}

fn read(file: &str) -> Inf {
    Inf::parse(&String::from_utf8(bytes(file)).unwrap()).unwrap()
}

fn findings(file: &str, bytes: &[u8], stage: Stage) -> Vec<String> {
    let name = Path::new(file).file_stem().unwrap().to_str().unwrap();
    let found = check(bytes, Context { name, stage });
    found.iter().map(ToString::to_string).collect()
}

/// Name of the rule in front of a finding.
fn rules_of(findings: &[String]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding.split_once(':').unwrap().0)
        .collect()
}

#[test]
fn every_file_keeps_every_rule() {
    for file in FILES {
        assert_eq!(findings(file, &bytes(file), Stage::Source), [""; 0], "{file}");
    }
}

/// Files with one defect each: the text that is replaced, what by, and the rules that say so.
#[rustfmt::skip]
const DEFECTS: &[(&str, &str, &str, &[&str])] = &[
    ("ksink.inx", "[Manufacturer]", "[Manufacturer", &["syntax"]),
    ("ksink.inx", "\"kswrite project\"\r\n", "\"kswrite project\"\n", &["encoding"]),
    ("ksink.inx", "kswrite scripted target (direct)", "kswrite scripted t\u{e4}rget", &["encoding"]),
    ("ksink.inx", "AddReg = KsSink_Security", "AddReg = KsSink_Secrecy", &["sections", "security"]),
    ("ksink.inx", "[KsSink_Framework]", "[KsSink_Files]", &["sections", "copy-files", "kmdf"]),
    ("ksink.inx", "%NeitherDevice%  =", "%NoDevice%  =", &["strings"]),
    ("ksink.inx", "$Windows NT$", "$Chicago$", &["signature"]),
    ("ksink.inx", "4d36e97d", "4d36e97e", &["class"]),
    ("kswrite.inx", "ExtensionId = {b1a5d0f4-1f0e-4c57-8d3b-52a9c1e06a77}", "ExtensionId = {}", &["class"]),
    ("ksink.inx", "\"kswrite project\"", "\"Microsoft\"", &["provider"]),
    ("ksink.inx", "11/20/2025", "20/11/2025", &["driver-ver"]),
    ("ksink.inx", "CatalogFile = ksink.cat", "CatalogFile = kswrite.cat", &["catalog-file"]),
    ("ksink.inx", "PnpLockdown = 1", "PnpLockdown = 0", &["pnp-lockdown"]),
    ("ksink.inx", "DefaultDestDir = 13", "DefaultDestDir = 12", &["destination-dirs"]),
    ("ksink.inx", "NT$ARCH$.10.0...19041", "NT$ARCH$", &["architecture"]),
    ("ksink.inx", "NT$ARCH$.10.0...19041", "NTia64.10.0...19041", &["architecture"]),
    ("ksink.inx", r"KsSink_Install,Root\KsSinkNeither", r"KsSink_Install,Root\KsSinkDirect", &["models"]),
    ("ksink.inx", "KsSink_Install,Root", "KsSunk_Install,Root", &["models"]),
    ("ksink.inx", "ksink.sys = 1", "ksink.dll = 1", &["copy-files"]),
    ("ksink.inx", "[KsSink_Install.NT]\r\n", "[KsSink_Install.NT]\r\nReboot = 1\r\n", &["universal"]),
    ("ksink.inx", "HKR,,Security", "HKLM,,Security", &["universal", "security"]),
    ("ksink.inx", "ksink,%SPSVCINST_ASSOCSERVICE%", "ksink,0", &["service"]),
    ("kswrite.inx", "AddService = kswrite,,", "AddService = kswrite,2,", &["service"]),
    ("ksink.inx", "StartType      = 3", "StartType      = 0", &["service"]),
    ("ksink.inx", r"%13%\ksink.sys", r"%12%\ksink.sys", &["service"]),
    ("kswrite.inx", "FilterPosition = Upper", "FilterPosition = Top", &["filter"]),
    ("kswrite.inx", "AddFilter = kswrite", "AddFilter = kswrote", &["filter"]),
    ("ksink.inx", "[KsSink_Security]\r\n", "[KsSink_Security]\r\nHKR,,UpperFilters,0x00010008,kswrite\r\n", &["filter"]),
    ("ksink.inx", "KmdfLibraryVersion = $KMDFVERSION$", "KmdfLibraryVersion = 2.0", &["kmdf"]),
    ("ksink.inx", "(A;;GA;;;BA)", "(A;;GA;;;WD)", &["security"]),
    ("ksink.inx", "D:P(A;;GA", "D:(A;;GA", &["security"]),
];

#[test]
fn a_wrong_file_is_refused_with_the_name_of_the_rule() {
    for (file, right, wrong, expected) in DEFECTS {
        let text = String::from_utf8(bytes(file)).unwrap();
        assert!(text.contains(right), "{file} does not contain {right}");
        let found = findings(file, text.replace(right, wrong).as_bytes(), Stage::Source);
        let mut rules = rules_of(&found);
        rules.dedup();
        for rule in *expected {
            assert!(rules.contains(rule), "{wrong}: {rule} said nothing: {found:?}");
        }
    }
}

#[test]
fn every_rule_has_a_defect_that_it_finds() {
    for rule in RULES {
        let known = DEFECTS.iter().any(|(.., rules)| rules.contains(&rule.name));
        assert!(known, "no defect breaks the rule {}", rule.name);
    }
}

#[test]
fn placeholders_and_days_to_come_are_for_sources_only() {
    let source = String::from_utf8(bytes("ksink.inx")).unwrap();
    let stamped = |day, version| {
        let text = source
            .replace("$ARCH$", "amd64")
            .replace("$KMDFVERSION$", "1.15")
            .replace("11/20/2025,0.0.0.0", &format!("{day},{version}"));
        findings("ksink.inf", text.as_bytes(), Stage::Stamped([2026, 1, 2]))
    };
    assert_eq!(stamped("01/02/2026", "0.1.0.0"), [""; 0]);
    for (day, version) in [
        ("01/03/2026", "0.1.0.0"),
        ("01/02/2026", "0.0.0.0"),
        ("01/02/2026", "0.1.0"),
    ] {
        assert_eq!(
            rules_of(&stamped(day, version)),
            ["driver-ver"],
            "{day} {version}"
        );
    }
    let raw = findings("ksink.inf", source.as_bytes(), Stage::Stamped([2026, 1, 2]));
    assert_eq!(rules_of(&raw), ["driver-ver", "architecture", "kmdf"]);
}

#[test]
fn every_sink_has_its_hardware_id_in_both_files() {
    for file in ["kswrite.inx", "ksink.inx"] {
        assert_eq!(
            read(file).hardware_ids(),
            SinkKind::ALL.map(SinkKind::hardware_id),
            "{file}"
        );
    }
}

#[test]
fn services_are_those_that_the_harness_starts() {
    for (file, service) in
        FILES
            .into_iter()
            .zip([FILTER_SERVICE, SINK_SERVICE, FILTER_SERVICE, FILTER_SERVICE])
    {
        let inf = read(file);
        let services = inf.services();
        assert_eq!(services.len(), 1, "{file}");
        assert_eq!(services[0].name, service, "{file}");
        assert_eq!(inf.copied_files(), [format!("{service}.sys")], "{file}");
        // Wine hosts the drivers of one load order group in one process; the filter calls into the sink.
        let group = inf.value(services[0].section, "LoadOrderGroup");
        assert_eq!(group.as_deref(), Some(FILTER_SERVICE), "{file}");
    }
}

#[test]
fn only_those_may_open_a_sink_whom_the_driver_lets() {
    let inf = read("ksink.inx");
    let section = inf.value("KsSink_Install.NT.HW", "AddReg").unwrap();
    assert_eq!(
        inf.entries(&section)[0].values,
        ["HKR", "", "Security", "", SINK_SDDL]
    );
}
