//! The rules, each by name.

mod install;
mod service;
mod text;
mod version;

use std::fmt;

use crate::parse::Inf;

/// What a file is judged by, beside its text.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Name of the file without extension; catalogue and image of a package are named after it.
    pub name: &'a str,
    /// Whether placeholders are still there.
    pub stage: Stage,
}

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// `.inx`: `$ARCH$`, `$KMDFVERSION$` and the version are yet to be filled in.
    Source,
    /// `.inf`, to be installed on this day or later: year, month, day.
    Stamped([u16; 3]),
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it asks for.
    pub what: &'static str,
    /// Microsoft's page, below `https://learn.microsoft.com/windows-hardware/drivers/`.
    pub page: &'static str,
    check: fn(&Subject<'_>) -> Vec<String>,
}

/// A rule that a file breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Name of the rule.
    pub rule: &'static str,
    /// Where and how.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// A file under judgement.
struct Subject<'a> {
    bytes: &'a [u8],
    inf: &'a Inf,
    context: Context<'a>,
}

impl Subject<'_> {
    fn source(&self) -> bool {
        self.context.stage == Stage::Source
    }

    /// An extension INF adds to what another one installs.
    fn extension(&self) -> bool {
        self.version("Class").eq_ignore_ascii_case("Extension")
    }

    /// A package for no device, such as one that only brings a class filter.
    fn primitive(&self) -> bool {
        self.inf.section("Manufacturer").is_none()
    }

    fn version(&self, key: &str) -> String {
        self.inf.value("Version", key).unwrap_or_default()
    }
}

/// Name of the rule that a text breaks that is no INF file at all.
const SYNTAX: &str = "syntax";

/// All rules, in the order in which findings are listed.
pub const RULES: &[Rule] = &[
    Rule {
        name: "encoding",
        what: "ASCII with Windows line ends, which stampinf and InfVerif read alike",
        page: "install/general-syntax-rules-for-inf-files",
        check: text::encoding,
    },
    Rule {
        name: "sections",
        what: "each section stands once, is asked for by another, and each that is asked for is there",
        page: "install/summary-of-inf-sections",
        check: text::sections,
    },
    Rule {
        name: "strings",
        what: "every %name% is defined, every string is used",
        page: "install/inf-strings-section",
        check: text::strings,
    },
    Rule {
        name: "signature",
        what: "Signature is \"$Windows NT$\"",
        page: "install/inf-version-section",
        check: version::signature,
    },
    Rule {
        name: "class",
        what: "Class and ClassGuid belong together; an extension has an ExtensionId of its own",
        page: "install/inf-version-section",
        check: version::class,
    },
    Rule {
        name: "provider",
        what: "Provider is a string, and not Microsoft",
        page: "install/inf-version-section",
        check: version::provider,
    },
    Rule {
        name: "driver-ver",
        what: "DriverVer is a day that has come and a version of four numbers",
        page: "install/inf-driverver-directive",
        check: version::driver_ver,
    },
    Rule {
        name: "catalog-file",
        what: "CatalogFile names the package's own catalogue",
        page: "install/inf-version-section",
        check: version::catalog_file,
    },
    Rule {
        name: "pnp-lockdown",
        what: "PnpLockdown is 1, so that nobody changes the files directly",
        page: "install/inf-version-section",
        check: version::pnp_lockdown,
    },
    Rule {
        name: "destination-dirs",
        what: "every file stays in the driver store, directory 13",
        page: "install/inf-destinationdirs-section",
        check: install::destination_dirs,
    },
    Rule {
        name: "architecture",
        what: "models are decorated with NTamd64 or NTarm64 and a build of Windows 10 that has directory 13",
        page: "install/inf-manufacturer-section",
        check: install::architecture,
    },
    Rule {
        name: "models",
        what: "each model has a description, an install section and a hardware ID that comes once",
        page: "install/inf-models-section",
        check: install::models,
    },
    Rule {
        name: "copy-files",
        what: "every file that is copied is on a source disk",
        page: "install/inf-copyfiles-directive",
        check: install::copy_files,
    },
    Rule {
        name: "universal",
        what: "no directive or registry root that a universal driver package may not use",
        page: "install/using-a-universal-inf-file",
        check: install::universal,
    },
    Rule {
        name: "service",
        what: "services are kernel services started by Plug and Play, associated with the device where they are its \
               function driver and nowhere else",
        page: "install/inf-addservice-directive",
        check: service::services,
    },
    Rule {
        name: "filter",
        what: "a filter is added by AddFilter, in one position, for a service of this file",
        page: "install/inf-addfilter-directive",
        check: service::filters,
    },
    Rule {
        name: "kmdf",
        what: "each service that is copied says which framework version it needs",
        page: "wdf/specifying-wdf-directives-in-inf-files",
        check: service::kmdf,
    },
    Rule {
        name: "security",
        what: "a device is opened by the system and administrators, as the driver says too",
        page: "install/creating-secure-device-installations",
        check: service::security,
    },
];

/// Holds a file against all [`RULES`].
pub fn check(bytes: &[u8], context: Context<'_>) -> Vec<Finding> {
    let finding = |rule| move |what| Finding { rule, what };
    let inf = match Inf::parse(&String::from_utf8_lossy(bytes)) {
        Ok(inf) => inf,
        Err(problem) => return vec![finding(SYNTAX)(problem.to_string())],
    };
    let subject = Subject {
        bytes,
        inf: &inf,
        context,
    };
    RULES
        .iter()
        .flat_map(|rule| (rule.check)(&subject).into_iter().map(finding(rule.name)))
        .collect()
}
