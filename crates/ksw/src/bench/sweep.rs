//! Values on the command line that stand for several.

use std::fmt;
use std::str::FromStr;

use super::plan::Setting;
use crate::face::Face;
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

/// What the sides of a comparison differ in.
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
    /// The interface that takes the writes.
    Face(Face),
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// How tables name it; empty when it is the only one.
    pub label: String,
    /// What it sets.
    pub change: Change,
}

impl Variant {
    /// This side of a setting.
    pub fn setting(&self, setting: Setting) -> Setting {
        match self.change {
            Change::Engine(engine) => Setting { engine, ..setting },
            Change::Face(face) => Setting {
                face,
                engine: face.engine().unwrap_or(setting.engine),
                ..setting
            },
            Change::None | Change::Filter(_) | Change::Policy(_) | Change::Device(_) => setting,
        }
    }
}

/// `--compare`: two sides or more. Ratios are those of each to the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare(pub Vec<Variant>);

/// What the word `faces` stands for: all of them, each against WriteFile.
const FACES: &str = "face=ks,stream,wts,dvc,file";

/// Why a text is no comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareError(String);

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; write filter=on,off, policy=fast,bypass, device=A,B, engine=A,B or face=A,B, with two or more sides \
             that differ, or faces for all faces",
            self.0
        )
    }
}

impl std::error::Error for CompareError {}

impl FromStr for Compare {
    type Err = CompareError;

    fn from_str(text: &str) -> Result<Self, CompareError> {
        let error = |what: String| CompareError(what);
        let text = if text == "faces" { FACES } else { text };
        let (subject, words) = text
            .split_once('=')
            .ok_or_else(|| error(format!("{text:?} has no \"=\"")))?;
        let mut sides: Vec<Variant> = Vec::new();
        for word in words.split(',') {
            let change = change(subject, word)
                .ok_or_else(|| error(format!("{word:?} is no side of a comparison of {subject:?}")))?;
            if sides.iter().any(|side| side.change == change) {
                return Err(error(format!("{words:?} has {word:?} twice")));
            }
            let label = match &change {
                Change::Device(_) | Change::Engine(_) | Change::Face(_) | Change::None => word.to_owned(),
                Change::Filter(_) | Change::Policy(_) => format!("{subject} {word}"),
            };
            sides.push(Variant { label, change });
        }
        if sides.len() < 2 {
            return Err(error(format!("{words:?} is one side")));
        }
        Ok(Self(sides))
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
        ("face", _) => {
            let face = Face::ALL.into_iter().find(|face| face.word() == word);
            face.map(Change::Face)
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
    fn comparisons_have_sides_that_differ() {
        let sides = |text: &str| {
            let Compare(sides) = text.parse().unwrap();
            let pairs = sides.into_iter().map(|side| (side.label, side.change));
            pairs.collect::<Vec<_>>()
        };
        let side = |label: &str, change| (label.to_owned(), change);
        assert_eq!(
            sides("filter=on,off"),
            [
                side("filter on", Change::Filter(true)),
                side("filter off", Change::Filter(false))
            ]
        );
        let policy = |word: &str| side(&format!("policy {word}"), Change::Policy(word.to_owned()));
        let three = [policy("fast"), policy("irp"), policy("bypass")];
        assert_eq!(sides("policy=fast,irp,bypass"), three);
        let sink = side("direct", Change::Device(r"\\.\KsSinkDirect".to_owned()));
        assert_eq!(sides("device=direct,x.bin")[0], sink);
        let ring = side("ioring", Change::Engine(Engine::Ioring));
        assert_eq!(sides("engine=iocp,ioring")[1], ring);
        let face = |face: Face| side(face.word(), Change::Face(face));
        assert_eq!(sides("face=dvc,file"), [face(Face::Dvc), face(Face::File)]);
        let all = sides("faces");
        assert_eq!((all.len(), all.last()), (5, Some(&face(Face::File))));
        for text in [
            "filter",
            "filter=on",
            "filter=on,on",
            "face=ks,file,ks",
            "face=ks,pipe",
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
