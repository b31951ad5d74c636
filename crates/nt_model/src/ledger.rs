//! What is outstanding.

/// Counts of what was handed out and not given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Requests neither completed nor held by the test.
    pub requests: i64,
    /// IRPs of the filter.
    pub irps: i64,
    /// MDLs of the filter.
    pub mdls: i64,
    /// System buffers of the filter.
    pub buffers: i64,
}
