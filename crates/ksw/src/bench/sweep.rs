//! Values on the command line that stand for several.

use std::fmt;
use std::str::FromStr;

use crate::plan::{Engine, device_path};
use crate::size::ByteSize;
use kswrite_wire::policy::Policy;
use serde::{Deserialize, Serialize};

/// The values of one option, in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep(pub Vec<u64>);

/// Byte counts: `4KiB`, `4KiB,64KiB`, `512..1MiB` (the powers of two from one to the other), or a mixture.
///
/// # Errors
///
/// A sentence that says which part makes no sense.
pub fn sizes(text: &str) -> Result<Sweep, String> {
    sweep(text, |part| {
        let ByteSize(bytes) = part
            .parse()
            .map_err(|error: crate::size::SizeError| error.to_string())?;
        Ok(bytes)
    })
}

/// Counts: `32`, `1,32`, `1..256` (the powers of two from one to the other), or a mixture.
///
/// # Errors
///
/// A sentence that says which part makes no sense.
pub fn counts(text: &str) -> Result<Sweep, String> {
    sweep(text, |part| {
        part.parse()
            .map_err(|_| format!("{part:?} is not a whole number; write e.g. 32, 1,32 or 1..256"))
    })
}

fn sweep(text: &str, value: impl Fn(&str) -> Result<u64, String>) -> Result<Sweep, String> {
    let mut values = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            None => values.push(value(part)?),
            Some((low, high)) => {
                let (low, high) = (value(low)?, value(high)?);
                if !low.is_power_of_two() || !high.is_power_of_two() || low > high {
                    return Err(format!(
                        "{part}: a range goes from one power of two up to another, e.g. 512..1MiB or 1..256"
                    ));
                }
                values.extend((low.ilog2()..=high.ilog2()).map(|power| 1_u64 << power));
            }
        }
    }
    Ok(Sweep(values))
}

/// What the two sides of a comparison differ in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing: there is one side only.
    None,
    /// Whether the filter is in the stack.
    Filter(bool),
    /// What the filter does with the writes: the word of a policy.
    Policy(String),
    /// The device, by its path.
    Device(String),
    /// How completions are learnt.
    Engine(Engine),
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// How tables name it; empty when it is the only one.
    pub label: String,
    /// What it sets.
    pub change: Change,
}

/// `--compare`: two sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare(pub [Variant; 2]);

/// Why a text is no comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareError(String);

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; write filter=on,off, policy=fast,bypass, device=A,B or engine=A,B, with two different sides",
            self.0
        )
    }
}

impl std::error::Error for CompareError {}

impl FromStr for Compare {
    type Err = CompareError;

    fn from_str(text: &str) -> Result<Self, CompareError> {
        let error = |what: String| CompareError(what);
        let (subject, sides) = text
            .split_once('=')
            .ok_or_else(|| error(format!("{text:?} has no \"=\"")))?;
        let (first, second) = sides
            .split_once(',')
            .ok_or_else(|| error(format!("{sides:?} is not two sides")))?;
        let side = |word: &str| {
            let change = change(subject, word)
                .ok_or_else(|| error(format!("{word:?} is no side of a comparison of {subject:?}")))?;
            let label = match &change {
                Change::Device(_) | Change::Engine(_) | Change::None => word.to_owned(),
                Change::Filter(_) | Change::Policy(_) => format!("{subject} {word}"),
            };
            Ok(Variant { label, change })
        };
        let compare = [side(first)?, side(second)?];
        let [one, other] = &compare;
        if one.change == other.change {
            return Err(error(format!("{sides:?} is the same twice")));
        }
        Ok(Self(compare))
    }
}

fn change(subject: &str, word: &str) -> Option<Change> {
    match (subject, word) {
        (_, "") => None,
        ("filter", "on") => Some(Change::Filter(true)),
        ("filter", "off") => Some(Change::Filter(false)),
        ("policy", _) => {
            let known = Policy::ALL.iter().any(|policy| policy.word() == word);
            known.then(|| Change::Policy(word.to_owned()))
        }
        ("device", _) => Some(Change::Device(device_path(word))),
        ("engine", _) => {
            let engine = Engine::EVERY.into_iter().find(|engine| engine.word() == word);
            engine.map(Change::Engine)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_powers_of_two_and_lists_keep_their_order() {
        assert_eq!(sizes("512..4KiB"), Ok(Sweep(vec![512, 1024, 2048, 4096])));
        assert_eq!(sizes("1MiB,512"), Ok(Sweep(vec![1 << 20, 512])));
        assert_eq!(counts("1..8,3"), Ok(Sweep(vec![1, 2, 4, 8, 3])));
        assert_eq!(counts("7"), Ok(Sweep(vec![7])));
        assert_eq!(sizes("512..1MiB").unwrap().0.len(), 12);
    }

    #[test]
    fn nonsense_names_the_part() {
        for text in ["", "1,", "x", "0..8", "3..24", "8..1", "1...8", "1..", "-1"] {
            assert!(counts(text).is_err(), "{text}");
        }
        assert!(counts("1,3..24").unwrap_err().starts_with("3..24: "));
        assert!(sizes("64KB").unwrap_err().contains("64KB"));
    }

    #[test]
    fn comparisons_have_two_different_sides() {
        let Compare([on, off]) = "filter=on,off".parse().unwrap();
        assert_eq!(
            (on.label.as_str(), on.change),
            ("filter on", Change::Filter(true))
        );
        assert_eq!(
            (off.label.as_str(), off.change),
            ("filter off", Change::Filter(false))
        );
        let Compare([fast, _]) = "policy=fast,bypass".parse().unwrap();
        assert_eq!(fast.change, Change::Policy("fast".to_owned()));
        let Compare([sink, _]) = "device=direct,x.bin".parse().unwrap();
        assert_eq!(sink.change, Change::Device(r"\\.\KsSinkDirect".to_owned()));
        let Compare([_, ring]) = "engine=iocp,ioring".parse().unwrap();
        assert_eq!(ring.change, Change::Engine(Engine::Ioring));
        for text in [
            "filter",
            "filter=on",
            "filter=on,on",
            "filter=on,maybe",
            "policy=fast,slow",
            "engine=iocp,fibre",
            "device=a,",
            "weather=good,bad",
        ] {
            let error = text.parse::<Compare>().unwrap_err().to_string();
            assert!(error.contains("filter=on,off"), "{text}: {error}");
        }
    }
}
