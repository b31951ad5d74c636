//! The parts of the core that several threads meet in, met by several threads: a write ends once, whoever comes
//! last, and who ends it sees what the others did.
//!
//! An ordinary test, and the one that ThreadSanitizer runs (`cargo xtask sanitize`): what the parties leave for the last
//! one is plain memory, so an ordering that is too weak is a data race.

// A kernel with a defect asks for services that this one has not.
#![cfg(not(feature = "defects"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod machine;
mod meeting;
mod plain;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use kswrite_core::{
    CancelToken, FileFlags, FileWrite, Handoff, NtStatus, ProcessorMode,
    batch::{self, Batch},
    owned,
};
use machine::{Device, Machine, Waiting, Write};
use meeting::Meeting;
use plain::Plain;

/// Rounds of a test; each has its threads begin at the same time.
const ROUNDS: u32 = 2_000;

/// The dispatching thread, the completion and the cancel leave in any order: one of them is told that it is the last, and
/// it sees what the others wrote before they left.
#[test]
fn the_last_party_of_a_handoff_is_one() {
    let meeting = Meeting::new(3);
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| (Handoff::new(), [0; 3].map(|_| Plain::new(0)), AtomicU32::new(0)))
        .collect();
    thread::scope(|scope| {
        for party in 0..3 {
            let (mut member, rounds) = (meeting.join(), &rounds);
            scope.spawn(move || {
                for (handoff, notes, lasts) in rounds {
                    member.wait();
                    notes[party].set(1);
                    if handoff.leave().was_last() {
                        lasts.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(notes.each_ref().map(Plain::get), [1; 3]);
                    }
                }
            });
        }
    });
    assert!(
        rounds
            .iter()
            .all(|(_, _, lasts)| lasts.load(Ordering::Relaxed) == 1)
    );
}

/// Two cancels and a completion meet at a token: either one cancel goes on, or the completion took the token back.
#[test]
fn a_token_lets_one_cancel_or_the_completion_through() {
    let meeting = Meeting::new(3);
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| (CancelToken::new(), AtomicU32::new(0)))
        .collect();
    assert!(rounds.iter().all(|(token, _)| token.arm()));
    thread::scope(|scope| {
        for party in 0..3 {
            let (mut member, rounds) = (meeting.join(), &rounds);
            scope.spawn(move || {
                for (token, through) in rounds {
                    member.wait();
                    let mine = if party == 0 {
                        token.disarm()
                    } else {
                        token.cancel()
                    };
                    through.fetch_add(u32::from(mine), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(
        rounds
            .iter()
            .all(|(_, through)| through.load(Ordering::Relaxed) == 1)
    );
}

fn file_write(synchronous: bool) -> FileWrite<Machine> {
    let flags = if synchronous {
        FileFlags::SYNCHRONOUS_IO
    } else {
        FileFlags::default()
    };
    FileWrite::new(flags, None, None, (), 0, 16, 0, ProcessorMode::Kernel)
}

/// Threads that complete what the device holds, in any order, until nobody can send any more.
fn complete_all<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    machine: &'scope Machine,
    held: &'scope std::sync::Mutex<mpsc::Receiver<machine::Sent>>,
) {
    for _ in 0..2 {
        scope.spawn(move || {
            loop {
                let sent = held.lock().unwrap().recv();
                let Ok(sent) = sent else { return };
                machine.complete(sent);
            }
        });
    }
}

/// Writes that pend, writes that are complete at once, and writes that are waited for, each with somebody who cancels
/// it: all end once, and the counters agree with what happened.
#[test]
fn every_write_ends_once_whoever_is_last() {
    let (sender, held) = mpsc::channel();
    let held = std::sync::Mutex::new(held);
    let machine = Machine::new(sender);
    let devices = [Device::Holds, Device::Inline, Device::Holds];
    let writes: Vec<Arc<Write>> = (0..ROUNDS)
        .map(|round| {
            let kind = round as usize % devices.len();
            Arc::new(Write::new(devices[kind], kind == 2, None))
        })
        .collect();
    let meeting = Meeting::new(2);
    thread::scope(|scope| {
        complete_all(scope, &machine, &held);
        let (machine, writes, meeting) = (&machine, &writes, &meeting);
        scope.spawn(move || {
            let mut member = meeting.join();
            for write in writes {
                member.wait();
                machine.cancel(write);
            }
        });
        scope.spawn(move || {
            let mut member = meeting.join();
            let _last = machine.last_sender();
            for write in writes {
                member.wait();
                let request = Waiting(Arc::clone(write));
                let status = owned::write(
                    machine,
                    machine.statistics(),
                    &file_write(write.synchronous),
                    request,
                );
                write.returned(status);
            }
        });
    });
    for write in &writes {
        write.check();
    }
    let seen = machine.statistics().snapshot();
    let ended = |status| writes.iter().filter(|write| write.ended() == status).count() as u64;
    assert_eq!(seen.in_flight, 0);
    assert_eq!(seen.attempted, u64::from(ROUNDS));
    assert_eq!(seen.irp + seen.rejected, u64::from(ROUNDS));
    assert_eq!(seen.inline + seen.pended, seen.irp);
    assert_eq!(seen.cancelled + seen.rejected, ended(NtStatus::CANCELLED));
}

/// A batch is drained once: by the submitter, who is told so, or by the last completion, which signals.
#[test]
fn a_batch_is_drained_once() {
    const WRITES: u32 = 4;
    let (sender, held) = mpsc::channel();
    let held = std::sync::Mutex::new(held);
    let machine = Machine::new(sender);
    let mut drained = Vec::new();
    thread::scope(|scope| {
        complete_all(scope, &machine, &held);
        let _last = machine.last_sender();
        for _ in 0..ROUNDS / WRITES {
            let batch = Arc::new(Batch::new());
            let signals = Arc::new(AtomicU32::new(0));
            let writes = (0..WRITES).map(|_| {
                let batch = Some((Arc::clone(&batch), Arc::clone(&signals)));
                let write = Arc::new(Write::new(Device::Holds, false, batch));
                (file_write(false), Waiting(write))
            });
            let submission = batch::submit(&machine, machine.statistics(), &batch, writes);
            assert_eq!(submission.pending, WRITES);
            drained.push((batch, signals, submission.drained));
        }
    });
    for (batch, signals, by_submitter) in drained {
        assert_eq!(batch.outstanding(), 0);
        assert_eq!(signals.load(Ordering::Relaxed), u32::from(!by_submitter));
    }
}

/// Counters are added to from any thread, and lose nothing.
#[test]
fn counters_lose_nothing() {
    let statistics = kswrite_core::Statistics::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..ROUNDS).for_each(|_| statistics.forwarded_fast()));
        }
    });
    assert_eq!(statistics.snapshot().forwarded_fast, u64::from(4 * ROUNDS));
}
