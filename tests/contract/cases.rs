//! The rules that have cases of `kswrite_conform` instead of tests, and the venues that break them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use kswrite_conform::{
    cases,
    differences::{self, Difference},
    target::Kinds,
};

/// Whether the rule is one of these: of WriteFile, of streams, or of channels.
pub(crate) fn are_for(id: &str) -> bool {
    ["WF-", "SA-", "WV-", "DV-"]
        .iter()
        .any(|front| id.starts_with(front))
}

/// How many cases the rule has, and on which targets; empty without any.
pub(crate) fn of(id: &str) -> String {
    let of_rule: Vec<Kinds> = cases::all()
        .filter(|case| case.id == id)
        .map(|case| case.targets)
        .collect();
    let kinds = of_rule.iter().copied().reduce(Kinds::and);
    kinds.map_or_else(String::new, |kinds| format!("{}: {kinds}", of_rule.len()))
}

/// The venues that break the rule, each with its targets.
pub(crate) fn differing(id: &str) -> String {
    let known = differences::ALL.iter().filter(|known| known.id == id);
    let venues: BTreeSet<String> = known
        .map(|known| format!("{}: {}", known.venue, known.targets))
        .collect();
    venues.into_iter().collect::<Vec<_>>().join("; ")
}

/// The rules that have cases.
pub(crate) fn rules() -> BTreeSet<&'static str> {
    cases::all().map(|case| case.id).collect()
}

/// The differences that no case can show: their words are in no source of a case, or no case of the rule has their
/// targets.
pub(crate) fn unseen(sources: &str) -> Vec<String> {
    let all = differences::ALL.iter().chain(differences::WITHIN);
    let shown = |known: &&Difference| {
        let kinds = cases::all().filter(|case| case.id == known.id);
        let kinds = kinds.map(|case| case.targets).reduce(Kinds::and);
        let targets = kinds.is_some_and(|kinds| kinds.and(known.targets) == kinds);
        targets && sources.contains(&format!("\"{}\"", known.what))
    };
    all.filter(|known| !shown(known))
        .map(|known| {
            format!(
                "{}: no case looks at '{}' on {}",
                known.id, known.what, known.targets
            )
        })
        .collect()
}

/// Around the tables on `docs/conformance.md`.
const BEGIN: &str = "<!-- the tables of kswrite_conform::differences -->\n";
const END: &str = "<!-- end -->\n";

/// The page with the tables as the sources have them; `None` if it has no place for them.
pub(crate) fn with_tables(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let mut text = format!("{before}{BEGIN}\n");
    table(&mut text, "Rules that are broken", differences::ALL);
    table(&mut text, "Differences that the rules allow", differences::WITHIN);
    Some(text + END + after)
}

fn table(text: &mut String, title: &str, differences: &[Difference]) {
    // Writing to a string cannot fail.
    let _written = writeln!(text, "### {title}\n");
    if differences.is_empty() {
        text.push_str("None.\n\n");
        return;
    }
    text.push_str("| Rule | Venue | Targets | What is looked at | What is seen | Why |\n");
    text.push_str("| ---- | ----- | ------- | ----------------- | ------------ | --- |\n");
    let mut sorted: Vec<&Difference> = differences.iter().collect();
    sorted.sort_by_key(|known| (known.id, known.venue.to_string()));
    for known in sorted {
        let Difference {
            id,
            venue,
            targets,
            what,
            seen,
            reason,
            sometimes,
        } = known;
        let sometimes = if *sometimes { " (now and then)" } else { "" };
        let _written = writeln!(
            text,
            "| {id} | {venue} | {targets} | {what} | {seen}{sometimes} | {reason} |"
        );
    }
    text.push('\n');
}
