//! The log of the drivers: what Wine and the host wrote while a session lasted.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

/// A line with one of these means that the drivers, the host or Wine itself failed.
const SIGNS: [&str; 5] = [
    "kswine: finding",
    "KeBugCheckEx",
    "didn't complete the IRP",
    "ZwLoadDriver failed",
    "wait timed out",
];
/// So begin the lines with which Wine says that a process of its own dies.
const DEATHS: [&str; 2] = ["wine: Unhandled", "wine: Call from"];
/// More are not printed: the log has them.
const SHOWN: usize = 20;

/// The lines that tell of a failure.
pub(crate) struct Findings {
    lines: Vec<String>,
    log: PathBuf,
}

impl Findings {
    /// Reads a log.
    pub(crate) fn read(log: &Path) -> Result<Self> {
        let text = fs::read(log)?;
        let text = String::from_utf8_lossy(&text);
        Ok(Self {
            lines: text
                .lines()
                .filter(|line| is_sign(line))
                .map(str::to_owned)
                .collect(),
            log: log.to_path_buf(),
        })
    }

    pub(crate) fn clean(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines themselves.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Shows them on standard error.
    pub(crate) fn print(&self) {
        if self.clean() {
            return;
        }
        eprintln!("{} findings in {}:", self.lines.len(), self.log.display());
        for line in self.lines.iter().take(SHOWN) {
            eprintln!("    {line}");
        }
    }
}

fn is_sign(line: &str) -> bool {
    DEATHS.iter().any(|death| line.starts_with(death)) || SIGNS.iter().any(|sign| line.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_from_noise() {
        for line in [
            "wine: Unhandled page fault on write access to 0x10 at address 0x21A13C9 (thread 00f4)",
            "wine: Call from 0x17001e1f2 to unimplemented function ntoskrnl.exe.ExAllocatePool2, aborting",
            "00d4:err:ntoskrnl:KeBugCheckEx deaddead 1 2 3 4",
            "00d4:warn:debugstr:vDbgPrintExWithPrefix 00000000:00000001: kswine: finding: leak",
            "00d4:err:ntoskrnl:dispatch_irp dispatch routine returned 0 but didn't complete the IRP",
        ] {
            assert!(is_sign(line), "{line}");
        }
        for line in [
            "wine: configuration in L\"/work/prefix\" has been updated.",
            "00d4:err:winediag:nodrv_CreateWindow Application tried to create a window",
            "00d4:warn:debugstr:vDbgPrintExWithPrefix 00000000:00000001: kswine: bound kswrite",
        ] {
            assert!(!is_sign(line), "{line}");
        }
    }
}
