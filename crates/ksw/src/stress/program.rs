//! The program of operations: what each thread does, from a seed and nothing else.
//!
//! A step is chosen without a look at what became of the ones before, so the same seed gives the same steps on
//! every system and in every run of the same version of this program. What is *not* repeated is time: which
//! writes are pending when a cancel comes is the kernel's affair.

use std::fmt;

use fastrand::Rng;
use kswrite_wire::policy::Policy;
use kswrite_wire::sink::{CheckedScript, Completion, FastMode, Script};
use serde::Serialize;

/// Handles that one thread has open at a time.
pub const LANES: usize = 3;
/// Offsets are less than this above the base of their handle.
pub const SPAN: u64 = 256 << 10;
/// The longest write.
pub const MAX_LENGTH: u32 = 128 << 10;
/// The longest delay that a script asks for, in microseconds.
const MAX_DELAY_US: u32 = 3_000;

/// How a handle is used, and how its completions are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// An event for each write.
    Event,
    /// A completion port, one for each thread.
    Port,
    /// WriteFileEx.
    Apc,
    /// A handle that is not overlapped: each call waits.
    Sync,
}

impl Engine {
    /// The word used in logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Port => "port",
            Self::Apc => "apc",
            Self::Sync => "sync",
        }
    }
}

/// One operation of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which of the thread's handles it is about.
    pub lane: usize,
    /// What is done.
    pub action: Action,
}

/// What is done with a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Opens it. What was open there before is closed first, with whatever is pending.
    Open {
        /// Which of the targets.
        target: usize,
        /// How completions are learnt.
        engine: Engine,
        /// Writes that may be outstanding.
        depth: usize,
        /// The lowest offset.
        base: u64,
    },
    /// Replaces the script.
    Script(Script),
    /// Writes.
    Write {
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        length: u32,
    },
    /// Takes completions, and waits a moment for the first.
    Reap,
    /// Cancels one pending write: the n-th, modulo their number.
    CancelOne(usize),
    /// CancelIoEx without an OVERLAPPED.
    CancelAll,
    /// CancelIo.
    CancelOwn,
    /// Drops a pending write, which cancels it, without a look at the outcome: the n-th, modulo their number.
    Forget(usize),
    /// Completes what the sink holds.
    Release,
    /// Reads, whatever is pending.
    Read {
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        length: u32,
    },
    /// Waits for all writes and compares with what the sink says.
    Settle {
        /// Whether the sink then forgets.
        reset: bool,
    },
    /// Closes the handle with whatever is pending; the completions are waited for.
    Close,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lane = self.lane;
        match self.action {
            Action::Open {
                target,
                engine,
                depth,
                base,
            } => write!(
                f,
                "{lane}: open target {target}, {}, depth {depth}, base {base:#x}",
                engine.word()
            ),
            Action::Script(script) => write!(f, "{lane}: script {}", Said(&script)),
            Action::Write { offset, length } => write!(f, "{lane}: write {length} bytes at {offset:#x}"),
            Action::Reap => write!(f, "{lane}: reap"),
            Action::CancelOne(n) => write!(f, "{lane}: cancel the {n}th"),
            Action::CancelAll => write!(f, "{lane}: cancel all"),
            Action::CancelOwn => write!(f, "{lane}: cancel this thread's"),
            Action::Forget(n) => write!(f, "{lane}: forget the {n}th"),
            Action::Release => write!(f, "{lane}: release"),
            Action::Read { offset, length } => write!(f, "{lane}: read {length} bytes at {offset:#x}"),
            Action::Settle { reset } => write!(f, "{lane}: settle{}", if reset { " and reset" } else { "" }),
            Action::Close => write!(f, "{lane}: close"),
        }
    }
}

