//! Packages made of the built drivers, and what is found when one is not right.

use super::*;
use std::fs as plain;

/// A package of its own, in a folder of its own.
struct Made {
    layout: Layout,
    folder: PathBuf,
}

/// Some moment, so that two packages have the same.
const MADE: u64 = 1_760_000_000;

impl Made {
    fn new(test: &str) -> Self {
        let layout = Layout::find().unwrap();
        let folder = layout.out.join("package-tests").join(test).join(name());
        plain::create_dir_all(layout.out.join("package")).unwrap();
        let made = Self { layout, folder };
        made.fill("signing", None);
        made
    }

    /// Fills the folder; with `days`, a certificate is made for so many.
    fn fill(&self, certificate: &str, days: Option<&str>) {
        let signer = match days {
            None => Signer::ensure(&self.layout).unwrap(),
            Some(days) => {
                let folder = self.folder.parent().unwrap().join(certificate);
                let signer = Signer::of(&self.layout, folder).unwrap();
                signer.make_for(days).unwrap();
                signer
            }
        };
        let built = &self.layout.out;
        fill(
            &self.layout,
            &signer,
            &self.folder,
            &[(&ARCHITECTURES[0], built)],
            MADE,
        )
        .unwrap();
    }

    /// What is found now, one line each.
    fn findings(&self) -> Vec<String> {
        self.findings_at(SystemTime::now())
    }

    fn findings_at(&self, now: SystemTime) -> Vec<String> {
        let found = Verifier::findings(&self.layout, &self.folder, now).unwrap();
        found
            .iter()
            .map(|finding| format!("{}: {}", finding.file.display(), finding.what))
            .collect()
    }

    /// A finding names file and reason.
    fn refused(&self, file: &str, reason: &str) {
        self.refused_at(SystemTime::now(), file, reason);
    }

    fn refused_at(&self, now: SystemTime, file: &str, reason: &str) {
        let found = self.findings_at(now);
        assert!(
            found
                .iter()
                .any(|line| line.starts_with(file) && line.contains(reason)),
            "{file}: {reason}: {found:#?}"
        );
    }

    fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.folder.join(file);
        let mut bytes = plain::read(&path).unwrap();
        change(&mut bytes);
        plain::write(path, bytes).unwrap();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = plain::remove_dir_all(self.folder.parent().unwrap());
    }
}

#[test]
#[ignore = "needs the built drivers: cargo xtask test"]
fn a_package_is_right_and_made_twice_the_same() {
    let made = Made::new("twice");
    assert_eq!(made.findings(), [""; 0]);
    let zip = made.folder.with_extension("zip");
    pack::pack(&made.folder, &zip).unwrap();
    let first = plain::read(&zip).unwrap();
    made.fill("signing", None);
    pack::pack(&made.folder, &zip).unwrap();
    assert!(
        first == plain::read(&zip).unwrap(),
        "two runs make different bytes"
    );
    let unpacked = pack::unpack(&zip, &made.folder.with_extension("out")).unwrap();
    assert_eq!(
        pack::files(&unpacked).unwrap(),
        pack::files(&made.folder).unwrap()
    );
}

#[test]
#[ignore = "needs the built drivers: cargo xtask test"]
fn what_was_changed_or_is_missing_is_named() {
    let made = Made::new("changed");
    // A byte of code.
    made.change("x64/kswrite.sys", |bytes| bytes[0x500] ^= 1);
    made.refused("x64/kswrite.sys", "changed after the catalogue was made");
    made.refused("x64/kswrite.sys", "embedded signature");
    made.refused("x64/kswrite.cat", "does not vouch for kswrite.sys");
    made.fill("signing", None);
    // A comment, which changes nothing but the hash.
    made.change("x64/ksink.inf", |bytes| bytes.extend(b"; more\r\n"));
    made.refused("x64/ksink.inf", "changed after the catalogue was made");
    made.fill("signing", None);
    plain::remove_file(made.folder.join("x64/ksink.sys")).unwrap();
    made.refused("x64/ksink.sys", "missing");
    made.fill("signing", None);
    plain::remove_file(made.folder.join("x64/ksink.cat")).unwrap();
    made.refused("x64/ksink.cat", "missing");
    made.fill("signing", None);
    made.change("x64/ksink.inf", |bytes| {
        *bytes = String::from_utf8(bytes.clone())
            .unwrap()
            .replace("PnpLockdown = 1", "PnpLockdown = 0")
            .into();
    });
    made.refused("x64/ksink.inf", "pnp-lockdown");
    made.fill("signing", None);
    for file in ["x64/kswrite.inf", "x64/ksw.exe", "x64/symbols/ksink.pdb"] {
        plain::remove_file(made.folder.join(file)).unwrap();
        made.refused(file, "missing");
    }
    plain::write(made.folder.join("x64/kswrite_client.dll"), b"MZ").unwrap();
    made.refused("x64/kswrite_client.dll", "no 64-bit Windows image");
}

#[test]
#[ignore = "needs the built drivers: cargo xtask test"]
fn a_package_for_the_other_machine_is_named() {
    let made = Made::new("machine");
    plain::rename(made.folder.join("x64"), made.folder.join("arm64")).unwrap();
    made.refused("arm64/kswrite.sys", "built for x64, in the folder for ARM64");
    made.refused("arm64/kswrite.inf", "for NTamd64, in the folder for ARM64");
    made.refused("arm64/ksw.exe", "built for x64, in the folder for ARM64");
    plain::remove_dir_all(made.folder.join("arm64")).unwrap();
    made.refused("", "no folder of any architecture");
}

#[test]
#[ignore = "needs the built drivers: cargo xtask test"]
fn certificates_are_there_valid_and_the_signers() {
    let made = Made::new("certificate");
    let own = plain::read(made.folder.join(CERTIFICATE)).unwrap();
    plain::remove_file(made.folder.join(CERTIFICATE)).unwrap();
    made.refused(CERTIFICATE, "missing");
    // One of somebody else, that is, of another folder.
    made.fill("other", Some("1"));
    plain::write(made.folder.join(CERTIFICATE), own).unwrap();
    made.refused("x64/kswrite.cat", "another certificate");
    plain::write(made.folder.join(CERTIFICATE), b"x").unwrap();
    made.refused(CERTIFICATE, "no certificate");
    // A catalogue before it is signed.
    let members = [Member::of("kswrite.inf", b"x").unwrap()];
    let header = Header {
        system: "_v100_X64",
        hardware_ids: &[],
        made: MADE,
    };
    plain::write(
        made.folder.join("x64/kswrite.cat"),
        catalog::make(&header, &members).unwrap(),
    )
    .unwrap();
    made.refused("x64/kswrite.cat", "not signed");
    made.refused("x64/kswrite.sys", "the catalogue does not list it");
}

#[test]
#[ignore = "needs the built drivers: cargo xtask test"]
fn an_expired_certificate_is_named() {
    let made = Made::new("expired");
    made.fill("short", Some("1"));
    assert_eq!(made.findings(), [""; 0]);
    let day = Duration::from_hours(24);
    made.refused_at(SystemTime::now() + 2 * day, CERTIFICATE, "expired on");
    made.refused_at(SystemTime::now() - day, CERTIFICATE, "not valid before");
}

#[test]
fn days_are_those_that_inf_files_know() {
    assert_eq!(day(1_582_934_400).unwrap(), "02/29/2020");
}
