//! The books of one handle: what was written, what became of it, and what the sink must say.

use std::collections::BTreeMap;

use kswrite_client::Win32Error;
use kswrite_wire::sink::{CheckedScript, FastMode, State, placement};

use super::expect::{Expected, Said, Taken};
use super::finding::{Finding, Invariant};
use super::program::{Engine, bytes};
use crate::digest::{Digester, Digests, Verdict};

/// Outcomes that may be unknown at a time: all ways in which they can have gone are tried.
pub const MAX_UNKNOWN: usize = 5;

/// One write since the last account.
struct Entry {
    offset: u64,
    length: u32,
    seed: u64,
    expected: Expected,
    outcome: Outcome,
}

/// How far a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Not complete.
    Pending,
    /// What the sink made of it is known.
    Known(Taken),
    /// Over, and what the sink made of it is not known.
    Unknown,
}

/// What was counted since the handle was opened or reset.
#[derive(Clone, Copy, Default)]
struct Seen {
    failed: u64,
    /// Cancelled after something was taken.
    cancelled: u64,
    /// Cancelled with nothing taken.
    untaken: u64,
    /// Dropped while pending.
    forgotten: u64,
    /// Any of the scripts accepts fast writes.
    fast: bool,
}

/// What the sink has, as numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    writes: u64,
    bytes: u64,
    placement: u64,
}

impl Sum {
    fn add(&mut self, offset: u64, data: &[u8], taken: u32) {
        let data = data.get(..taken as usize).unwrap_or(data);
        self.writes += 1;
        self.bytes += u64::from(taken);
        let place = placement(offset, taken, crc32c::crc32c(data));
        self.placement = self.placement.wrapping_add(place);
    }

    fn join(&mut self, other: Self) {
        self.writes += other.writes;
        self.bytes += other.bytes;
        self.placement = self.placement.wrapping_add(other.placement);
    }
}

/// The books of one handle.
pub struct Ledger {
    base: u64,
    engine: Engine,
    script: CheckedScript,
    /// In the order of their issue, which is the order in which the sink lets them in: one thread writes.
    entries: Vec<(u64, Entry)>,
    /// Where a write is in `entries`, while it is pending.
    pending: BTreeMap<u64, usize>,
    /// What was settled before.
    settled: Digester,
    sum: Sum,
    high_water: u64,
    /// The bytes from `base` on, as far as they are settled.
    mirror: Vec<u8>,
    seen: Seen,
}

impl Ledger {
    /// Of a handle that was just opened, whose offsets begin at `base`.
    pub fn new(base: u64, engine: Engine) -> Self {
        Self {
            base,
            engine,
            script: CheckedScript {
                every: 1,
                ..CheckedScript::default()
            },
            entries: Vec::new(),
            pending: BTreeMap::new(),
            settled: Digester::new(),
            sum: Sum::default(),
            high_water: 0,
            mirror: Vec::new(),
            seen: Seen {
                fast: true,
                ..Seen::default()
            },
        }
    }

    /// The script of the writes to come.
    pub fn set_script(&mut self, script: CheckedScript) {
        self.seen.fast |= script.fast == FastMode::Accept;
        self.script = script;
    }

    /// A write is issued.
    pub fn issue(&mut self, id: u64, offset: u64, length: u32, seed: u64) {
        self.pending.insert(id, self.entries.len());
        let entry = Entry {
            offset,
            length,
            seed,
            expected: Expected::new(&self.script, length),
            outcome: Outcome::Pending,
        };
        self.entries.push((id, entry));
    }

