//! `ksw diag`: everything that a report should have, in one file.

use serde::{Deserialize, Serialize};

use super::system::System;
use crate::report::FilterCounters;
use crate::status::{Answer, StatusReport};

/// The file, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diag {
    /// What this file is.
    pub about: String,
    /// Version of this program.
    pub ksw: String,
    /// Version of the protocol that this program speaks.
    pub wire: u32,
    /// The machine.
    pub system: System,
    /// Which drivers answer, and what is installed.
    pub status: StatusReport,
    /// What the filter counted, on all devices.
    pub counters: Answer<FilterCounters>,
    /// What it counted for writes to file objects.
    pub file_object_counters: Answer<FilterCounters>,
    /// The filter's decision records.
    pub trace: Answer<serde_json::Value>,
    /// The last lines of SetupAPI's device log that are about this project's drivers.
    pub setup_log: Vec<String>,
}

/// What the file says of itself.
pub const ABOUT: &str = "Made by `ksw diag`. Holds versions of the system and of the drivers, what is installed and how \
                         the devices are stacked, the filter's counters and decision records (lengths, offsets, status \
                         codes, process numbers; no data of any write), and lines of SetupAPI's log about these \
                         drivers. Names of the user and of the computer are replaced.";

impl Diag {
    /// One line for each part, for the user who attaches the file.
    pub fn contents(&self) -> Vec<(&'static str, String)> {
        fn state<T>(answer: &Answer<T>) -> String {
            match answer {
                Answer::Present(_) => "read".to_owned(),
                Answer::Absent => "none: the filter is not there".to_owned(),
                Answer::Failed(why) => why.clone(),
            }
        }
        let installed = &self.status.installed;
        vec![
            ("system", self.system.name()),
            (
                "installed",
                format!(
                    "{} packages, {} devices, {} services",
                    installed.packages.len(),
                    installed.devices.len(),
                    installed
                        .services
                        .iter()
                        .filter(|service| service.state.is_some())
                        .count()
                ),
            ),
            ("counters", state(&self.counters)),
            ("trace", state(&self.trace)),
            ("SetupAPI log", format!("{} lines", self.setup_log.len())),
        ]
    }
}

/// The sections of SetupAPI's device log that name one of `names`: their last `limit` lines.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/install/format-of-a-text-log-section>
pub fn log_sections(log: &str, names: &[&str], limit: usize) -> Vec<String> {
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    for line in log.lines() {
        // Two lines begin a section: what it is about, and when.
        if line.starts_with(">>>  [") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    let about_us = |section: &Vec<&str>| {
        section.iter().any(|line| {
            let lower = line.to_lowercase();
            names.iter().any(|name| lower.contains(&name.to_lowercase()))
        })
    };
    let kept: Vec<&str> = sections.into_iter().filter(about_us).flatten().collect();
    let from = kept.len().saturating_sub(limit);
    kept.into_iter().skip(from).map(str::to_owned).collect()
}

/// `text` with each private word replaced by what stands for it. Case does not matter; words of fewer than three
/// characters would tear other words apart, and are left.
pub fn redacted(text: &str, private: &[(String, &str)]) -> String {
    let mut out = text.to_owned();
    for (word, stand_in) in private.iter().filter(|(word, _)| word.chars().count() >= 3) {
        out = replaced(&out, word, stand_in);
    }
    out
}

fn replaced(text: &str, word: &str, stand_in: &str) -> String {
    // ASCII case only, so that positions in both texts are the same.
    let (lower, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, found) in lower.match_indices(&word) {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(stand_in);
        from = at + found.len();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sections_about_these_drivers_are_taken() {
        let log = "[Device Install Log]\n>>>  [Setup - other.inf]\n>>>  Section start 1\n     x\n<<<  Section end 1\n\
                   >>>  [Setup - C:\\Ksink.inf]\n>>>  Section start 2\n     y\n<<<  Section end 2\n";
        let lines = log_sections(log, &["ksink", "kswrite"], 100);
        assert_eq!(lines.len(), 4);
        assert!(lines[0].contains("Ksink.inf") && lines[2].contains('y'));
        assert_eq!(log_sections(log, &["ksink"], 1), ["<<<  Section end 2"]);
    }

    #[test]
    fn names_of_people_and_machines_are_replaced() {
        let private = [
            (r"C:\Users\Ada".to_owned(), "%USERPROFILE%"),
            ("ada".to_owned(), "<user>"),
            ("me".to_owned(), "<computer>"),
        ];
        assert_eq!(
            redacted(r"c:\users\ADA\x.inf by Ada, name", &private),
            r"%USERPROFILE%\x.inf by <user>, name"
        );
    }
}
