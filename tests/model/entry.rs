//! The routine and its arguments: KS-01 to KS-19b.
