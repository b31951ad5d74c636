//! Rules about `[Version]`.

use super::{Stage, Subject};

/// Setup classes that this project's packages may have.
const CLASSES: [(&str, &str); 3] = [
    ("System", "{4d36e97d-e325-11ce-bfc1-08002be10318}"),
    ("Extension", EXTENSION),
    ("Ports", "{4d36e978-e325-11ce-bfc1-08002be10318}"),
];
const EXTENSION: &str = "{e2f84ce7-8efa-411c-aa69-97454ca4cb57}";

fn one(problem: Option<String>) -> Vec<String> {
    problem.into_iter().collect()
}

pub(super) fn signature(subject: &Subject<'_>) -> Vec<String> {
    let signature = subject.version("Signature");
    one((!signature.eq_ignore_ascii_case("$Windows NT$")).then(|| format!("Signature is '{signature}'")))
}

pub(super) fn class(subject: &Subject<'_>) -> Vec<String> {
    let (class, guid) = (subject.version("Class"), subject.version("ClassGuid"));
    let mut found = Vec::new();
    match CLASSES.iter().find(|(name, _)| class.eq_ignore_ascii_case(name)) {
        None => found.push(format!(
            "Class '{class}' is none of those this project's devices have"
        )),
        Some((_, expected)) if !guid.eq_ignore_ascii_case(expected) => {
            found.push(format!("ClassGuid of {class} is {expected}, not '{guid}'"));
        }
        Some(_) => {}
    }
    let id = subject.version("ExtensionId");
    if subject.extension() && !is_guid(&id) {
        found.push(format!("ExtensionId '{id}' is no GUID"));
    } else if !subject.extension() && !id.is_empty() {
        found.push("only an extension has an ExtensionId".to_owned());
    }
    found
}

fn is_guid(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return false;
    };
    let groups: Vec<&str> = inner.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && inner.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
        && inner.chars().any(|c| c != '-' && c != '0')
}

pub(super) fn provider(subject: &Subject<'_>) -> Vec<String> {
    let raw = subject.inf.keyed("Version", "Provider").next();
    let provider = subject.version("Provider");
    let mut found = Vec::new();
    if !raw.is_some_and(|entry| entry.value(0).starts_with('%')) {
        found.push("Provider is no %string%".to_owned());
    }
    if provider.is_empty() || provider.to_lowercase().contains("microsoft") {
        found.push(format!("Provider '{provider}' is not the maker of this package"));
    }
    found
}

pub(super) fn driver_ver(subject: &Subject<'_>) -> Vec<String> {
    let Some(entry) = subject.inf.keyed("Version", "DriverVer").next() else {
        return vec!["there is no DriverVer".to_owned()];
    };
    let (day, version) = (entry.value(0), entry.value(1));
    let mut found = Vec::new();
    match parse_day(day) {
        None => found.push(format!("'{day}' is no day of the form mm/dd/yyyy")),
        Some(parsed) => {
            if let Stage::Stamped(today) = subject.context.stage
                && parsed > today
            {
                found.push(format!("{day} has not come yet"));
            }
        }
    }
    let parts: Vec<Option<u16>> = version.split('.').map(|part| part.parse().ok()).collect();
    if parts.len() != 4 || parts.contains(&None) {
        found.push(format!("'{version}' is no version of four numbers below 65536"));
    } else if !subject.source() && parts.iter().all(|part| *part == Some(0)) {
        found.push("the version was not stamped".to_owned());
    }
    found
}

/// Year, month, day of `mm/dd/yyyy`.
fn parse_day(text: &str) -> Option<[u16; 3]> {
    let parts: Vec<&str> = text.split('/').collect();
    let [month, day, year] = parts.as_slice() else {
        return None;
    };
    if [month.len(), day.len(), year.len()] != [2, 2, 4] {
        return None;
    }
    let (month, day, year) = (month.parse().ok()?, day.parse().ok()?, year.parse().ok()?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last: u16 = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=last).contains(&day).then_some([year, month, day])
}

pub(super) fn catalog_file(subject: &Subject<'_>) -> Vec<String> {
    let (file, expected) = (
        subject.version("CatalogFile"),
        format!("{}.cat", subject.context.name),
    );
    one((!file.eq_ignore_ascii_case(&expected)).then(|| format!("CatalogFile is '{file}', not {expected}")))
}

pub(super) fn pnp_lockdown(subject: &Subject<'_>) -> Vec<String> {
    let value = subject.version("PnpLockdown");
    one((value != "1").then(|| format!("PnpLockdown is '{value}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(parse_day("02/29/2024"), Some([2024, 2, 29]));
        for text in [
            "02/29/2025",
            "13/01/2025",
            "1/1/2025",
            "01/00/2025",
            "01/01/25",
            "01.01.2025",
        ] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_guid_is_not_nil() {
        assert!(is_guid("{b1a5d0f4-1f0e-4c57-8d3b-52a9c1e06a77}"));
        for text in [
            "",
            "{}",
            "{00000000-0000-0000-0000-000000000000}",
            "b1a5d0f4-1f0e-4c57-8d3b-52a9c1e06a77",
        ] {
            assert!(!is_guid(text), "{text}");
        }
    }
}
