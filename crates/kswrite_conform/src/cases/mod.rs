//! The cases, by subject.

mod result;

use crate::{
    case::Case,
    win32::{Handle, Role, Win32},
};

/// All cases, in the order of their rules.
pub fn all() -> impl Iterator<Item = &'static Case> {
    let groups: [&'static [Case]; 1] = [result::CASES];
    let mut all: Vec<&'static Case> = groups.into_iter().flatten().collect();
    all.sort_by_key(|case| case.id);
    all.into_iter()
}

/// What the other processes of cases do, by name.
pub const ROLES: &[(&str, Role)] = &[("nothing", nothing)];

/// Ends at once.
fn nothing(_os: &dyn Win32, _handles: &[Handle]) -> u32 {
    0
}
