//! `cargo xtask package`: what a Windows test machine installs, as one zip file.

mod catalog;
mod pack;
mod sign;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Args;
use der::DateTime;
use fs_err as fs;
use ksw::install::system::Machine;
use kswrite_inf::Inf;

use crate::build;
use crate::inf::{self, Stamp};
use crate::layout::Layout;
use crate::step;
use crate::tools::{self, Purpose};
use catalog::{Header, Member};
use sign::Signer;
use verify::Verifier;

#[derive(Args)]
pub(crate) struct PackageOptions {
    /// Make nothing: look whether this package, a zip file or an unpacked folder, is whole and right. Without a path:
    /// the one that was made last.
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    #[expect(
        clippy::option_option,
        reason = "clap's form of an option whose value may be left out"
    )]
    verify: Option<Option<PathBuf>>,
}

/// An architecture of a package.
pub(super) struct Architecture {
    /// Its folder.
    folder: &'static str,
    /// `$ARCH$` of the INF files.
    inf: &'static str,
    /// What its images are built for.
    machine: Machine,
    /// What a catalogue calls the system.
    system: &'static str,
    /// What is there beside the drivers.
    programs: [&'static str; 4],
}

/// All that a package can have a folder of.
pub(super) const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        folder: "x64",
        inf: "amd64",
        machine: Machine::X64,
        system: "_v100_X64",
        programs: ["ksw.exe", build::LIBRARY, build::HEADER, build::IMPORTS],
    },
    Architecture {
        folder: "arm64",
        inf: "arm64",
        machine: Machine::Arm64,
        system: "_v100_ARM64",
        programs: ["ksw.exe", build::LIBRARY, build::HEADER, build::ARM64_IMPORTS],
    },
];

/// The test certificate, beside the folders.
pub(super) const CERTIFICATE: &str = "kswrite-test.cer";
/// The guide, beside the folders, and where it is in the checkout.
const GUIDE: (&str, &str) = ("INSTALL.md", "docs/install.md");

/// Makes a package, or verifies one.
pub(crate) fn package(layout: &Layout, options: &PackageOptions) -> Result<ExitCode> {
    match &options.verify {
        None => make(layout),
        Some(path) => {
            let path = path.clone().unwrap_or_else(|| zip_path(layout));
            judge(layout, &path)
        }
    }
}

fn name() -> String {
    format!("kswrite-{}", env!("CARGO_PKG_VERSION"))
}

fn zip_path(layout: &Layout) -> PathBuf {
    layout.out.join("package").join(format!("{}.zip", name()))
}

fn make(layout: &Layout) -> Result<ExitCode> {
    let tools = tools::ensure(layout, Purpose::Build)?;
    build::all(layout, &tools)?;
    let signer = Signer::ensure(layout)?;
    let folder = layout.out.join("package").join(name());
    let [x64, arm64] = &ARCHITECTURES;
    let mut built = vec![(x64, &layout.out)];
    let arm64_folder = build::arm64(layout, &tools)?;
    match &arm64_folder {
        Some(folder) => built.push((arm64, folder)),
        None => println!("for x64 alone: the toolchain has no target {}", tools::ARM64),
    }
    let made = commit_time(layout)?;
    fill(layout, &signer, &folder, &built, made)?;
    let zip = zip_path(layout);
    pack::pack(&folder, &zip)?;
    for file in pack::files(&folder)? {
        println!(
            "{:>10}  {}",
            fs::metadata(folder.join(&file))?.len(),
            file.display()
        );
    }
    judge(layout, &zip)
}

/// Makes a package for x64 of what was built, for tests, and gives its folder.
pub(crate) fn for_tests(layout: &Layout) -> Result<PathBuf> {
    let signer = Signer::ensure(layout)?;
    let folder = layout.out.join("package-tests/wine");
    let [x64, _] = &ARCHITECTURES;
    fs::create_dir_all(layout.out.join("package"))?;
    fill(
        layout,
        &signer,
        &folder,
        &[(x64, &layout.out)],
        commit_time(layout)?,
    )?;
    Ok(folder)
}

