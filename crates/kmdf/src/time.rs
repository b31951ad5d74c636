//! The clock.
#![expect(unsafe_code, reason = "calls the kernel")]

use wdk_sys::ntddk::KeQueryPerformanceCounter;

/// Units of 100 ns in a second.
const UNITS_PER_SECOND: u64 = 10_000_000;

/// A clock that only goes forward, in units of 100 ns from an arbitrary start.
///
/// IRQL: any.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kequeryperformancecounter>
pub fn now_100ns() -> u64 {
    let mut frequency = wdk_sys::LARGE_INTEGER::default();
    // SAFETY: the place to fill is valid for the call.
    let counter = unsafe { KeQueryPerformanceCounter(&raw mut frequency) };
    // SAFETY: all bit patterns are values of this member.
    let counter = unsafe { counter.QuadPart }.cast_unsigned();
    // SAFETY: as above.
    let frequency = unsafe { frequency.QuadPart }.cast_unsigned().max(1);
    let seconds = counter / frequency;
    let rest = counter % frequency;
    seconds
        .wrapping_mul(UNITS_PER_SECOND)
        .wrapping_add(rest.wrapping_mul(UNITS_PER_SECOND) / frequency)
}
