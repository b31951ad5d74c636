//! The tests and the mutants that there are, by their sources.

use std::collections::BTreeSet;
use std::path::Path;

use crate::id;

/// Names of tests.
pub(crate) struct Tests(BTreeSet<String>);

impl Tests {
    /// All tests in the Rust files of a folder.
    pub(crate) fn below(folder: &Path) -> Self {
        let mut tests = Self(BTreeSet::new());
        tests.add(folder);
        tests
    }

    fn add(&mut self, folder: &Path) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.0.extend(tests_of(&std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Those whose name carries the ID.
    pub(crate) fn carrying(&self, wanted: &str) -> impl Iterator<Item = &str> {
        self.names()
            .filter(move |name| id::of_test(name).iter().any(|id| id == wanted))
    }
}

/// The function after each `#[test]` that begins a line.
fn tests_of(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut wanted = false;
    for line in source.lines().map(str::trim) {
        wanted |= line == "#[test]";
        if wanted && let Some(rest) = line.strip_prefix("fn ") {
            found.extend(rest.split('(').next().map(str::to_owned));
            wanted = false;
        }
    }
    found
}

/// The features of the core that build a defect in.
pub(crate) fn mutants(manifest: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(manifest).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name);
    names
        .filter(|name| name.starts_with("ro-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn tests_are_found_by_their_attribute() {
    let source = "#[test]\n#[ignore = \"x\"]\nfn one() {\n}\nfn helper() {}\n    #[test]\n    fn two() {\n";
    assert_eq!(tests_of(source), ["one", "two"]);
}
