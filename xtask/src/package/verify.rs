//! `cargo xtask package --verify`: whether a package is whole, right and for the machine it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use fs_err as fs;
use ksw::install::system::Machine;
use kswrite_inf::{Inf, Stage};
use object::LittleEndian as LE;
use object::read::pe::{ImageNtHeaders, PeFile64};
use x509_cert::Certificate;
use x509_cert::der::{Decode, EncodePem};

use super::catalog::{self, Member};
use super::{ARCHITECTURES, Architecture, CERTIFICATE, sign};
use crate::build;
use crate::inf;
use crate::layout::Layout;

/// A file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The file, relative to the package.
    pub(super) file: PathBuf,
    /// The reason.
    pub(super) what: String,
}

/// Looks at one unpacked package.
pub(super) struct Verifier<'a> {
    layout: &'a Layout,
    folder: &'a Path,
    /// The package's certificate in PEM, for osslsigncode.
    certificate: Option<PathBuf>,
    found: Vec<Finding>,
}

impl<'a> Verifier<'a> {
    /// All findings; none if the package is right.
    ///
    /// # Errors
    ///
    /// Something else than the package: a tool or a file of our own.
    pub(super) fn findings(layout: &'a Layout, folder: &'a Path, now: SystemTime) -> Result<Vec<Finding>> {
        let mut verifier = Self {
            layout,
            folder,
            certificate: None,
            found: Vec::new(),
        };
        verifier.certificate(now)?;
        let mut any = false;
        for architecture in &ARCHITECTURES {
            if folder.join(architecture.folder).is_dir() {
                any = true;
                for name in inf::NAMES {
                    verifier.package(architecture, name)?;
                }
                verifier.programs(architecture);
            }
        }
        if !any {
            verifier.found(
                Path::new(""),
                "there is no folder of any architecture in the package",
            );
        }
        Ok(verifier.found)
    }

    fn found(&mut self, file: &Path, what: impl Into<String>) {
        let file = file.strip_prefix(self.folder).unwrap_or(file).to_path_buf();
        self.found.push(Finding {
            file,
            what: what.into(),
        });
    }

