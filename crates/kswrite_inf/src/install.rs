//! What an INF file installs: its models, install sections and services.

use crate::parse::{Entry, Inf};

/// One line of a models section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model<'a> {
    /// The models section, with its decoration.
    pub section: String,
    /// `NTamd64.10.0...19041`, or empty.
    pub decoration: &'a str,
    /// The line.
    pub entry: &'a Entry,
}

impl Model<'_> {
    /// The install section, without the decoration that the system adds.
    pub fn install(&self) -> &str {
        self.entry.value(0)
    }

    /// The hardware ID.
    pub fn hardware_id(&self) -> &str {
        self.entry.value(1)
    }
}

/// One install section, with the decoration it has in this file: `KsSink_Install.NT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// Full name of the section.
    pub section: String,
}

impl Install {
    /// Full name of a section that goes with this one, such as `Services`.
    pub fn part(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.section)
    }
}

/// One AddService entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// Name of the service.
    pub name: &'a str,
    /// Flags; `None` when they are no number.
    pub flags: Option<u32>,
    /// The section that says how to make the service.
    pub section: &'a str,
}

impl Inf {
    /// Everything that the models sections name, decoration by decoration.
    pub fn models(&self) -> Vec<Model<'_>> {
        let mut models = Vec::new();
        for manufacturer in self.entries("Manufacturer") {
            let base = manufacturer.value(0);
            let decorations: Vec<&str> = manufacturer.values.iter().skip(1).map(String::as_str).collect();
            let decorations = if decorations.is_empty() {
                vec![""]
            } else {
                decorations
            };
            for decoration in decorations {
                let section = if decoration.is_empty() {
                    base.to_owned()
                } else {
                    format!("{base}.{decoration}")
                };
                models.extend(self.entries(&section).iter().map(|entry| Model {
                    section: section.clone(),
                    decoration,
                    entry,
                }));
            }
        }
        models
    }

    /// Hardware IDs, each once, in their order.
    pub fn hardware_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for model in self.models() {
            for id in model.entry.values.iter().skip(1).map(|id| self.expand(id)) {
                if !ids.iter().any(|known| known.eq_ignore_ascii_case(&id)) {
                    ids.push(id);
                }
            }
        }
        ids
    }

    /// The install sections that the models name, and those of a package for no device.
    pub fn installs(&self) -> Vec<Install> {
        let mut installs: Vec<Install> = Vec::new();
        let models = self.models();
        let named = models.iter().map(Model::install);
        for base in named.chain(["DefaultInstall"]) {
            let found = self.sections().iter().filter(|section| {
                let (front, decoration) = section.name.split_at_checked(base.len()).unwrap_or_default();
                front.eq_ignore_ascii_case(base) && (decoration.is_empty() || is_platform(decoration))
            });
            for section in found {
                if !installs.iter().any(|known| section.is(&known.section)) {
                    installs.push(Install {
                        section: section.name.clone(),
                    });
                }
            }
        }
        installs
    }

    /// Every AddService entry of every install section.
    pub fn services(&self) -> Vec<Service<'_>> {
        let sections: Vec<String> = self
            .installs()
            .iter()
            .map(|install| install.part("Services"))
            .collect();
        let entries = sections.iter().flat_map(|section| self.entries(section));
        entries
            .filter(|entry| entry.key.eq_ignore_ascii_case("AddService"))
            .map(|entry| Service {
                entry,
                name: entry.value(0),
                flags: number(&self.expand(entry.value(1))),
                section: entry.value(2),
            })
            .collect()
    }

    /// Names of the files that the install sections copy.
    pub fn copied_files(&self) -> Vec<String> {
        let mut files: Vec<String> = Vec::new();
        for install in self.installs() {
            for entry in self.keyed(&install.section, "CopyFiles") {
                for value in &entry.values {
                    match value.strip_prefix('@') {
                        Some(file) => files.push(file.to_owned()),
                        None => files.extend(self.entries(value).iter().map(|file| file.value(0).to_owned())),
                    }
                }
            }
        }
        files.sort();
        files.dedup();
        files
    }
}

/// `.NT`, `.NTamd64`, `.NTarm64`, `.NTx86`, `.NT$ARCH$`, perhaps with a version; no further part such as `.HW`.
fn is_platform(decoration: &str) -> bool {
    let lower = decoration.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix(".nt") else {
        return false;
    };
    let platform = rest.split('.').next().unwrap_or_default();
    let version = rest.get(platform.len()..).unwrap_or_default();
    ["", "amd64", "arm64", "x86", "$arch$"].contains(&platform)
        && version.chars().all(|c| c == '.' || c.is_ascii_digit())
}

/// A number as SetupAPI reads it: decimal, or hexadecimal after `0x`; an empty text is 0.
pub(crate) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.is_empty() => Some(0),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_sections_are_found_with_their_decoration() {
        let inf = Inf::parse(
            "[Manufacturer]\n%M%=D,NTamd64.10.0...19041\n[D.NTamd64.10.0...19041]\n%X%=Go,Root\\A\n%X%=Go,Root\\B\n\
             [Go.NT]\nCopyFiles=F,@y.sys\n[Go.NT.HW]\n[Go.NT.Services]\nAddService=s,0x00000002,S\n[F]\nx.sys\n[Gone.NT]\n",
        )
        .unwrap();
        assert_eq!(
            inf.installs(),
            [Install {
                section: "Go.NT".to_owned()
            }]
        );
        assert_eq!(inf.hardware_ids(), ["Root\\A", "Root\\B"]);
        assert_eq!(inf.copied_files(), ["x.sys", "y.sys"]);
        let services = inf.services();
        assert_eq!(
            (services[0].name, services[0].flags, services[0].section),
            ("s", Some(2), "S")
        );
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(
            ["", "12", "0x10", "z"].map(number),
            [Some(0), Some(12), Some(16), None]
        );
    }
}
