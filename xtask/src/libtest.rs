//! Reads what test programs print, and what cargo says of those that it builds.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What one or more test programs said in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) ignored: u32,
    /// Programs that came to their end.
    pub(crate) programs: u32,
}

/// Sums up all lines such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
pub(crate) fn counts(log: &str) -> Counts {
    let mut sum = Counts::default();
    for line in log.lines() {
        let Some((_, result)) = line.trim_end().split_once("test result: ") else {
            continue;
        };
        sum.programs += 1;
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(word)) = (
                words.next().and_then(|word| word.parse::<u32>().ok()),
                words.next(),
            ) else {
                continue;
            };
            match word {
                "passed" => sum.passed += number,
                "failed" => sum.failed += number,
                "ignored" => sum.ignored += number,
                _ => {}
            }
        }
    }
    sum
}

/// Names of the tests that failed.
pub(crate) fn failures(log: &str) -> Vec<&str> {
    log.lines().filter_map(failure).collect()
}

fn failure(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// One line of cargo's messages.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// The test program of this name, from the messages of `cargo test --no-run --message-format=json`.
pub(crate) fn program(messages: &str, name: &str) -> Result<PathBuf> {
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable);
    built
        .into_iter()
        .find(|path| {
            path.file_stem()
                .is_some_and(|stem| stem.to_string_lossy().starts_with(name))
        })
        .with_context(|| format!("cargo built no test program {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "running 2 tests\r\n\
        test a::b ... ok\r\n\
        test a::c ... FAILED\r\n\
        test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\r\n\
        test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1.25s\n";

    #[test]
    fn results_are_summed_up() {
        let sum = Counts {
            passed: 6,
            failed: 1,
            ignored: 2,
            programs: 2,
        };
        assert_eq!(counts(LOG), sum);
    }

    #[test]
    fn failures_are_named() {
        assert_eq!(failures(LOG), ["a::c"]);
    }
}
