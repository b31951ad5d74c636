//! Sink scripts as text: `fast=decline,completion=pended,delay-us=100`.

use std::fmt;
use std::str::FromStr;

use kswrite_wire::sink::{CheckedScript, Completion, FastMode, MAX_DELAY_US, Script, ScriptError};
use serde::{Deserialize, Serialize};

/// A script that was read from text and checked; it prints as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScriptText {
    text: String,
    script: Script,
    checked: CheckedScript,
}

impl ScriptText {
    /// The structure that goes to the driver.
    pub fn wire(&self) -> Script {
        self.script
    }

    /// Whether writes wait for a release, which the run then has to give.
    pub fn holds(&self) -> bool {
        self.checked.completion == Completion::Held
    }
}

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptTextError {
    /// A part is not `key=value`, or its key is unknown.
    Key(String),
    /// A value is none of those that the key takes.
    Value {
        /// The key.
        key: &'static str,
        /// What was given.
        given: String,
        /// What the key takes.
        takes: &'static str,
    },
    /// A key was given twice.
    Twice(&'static str),
    /// The values do not go together.
    Refused(&'static str),
}

impl std::error::Error for ScriptTextError {}

impl fmt::Display for ScriptTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(part) => write!(f, "script part {part:?} is not one of {KEYS}"),
            Self::Value { key, given, takes } => write!(f, "script: {key}={given}: {key} takes {takes}"),
            Self::Twice(key) => write!(f, "script: {key} is given twice; give it once"),
            Self::Refused(why) => write!(f, "script: {why}"),
        }
    }
}

/// What a script may say, for help and error texts.
pub const KEYS: &str = "fast=accept|decline|absent|other-status, fast-status=STATUS, \
                        completion=inline|pended|held, delay-us=N, status=STATUS, short-by=N, every=N";

const FAST: &str = "accept, decline, absent or other-status";
const COMPLETION: &str = "inline, pended or held";
const STATUS: &str = "an NTSTATUS as 0xC000009A or -1073741670";
const NUMBER: &str = "a whole number below 2^32";

impl FromStr for ScriptText {
    type Err = ScriptTextError;

    fn from_str(text: &str) -> Result<Self, ScriptTextError> {
        let mut script = Script::default();
        let mut seen = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let key = apply(&mut script, part)?;
            if seen.contains(&key) {
                return Err(ScriptTextError::Twice(key));
            }
            seen.push(key);
        }
        let checked = script
            .check()
            .map_err(|error| ScriptTextError::Refused(explain(error)))?;
        Ok(Self {
            text: text.to_owned(),
            script,
            checked,
        })
    }
}

/// Applies one `key=value` and returns the key.
fn apply(script: &mut Script, part: &str) -> Result<&'static str, ScriptTextError> {
    let unknown = || ScriptTextError::Key(part.to_owned());
    let (key, value) = part.split_once('=').ok_or_else(unknown)?;
    let bad = |key, takes| ScriptTextError::Value {
        key,
        given: value.to_owned(),
        takes,
    };
    let number = |key| value.parse::<u32>().map_err(|_| bad(key, NUMBER));
    let status = |key| parse_status(value).ok_or_else(|| bad(key, STATUS));
    Ok(match key {
        "fast" => {
            script.fast = match value {
                "accept" => FastMode::Accept,
                "decline" => FastMode::Decline,
                "absent" => FastMode::Absent,
                "other-status" => FastMode::OtherStatus,
                _ => return Err(bad("fast", FAST)),
            } as u32;
            "fast"
        }
        "completion" => {
            script.completion = match value {
                "inline" => Completion::Inline,
                "pended" => Completion::Pended,
                "held" => Completion::Held,
                _ => return Err(bad("completion", COMPLETION)),
            } as u32;
            "completion"
        }
        "fast-status" => {
            script.fast_status = status("fast-status")?;
            "fast-status"
        }
        "status" => {
            script.status = status("status")?;
            "status"
        }
        "delay-us" => {
            script.delay_us = number("delay-us")?;
            "delay-us"
        }
        "short-by" => {
            script.short_by = number("short-by")?;
            "short-by"
        }
        "every" => {
            script.every = number("every")?;
            "every"
        }
        _ => return Err(unknown()),
    })
}

/// Reads an NTSTATUS: hexadecimal bits as they are, or a decimal number.
fn parse_status(text: &str) -> Option<i32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok().map(u32::cast_signed),
        None => text.parse().ok(),
    }
}

const _: () = assert!(MAX_DELAY_US == 60_000_000, "the text below names this limit");

fn explain(error: ScriptError) -> &'static str {
    match error {
        ScriptError::Fast => "fast takes accept, decline, absent or other-status",
        ScriptError::FastStatus => {
            "fast=other-status needs fast-status=STATUS, and neither STATUS_SUCCESS nor STATUS_PENDING will do"
        }
        ScriptError::Completion => "completion takes inline, pended or held",
        ScriptError::Delay => "delay-us is at most 60000000 (60 s) and needs completion=pended",
        ScriptError::Status => "status must not be STATUS_PENDING (0x103): no request completes with it",
        ScriptError::Reserved => "a reserved field is not zero",
    }
}

impl fmt::Display for ScriptText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ScriptText> for String {
    fn from(script: ScriptText) -> Self {
        script.text
    }
}

impl TryFrom<String> for ScriptText {
    type Error = ScriptTextError;

    fn try_from(text: String) -> Result<Self, ScriptTextError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, ScriptTextError> {
        text.parse::<ScriptText>().map(|script| script.wire())
    }

    #[test]
    fn every_key_reaches_its_field() {
        let script = parse(
            "fast=other-status,fast-status=0xC00000BB,completion=pended,delay-us=250,status=-1073741670,short-by=3,every=4",
        )
        .unwrap();
        let expected = Script {
            fast: FastMode::OtherStatus as u32,
            fast_status: 0xC000_00BB_u32.cast_signed(),
            completion: Completion::Pended as u32,
            delay_us: 250,
            status: 0xC000_009A_u32.cast_signed(),
            short_by: 3,
            every: 4,
            reserved: 0,
        };
        assert_eq!(script, expected);
        assert_eq!(parse(""), Ok(Script::default()));
    }

    #[test]
    fn nonsense_is_refused_with_the_key_named() {
        for (text, named) in [
            ("speed=9", "speed=9"),
            ("fast", "fast"),
            ("fast=yes", "fast takes"),
            ("completion=later", "completion takes"),
            ("delay-us=-1", "delay-us takes"),
            ("delay-us=5", "needs completion=pended"),
            ("completion=pended,delay-us=60000001", "at most 60000000"),
            ("status=0x103", "STATUS_PENDING"),
            ("status=busy", "status takes"),
            ("fast=other-status", "needs fast-status"),
            ("every=1,every=2", "every is given twice"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn json_keeps_the_text() {
        let script: ScriptText = "completion=held".parse().unwrap();
        assert!(script.holds());
        let json = serde_json::to_string(&script).unwrap();
        assert_eq!(json, "\"completion=held\"");
        assert_eq!(serde_json::from_str::<ScriptText>(&json).unwrap(), script);
        assert!(serde_json::from_str::<ScriptText>("\"completion=x\"").is_err());
    }
}
