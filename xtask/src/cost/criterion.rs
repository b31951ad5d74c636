//! Nanoseconds, measured by criterion.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use kswrite_bench::Subject;
use serde::Deserialize;

use super::PACKAGE;
use crate::layout::Layout;
use crate::step;
use crate::tools;

/// The median time of each subject, by its name.
pub(super) type Times = BTreeMap<String, f64>;

/// `estimates.json` of criterion.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Builds the timed benchmark and runs it.
pub(super) fn measure(
    layout: &Layout,
    folder: &Path,
    subjects: impl Iterator<Item = Subject>,
) -> Result<Times> {
    let home = folder.join("criterion");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let bench = ["--features", "nanoseconds", "--bench", "nanoseconds"];
    let build = tools::host_cargo(layout, "bench")?
        .args(["-p", PACKAGE, "--no-run"])
        .args(bench);
    step::run(
        layout,
        "build the timed benchmark",
        "bench-core-build-time",
        &build,
    )?;
    let command = tools::host_cargo(layout, "bench")?
        .args(["-p", PACKAGE])
        .args(bench)
        .env("CRITERION_HOME", &home);
    step::run(layout, "time the writes", "bench-core-time", &command)?;
    let mut times = Times::new();
    for name in subjects.map(|subject| subject.to_string()) {
        // criterion makes a folder of a name.
        let file = home.join(name.replace('/', "_")).join("new/estimates.json");
        let estimates: Estimates = serde_json::from_str(&fs::read_to_string(file)?)?;
        times.insert(name, estimates.median.point_estimate);
    }
    Ok(times)
}
