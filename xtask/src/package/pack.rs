//! Folders in and out of zip files.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// All files of a folder, relative to it, in the order of their names.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    fn walk(folder: &Path, inner: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
        for entry in fs::read_dir(folder.join(inner))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                walk(folder, &path, found)?;
            } else {
                found.push(path);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, Path::new(""), &mut found)?;
    found.sort();
    Ok(found)
}

/// Packs a folder under its own name. The same files make the same bytes.
pub(super) fn pack(folder: &Path, to: &Path) -> Result<()> {
    let front = PathBuf::from(folder.file_name().context("a folder has a name")?);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    // The time of the files is that of nothing; the format's first day stands for it.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for file in files(folder)? {
        let name = front.join(&file).to_string_lossy().replace('\\', "/");
        writer.start_file(name, options)?;
        writer.write_all(&fs::read(folder.join(&file))?)?;
    }
    let bytes = writer.finish()?.into_inner();
    Ok(fs::write(to, bytes)?)
}

/// Unpacks into a folder that is made anew, and gives the one folder that was packed.
pub(super) fn unpack(from: &Path, to: &Path) -> Result<PathBuf> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let mut archive = ZipArchive::new(Cursor::new(fs::read(from)?)).context("it is no zip file")?;
    archive.extract(to)?;
    let mut inner = fs::read_dir(to)?;
    let first = inner.next().context("the zip file is empty")??;
    Ok(first.path())
}
