//! The verdict on a program that is over.

use std::collections::BTreeMap;

use kswrite_core::{BufferMethod, ByteOffset, IoStatus, NtStatus, ProcessorMode};
use nt_model::{Packet, Seen};

use super::{
    op::{Buffer, How},
    stage::Stage,
    thread::{PATTERN, SCRIBBLE, Written},
};
use crate::Wrong;

/// What the devices did with a write.
#[derive(Default)]
struct Deeds {
    /// Whether its fast-I/O routine was called.
    attempted: bool,
    /// How fast I/O ended it.
    fast: Option<IoStatus>,
    /// The IRP with which the bottom device was given it.
    irp: Option<Seen>,
}

/// Everything that must hold of any program: the rules of the model, the counters, and what each write was told.
pub(super) fn judge(stage: &Stage) -> Result<(), Wrong> {
    let mut deeds = deeds(stage);
    let mut packets = packets(stage);
    for written in &*stage.written.borrow() {
        let deeds = deeds.remove(&written.key).unwrap_or_default();
        let packet = packets.remove(&written.key.into());
        if let Err(what) = verdict(stage, written, &deeds, packet) {
            let (key, plan) = (written.key, written.plan);
            stage.expect(false, || format!("write {key}: {what}: {plan:?}"));
        }
    }
    stage.expect(deeds.is_empty(), || {
        "a device was given a write of nobody".to_owned()
    });
    stage.expect(packets.is_empty(), || "there is a packet of nobody".to_owned());
    count(stage);
    let report = stage.world.check().err().map(|report| report.to_string());
    let mut wrong = stage.wrong.take();
    match report {
        Some(report) => wrong.push(report),
        None if wrong.is_empty() => return Ok(()),
        None => wrong.extend(stage.world.trace()),
    }
    Err(Wrong(wrong.join("\n")))
}

fn count(stage: &Stage) {
    let seen = stage.statistics.snapshot();
    let adds_up = seen.in_flight == 0
        && seen.attempted == seen.fast + seen.irp + seen.rejected
        && seen.irp == seen.inline + seen.pended;
    stage.expect(adds_up, || format!("the counters do not add up: {seen:?}"));
}

/// What the devices did, by the keys of the writes.
fn deeds(stage: &Stage) -> BTreeMap<u32, Deeds> {
    let mut all: BTreeMap<u32, Deeds> = BTreeMap::new();
    let seen = stage
        .devices
        .iter()
        .flat_map(|(bottom, _)| stage.world.seen(bottom.device));
    for seen in seen {
        if let Some(fast) = seen.came.fast() {
            let deeds = all.entry(fast.key).or_default();
            deeds.attempted = true;
            // Anything but success is followed by an IRP; a filter then attempts once more.
            let done = seen.ended.filter(|io| io.status == NtStatus::SUCCESS);
            stage.expect(done.is_none() || deeds.fast.is_none(), || {
                format!("write {} was done twice by fast I/O", fast.key)
            });
            deeds.fast = deeds.fast.or(done);
        } else if let Some((_, _, location)) = seen.came.irp() {
            let twice = all.entry(location.key).or_default().irp.replace(seen).is_some();
            stage.expect(!twice, || format!("write {} was sent twice", location.key));
        }
    }
    all
}

/// The packets, by the contexts of the writes.
fn packets(stage: &Stage) -> BTreeMap<u64, Packet> {
    let mut all = BTreeMap::new();
    for packet in stage.packets.take() {
        let twice = all.insert(packet.context.0, packet).is_some();
        stage.expect(!twice, || format!("two packets of write {}", packet.context.0));
    }
    all
}

/// Compares what a write was told with what its device did.
fn verdict(stage: &Stage, written: &Written, deeds: &Deeds, packet: Option<Packet>) -> Result<(), String> {
    let end = end(deeds)?;
    check_bytes(written, deeds)?;
    let block = stage.world.block(written.block);
    let told = (block.writes > 0).then_some(block.io);
    if block.writes > 1 {
        return Err(format!("the status block was written {} times", block.writes));
    }
    check_arguments(stage, written, end)?;
    check_attempt(stage, written, deeds)?;
    check_told(stage, written, deeds, end, told)?;
    check_event(stage, written, deeds, told)?;
    let pended = written
        .returned
        .get()
        .map(|returned| returned == NtStatus::PENDING);
    check_packet(written, pended, told, packet)?;
    match &*written.record.borrow() {
        Some(record) if !record.is_over() => Err("was not ended".to_owned()),
        Some(record)
            if record
                .ended()
                .is_some_and(|ended| Some(ended.io) != end && end.is_some()) =>
        {
            Err(format!("ended with {:?}, not {end:?}", record.ended()))
        }
        _ => Ok(()),
    }
}

