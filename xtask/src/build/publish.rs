//! Copies what cargo has built to `target/kswrite`, under the names that Windows knows.

use std::path::PathBuf;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::layout::Layout;
use crate::stamp;
use crate::tools::{ARM64, GNU, MSVC};

/// A built image.
pub(crate) struct Image {
    /// File name in `target/kswrite`.
    pub(crate) name: &'static str,
    /// Target triple it is built for.
    target: &'static str,
    /// File name that cargo gives it, without extension.
    stem: &'static str,
    /// Extension that cargo gives it.
    extension: &'static str,
}

/// The part of KMDF that Wine lacks.
const WINE_HOST: &str = "WDFLDR.SYS";
/// The library for C programs.
pub(crate) const LIBRARY: &str = "kswrite_client.dll";
/// Its header.
pub(crate) const HEADER: &str = "kswrite_client.h";
/// Its import library, as MinGW names it.
pub(crate) const IMPORTS: &str = "libkswrite_client.dll.a";
/// Its import library for ARM64, as Microsoft's tools name it.
pub(crate) const ARM64_IMPORTS: &str = "kswrite_client.dll.lib";

/// All of them.
pub(crate) const IMAGES: [Image; 5] = [
    Image::driver("kswrite.sys", "kswrite"),
    Image::driver("ksink.sys", "ksink"),
    Image::driver(WINE_HOST, "wine_kmdf"),
    Image {
        name: "ksw.exe",
        target: GNU,
        stem: "ksw",
        extension: "exe",
    },
    Image {
        name: LIBRARY,
        target: GNU,
        stem: "kswrite_client",
        extension: "dll",
    },
];

impl Image {
    const fn driver(name: &'static str, stem: &'static str) -> Self {
        Self {
            name,
            target: MSVC,
            stem,
            extension: "dll",
        }
    }

    /// Drivers have their symbols in a PDB, which keeps the name that the image itself names.
    fn pdb(&self) -> Option<String> {
        (self.target == MSVC).then(|| format!("{}.pdb", self.stem))
    }

    fn built(&self) -> String {
        format!("{}.{}", self.stem, self.extension)
    }
}

/// Copies each file that differs.
pub(super) fn all(layout: &Layout) -> Result<()> {
    for image in &IMAGES {
        let folder = layout.cargo_target().join(image.target).join("release");
        let built = fs::read(folder.join(image.built()))
            .with_context(|| format!("the build made no {}", image.name))?;
        stamp::write_if_changed(&layout.artifact(image.name), &built)?;
        if let Some(pdb) = image.pdb() {
            let symbols = fs::read(folder.join(&pdb))?;
            stamp::write_if_changed(&layout.artifact(&pdb), &symbols)?;
        }
    }
    // What C programs are compiled and linked with.
    let imports = layout.cargo_target().join(GNU).join("release").join(IMPORTS);
    let header = layout.root.join("crates/kswrite_dll/include").join(HEADER);
    for (name, from) in [(IMPORTS, imports), (HEADER, header)] {
        stamp::write_if_changed(&layout.artifact(name), &fs::read(from)?)?;
    }
    Ok(())
}

/// Copies what is built for ARM64 to `target/kswrite/arm64`, and gives that folder.
pub(super) fn arm64(layout: &Layout) -> Result<PathBuf> {
    let (from, to) = (
        layout.cargo_target().join(ARM64).join("release"),
        layout.artifact("arm64"),
    );
    for image in IMAGES.iter().filter(|image| image.name != WINE_HOST) {
        stamp::write_if_changed(&to.join(image.name), &fs::read(from.join(image.built()))?)?;
        if let Some(pdb) = image.pdb() {
            stamp::write_if_changed(&to.join(&pdb), &fs::read(from.join(&pdb))?)?;
        }
    }
    stamp::write_if_changed(&to.join(ARM64_IMPORTS), &fs::read(from.join(ARM64_IMPORTS))?)?;
    stamp::write_if_changed(&to.join(HEADER), &fs::read(layout.artifact(HEADER))?)?;
    Ok(to)
}

/// Deletes the linked drivers, so that cargo links them again: it does not know the import libraries.
pub(crate) fn forget_images(layout: &Layout) -> Result<()> {
    let release = layout.cargo_target().join(MSVC).join("release");
    for image in IMAGES.iter().filter(|image| image.target == MSVC) {
        for folder in [release.clone(), release.join("deps")] {
            let file = folder.join(image.built());
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
    }
    Ok(())
}

/// One line for each artefact.
pub(super) fn print_sizes(layout: &Layout) -> Result<()> {
    let pdbs = IMAGES.iter().filter_map(Image::pdb);
    let for_c = [IMPORTS, HEADER].map(str::to_owned);
    for name in IMAGES
        .iter()
        .map(|image| image.name.to_owned())
        .chain(pdbs)
        .chain(for_c)
    {
        let path = layout.artifact(&name);
        println!("{:>10}  {}", fs::metadata(&path)?.len(), layout.show(&path));
    }
    Ok(())
}