    /// A write is complete.
    ///
    /// # Errors
    ///
    /// It was complete before, or never issued here, or its outcome is not one that the script allows.
    pub fn complete(
        &mut self,
        id: u64,
        result: Result<u32, Win32Error>,
        bytes: u32,
    ) -> Result<Said, Finding> {
        let place = self
            .pending
            .remove(&id)
            .and_then(|index| self.entries.get_mut(index));
        let Some((_, entry)) = place else {
            let text = format!("write {id} completed, which is not pending: {result:?}, {bytes} bytes");
            return Err(Finding::new(Invariant::CompletesOnce, text));
        };
        let judged = entry.expected.judge(result, bytes);
        let said = judged
            .map_err(|finding| Finding::new(finding.invariant, format!("write {id}: {}", finding.text)))?;
        // A synchronous call that fails need not store a count.
        let said = match said {
            Said::CancelledUntaken if self.engine == Engine::Sync => {
                Said::CancelledOpen(entry.expected.most())
            }
            said => said,
        };
        entry.outcome = match said {
            Said::Took(taken) => Outcome::Known(taken),
            Said::Failed | Said::CancelledUntaken => Outcome::Known(None),
            Said::Cancelled(taken) => Outcome::Known(Some(taken)),
            Said::CancelledOpen(_) => Outcome::Unknown,
        };
        match said {
            Said::Took(_) => {}
            Said::Failed => self.seen.failed += 1,
            Said::Cancelled(_) => self.seen.cancelled += 1,
            Said::CancelledUntaken | Said::CancelledOpen(_) => self.seen.untaken += 1,
        }
        Ok(said)
    }

    /// A pending write will not be reported. Returns the most bytes that it can have written.
    pub fn forget(&mut self, id: u64) -> u32 {
        let place = self
            .pending
            .remove(&id)
            .and_then(|index| self.entries.get_mut(index));
        let Some((_, entry)) = place else { return 0 };
        entry.outcome = Outcome::Unknown;
        self.seen.forgotten += 1;
        entry.expected.most()
    }