/// How the device ended a write. `None`: it was not given it.
fn end(deeds: &Deeds) -> Result<Option<IoStatus>, String> {
    match (deeds.fast, &deeds.irp) {
        (Some(_), Some(_)) => Err("was done by fast I/O, and sent".to_owned()),
        (Some(io), None) => Ok(Some(io)),
        (None, Some(irp)) => irp.ended.map(Some).ok_or("was never ended".to_owned()),
        (None, None) => Ok(None),
    }
}

/// Arguments that contradict each other are refused, and no others.
fn check_arguments(stage: &Stage, written: &Written, end: Option<IoStatus>) -> Result<(), String> {
    let Written { plan, open, .. } = written;
    let Some(returned) = written.returned.get() else {
        return Ok(());
    };
    let nobodys_event = written.event.is_some() && open.flags.is_synchronous();
    let nowhere = matches!(plan.offset, ByteOffset::At(offset) if offset < -2);
    let expected = match plan.how {
        // The place of a program's write is not looked at, if it has one.
        How::Nt => !open.flags.is_synchronous() && plan.offset == ByteOffset::Current,
        _ => nobodys_event || nowhere,
    };
    let refused = returned == NtStatus::INVALID_PARAMETER;
    // What it needs comes first, and may be what fails.
    let early = stage.faulty.get() || plan.how == How::Locked;
    if refused == expected || early && returned.is_error() && end.is_none() {
        Ok(())
    } else {
        Err(format!("returned {returned}"))
    }
}

/// Fast I/O is attempted where it may be, and nowhere else. Asked where no driver above the device makes attempts of its
/// own, and nothing may have come before.
fn check_attempt(stage: &Stage, written: &Written, deeds: &Deeds) -> Result<(), String> {
    let Written { plan, open, .. } = written;
    let early = [NtStatus::INVALID_PARAMETER, NtStatus::CANCELLED];
    let over = written
        .returned
        .get()
        .is_none_or(|status| early.contains(&status));
    let asked = matches!(plan.how, How::Managed | How::Owned);
    if !asked || over || open.bottom.covered || stage.faulty.get() {
        return Ok(());
    }
    let trusted = plan.mode == ProcessorMode::Kernel;
    let mode = trusted || written.previous == ProcessorMode::User;
    let outside = matches!(plan.buffer, Buffer::Forbidden | Buffer::Wrapping) && plan.length > 0;
    let packet = open.port && plan.context && !open.flags.skips_completion_port();
    let expected = open.bottom.fast && mode && !packet && (trusted || !outside);
    if deeds.attempted == expected {
        Ok(())
    } else {
        Err(format!("fast I/O was attempted: {}", deeds.attempted))
    }
}

/// The status block has what the device said, if anything is to be told; so has the caller.
fn check_told(
    stage: &Stage,
    written: &Written,
    deeds: &Deeds,
    end: Option<IoStatus>,
    told: Option<IoStatus>,
) -> Result<(), String> {
    let synchronous = written.open.flags.is_synchronous();
    let returned = written.returned.get();
    let pending = returned == Some(NtStatus::PENDING);
    let error = returned.is_some_and(NtStatus::is_error);
    if synchronous && pending {
        return Err("is pending, and synchronous".to_owned());
    }
    let Some(end) = end else {
        // A filter that was cancelled may refuse what its caller was told to wait for.
        let short = returned == Some(NtStatus::INSUFFICIENT_RESOURCES) && !stage.faulty.get();
        let refused = error && !short || returned.is_none() || pending && written.open.bottom.covered;
        let silent = told.is_none() || pending;
        return if refused && silent {
            Ok(())
        } else {
            Err(format!("was refused, and told {returned:?} and {told:?}"))
        };
    };
    if told.is_some_and(|told| told != end) {
        return Err(format!("was told {told:?}, not {end:?}"));
    }
    if returned.is_some_and(|returned| returned != end.status && !pending) {
        return Err(format!("was returned {returned:?}, not {end:?}"));
    }
    let own_irp = matches!(written.plan.how, How::Owned | How::Locked);
    let dropped = !own_irp && stage.ended.borrow().contains(&written.thread);
    let expected = match returned {
        _ if deeds.fast.is_some() && !written.open.bottom.covered => Some(true),
        _ if synchronous => Some(!end.status.is_error()),
        // Its thread is gone, and nobody is told.
        Some(NtStatus::PENDING) if dropped => None,
        Some(status) => Some(!status.is_error()),
        // One of a batch: an error at once is told to nobody, one that comes later is.
        None => (!end.status.is_error()).then_some(true),
    };
    match expected {
        Some(expected) if expected != told.is_some() => {
            Err(format!("returned {returned:?}, told {told:?}, ended {end:?}"))
        }
        _ => Ok(()),
    }
}

