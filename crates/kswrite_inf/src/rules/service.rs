//! Rules about services, filters, the framework and security.

use super::Subject;
use crate::install::{Service, number};
use crate::sddl;

/// The service is the function driver of the device that is installed.
const ASSOCIATED: u32 = 0x2;

pub(super) fn services(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let services = inf.services();
    let mut found: Vec<String> = services
        .iter()
        .flat_map(|service| service_problems(subject, service))
        .collect();
    let associated = services.iter().filter(|service| is_associated(service)).count();
    let expected = usize::from(!subject.extension() && !subject.primitive());
    if associated != expected {
        found.push(format!(
            "{associated} services are associated with the device (SPSVCINST_ASSOCSERVICE), which must be {expected}"
        ));
    }
    found
}

fn is_associated(service: &Service<'_>) -> bool {
    service.flags.is_some_and(|flags| flags & ASSOCIATED != 0)
}

fn service_problems(subject: &Subject<'_>, service: &Service<'_>) -> Vec<String> {
    let inf = subject.inf;
    let line = service.entry.line;
    let mut found = Vec::new();
    if service.name.is_empty() {
        found.push(format!("line {line}: the service has no name"));
    }
    if service.flags.is_none_or(|flags| flags & !ASSOCIATED != 0) {
        found.push(format!(
            "line {line}: the flags '{}' are not those of a driver",
            service.entry.value(1)
        ));
    }
    for (key, allowed, what) in [
        ("ServiceType", &[1][..], "a kernel driver is 1"),
        ("StartType", &[3][..], "a driver that Plug and Play starts is 3"),
        (
            "ErrorControl",
            &[0, 1][..],
            "a driver without which the system runs is 0 or 1",
        ),
    ] {
        let value = inf.value(service.section, key).unwrap_or_default();
        let read = number(&value).filter(|_| !value.is_empty());
        if !read.is_some_and(|value| allowed.contains(&value)) {
            found.push(format!("[{}] {key} is '{value}': {what}", service.section));
        }
    }
    let binary = inf.value(service.section, "ServiceBinary").unwrap_or_default();
    match binary.strip_prefix(r"%13%\") {
        None => found.push(format!(
            "[{}] ServiceBinary '{binary}' is not in directory 13",
            service.section
        )),
        Some(file)
            if !inf
                .copied_files()
                .iter()
                .any(|copied| copied.eq_ignore_ascii_case(file)) =>
        {
            found.push(format!(
                "[{}] ServiceBinary {file} is not copied",
                service.section
            ));
        }
        Some(_) => {}
    }
    found
}

pub(super) fn filters(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let mut found = Vec::new();
    let mut filters = 0;
    for install in inf.installs() {
        for entry in inf.keyed(&install.part("Filters"), "AddFilter") {
            filters += 1;
            let (service, section) = (entry.value(0), entry.value(2));
            if !inf
                .services()
                .iter()
                .any(|own| own.name.eq_ignore_ascii_case(service))
            {
                found.push(format!("line {}: no AddService makes {service}", entry.line));
            }
            if !["", "0", "0x00000000"].contains(&entry.value(1)) {
                found.push(format!("line {}: the flags must be 0", entry.line));
            }
            let position = inf.value(section, "FilterPosition");
            let level = inf.value(section, "FilterLevel");
            let known = position
                .as_deref()
                .is_none_or(|position| ["Upper", "Lower"].contains(&position));
            if position.is_some() == level.is_some() || !known {
                found.push(format!(
                    "[{section}] must have either FilterPosition, Upper or Lower, or FilterLevel"
                ));
            }
        }
    }
    let by_registry = inf
        .sections()
        .iter()
        .flat_map(|section| &section.entries)
        .filter(|entry| {
            entry.value(0).eq_ignore_ascii_case("HKR")
                && ["UpperFilters", "LowerFilters"]
                    .iter()
                    .any(|name| entry.value(2).eq_ignore_ascii_case(name))
        });
    found.extend(by_registry.map(|entry| {
        format!(
            "line {}: {} by AddReg, where AddFilter is the way",
            entry.line,
            entry.value(2)
        )
    }));
    let unassociated = inf
        .services()
        .iter()
        .filter(|service| !is_associated(service))
        .count();
    if !subject.primitive() && filters < unassociated {
        found.push("a service is neither a function driver nor added as a filter".to_owned());
    }
    found
}

pub(super) fn kmdf(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let mut found = Vec::new();
    let entries: Vec<_> = inf
        .installs()
        .iter()
        .map(|install| install.part("Wdf"))
        .flat_map(|section| inf.entries(&section).to_vec())
        .filter(|entry| entry.key.eq_ignore_ascii_case("KmdfService"))
        .collect();
    for service in inf.services() {
        let Some(entry) = entries
            .iter()
            .find(|entry| entry.value(0).eq_ignore_ascii_case(service.name))
        else {
            found.push(format!("{} has no KmdfService entry", service.name));
            continue;
        };
        let version = inf
            .value(entry.value(1), "KmdfLibraryVersion")
            .unwrap_or_default();
        let placeholder = version == "$KMDFVERSION$" && subject.source();
        let number = version
            .strip_prefix("1.")
            .and_then(|minor| minor.parse::<u32>().ok());
        if !placeholder && number.is_none() {
            found.push(format!("[{}] KmdfLibraryVersion is '{version}'", entry.value(1)));
        }
    }
    found
}

pub(super) fn security(subject: &Subject<'_>) -> Vec<String> {
    // A filter takes the security of the device that it is put above.
    if subject.extension() || subject.primitive() {
        return Vec::new();
    }
    let inf = subject.inf;
    let mut found = Vec::new();
    for install in inf.installs() {
        let sections: Vec<String> = inf
            .keyed(&install.part("HW"), "AddReg")
            .flat_map(|entry| entry.values.clone())
            .collect();
        let descriptor = sections
            .iter()
            .flat_map(|section| inf.entries(section))
            .find(|entry| {
                entry.value(0).eq_ignore_ascii_case("HKR") && entry.value(2).eq_ignore_ascii_case("Security")
            });
        match descriptor {
            None => found.push(format!("[{}] sets no Security", install.part("HW"))),
            Some(entry) => {
                let problem = sddl::problem(&inf.expand(entry.value(4)));
                found.extend(problem.map(|what| format!("line {}: {what}", entry.line)));
            }
        }
    }
    found
}
