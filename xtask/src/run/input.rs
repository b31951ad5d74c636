//! The file that is written.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::build::IMAGES;
use crate::layout::Layout;
use crate::stamp::{self, Inputs};
use crate::step;

/// Not a multiple of any block size, so that the last write is a short one.
const BYTES: usize = (64 << 20) + 12_345;
/// Each piece of this size begins with its number, so that no two are alike.
const PIECE: usize = 4096;

/// The user's file, if it can be written to a device.
pub(super) fn given(path: &Path) -> Result<PathBuf> {
    let about = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !about.is_file() {
        bail!("{} is not a file", path.display());
    }
    Ok(fs::canonicalize(path)?)
}

/// The file of the main job: at least 64 MiB, made from the images that were just built.
pub(super) fn large(layout: &Layout) -> Result<PathBuf> {
    made(layout, "input.bin", BYTES)
}

/// A file of `bytes`, made from the images. The same images give the same file.
pub(super) fn made(layout: &Layout, name: &str, bytes: usize) -> Result<PathBuf> {
    let file = layout.artifact(name);
    let mut inputs = Inputs::default().word(bytes.to_le_bytes());
    for image in &IMAGES {
        inputs = inputs.path(&layout.artifact(image.name))?;
    }
    let digest = inputs.digest();
    let stamp = layout.stamp(name);
    if !stamp::fresh(&stamp, &digest) || !file.is_file() {
        step::work("make the input file", || make(layout, &file, bytes))?;
        stamp::set(&stamp, &digest)?;
    }
    Ok(file)
}

fn make(layout: &Layout, file: &Path, bytes: usize) -> Result<()> {
    let mut source = Vec::new();
    for image in &IMAGES {
        source.extend(fs::read(layout.artifact(image.name))?);
    }
    Ok(fs::write(file, content(&source, bytes)?)?)
}

fn content(source: &[u8], bytes: usize) -> Result<Vec<u8>> {
    let last = source.last().context("the images are empty")?;
    let mut content = Vec::with_capacity(bytes + PIECE);
    let mut rest = source.iter().cycle();
    for number in 0_u64.. {
        if content.len() >= bytes {
            break;
        }
        content.extend(number.to_le_bytes());
        content.extend((size_of::<u64>()..PIECE).map(|_| rest.next().unwrap_or(last)));
    }
    content.truncate(bytes);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn pieces_differ_and_the_length_is_exact() {
        let content = content(b"abc", 5 * PIECE + 7).unwrap();
        assert_eq!(content.len(), 5 * PIECE + 7);
        let pieces: HashSet<&[u8]> = content.chunks(PIECE).collect();
        assert_eq!(pieces.len(), 6);
    }
}
