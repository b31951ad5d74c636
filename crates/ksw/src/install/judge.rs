//! Why a package is not installed: one sentence with the next step.

use super::package::Package;
use super::system::{CodeIntegrity, Machine, System};

/// The first build with `ExAllocatePool2`, which the drivers call: Windows 10 version 2004.
const FIRST_BUILD: u32 = 19_041;
/// The first build with `AddFilter`: Windows 10 version 1903.
const ADD_FILTER_BUILD: u32 = 18_362;
/// Who signs drivers that every Windows takes.
const MICROSOFT: [&str; 2] = [
    "Microsoft Windows Hardware Compatibility Publisher",
    "Microsoft Windows",
];

/// How the filter gets into a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FilterWay {
    /// By the Filters section of kswrite.inf
    Inf,
    /// By the value UpperFilters of each sink
    Registry,
}

impl FilterWay {
    /// What a system knows: `AddFilter`, or only the older way.
    pub fn of(system: &System) -> Self {
        let [_, _, build] = system.version;
        // Wine claims to be an older Windows, and leaves both ways to its host.
        if system.wine.is_none() && build < ADD_FILTER_BUILD {
            Self::Registry
        } else {
            Self::Inf
        }
    }
}

/// What the system says of the signature of an INF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Wine, which does not look.
    NotAsked,
    /// The catalogue is signed by somebody whom the system trusts.
    By(String),
    /// It is not: the code of `SetupVerifyInfFile`.
    Refused(kswrite_client::Win32Error),
}

/// What an administrator's rights are needed for, as a sentence; `None` when they are there.
pub fn rights(system: &System, what: &str) -> Option<String> {
    (!system.elevated).then(|| {
        format!(
            "{what} needs an administrator's rights, and this process does not have them: start the command prompt by \
             \"Run as administrator\" and try again"
        )
    })
}

/// Why this system does not take this package; `None` when it does.
pub fn refusal(system: &System, package: &Package, signature: &Signature) -> Option<String> {
    rights(system, "installing drivers")
        .or_else(|| architecture(system, package))
        .or_else(|| version(system))
        .or_else(|| files(system, package))
        .or_else(|| signer(system, package, signature))
}

fn architecture(system: &System, package: &Package) -> Option<String> {
    if system.process != system.native {
        return Some(format!(
            "this ksw is built for {} and this machine is {}: SetupAPI installs drivers only for a program of the \
             machine's own kind; use ksw.exe of the package for {}",
            system.process, system.native, system.native
        ));
    }
    (package.machine != system.native).then(|| {
        format!(
            "{} is built for {} and this machine is {}: take the package for {}",
            package.image.display(),
            package.machine,
            system.native,
            if let Machine::Other(_) = system.native {
                "another machine".to_owned()
            } else {
                system.native.to_string()
            }
        )
    })
}

fn version(system: &System) -> Option<String> {
    let [_, _, build] = system.version;
    (system.wine.is_none() && build < FIRST_BUILD).then(|| {
        format!(
            "{} is too old: the drivers need Windows 10 version 2004 (build {FIRST_BUILD}) or later",
            system.name()
        )
    })
}

/// Windows wants a catalogue and an image with a signature; Wine looks at neither.
fn files(system: &System, package: &Package) -> Option<String> {
    if system.wine.is_some() {
        return None;
    }
    let unsigned = "packages are signed by `cargo xtask package` on Linux or `cargo make` on Windows";
    if !package.catalog_present {
        let catalog = package.catalog.as_ref().unwrap_or(&package.inf);
        return Some(format!(
            "{} has no catalogue, which {} should be: {unsigned}",
            package.inf.display(),
            catalog.display()
        ));
    }
    (!package.image_signed).then(|| format!("{} is not signed: {unsigned}", package.image.display()))
}

fn signer(system: &System, package: &Package, signature: &Signature) -> Option<String> {
    let inf = package.inf.display();
    match signature {
        Signature::NotAsked => None,
        Signature::Refused(code) => Some(format!(
            "the signature of {inf} is not accepted: {code}: {}; {}",
            code.cause(),
            code.next_step()
        )),
        Signature::By(signer) if MICROSOFT.contains(&signer.as_str()) => None,
        Signature::By(signer) => test_signing(system).map(|step| {
            format!(
                "{inf} is signed by {signer}, which this system takes only while test signing is on: {step}"
            )
        }),
    }
}

