//! What the system has to do for a benchmark.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use super::load::{Load, Verified};
use super::plan::Setting;
use super::sweep::Change;
use crate::digest::{Digests, Verdict};
use crate::exit::{Exit, Failure};
use crate::face::Form;
use crate::plan::Engine;
use crate::report::FilterCounters;
use crate::run::{Next, Outcome, Workload, WriteEngine, digest_again};

/// Where a benchmark runs.
pub trait Venue: Sync {
    /// A handle with its engine.
    type Session: Session;

    /// Why this engine cannot be used here; `None`: it can.
    fn unavailable(&self, engine: Engine) -> Option<String>;

    /// Where the offsets of a device end, in bytes, if it has an end. Makes the file if the plan says so.
    ///
    /// # Errors
    ///
    /// The device cannot be opened or does not fit the plan.
    fn end_of(&self, device: &str) -> Result<Option<u64>, Failure>;

    /// Opens a device for the calling thread, which alone uses the session.
    ///
    /// # Errors
    ///
    /// The device cannot be opened or refuses the script, or the face or the engine cannot be had.
    fn open(&self, device: &str, setting: Setting) -> Result<Self::Session, Failure>;

    /// Puts one side of a comparison into effect. No session is open.
    ///
    /// # Errors
    ///
    /// The system cannot do that.
    fn select(&self, change: &Change) -> Result<(), Failure>;

    /// What the filter has counted; `None`: no filter answers.
    fn counters(&self) -> Option<FilterCounters>;

    /// Processor time of this process so far; `None`: the system does not tell.
    fn cpu_time(&self) -> Option<Duration>;
}

/// A handle with its engine.
pub trait Session {
    /// The engine.
    fn engine(&mut self) -> &mut dyn WriteEngine;

    /// Forgets what was written before: the measured part begins. Nothing is outstanding.
    ///
    /// # Errors
    ///
    /// The device refused.
    fn begin(&mut self) -> Result<(), Failure>;

    /// What arrived since [`Session::begin`]. Nothing is outstanding.
    ///
    /// # Errors
    ///
    /// The device cannot tell.
    fn arrived(&mut self) -> Result<Arrived, Failure>;
}

/// What a device says of the bytes that it was given.
pub enum Arrived {
    /// It kept digests.
    Digests(Digests),
    /// It kept the bytes, which are read back.
    Content(Box<dyn Content>),
}

/// Bytes by their offset.
pub trait Content: Read + Seek {}

impl<T: Read + Seek> Content for T {}

/// Compares what arrived, in the form that the face gives it, with what the device said that it took.
///
/// # Errors
///
/// The bytes cannot be read back, or there is no memory for a block.
pub fn verify(arrived: Arrived, load: Load, outcome: &Outcome, form: Form) -> Result<Verdict, Failure> {
    match arrived {
        Arrived::Digests(found) => {
            let mut writes = Verified(load.again().begin());
            let expected = digest_again(&mut writes, load.block_bytes, outcome, form);
            let expected = expected.map_err(|error| Failure::io(&error))?;
            Ok(form.verdict(&expected, &found))
        }
        Arrived::Content(mut content) => {
            let same = content_agrees(content.as_mut(), load, outcome);
            let same = same.map_err(|error| {
                Failure::new(Exit::Io, format!("cannot read back what was written: {error}"))
            })?;
            Ok(if same { Verdict::Agree } else { Verdict::Differ })
        }
    }
}

/// Whether every block that was written has its bytes. One that failed or fell short last may have any.
fn content_agrees(content: &mut dyn Content, load: Load, outcome: &Outcome) -> std::io::Result<bool> {
    let mut writes = load.again().begin();
    let length = usize::try_from(load.block_bytes).unwrap_or_default();
    let mut written = vec![false; usize::try_from(load.blocks).unwrap_or_default()];
    let block_of = |offset: u64| {
        let block = offset / u64::from(load.block_bytes.max(1)) - load.first_block;
        usize::try_from(block).unwrap_or(usize::MAX)
    };
    for number in 0..outcome.writes {
        let Next::Write(offset, _) = writes.next(Duration::ZERO) else {
            break;
        };
        if let Some(place) = written.get_mut(block_of(offset)) {
            *place = !outcome.exceptions.contains_key(&number);
        }
    }
    let (mut expected, mut found) = (vec![0; length], vec![0; length]);
    load.fill(&mut expected);
    for (block, _) in (load.first_block..).zip(written).filter(|(_, written)| *written) {
        let offset = block * u64::from(load.block_bytes);
        load.stamp(offset, &mut expected);
        content.seek(SeekFrom::Start(offset))?;
        content.read_exact(&mut found)?;
        if expected != found {
            return Ok(false);
        }
    }
    Ok(true)
}
