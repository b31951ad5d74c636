//! The verdict on the writes of a round.

use std::collections::BTreeMap;

use kswrite_core::{BufferMethod, ByteOffset, IoStatus, NtStatus};
use nt_model::{OnIrp, Seen};

use super::{
    Round,
    devices::Stack,
    write::{FAULT, Written},
};
use crate::program::{End, How, Outcome, Shape, Told, contract};

/// Judges the writes of one round after the other.
pub(crate) struct Judge {
    /// What was judged of each device.
    judged: Vec<usize>,
    met: BTreeMap<String, u32>,
}

/// What the device of a write did with it.
#[derive(Default)]
struct Deeds<'a> {
    fast: Option<&'a Seen>,
    irp: Option<&'a Seen>,
}

impl Judge {
    pub(crate) fn new(stacks: &[Stack]) -> Self {
        Self {
            judged: vec![0; stacks.len()],
            met: BTreeMap::new(),
        }
    }

    /// Every write of the round.
    pub(crate) fn judge(&mut self, round: &Round) -> Result<(), String> {
        let mut packets = BTreeMap::new();
        while let Some(packet) = round.world.system().dequeue(round.port) {
            if packets.insert(packet.context.0, packet.io).is_some() {
                return Err(format!("two packets of write {}", packet.context.0));
            }
        }
        let mut seen = Vec::new();
        for (stack, judged) in round.stacks.iter().zip(&mut self.judged) {
            let all = round.world.seen(stack.device);
            seen.extend(all.iter().skip(*judged).cloned());
            *judged = all.len();
        }
        let deeds = sort(&seen)?;
        let counted = round.statistics.snapshot();
        let attempts = counted.fast + counted.skipped + counted.declined + counted.faulted;
        if counted.in_flight != 0
            || counted.attempted != attempts
            || counted.irp < counted.inline + counted.pended
        {
            return Err(format!("counted: {counted:?}"));
        }
        for written in round.written.take() {
            let nothing = Deeds::default();
            let deeds = deeds.get(&written.key).unwrap_or(&nothing);
            let packet = packets.remove(&written.key.into());
            let end = verdict(round, &written, deeds, packet)
                .map_err(|error| format!("write {} ({:?}): {error}", written.key, written.how))?;
            *self.met.entry(format!("{:?} {end}", written.how)).or_default() += 1;
        }
        if packets.is_empty() {
            Ok(())
        } else {
            Err(format!("packets of nobody: {packets:?}"))
        }
    }

    /// The ends that were met, with the ways to write, and how often.
    pub(crate) fn met(self) -> BTreeMap<String, u32> {
        self.met
    }
}

/// What the devices did, by write.
fn sort(seen: &[Seen]) -> Result<BTreeMap<u32, Deeds<'_>>, String> {
    let mut sorted: BTreeMap<u32, Deeds<'_>> = BTreeMap::new();
    for seen in seen {
        if let Some(fast) = seen.came.fast() {
            let deeds = sorted.entry(fast.key).or_default();
            // A filter attempts what it was sent once more.
            deeds.fast = deeds.fast.filter(|seen| done(seen).is_some()).or(Some(seen));
        }
        if let Some((_, _, location)) = seen.came.irp() {
            let deeds = sorted.entry(location.key).or_default();
            if deeds.irp.replace(seen).is_some() {
                return Err(format!("write {} was sent twice", location.key));
            }
        }
    }
    Ok(sorted)
}

/// What a fast-I/O routine did; an answer that is not success counts as nothing done.
fn done(fast: &Seen) -> Option<IoStatus> {
    fast.ended.filter(|io| io.status == NtStatus::SUCCESS)
}

/// The ways in which a write can have ended, and their names.
fn ends(round: &Round, written: &Written, deeds: &Deeds<'_>) -> Result<Vec<(End, &'static str)>, String> {
    let stack = &round.stacks[written.open.stack];
    let by_fast = deeds.fast.and_then(done);
    let Some(irp) = deeds.irp else {
        return match by_fast {
            // The attempt was the filter's, perhaps, and its caller may have been told to wait.
            Some(io) if stack.filtered => Ok(vec![
                (End::Fast(io), "fast"),
                (End::Inline(io), "inline"),
                (End::Pended(io), "pended"),
            ]),
            Some(io) => Ok(vec![(End::Fast(io), "fast")]),
            None => refusals(written, stack.filtered),
        };
    };
    if by_fast.is_some() {
        return Err("was written by fast I/O, and sent".to_owned());
    }
    let io = irp.ended.ok_or("was never ended")?;
    let refused_by_device = io.status == FAULT || irp.bytes.is_err();
    let at_once = matches!(stack.script.irp, OnIrp::Inline(_)) || refused_by_device;
    let mut ends = Vec::new();
    if at_once {
        ends.push((End::Inline(io), "inline"));
    }
    // A cancel that goes on while it is complete at once makes it pend, where a driver completes its own IRP.
    if !at_once || stack.filtered || written.how.is_owned() {
        let name = if io.status == NtStatus::CANCELLED {
            "cancelled"
        } else {
            "pended"
        };
        ends.push((End::Pended(io), name));
        let exited = !written.how.is_owned();
        ends.extend(exited.then_some((End::Dropped, "dropped")));
    }
    Ok(ends)
}