/// A script in the words of `ksw write --script`.
struct Said<'a>(&'a Script);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = self.0;
        match FastMode::from_u32(script.fast) {
            Some(FastMode::Accept) => f.write_str("fast=accept")?,
            Some(FastMode::Decline) => f.write_str("fast=decline")?,
            Some(FastMode::Absent) => f.write_str("fast=absent")?,
            Some(FastMode::OtherStatus) => {
                write!(f, "fast=other-status,fast-status={:#010X}", script.fast_status)?;
            }
            None => write!(f, "fast={}", script.fast)?,
        }
        match Completion::from_u32(script.completion) {
            Some(Completion::Inline) => f.write_str(",completion=inline")?,
            Some(Completion::Pended) => write!(f, ",completion=pended,delay-us={}", script.delay_us)?,
            Some(Completion::Held) => f.write_str(",completion=held")?,
            None => write!(f, ",completion={}", script.completion)?,
        }
        if script.status != 0 {
            write!(f, ",status={:#010X}", script.status)?;
        }
        if script.short_by != 0 {
            write!(f, ",short-by={}", script.short_by)?;
        }
        if script.every > 1 {
            write!(f, ",every={}", script.every)?;
        }
        Ok(())
    }
}

/// What a thread's handles are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Overlapped handles of all three ways of completion.
    Overlapped,
    /// Synchronous handles. Another thread has to cancel what is held.
    Synchronous,
}

