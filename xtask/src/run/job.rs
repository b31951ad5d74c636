//! One row of the main job.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use ksw::plan::Engine;
use ksw::report::WriteReport;
use kswrite_wire::names::SinkKind;
use serde::Serialize;

use crate::wine::Session;

/// Bytes of one write.
const BLOCK: &str = "64KiB";
/// Writes kept outstanding.
const DEPTH: &str = "32";

/// The way a write takes through the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Route {
    /// The sink's FastIoWrite takes it.
    Fast,
    /// FastIoWrite declines, and the IRP pends.
    Irp,
    /// There is no FastIoWrite, and the IRP completes before the dispatch routine returns.
    Inline,
}

impl Route {
    /// The paths of the main job.
    pub(crate) const ALL: [Self; 2] = [Self::Fast, Self::Irp];
    /// The paths of the benchmark. A pended write also measures how the host's timer thread is scheduled; one
    /// that completes inline shows what the filter itself costs.
    pub(crate) const MEASURED: [Self; 3] = [Self::Fast, Self::Inline, Self::Irp];

    /// What the sink is told to do. Without the filter nothing calls FastIoWrite: then the first script
    /// completes each IRP at once, and the second pends it.
    pub(crate) const fn script(self) -> &'static str {
        match self {
            Self::Fast => "fast=accept,completion=inline",
            Self::Irp => "fast=decline,completion=pended",
            Self::Inline => "fast=absent,completion=inline",
        }
    }

    /// The word of the tables; the harness uses the same.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Irp => "irp",
            Self::Inline => "irp inline",
        }
    }
}

/// One sink, one engine, one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) sink: SinkKind,
    pub(super) engine: Engine,
    pub(super) path: Route,
}

impl Job {
    /// All rows, in the order of the table.
    pub(super) fn all() -> Vec<Self> {
        let mut jobs = Vec::new();
        for sink in SinkKind::ALL {
            for engine in Engine::ALL {
                jobs.extend(Route::ALL.map(|path| Self { sink, engine, path }));
            }
        }
        jobs
    }

    /// Writes `file`; the report says how it went, also when digests differ.
    pub(super) fn run(self, session: &Session<'_>, file: &Path, filter: bool) -> Result<WriteReport> {
        let side = if filter {
            "through the filter"
        } else {
            "without the filter"
        };
        let log = format!(
            "run-{}-{}-{}-{filter}",
            self.sink.word(),
            self.engine.word(),
            self.path.word()
        );
        let words = [
            "ksw",
            "write",
            "--device",
            self.sink.path(),
            "--file",
            &crate::wine::windows_path(file),
            "--block",
            BLOCK,
            "--depth",
            DEPTH,
            "--engine",
            self.engine.word(),
            "--script",
            self.path.script(),
            "--verify",
            "--json",
        ];
        session.json(&format!("write {self} {side}"), &log, &words)
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}",
            self.sink.word(),
            self.engine.word(),
            self.path.word()
        )
    }
}