    /// The writes that are not complete, the oldest first.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.pending.keys().copied()
    }

    /// Writes since the last account.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Outcomes that are not known.
    pub fn unknown(&self) -> usize {
        let unknown = |(_, entry): &&(u64, Entry)| entry.outcome == Outcome::Unknown;
        self.entries.iter().filter(unknown).count()
    }

    /// Compares everything since the handle was opened or reset with what the sink says. Nothing is pending.
    ///
    /// # Errors
    ///
    /// Digests or counts do not agree.
    pub fn settle(&mut self, state: &State) -> Result<(), Finding> {
        self.resolve(state)?;
        let culprits = self.culprits(state);
        for (_, entry) in std::mem::take(&mut self.entries) {
            if let Outcome::Known(Some(taken)) = entry.outcome {
                self.keep(&entry, taken);
            }
        }
        let expected = self.settled.clone().finish();
        let found = Digests::from(state);
        let verdict = Verdict::of(&expected, &found);
        if verdict != Verdict::Agree {
            let text = format!(
                "what the sink has is {}{culprits}: expected {expected:?}, found {found:?}",
                verdict.word()
            );
            return Err(Finding::new(Invariant::Digest, text));
        }
        self.check_counts(state)
    }

    /// Which single write, ended otherwise than it said or taken twice, would explain what the sink has.
    fn culprits(&self, state: &State) -> String {
        let sum_of = |skipped: Option<usize>| {
            let mut sum = self.sum;
            for (index, (_, entry)) in self.entries.iter().enumerate() {
                if let Outcome::Known(Some(taken)) = entry.outcome
                    && Some(index) != skipped
                {
                    sum.add(entry.offset, &bytes(entry.seed, entry.length), taken);
                }
            }
            sum
        };
        let target = Sum {
            writes: state.writes,
            bytes: state.bytes,
            placement: state.placement,
        };
        let all = sum_of(None);
        if all == target {
            return String::new();
        }
        let mut text = String::new();
        for (index, (id, entry)) in self.entries.iter().enumerate() {
            let without = sum_of(Some(index));
            for (taken, part) in Self::ways(entry) {
                let joined = |mut sum: Sum| {
                    sum.join(part);
                    sum
                };
                if joined(without) == target {
                    let said = entry.outcome;
                    text = format!("{text}, as if of write {id} the sink had taken {taken:?}, not {said:?}");
                } else if joined(all) == target {
                    text = format!("{text}, as if the sink had taken write {id} twice, once with {taken:?}");
                }
            }
        }
        text
    }

    /// Takes in what the sink took.
    fn keep(&mut self, entry: &Entry, taken: u32) {
        let mut data = bytes(entry.seed, entry.length);
        data.truncate(taken as usize);
        self.settled.write(entry.offset, &data);
        self.sum.add(entry.offset, &data, taken);
        if data.is_empty() {
            return;
        }
        self.high_water = self.high_water.max(entry.offset + data.len() as u64);
        let start = self.place(entry.offset);
        let end = start + data.len();
        if self.mirror.len() < end {
            self.mirror.resize(end, 0);
        }
        if let Some(place) = self.mirror.get_mut(start..end) {
            place.copy_from_slice(&data);
        }
    }

    /// Finds out how the unknown outcomes went: of all the ways in which they can, the one that gives what
    /// the sink has.
    fn resolve(&mut self, state: &State) -> Result<(), Finding> {
        if self.unknown() == 0 {
            return Ok(());
        }
        let target = Sum {
            writes: state.writes,
            bytes: state.bytes,
            placement: state.placement,
        };
        let mut known = self.sum;
        let mut open = Vec::new();
        for (index, (_, entry)) in self.entries.iter().enumerate() {
            let data = || bytes(entry.seed, entry.length);
            match entry.outcome {
                Outcome::Known(Some(taken)) => known.add(entry.offset, &data(), taken),
                Outcome::Known(None) => {}
                Outcome::Unknown => open.push((index, Self::ways(entry))),
                Outcome::Pending => {
                    let text = "an account was asked for with writes pending: the harness is wrong";
                    return Err(Finding::new(Invariant::Progress, text));
                }
            }
        }
        let count: usize = open.iter().map(|(_, ways)| ways.len()).product();
        for number in 0..count {
            let mut rest = number;
            let mut sum = known;
            let mut chosen = Vec::with_capacity(open.len());
            for (index, ways) in &open {
                if let Some((taken, part)) = ways.get(rest % ways.len().max(1)) {
                    sum.join(*part);
                    chosen.push((*index, *taken));
                }
                rest /= ways.len().max(1);
            }
            if sum == target {
                for (index, taken) in chosen {
                    if let Some((_, entry)) = self.entries.get_mut(index) {
                        entry.outcome = Outcome::Known(taken);
                    }
                }
                return Ok(());
            }
        }
        let text = format!(
            "what the sink has, {} writes and {} bytes, does not come about in any way in which {} writes of unknown \
             outcome can have gone; without them there are {} writes and {} bytes",
            target.writes,
            target.bytes,
            open.len(),
            known.writes,
            known.bytes
        );
        Err(Finding::new(Invariant::Digest, text))
    }

    /// The ways in which a write of unknown outcome can have gone, and what each adds.
    fn ways(entry: &Entry) -> Vec<(Taken, Sum)> {
        let data = bytes(entry.seed, entry.length);
        let way = |taken: Taken| {
            let mut sum = Sum::default();
            if let Some(taken) = taken {
                sum.add(entry.offset, &data, taken);
            }
            (taken, sum)
        };
        entry.expected.possible().into_iter().map(way).collect()
    }

    fn check_counts(&self, state: &State) -> Result<(), Finding> {
        let Seen {
            failed,
            cancelled,
            untaken,
            forgotten,
            fast,
        } = self.seen;
        let within = |name: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            let text = format!("the sink says {name} {value}, and by the results it is {low} to {high}");
            Err(Finding::new(Invariant::SinkCounts, text))
        };
        within("outstanding", state.outstanding.into(), 0, 0)?;
        within("failed", state.failed, failed, failed + untaken + forgotten)?;
        within(
            "cancelled",
            state.cancelled,
            cancelled,
            cancelled + untaken + forgotten,
        )?;
        within(
            "fast writes",
            state.fast_writes,
            0,
            if fast { state.writes } else { 0 },
        )?;
        within("high water", state.high_water, self.high_water, self.high_water)
    }

    /// The sink has forgotten everything but its script. Follows an account.
    pub fn reset(&mut self) {
        let script = self.script;
        *self = Self::new(self.base, self.engine);
        self.seen.fast = script.fast == FastMode::Accept;
        self.script = script;
    }

    /// The place of an offset in the mirror.
    fn place(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX / 2)
    }

    /// Judges a read of at most `length` bytes, made after every write in the books was issued.
    ///
    /// # Errors
    ///
    /// It shows what was not written, or too much, or too little.
    pub fn check_read(
        &self,
        offset: u64,
        length: u32,
        result: &Result<Vec<u8>, Win32Error>,
    ) -> Result<(), Finding> {
        let (low, high) = self.high_waters();
        let readable = |high_water: u64| high_water.saturating_sub(offset).min(length.into());
        let wrong = |text: String| {
            let what = format!("a read of {length} bytes at {offset:#x}");
            Err(Finding::new(Invariant::Read, format!("{what} {text}")))
        };
        match result {
            Err(Win32Error::OPERATION_ABORTED) => Ok(()),
            Err(Win32Error(38)) if offset >= low => Ok(()),
            Err(error) => wrong(format!(
                "failed with {error}; the end is from {low:#x} to {high:#x}"
            )),
            Ok(data) => {
                let count = data.len() as u64;
                if count < readable(low) || count > readable(high) || count == 0 {
                    return wrong(format!(
                        "gave {count} bytes; the end is from {low:#x} to {high:#x}"
                    ));
                }
                match self.first_wrong(offset, data) {
                    None => Ok(()),
                    Some(at) => wrong(format!(
                        "gave at {:#x} a byte that nobody wrote there",
                        offset + at as u64
                    )),
                }
            }
        }
    }

    /// The lowest and the highest end that the file can have now.
    fn high_waters(&self) -> (u64, u64) {
        let mut low = self.high_water;
        let mut high = self.high_water;
        for (_, entry) in &self.entries {
            let end = |taken: u32| {
                if taken == 0 {
                    0
                } else {
                    entry.offset + u64::from(taken)
                }
            };
            match entry.outcome {
                Outcome::Known(taken) => {
                    low = low.max(end(taken.unwrap_or(0)));
                    high = high.max(end(taken.unwrap_or(0)));
                }
                Outcome::Pending | Outcome::Unknown => high = high.max(end(entry.expected.most())),
            }
        }
        (low, high)
    }

    /// The first byte that is none of those that it can be: those of the writes that may lie on top, down to
    /// the last one that certainly does.
    fn first_wrong(&self, offset: u64, data: &[u8]) -> Option<usize> {
        let end = offset + data.len() as u64;
        let layers: Vec<(u64, Vec<u8>, bool)> = (self.entries.iter().rev())
            .filter(|(_, entry)| entry.offset < end && entry.offset + u64::from(entry.length) > offset)
            .filter_map(|(_, entry)| {
                let (taken, certain) = match entry.outcome {
                    Outcome::Known(taken) => (taken?, true),
                    Outcome::Pending | Outcome::Unknown => (entry.expected.most(), false),
                };
                let mut data = bytes(entry.seed, entry.length);
                data.truncate(taken as usize);
                Some((entry.offset, data, certain))
            })
            .collect();
        data.iter().enumerate().find_map(|(at, seen)| {
            let here = offset + at as u64;
            for (start, data, certain) in &layers {
                let written = here
                    .checked_sub(*start)
                    .and_then(|index| data.get(usize::try_from(index).ok()?));
                match written {
                    Some(byte) if byte == seen => return None,
                    Some(_) if *certain => return Some(at),
                    _ => {}
                }
            }
            let settled = if here < self.base {
                None
            } else {
                self.mirror.get(self.place(here))
            };
            (settled.unwrap_or(&0) != seen).then_some(at)
        })
    }
}