/// Mixes numbers into a seed: that of round `n` of a run, of thread `n` of a round, of write `n` of a thread.
pub fn derive(seed: u64, number: u64) -> u64 {
    // Two outputs apart, so that neighbours share nothing.
    let mut rng = Rng::with_seed(seed ^ number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    rng.u64(..) ^ rng.u64(..)
}

/// The bytes of a write.
pub fn bytes(seed: u64, length: u32) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// The endless program of one thread.
pub struct Program {
    rng: Rng,
    role: Role,
    targets: usize,
    lanes: [Option<Open>; LANES],
    /// The first script of a handle that was just opened.
    queued: Option<Step>,
}

/// What the program has to know of a handle to choose steps that make sense.
#[derive(Clone, Copy)]
struct Open {
    base: u64,
    script: CheckedScript,
    next: u64,
}

/// Error and warning statuses that scripts use; `ledger` knows what a program sees of each.
pub(super) const IO_DEVICE_ERROR: i32 = 0xC000_0185_u32.cast_signed();
pub(super) const INSUFFICIENT_RESOURCES: i32 = 0xC000_009A_u32.cast_signed();
pub(super) const BUFFER_OVERFLOW: i32 = 0x8000_0005_u32.cast_signed();
const NOT_SUPPORTED: i32 = 0xC000_00BB_u32.cast_signed();

impl Program {
    /// The program of a thread with handles on `targets` devices.
    pub fn new(seed: u64, role: Role, targets: usize) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            role,
            targets: targets.max(1),
            lanes: [None; LANES],
            queued: None,
        }
    }

    fn open(&mut self, lane: usize) -> Step {
        let bases = [0, (1 << 32) - (SPAN / 2), (1 << 40) + 513];
        let base = *self.rng.choice(&bases).unwrap_or(&0);
        let script = self.script();
        if let Some(place) = self.lanes.get_mut(lane) {
            *place = Some(Open {
                base,
                script: script.check().unwrap_or_default(),
                next: base,
            });
        }
        self.queued = Some(Step {
            lane,
            action: Action::Script(script),
        });
        let engine = match self.role {
            Role::Synchronous => Engine::Sync,
            Role::Overlapped => *self
                .rng
                .choice(&[Engine::Event, Engine::Port, Engine::Apc])
                .unwrap_or(&Engine::Event),
        };
        let action = Action::Open {
            target: self.rng.usize(..self.targets),
            engine,
            depth: self.rng.usize(1..=24),
            base,
        };
        Step { lane, action }
    }

    fn script(&mut self) -> Script {
        let rng = &mut self.rng;
        let fast = match rng.u8(..20) {
            0..8 => FastMode::Accept,
            8..16 => FastMode::Decline,
            16 => FastMode::Absent,
            _ => FastMode::OtherStatus,
        };
        let held = if self.role == Role::Overlapped { 5 } else { 2 };
        let completion = match rng.u8(..20) {
            n if n < held => Completion::Held,
            n if n < 12 => Completion::Pended,
            _ => Completion::Inline,
        };
        let status = match rng.u8(..16) {
            0 => IO_DEVICE_ERROR,
            1 => INSUFFICIENT_RESOURCES,
            2 => BUFFER_OVERFLOW,
            _ => 0,
        };
        Script {
            fast: fast as u32,
            fast_status: if fast == FastMode::OtherStatus {
                *rng.choice(&[NOT_SUPPORTED, BUFFER_OVERFLOW])
                    .unwrap_or(&NOT_SUPPORTED)
            } else {
                0
            },
            completion: completion as u32,
            delay_us: if completion == Completion::Pended {
                rng.u32(..MAX_DELAY_US)
            } else {
                0
            },
            status,
            short_by: if rng.u8(..4) == 0 { rng.u32(1..200) } else { 0 },
            every: rng.u32(..6),
            reserved: 0,
        }
    }

    fn rescript(&mut self, lane: usize) -> Action {
        let script = self.script();
        if let Some(Some(open)) = self.lanes.get_mut(lane) {
            open.script = script.check().unwrap_or_default();
        }
        Action::Script(script)
    }

    /// A write of no bytes goes to the base. Every other one is longer than the script cuts off, so that a
    /// count of 0 with a cancel means that nothing was accepted.
    fn write(&mut self, lane: usize, open: Open) -> Action {
        let rng = &mut self.rng;
        let length = match rng.u8(..64) {
            0 => 0,
            1..20 => rng.u32(1..=64),
            20..52 => rng.u32(65..=4096),
            52..60 => rng.u32(4095..=4097),
            60..63 => rng.u32(4097..=32_768),
            _ => rng.u32(32_768..=MAX_LENGTH),
        };
        if length == 0 {
            return Action::Write {
                offset: open.base,
                length,
            };
        }
        let length = length.max(open.script.short_by + 1);
        let sequential = rng.bool() && open.next + u64::from(length) < open.base + SPAN;
        let offset = if sequential {
            open.next
        } else {
            open.base + rng.u64(..SPAN)
        };
        if let Some(Some(open)) = self.lanes.get_mut(lane) {
            open.next = offset + u64::from(length);
        }
        Action::Write { offset, length }
    }

    fn overlapped(&mut self, lane: usize, open: Open) -> Action {
        match self.rng.u16(..1000) {
            0..720 => self.write(lane, open),
            720..760 => self.rescript(lane),
            760..840 => Action::Reap,
            840..880 => Action::CancelOne(self.rng.usize(..64)),
            880..890 => Action::CancelAll,
            890..900 => Action::CancelOwn,
            900..910 => Action::Forget(self.rng.usize(..64)),
            910..945 => Action::Release,
            945..980 => self.read(open),
            980..996 => self.settle(),
            _ => self.close(lane),
        }
    }

    fn synchronous(&mut self, lane: usize, open: Open) -> Action {
        match self.rng.u16(..1000) {
            0..830 => self.write(lane, open),
            830..900 => self.rescript(lane),
            900..960 => self.read(open),
            960..990 => self.settle(),
            _ => self.close(lane),
        }
    }

    fn read(&mut self, open: Open) -> Action {
        Action::Read {
            offset: open.base + self.rng.u64(..SPAN),
            length: self.rng.u32(1..=4096),
        }
    }

    fn settle(&mut self) -> Action {
        Action::Settle {
            reset: self.rng.u8(..4) == 0,
        }
    }

    fn close(&mut self, lane: usize) -> Action {
        if let Some(place) = self.lanes.get_mut(lane) {
            *place = None;
        }
        Action::Close
    }
}

impl Iterator for Program {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if let Some(step) = self.queued.take() {
            return Some(step);
        }
        let lane = self.rng.usize(..LANES);
        let Some(open) = self.lanes.get(lane).copied().flatten() else {
            return Some(self.open(lane));
        };
        let action = match self.role {
            Role::Overlapped => self.overlapped(lane, open),
            Role::Synchronous => self.synchronous(lane, open),
        };
        Some(Step { lane, action })
    }
}

