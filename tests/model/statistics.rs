//! Whose counters count what: KS-80 to KS-86.
