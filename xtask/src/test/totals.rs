//! The totals over all venues.

use std::fmt;

use anyhow::Result;
use fs_err as fs;

use crate::libtest::{Counts, counts, failures};
use crate::step::{Ended, tail};

/// How many tests passed and failed.
#[derive(Debug, Default)]
pub(super) struct Totals {
    passed: u32,
    failed: u32,
}

impl Totals {
    /// Adds what the test programs of a venue printed, and prints it as one line and the failures.
    pub(super) fn add(&mut self, venue: &str, ended: &Ended) -> Result<()> {
        self.add_read(venue, ended, |log| (counts(log), failures(log)))
    }

    /// The same, of programs whose output is to be read in another way: counts, and what failed.
    pub(super) fn add_read(
        &mut self,
        venue: &str,
        ended: &Ended,
        read: impl FnOnce(&str) -> (Counts, Vec<&str>),
    ) -> Result<()> {
        let log = String::from_utf8_lossy(&fs::read(&ended.log)?).into_owned();
        let (counts, failures) = read(&log);
        println!(
            "{venue}: {} passed, {} failed, {} ignored",
            counts.passed, counts.failed, counts.ignored
        );
        for name in failures {
            println!("    FAILED {name}");
        }
        self.passed += counts.passed;
        self.failed += counts.failed;
        let died = counts.failed == 0 && ended.code != Some(0);
        // A program that did not build, or that ended in the middle, counts no failure itself.
        if died || counts.programs == 0 {
            println!(
                "    FAILED a test program did not come to its end; {} says:",
                ended.log.display()
            );
            for line in tail(&ended.log, 25) {
                println!("        {line}");
            }
            self.failed += 1;
        }
        Ok(())
    }

    /// Adds one check that is no test of a test program.
    pub(super) fn check(&mut self, name: &str, passed: bool) {
        println!("{name}: {}", if passed { "ok" } else { "FAILED" });
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    pub(super) fn passed(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}