/// Makes the folder of a package anew, from the folders with what was built for each architecture.
fn fill(
    layout: &Layout,
    signer: &Signer<'_>,
    folder: &Path,
    built: &[(&Architecture, &PathBuf)],
    made: u64,
) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join(CERTIFICATE), signer.der()?)?;
    fs::copy(layout.root.join(GUIDE.1), folder.join(GUIDE.0))?;
    for (architecture, from) in built {
        let to = folder.join(architecture.folder);
        fs::create_dir_all(to.join("symbols"))?;
        for name in inf::NAMES {
            driver(layout, signer, architecture, from, &to, name, made)?;
        }
        for name in architecture.programs {
            fs::copy(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}

/// INF, image, catalogue and symbols of one driver.
fn driver(
    layout: &Layout,
    signer: &Signer<'_>,
    architecture: &Architecture,
    from: &Path,
    to: &Path,
    name: &str,
    made: u64,
) -> Result<()> {
    let [image, inf_file, catalog, symbols] =
        ["sys", "inf", "cat", "pdb"].map(|extension| format!("{name}.{extension}"));
    signer.sign(&from.join(&image), &to.join(&image), made)?;
    let stamped = inf::stamped_source(
        layout,
        name,
        &Stamp {
            architecture: architecture.inf,
            version: env!("CARGO_PKG_VERSION"),
            day: Some(day(made)?),
        },
    )?;
    fs::write(to.join(&inf_file), &stamped)?;
    let members = [
        Member::of(&inf_file, stamped.as_bytes())?,
        Member::of(&image, &fs::read(to.join(&image))?)?,
    ];
    let header = Header {
        system: architecture.system,
        hardware_ids: &Inf::parse(&stamped)?.hardware_ids(),
        made,
    };
    let unsigned = layout.out.join("package").join(format!("{catalog}.unsigned"));
    fs::write(&unsigned, catalog::make(&header, &members)?)?;
    signer.sign(&unsigned, &to.join(&catalog), made)?;
    fs::remove_file(&unsigned)?;
    fs::copy(from.join(&symbols), to.join("symbols").join(&symbols))?;
    Ok(())
}

/// Verifies and says what was found.
fn judge(layout: &Layout, path: &Path) -> Result<ExitCode> {
    let folder = if path.is_dir() {
        path.to_path_buf()
    } else {
        let unpacked = layout.out.join("package/verified");
        pack::unpack(path, &unpacked).with_context(|| layout.show(path).to_string())?
    };
    let findings = Verifier::findings(layout, &folder, SystemTime::now())?;
    for finding in &findings {
        println!("{}: {}", finding.file.display(), finding.what);
    }
    if findings.is_empty() {
        println!("{}: whole and right", layout.show(path));
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}: {} findings", layout.show(path), findings.len());
    Ok(ExitCode::FAILURE)
}

/// When the commit was made that is packaged, in seconds since 1970: two machines make the same package from it.
fn commit_time(layout: &Layout) -> Result<u64> {
    let command = crate::process::Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .dir(&layout.root);
    let captured = step::capture(layout, "time of the commit", "package-time", &command)?;
    let text = captured.text.trim();
    match text.parse() {
        Ok(time) if captured.code == Some(0) => Ok(time),
        _ => bail!(
            "a package has the version and the day of a commit, and git does not tell: {}",
            captured.failure
        ),
    }
}

/// `mm/dd/yyyy` of a time in seconds since 1970.
fn day(seconds: u64) -> Result<String> {
    let [year, month, day] = date(Duration::from_secs(seconds))?;
    Ok(format!("{month:02}/{day:02}/{year:04}"))
}

fn today() -> Result<[u16; 3]> {
    date(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}

fn date(since_1970: Duration) -> Result<[u16; 3]> {
    let date = DateTime::from_unix_duration(since_1970)?;
    Ok([date.year(), date.month().into(), date.day().into()])
}

#[cfg(test)]
mod tests;
