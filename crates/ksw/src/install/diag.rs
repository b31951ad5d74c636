//! `ksw diag`: everything that a report should have, in one file.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::system::System;
use crate::report::FilterCounters;
use crate::status::{Answer, StatusReport};
use crate::trace::TraceLine;

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
    /// The filter's decision records, one line for each write.
    pub trace: Answer<Trace>,
    /// The last lines of SetupAPI's device log that are about this project's drivers.
    pub setup_log: Vec<String>,
}

/// The filter's ring of decision records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Whether the ring is kept; without it there are no lines.
    pub on: bool,
    /// Records that were overwritten before they were read.
    pub lost: u64,
    /// The last writes.
    pub writes: Vec<TraceLine>,
}

/// What the file says of itself.
pub const ABOUT: &str = "Made by `ksw diag`. Holds versions of the system and of the drivers, what is installed and how \
                         the devices are stacked, the filter's counters and decision records (lengths, offsets, status \
                         codes, process numbers; no data of any write), and lines of SetupAPI's log about these \
                         drivers. Names of users in paths, and that of the \
                         computer, are replaced.";

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
            (
                "trace",
                match &self.trace {
                    Answer::Present(Trace { on: false, .. }) => {
                        "off: `ksw trace --on` keeps records, for a report made afterwards".to_owned()
                    }
                    Answer::Present(trace) => {
                        format!("{} writes, {} records lost", trace.writes.len(), trace.lost)
                    }
                    other => state(other),
                },
            ),
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

/// Every text of a JSON value without the names of users and of the computer: what follows `\Users\` in a path
/// becomes `<user>`, the computer's name `<computer>`.
pub fn redact(value: &mut Value, computer: Option<&str>) {
    match value {
        Value::String(text) => *text = redacted(text, computer),
        Value::Array(values) => values.iter_mut().for_each(|value| redact(value, computer)),
        Value::Object(fields) => fields.values_mut().for_each(|value| redact(value, computer)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Folders of users, in lower case.
const USERS: &str = r"\users\";

fn redacted(text: &str, computer: Option<&str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // ASCII case only, so that positions in both texts are the same.
    while let Some(at) = rest.to_ascii_lowercase().find(USERS) {
        let (front, name) = rest.split_at(at + USERS.len());
        let end = name.find(['\\', '/', '"', '\'']).unwrap_or(name.len());
        out.extend([front, "<user>"]);
        rest = name.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    match computer {
        Some(computer) => without_word(&out, computer),
        None => out,
    }
}

/// Without a word that stands alone; case does not matter.
fn without_word(text: &str, word: &str) -> String {
    let (lower, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let part_of_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, found) in lower.match_indices(&word).filter(|(_, found)| !found.is_empty()) {
        let end = at + found.len();
        let before = text.get(..at).and_then(|front| front.chars().next_back());
        let after = text.get(end..).and_then(|back| back.chars().next());
        if before.is_some_and(part_of_word) || after.is_some_and(part_of_word) {
            continue;
        }
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str("<computer>");
        from = end;
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
        let mut value = serde_json::json!({
            "log": [r"cmd: C:\Users\Ada L\x.inf on DESKTOP", r"C:\users\Bob"],
            "device": r"ROOT\DESKTOP-2",
        });
        redact(&mut value, Some("Desktop"));
        assert_eq!(value["log"][0], r"cmd: C:\Users\<user>\x.inf on <computer>");
        assert_eq!(value["log"][1], r"C:\users\<user>");
        assert_eq!(value["device"], r"ROOT\DESKTOP-2");
    }
}
