//! Rules about the text: encoding, strings, which sections there are.

use super::Subject;
use crate::parse::Entry;

pub(super) fn encoding(subject: &Subject<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let text = subject
        .bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(subject.bytes);
    if text.len() != subject.bytes.len() {
        found.push("a byte-order mark of UTF-8 stands at the beginning".to_owned());
    }
    let line_of = |offset: usize| text.iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    if let Some(offset) = text.iter().position(|byte| !byte.is_ascii()) {
        found.push(format!("line {}: a character is not ASCII", line_of(offset)));
    }
    let mut before = 0;
    let bare = text.iter().position(|byte| {
        let bare = *byte == b'\n' && before != b'\r';
        before = *byte;
        bare
    });
    if let Some(offset) = bare {
        found.push(format!("line {} does not end with CR and LF", line_of(offset)));
    }
    if !text.ends_with(b"\r\n") {
        found.push("the last line has no end".to_owned());
    }
    found
}

/// Sections that the system looks for by name.
const KNOWN: [&str; 7] = [
    "Version",
    "Strings",
    "Manufacturer",
    "DestinationDirs",
    "SourceDisksNames",
    "SourceDisksFiles",
    "ControlFlags",
];
/// What the system appends to the name of an install section.
const PARTS: [&str; 9] = [
    "HW",
    "Services",
    "Filters",
    "Wdf",
    "Interfaces",
    "Events",
    "Software",
    "Components",
    "Security",
];
/// Directives whose value at this position names a section, or several from there on.
const REFERENCES: [(&str, usize, bool); 8] = [
    ("CopyFiles", 0, true),
    ("AddReg", 0, true),
    ("AddService", 2, false),
    ("AddFilter", 2, false),
    ("KmdfService", 1, false),
    ("UmdfService", 1, false),
    ("AddInterface", 2, false),
    ("AddEventProvider", 1, false),
];

pub(super) fn sections(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let mut found: Vec<String> = inf
        .sections()
        .iter()
        .flat_map(|section| {
            section
                .again
                .iter()
                .map(|line| format!("line {line}: [{}] stands there again", section.name))
        })
        .collect();
    let mut named: Vec<String> = KNOWN.map(str::to_owned).to_vec();
    named.extend(inf.models().into_iter().map(|model| model.section));
    for install in inf.installs() {
        named.extend(PARTS.map(|part| install.part(part)));
        named.push(install.section);
    }
    for entry in inf.sections().iter().flat_map(|section| &section.entries) {
        for name in references(entry) {
            if inf.section(name).is_none() {
                found.push(format!("line {}: there is no section [{name}]", entry.line));
            }
            named.push(name.to_owned());
        }
    }
    for section in inf.sections() {
        if !named.iter().any(|name| section.is(name)) {
            found.push(format!(
                "line {}: nothing asks for [{}]",
                section.line, section.name
            ));
        }
    }
    found
}

fn references(entry: &Entry) -> Vec<&str> {
    let directive = REFERENCES
        .iter()
        .find(|(key, ..)| entry.key.eq_ignore_ascii_case(key));
    let Some((_, position, several)) = directive else {
        return Vec::new();
    };
    let count = if *several { usize::MAX } else { 1 };
    let values = entry
        .values
        .iter()
        .skip(*position)
        .take(count)
        .map(String::as_str);
    values
        .filter(|value| !value.is_empty() && !value.starts_with('@'))
        .collect()
}

pub(super) fn strings(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let mut found = Vec::new();
    let mut used: Vec<String> = Vec::new();
    let others = inf.sections().iter().filter(|section| !section.is("Strings"));
    for entry in others.flat_map(|section| &section.entries) {
        for text in entry.values.iter().chain([&entry.key]) {
            for name in text.split('%').skip(1).step_by(2) {
                // A directory number is no string.
                if name.is_empty() || name.parse::<u32>().is_ok() {
                    continue;
                }
                if inf.keyed("Strings", name).next().is_none() {
                    found.push(format!("line {}: %{name}% is not defined", entry.line));
                }
                used.push(name.to_lowercase());
            }
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for entry in inf.entries("Strings") {
        let name = entry.key.to_lowercase();
        if seen.contains(&name) {
            found.push(format!("line {}: {} is defined again", entry.line, entry.key));
        } else if !used.contains(&name) {
            found.push(format!("line {}: nothing uses {}", entry.line, entry.key));
        }
        seen.push(name);
    }
    found
}
