//! Holds `docs/contract.md` against the tests: every rule is proven or has its reason, and every test that carries
//! the ID of a rule stands in its line.
//!
//! With `KSWRITE_BLESS=1` the columns of tests are filled in from the names of the tests, those of cases from the cases,
//! the tables are aligned, and `docs/conformance.md` is given the table of differences.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a check that cannot read the sources has failed"
)]

mod cases;
mod id;
mod page;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use page::{Page, Row, names};
use sources::{Tests, mutants};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The page, the tests of its two columns, and all tests of the project.
struct Checked {
    page: Page,
    model: Tests,
    wine: Tests,
    all: Tests,
}

impl Checked {
    fn read() -> Self {
        let root = root();
        let mut all = Tests::below(&root.join("crates"));
        all.extend(Tests::below(&root.join("hosts")));
        all.extend(Tests::below(&root.join("xtask/src")));
        all.extend(Tests::below(&root.join("tests")));
        let mut checked = Self {
            page: Page::parse(&std::fs::read_to_string(path()).unwrap()),
            model: Tests::below(&root.join("tests/model")),
            wine: Tests::below(&root.join("tests/native")),
            all,
        };
        if std::env::var_os("KSWRITE_BLESS").is_some() {
            checked.bless();
        }
        checked
    }

    /// Names stay that are tests of their venue, and the tests that carry the ID come to them.
    fn bless(&mut self) {
        for row in self.page.rows_mut() {
            if cases::are_for(&row.id) {
                row.model = cases::of(&row.id);
                row.wine = cases::differing(&row.id);
                for name in self.all.carrying(&row.id) {
                    if !names(&row.otherwise).any(|known| known == name) {
                        let cell = format!("{} `{name}`", row.otherwise);
                        cell.trim_start().clone_into(&mut row.otherwise);
                    }
                }
                continue;
            }
            for (cell, tests) in [(&mut row.model, &self.model), (&mut row.wine, &self.wine)] {
                let mut kept: BTreeSet<String> = names(cell).map(str::to_owned).collect();
                kept.retain(|name| tests.has(name));
                kept.extend(tests.carrying(&row.id).map(str::to_owned));
                *cell = kept
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(" ");
            }
        }
        std::fs::write(path(), self.page.to_string()).unwrap();
    }
}

fn path() -> PathBuf {
    root().join("docs/contract.md")
}

#[track_caller]
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// The IDs that there are: each stands once, and none is missing.
#[test]
fn every_id_stands_once() {
    let checked = Checked::read();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for row in checked.page.rows() {
        *seen.entry(&row.id).or_default() += 1;
    }
    let expected = id::all();
    let missing = expected.iter().filter(|id| !seen.contains_key(id.as_str()));
    let twice = seen.iter().filter(|(_, count)| **count > 1).map(|(id, _)| *id);
    let unknown = seen.keys().filter(|id| !expected.contains(**id));
    let mut problems: Vec<String> = missing.map(|id| format!("{id} is missing")).collect();
    problems.extend(twice.map(|id| format!("{id} stands twice")));
    problems.extend(unknown.map(|id| format!("{id} is no ID")));
    assert_none(&problems);
}

#[test]
fn every_rule_is_proven_or_has_its_reason() {
    let checked = Checked::read();
    let bare = |row: &&Row| row.model.is_empty() && row.wine.is_empty() && row.otherwise.is_empty();
    let problems: Vec<String> = checked
        .page
        .rows()
        .filter(bare)
        .map(|row| format!("{} has neither a test nor a reason: {}", row.id, row.rule))
        .collect();
    assert_none(&problems);
}

#[test]
fn every_name_on_the_page_is_a_test() {
    let checked = Checked::read();
    let mutants = mutants(&root().join("crates/kswrite_core/Cargo.toml"));
    let mut problems = Vec::new();
    for row in checked.page.rows() {
        for (cell, tests, venue) in [
            (&row.model, &checked.model, "a test of tests/model"),
            (&row.wine, &checked.wine, "a test of tests/native"),
            (&row.otherwise, &checked.all, "a test or a mutant"),
        ] {
            let known =
                |name: &&str| tests.has(name) || (venue.ends_with("mutant") && mutants.contains(*name));
            let strange = names(cell).filter(|name| !known(name));
            problems.extend(strange.map(|name| format!("{}: {name} is not {venue}", row.id)));
        }
    }
    assert_none(&problems);
}

#[test]
fn every_test_stands_in_the_lines_of_its_ids() {
    let checked = Checked::read();
    let rows: BTreeMap<&str, &Row> = checked.page.rows().map(|row| (row.id.as_str(), row)).collect();
    let mut problems = Vec::new();
    for test in checked.all.names() {
        for id in id::of_test(test) {
            match rows.get(id.as_str()) {
                None => problems.push(format!("{test} names {id}, which is no rule")),
                Some(row) if !row.cells().flat_map(|cell| names(cell)).any(|name| name == test) => {
                    problems.push(format!("{test} is missing from the line of {id}"));
                }
                Some(_) => {}
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn the_rules_with_cases_have_them() {
    let checked = Checked::read();
    let mut problems = Vec::new();
    let mut without_a_line = cases::rules();
    for row in checked.page.rows().filter(|row| cases::are_for(&row.id)) {
        without_a_line.remove(row.id.as_str());
        let (own, differing) = (cases::of(&row.id), cases::differing(&row.id));
        if own.is_empty() {
            problems.push(format!("{} has no case", row.id));
        } else if (&row.model, &row.wine) != (&own, &differing) {
            problems.push(format!(
                "{}: the cases are '{own}', and '{differing}' differs",
                row.id
            ));
        }
    }
    problems.extend(
        without_a_line
            .iter()
            .map(|id| format!("{id} has cases, and no line")),
    );
    assert_none(&problems);
}

#[test]
fn every_difference_can_show() {
    let folder = root().join("crates/kswrite_conform/src/cases");
    let sources: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_none(&cases::unseen(&sources));
}

#[test]
fn the_differences_stand_on_their_page() {
    let path = root().join("docs/conformance.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let expected = cases::with_tables(&page).unwrap();
    if std::env::var_os("KSWRITE_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert!(page == expected, "run the tests with KSWRITE_BLESS=1 once");
    }
}

#[test]
fn every_mutant_has_its_line() {
    let checked = Checked::read();
    let named: BTreeSet<&str> = checked
        .page
        .rows()
        .flat_map(|row| names(&row.otherwise))
        .collect();
    let mutants = mutants(&root().join("crates/kswrite_core/Cargo.toml"));
    let problems: Vec<String> = mutants
        .iter()
        .filter(|mutant| !named.contains(mutant.as_str()))
        .map(|mutant| format!("the mutant {mutant} has no line"))
        .collect();
    assert_none(&problems);
}

#[test]
fn the_tables_are_aligned() {
    let text = std::fs::read_to_string(path()).unwrap();
    let aligned = Page::parse(&text).to_string();
    assert!(text == aligned, "run the tests with KSWRITE_BLESS=1 once");
}
