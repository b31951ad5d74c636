//! The scripted target: a script in, and what becomes of the writes that follow.

use ksink_state::{Intake, Path};
use kswrite_core::{IoStatus, NtStatus};
use kswrite_wire::sink::{
    CheckedScript, Completion, FastMode, MAX_DELAY_US, Released, Script, ScriptError, State,
};
use zerocopy::FromBytes;

use super::{plain, same};
use crate::{Wrong, tape::Tape};

/// Most writes after one script.
const WRITES: u32 = 8;

pub(crate) fn run(bytes: &[u8]) -> Result<(), Wrong> {
    plain::<State>(bytes)?;
    plain::<Released>(bytes)?;
    plain::<Script>(bytes)?;
    let Ok((script, rest)) = Script::read_from_prefix(bytes) else {
        return Ok(());
    };
    match script.check() {
        Ok(checked) => {
            same("a script", encode(&checked, &script), script)?;
            follow(checked, &mut Tape::new(rest))
        }
        Err(error) => same("a refusal", refused_rightly(&script, error), true),
    }
}

/// The script that says this; `every` has two ways to say 1.
fn encode(checked: &CheckedScript, given: &Script) -> Script {
    Script {
        fast: checked.fast as u32,
        fast_status: checked.fast_status,
        completion: checked.completion as u32,
        delay_us: checked.delay_us,
        status: checked.status,
        short_by: checked.short_by,
        every: if given.every == 0 && checked.every == 1 {
            0
        } else {
            checked.every
        },
        reserved: 0,
    }
}

fn refused_rightly(script: &Script, error: ScriptError) -> bool {
    let pending = NtStatus::PENDING.0;
    match error {
        ScriptError::Fast => script.fast > FastMode::OtherStatus as u32,
        ScriptError::FastStatus => {
            script.fast == FastMode::OtherStatus as u32 && [0, pending].contains(&script.fast_status)
        }
        ScriptError::Completion => script.completion > Completion::Held as u32,
        ScriptError::Delay => {
            script.delay_us > MAX_DELAY_US
                || script.delay_us > 0 && script.completion != Completion::Pended as u32
        }
        ScriptError::Status => script.status == pending,
        ScriptError::Reserved => script.reserved != 0,
    }
}

/// Writes under the script; what is taken, refused and counted agrees.
fn follow(script: CheckedScript, tape: &mut Tape<'_>) -> Result<(), Wrong> {
    let mut intake = Intake::new();
    intake.set_script(script);
    let mut expected = State::default();
    let mut irps = 0;
    for _write in 0..WRITES {
        if tape.is_over() {
            break;
        }
        let path = if tape.below(2) == 0 { Path::Irp } else { Path::Fast };
        let length = u32::from(tape.byte());
        let offset = offset(tape);
        let high_water = intake.state().high_water;
        let begun = intake.begin(path, offset, length);
        let fits = fits(offset, length, high_water);
        same("whether a write is let in", begun.is_ok(), fits)?;
        let Ok(mut admission) = begun else { continue };
        irps += u32::from(path == Path::Irp);
        let changed = path == Path::Irp && irps % script.every == 0;
        let data: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
        let piece = usize::from(tape.below(7)) + 1;
        for piece in data.chunks(piece) {
            intake.absorb(&mut admission, piece);
        }
        same("bytes left", admission.remaining(), 0)?;
        let io = intake.commit(admission).io;
        let taken = change(&script, changed, length);
        same("the end of a write", io, taken)?;
        if io.status.is_error() {
            expected.failed += 1;
        } else {
            expected.writes += 1;
            expected.bytes += io.information as u64;
            expected.fast_writes += u64::from(path == Path::Fast);
        }
    }
    let state = intake.state();
    let counted = |state: &State| (state.writes, state.bytes, state.fast_writes, state.failed);
    same("counts", counted(&state), counted(&expected))
}

/// An offset, more often than not one that there is.
fn offset(tape: &mut Tape<'_>) -> i64 {
    match tape.below(4) {
        0 => -1,
        1 => i64::from(tape.byte()),
        2 => i64::from(tape.byte()) << 12,
        _ => tape.number().cast_signed(),
    }
}

/// Whether a write can be there.
fn fits(offset: i64, length: u32, high_water: u64) -> bool {
    let start = match offset {
        -1 => Some(high_water),
        _ => u64::try_from(offset).ok(),
    };
    start.is_some_and(|start| start + u64::from(length) <= i64::MAX.cast_unsigned())
}

/// What the script makes of a write.
fn change(script: &CheckedScript, changed: bool, length: u32) -> IoStatus {
    let (status, short_by) = if changed {
        (NtStatus(script.status), script.short_by)
    } else {
        (NtStatus::SUCCESS, 0)
    };
    let information = if status.is_error() {
        0
    } else {
        length.saturating_sub(short_by) as usize
    };
    IoStatus { status, information }
}
