//! The cases, by subject.

mod access;
mod apc;
mod bad_buffer;
mod buffer;
mod cancel;
mod cancelled;
mod channel;
mod channel_close;
mod channel_queue;
mod channel_receive;
mod codes;
mod console_serial;
mod lifetime;
mod locks;
mod medium;
mod offset;
mod overlapped;
mod pipes;
mod ports;
mod resources;
mod result;
mod steps;
mod stream;
mod stream_file;
mod stream_object;
mod stream_result;
mod stream_steps;
mod synchronous;
mod times;
mod wire;
mod wts;
mod wts_file;
mod wts_open;
mod wts_read;

use crate::{
    case::Case,
    win32::{Handle, Role, Win32},
};

/// The cases of each subject.
const GROUPS: &[&[Case]] = &[
    access::CASES,
    apc::CASES,
    bad_buffer::CASES,
    buffer::CASES,
    cancel::CASES,
    cancelled::CASES,
    channel::CASES,
    channel_close::CASES,
    channel_queue::CASES,
    channel_receive::CASES,
    console_serial::CASES,
    lifetime::CASES,
    locks::CASES,
    medium::CASES,
    offset::CASES,
    overlapped::CASES,
    pipes::CASES,
    ports::CASES,
    resources::CASES,
    result::CASES,
    stream::CASES,
    stream_file::CASES,
    stream_object::CASES,
    stream_result::CASES,
    synchronous::CASES,
    times::CASES,
    wts::CASES,
    wts_file::CASES,
    wts_open::CASES,
    wts_read::CASES,
];

/// All cases, in the order of their rules.
pub fn all() -> impl Iterator<Item = &'static Case> {
    let mut all: Vec<&'static Case> = GROUPS.iter().copied().flatten().collect();
    all.sort_by_key(|case| case.id);
    all.into_iter()
}

/// What the other processes of cases do, by name.
pub const ROLES: &[(&str, Role)] = &[
    ("nothing", nothing),
    (lifetime::LEAVE_A_WRITE, lifetime::leave_a_write),
    (locks::LOCK_A_RANGE, locks::lock_a_range),
    (result::WRITE_WITHOUT_COUNT, result::write_without_count),
];

/// Ends at once.
fn nothing(_os: &dyn Win32, _handles: &[Handle]) -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_case() {
        let families = [("WF", 71), ("SA", 12), ("WV", 17), ("DV", 14)];
        let ids = families
            .iter()
            .flat_map(|(family, last)| (1..=*last).map(move |number| format!("{family}-{number:02}")));
        let missing: Vec<String> = ids.filter(|id| !all().any(|case| case.id == id)).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn cases_can_be_told_apart() {
        let mut said: Vec<_> = all().map(|case| (case.id, case.statement)).collect();
        let cases = said.len();
        said.dedup();
        assert_eq!(said.len(), cases);
    }
}