    /// A file's bytes; a finding if there is no such file.
    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        let bytes = fs::read(path).ok();
        if bytes.is_none() {
            self.found(path, "it is missing");
        }
        bytes
    }

    /// The certificate: there, readable, valid now.
    fn certificate(&mut self, now: SystemTime) -> Result<()> {
        let path = self.folder.join(CERTIFICATE);
        let Some(bytes) = self.read(&path) else {
            return Ok(());
        };
        let Ok(certificate) = Certificate::from_der(&bytes) else {
            self.found(&path, "it is no certificate");
            return Ok(());
        };
        if let Some(problem) = sign::validity_problem(&certificate, now)? {
            self.found(&path, format!("it {problem}"));
        }
        let pem = self.layout.out.join("package-certificate.pem");
        fs::write(&pem, certificate.to_pem(x509_cert::der::pem::LineEnding::LF)?)?;
        self.certificate = Some(pem);
        Ok(())
    }

    /// The harness, the library and the symbols: there, and for the machine.
    fn programs(&mut self, architecture: &Architecture) {
        let folder = self.folder.join(architecture.folder);
        for name in architecture.programs {
            let path = folder.join(name);
            if let Some(bytes) = self.read(&path)
                && (name == build::LIBRARY || name == "ksw.exe")
            {
                self.machine(architecture, &path, &bytes);
            }
        }
        for name in inf::NAMES {
            let _ = self.read(&folder.join("symbols").join(format!("{name}.pdb")));
        }
    }

    /// Whether an image is for the machine of its folder; `false` if it is no image.
    fn machine(&mut self, architecture: &Architecture, path: &Path, bytes: &[u8]) -> bool {
        let Ok(image) = PeFile64::parse(bytes) else {
            self.found(path, "it is no 64-bit Windows image");
            return false;
        };
        let machine = Machine::from_image(image.nt_headers().file_header().machine.get(LE));
        if machine != architecture.machine {
            let what = format!(
                "it is built for {machine}, in the folder for {}",
                architecture.machine
            );
            self.found(path, what);
        }
        true
    }

    /// INF, catalogue and image of one driver.
    fn package(&mut self, architecture: &Architecture, name: &str) -> Result<()> {
        let folder = self.folder.join(architecture.folder);
        let inf_path = folder.join(format!("{name}.inf"));
        let Some(bytes) = self.read(&inf_path) else {
            return Ok(());
        };
        let context = kswrite_inf::Context {
            name,
            stage: Stage::Stamped(super::today()?),
        };
        for finding in kswrite_inf::check(&bytes, context) {
            self.found(&inf_path, finding.to_string());
        }
        let Ok(inf) = Inf::parse(&String::from_utf8_lossy(&bytes)) else {
            return Ok(());
        };
        self.decoration(architecture, &inf, &inf_path);
        let catalog_path = folder.join(format!("{name}.cat"));
        let mut files = inf.copied_files();
        for file in &files {
            self.image(architecture, &folder.join(file))?;
        }
        files.push(format!("{name}.inf"));
        self.catalog(&folder, &catalog_path, &inf, &files)
    }

    /// The INF installs on the architecture whose folder it lies in.
    fn decoration(&mut self, architecture: &Architecture, inf: &Inf, path: &Path) {
        let expected = format!("NT{}", architecture.inf);
        for model in inf.models() {
            let platform = model.decoration.split('.').next().unwrap_or_default();
            if !platform.eq_ignore_ascii_case(&expected) {
                let what = format!("it is for {platform}, in the folder for {}", architecture.machine);
                return self.found(path, what);
            }
        }
    }

    /// Machine and embedded signature of an image.
    fn image(&mut self, architecture: &Architecture, path: &Path) -> Result<()> {
        let Some(bytes) = self.read(path) else {
            return Ok(());
        };
        if !self.machine(architecture, path, &bytes) {
            return Ok(());
        }
        if let Some(certificate) = self.certificate.clone()
            && let Some(said) = sign::verify(self.layout, &certificate, path, None)?
        {
            self.found(path, format!("its embedded signature is not right: {said}"));
        }
        Ok(())
    }

    /// The catalogue lists these files with their hashes and no others, and the package's certificate has signed it.
    fn catalog(&mut self, folder: &Path, path: &Path, inf: &Inf, files: &[String]) -> Result<()> {
        let Some(bytes) = self.read(path) else {
            return Ok(());
        };
        let catalog = match catalog::read(&bytes) {
            Ok(catalog) => catalog,
            Err(error) => {
                self.found(path, format!("it is no catalogue: {error:#}"));
                return Ok(());
            }
        };
        self.hardware_ids(path, inf, &catalog);
        for file in files {
            let member_path = folder.join(file);
            let Ok(content) = fs::read(&member_path) else {
                continue;
            };
            let listed = catalog
                .members
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(file));
            match (listed, Member::of(file, &content)) {
                (None, _) => self.found(&member_path, "the catalogue does not list it"),
                (Some(_), Err(error)) => self.found(&member_path, format!("it cannot be hashed: {error:#}")),
                (Some((_, hash)), Ok(member)) if hash.as_slice() != member.hash => {
                    self.found(
                        &member_path,
                        "it was changed after the catalogue was made: its hash is another",
                    );
                }
                (Some(_), Ok(_)) => {}
            }
        }
        let known: BTreeSet<String> = files.iter().map(|file| file.to_lowercase()).collect();
        for (name, _) in &catalog.members {
            if !known.contains(&name.to_lowercase()) {
                self.found(path, format!("it lists {name}, which the INF does not copy"));
            }
        }
        self.catalog_signature(folder, path, &catalog, files)
    }

    /// The catalogue is for the devices that the INF is for.
    fn hardware_ids(&mut self, path: &Path, inf: &Inf, catalog: &catalog::Catalog) {
        for id in inf.hardware_ids() {
            let listed =
                |(name, text): &(String, String)| name.starts_with("HWID") && text.eq_ignore_ascii_case(&id);
            if !catalog.header.iter().any(listed) {
                self.found(path, format!("it is not for the device {id}"));
            }
        }
    }

    fn catalog_signature(
        &mut self,
        folder: &Path,
        path: &Path,
        catalog: &catalog::Catalog,
        files: &[String],
    ) -> Result<()> {
        if catalog.certificates.is_empty() {
            self.found(path, "it is not signed");
            return Ok(());
        }
        let Some(certificate) = self.certificate.clone() else {
            return Ok(());
        };
        let own = fs::read(self.folder.join(CERTIFICATE))?;
        if !catalog.certificates.contains(&own) {
            self.found(
                path,
                format!("it is signed with another certificate than {CERTIFICATE}"),
            );
            return Ok(());
        }
        // osslsigncode finds images in a catalogue; it does not know the other kinds of files.
        let image = files
            .iter()
            .find(|file| catalog::is_image(file))
            .context("a driver has an image")?;
        if folder.join(image).is_file()
            && let Some(said) = sign::verify(self.layout, &certificate, &folder.join(image), Some(path))?
        {
            self.found(path, format!("it does not vouch for {image}: {said}"));
        }
        Ok(())
    }
}