/// The event of a write is signalled once, when its status block is written.
fn check_event(
    stage: &Stage,
    written: &Written,
    deeds: &Deeds,
    told: Option<IoStatus>,
) -> Result<(), String> {
    let Some(event) = written.event.map(|event| stage.world.event_state(event)) else {
        return Ok(());
    };
    let may_be_skipped = deeds.fast.is_some() && written.open.flags.skips_event_on_fast_io();
    let expected = match told {
        // It was a filter that did it by fast I/O, or the routine itself.
        Some(_) if may_be_skipped && written.open.bottom.covered => event.signalled,
        Some(_) => !may_be_skipped,
        // A synchronous file object, to which NtWriteFile takes an event: an error that came late is signalled.
        None => event.signalled && written.open.flags.is_synchronous(),
    };
    if event.sets > 1 || event.signalled != (event.sets == 1) || event.signalled != expected {
        return Err(format!("was told {told:?}, and its event is {event:?}"));
    }
    Ok(())
}

/// A packet comes with the status block, if it is wanted.
fn check_packet(
    written: &Written,
    pended: Option<bool>,
    told: Option<IoStatus>,
    packet: Option<Packet>,
) -> Result<(), String> {
    let wanted = written.open.port && written.plan.context;
    let unwanted =
        written.open.flags.skips_completion_port() && told.is_some_and(|io| io.status.is_success());
    let expected = match (told, pended) {
        (Some(_), _) if wanted && !unwanted => true,
        (Some(_), Some(pended)) if wanted => pended,
        // One of a batch: whether it pended is not known.
        (Some(_), None) if wanted => packet.is_some(),
        _ => false,
    };
    if packet.is_some() != expected || packet.is_some_and(|packet| Some(packet.io) != told) {
        return Err(format!("was told {told:?}, and its packet is {packet:?}"));
    }
    Ok(())
}

/// The device was given the bytes, and says that it wrote no more than these.
fn check_bytes(written: &Written, deeds: &Deeds) -> Result<(), String> {
    let length = written.plan.length as usize;
    if let Some(io) = deeds.fast.or(deeds.irp.as_ref().and_then(|irp| irp.ended))
        && io.information > length
    {
        return Err(format!("ended with {io:?}"));
    }
    let Some(irp) = &deeds.irp else {
        return Ok(());
    };
    // Pages that are locked are still the program's to write to. Of those that it has unmapped it cannot.
    let shared = written.open.bottom.method == BufferMethod::Direct || written.plan.how == How::Locked;
    let wrong = |bytes: &[u8], scribbled: bool| {
        let given = PATTERN.get(..bytes.len()).unwrap_or_default();
        let mixed = || {
            bytes
                .iter()
                .zip(given)
                .all(|(byte, given)| [*given, SCRIBBLE].contains(byte))
        };
        bytes.len() > length || bytes != given && !(scribbled && mixed())
    };
    let came = irp.bytes.as_ref().is_ok_and(|bytes| wrong(bytes, false));
    let left = irp.bytes_at_end.as_ref();
    if came || left.is_some_and(|bytes| wrong(bytes, written.plan.scribbles && shared)) {
        return Err("came to the device with other bytes".to_owned());
    }
    Ok(())
}
