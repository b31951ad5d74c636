//! The test certificate of this machine, and osslsigncode.
//!
//! The certificate is made when it is first needed, lies below `target/`, and is never committed: whoever trusts it
//! trusts whatever this machine signs.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use x509_cert::Certificate;
use x509_cert::der::DecodePem;
use x509_cert::der::Encode;
use x509_cert::time::Time;

use crate::layout::Layout;
use crate::process::Command;
use crate::step;
use crate::tools;

/// Days for which a new certificate is valid.
const DAYS: &str = "730";
/// What a signature says it is of.
const DESCRIPTION: &str = "kswrite";

/// Signs for this machine.
pub(super) struct Signer<'a> {
    layout: &'a Layout,
    program: PathBuf,
    folder: PathBuf,
}

impl<'a> Signer<'a> {
    /// Finds osslsigncode; finds or makes the certificate.
    ///
    /// # Errors
    ///
    /// A tool is missing and cannot be installed, or the certificate is not valid now.
    pub(super) fn ensure(layout: &'a Layout) -> Result<Self> {
        let signer = Self::of(layout, layout.out.join("signing"))?;
        if !signer.certificate().is_file() || !signer.key().is_file() {
            signer.make()?;
        }
        let pem = fs::read(signer.certificate())?;
        if let Some(problem) = validity_problem(&Certificate::from_pem(pem)?, SystemTime::now())? {
            bail!(
                "the test certificate {} {problem}: delete it, and the next run makes a new one",
                layout.show(&signer.certificate())
            );
        }
        Ok(signer)
    }

    /// A signer whose certificate is in `folder`.
    pub(super) fn of(layout: &'a Layout, folder: PathBuf) -> Result<Self> {
        Ok(Self {
            layout,
            program: tools::osslsigncode(layout)?,
            folder,
        })
    }

    /// The certificate, in PEM.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// The certificate in the form that Windows imports.
    pub(super) fn der(&self) -> Result<Vec<u8>> {
        Ok(Certificate::from_pem(fs::read(self.certificate())?)?.to_der()?)
    }

    fn make(&self) -> Result<()> {
        self.make_for(DAYS)
    }

    /// Makes key and certificate, valid for so many days from now.
    pub(super) fn make_for(&self, days: &str) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let command = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:3072", "-sha256", "-noenc", "-days", days,
            ])
            .args(["-subj", "/CN=kswrite test certificate"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-addext", "keyUsage=critical,digitalSignature"])
            .args(["-addext", "extendedKeyUsage=codeSigning"])
            .arg("-keyout")
            .arg(self.key())
            .arg("-out")
            .arg(self.certificate());
        step::run(
            self.layout,
            "make the test certificate",
            "package-certificate",
            &command,
        )
    }

    /// Signs an image or a catalogue. The time in the signature is `made`, in seconds since 1970, so that the same
    /// input makes the same bytes.
    pub(super) fn sign(&self, from: &Path, to: &Path, made: u64) -> Result<()> {
        if to.exists() {
            fs::remove_file(to)?;
        }
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let command = Command::new(&self.program)
            .args(["sign", "-h", "sha256", "-n", DESCRIPTION])
            .args(["-time".to_owned(), made.to_string()])
            .arg("-certs")
            .arg(self.certificate())
            .arg("-key")
            .arg(self.key())
            .arg("-in")
            .arg(from)
            .arg("-out")
            .arg(to);
        step::run(self.layout, &format!("sign {name}"), "package-sign", &command)
    }
}

/// Asks osslsigncode whether a signature is right: that of the file, or that of the catalogue which lists it. Returns
/// what it says if not.
pub(super) fn verify(
    layout: &Layout,
    certificate: &Path,
    file: &Path,
    catalog: Option<&Path>,
) -> Result<Option<String>> {
    let mut command = Command::new(tools::osslsigncode(layout)?)
        .args(["verify", "-ignore-timestamp", "-ignore-crl", "-CAfile"])
        .arg(certificate);
    if let Some(catalog) = catalog {
        command = command.arg("-catalog").arg(catalog);
    }
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let captured = step::capture(
        layout,
        &format!("verify {name}"),
        "package-verify",
        &command.arg("-in").arg(file),
    )?;
    if captured.code == Some(0) {
        return Ok(None);
    }
    let said = captured
        .text
        .lines()
        .rfind(|line| line.contains("rror") || line.contains("MISMATCH"));
    Ok(Some(
        said.unwrap_or("osslsigncode does not accept it")
            .trim()
            .to_owned(),
    ))
}

/// Why a certificate cannot be used at this time.
pub(super) fn validity_problem(certificate: &Certificate, now: SystemTime) -> Result<Option<String>> {
    let validity = &certificate.tbs_certificate.validity;
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("a clock before 1970")?;
    let limits = [validity.not_before, validity.not_after].map(Time::to_unix_duration);
    let [from, to]: [Duration; 2] = limits;
    Ok(if now > to {
        Some(format!("expired on {}", validity.not_after))
    } else if now < from {
        Some(format!("is not valid before {}", validity.not_before))
    } else {
        None
    })
}
