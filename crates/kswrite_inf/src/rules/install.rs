//! Rules about models, files and directives.

use super::Subject;

/// The driver store.
const DRIVER_STORE: &str = "13";
/// The first build of Windows in which a package may leave its files in the driver store.
/// <https://learn.microsoft.com/windows-hardware/drivers/install/using-dirids>
const DRIVER_STORE_BUILD: u32 = 16_299;
/// Which platforms there are; the placeholder becomes one of them.
const PLATFORMS: [&str; 3] = ["NTamd64", "NTarm64", "NT$ARCH$"];

pub(super) fn destination_dirs(subject: &Subject<'_>) -> Vec<String> {
    let entries = subject.inf.entries("DestinationDirs");
    let mut found: Vec<String> = entries
        .iter()
        .filter(|entry| entry.value(0) != DRIVER_STORE)
        .map(|entry| {
            format!(
                "line {}: {} goes to directory {}",
                entry.line,
                entry.key,
                entry.value(0)
            )
        })
        .collect();
    if !entries
        .iter()
        .any(|entry| entry.key.eq_ignore_ascii_case("DefaultDestDir"))
    {
        found.push("there is no DefaultDestDir".to_owned());
    }
    found
}

pub(super) fn architecture(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let mut found = Vec::new();
    if subject.primitive() {
        for install in inf.installs() {
            let decoration = install
                .section
                .split_once('.')
                .map_or("", |(_, decoration)| decoration);
            if !PLATFORMS
                .iter()
                .any(|platform| decoration.eq_ignore_ascii_case(platform))
            {
                found.push(format!("[{}] is not decorated with a platform", install.section));
            }
        }
        return found;
    }
    for manufacturer in inf.entries("Manufacturer") {
        if manufacturer.values.len() < 2 {
            found.push(format!(
                "line {}: the models have no decoration",
                manufacturer.line
            ));
        }
        for decoration in manufacturer.values.iter().skip(1) {
            if let Some(problem) = decoration_problem(decoration, subject.source()) {
                found.push(format!("line {}: {decoration} {problem}", manufacturer.line));
            }
        }
    }
    found
}

fn decoration_problem(decoration: &str, source: bool) -> Option<&'static str> {
    let (platform, version) = decoration.split_once('.').unwrap_or((decoration, ""));
    if !PLATFORMS.iter().any(|known| platform.eq_ignore_ascii_case(known)) {
        return Some("is for no platform that the drivers are built for");
    }
    if platform.contains('$') && !source {
        return Some("was not stamped");
    }
    let fields: Vec<&str> = version.split('.').collect();
    let build = match fields.as_slice() {
        ["10", "0", "", "", build] => build.parse::<u32>().ok(),
        _ => None,
    };
    match build {
        None => Some("does not name a build of Windows 10 or later, as in 10.0...19041"),
        Some(build) if build < DRIVER_STORE_BUILD => Some("names a build that does not know directory 13"),
        Some(_) => None,
    }
}

pub(super) fn models(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let models = inf.models();
    let mut found = Vec::new();
    if models.is_empty() && !subject.primitive() {
        found.push("there is no model".to_owned());
    }
    if subject.primitive() && inf.installs().is_empty() {
        found.push("there is neither a [Manufacturer] nor a [DefaultInstall]".to_owned());
    }
    let mut seen: Vec<(String, String)> = Vec::new();
    for model in models {
        let line = model.entry.line;
        if !model.entry.key.starts_with('%') {
            found.push(format!("line {line}: the description is no %string%"));
        }
        let front = format!("{}.", model.install());
        let there = inf.installs().iter().any(|install| {
            install.section.eq_ignore_ascii_case(model.install())
                || install
                    .section
                    .get(..front.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(&front))
        });
        if model.install().is_empty() || !there {
            found.push(format!(
                "line {line}: there is no install section for '{}'",
                model.install()
            ));
        }
        let id = (model.section.to_lowercase(), model.hardware_id().to_lowercase());
        if id.1.is_empty() {
            found.push(format!("line {line}: there is no hardware ID"));
        } else if seen.contains(&id) {
            found.push(format!("line {line}: {} comes again", model.hardware_id()));
        }
        seen.push(id);
    }
    found
}

pub(super) fn copy_files(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let mut found = Vec::new();
    let files = inf.copied_files();
    if files.is_empty() {
        found.push("no file is copied".to_owned());
    }
    for file in &files {
        let Some(source) = inf.keyed("SourceDisksFiles", file).next() else {
            found.push(format!("{file} is copied, but not in [SourceDisksFiles]"));
            continue;
        };
        if inf.keyed("SourceDisksNames", source.value(0)).next().is_none() {
            found.push(format!(
                "line {}: there is no disk {}",
                source.line,
                source.value(0)
            ));
        }
    }
    for entry in inf.entries("SourceDisksFiles") {
        if !files.iter().any(|file| file.eq_ignore_ascii_case(&entry.key)) {
            found.push(format!("line {}: {} is never copied", entry.line, entry.key));
        }
    }
    found
}

/// Directives that a universal package may not use.
const FORBIDDEN: [&str; 17] = [
    "BitReg",
    "CoInstallers32",
    "CustomProperty",
    "DelFiles",
    "DelReg",
    "DelService",
    "Ini2Reg",
    "LogConfig",
    "LogConfigOverride",
    "ProfileItems",
    "Reboot",
    "RegisterDlls",
    "RenFiles",
    "UnregisterDlls",
    "UpdateInis",
    "UpdateIniFields",
    "VerifyFiles",
];
/// Sections likewise.
const FORBIDDEN_PARTS: [&str; 4] = ["CoInstallers", "FactDef", "LogConfigOverride", "DefaultUninstall"];
/// The one place outside of the device that a package may write to: the filters of a setup class, by a package for no
/// device, and at the end of the list that is there (`FLG_ADDREG_TYPE_MULTI_SZ | FLG_ADDREG_APPEND`).
const CLASS_KEY: &str = r"System\CurrentControlSet\Control\Class\{";
const APPEND: &str = "0x00010008";

pub(super) fn universal(subject: &Subject<'_>) -> Vec<String> {
    let inf = subject.inf;
    let mut found = Vec::new();
    for section in inf.sections() {
        if FORBIDDEN_PARTS
            .iter()
            .any(|part| section.name.split('.').any(|own| own.eq_ignore_ascii_case(part)))
        {
            found.push(format!(
                "line {}: [{}] is not universal",
                section.line, section.name
            ));
        }
        for entry in &section.entries {
            if FORBIDDEN
                .iter()
                .any(|directive| entry.key.eq_ignore_ascii_case(directive))
            {
                found.push(format!("line {}: {} is not universal", entry.line, entry.key));
            }
            let root = entry.value(0).to_ascii_uppercase();
            let registry =
                entry.key.is_empty() && ["HKLM", "HKCR", "HKCU", "HKU", "HKR"].contains(&root.as_str());
            if !registry || root == "HKR" {
                continue;
            }
            let below_class = entry.value(1).get(..CLASS_KEY.len());
            let class_filter = subject.primitive()
                && root == "HKLM"
                && below_class.is_some_and(|front| front.eq_ignore_ascii_case(CLASS_KEY))
                && ["UpperFilters", "LowerFilters"].contains(&entry.value(2))
                && entry.value(3) == APPEND;
            if !class_filter {
                found.push(format!("line {}: {root} is not the device's own key", entry.line));
            }
        }
    }
    found
}