/// What the thread does that disturbs all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gust {
    /// CancelIoEx without an OVERLAPPED, on another thread's handle.
    CancelAll {
        /// The thread.
        worker: usize,
        /// Its handle.
        lane: usize,
    },
    /// CancelSynchronousIo for each thread with synchronous handles.
    CancelSynchronous,
    /// Completes what the sink holds for another thread's handle.
    Release {
        /// The thread.
        worker: usize,
        /// Its handle.
        lane: usize,
    },
    /// Changes the policy of a filtered device: the n-th, modulo their number.
    Policy {
        /// The device.
        device: usize,
        /// Its policy from now on.
        policy: Policy,
    },
    /// Looks at the counters of the filter.
    Look,
    /// Does nothing, for so many microseconds.
    Pause(u32),
}

/// The endless program of the disturbing thread.
pub struct Storm {
    rng: Rng,
    workers: usize,
}

impl Storm {
    /// Against so many threads.
    pub fn new(seed: u64, workers: usize) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            workers: workers.max(1),
        }
    }
}

impl Iterator for Storm {
    type Item = Gust;

    fn next(&mut self) -> Option<Gust> {
        let worker = self.rng.usize(..self.workers);
        let lane = self.rng.usize(..LANES);
        Some(match self.rng.u8(..20) {
            0..2 => Gust::CancelAll { worker, lane },
            2..6 => Gust::CancelSynchronous,
            6..8 => Gust::Release { worker, lane },
            8 => Gust::Look,
            9 => Gust::Policy {
                device: self.rng.usize(..8),
                policy: *self
                    .rng
                    .choice(&[Policy::Fast, Policy::Fast, Policy::Irp, Policy::Bypass])
                    .unwrap_or(&Policy::Fast),
            },
            _ => Gust::Pause(self.rng.u32(..4000)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(seed: u64, role: Role) -> Vec<Step> {
        Program::new(seed, role, 3).take(20_000).collect()
    }

    #[test]
    fn a_seed_gives_one_program() {
        assert_eq!(steps(7, Role::Overlapped), steps(7, Role::Overlapped));
        assert_ne!(steps(7, Role::Overlapped), steps(8, Role::Overlapped));
        assert_ne!(derive(7, 0), derive(7, 1));
        assert_ne!(derive(7, 0), derive(8, 0));
    }

    /// The steps of this version, so that a change of the program is noticed: seeds in reports then mean
    /// something else.
    #[test]
    fn the_program_of_a_seed_is_this_one() {
        let said: Vec<String> = Program::new(1, Role::Overlapped, 3)
            .take(4)
            .map(|step| step.to_string())
            .collect();
        assert_eq!(
            said,
            [
                "1: open target 0, event, depth 4, base 0xfffe0000",
                "1: script fast=other-status,fast-status=0x80000005,completion=pended,delay-us=2655,status=0x80000005,every=4",
                "0: open target 2, port, depth 21, base 0x10000000201",
                "0: script fast=decline,completion=pended,delay-us=2613,every=5",
            ]
        );
    }

    #[test]
    fn every_kind_of_step_is_there_and_makes_sense() {
        let mut open = [false; LANES];
        let mut seen = std::collections::BTreeSet::new();
        let mut script = [CheckedScript::default(); LANES];
        for Step { lane, action } in steps(3, Role::Overlapped) {
            seen.insert(format!("{action:?}").split(['(', ' ']).next().unwrap().to_owned());
            match action {
                Action::Open { depth, target, .. } => {
                    assert!(depth > 0 && target < 3);
                    open[lane] = true;
                }
                Action::Close => open[lane] = false,
                Action::Script(given) => {
                    assert!(open[lane]);
                    script[lane] = given.check().unwrap();
                }
                Action::Write { length, .. } => {
                    assert!(open[lane]);
                    assert!(length == 0 || length > script[lane].short_by);
                    assert!(length <= MAX_LENGTH + 200);
                }
                _ => assert!(open[lane]),
            }
        }
        assert_eq!(seen.len(), 12, "{seen:?}");
    }

    #[test]
    fn synchronous_threads_have_synchronous_handles() {
        for step in steps(5, Role::Synchronous) {
            if let Action::Open { engine, .. } = step.action {
                assert_eq!(engine, Engine::Sync);
            }
        }
    }
}
