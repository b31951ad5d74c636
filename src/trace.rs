//! The trace: records of what was decided for each write, and how it ended.
//!
//! They go to a ring, which a program reads, and to ETW. Off, they cost a write one relaxed load. On, a write takes a number, and one spin lock for each of its records,
//! held for the copy of it; nothing is allocated, and nobody waits for a reader but for the copy of one answer.

use core::{
    num::NonZeroU64,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use kmdf::{NtStatus, spin::StaticSpinLock, time};
use kswrite_core::{Decision, Ended, IoStatus};
use kswrite_state::{
    record::{self, Facts, Operation},
    ring::Ring,
};
use kswrite_wire::trace::{Batch, MAX_BATCH, Record, State};
use zerocopy::IntoBytes;

use crate::ffi::etw;

/// Who wants records: bits of [`WANTED`].
mod wanted {
    /// The ring.
    pub(super) const BY_RING: u32 = 1;
    /// A session of ETW.
    pub(super) const BY_ETW: u32 = 2;
}

/// Whether anybody wants records. Set after there is somebody to take them, and nothing is published with it:
/// a write that goes by an older value adds a record too few, or one that nobody takes.
static WANTED: AtomicU32 = AtomicU32::new(0);

/// The number of the last write that was traced.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

static KEPT: StaticSpinLock<Kept> = StaticSpinLock::new(Kept { ring: None, next: 0 });

struct Kept {
    ring: Option<Ring<Record>>,
    /// The number of the first record of the next ring.
    next: u64,
}

/// A write to a file object that is traced.
#[derive(Clone, Copy)]
pub struct Traced {
    /// Its number, and when it came.
    pub operation: Operation,
    /// What is known of it.
    pub facts: Facts,
}

/// A write that came in, if it is traced.
///
/// IRQL: any.
#[inline]
pub fn came() -> Option<Operation> {
    if WANTED.load(Ordering::Relaxed) == 0 {
        return None;
    }
    number()
}

#[cold]
fn number() -> Option<Operation> {
    let last = NUMBERS.fetch_add(1, Ordering::Relaxed);
    Some(Operation {
        number: NonZeroU64::new(last.wrapping_add(1))?,
        came: Some(time::now_100ns()),
    })
}

/// An IRP is about to be sent.
///
/// IRQL: `<= DISPATCH_LEVEL`.
#[cold]
pub fn started(operation: Operation, facts: &Facts, decision: &Decision) {
    keep(record::started(operation, facts, decision));
}

/// The write is over.
///
/// IRQL: `<= DISPATCH_LEVEL`.
#[cold]
pub fn ended(operation: Operation, facts: &Facts, ended: &Ended) {
    keep(record::ended(operation, facts, ended, time::now_100ns()));
}

/// Nothing was sent.
///
/// IRQL: `<= DISPATCH_LEVEL`.
#[cold]
pub fn refused(operation: Operation, facts: &Facts, decision: &Decision, status: NtStatus) {
    keep(record::refused(
        operation,
        facts,
        decision,
        status,
        time::now_100ns(),
    ));
}

/// A write that the I/O manager has completed.
///
/// IRQL: `<= DISPATCH_LEVEL`.
#[cold]
pub fn whole(operation: Operation, facts: &Facts, decision: &Decision, io: IoStatus) {
    keep(record::whole(operation, facts, decision, io, time::now_100ns()));
}

fn keep(record: Record) {
    if WANTED.load(Ordering::Relaxed) & wanted::BY_ETW != 0 {
        etw::write(&record);
    }
    if let Some(ring) = &mut KEPT.lock().ring {
        ring.push(|sequence| Record { sequence, ..record });
    }
}

/// What is kept now.
///
/// IRQL: `<= DISPATCH_LEVEL`.
pub fn state() -> State {
    let kept = KEPT.lock();
    let now = time::now_100ns();
    match &kept.ring {
        Some(ring) => State {
            on: 1,
            records: u32::try_from(ring.capacity()).unwrap_or(u32::MAX),
            oldest: ring.oldest(),
            next: ring.next(),
            now,
        },
        None => State {
            next: kept.next,
            oldest: kept.next,
            now,
            ..State::default()
        },
    }
}

/// Keeps so many records from now on; `None`: none, and the memory is given back. A ring that has this size already
/// stays as it is.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`; then nothing has changed.
pub fn set(records: Option<u32>) -> Result<(), NtStatus> {
    let wanted = records.map(|records| records as usize);
    if KEPT.lock().ring.as_ref().map(Ring::capacity) == wanted {
        return Ok(());
    }
    // Memory is found, and given back, with the lock free.
    let mut ring = match wanted {
        Some(records) => Some(Ring::new(records).map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?),
        None => None,
    };
    {
        let mut kept = KEPT.lock();
        let next = kept.ring.as_ref().map_or(kept.next, Ring::next);
        kept.next = next;
        if let Some(ring) = &mut ring {
            ring.begin_at(next);
        }
        core::mem::swap(&mut kept.ring, &mut ring);
    }
    want(wanted::BY_RING, wanted.is_some());
    Ok(())
}

/// A session of ETW wants events, or the last one that did does not any more.
///
/// IRQL: any.
pub fn want_events(on: bool) {
    want(wanted::BY_ETW, on);
}

fn want(by: u32, on: bool) {
    if on {
        WANTED.fetch_or(by, Ordering::Relaxed);
    } else {
        WANTED.fetch_and(!by, Ordering::Relaxed);
    }
}

/// Fills `output` with a [`Batch`] and the records from the number `from` on, and returns the bytes of both.
///
/// IRQL: `<= DISPATCH_LEVEL`. `output` is not pageable.
///
/// # Errors
///
/// `STATUS_BUFFER_TOO_SMALL` without room for one record; `STATUS_DEVICE_NOT_READY` while nothing is kept;
/// `STATUS_INVALID_PARAMETER`: there is no such number yet.
pub fn read(from: u64, output: &mut [u8]) -> Result<usize, NtStatus> {
    let (head, room) = output
        .split_at_mut_checked(size_of::<Batch>())
        .ok_or(NtStatus::BUFFER_TOO_SMALL)?;
    let mut places = room.chunks_exact_mut(size_of::<Record>());
    let most = places.len().min(MAX_BATCH as usize);
    if most == 0 {
        return Err(NtStatus::BUFFER_TOO_SMALL);
    }
    let read = {
        let kept = KEPT.lock();
        let ring = kept.ring.as_ref().ok_or(NtStatus::DEVICE_NOT_READY)?;
        let read = ring.read(from, most, |record| {
            if let Some(place) = places.next() {
                place.copy_from_slice(record.as_bytes());
            }
        });
        read.ok_or(NtStatus::INVALID_PARAMETER)?
    };
    let batch = Batch {
        next: read.next,
        lost: read.lost,
        count: u32::try_from(read.count).unwrap_or(u32::MAX),
        reserved: 0,
    };
    head.copy_from_slice(batch.as_bytes());
    Ok(size_of::<Batch>() + read.count * size_of::<Record>())
}
