//! The page of a run: what came out, then the tables and charts, in one file that needs no network.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;
use ksw::bench::report::BenchReport;
use ksw::exit::Exit;
use ksw::page::{Page, Tone, html, table};
use kswrite_conform::report::Agreement;
use kswrite_conform::result::Results;
use serde::Serialize;

use super::report::RunReport;

/// Everything that a run found.
pub(crate) struct Found {
    pub(super) run: RunReport,
    pub(crate) rules: Results,
    pub(crate) model: Results,
    pub(crate) agreement: Agreement,
    pub(super) bench: BenchReport,
}

impl Found {
    /// Whether all is as it should be.
    pub(crate) fn passed(&self) -> bool {
        self.run.passed()
            && self.rules.passed()
            && self.model.passed()
            && self.agreement.holds()
            && self.bench.exit() == Exit::Success
    }

    /// Writes `index.html` and the JSON behind it to a folder. Returns the path of the page.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        json(folder, "run.json", &self.run)?;
        json(folder, "conform.json", &self.rules)?;
        json(folder, "agreement.json", &self.agreement)?;
        json(folder, "bench.json", &self.bench)?;
        let path = folder.join("index.html");
        fs::write(&path, self.page()?.render())?;
        Ok(path)
    }

    fn page(&self) -> Result<Page> {
        let page = Page::new("kswrite in Wine")
            .part(self.run.page())
            .part(ksw::conform::page::page(&self.rules))
            .part(agreement(&self.agreement))
            .part(ksw::bench::html::page(&self.bench)?);
        Ok(page)
    }
}

fn json(folder: &Path, name: &str, value: &impl Serialize) -> Result<()> {
    Ok(fs::write(
        folder.join(name),
        serde_json::to_string_pretty(value)?,
    )?)
}

/// Whether Wine and the model agree, as a page.
fn agreement(agreement: &Agreement) -> Page {
    let (tone, word) = if agreement.holds() {
        (Tone::Good, "agree")
    } else {
        (Tone::Bad, "DISAGREE")
    };
    let sentence = format!(
        "Wine and the model {word}: {} rows alike, {} with a known difference, {} not explained.",
        agreement.agreeing,
        agreement.explained,
        agreement.disagreements.len()
    );
    let page = Page::new("Wine and the model").verdict(tone, sentence);
    if agreement.disagreements.is_empty() {
        return page;
    }
    let body = html! {
        ul {
            @for row in &agreement.disagreements {
                li {
                    (row.id) " on " (row.target) ": " (row.what) ": " code { (row.here) } " in Wine, " code { (row.there) }
                    " in the model"
                }
            }
        }
    };
    page.section("Disagreements", body)
}

impl RunReport {
    /// The main job as a page.
    fn page(&self) -> Page {
        let (tone, sentence) = if self.passed() {
            (
                Tone::Good,
                "Every byte arrived once and in order, by the path that it should take.",
            )
        } else {
            (Tone::Bad, "The main job FAILED: see below.")
        };
        let body = html! {
            @for problem in self.problems() { p { (problem) } }
            (table(&self.table()))
            p { (self.account()) }
        };
        Page::new("Main job")
            .verdict(tone, sentence)
            .section("Writes with and without the filter", body)
    }
}
