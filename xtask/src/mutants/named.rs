//! The defects that are features of the core.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use ksw::table::{Align, Table};
use serde::Serialize;

use super::MutantsOptions;
use crate::layout::Layout;
use crate::libtest::{self, counts, failures};
use crate::process::Command;
use crate::step;
use crate::tools;

/// The package and the program of the rows.
const PACKAGE: &str = "kswrite_tests";
const SUITE: &str = "model";
/// The services that the defects call, and no defect: nothing fails for them alone.
const NO_MUTANT: &str = "defects";
/// The suite takes a few seconds.
const TIMEOUT: Duration = Duration::from_mins(5);
/// Names of tests in the table; the JSON has all.
const SHOWN: usize = 3;

/// What became of a mutant.
#[derive(Serialize)]
struct Mutant {
    name: String,
    defect: String,
    fate: Fate,
    /// The tests that failed.
    found_by: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    /// A test failed.
    Killed,
    /// The program of the tests ended without a result.
    Died,
    /// The program was stopped after a time; no test said why.
    TimedOut,
    Survived,
}

/// Tries the suite as it is, then each mutant. TRUE: every one was killed.
pub(super) fn run(layout: &Layout, options: &MutantsOptions) -> Result<bool> {
    let defects = defects(layout)?;
    for name in &options.names {
        if !defects.contains_key(name) {
            let known: Vec<&str> = defects.keys().map(String::as_str).collect();
            bail!("there is no mutant '{name}'; there are {}", known.join(", "));
        }
    }
    check_suite(layout)?;
    let mut mutants = Vec::new();
    for (name, defect) in defects {
        if options.names.is_empty() || options.names.contains(&name) {
            let (fate, found_by) = suite(layout, &name, &name)?;
            mutants.push(Mutant {
                name,
                defect,
                fate,
                found_by,
            });
        }
    }
    print!("{}", table(&mutants));
    let killed = mutants.iter().filter(|mutant| mutant.fate.is_kill()).count();
    println!("{killed} of {} mutants killed", mutants.len());
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&mutants)?)?;
    }
    Ok(killed == mutants.len())
}

/// Without a mutant every test passes.
pub(super) fn check_suite(layout: &Layout) -> Result<()> {
    match suite(layout, "no mutant", NO_MUTANT)? {
        (Fate::Survived, _) => Ok(()),
        (_, tests) => bail!("the suite fails without a mutant: {}", tests.join(", ")),
    }
}

impl Fate {
    /// A program that had to be stopped tells nobody what is wrong.
    fn is_kill(self) -> bool {
        matches!(self, Self::Killed | Self::Died)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Died => "killed: the program died",
            Self::TimedOut => "TIMED OUT",
            Self::Survived => "SURVIVED",
        }
    }
}

/// The mutants that the core has, each with what the page of the contract says of it.
fn defects(layout: &Layout) -> Result<BTreeMap<String, String>> {
    let manifest = fs::read_to_string(layout.root.join("crates/kswrite_core/Cargo.toml"))?;
    let page = fs::read_to_string(layout.root.join("docs/contract.md"))?;
    let features = manifest.lines().filter_map(|line| line.split_once(" = "));
    let names = features
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("ro-"));
    names
        .map(|name| {
            let defect = defect(&page, name).with_context(|| format!("docs/contract.md has no {name}"))?;
            Ok((name.to_owned(), defect))
        })
        .collect()
}

/// The second cell of the line that names the mutant.
fn defect(page: &str, name: &str) -> Option<String> {
    let mark = format!("`{name}`");
    let line = page
        .lines()
        .find(|line| line.starts_with("| RO-") && line.contains(&mark))?;
    Some(line.split('|').nth(2)?.trim().to_owned())
}

/// Builds the suite with a feature and runs it; gives the tests that failed.
fn suite(layout: &Layout, title: &str, feature: &str) -> Result<(Fate, Vec<String>)> {
    let build = tools::host_cargo(layout, "test")?
        .args([
            "-p",
            PACKAGE,
            "--test",
            SUITE,
            "--no-run",
            "--message-format=json",
            "--features",
            feature,
        ])
        .env("CARGO_TARGET_DIR", layout.out.join("mutants"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    let captured = step::capture(layout, &format!("{title}: build"), "mutant-build", &build)?;
    if captured.code != Some(0) {
        bail!("{}", captured.failure);
    }
    let program = libtest::program(&captured.text, SUITE)?;
    // The program itself, not by cargo: what is stopped must stop.
    let run = Command::new(program)
        .dir(layout.root.join("tests"))
        .timeout(TIMEOUT);
    let log = format!("mutant-{feature}");
    let Some(ended) = step::run_in_time(layout, &format!("{title}: the suite"), &log, &run)? else {
        return Ok((Fate::TimedOut, Vec::new()));
    };
    let text = String::from_utf8_lossy(&fs::read(&ended.log)?).into_owned();
    let mut failed: Vec<String> = failures(&text).into_iter().map(str::to_owned).collect();
    failed.sort_unstable();
    let fate = match ended.code {
        Some(0) if counts(&text).passed > 0 => Fate::Survived,
        Some(0) => bail!("{title}: the suite has no tests; see {}", layout.show(&ended.log)),
        _ if failed.is_empty() => Fate::Died,
        _ => Fate::Killed,
    };
    Ok((fate, failed))
}

fn table(mutants: &[Mutant]) -> Table {
    let mut table = Table::new(["mutant", "defect", "", "found by"].map(|title| (title, Align::Left)));
    for mutant in mutants {
        let shown = mutant.found_by.iter().take(SHOWN).cloned();
        let more = mutant.found_by.len().saturating_sub(SHOWN);
        let rest = (more > 0).then(|| format!("and {more} more"));
        let found = shown.chain(rest).collect::<Vec<_>>().join(", ");
        table.row([
            mutant.name.as_str(),
            mutant.defect.as_str(),
            mutant.fate.word(),
            found.as_str(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_each_defect() {
        let page = "| KS-01 | a `ro-01` |\n| RO-1 | no look at the table | | | mutant `ro-01` |\n";
        assert_eq!(defect(page, "ro-01").as_deref(), Some("no look at the table"));
        assert_eq!(defect(page, "ro-02"), None);
    }
}
