//! A browser without a window, for pictures of pages.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Programs that take a screenshot by the same options; the first is what apt installs.
const PROGRAMS: [&str; 5] = [
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// The first of them that is installed.
pub(super) fn find() -> Result<PathBuf> {
    let mut found = PROGRAMS.iter().filter_map(|name| which::which(name).ok());
    found.next().context("no Chromium")
}
