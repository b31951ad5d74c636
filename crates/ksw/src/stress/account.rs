//! What must hold when everything is over: the filter's counters, what is left in the drivers, memory.

use kswrite_wire::filter::Statistics;

use super::finding::{Finding, Invariant};
use super::tally::Tally;
use crate::status::HostCounters;

/// Judges what the filter counted between two quiet moments.
///
/// With `strangers`, other processes have written too, and only what holds for any writes is judged.
///
/// # Errors
///
/// The counters contradict each other, or the results.
pub fn filter(
    before: &Statistics,
    after: &Statistics,
    tally: &Tally,
    strangers: bool,
) -> Result<(), Finding> {
    let since = |get: fn(&Statistics) -> u64| get(after).wrapping_sub(get(before));
    let attempted = since(|s| s.attempted);
    let (fast, irp) = (since(|s| s.fast), since(|s| s.irp));
    let rejected = since(|s| s.rejected);
    let bypassed = since(|s| s.bypassed);
    let attempts = fast + since(|s| s.declined) + since(|s| s.skipped) + since(|s| s.faulted);
    let ends = since(|s| s.inline) + since(|s| s.pended);
    expect("in flight", after.in_flight.into(), 0, 0)?;
    expect(
        "attempted, against fast + declined + skipped + faulted",
        attempted,
        attempts,
        attempts,
    )?;
    let ways = fast + irp + rejected;
    expect("attempted, against fast + irp + rejected", attempted, ways, ways)?;
    expect("irp, against inline + pended", irp, ends, ends)?;
    if strangers || after.devices == 0 {
        return Ok(());
    }
    // A write that is cancelled before the system has sent it down is not seen by the filter.
    let unseen = tally.cancelled_untaken + tally.forgotten;
    let fewest = tally.writes.saturating_sub(unseen);
    expect("attempted + bypassed", attempted + bypassed, fewest, tally.writes)?;
    expect("rejected", rejected, 0, 0)?;
    let bytes = since(|s| s.fast_bytes) + since(|s| s.irp_bytes);
    let most = tally.bytes + tally.unknown_bytes;
    let least = if bypassed == 0 { tally.bytes } else { 0 };
    expect("fast bytes + irp bytes", bytes, least, most)?;
    let cancelled = since(|s| s.cancelled);
    let least = if bypassed == 0 { tally.cancelled_taken } else { 0 };
    let most = tally.cancelled_taken + tally.cancelled_untaken + tally.forgotten;
    expect("cancelled", cancelled, least, most)
}

/// Judges two looks at the counters while writes go on: none of them goes back.
///
/// # Errors
///
/// One does, or more is in flight than can be.
pub fn while_running(before: &Statistics, now: &Statistics, most_in_flight: u32) -> Result<(), Finding> {
    for (name, before, now) in [
        ("attempted", before.attempted, now.attempted),
        ("fast", before.fast, now.fast),
        ("declined", before.declined, now.declined),
        ("skipped", before.skipped, now.skipped),
        ("faulted", before.faulted, now.faulted),
        ("irp", before.irp, now.irp),
        ("inline", before.inline, now.inline),
        ("pended", before.pended, now.pended),
        ("cancelled", before.cancelled, now.cancelled),
        ("failed", before.failed, now.failed),
        ("rejected", before.rejected, now.rejected),
        ("fast bytes", before.fast_bytes, now.fast_bytes),
        ("irp bytes", before.irp_bytes, now.irp_bytes),
        ("bypassed", before.bypassed, now.bypassed),
    ] {
        expect(name, now, before, u64::MAX)?;
    }
    expect("in flight", now.in_flight.into(), 0, most_in_flight.into())
}

fn expect(name: &str, value: u64, low: u64, high: u64) -> Result<(), Finding> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let wanted = if low == high {
        low.to_string()
    } else {
        format!("{low} to {high}")
    };
    let text = format!("the filter counts {value} {name}, and it should be {wanted}");
    Err(Finding::new(Invariant::FilterCounters, text))
}

/// Judges what the Wine host counts, between two moments in which no handle of this run was open.
///
/// # Errors
///
/// Something was found wrong, or is left.
pub fn host(before: &HostCounters, after: &HostCounters) -> Result<(), Finding> {
    if after == before {
        return Ok(());
    }
    let text = if after.findings == before.findings {
        format!("something is left in the drivers; before: {before}; now: {after}")
    } else {
        format!("the host has found something wrong, see its log: {after}")
    };
    Err(Finding::new(Invariant::Host, text))
}