/// The ends of a write that the device was not given.
fn refusals(written: &Written, filtered: bool) -> Result<Vec<(End, &'static str)>, String> {
    let bad = written.bad.then_some(NtStatus::ACCESS_VIOLATION);
    let by_device = NtStatus::DEVICE_NOT_READY;
    let reasons = [NtStatus::CANCELLED, FAULT, by_device].into_iter().chain(bad);
    // A filter refuses at once; who sent it to the filter may have been told to wait.
    let later = filtered || written.returned.is_none();
    match written.returned {
        Some(status) if status != NtStatus::PENDING && !reasons.clone().any(|reason| reason == status) => {
            Err(format!("returned {status} and was not sent"))
        }
        _ => Ok(reasons
            .map(IoStatus::failed)
            .flat_map(|io| {
                let at_once = (End::Inline(io), "refused");
                [Some(at_once), later.then_some((End::Pended(io), "refused"))]
            })
            .flatten()
            .collect()),
    }
}

/// Compares what there is to see with what the ends allow. Returns the name of the end.
fn verdict(
    round: &Round,
    written: &Written,
    deeds: &Deeds<'_>,
    packet: Option<IoStatus>,
) -> Result<&'static str, String> {
    check_bytes(round, written, deeds)?;
    let seen = observe(round, written, packet);
    let ends = ends(round, written, deeds)?;
    let mut expected = Vec::new();
    for (end, name) in ends {
        let outcome = expect(round, written, end);
        if outcome == seen {
            return Ok(name);
        }
        expected.push((end, outcome));
    }
    Err(format!("left {seen:?}, expected one of {expected:#?}"))
}

/// What is compared: of a file object that others write to, and of one of a batch, only what is the write's own.
fn observe(round: &Round, written: &Written, packet: Option<IoStatus>) -> Outcome {
    let block = round.world.block(written.block);
    assert!(block.writes <= 1, "the status block was written twice");
    let event = written.event.map(|event| round.world.event_state(event));
    assert!(
        event.is_none_or(|event| event.sets <= 1),
        "the event was signalled twice"
    );
    let file = written.file;
    Outcome {
        returned: written.returned.unwrap_or(NtStatus::PENDING),
        block: (block.writes > 0).then_some(block.io),
        event: event.is_some_and(|event| event.signalled),
        file_event: file.is_some_and(|(_, after)| after.signalled),
        final_status: file.map(|(_, after)| after.final_status),
        packet,
        position: file.map_or(0, |(_, after)| after.position),
        taken: 0,
    }
}

fn expect(round: &Round, written: &Written, end: End) -> Outcome {
    let script = round.stacks[written.open.stack].script;
    let told = match (written.event, written.open.port && written.context) {
        (_, true) => Told::Port,
        (Some(_), false) => Told::Event,
        (None, false) => Told::File,
    };
    let shape = Shape {
        length: u32::try_from(written.bytes.len()).unwrap(),
        ..Shape::new(written.how, written.open.flags, script).told(told)
    };
    let outcome = contract(&shape, end);
    let position = written.file.map_or(0, |(before, _)| {
        expected_position(written, end, &script, before.position)
    });
    let final_status = written
        .file
        .map(|(before, _)| outcome.final_status.unwrap_or(before.final_status));
    Outcome {
        returned: written.returned.map_or(NtStatus::PENDING, |_| outcome.returned),
        event: outcome.event && written.event.is_some(),
        file_event: outcome.file_event && written.file.is_some(),
        final_status,
        position,
        taken: 0,
        ..outcome
    }
}

/// Where a write leaves the position of a synchronous file object.
fn expected_position(written: &Written, end: End, script: &nt_model::Script, before: i64) -> i64 {
    let (End::Fast(io) | End::Inline(io) | End::Pended(io)) = end else {
        return before;
    };
    let start = match written.offset {
        ByteOffset::Current if written.how == How::Nt => 0,
        ByteOffset::Current => before,
        ByteOffset::At(offset) => offset,
    };
    let moved = script.moves_position && io.information > 0;
    let advanced = written.advance && !io.status.is_error() && start >= 0;
    let bytes = i64::try_from(io.information).unwrap();
    if moved || advanced { start + bytes } else { before }
}

/// The device was given the bytes, where and as it was told.
fn check_bytes(round: &Round, written: &Written, deeds: &Deeds<'_>) -> Result<(), String> {
    let method = round.stacks[written.open.stack].script.method;
    let other: Vec<u8> = written.bytes.iter().map(|byte| !byte).collect();
    for seen in deeds.fast.iter().chain(&deeds.irp) {
        let given = [seen.bytes.as_ref().ok(), seen.bytes_at_end.as_ref()];
        for bytes in given.into_iter().flatten() {
            let whole = written.bytes.starts_with(bytes);
            // Locked pages are still the program's to write to.
            let shared = method == BufferMethod::Direct || written.how == How::OwnedLocked;
            let changed = written.scribbled && shared && other.starts_with(bytes);
            if !(whole || changed || written.bad) {
                return Err("the device was given other bytes".to_owned());
            }
        }
        if seen.bytes.is_err() && !written.bad {
            return Err("the device could not read".to_owned());
        }
        let offset = match seen.came.irp() {
            Some((_, _, location)) => location.offset,
            None => seen.came.fast().map_or(0, |fast| fast.offset),
        };
        let wanted = match written.offset {
            ByteOffset::At(offset) => Some(offset),
            ByteOffset::Current if written.how == How::Nt => Some(0),
            ByteOffset::Current => written.file.map(|(before, _)| before.position),
        };
        if wanted.is_some_and(|wanted| wanted != offset) {
            return Err(format!("written at {offset}, not at {wanted:?}"));
        }
    }
    Ok(())
}