/// What to do so that test signatures will do; `None` when they do, or when the system does not tell.
fn test_signing(system: &System) -> Option<String> {
    let CodeIntegrity {
        enabled,
        test_signing,
        debug_mode,
        ..
    } = system.code_integrity?;
    if !enabled || test_signing || debug_mode {
        return None;
    }
    let steps = "run `bcdedit /set testsigning on` and restart";
    Some(if system.secure_boot == Some(true) {
        format!("turn Secure Boot off in the firmware, then {steps}")
    } else {
        steps.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kswrite_client::Win32Error;

    fn system() -> System {
        System {
            version: [10, 0, 19_045],
            wine: None,
            native: Machine::X64,
            process: Machine::X64,
            processors: 2,
            elevated: true,
            code_integrity: Some(CodeIntegrity::from(3)),
            secure_boot: Some(false),
            memory_integrity: None,
        }
    }

    fn package() -> Package {
        Package {
            inf: "kswrite.inf".into(),
            service: "kswrite".to_owned(),
            image: "kswrite.sys".into(),
            machine: Machine::X64,
            image_signed: true,
            catalog: Some("kswrite.cat".into()),
            catalog_present: true,
            version: String::new(),
        }
    }

    fn tester() -> Signature {
        Signature::By("kswrite test certificate".to_owned())
    }

    #[test]
    fn a_test_signed_package_is_taken_while_test_signing_is_on() {
        assert_eq!(refusal(&system(), &package(), &tester()), None);
    }

    /// What is said of a system with a change, a package with a change, and a signature.
    fn said(
        change: impl FnOnce(&mut System),
        change_package: impl FnOnce(&mut Package),
        signature: &Signature,
    ) -> String {
        let (mut system, mut package) = (system(), package());
        change(&mut system);
        change_package(&mut package);
        refusal(&system, &package, signature).unwrap_or_default()
    }

    #[test]
    fn the_wrong_machine_is_named_with_the_way_out() {
        for (native, process, image, named) in [
            (
                Machine::Arm64,
                Machine::X64,
                Machine::X64,
                "this ksw is built for x64 and this machine is ARM64",
            ),
            (
                Machine::Arm64,
                Machine::Arm64,
                Machine::X64,
                "take the package for ARM64",
            ),
            (
                Machine::X64,
                Machine::X86,
                Machine::X64,
                "this ksw is built for x86",
            ),
            (
                Machine::X64,
                Machine::X64,
                Machine::Arm64,
                "kswrite.sys is built for ARM64",
            ),
        ] {
            let machine = |system: &mut System| (system.native, system.process) = (native, process);
            let said = said(machine, |package| package.machine = image, &tester());
            assert!(said.contains(named), "{said}");
        }
        let old = said(|system| system.version[2] = 18_363, |_| {}, &tester());
        assert!(old.contains("19041"), "{old}");
    }

    #[test]
    fn missing_rights_and_signatures_are_named_with_the_way_out() {
        let off = |system: &mut System| system.code_integrity = Some(CodeIntegrity::from(1));
        let secure = |system: &mut System| {
            system.code_integrity = Some(CodeIntegrity::from(1));
            system.secure_boot = Some(true);
        };
        let refused = Signature::Refused(Win32Error(0xE000_0242));
        for (said, named) in [
            (
                said(|system| system.elevated = false, |_| {}, &tester()),
                "Run as administrator",
            ),
            (
                said(|_| {}, |package| package.catalog_present = false, &tester()),
                "has no catalogue",
            ),
            (
                said(|_| {}, |package| package.image_signed = false, &tester()),
                "kswrite.sys is not signed",
            ),
            (said(off, |_| {}, &tester()), "run `bcdedit /set testsigning on`"),
            (said(secure, |_| {}, &tester()), "Secure Boot off"),
            (said(|_| {}, |_| {}, &refused), "0xE0000242"),
        ] {
            assert!(said.contains(named), "{named}: {said}");
        }
    }

    #[test]
    fn a_driver_signed_by_microsoft_needs_no_test_signing() {
        let off = System {
            code_integrity: Some(CodeIntegrity::from(1)),
            ..system()
        };
        let microsoft = Signature::By(MICROSOFT[0].to_owned());
        assert_eq!(refusal(&off, &package(), &microsoft), None);
    }

    #[test]
    fn wine_asks_for_no_signature() {
        let wine = System {
            wine: Some("8.0".to_owned()),
            version: [10, 0, 18_362],
            ..system()
        };
        let bare = Package {
            catalog: None,
            catalog_present: false,
            image_signed: false,
            ..package()
        };
        assert_eq!(refusal(&wine, &bare, &Signature::NotAsked), None);
    }

    #[test]
    fn the_older_way_is_for_older_systems() {
        assert_eq!(FilterWay::of(&system()), FilterWay::Inf);
        assert_eq!(
            FilterWay::of(&System {
                version: [10, 0, 17_763],
                ..system()
            }),
            FilterWay::Registry
        );
    }
}