/// Rounds in which memory may still grow: caches fill, threads leave their stacks behind.
const WARM_UP: usize = 3;
/// Bytes that are no growth.
const ALLOWANCE: u64 = 24 << 20;

/// Judges the memory of the process, sampled after each round: after some rounds it stays.
///
/// # Errors
///
/// All of the last samples are well above the first ones.
pub fn memory(samples: &[u64]) -> Result<(), Finding> {
    let Some((early, late)) = samples.split_at_checked(WARM_UP) else {
        return Ok(());
    };
    let before = early.iter().max().copied().unwrap_or(0);
    let now = late.iter().rev().take(WARM_UP).min().copied().unwrap_or(0);
    if late.len() < WARM_UP || now <= before + before / 4 + ALLOWANCE {
        return Ok(());
    }
    let text = format!(
        "the process has {now} bytes after {} rounds, and had at most {before} after the first {WARM_UP}",
        samples.len()
    );
    Err(Finding::new(Invariant::Memory, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> (Statistics, Tally) {
        let statistics = Statistics {
            devices: 3,
            attempted: 10,
            fast: 4,
            declined: 3,
            skipped: 3,
            irp: 6,
            inline: 2,
            pended: 4,
            cancelled: 1,
            fast_bytes: 400,
            irp_bytes: 600,
            ..Statistics::default()
        };
        let tally = Tally {
            writes: 10,
            bytes: 1000,
            cancelled_taken: 1,
            ..Tally::default()
        };
        (statistics, tally)
    }

    #[test]
    fn counters_that_agree_are_no_finding() {
        let (after, tally) = counted();
        assert_eq!(filter(&Statistics::default(), &after, &tally, false), Ok(()));
    }

    #[test]
    fn every_contradiction_is_a_finding() {
        let (right, tally) = counted();
        let wrong: [fn(&mut Statistics); 10] = [
            |s| s.in_flight = 1,
            |s| s.attempted += 1,
            |s| s.fast += 1,
            |s| s.declined -= 1,
            |s| s.inline += 1,
            |s| s.fast_bytes += 1,
            |s| s.irp_bytes -= 1,
            |s| s.cancelled = 0,
            |s| s.cancelled = 2,
            |s| s.bypassed = 1,
        ];
        for (index, change) in wrong.into_iter().enumerate() {
            let mut after = right;
            change(&mut after);
            let found = filter(&Statistics::default(), &after, &tally, false);
            assert_eq!(found.unwrap_err().invariant, Invariant::FilterCounters, "{index}");
        }
        // A write that nobody counted.
        let more = Tally { writes: 11, ..tally };
        assert!(filter(&Statistics::default(), &right, &more, false).is_err());
        assert!(filter(&Statistics::default(), &right, &more, true).is_ok());
    }

    #[test]
    fn counters_do_not_go_back() {
        let (now, _) = counted();
        assert_eq!(while_running(&Statistics::default(), &now, 9), Ok(()));
        assert!(while_running(&now, &Statistics::default(), 9).is_err());
        let wrapped = Statistics {
            in_flight: u32::MAX,
            ..now
        };
        assert!(while_running(&now, &wrapped, 9).is_err());
    }

    #[test]
    fn whatever_is_left_in_the_drivers_is_a_finding() {
        let before = HostCounters {
            objects: 9,
            ..HostCounters::default()
        };
        assert_eq!(host(&before, &before), Ok(()));
        assert!(host(&before, &HostCounters { irps: 1, ..before }).is_err());
        let found = host(
            &before,
            &HostCounters {
                findings: 1,
                ..before
            },
        )
        .unwrap_err();
        assert!(found.text.contains("see its log"), "{found}");
    }

    #[test]
    fn memory_may_settle_and_may_not_grow() {
        let mib = |samples: &[u64]| memory(&samples.iter().map(|mib| mib << 20).collect::<Vec<_>>());
        assert_eq!(mib(&[]), Ok(()));
        assert_eq!(mib(&[10, 30, 40, 45, 44, 46]), Ok(()));
        assert_eq!(mib(&[10, 30, 40, 500]), Ok(()), "one sample is an accident");
        assert!(mib(&[10, 30, 40, 80, 100, 120]).is_err());
    }
}
